//! Reading sessions and events back: complete and in order, with errors that show no secret.

use std::time::Duration;

use otas::audit::Reader;
use otas::{Client, Config, Error, Session, SessionId};
use otas_local::{Fault, Server};
use serde_json::json;

use crate::support::{Upstream, fetch, otas_around, runtime};

const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);

/// The id of no agent and no session.
const UNKNOWN_ID: &str = "5e0ee8b9-6c5c-4a2a-9d4f-0f4c1c2d3e4f";

fn reader(otas: &Server) -> Reader {
    Reader::new(&Config::from_vars(otas.env()).unwrap()).unwrap()
}

/// Runs a session that calls the outside at `paths`, and delivers its events.
async fn run_session(client: &Client, upstream: &Upstream, paths: &[&str]) -> SessionId {
    let session = client.open(json!({ "task_name": "audit" })).await.unwrap();
    session
        .scope(async {
            for path in paths {
                fetch(upstream.outside(path)).await;
            }
        })
        .await;
    assert!(client.flush(FLUSH_TIMEOUT).await.is_ok(), "{}", client.stats());
    session.id()
}

/// Logs events as another client might, with any latency that Python's JSON parser accepts.
async fn log(otas: &Server, session: &Session, count: usize, latency: &str) {
    let http = otas::reqwest::Client::builder().no_proxy().build().unwrap();
    let body = format!(r#"{{"project_id":"p","path":"/x","method":"GET","status_code":200,"latency_ms":{latency}}}"#);
    for _ in 0..count {
        let request = http
            .post(format!("{}/api/v1/backend/log/agent/", otas.brain_url()))
            .header("x-otas-agent-key", otas.agent_key())
            .header("x-otas-agent-session-token", session.token().unwrap().expose_secret())
            .header("content-type", "application/json")
            .body(body.clone());
        assert_eq!(request.send().await.unwrap().status(), 201);
    }
}

/// The text of the error, checked for what it must never contain.
fn checked_text(otas: &Server, error: Error) -> String {
    let text = format!("{error} {error:?}");
    for secret in [otas.user_token(), &otas.agent_key(), "eyJ", "<html", "<!DOCTYPE"] {
        assert!(!text.contains(secret), "{text}");
    }
    text
}

#[tokio::test]
async fn sessions_and_their_events_can_be_read_back() {
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    let first = run_session(&client, &upstream, &["/a?x=1", "/b"]).await;
    let second = run_session(&client, &upstream, &[]).await;

    let sessions = reader(&otas).sessions(&otas.agent_id()).await.unwrap();
    let events = reader(&otas).events(&otas.agent_id(), &first).await.unwrap();

    assert_eq!(sessions.iter().map(|session| &session.id).collect::<Vec<_>>(), [&second, &first], "newest first");
    assert_eq!(sessions[0].meta, json!({ "task_name": "audit" }));
    assert!(sessions[0].created_at >= sessions[1].created_at && sessions[0].created_at.is_some());
    let paths: Vec<_> = events.iter().map(|event| event.path.as_str()).collect();
    assert_eq!(paths, ["/a", "/b"]);

    let event = events.iter().next().unwrap();
    assert_eq!((event.method.as_str(), event.status, event.response_size), ("GET", 200, 5));
    assert!(event.id.is_some() && event.started_at.is_some() && event.arrived_at.is_some() && event.latency.is_some());
    assert_eq!(event.fields["query_params"], "x=1");
    assert!(!events.is_truncated());
    assert!(reader(&otas).events(&otas.agent_id(), &second).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_timeline_lists_each_call_once_in_start_order() {
    let upstream = Upstream::start().await;
    let (otas, client) = otas_around(&upstream).await;
    let session = client.open(json!({})).await.unwrap();
    otas.brain().fail_next(1, Fault::ResetAfterEffect);
    let (early, late) = session
        .scope(async {
            let early = otas::http::get(upstream.outside("/early")).send().await.unwrap();
            let late = otas::http::get(upstream.outside("/late")).send().await.unwrap();
            (early, late)
        })
        .await;
    // Completed, and so delivered, in reverse.
    late.text().await.unwrap();
    early.text().await.unwrap();
    while client.flush(FLUSH_TIMEOUT).await.is_err() {}

    let timeline = reader(&otas).timeline(&otas.agent_id(), &session.id()).await.unwrap();

    let paths: Vec<_> = timeline.entries().iter().map(|entry| entry.event.path.as_str()).collect();
    assert_eq!(paths, ["/early", "/late"]);
    assert_eq!(timeline.duplicates(), 1);
    let text = timeline.to_string();
    assert!(text.lines().next().unwrap().contains("+0.000s GET    localhost:"), "{text}");
}

#[tokio::test]
async fn more_events_than_brain_returns_are_reported_as_truncated() {
    let (otas, client) = otas_around(&Upstream::start().await).await;
    let session = client.open(json!({})).await.unwrap();
    log(&otas, &session, 501, "1.0").await;

    let events = reader(&otas).events(&otas.agent_id(), &session.id()).await.unwrap();

    assert_eq!((events.len(), events.is_truncated()), (500, true));
}

#[tokio::test]
async fn a_latency_of_nan_does_not_hide_the_event() {
    let (otas, client) = otas_around(&Upstream::start().await).await;
    let session = client.open(json!({})).await.unwrap();
    log(&otas, &session, 1, "NaN").await;

    let events = reader(&otas).events(&otas.agent_id(), &session.id()).await.unwrap();

    assert_eq!((events.len(), events.iter().next().unwrap().latency), (1, None));
}

#[tokio::test]
async fn a_reader_needs_a_user_token_and_a_project_id() {
    let otas = Server::start().await.unwrap();

    let config = Config::builder().agent_key(otas.agent_key()).build().unwrap();
    let error = Reader::new(&config).unwrap_err();
    assert!(error.is_config() && error.to_string().contains("OTAS_USER_TOKEN"));

    let config = Config::builder().agent_key(otas.agent_key()).user_token("t").build().unwrap();
    assert!(Reader::new(&config).unwrap_err().to_string().contains("OTAS_PROJECT_ID"));
}

#[tokio::test]
async fn rejections_say_what_to_do() {
    let otas = Server::start().await.unwrap();

    let stranger = Reader::new(&Config::builder().vars(otas.env()).user_token("wrong").build().unwrap()).unwrap();
    let error = stranger.sessions(&otas.agent_id()).await.unwrap_err();
    assert!(error.is_rejected() && checked_text(&otas, error).contains("log in again"));

    let reader = reader(&otas);
    let error = reader.sessions(UNKNOWN_ID).await.unwrap_err();
    assert!(error.is_rejected() && error.status() == Some(403));

    let error = reader.events(&otas.agent_id(), &"no id".into()).await.unwrap_err();
    assert!(error.is_rejected() && checked_text(&otas, error).contains("UUID"));

    let error = reader.events("a\nb", &"no id".into()).await.unwrap_err();
    assert!(error.is_config());
}

#[tokio::test]
async fn an_unusable_response_is_an_error_that_does_not_quote_it() {
    let otas = Server::start().await.unwrap();
    let (agent, reader) = (otas.agent_id(), reader(&otas));

    for fault in [
        Fault::Html(500),
        Fault::Html(200),
        Fault::Redirect("http://127.0.0.1:9/".into()),
        Fault::Huge(80 << 20),
        Fault::Huge(100),
    ] {
        otas.uasam().fail_next(1, fault.clone());
        let error = reader.sessions(&agent).await.unwrap_err();
        assert!(error.is_unexpected_response(), "{fault:?}: {}", checked_text(&otas, error));
    }

    for fault in [Fault::Reset, Fault::NotHttp, Fault::Truncated] {
        otas.uasam().fail_next(1, fault.clone());
        let error = reader.sessions(&agent).await.unwrap_err();
        assert!(error.is_unreachable(), "{fault:?}: {}", checked_text(&otas, error));
    }

    otas.uasam().stop().unwrap();
    let error = reader.events(&agent, &UNKNOWN_ID.into()).await.unwrap_err();
    assert!(error.is_rejected() && error.status() == Some(503), "{}", checked_text(&otas, error));

    otas.brain().stop().unwrap();
    let error = reader.events(&agent, &UNKNOWN_ID.into()).await.unwrap_err();
    assert!(error.is_unreachable(), "{}", checked_text(&otas, error));
}

#[test]
fn a_reader_needs_no_runtime_timers_and_hides_its_token() {
    let otas = runtime().block_on(Server::start()).unwrap();
    let reader = reader(&otas);
    let without_timers = tokio::runtime::Builder::new_current_thread().build().unwrap();

    assert!(!format!("{reader:?}").contains(otas.user_token()));
    assert!(without_timers.block_on(reader.sessions(&otas.agent_id())).unwrap().is_empty());
}
