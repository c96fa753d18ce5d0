//! What Brain stores of an event, within every limit and without secrets, and what its faults lead to.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use otas_local::{Fault, Server};
use url::Url;

use super::{Harness, LONG, headers, text_body};
use crate::delivery::stats::Stats;
use crate::event::{CapturedBody, End, Event, HeaderBlock, Hook, RawCall};

#[tokio::test]
async fn an_event_arrives_complete() {
    let harness = Harness::start().await;
    let mut call = harness.call(7);
    call.response_headers = headers([("content-type", "application/json"), ("x-ratelimit", "9")]);
    call.response_body = text_body(r#"{"ok":true}"#);

    let event = harness.stored(call).await;

    assert_eq!((event.method.as_str(), event.path.as_str(), event.status_code), ("GET", "/v1/items", 200));
    assert_eq!(event.latency_ms, 12.0);
    assert_eq!(event.row["query_params"], "limit=3");
    assert_eq!(event.row["response_body"], r#"{"ok":true}"#);
    assert_eq!(event.row["response_size_bytes"], 11);
    assert_eq!(event.row["response_content_type"], "application/json");
    let stored: serde_json::Value = serde_json::from_str(event.row["response_headers"].as_str().unwrap()).unwrap();
    assert_eq!(stored["x-ratelimit"], "9");
    assert_eq!(event.custom_properties["host"], "api.example.com");
    assert_eq!(event.custom_properties["url"], "https://api.example.com/v1/items?limit=3");
    assert_eq!(event.custom_properties["ttfb_ms"], 7.0);
    assert_eq!(event.custom_properties["end"], "complete");
    assert_eq!(event.metadata["sequence"], 7);
    assert_eq!(event.metadata["started_at"], "2026-01-02T03:04:05.000000Z");
    assert_eq!(uuid::Uuid::parse_str(event.metadata["event_id"].as_str().unwrap()).unwrap().get_version_num(), 7);
}

#[tokio::test]
async fn a_call_without_a_response_is_stored_with_status_zero() {
    let harness = Harness::start().await;
    let error = Some("connection refused".to_owned());
    let event = harness.stored(RawCall { status: 0, error, end: End::Failed, ..harness.call(1) }).await;
    assert_eq!((event.status_code, event.error.as_deref()), (0, Some("connection refused")));
}

#[tokio::test]
async fn a_path_of_any_length_is_stored() {
    let harness = Harness::start().await;
    let path: String = (0..6_000_u32).map(|n| char::from(b'a' + (n * n % 23) as u8)).collect();
    let url = Url::parse(&format!("https://h.example/{path}")).unwrap();
    assert_eq!(harness.stored(RawCall { url, ..harness.call(1) }).await.path.len(), 2_692);
}

#[tokio::test]
async fn a_method_of_any_length_is_stored() {
    let harness = Harness::start().await;
    let method = Method::from_bytes(&[b'M'; 80]).unwrap();
    assert_eq!(harness.stored(RawCall { method, ..harness.call(1) }).await.method, "M".repeat(20));
}

#[tokio::test]
async fn a_content_type_of_any_length_is_stored() {
    let harness = Harness::start().await;
    let kind = format!("text/plain; x={}", "y".repeat(2_000));
    let response_headers = headers([("content-type", &kind)]);
    let event = harness.stored(RawCall { response_headers, ..harness.call(1) }).await;
    assert_eq!(event.row["response_content_type"].as_str().unwrap().len(), 255);
}

#[tokio::test]
async fn sizes_and_times_beyond_every_column_are_stored() {
    let harness = Harness::start().await;
    let huge = CapturedBody { prefix: b"a".to_vec(), total: u64::MAX, shed: false };
    let event = harness.stored(RawCall { latency: Duration::MAX, response_body: huge, ..harness.call(u64::MAX) }).await;
    assert_eq!(event.row["response_size_bytes"], i32::MAX);
    assert!(event.latency_ms.is_finite());
}

#[tokio::test]
async fn nuls_are_stored_as_a_visible_symbol_everywhere() {
    let hook: Hook = Arc::new(|mut event: Event| {
        event.set_path("/a\0b");
        event.set_error(Some("c\0d".to_owned()));
        event.set_query(Some("e\0".to_owned()));
        event.set_property("f\0", serde_json::json!(["g\0", { "h\0": 1 }]));
        event.request_mut().set_header("i\0", "j\0");
        Some(event)
    });
    let harness = Harness::with_hook(Some(hook)).await;
    let response_headers = headers([("content-type", "text/plain")]);
    let event =
        harness.stored(RawCall { response_body: text_body("k\0 and more"), response_headers, ..harness.call(1) }).await;
    assert_eq!(event.path, "/a\u{2400}b");
    assert_eq!(event.row["response_body"], "k\u{2400} and more");
    assert_eq!(event.custom_properties["f\u{2400}"][0], "g\u{2400}");
}

#[tokio::test]
async fn bodies_of_any_size_and_content_are_stored() {
    let harness = Harness::start().await;
    let bodies = [vec![1_u8; 100 * 1024], "€".repeat(60_000).into_bytes(), vec![0xff; 90_000]];
    for (body, sequence) in bodies.into_iter().zip(1..) {
        let mut call = harness.call(sequence);
        call.request_headers = headers([("content-type", "text/plain")]);
        call.response_headers = headers([("content-type", "text/plain")]);
        call.request_body = text_body(body.clone());
        call.response_body = text_body(body);

        let event = harness.stored(call).await;

        assert!(event.row["response_body"].as_str().unwrap().ends_with(" more bytes]"));
    }
    let posts: Vec<_> =
        harness.server.requests().into_iter().filter(|request| request.path.contains("/log/agent/")).collect();
    assert_eq!(posts.len(), 3);
    for post in posts {
        assert!(post.body.len() <= 256 * 1024);
        assert_eq!(post.header("content-length"), Some(post.body.len().to_string().as_str()));
    }
}

#[tokio::test]
async fn whatever_a_hook_writes_is_stored() {
    let hook: Hook = Arc::new(|mut event: Event| {
        let deep = (0..500).fold(serde_json::Value::Null, |inner, _| serde_json::json!([inner]));
        event.set_property("deep", deep);
        event.set_property("large", "x".repeat(1 << 20));
        event.set_property("number", f64::MAX);
        event.set_path("p".repeat(100_000));
        event.set_url("u".repeat(1 << 20));
        event.set_error(Some("e".repeat(1 << 20)));
        event.request_mut().set_body(Some("\u{1}".repeat(1 << 20)));
        for n in 0..1_000 {
            event.response_mut().set_header(format!("x-{n}"), "v\u{1}".repeat(4_000));
        }
        Some(event)
    });
    let harness = Harness::with_hook(Some(hook)).await;
    harness.stored(harness.call(1)).await;
}

/// Stands for a secret of the user's, wherever one may be.
const MARK: &str = "pl4nt3d";

#[tokio::test]
async fn planted_secrets_never_leave_the_process() {
    let harness = Harness::start().await;
    let token = harness.credentials.token.to_str().unwrap().to_owned();
    let key = harness.server.agent_key();
    let headers = headers_with_secrets(&key, &token);
    let nested = format!(r#"[{{"Password":"{MARK}"}}],"args":"{{\"client_secret\":\"{MARK}\"}}""#);
    // Cut off within the last secret.
    let body = format!(r#"{{"api_key":"{MARK}","a":{nested},"echo":"{key} {token}","cut":{{"token":"{MARK}"#);
    let url = format!("https://user:{MARK}@h.example/{key}/x?api_key={MARK}&q=1&sig={MARK}#{token}");
    let call = RawCall {
        url: Url::parse(&url).unwrap(),
        request_headers: HeaderBlock::copy(&headers),
        response_headers: HeaderBlock::copy(&headers),
        request_body: text_body(body.clone()),
        response_body: CapturedBody { total: 100_000, ..text_body(body) },
        error: Some(format!("error for url (https://u:{MARK}@h.example/?password={MARK}) with {token} and {key}")),
        ..harness.call(1)
    };
    assert!(!format!("{call:?} {:?}", harness.delivery).contains(MARK));

    let event = harness.stored(call).await;

    for secret in [MARK, &token, &key] {
        assert!(!event.row.to_string().contains(secret), "{}", event.row);
        for request in harness.server.requests().iter().filter(|request| request.path.contains("/log/agent/")) {
            assert!(!request.body.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
}

fn headers_with_secrets(key: &str, token: &str) -> HeaderMap {
    let secret_names = [
        "authorization",
        "cookie",
        "set-cookie",
        "x-api-key",
        "x-otas-agent-session-token",
        "x-otas-new",
        "x-goog-api-key",
        "proxy-authorization",
    ];
    let secrets = secret_names.map(|name| (HeaderName::from_static(name), HeaderValue::from_static(MARK)));
    let mut headers = HeaderMap::from_iter(secrets);
    let mut sensitive = HeaderValue::from_static(MARK);
    sensitive.set_sensitive(true);
    headers.insert("x-anything", sensitive);
    headers.insert("location", HeaderValue::from_static("https://u:pl4nt3d@h.example/?token=pl4nt3d"));
    headers.insert("x-echo", HeaderValue::from_str(&format!("{key} {token}")).unwrap());
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers
}

#[tokio::test]
async fn after_a_passing_fault_the_event_is_stored_once() {
    let statuses = [408, 429, 500, 502, 503, 504].map(Fault::Status);
    let others = [
        Fault::Html(500),
        Fault::Html(503),
        Fault::RetryAfter { status: 429, seconds: 0 },
        Fault::Reset,
        Fault::NotHttp,
        Fault::Huge(10 << 20),
        Fault::Refusal(401, "invalid_or_expired_token"),
    ];
    for fault in statuses.into_iter().chain(others) {
        let harness = Harness::start().await;
        // A 200, which is not what Brain responds with.
        let rejected = matches!(fault, Fault::Huge(_));
        harness.server.brain().fail_next(1, fault.clone());
        for sequence in 1..=3 {
            harness.delivery.record(harness.call(sequence));
        }

        let stats = harness.flush().await;

        let expected: &[u64] = if rejected { &[2, 3] } else { &[1, 2, 3] };
        assert_eq!(harness.sequences(), expected, "{fault:?}: {stats}");
        assert_eq!(stats.retried, u64::from(!rejected), "{fault:?}");
    }
}

#[tokio::test]
async fn an_event_that_may_have_arrived_is_resent_with_the_same_id() {
    for fault in [Fault::ResetAfterEffect, Fault::Late(LONG)] {
        let server = Server::start().await.unwrap();
        let harness = Harness::with(server, None, Duration::from_millis(600)).await;
        harness.server.brain().fail_next(1, fault.clone());
        harness.delivery.record(harness.call(1));

        let stats = harness.flush().await;

        let events = harness.events();
        assert_eq!((events.len(), stats.delivered, stats.retried), (2, 1, 1), "{fault:?}");
        assert_eq!(events[0].metadata["event_id"], events[1].metadata["event_id"]);
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_after_its_status_counts() {
    for fault in [Fault::Truncated, Fault::Drip(Duration::from_millis(1))] {
        let harness = Harness::start().await;
        harness.server.brain().fail_next(1, fault.clone());
        harness.delivery.record(harness.call(1));
        let stats = harness.flush().await;
        assert_eq!((harness.events().len(), stats.delivered, stats.retried), (1, 1, 0), "{fault:?}");
    }
}

#[tokio::test]
async fn each_permanent_failure_is_counted_under_its_reason() {
    let rejected = |stats: Stats| stats.dropped.rejected;
    type Counter = fn(Stats) -> u64;
    let rows: [(Fault, usize, Counter); 9] = [
        (Fault::Status(400), 1, rejected),
        (Fault::Refusal(403, "session_agent_mismatch"), 1, rejected),
        (Fault::Redirect("/nowhere".to_owned()), 1, rejected),
        (Fault::Html(404), 1, rejected),
        (Fault::Status(500), 2, |stats| stats.dropped.server_error),
        (Fault::Reset, 2, |stats| stats.dropped.no_response),
        (Fault::Refusal(401, "invalid_or_expired_token"), 2, |stats| stats.dropped.token_rejected),
        (Fault::Refusal(401, "invalid_or_expired_agent_key"), 1, |stats| stats.dropped.key_rejected),
        (Fault::Html(401), 1, |stats| stats.dropped.key_rejected),
    ];
    for (fault, times, count) in rows {
        let harness = Harness::start().await;
        harness.server.brain().fail_next(times, fault.clone());
        harness.delivery.record(harness.call(1));

        let stats = harness.flush().await;

        assert_eq!((count(stats), stats.dropped.total(), stats.delivered), (1, 1, 0), "{fault:?}: {stats}");
        assert!(
            harness.server.requests().iter().all(|request| request.path != "/nowhere"),
            "redirects are not followed"
        );
    }
}

#[tokio::test]
async fn a_false_rejection_of_a_key_that_has_worked_passes() {
    let harness = Harness::start().await;
    harness.stored(harness.call(1)).await;
    harness.server.brain().fail_next(3, Fault::Refusal(401, "invalid_or_expired_agent_key"));
    harness.stored(harness.call(2)).await;
    assert_eq!(harness.delivery.stats().retried, 3);
}

#[tokio::test]
async fn events_wait_until_brain_is_back() {
    let harness = Harness::start().await;
    harness.server.brain().stop().unwrap();
    for sequence in 1..=20 {
        harness.delivery.record(harness.call(sequence));
    }
    let undelivered = harness.delivery.flush(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(undelivered.count(), 20);

    harness.server.brain().restart().unwrap();

    assert_eq!(harness.flush().await.delivered, 20);
    assert!(harness.sequences().is_sorted());
}
