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

/// A version 7 UUID with the start time of the call.
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

#[cfg(test)]
mod tests {

    use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
    use http::{HeaderMap, HeaderValue};
    use serde_json::{Map, Value};

    use super::*;
    use crate::event::*;
    use crate::redact::Redactor;

    const BODY_LIMIT: usize = 16;

    fn call() -> RawCall {
        RawCall::sample("s", 1, "token")
    }

    /// The response of an event whose call had this body.
    fn response(kind: Option<&'static str>, encoding: Option<&'static str>, prefix: &[u8], total: u64) -> Message {
        let mut headers = HeaderMap::new();
        headers.extend(kind.map(|kind| (CONTENT_TYPE, HeaderValue::from_static(kind))));
        headers.extend(encoding.map(|encoding| (CONTENT_ENCODING, HeaderValue::from_static(encoding))));
        let call = RawCall {
            response_headers: HeaderBlock::copy(&headers),
            response_body: CapturedBody { prefix: prefix.to_vec(), total, shed: false },
            ..call()
        };
        Event::from_call(&call, BODY_LIMIT, &Redactor::default().for_event([])).response
    }

    #[test]
    fn textual_bodies_of_many_types_are_included() {
        for kind in [
            "text/plain",
            "TEXT/HTML; charset=utf-8",
            "application/json",
            "application/problem+json",
            "image/svg+xml",
            "application/x-www-form-urlencoded",
            "text/event-stream",
            "application/x-ndjson",
            "application/json; charset=\"UTF-8\"",
        ] {
            assert_eq!(response(Some(kind), None, b"hello", 5).body(), Some("hello"), "{kind}");
        }
    }

    #[test]
    fn binary_bodies_are_described_by_size_and_type() {
        for (kind, encoding, expected) in [
            (Some("image/png"), None, "[5 bytes of image/png]"),
            (Some("application/json"), Some("gzip"), "[5 bytes of application/json, gzip]"),
            (Some("text/plain; charset=utf-16"), None, "[5 bytes of text/plain]"),
            (Some("multipart/form-data; boundary=x"), None, "[5 bytes of multipart/form-data]"),
            (None, Some("br"), "[5 bytes of unknown content, br]"),
        ] {
            assert_eq!(response(kind, encoding, b"hello", 5).body(), Some(expected));
        }
        assert_eq!(response(None, None, b"\x89PNG\x00", 5).body(), Some("[5 bytes of unknown content]"));
        assert_eq!(
            response(Some("application/json"), None, b"{\0\"\0t\0", 6).body(),
            Some("[6 bytes of application/json]")
        );
    }

    #[test]
    fn text_without_a_content_type_is_recognised() {
        assert_eq!(response(None, None, "héllo\n".as_bytes(), 7).body(), Some("héllo\n"));
    }

    #[test]
    fn a_body_is_cut_at_a_character_boundary_and_the_rest_is_counted() {
        let response = response(Some("text/plain"), None, "aaaaaaaaaaaaaaa€€".as_bytes(), 1_000);
        assert_eq!((response.body(), response.missing(), response.size()), (Some("aaaaaaaaaaaaaaa"), 985, 1_000));
    }

    #[test]
    fn an_empty_body_is_absent() {
        assert_eq!(response(Some("text/plain"), None, b"", 0).body(), None);
        assert!(is_textual(&HeaderMap::new()));
    }

    #[test]
    fn shed_bodies_are_described_and_disabled_bodies_are_absent() {
        let redactor = Redactor::default();
        let redaction = redactor.for_event([]);
        let mut call = call();
        call.response_body = CapturedBody { prefix: b"x".to_vec(), total: 9, shed: false };
        let off = Event::from_call(&call, 0, &redaction);
        assert_eq!((off.response().body(), off.response().size()), (None, 9));
        drop(call.shed_bodies());
        let shed = Event::from_call(&call, BODY_LIMIT, &redaction);
        assert_eq!(
            shed.response().body(),
            Some("[9 bytes of unknown content, left out because the queue was nearly full]")
        );
    }

    #[test]
    fn an_event_fits_even_if_escaping_multiplies_its_length() {
        let redactor = Redactor::default();
        let redaction = redactor.for_event([]);
        let mut event = Event::from_call(&call(), BODY_LIMIT, &redaction);
        for n in 0..100 {
            event.request_mut().set_header(format!("x-{n}"), "\"\u{1}".repeat(4_000));
            event.response_mut().set_header(format!("x-{n}"), "\u{1}".repeat(4_000));
        }
        event.set_property("large", "\u{1}".repeat(100_000));

        let encoded = EncodedEvent::new(&event, "p", &redaction, MAX_EVENT_BYTES).unwrap();

        assert!(encoded.bytes().len() <= 256 * 1024);
        let sent: Value = serde_json::from_slice(encoded.bytes()).unwrap();
        assert!(
            sent["request_headers"]
                .as_str()
                .is_some_and(|text| serde_json::from_str::<Map<String, Value>>(text).is_ok())
        );
    }

    #[test]
    fn repeated_headers_are_joined_and_ids_are_unique() {
        let redactor = Redactor::default();
        let redaction = redactor.for_event([]);
        let mut map = HeaderMap::new();
        map.append("x-a", HeaderValue::from_static("1"));
        map.append("x-a", HeaderValue::from_static("2"));
        let call = RawCall { request_headers: HeaderBlock::copy(&map), ..call() };
        let (event, other) =
            (Event::from_call(&call, BODY_LIMIT, &redaction), Event::from_call(&call, BODY_LIMIT, &redaction));

        let encoded = EncodedEvent::new(&event, "p", &redaction, MAX_EVENT_BYTES).unwrap();

        let sent: Value = serde_json::from_slice(encoded.bytes()).unwrap();
        assert_eq!(sent["request_headers"], r#"{"x-a":"1, 2"}"#);
        assert_ne!(event.id(), other.id());
        assert!(sent.get("response_headers").is_none() && sent.get("error").is_none(), "absent values are left out");
    }
}
