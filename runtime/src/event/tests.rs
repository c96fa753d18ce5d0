//! Which bodies an event contains, how they are cut, and that every event fits.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Map, Value};
use url::Url;

use super::*;
use crate::redact::Redactor;
use crate::token::SessionCredentials;

const BODY_LIMIT: usize = 16;

fn call() -> RawCall {
    RawCall {
        credentials: Arc::new(SessionCredentials { session_id: "s".into(), token: HeaderValue::from_static("token") }),
        sequence: 1,
        method: Method::GET,
        url: Url::parse("https://api.example.com/v1/items?limit=3").unwrap(),
        request_headers: HeaderBlock::default(),
        request_body: CapturedBody::default(),
        status: 200,
        response_headers: HeaderBlock::default(),
        response_body: CapturedBody::default(),
        started_at: UNIX_EPOCH + Duration::from_secs(1_767_323_045),
        latency: Duration::from_millis(12),
        first_byte: Some(Duration::from_millis(7)),
        hops: 0,
        error: None,
        end: End::Complete,
    }
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
        sent["request_headers"].as_str().is_some_and(|text| serde_json::from_str::<Map<String, Value>>(text).is_ok())
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
