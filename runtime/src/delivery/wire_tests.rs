//! Delivery over a real socket to the local servers: every limit of the protocol, every fault, every kind of runtime.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

use super::encoder::{Key, Make};
use super::fake;
use super::worker::{Destination, Landing};
use super::{Brain, Delivery, Stats, Threads, WIDTH};
use crate::event::{CapturedBody, Event, HeaderBlock, Hook, RawCall};
use crate::redact::Redactor;
use crate::server::BackgroundRuntime;
use crate::testing::{EventRecord, Fault, Server};
use crate::token::SessionCredentials;
use crate::{Client, Session};

const LONG: Duration = Duration::from_secs(60);

struct Bench {
    server: Server,
    session: Session,
    delivery: Delivery,
}

/// The server's own key, as the configuration would give it.
struct ServersKey(Server);

impl Key for ServersKey {
    fn current(&self) -> HeaderValue {
        self.0.agent_key().parse().unwrap()
    }

    fn reread(&self) -> bool {
        false
    }
}

async fn bench(hook: Option<Hook>) -> Bench {
    let server = Server::builder().project_domain("https://inside.example").start().await.unwrap();
    bench_at(server, hook, Duration::from_secs(5)).await
}

async fn bench_at(server: Server, hook: Option<Hook>, total: Duration) -> Bench {
    let client = Client::new(server.config().unwrap()).unwrap();
    let session = client.open(serde_json::json!({})).await.unwrap();
    let delivery = delivery(&server, hook, total, BackgroundRuntime::start("otas").unwrap());
    Bench { server, session, delivery }
}

/// Without pauses, so that no test waits.
fn delivery(server: &Server, hook: Option<Hook>, total: Duration, link: BackgroundRuntime) -> Delivery {
    let base: Url = server.brain_url().parse().unwrap();
    let key: Arc<dyn Key> = Arc::new(ServersKey(server.clone()));
    let brain = Brain::new(&base, total, total, key.clone());
    let make = Make { body_limit: 100 * 1024, redactor: Redactor::default(), hook, project_id: String::new(), key };
    let spawn = move |task| drop(link.spawn(task));
    Delivery::new(make, Arc::new(brain), WIDTH, || 0.0, Threads::same(spawn))
}

impl Bench {
    fn call(&self, sequence: u64) -> RawCall {
        let token = self.session.token().unwrap().expose_secret().parse().unwrap();
        let origin = Arc::new(SessionCredentials { session_id: self.session.id(), token });
        RawCall { origin, ..fake::call("", sequence) }
    }

    fn events(&self) -> Vec<EventRecord> {
        self.server.events(self.session.id().as_str())
    }

    async fn settle(&self) -> Stats {
        let flushed = self.delivery.flush(LONG).await;
        let stats = self.delivery.stats();
        assert!(flushed.is_ok(), "{stats}");
        assert_eq!(stats.recorded, stats.delivered + stats.dropped.total());
        stats
    }

    /// Delivers one call and gives what Brain stored.
    async fn stored(&self, call: RawCall) -> EventRecord {
        self.delivery.record(call);
        let stats = self.settle().await;
        assert_eq!(stats.dropped.total(), 0, "{stats}");
        self.events().pop().expect("the event is stored")
    }
}

fn text_body(text: impl Into<Vec<u8>>) -> CapturedBody {
    let prefix = text.into();
    CapturedBody { total: prefix.len() as u64, prefix, shed: false }
}

fn headers<const N: usize>(lines: [(&'static str, &str); N]) -> HeaderBlock {
    let lines = lines.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    HeaderBlock::copy(&HeaderMap::from_iter(lines))
}

#[tokio::test]
async fn an_event_arrives_as_it_was() {
    let bench = bench(None).await;
    let mut call = bench.call(7);
    call.response_headers = headers([("content-type", "application/json"), ("x-ratelimit", "9")]);
    call.response_body = text_body(r#"{"ok":true}"#);

    let event = bench.stored(call).await;

    assert_eq!((event.method.as_str(), event.path.as_str(), event.status_code), ("GET", "/v1/items", 200));
    assert_eq!(event.latency_ms, 12.0);
    assert_eq!(event.row["query_params"], "limit=3");
    assert_eq!(event.row["response_body"], r#"{"ok":true}"#);
    assert_eq!(event.row["response_size_bytes"], 11);
    assert_eq!(event.row["response_content_type"], "application/json");
    let told: serde_json::Value = serde_json::from_str(event.row["response_headers"].as_str().unwrap()).unwrap();
    assert_eq!(told["x-ratelimit"], "9");
    assert_eq!(event.custom_properties["host"], "api.example.com");
    assert_eq!(event.custom_properties["url"], "https://api.example.com/v1/items?limit=3");
    assert_eq!(event.custom_properties["ttfb_ms"], 7.0);
    assert_eq!(event.custom_properties["end"], "complete");
    assert_eq!(event.metadata["sequence"], 7);
    assert_eq!(event.metadata["started_at"], "2026-01-02T03:04:05.000000Z");
    assert_eq!(uuid::Uuid::parse_str(event.metadata["event_id"].as_str().unwrap()).unwrap().get_version_num(), 7);
}

#[tokio::test]
async fn a_call_without_an_answer_is_told_with_status_zero() {
    let bench = bench(None).await;
    let error = Some("connection refused".to_owned());
    let event = bench.stored(RawCall { status: 0, error, end: crate::event::End::Failed, ..bench.call(1) }).await;
    assert_eq!((event.status_code, event.error.as_deref()), (0, Some("connection refused")));
}

#[tokio::test]
async fn a_path_of_any_length_is_stored() {
    let bench = bench(None).await;
    let path: String = (0..6_000_u32).map(|n| char::from(b'a' + (n * n % 23) as u8)).collect();
    let url = Url::parse(&format!("https://h.example/{path}")).unwrap();
    assert!(bench.stored(RawCall { url, ..bench.call(1) }).await.path.len() == 2_692);
}

#[tokio::test]
async fn a_method_of_any_length_is_stored() {
    let bench = bench(None).await;
    let method = Method::from_bytes(&[b'M'; 80]).unwrap();
    assert_eq!(bench.stored(RawCall { method, ..bench.call(1) }).await.method, "M".repeat(20));
}

#[tokio::test]
async fn a_content_type_of_any_length_is_stored() {
    let bench = bench(None).await;
    let kind = format!("text/plain; x={}", "y".repeat(2_000));
    let response_headers = headers([("content-type", &kind)]);
    let event = bench.stored(RawCall { response_headers, ..bench.call(1) }).await;
    assert_eq!(event.row["response_content_type"].as_str().unwrap().len(), 255);
}

#[tokio::test]
async fn sizes_and_times_beyond_every_column_are_stored() {
    let bench = bench(None).await;
    let huge = CapturedBody { prefix: b"a".to_vec(), total: u64::MAX, shed: false };
    let event = bench.stored(RawCall { latency: Duration::MAX, response_body: huge, ..bench.call(u64::MAX) }).await;
    assert_eq!(event.row["response_size_bytes"], i32::MAX);
    assert!(event.latency_ms.is_finite());
}

#[tokio::test]
async fn nuls_are_stored_as_the_visible_symbol_wherever_they_stand() {
    let hook: Hook = Arc::new(|mut event: Event| {
        event.set_path("/a\0b");
        event.set_error(Some("c\0d".to_owned()));
        event.set_query(Some("e\0".to_owned()));
        event.set_property("f\0", serde_json::json!(["g\0", { "h\0": 1 }]));
        event.request_mut().set_header("i\0", "j\0");
        Some(event)
    });
    let bench = bench(Some(hook)).await;
    let response_headers = headers([("content-type", "text/plain")]);
    let event =
        bench.stored(RawCall { response_body: text_body("k\0 and more"), response_headers, ..bench.call(1) }).await;
    assert_eq!(event.path, "/a\u{2400}b");
    assert_eq!(event.row["response_body"], "k\u{2400} and more");
    assert_eq!(event.custom_properties["f\u{2400}"][0], "g\u{2400}");
}

#[tokio::test]
async fn bodies_of_any_size_and_content_are_stored() {
    let bench = bench(None).await;
    for (sequence, body) in
        [vec![1_u8; 100 * 1024], "€".repeat(60_000).into_bytes(), vec![0xff; 90_000]].into_iter().enumerate()
    {
        let (request_headers, response_headers) =
            (headers([("content-type", "text/plain")]), headers([("content-type", "text/plain")]));
        let (request_body, response_body) = (text_body(body.clone()), text_body(body));
        let event = bench
            .stored(RawCall {
                request_headers,
                request_body,
                response_headers,
                response_body,
                ..bench.call(sequence as u64)
            })
            .await;
        assert!(event.row["response_body"].as_str().unwrap().ends_with(" more bytes]"));
    }
    let posts: Vec<_> =
        bench.server.requests().into_iter().filter(|request| request.path.contains("/log/agent/")).collect();
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
    let bench = bench(Some(hook)).await;
    bench.stored(bench.call(1)).await;
}

#[tokio::test]
async fn every_passing_fault_ends_with_the_event_stored_once() {
    let fault = |status| Fault::Status(status);
    for fault in [
        fault(408),
        fault(429),
        fault(502),
        fault(503),
        fault(504),
        fault(500),
        Fault::Html(500),
        Fault::Html(503),
        Fault::RetryAfter { status: 429, seconds: 0 },
        Fault::Reset,
        Fault::NotHttp,
        Fault::Huge(10 << 20),
        Fault::Refusal(401, "invalid_or_expired_token"),
    ] {
        let bench = bench(None).await;
        let refused = matches!(fault, Fault::Huge(_));
        bench.server.brain().fail_next(1, fault.clone());
        for sequence in 1..=3 {
            bench.delivery.record(bench.call(sequence));
        }

        let stats = bench.settle().await;

        let sequences: Vec<_> =
            bench.events().iter().map(|event| event.metadata["sequence"].as_u64().unwrap()).collect();
        let expected: &[u64] = if refused { &[2, 3] } else { &[1, 2, 3] };
        assert_eq!(sequences, expected, "{fault:?}: {stats}");
        assert_eq!(stats.retried, u64::from(!refused), "{fault:?}");
    }
}

#[tokio::test]
async fn an_event_that_may_have_arrived_is_sent_once_more_under_the_same_id() {
    for fault in [Fault::ResetAfterEffect, Fault::Late(LONG)] {
        let server = Server::start().await.unwrap();
        let bench = bench_at(server, None, Duration::from_millis(600)).await;
        bench.server.brain().fail_next(1, fault.clone());
        bench.delivery.record(bench.call(1));

        let stats = bench.settle().await;

        let events = bench.events();
        assert_eq!((events.len(), stats.delivered, stats.retried), (2, 1, 1), "{fault:?}");
        assert_eq!(events[0].metadata["event_id"], events[1].metadata["event_id"]);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_after_its_status_counts() {
    for fault in [Fault::HalfAnswer, Fault::Drip(Duration::from_millis(1))] {
        let bench = bench(None).await;
        bench.server.brain().fail_next(1, fault.clone());
        bench.delivery.record(bench.call(1));
        let stats = bench.settle().await;
        assert_eq!((bench.events().len(), stats.delivered, stats.retried), (1, 1, 0), "{fault:?}");
    }
}

#[tokio::test]
async fn a_lasting_refusal_is_told_apart() {
    let refused = |stats: Stats| stats.dropped.refused;
    let rows: [(Fault, usize, fn(Stats) -> u64); 9] = [
        (Fault::Status(400), 1, refused),
        (Fault::Refusal(403, "session_agent_mismatch"), 1, refused),
        (Fault::Redirect("http://127.0.0.1:9/".to_owned()), 1, refused),
        (Fault::Html(404), 1, refused),
        (Fault::Status(500), 2, |stats| stats.dropped.server_error),
        (Fault::Reset, 2, |stats| stats.dropped.no_response),
        (Fault::Refusal(401, "invalid_or_expired_token"), 2, |stats| stats.dropped.token_refused),
        (Fault::Refusal(401, "invalid_or_expired_agent_key"), 1, |stats| stats.dropped.key_refused),
        (Fault::Html(401), 1, |stats| stats.dropped.key_refused),
    ];
    for (fault, times, count) in rows {
        let bench = bench(None).await;
        bench.server.brain().fail_next(times, fault.clone());
        bench.delivery.record(bench.call(1));

        let stats = bench.settle().await;

        assert_eq!((count(stats), stats.dropped.total(), stats.delivered), (1, 1, 0), "{fault:?}: {stats}");
        assert!(bench.server.requests().iter().all(|request| !request.path.starts_with("/nowhere")));
    }
}

#[tokio::test]
async fn a_false_refusal_of_a_key_that_has_worked_passes() {
    let bench = bench(None).await;
    bench.stored(bench.call(1)).await;
    bench.server.brain().fail_next(3, Fault::Refusal(401, "invalid_or_expired_agent_key"));
    bench.stored(bench.call(2)).await;
    assert_eq!(bench.delivery.stats().retried, 3);
}

#[tokio::test]
async fn events_wait_until_brain_is_back() {
    let bench = bench(None).await;
    bench.server.brain().go_down().unwrap();
    for sequence in 1..=20 {
        bench.delivery.record(bench.call(sequence));
    }
    let undelivered = bench.delivery.flush(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(undelivered.count(), 20);

    bench.server.brain().come_back().unwrap();

    assert_eq!(bench.settle().await.delivered, 20);
    let sequences: Vec<_> = bench.events().iter().map(|event| event.metadata["sequence"].as_u64().unwrap()).collect();
    assert!(sequences.is_sorted());
}

#[tokio::test]
async fn shutdown_delivers_what_it_can_and_counts_the_rest() {
    let bench = bench(None).await;
    bench.delivery.record(bench.call(1));
    assert_eq!(bench.delivery.shutdown(LONG).await, Ok(()));
    bench.delivery.record(bench.call(2));
    let stats = bench.delivery.stats();
    assert_eq!((stats.delivered, stats.dropped.shutdown, stats.pending), (1, 1, 0));
    assert_eq!(bench.delivery.shutdown(LONG).await, Ok(()), "twice is fine");
}

#[tokio::test]
async fn shutdown_gives_up_at_its_deadline() {
    let bench = bench(None).await;
    bench.server.brain().fail_share(1.0, Fault::Stall(LONG), 1);
    for sequence in 1..=3 {
        bench.delivery.record(bench.call(sequence));
    }
    let undelivered = bench.delivery.shutdown(Duration::from_millis(50)).await.unwrap_err();
    let stats = bench.delivery.stats();
    assert_eq!((undelivered.count(), stats.dropped.shutdown, stats.pending, stats.bytes), (3, 3, 0, 0));
}

#[test]
fn callers_need_no_runtime_and_no_clock() {
    let bare = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let bench = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(bench(None));
    bench.delivery.record(bench.call(1));
    bare().block_on(bench.settle());
    std::thread::scope(|scope| scope.spawn(|| bench.delivery.record(bench.call(2))).join().unwrap());
    let stats = bare().block_on(bench.settle());
    assert_eq!(stats.delivered, 2);
}

#[tokio::test]
async fn events_of_a_dropped_client_are_still_delivered_while_the_thread_lives() {
    let mut bench = bench(None).await;
    let link = Arc::new(BackgroundRuntime::start("otas").unwrap());
    let other = delivery(&bench.server, None, LONG, BackgroundRuntime::start("otas").unwrap());
    drop(other);
    let keep = link.clone();
    bench.delivery = delivery(&bench.server, None, LONG, BackgroundRuntime::start("otas").unwrap());
    bench.delivery.threads = Threads::same(move |task| drop(keep.spawn(task)));
    bench.delivery.record(bench.call(1));
    let queue = bench.delivery.queue.clone();
    let watch = queue.watch();

    drop(bench.delivery);

    if let Some(watch) = watch {
        watch.done().await;
    }
    assert_eq!(queue.stats().delivered, 1);
    drop(link);
}

#[tokio::test]
async fn a_thread_that_ends_leaves_no_event_uncounted() {
    let mut bench = bench(None).await;
    bench.server.brain().fail_share(1.0, Fault::Stall(LONG), 1);
    let link = std::sync::Mutex::new(Some(BackgroundRuntime::start("otas").unwrap()));
    let link = Arc::new(link);
    let inner = link.clone();
    bench.delivery.threads = Threads::same(move |task| {
        if let Some(link) = &*inner.lock().unwrap() {
            link.spawn(task);
        }
    });
    bench.delivery.record(bench.call(1));
    bench.delivery.record(bench.call(2));
    let watch = bench.delivery.queue.watch().unwrap();

    drop(link.lock().unwrap().take());

    watch.done().await;
    bench.delivery.record(bench.call(3));
    let stats = bench.delivery.stats();
    assert_eq!((stats.dropped.shutdown, stats.pending), (3, 0));
    assert_eq!(bench.delivery.flush(LONG).await, Ok(()));
}

/// A destination that panics.
struct Broken;

impl Destination for Broken {
    fn send(&self, _: super::engine::Parcel) -> Landing {
        Box::pin(async { panic!("a destination's own mistake") })
    }
}

/// A destination that never answers.
struct Silent;

impl Destination for Silent {
    fn send(&self, _: super::engine::Parcel) -> Landing {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn an_event_is_made_while_the_one_before_it_waits_for_its_answer() {
    let made = Arc::new(AtomicU64::new(0));
    let mut make = fake::make();
    make.key = Arc::new(fake::CountingKey(made.clone()));
    let (link, recorded) = (BackgroundRuntime::start("otas").unwrap(), Arc::new(tokio::sync::Notify::new()));
    let begin = recorded.clone();
    let spawn = move |task: Pin<Box<dyn Future<Output = ()> + Send>>| {
        let begin = begin.clone();
        drop(link.spawn(async move {
            begin.notified().await;
            task.await
        }));
    };
    let delivery = Delivery::new(make, Arc::new(Silent), 1, || 0.0, Threads::same(spawn));
    delivery.record(fake::call("a", 1));
    delivery.record(fake::call("a", 2));
    recorded.notify_one();

    let both = async {
        while made.load(Ordering::Relaxed) < 2 {
            tokio::task::yield_now().await;
        }
    };

    assert!(tokio::time::timeout(LONG, both).await.is_ok());
}

#[tokio::test]
async fn a_panic_while_sending_is_counted() {
    let link = BackgroundRuntime::start("otas").unwrap();
    let delivery =
        Delivery::new(fake::make(), Arc::new(Broken), 1, || 0.0, Threads::same(move |task| drop(link.spawn(task))));
    delivery.record(fake::call("a", 1));
    assert_eq!(delivery.flush(LONG).await, Ok(()));
    assert_eq!(delivery.stats().dropped.no_response, 1);
}

#[tokio::test]
async fn planted_secrets_leave_the_process_nowhere() {
    const MARK: &str = "pl4nt3d";
    let bench = bench(None).await;
    let token = bench.session.token().unwrap().expose_secret().to_owned();
    let key = bench.server.agent_key();
    let mut lines = HeaderMap::new();
    for name in [
        "authorization",
        "cookie",
        "set-cookie",
        "x-api-key",
        "x-otas-agent-session-token",
        "x-otas-new",
        "x-goog-api-key",
        "proxy-authorization",
    ] {
        lines.insert(HeaderName::from_static(name), HeaderValue::from_static(MARK));
    }
    let mut marked = HeaderValue::from_static(MARK);
    marked.set_sensitive(true);
    lines.insert("x-anything", marked);
    lines.insert("location", HeaderValue::from_static("https://u:pl4nt3d@h.example/?token=pl4nt3d"));
    lines.insert("x-echo", HeaderValue::from_str(&format!("{key} {token}")).unwrap());
    lines.insert("content-type", HeaderValue::from_static("application/json"));
    let body = format!(
        r#"{{"api_key":"{MARK}","a":[{{"Password":"{MARK}"}}],"args":"{{\"client_secret\":\"{MARK}\"}}","echo":"{key} {token}","cut":{{"token":"{MARK}"#
    );
    let call = RawCall {
        url: Url::parse(&format!("https://user:{MARK}@h.example/{key}/x?api_key={MARK}&q=1&sig={MARK}#{token}"))
            .unwrap(),
        request_headers: HeaderBlock::copy(&lines),
        response_headers: HeaderBlock::copy(&lines),
        request_body: text_body(body.clone()),
        response_body: CapturedBody { total: 100_000, ..text_body(body) },
        error: Some(format!("error for url (https://u:{MARK}@h.example/?password={MARK}) with {token} and {key}")),
        ..bench.call(1)
    };
    assert!(!format!("{call:?} {:?}", bench.delivery).contains(MARK));

    let event = bench.stored(call).await;

    for secret in [MARK, &token, &key] {
        assert!(!event.row.to_string().contains(secret), "{}", event.row);
        for request in bench.server.requests().iter().filter(|request| request.path.contains("/log/agent/")) {
            assert!(!request.body.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_sessions_of_ten_calls_are_served_and_each_in_order() {
    let bench = bench(None).await;
    let sessions: Vec<_> = (0..100).map(|n| format!("s{n}")).collect();
    for sequence in 0..10 {
        for session in &sessions {
            let origin = Arc::new(SessionCredentials {
                session_id: session.as_str().into(),
                token: bench.session.token().unwrap().expose_secret().parse().unwrap(),
            });
            let mut call = RawCall { origin, ..bench.call(sequence) };
            call.url.set_path(session);
            bench.delivery.record(call);
        }
    }
    let stats = bench.settle().await;
    assert_eq!(stats.delivered, 1_000);
    let events = bench.events();
    for session in &sessions {
        let own = events.iter().filter(|event| event.path[1..] == **session);
        assert!(own.map(|event| event.metadata["sequence"].as_u64().unwrap()).eq(0..10));
    }
}
