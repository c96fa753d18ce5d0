//! A finished call as captured on the caller's task, raw and compact.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method};
use url::Url;

use crate::token::SessionCredentials;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The response body was read to its end.
    Complete,
    /// There was no response, or its body failed; the error text states why.
    Failed,
    /// The caller dropped the response body before its end, which is not an error.
    Dropped,
    /// The caller dropped the future before there was a response.
    Cancelled,
}

impl End {
    /// The value in the event's `custom_properties`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The beginning of a body. It is a copy, because a slice of the caller's buffer would keep the
/// whole buffer alive for as long as the event is queued.
#[derive(Default)]
pub(crate) struct CapturedBody {
    /// The first bytes, up to the configured limit; empty if the content is not text.
    pub(crate) prefix: Vec<u8>,
    /// The size of the whole body so far.
    pub(crate) total: u64,
    /// Whether the prefix was discarded because the queue was nearly full.
    pub(crate) shed: bool,
}

impl CapturedBody {
    /// Counts the next chunk, and copies as much of it as fits within `limit` bytes.
    pub(crate) fn extend(&mut self, chunk: &[u8], limit: usize) {
        self.total = self.total.saturating_add(chunk.len() as u64);
        let chunk = &chunk[..limit.saturating_sub(self.prefix.len()).min(chunk.len())];
        if self.prefix.is_empty() {
            self.prefix = chunk.to_vec(); // allocates no more than needed: most bodies come in one chunk
        } else {
            self.prefix.extend_from_slice(chunk);
        }
    }

    fn shed(&mut self) -> Vec<u8> {
        self.shed |= !self.prefix.is_empty();
        std::mem::take(&mut self.prefix)
    }
}

/// The limit of one value; longer ones are cut.
const MAX_VALUE_BYTES: usize = 4 * 1024;
/// The limit of a whole block; headers that do not fit are left out.
const MAX_BLOCK_BYTES: usize = 32 * 1024;
/// Stored in place of the length of a value that is marked sensitive.
const SENSITIVE: u16 = u16::MAX;

/// Headers copied into one buffer, each preceded by its lengths. Cloned `HeaderValue`s would keep
/// the buffer alive that the whole response was read into, and deep copies would cost an allocation
/// each.
#[derive(Default)]
pub(crate) struct HeaderBlock(Vec<u8>);

impl HeaderBlock {
    /// Copies the headers, but only the name of one that is marked sensitive.
    pub(crate) fn copy(map: &HeaderMap) -> Self {
        let size =
            map.iter().map(|(name, value)| 4 + name.as_str().len() + value.len().min(MAX_VALUE_BYTES)).sum::<usize>();
        let mut block = Vec::with_capacity(size.min(MAX_BLOCK_BYTES));
        for (name, value) in map {
            let name = name.as_str().as_bytes();
            let Ok(name_length) = u16::try_from(name.len()) else { continue };
            let kept = &value.as_bytes()[..value.len().min(MAX_VALUE_BYTES)];
            if block.len() + 4 + name.len() + kept.len() > MAX_BLOCK_BYTES {
                continue;
            }
            let (length, kept) = if value.is_sensitive() { (SENSITIVE, &[][..]) } else { (kept.len() as u16, kept) };
            let ([a, b], [c, d]) = (name_length.to_le_bytes(), length.to_le_bytes());
            block.extend_from_slice(&[a, b, c, d]);
            block.extend_from_slice(name);
            block.extend_from_slice(kept);
        }
        Self(block)
    }

    /// The name and value of each header; `None` for a value that was marked sensitive.
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

    /// The first value with this name, which must be in lower case.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(other, _)| *other == name).and_then(|(_, value)| value)
    }
}

/// A request outside the project domain, with the redirects that were followed there.
pub(crate) struct RawCall {
    pub(crate) credentials: Arc<SessionCredentials>,
    /// Assigned when the call started, so that readers can restore that order.
    pub(crate) sequence: u64,
    pub(crate) method: Method,
    /// The last URL of the run.
    pub(crate) url: Url,
    pub(crate) request_headers: HeaderBlock,
    pub(crate) request_body: CapturedBody,
    /// 0 if there was no response.
    pub(crate) status: u16,
    pub(crate) response_headers: HeaderBlock,
    pub(crate) response_body: CapturedBody,
    pub(crate) started_at: SystemTime,
    /// From the start to the end of the response body.
    pub(crate) latency: Duration,
    /// From the start to the response headers.
    pub(crate) first_byte: Option<Duration>,
    /// How many redirects were followed within the run.
    pub(crate) hops: u32,
    pub(crate) error: Option<String>,
    pub(crate) end: End,
}

impl RawCall {
    /// About how many bytes of memory the call occupies.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>()
            + self.url.as_str().len()
            + self.request_headers.0.capacity()
            + self.response_headers.0.capacity()
            + self.request_body.prefix.capacity()
            + self.response_body.prefix.capacity()
            + self.error.as_ref().map_or(0, String::capacity)
    }

    /// Discards the bodies but keeps their sizes. They are returned so that a caller holding a lock
    /// can free them after releasing it.
    pub(crate) fn shed_bodies(&mut self) -> [Vec<u8>; 2] {
        [self.request_body.shed(), self.response_body.shed()]
    }
}

impl fmt::Debug for RawCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No URL, headers or bodies, because nothing here is redacted yet.
        f.debug_struct("RawCall")
            .field("credentials", &self.credentials)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
impl RawCall {
    /// A successful call without bodies, for tests.
    pub(crate) fn sample(session: &str, sequence: u64, token: &'static str) -> Self {
        Self {
            credentials: Arc::new(SessionCredentials {
                session_id: session.into(),
                token: http::HeaderValue::from_static(token),
            }),
            sequence,
            method: Method::GET,
            url: Url::parse("https://api.example.com/v1/items?limit=3").unwrap(),
            request_headers: HeaderBlock::default(),
            request_body: CapturedBody::default(),
            status: 200,
            response_headers: HeaderBlock::default(),
            response_body: CapturedBody::default(),
            started_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045),
            latency: Duration::from_millis(12),
            first_byte: Some(Duration::from_millis(7)),
            hops: 0,
            error: None,
            end: End::Complete,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn headers_survive_a_round_trip_but_sensitive_values_are_never_copied() {
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
    fn oversized_headers_are_bounded() {
        let mut map = HeaderMap::new();
        for n in 0..100 {
            let name = http::HeaderName::from_bytes(format!("x-{n}").as_bytes()).unwrap();
            map.insert(name, HeaderValue::from_bytes(&vec![b'a'; 9_000]).unwrap());
        }

        let headers = HeaderBlock::copy(&map);

        assert!(headers.0.len() <= MAX_BLOCK_BYTES);
        assert!(headers.iter().all(|(_, value)| value.is_some_and(|value| value.len() == MAX_VALUE_BYTES)));
    }

    #[test]
    fn a_body_is_counted_in_full_and_kept_up_to_the_limit() {
        let mut body = CapturedBody::default();

        body.extend(b"hello ", 8);
        body.extend(b"world", 8);

        assert_eq!(body.prefix, b"hello wo");
        assert_eq!(body.total, 11);
    }
}
