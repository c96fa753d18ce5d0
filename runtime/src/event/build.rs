//! From the raw facts of a call to a redacted event.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::UNIX_EPOCH;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Map, Value};

use super::call::{CapturedBody, HeaderBlock, RawCall};
use super::{Event, Message};
use crate::redact::Redaction;
use crate::text;

/// Longest URL, query and error that are told, in bytes.
const LONG: usize = 8 * 1024;

/// What an event is built with.
pub(crate) struct Build {
    /// How many bytes of each body are told; 0 for none.
    pub(crate) body_limit: usize,
}

impl Build {
    /// Makes the event of a call. Nothing of the call is in it that `pass` has not seen.
    pub(crate) fn event(&self, call: &RawCall, pass: &Redaction<'_>) -> Event {
        let query = call.url.query().map(|query| pass.text(query));
        Event {
            id: id(call),
            session_id: call.credentials.session_id.clone(),
            sequence: call.sequence,
            started_at: call.started_at,
            method: call.method.as_str().to_owned(),
            url: limited(pass.text(call.url.as_str())),
            path: limited(pass.text(call.url.path())),
            query: query.map(limited),
            status: call.status,
            latency: call.latency,
            error: call.error.as_deref().map(|error| limited(pass.text(error))),
            request: self.message(&call.request_headers, &call.request_body, pass),
            response: self.message(&call.response_headers, &call.response_body, pass),
            properties: properties(call, pass),
        }
    }

    fn message(&self, headers: &HeaderBlock, body: &CapturedBody, pass: &Redaction<'_>) -> Message {
        let content = Content::of(headers.get(CONTENT_TYPE.as_str()), headers.get(CONTENT_ENCODING.as_str()));
        let told = headers.iter().filter_map(|(name, value)| Some((name.to_owned(), pass.header(name, value)?)));
        // A body whose redaction fails is left out.
        let (body_text, missing) = match self.body_limit {
            0 => (None, 0),
            limit => catch_unwind(AssertUnwindSafe(|| told_body(body, &content, limit, pass))).unwrap_or((None, 0)),
        };
        Message {
            headers: told.collect(),
            content_type: content.kind.as_deref().map(|kind| pass.text(kind)),
            body: body_text,
            missing,
            size: body.total,
        }
    }
}

/// Whether the body under these headers is told as text, and so is worth copying.
pub(crate) fn is_textual(headers: &HeaderMap) -> bool {
    // The usual answer, without a copy: this runs on the caller's task.
    if !headers.contains_key(CONTENT_ENCODING)
        && headers.get(CONTENT_TYPE).is_none_or(|kind| kind.as_bytes() == b"application/json")
    {
        return true;
    }
    let value = |name| headers.get(name).map(http::HeaderValue::as_bytes);
    let content = Content::of(value(CONTENT_TYPE), value(CONTENT_ENCODING));
    content.kind.is_none() || content.is_text()
}

/// What the headers say about a body.
struct Content<'a> {
    kind: Option<Cow<'a, str>>,
    encoding: Option<Cow<'a, str>>,
}

/// Text behind `application/`.
const TEXTS: &[&str] = &[
    "json",
    "xml",
    "x-www-form-urlencoded",
    "javascript",
    "x-javascript",
    "ecmascript",
    "x-ndjson",
    "ndjson",
    "jsonl",
    "x-jsonlines",
    "jsonlines",
    "json-seq",
    "graphql",
    "yaml",
    "x-yaml",
    "toml",
    "sql",
    "problem+json",
];

impl<'a> Content<'a> {
    fn of(kind: Option<&'a [u8]>, encoding: Option<&'a [u8]>) -> Self {
        let is_one =
            |encoding: &Cow<'_, str>| !matches!(encoding.trim().to_ascii_lowercase().as_str(), "" | "identity");
        Self { kind: kind.map(text::lossy), encoding: encoding.map(text::lossy).filter(is_one) }
    }

    /// The media type without parameters.
    fn essence(&self) -> &str {
        self.kind.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim()
    }

    fn is_text(&self) -> bool {
        let is_text = |essence: &str| {
            let application = essence.strip_prefix("application/");
            essence.starts_with("text/")
                || essence.ends_with("+json")
                || essence.ends_with("+xml")
                || application.is_some_and(|subtype| TEXTS.contains(&subtype))
        };
        let essence = self.essence();
        self.encoding.is_none()
            && (is_text(essence) || is_text(&essence.to_ascii_lowercase()))
            && self.has_ascii_charset()
    }

    /// A charset in which ASCII is not ASCII would hide secrets from the redaction.
    fn has_ascii_charset(&self) -> bool {
        let kind = self.kind.as_deref().unwrap_or_default();
        if !kind.contains('=') {
            return true;
        }
        let kind = kind.to_ascii_lowercase();
        let charset = kind.split("charset=").nth(1).map(|rest| rest.trim_start_matches('"'));
        charset.is_none_or(|charset| {
            ["utf-8", "utf8", "us-ascii", "ascii", "iso-8859", "latin", "windows-125"]
                .iter()
                .any(|known| charset.starts_with(known))
        })
    }

    /// `[N bytes of image/png, gzip]`.
    fn told(&self, total: u64, why: &str) -> String {
        let essence = self.essence().to_ascii_lowercase();
        let essence = if essence.is_empty() { "unknown content" } else { text::cut_chars(&essence, 100) };
        let encoding = self.encoding.as_deref().map(|encoding| text::cut_chars(encoding.trim(), 30));
        let encoding = encoding.map_or(String::new(), |encoding| format!(", {encoding}"));
        format!("[{total} bytes of {essence}{encoding}{why}]")
    }
}

/// The body's text and how many bytes are missing from it.
fn told_body(body: &CapturedBody, content: &Content<'_>, limit: usize, pass: &Redaction<'_>) -> (Option<String>, u64) {
    if body.total == 0 {
        return (None, 0);
    }
    if body.shed {
        return (Some(pass.text(&content.told(body.total, ", left out because the queue was nearly full"))), 0);
    }
    let kept = &body.prefix[..body.prefix.len().min(limit)];
    let cut = (kept.len() as u64) < body.total;
    let kept = if cut { text::whole_characters(kept) } else { kept };
    let is_text = if content.kind.is_none() && content.encoding.is_none() {
        sniffed(kept)
    } else {
        content.is_text() && !is_wide(kept)
    };
    if !is_text {
        return (Some(pass.text(&content.told(body.total, ""))), 0);
    }
    (Some(pass.text(&text::lossy(kept))), body.total - kept.len() as u64)
}

/// Whether bytes of an untold type are text.
fn sniffed(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_ok_and(|text| !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x1b')))
}

/// Whether this looks like UTF-16 or UTF-32, in which no secret would be found.
fn is_wide(bytes: &[u8]) -> bool {
    memchr::memchr_iter(0, bytes).count() > bytes.len() / 8
        || bytes.starts_with(b"\xff\xfe")
        || bytes.starts_with(b"\xfe\xff")
}

fn properties(call: &RawCall, pass: &Redaction<'_>) -> Map<String, Value> {
    let mut map = Map::new();
    if let Some(host) = call.url.host_str() {
        let port = call.url.port().map_or(String::new(), |port| format!(":{port}"));
        map.insert("host".to_owned(), pass.known(&format!("{host}{port}")).into_owned().into());
    }
    if let Some(first_byte) = call.first_byte {
        map.insert("ttfb_ms".to_owned(), super::post::milliseconds(first_byte).into());
    }
    map.insert("hops".to_owned(), call.hops.into());
    map.insert("end".to_owned(), call.end.word().into());
    map
}

/// A UUID of version 7 with the time of the start.
fn id(call: &RawCall) -> String {
    let since = call.started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let random = fastrand::u128(..).to_le_bytes();
    let mut bytes = [0_u8; 10];
    bytes.copy_from_slice(&random[..10]);
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(since.as_millis()).unwrap_or(0), &bytes)
        .into_uuid()
        .to_string()
}

fn limited(mut text: String) -> String {
    text::truncate(&mut text, LONG);
    text
}

#[cfg(test)]
mod tests;
