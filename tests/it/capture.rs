//! Calls outside the domain: they go out untouched, come back as they are, and give exactly one event each.

use std::time::{Duration, Instant};

use otas::event::Event;
use otas::reqwest::StatusCode;
use otas::{Client, Config, http};
use otas_local::Server;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Upstream, otas_around, raw_server, redirect};

const SECOND: Duration = Duration::from_secs(1);

/// The events of the one session, once they are delivered.
async fn events(otas: &Server, client: &Client) -> Vec<Value> {
    assert!(client.flush(10 * SECOND).await.is_ok());
    let session = otas.sessions().remove(0);
    otas.events(&session.id).into_iter().map(|event| event.row).collect()
}

/// Sends in a session of its own, and gives the one event.
async fn event_of(site: &Upstream, call: impl AsyncFnOnce()) -> Value {
    let (otas, client) = otas_around(site).await;
    client.open(json!({})).await.unwrap().scope(call()).await;
    let mut events = events(&otas, &client).await;
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

/// Never responds.
async fn hold_open(stream: TcpStream) {
    std::future::pending::<()>().await;
    drop(stream);
}

#[tokio::test]
async fn an_outside_call_carries_no_token_and_produces_one_event() {
    let site = Upstream::start().await;
    let event = event_of(&site, async || {
        let answer = http::post(site.outside("/v1/chat?model=x&api_key=hunter2"))
            .header("authorization", "Bearer hunter2")
            .json(&json!({ "prompt": "hi", "password": "hunter2" }))
            .await
            .unwrap();
        assert_eq!(answer.text().await.unwrap(), "hello");
    })
    .await;
    let hit = site.received().remove(0);
    assert_eq!((hit.token(), hit.header("authorization")), (None, Some("Bearer hunter2")));
    assert_eq!(hit.body, r#"{"password":"hunter2","prompt":"hi"}"#);
    assert_eq!(
        (&event["path"], &event["method"], &event["status_code"]),
        (&json!("/v1/chat"), &json!("POST"), &json!(200))
    );
    assert_eq!((&event["request_size_bytes"], &event["response_size_bytes"]), (&json!(36), &json!(5)));
    assert_eq!(event["response_body"], "hello");
    assert!(event["latency_ms"].as_f64().unwrap() > 0.0);
    let properties = &event["custom_properties"];
    assert!(properties["host"].as_str().unwrap().starts_with("localhost"), "{properties}");
    assert!(properties["ttfb_ms"].is_number() && properties["hops"] == 0, "{properties}");
    assert!(
        !event.to_string().contains("hunter2") && event["request_body"].as_str().unwrap().contains("hi"),
        "{event}"
    );
}

#[tokio::test]
async fn calls_inside_the_domain_or_to_otas_itself_produce_no_event() {
    let site = Upstream::start().await;
    let (otas, client) = otas_around(&site).await;
    let session = client.open(json!({})).await.unwrap();
    session
        .scope(async {
            http::get(site.inside("/")).await.unwrap();
            http::get(otas.uasam_url()).await.unwrap();
            http::get(otas.brain_url()).await.unwrap();
        })
        .await;
    assert_eq!(events(&otas, &client).await.len(), 0);
    assert_eq!(client.stats().recorded, 0);
}

#[tokio::test]
async fn otas_urls_are_recognized_by_whole_path_segments() {
    let site = Upstream::start().await;
    let otas = Server::start().await.unwrap();
    let config = Config::from_vars([
        ("OTAS_AGENT_KEY", otas.agent_key()),
        ("OTAS_UASAM_URL", otas.uasam_url()),
        ("OTAS_BRAIN_URL", site.outside("/brain")),
    ]);
    let client = Client::new(config.unwrap()).unwrap();
    let session = client.open(json!({})).await.unwrap();

    let paths = ["/brain/v1", "/brainstorm", "/brain/..%2fv1"];
    for path in paths {
        let request = http::get(site.outside(path)).header("x-otas-agent-key", "agent_by_hand");
        session.scope(async { request.await.unwrap().text().await.unwrap() }).await;
    }

    let key =
        |path: &&str| site.received().iter().any(|hit| hit.uri == **path && hit.header("x-otas-agent-key").is_some());
    assert_eq!(paths.iter().filter(|path| key(path)).collect::<Vec<_>>(), [&"/brain/v1"]);
    assert_eq!(client.stats().recorded, 2);
}

#[tokio::test]
async fn a_captured_response_equals_what_reqwest_returns() {
    let site = Upstream::start().await;
    let (_otas, client) = otas_around(&site).await;
    let session = client.open(json!({})).await.unwrap();
    let url = site.outside("/x?status=404");
    let ours = session.scope(async { http::get(&url).await.unwrap() }).await;
    let bare = otas::reqwest::get(&url).await.unwrap();
    assert_eq!(ours.url(), bare.url());
    assert_eq!((ours.status(), ours.version()), (StatusCode::NOT_FOUND, bare.version()));
    let headers = |answer: &otas::reqwest::Response| {
        let mut headers = answer.headers().clone();
        headers.remove("date");
        headers
    };
    assert_eq!(headers(&ours), headers(&bare));
    assert_eq!((ours.remote_addr(), ours.content_length()), (bare.remote_addr(), Some(5)));
    assert_eq!(ours.error_for_status().unwrap_err().to_string(), bare.error_for_status().unwrap_err().to_string());
}

#[tokio::test]
async fn server_sent_events_reach_the_caller_chunk_by_chunk() {
    let url = raw_server(|mut stream| async move {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        for n in 0..5 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let chunk = format!(
                "data: {n} {:?}\n\n",
                std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros()
            );
            stream.write_all(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes()).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    })
    .await;
    let site = Upstream::start().await;
    let event = event_of(&site, async || {
        let mut answer = http::get(url).await.unwrap();
        let mut delays = Vec::new();
        while let Some(chunk) = answer.chunk().await.unwrap() {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
            let sent: u128 = std::str::from_utf8(&chunk).unwrap().split_whitespace().nth(2).unwrap().parse().unwrap();
            delays.push(now - sent);
        }
        delays.sort_unstable();
        assert_eq!(delays.len(), 5);
        // The median: a machine that is busy may hold up one of them.
        assert!(delays[2] < 25_000, "a chunk waits for no other: {delays:?} microseconds");
    })
    .await;
    assert_eq!(event["response_body"].as_str().unwrap().matches("data:").count(), 5);
    assert!(event["latency_ms"].as_f64().unwrap() > 240.0, "{event}");
    assert!(
        event["custom_properties"]["ttfb_ms"].as_f64().unwrap() < event["latency_ms"].as_f64().unwrap() - 150.0,
        "{event}"
    );
}

#[tokio::test]
async fn a_body_dropped_early_ends_normally_and_keeps_its_status() {
    let site = Upstream::start().await;
    let event = event_of(&site, async || drop(http::get(site.outside("/")).await.unwrap())).await;
    assert_eq!((&event["status_code"], &event["error"]), (&json!(200), &Value::Null));
    assert_eq!(event["custom_properties"]["end"], "dropped");
}

#[tokio::test]
async fn a_truncated_body_is_recorded_with_its_status_and_bytes_so_far() {
    let url = raw_server(|mut stream| async move {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nhalf")
            .await
            .unwrap();
    })
    .await;
    let site = Upstream::start().await;
    let event = event_of(&site, async || assert!(http::get(url).await.unwrap().text().await.is_err())).await;
    assert_eq!((&event["status_code"], &event["response_size_bytes"]), (&json!(200), &json!(4)));
    assert_eq!(
        (&event["response_body"].as_str().unwrap()[..4], &event["custom_properties"]["end"]),
        ("half", &json!("failed"))
    );
    assert!(event["error"].is_string());
}

#[tokio::test]
async fn a_cancelled_call_is_recorded_with_status_zero() {
    let url = raw_server(hold_open).await;
    let site = Upstream::start().await;
    let event = event_of(&site, async || {
        assert!(tokio::time::timeout(Duration::from_millis(100), http::get(url).send()).await.is_err());
    })
    .await;
    assert_eq!(event["status_code"], 0);
    assert!(event["error"].as_str().unwrap().contains("cancelled"), "{event}");
}

#[tokio::test]
async fn failed_calls_are_recorded_with_status_zero_and_no_secrets() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let silent = raw_server(hold_open).await;
    let cases = [
        (format!("http://user:hunter2@localhost:{closed}/?token=hunter2"), "no connection"),
        ("http://no-such-host.invalid/?token=hunter2".to_owned(), "no connection"),
        (format!("https://localhost:{closed}/?token=hunter2"), "no connection"),
        (format!("{silent}?token=hunter2"), "timed out"),
    ];
    for (url, word) in cases {
        let site = Upstream::start().await;
        let event = event_of(&site, async || {
            let error = http::get(&url).timeout(Duration::from_millis(700)).await.unwrap_err();
            assert!(error.is_connect() || error.is_timeout(), "{error:?}");
        })
        .await;
        assert_eq!(event["status_code"], 0, "{event}");
        let error = event["error"].as_str().unwrap();
        assert!(error.contains(word) || error.contains("timed out"), "{url}: {error}");
        assert!(!event.to_string().contains("hunter2"), "{event}");
    }
}

#[tokio::test]
async fn each_uninterrupted_run_of_outside_hops_produces_one_event() {
    let site = Upstream::start().await;
    let (otas, client) = otas_around(&site).await;
    let session = client.open(json!({})).await.unwrap();
    // outside, outside, inside, outside
    let last = site.inside(&redirect(302, &site.outside("/last")));
    let second = site.outside(&redirect(302, &last));
    let url = site.outside(&redirect(302, &second));
    session.scope(async { http::get(url).await.unwrap().text().await.unwrap() }).await;
    let told: Vec<_> = events(&otas, &client).await;
    let told: Vec<_> = told
        .iter()
        .map(|event| (event["status_code"].clone(), event["custom_properties"]["hops"].clone(), event["path"].clone()))
        .collect();
    assert_eq!(told, [(json!(302), json!(1), json!("/redirect")), (json!(200), json!(0), json!("/last"))]);
}

#[tokio::test]
async fn a_streamed_request_body_is_counted_as_it_is_sent() {
    let site = Upstream::start().await;
    let event = event_of(&site, async || {
        let chunks =
            [Ok::<_, std::convert::Infallible>(http_body::Frame::data(bytes::Bytes::from_static(b"streamed")))];
        let body = otas::reqwest::Body::wrap(http_body_util::StreamBody::new(Chunks(chunks.into_iter().collect())));
        http::post(site.outside("/"))
            .header("content-type", "text/plain")
            .body(body)
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
    })
    .await;
    assert_eq!((&event["request_size_bytes"], &event["request_body"]), (&json!(8), &json!("streamed")));
    assert_eq!(site.received().remove(0).body, "streamed");
}

struct Chunks<T>(std::collections::VecDeque<T>);

impl<T: Unpin> futures_core::Stream for Chunks<T> {
    type Item = T;

    fn poll_next(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Option<T>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}

#[tokio::test]
async fn a_hook_can_edit_or_drop_events_and_a_panic_drops_the_event() {
    let site = Upstream::start().await;
    let otas = Server::builder().project_domain(site.inside("")).start().await.unwrap();
    let hook = |mut event: Event| match event.path() {
        "/drop" => None,
        "/panic" => panic!("in the hook"),
        _ => {
            event.set_property("team", "search");
            Some(event)
        }
    };
    let client = Client::new(Config::builder().vars(otas.env()).on_event(hook).build().unwrap()).unwrap();
    let session = client.open(json!({})).await.unwrap();
    for path in ["/drop", "/panic", "/keep"] {
        session.scope(async { http::get(site.outside(path)).await.unwrap().text().await.unwrap() }).await;
    }
    let events = events(&otas, &client).await;
    assert_eq!((events.len(), &events[0]["custom_properties"]["team"]), (1, &json!("search")));
    let stats = client.stats();
    assert_eq!((stats.recorded, stats.delivered, stats.dropped.by_hook, stats.dropped.hook_panicked), (3, 1, 1, 1));
}

#[tokio::test]
async fn calls_after_shutdown_succeed_and_their_events_count_as_dropped() {
    let site = Upstream::start().await;
    let (_otas, client) = otas_around(&site).await;
    let session = client.open(json!({})).await.unwrap();
    assert!(client.shutdown(SECOND).await.is_ok());
    let body = session.scope(async { http::get(site.outside("/")).await.unwrap().text().await.unwrap() }).await;
    assert_eq!((body.as_str(), client.stats().dropped.shutdown), ("hello", 1));
}

#[tokio::test]
async fn flush_reports_the_events_still_undelivered_at_its_deadline() {
    let site = Upstream::start().await;
    let (otas, client) = otas_around(&site).await;
    let session = client.open(json!({})).await.unwrap();
    otas.brain().stop().unwrap();
    session.scope(async { http::get(site.outside("/")).await.unwrap().text().await.unwrap() }).await;
    let started = Instant::now();
    assert_eq!(client.flush(Duration::from_millis(200)).await.unwrap_err().count(), 1);
    assert!(started.elapsed() < 5 * SECOND);
    otas.brain().restart().unwrap();
    assert!(client.flush(30 * SECOND).await.is_ok());
    assert_eq!(client.stats().delivered, 1);
}

#[tokio::test]
async fn an_event_describes_only_the_last_request_of_its_redirects() {
    let site = Upstream::start().await;
    let event = event_of(&site, async || {
        let url = site.outside(&redirect(303, &site.outside("/final")));
        let request = http::post(url).header("content-type", "text/plain").body("posted");
        request.await.unwrap().text().await.unwrap();
    })
    .await;
    assert_eq!(
        (&event["method"], &event["path"], &event["request_size_bytes"]),
        (&json!("GET"), &json!("/final"), &json!(0))
    );
    assert_eq!((&event["request_body"], &event["custom_properties"]["hops"]), (&Value::Null, &json!(1)));
}

#[tokio::test]
async fn a_blocking_hook_delays_neither_sessions_nor_flush_deadlines() {
    let site = Upstream::start().await;
    let otas = Server::builder().project_domain(site.inside("")).start().await.unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let hook = move |event: Event| {
        let _ = held.lock().unwrap().recv();
        Some(event)
    };
    let client = Client::new(Config::builder().vars(otas.env()).on_event(hook).build().unwrap()).unwrap();
    let session = client.open(json!({})).await.unwrap();
    session.scope(async { http::get(site.outside("/")).await.unwrap().text().await.unwrap() }).await;
    assert_eq!(client.flush(Duration::from_millis(200)).await.unwrap_err().count(), 1);
    client.open(json!({})).await.unwrap();
    drop(release);
    assert!(client.flush(10 * SECOND).await.is_ok());
}

#[tokio::test]
async fn an_event_undelivered_for_fifteen_minutes_expires() {
    let site = Upstream::start().await;
    let otas = Server::builder().project_domain(site.inside("")).start().await.unwrap();
    let clock = otas::Clock::new();
    let client = Client::new(Config::builder().vars(otas.env()).clock(&clock).build().unwrap()).unwrap();
    let session = client.open(json!({})).await.unwrap();
    otas.brain().stop().unwrap();
    session.scope(async { http::get(site.outside("/")).await.unwrap().text().await.unwrap() }).await;
    assert_eq!(client.flush(Duration::from_millis(300)).await.unwrap_err().count(), 1);
    clock.advance(Duration::from_secs(16 * 60));
    assert!(client.flush(10 * SECOND).await.is_ok());
    assert_eq!((client.stats().dropped.expired, client.stats().pending), (1, 0));
}

#[tokio::test]
async fn a_call_completed_in_a_forked_process_is_not_recorded() {
    let site = Upstream::start().await;
    let otas = Server::builder().project_domain(site.inside("")).start().await.unwrap();
    let clock = otas::Clock::new();
    let client = Client::new(Config::builder().vars(otas.env()).clock(&clock).build().unwrap()).unwrap();
    let session = client.open(json!({})).await.unwrap();
    let answer = session.scope(async { http::get(site.outside("/")).await.unwrap() }).await;
    clock.set_process_id(std::process::id() + 1);
    answer.text().await.unwrap();
    assert_eq!((client.stats().recorded, otas.event_count()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_concurrent_sessions_each_record_their_own_call() {
    #[otas::otas_session(meta = { "n": n })]
    async fn run(url: &str, n: usize) -> String {
        http::get(url).query(&[("n", n)]).await.unwrap().text().await.unwrap();
        otas::Session::current().unwrap().id().to_string()
    }
    let site = Upstream::start().await;
    let (otas, client) = otas_around(&site).await;
    let mut runs = tokio::task::JoinSet::new();
    for n in 0..1_000 {
        let (client, url) = (client.clone(), site.outside("/"));
        runs.spawn(async move { (n, client.scope(run(&url, n)).await) });
    }
    let runs = runs.join_all().await;
    assert!(client.flush(60 * SECOND).await.is_ok());
    assert_eq!((otas.sessions().len(), client.stats().delivered), (1_000, 1_000));
    for (n, id) in runs {
        let queries: Vec<_> = otas.events(&id).into_iter().map(|event| event.row["query_params"].clone()).collect();
        assert_eq!(queries, [json!(format!("n={n}"))]);
    }
}
