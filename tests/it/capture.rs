//! Calls outside the domain: sent and returned unchanged, and recorded as exactly one event each.

use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::stream::iter;
use http_body::Frame;
use http_body_util::StreamBody;
use otas::reqwest::{Body, Response, StatusCode};
use otas::{Client, Config, http};
use otas_local::Server;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Upstream, fetch, otas_around, raw_server, redirect};

/// Flushes, and returns the events of the only session.
async fn events(otas: &Server, client: &Client) -> Vec<Value> {
    assert!(client.flush(Duration::from_secs(10)).await.is_ok());
    let session = otas.sessions().remove(0);
    otas.events(&session.id).into_iter().map(|event| event.row).collect()
}

/// Runs `call` in a session, and returns the only event that it produces.
async fn event_of(upstream: &Upstream, call: impl AsyncFnOnce()) -> Value {
    let (otas, client) = otas_around(upstream).await;
    client.open(json!({})).await.unwrap().scope(call()).await;
    let mut events = events(&otas, &client).await;
    assert_eq!(events.len(), 1, "{events:?}");
    events.remove(0)
}

/// Keeps the connection open without responding.
async fn hold_open(stream: TcpStream) {
    std::future::pending::<()>().await;
    drop(stream);
}

fn micros_since_epoch() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()
}

#[tokio::test]
async fn an_outside_call_carries_no_token_and_produces_one_event() {
    let upstream = Upstream::start().await;

    let event = event_of(&upstream, async || {
        let response = http::post(upstream.outside("/v1/chat?model=x&api_key=hunter2"))
            .header("authorization", "Bearer hunter2")
            .json(&json!({ "prompt": "hi", "password": "hunter2" }))
            .await
            .unwrap();
        assert_eq!(response.text().await.unwrap(), "hello");
    })
    .await;

    let request = upstream.received().remove(0);
    assert_eq!((request.token(), request.header("authorization")), (None, Some("Bearer hunter2")));
    assert_eq!(request.body, r#"{"password":"hunter2","prompt":"hi"}"#);
    assert_eq!(event["path"], "/v1/chat");
    assert_eq!(event["method"], "POST");
    assert_eq!(event["status_code"], 200);
    assert_eq!((&event["request_size_bytes"], &event["response_size_bytes"]), (&json!(36), &json!(5)));
    assert_eq!(event["response_body"], "hello");
    assert!(event["latency_ms"].as_f64().unwrap() > 0.0);
    let properties = &event["custom_properties"];
    assert!(properties["host"].as_str().unwrap().starts_with("localhost"), "{properties}");
    assert!(properties["ttfb_ms"].is_number() && properties["hops"] == 0, "{properties}");
    assert!(event["request_body"].as_str().unwrap().contains("hi"), "{event}");
    assert!(!event.to_string().contains("hunter2"), "{event}");
}

#[tokio::test]
async fn calls_inside_the_domain_or_to_otas_itself_produce_no_event() {
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    let session = client.open(json!({})).await.unwrap();

    session
        .scope(async {
            http::get(upstream.inside("/")).await.unwrap();
            http::get(otas.uasam_url()).await.unwrap();
            http::get(otas.brain_url()).await.unwrap();
        })
        .await;

    assert_eq!(events(&otas, &client).await.len(), 0);
    assert_eq!(client.stats().recorded, 0);
}

#[tokio::test]
async fn otas_urls_are_recognized_by_whole_path_segments() {
    let upstream = Upstream::start().await;
    let otas = Server::start().await.unwrap();
    let config = Config::from_vars([
        ("OTAS_AGENT_KEY", otas.agent_key()),
        ("OTAS_UASAM_URL", otas.uasam_url()),
        ("OTAS_BRAIN_URL", upstream.outside("/brain")),
    ]);
    let client = Client::new(config.unwrap()).unwrap();
    let session = client.open(json!({})).await.unwrap();

    let paths = ["/brain/v1", "/brainstorm", "/brain/..%2fv1"];
    for path in paths {
        let request = http::get(upstream.outside(path)).header("x-otas-agent-key", "agent_by_hand");
        session.scope(async { request.await.unwrap().text().await.unwrap() }).await;
    }

    let received = upstream.received();
    let has_key = |path: &&str| {
        received.iter().any(|request| request.uri == **path && request.header("x-otas-agent-key").is_some())
    };
    assert_eq!(paths.iter().filter(|path| has_key(path)).collect::<Vec<_>>(), [&"/brain/v1"]);
    assert_eq!(client.stats().recorded, 2);
}

#[tokio::test]
async fn a_captured_response_equals_what_reqwest_returns() {
    let headers = |response: &Response| {
        let mut headers = response.headers().clone();
        headers.remove("date");
        headers
    };
    let upstream = Upstream::start().await;
    let (_otas, client) = otas_around(&upstream).await;
    let session = client.open(json!({})).await.unwrap();
    let url = upstream.outside("/x?status=404");

    let captured = session.scope(async { http::get(&url).await.unwrap() }).await;
    let plain = otas::reqwest::get(&url).await.unwrap();

    assert_eq!(captured.url(), plain.url());
    assert_eq!((captured.status(), captured.version()), (StatusCode::NOT_FOUND, plain.version()));
    assert_eq!(headers(&captured), headers(&plain));
    assert_eq!((captured.remote_addr(), captured.content_length()), (plain.remote_addr(), Some(5)));
    let (captured, plain) = (captured.error_for_status().unwrap_err(), plain.error_for_status().unwrap_err());
    assert_eq!(captured.to_string(), plain.to_string());
}

#[tokio::test]
async fn server_sent_events_reach_the_caller_chunk_by_chunk() {
    let url = raw_server(|mut stream| async move {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        for n in 0..5 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let chunk = format!("data: {n} {}\n\n", micros_since_epoch());
            stream.write_all(format!("{:x}\r\n{chunk}\r\n", chunk.len()).as_bytes()).await.unwrap();
        }
        stream.write_all(b"0\r\n\r\n").await.unwrap();
    })
    .await;
    let upstream = Upstream::start().await;

    let event = event_of(&upstream, async || {
        let mut response = http::get(url).await.unwrap();
        let mut delays = Vec::new();
        while let Some(chunk) = response.chunk().await.unwrap() {
            let now = micros_since_epoch();
            let sent: u128 = std::str::from_utf8(&chunk).unwrap().split_whitespace().nth(2).unwrap().parse().unwrap();
            delays.push(now - sent);
        }
        delays.sort_unstable();
        assert_eq!(delays.len(), 5);
        // The median, since a loaded machine may delay a single chunk.
        assert!(delays[2] < 25_000, "no chunk waits for another: {delays:?} microseconds");
    })
    .await;

    assert_eq!(event["response_body"].as_str().unwrap().matches("data:").count(), 5);
    let latency = event["latency_ms"].as_f64().unwrap();
    let time_to_first_byte = event["custom_properties"]["ttfb_ms"].as_f64().unwrap();
    assert!(latency > 240.0, "{event}");
    assert!(time_to_first_byte < latency - 150.0, "{event}");
}

#[tokio::test]
async fn a_body_dropped_early_ends_normally_and_keeps_its_status() {
    let upstream = Upstream::start().await;

    let event = event_of(&upstream, async || drop(http::get(upstream.outside("/")).await.unwrap())).await;

    assert_eq!((&event["status_code"], &event["error"]), (&json!(200), &Value::Null));
    assert_eq!(event["custom_properties"]["end"], "dropped");
}

#[tokio::test]
async fn a_truncated_body_is_recorded_with_its_status_and_bytes_so_far() {
    let url = raw_server(|mut stream| async move {
        let response = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nhalf";
        stream.write_all(response.as_bytes()).await.unwrap();
    })
    .await;
    let upstream = Upstream::start().await;

    let event = event_of(&upstream, async || assert!(http::get(url).await.unwrap().text().await.is_err())).await;

    assert_eq!((&event["status_code"], &event["response_size_bytes"]), (&json!(200), &json!(4)));
    assert_eq!(&event["response_body"].as_str().unwrap()[..4], "half");
    assert_eq!(event["custom_properties"]["end"], "failed");
    assert!(event["error"].is_string());
}

#[tokio::test]
async fn a_cancelled_call_is_recorded_with_status_zero() {
    let url = raw_server(hold_open).await;
    let upstream = Upstream::start().await;

    let event = event_of(&upstream, async || {
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
    for (url, reason) in cases {
        let upstream = Upstream::start().await;

        let event = event_of(&upstream, async || {
            let error = http::get(&url).timeout(Duration::from_millis(700)).await.unwrap_err();
            assert!(error.is_connect() || error.is_timeout(), "{error:?}");
        })
        .await;

        assert_eq!(event["status_code"], 0, "{event}");
        let error = event["error"].as_str().unwrap();
        assert!(error.contains(reason) || error.contains("timed out"), "{url}: {error}");
        assert!(!event.to_string().contains("hunter2"), "{event}");
    }
}

#[tokio::test]
async fn each_uninterrupted_run_of_outside_hops_produces_one_event() {
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    let session = client.open(json!({})).await.unwrap();
    let third = upstream.inside(&redirect(302, &upstream.outside("/last")));
    let second = upstream.outside(&redirect(302, &third));
    let first = upstream.outside(&redirect(302, &second));

    session.scope(fetch(first)).await;

    let events = events(&otas, &client).await;
    let events: Vec<_> = events
        .iter()
        .map(|event| (event["status_code"].clone(), event["custom_properties"]["hops"].clone(), event["path"].clone()))
        .collect();
    assert_eq!(events, [(json!(302), json!(1), json!("/redirect")), (json!(200), json!(0), json!("/last"))]);
}

#[tokio::test]
async fn an_event_describes_only_the_last_request_of_its_redirects() {
    let upstream = Upstream::start().await;

    let event = event_of(&upstream, async || {
        let url = upstream.outside(&redirect(303, &upstream.outside("/final")));
        let request = http::post(url).header("content-type", "text/plain").body("posted");
        request.await.unwrap().text().await.unwrap();
    })
    .await;

    assert_eq!((&event["method"], &event["path"]), (&json!("GET"), &json!("/final")));
    assert_eq!((&event["request_size_bytes"], &event["request_body"]), (&json!(0), &Value::Null));
    assert_eq!(event["custom_properties"]["hops"], 1);
}

#[tokio::test]
async fn a_streamed_request_body_is_counted_as_it_is_sent() {
    let upstream = Upstream::start().await;

    let event = event_of(&upstream, async || {
        let chunk = Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"streamed")));
        let body = Body::wrap(StreamBody::new(iter([chunk])));
        let request = http::post(upstream.outside("/")).header("content-type", "text/plain").body(body);
        request.await.unwrap().text().await.unwrap();
    })
    .await;

    assert_eq!((&event["request_size_bytes"], &event["request_body"]), (&json!(8), &json!("streamed")));
    assert_eq!(upstream.received().remove(0).body, "streamed");
}
