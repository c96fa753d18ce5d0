//! Turns a raw call into a redacted event.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::UNIX_EPOCH;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value};

use super::call::{CapturedBody, HeaderBlock, RawCall};
use super::encode::{MAX_TEXT_BYTES, milliseconds};
use super::{Event, Message};
use crate::redact::Redaction;
use crate::text;

impl Event {
    /// Builds the event of a call, with up to `body_limit` bytes of each body. It contains nothing
    /// that `redaction` has not seen.
    pub(crate) fn from_call(call: &RawCall, body_limit: usize, redaction: &Redaction<'_>) -> Self {
        Self {
            id: id(call),
            session_id: call.credentials.session_id.clone(),
            sequence: call.sequence,
            started_at: call.started_at,
            method: call.method.as_str().to_owned(),
            url: redacted(call.url.as_str(), redaction),
            path: redacted(call.url.path(), redaction),
            query: call.url.query().map(|query| redacted(query, redaction)),
            status: call.status,
            latency: call.latency,
            error: call.error.as_deref().map(|error| redacted(error, redaction)),
            request: message(&call.request_headers, &call.request_body, body_limit, redaction),
            response: message(&call.response_headers, &call.response_body, body_limit, redaction),
            properties: properties(call, redaction),
        }
    }
}

fn redacted(text: &str, redaction: &Redaction<'_>) -> String {
    let mut text = redaction.text(text);
    text::truncate(&mut text, MAX_TEXT_BYTES);
    text
}

/// A version 7 UUID with the time of the start.
fn id(call: &RawCall) -> String {
    let since_epoch = call.started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let random = fastrand::u128(..).to_le_bytes();
    let mut bytes = [0_u8; 10];
    bytes.copy_from_slice(&random[..10]);
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(0), &bytes)
        .into_uuid()
        .to_string()
}

fn properties(call: &RawCall, redaction: &Redaction<'_>) -> Map<String, Value> {
    let mut map = Map::new();
    if let Some(host) = call.url.host_str() {
        let port = call.url.port().map_or(String::new(), |port| format!(":{port}"));
        let host = redaction.mask_process_secrets(&format!("{host}{port}")).into_owned();
        map.insert("host".to_owned(), host.into());
    }
    if let Some(first_byte) = call.first_byte {
        map.insert("ttfb_ms".to_owned(), milliseconds(first_byte).into());
    }
    map.insert("hops".to_owned(), call.hops.into());
    map.insert("end".to_owned(), call.end.as_str().into());
    map
}

fn message(headers: &HeaderBlock, body: &CapturedBody, body_limit: usize, redaction: &Redaction<'_>) -> Message {
    let content = Content::new(headers.get(CONTENT_TYPE.as_str()), headers.get(CONTENT_ENCODING.as_str()));
    let redacted = headers.iter().filter_map(|(name, value)| Some((name.to_owned(), redaction.header(name, value)?)));
    let (text, missing) = if body_limit == 0 {
        (None, 0)
    } else {
        // A body whose redaction fails is left out.
        catch_unwind(AssertUnwindSafe(|| body_text(body, &content, body_limit, redaction))).unwrap_or((None, 0))
    };
    Message {
        headers: redacted.collect(),
        content_type: content.kind.as_deref().map(|kind| redaction.text(kind)),
        body: text,
        missing,
        size: body.total,
    }
}

/// The text of a body, or its description, and how many bytes are missing from the text.
fn body_text(
    body: &CapturedBody,
    content: &Content<'_>,
    limit: usize,
    redaction: &Redaction<'_>,
) -> (Option<String>, u64) {
    if body.total == 0 {
        return (None, 0);
    }
    let described = |reason| (Some(redaction.text(&content.describe(body.total, reason))), 0);
    if body.shed {
        return described(", left out because the queue was nearly full");
    }
    let kept = &body.prefix[..body.prefix.len().min(limit)];
    let is_cut = (kept.len() as u64) < body.total;
    let kept = if is_cut { text::trim_partial_char(kept) } else { kept };
    let is_text = if content.kind.is_none() && content.encoding.is_none() {
        looks_like_text(kept)
    } else {
        content.is_text() && !looks_wide(kept)
    };
    if !is_text {
        return described("");
    }
    (Some(redaction.text(&text::lossy(kept))), body.total - kept.len() as u64)
}

/// Whether bytes without a content type are text.
fn looks_like_text(bytes: &[u8]) -> bool {
    let is_binary = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\x1b');
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains(is_binary))
}

/// Whether this looks like UTF-16 or UTF-32, in which redaction would find no secret.
fn looks_wide(bytes: &[u8]) -> bool {
    memchr::memchr_iter(0, bytes).count() > bytes.len() / 8
        || bytes.starts_with(b"\xff\xfe")
        || bytes.starts_with(b"\xfe\xff")
}

/// Whether an event would contain the body with these headers as text, so that it is worth
/// capturing.
pub(crate) fn is_textual(headers: &HeaderMap) -> bool {
    // The common case, without allocation, as this runs on the caller's task.
    if !headers.contains_key(CONTENT_ENCODING)
        && headers.get(CONTENT_TYPE).is_none_or(|kind| kind.as_bytes() == b"application/json")
    {
        return true;
    }
    let value = |name| headers.get(name).map(HeaderValue::as_bytes);
    let content = Content::new(value(CONTENT_TYPE), value(CONTENT_ENCODING));
    content.kind.is_none() || content.is_text()
}

/// What the headers reveal about a body.
struct Content<'a> {
    kind: Option<Cow<'a, str>>,
    encoding: Option<Cow<'a, str>>,
}

/// Textual subtypes of `application`.
#[rustfmt::skip]
const TEXT_SUBTYPES: &[&str] = &[
    "json", "xml", "x-www-form-urlencoded", "javascript", "x-javascript", "ecmascript", "x-ndjson", "ndjson", "jsonl",
    "x-jsonlines", "jsonlines", "json-seq", "graphql", "yaml", "x-yaml", "toml", "sql", "problem+json",
];

/// Character sets that keep ASCII as it is, by prefix: in any other, redaction would find no
/// secret.
const ASCII_CHARSETS: &[&str] = &["utf-8", "utf8", "us-ascii", "ascii", "iso-8859", "latin", "windows-125"];

impl<'a> Content<'a> {
    fn new(kind: Option<&'a [u8]>, encoding: Option<&'a [u8]>) -> Self {
        let is_encoded =
            |encoding: &Cow<'_, str>| !matches!(encoding.trim().to_ascii_lowercase().as_str(), "" | "identity");
        Self { kind: kind.map(text::lossy), encoding: encoding.map(text::lossy).filter(is_encoded) }
    }

    /// The media type without parameters.
    fn essence(&self) -> &str {
        self.kind.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim()
    }

    fn is_text(&self) -> bool {
        let is_text = |essence: &str| {
            essence.starts_with("text/")
                || essence.ends_with("+json")
                || essence.ends_with("+xml")
                || essence.strip_prefix("application/").is_some_and(|subtype| TEXT_SUBTYPES.contains(&subtype))
        };
        let essence = self.essence();
        self.encoding.is_none()
            && (is_text(essence) || is_text(&essence.to_ascii_lowercase()))
            && self.has_ascii_charset()
    }

    fn has_ascii_charset(&self) -> bool {
        let kind = self.kind.as_deref().unwrap_or_default();
        if !kind.contains('=') {
            return true;
        }
        let kind = kind.to_ascii_lowercase();
        let charset = kind.split("charset=").nth(1).map(|rest| rest.trim_start_matches('"'));
        charset.is_none_or(|charset| ASCII_CHARSETS.iter().any(|known| charset.starts_with(known)))
    }

    /// `[5 bytes of image/png, gzip]`, in place of a body that cannot be shown.
    fn describe(&self, size: u64, reason: &str) -> String {
        let essence = self.essence().to_ascii_lowercase();
        let essence = if essence.is_empty() { "unknown content" } else { text::cut_chars(&essence, 100) };
        let encoding = self.encoding.as_deref().map(|encoding| text::cut_chars(encoding.trim(), 30));
        let encoding = encoding.map_or(String::new(), |encoding| format!(", {encoding}"));
        format!("[{size} bytes of {essence}{encoding}{reason}]")
    }
}
