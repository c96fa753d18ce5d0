//! Which bodies are told, how they are cut, and what an event says of a call.

use super::*;
use crate::delivery::fake::call;
use crate::event::{EncodedEvent, POST};
use crate::redact::Redactor;

fn body(kind: Option<&'static str>, encoding: Option<&'static str>, prefix: &[u8], total: u64) -> Message {
    let mut headers = HeaderMap::new();
    headers.extend(kind.map(|kind| (CONTENT_TYPE, http::HeaderValue::from_static(kind))));
    headers.extend(encoding.map(|encoding| (CONTENT_ENCODING, http::HeaderValue::from_static(encoding))));
    let captured = CapturedBody { prefix: prefix.to_vec(), total, shed: false };
    let redactor = Redactor::default();
    Build { body_limit: 16 }.message(&HeaderBlock::copy(&headers), &captured, &redactor.pass([]))
}

#[test]
fn text_of_many_kinds_is_told() {
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
        assert_eq!(body(Some(kind), None, b"hello", 5).body(), Some("hello"), "{kind}");
    }
}

#[test]
fn what_is_no_text_is_told_by_its_size_and_type() {
    for (kind, encoding, expected) in [
        (Some("image/png"), None, "[5 bytes of image/png]"),
        (Some("application/json"), Some("gzip"), "[5 bytes of application/json, gzip]"),
        (Some("text/plain; charset=utf-16"), None, "[5 bytes of text/plain]"),
        (Some("multipart/form-data; boundary=x"), None, "[5 bytes of multipart/form-data]"),
        (None, Some("br"), "[5 bytes of unknown content, br]"),
    ] {
        assert_eq!(body(kind, encoding, b"hello", 5).body(), Some(expected));
    }
    assert_eq!(body(None, None, b"\x89PNG\x00", 5).body(), Some("[5 bytes of unknown content]"));
    assert_eq!(body(Some("application/json"), None, b"{\0\"\0t\0", 6).body(), Some("[6 bytes of application/json]"));
}

#[test]
fn text_of_an_untold_type_is_recognised() {
    assert_eq!(body(None, None, "héllo\n".as_bytes(), 7).body(), Some("héllo\n"));
}

#[test]
fn a_body_is_cut_at_a_characters_border_and_the_rest_is_counted() {
    let told = body(Some("text/plain"), None, "aaaaaaaaaaaaaaa€€".as_bytes(), 1_000);
    assert_eq!((told.body(), told.missing(), told.size()), (Some("aaaaaaaaaaaaaaa"), 985, 1_000));
}

#[test]
fn no_body_is_no_text() {
    assert_eq!(body(Some("text/plain"), None, b"", 0).body(), None);
    assert!(is_textual(&HeaderMap::new()));
}

#[test]
fn bodies_that_were_shed_say_so_and_bodies_switched_off_are_not_told() {
    let redactor = Redactor::default();
    let pass = redactor.pass([]);
    let mut call = call("s", 1);
    call.response_body = CapturedBody { prefix: b"x".to_vec(), total: 9, shed: false };
    let off = Build { body_limit: 0 }.event(&call, &pass);
    assert_eq!((off.response().body(), off.response().size()), (None, 9));
    drop(call.shed_bodies());
    let shed = Build { body_limit: 16 }.event(&call, &pass);
    assert_eq!(
        shed.response().body(),
        Some("[9 bytes of unknown content, left out because the queue was nearly full]")
    );
}

#[test]
fn headers_that_escape_to_many_times_their_length_still_fit() {
    let redactor = Redactor::default();
    let pass = redactor.pass([]);
    let mut event = Build { body_limit: 16 }.event(&call("s", 1), &pass);
    for n in 0..100 {
        event.request_mut().set_header(format!("x-{n}"), "\"\u{1}".repeat(4_000));
        event.response_mut().set_header(format!("x-{n}"), "\u{1}".repeat(4_000));
    }
    event.set_property("large", "\u{1}".repeat(100_000));

    let post = EncodedEvent::of(&event, "p", &pass, POST).unwrap();

    assert!(post.bytes().len() <= 256 * 1024);
    let sent: serde_json::Value = serde_json::from_slice(post.bytes()).unwrap();
    assert!(
        sent["request_headers"].as_str().is_some_and(|text| serde_json::from_str::<Map<String, Value>>(text).is_ok())
    );
}

#[test]
fn repeated_headers_are_joined_and_ids_are_unique() {
    let redactor = Redactor::default();
    let pass = redactor.pass([]);
    let mut map = HeaderMap::new();
    map.append("x-a", http::HeaderValue::from_static("1"));
    map.append("x-a", http::HeaderValue::from_static("2"));
    let call = RawCall { request_headers: HeaderBlock::copy(&map), ..call("s", 1) };
    let build = Build { body_limit: 16 };
    let (event, other) = (build.event(&call, &pass), build.event(&call, &pass));

    let post = EncodedEvent::of(&event, "p", &pass, POST).unwrap();

    let sent: serde_json::Value = serde_json::from_slice(post.bytes()).unwrap();
    assert_eq!(sent["request_headers"], r#"{"x-a":"1, 2"}"#);
    assert_ne!(event.id(), other.id());
    assert!(sent.get("response_headers").is_none() && sent.get("error").is_none(), "nothing is null");
}
