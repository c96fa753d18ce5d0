//! A finished call as it was seen: raw facts, copied small on the caller's task, made into an event elsewhere.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method};
use url::Url;

use crate::token::SessionCredentials;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The answer's body was read to its end.
    Complete,
    /// No answer came, or its body broke; the error text says why.
    Failed,
    /// The caller dropped the answer's body before its end, which is no error.
    Dropped,
    /// The caller dropped the future before an answer came.
    Cancelled,
}

impl End {
    /// The word in an event's `custom_properties`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The beginning of a body, copied: a slice of the caller's buffer would keep the whole buffer alive for as long as the event waits.
#[derive(Default)]
pub(crate) struct CapturedBody {
    /// The first bytes, up to the configured limit; empty where the content is not text.
    pub(crate) prefix: Vec<u8>,
    /// How many bytes went by.
    pub(crate) total: u64,
    /// The prefix was given up because the queue was nearly full.
    pub(crate) shed: bool,
}

impl CapturedBody {
    /// Takes in the next chunk: counts it, and copies what still fits below `limit` bytes.
    pub(crate) fn extend(&mut self, chunk: &[u8], limit: usize) {
        self.total = self.total.saturating_add(chunk.len() as u64);
        let room = limit.saturating_sub(self.prefix.len()).min(chunk.len());
        if self.prefix.is_empty() {
            self.prefix = chunk[..room].to_vec(); // no larger than the whole body, as most come in one chunk
        } else {
            self.prefix.extend_from_slice(&chunk[..room]);
        }
    }

    fn shed(&mut self) -> Vec<u8> {
        self.shed |= !self.prefix.is_empty();
        std::mem::take(&mut self.prefix)
    }
}

/// Header lines copied into one buffer, for the same reason: a `HeaderValue` keeps the buffer alive that the whole answer was read into.
#[derive(Default)]
pub(crate) struct HeaderBlock(Vec<u8>);

/// Longest value that is copied; what is longer is cut.
const VALUE: usize = 4 * 1024;
/// All lines of one message together; lines beyond it are left out.
const LINES: usize = 32 * 1024;
/// Stands for the length of a value that was marked sensitive, and so never copied.
const SENSITIVE: u16 = u16::MAX;

impl HeaderBlock {
    /// Copies the lines; a value that is marked sensitive is not copied, only its name is.
    pub(crate) fn copy(map: &HeaderMap) -> Self {
        let size = map.iter().map(|(name, value)| 4 + name.as_str().len() + value.len().min(VALUE)).sum::<usize>();
        let mut lines = Vec::with_capacity(size.min(LINES));
        for (name, value) in map {
            let name = name.as_str().as_bytes();
            let Ok(name_length) = u16::try_from(name.len()) else { continue };
            let kept = &value.as_bytes()[..value.len().min(VALUE)];
            if lines.len() + 4 + name.len() + kept.len() > LINES {
                continue;
            }
            let (length, kept) = if value.is_sensitive() { (SENSITIVE, &[][..]) } else { (kept.len() as u16, kept) };
            let ([a, b], [c, d]) = (name_length.to_le_bytes(), length.to_le_bytes());
            lines.extend_from_slice(&[a, b, c, d]);
            lines.extend_from_slice(name);
            lines.extend_from_slice(kept);
        }
        Self(lines)
    }

    /// Name and value of each line; no value where it was marked sensitive.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (lengths, after) = rest.split_first_chunk::<4>()?;
            let [a, b, c, d] = *lengths;
            let (name, after) = after.split_at_checked(u16::from_le_bytes([a, b]).into())?;
            let length = u16::from_le_bytes([c, d]);
            let (value, after) = match length {
                SENSITIVE => (None, after),
                length => after.split_at_checked(length.into()).map(|(value, after)| (Some(value), after))?,
            };
            rest = after;
            Some((std::str::from_utf8(name).ok()?, value))
        })
    }

    /// The first value with this lower-case name.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(other, _)| *other == name).and_then(|(_, value)| value)
    }
}

/// One uninterrupted stretch of requests outside the project's domain: what left, what came back, and how it ended.
pub(crate) struct RawCall {
    pub(crate) credentials: Arc<SessionCredentials>,
    /// Given when the call started, so that a reader can tell the order of starts.
    pub(crate) sequence: u64,
    pub(crate) method: Method,
    /// The last URL of the stretch.
    pub(crate) url: Url,
    pub(crate) request_headers: HeaderBlock,
    pub(crate) request_body: CapturedBody,
    /// 0 where no answer came.
    pub(crate) status: u16,
    pub(crate) response_headers: HeaderBlock,
    pub(crate) response_body: CapturedBody,
    pub(crate) started_at: SystemTime,
    /// From the start to the end of the body.
    pub(crate) latency: Duration,
    /// From the start to the answer's head.
    pub(crate) first_byte: Option<Duration>,
    /// How many redirects were followed within the stretch.
    pub(crate) hops: u32,
    pub(crate) error: Option<String>,
    pub(crate) end: End,
}

impl RawCall {
    /// About how much memory the call keeps, in bytes.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>()
            + self.url.as_str().len()
            + self.request_headers.0.capacity()
            + self.response_headers.0.capacity()
            + self.request_body.prefix.capacity()
            + self.response_body.prefix.capacity()
            + self.error.as_ref().map_or(0, String::capacity)
    }

    /// Gives up the bodies, keeping their sizes. They are handed out so that a caller who holds a lock can free them after it.
    pub(crate) fn shed_bodies(&mut self) -> [Vec<u8>; 2] {
        [self.request_body.shed(), self.response_body.shed()]
    }
}

impl fmt::Debug for RawCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither URL nor headers nor bodies: nothing here was redacted yet.
        f.debug_struct("Call")
            .field("credentials", &self.credentials)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn headers_come_back_as_they_were_and_sensitive_values_do_not() {
        let mut map = HeaderMap::new();
        let mut secret = HeaderValue::from_static("hidden");
        secret.set_sensitive(true);
        map.insert("accept", HeaderValue::from_static("text/plain"));
        map.insert("x-mine", secret);
        map.append("x-twice", HeaderValue::from_static("1"));
        map.append("x-twice", HeaderValue::from_static(""));

        let headers = HeaderBlock::copy(&map);

        let lines: Vec<_> = headers.iter().collect();
        assert_eq!(lines.len(), 4);
        assert_eq!(headers.get("accept"), Some(&b"text/plain"[..]));
        assert!(lines.contains(&("x-mine", None)));
        assert!(!headers.0.windows(6).any(|window| window == b"hidden"));
        assert!(lines.contains(&("x-twice", Some(&b"1"[..]))) && lines.contains(&("x-twice", Some(&b""[..]))));
    }

    #[test]
    fn headers_beyond_any_measure_are_bounded() {
        let mut map = HeaderMap::new();
        for n in 0..100 {
            let name = http::HeaderName::from_bytes(format!("x-{n}").as_bytes()).unwrap();
            map.insert(name, HeaderValue::from_bytes(&vec![b'a'; 9_000]).unwrap());
        }

        let headers = HeaderBlock::copy(&map);

        assert!(headers.0.len() <= LINES);
        assert!(headers.iter().all(|(_, value)| value.is_some_and(|value| value.len() == VALUE)));
    }

    #[test]
    fn a_body_is_counted_whole_and_kept_to_the_limit() {
        let mut body = CapturedBody::default();

        body.extend(b"hello ", 8);
        body.extend(b"world", 8);

        assert_eq!(body.prefix, b"hello wo");
        assert_eq!(body.total, 11);
    }
}
