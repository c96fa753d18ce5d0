//! Reading back: what was done comes back whole and in order, and what cannot be read says why without a secret.

use std::time::Duration;

use otas::audit::Reader;
use otas::{Client, Config, Error, SessionId};
use otas_local::{Fault, Server};
use serde_json::json;

use crate::support::{Upstream, otas_around};

const SOON: Duration = Duration::from_secs(30);

fn reader(otas: &Server) -> Reader {
    Reader::new(&Config::from_vars(otas.env()).unwrap()).unwrap()
}

/// A session that called the outside at these paths, delivered.
async fn run(client: &Client, site: &Upstream, paths: &[&str]) -> SessionId {
    let session = client.open(json!({ "task_name": "audit" })).await.unwrap();
    session
        .scope(async {
            for path in paths {
                otas::http::get(site.outside(path)).send().await.unwrap().text().await.unwrap();
            }
        })
        .await;
    assert!(client.flush(SOON).await.is_ok(), "{}", client.stats());
    session.id()
}

/// The error, after a look at what it must never show.
fn shown(otas: &Server, error: Error) -> String {
    let text = format!("{error} {error:?}");
    for secret in [otas.user_token(), &otas.agent_key(), "eyJ", "<html", "<!DOCTYPE"] {
        assert!(!text.contains(secret), "{text}");
    }
    text
}

#[tokio::test]
async fn sessions_and_their_calls_are_read_back() {
    let site = Upstream::start().await;
    let (otas, client) = otas_around(&site).await;
    let first = run(&client, &site, &["/a?x=1", "/b"]).await;
    let second = run(&client, &site, &[]).await;

    let sessions = reader(&otas).sessions(&otas.agent_id()).await.unwrap();
    let events = reader(&otas).events(&otas.agent_id(), &first).await.unwrap();

    assert_eq!(sessions.iter().map(|session| &session.id).collect::<Vec<_>>(), [&second, &first], "the newest first");
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
async fn a_timeline_shows_each_call_once_in_the_order_of_starts() {
    let site = Upstream::start().await;
    let (otas, client) = otas_around(&site).await;
    let session = client.open(json!({})).await.unwrap();
    otas.brain().fail_next(1, Fault::ResetAfterEffect);
    let (early, late) = session
        .scope(async {
            let early = otas::http::get(site.outside("/early")).send().await.unwrap();
            let late = otas::http::get(site.outside("/late")).send().await.unwrap();
            (early, late)
        })
        .await;
    // Completed, and so delivered, in the opposite order.
    late.text().await.unwrap();
    early.text().await.unwrap();
    while client.flush(SOON).await.is_err() {}

    let timeline = reader(&otas).timeline(&otas.agent_id(), &session.id()).await.unwrap();

    let paths: Vec<_> = timeline.entries().iter().map(|entry| entry.event.path.as_str()).collect();
    assert_eq!(paths, ["/early", "/late"]);
    assert_eq!(timeline.duplicates(), 1);
    let text = timeline.to_string();
    assert!(text.lines().next().unwrap().contains("+0.000s GET    localhost:"), "{text}");
}

#[tokio::test]
async fn a_session_with_more_events_than_brain_shows_says_so() {
    let (otas, client) = otas_around(&Upstream::start().await).await;
    let session = client.open(json!({})).await.unwrap();
    log(&otas, &session, 501, 1.0).await;
    let events = reader(&otas).events(&otas.agent_id(), &session.id()).await.unwrap();
    assert_eq!((events.len(), events.is_truncated()), (500, true));
}

#[tokio::test]
async fn a_number_that_is_none_does_not_hide_a_session() {
    let (otas, client) = otas_around(&Upstream::start().await).await;
    let session = client.open(json!({})).await.unwrap();
    log(&otas, &session, 1, f64::NAN).await;
    let events = reader(&otas).events(&otas.agent_id(), &session.id()).await.unwrap();
    assert_eq!((events.len(), events.iter().next().unwrap().latency), (1, None));
}

/// Events as another client writes them.
async fn log(otas: &Server, session: &otas::Session, count: usize, latency: f64) {
    let http = otas::reqwest::Client::builder().no_proxy().build().unwrap();
    let latency = if latency.is_nan() { "NaN".to_owned() } else { latency.to_string() };
    let body = format!(r#"{{"project_id":"p","path":"/x","method":"GET","status_code":200,"latency_ms":{latency}}}"#);
    for _ in 0..count {
        let answer = http
            .post(format!("{}/api/v1/backend/log/agent/", otas.brain_url()))
            .header("x-otas-agent-key", otas.agent_key())
            .header("x-otas-agent-session-token", session.token().unwrap().expose_secret())
            .header("content-type", "application/json")
            .body(body.clone())
            .send();
        assert_eq!(answer.await.unwrap().status(), 201);
    }
}

#[tokio::test]
async fn a_reader_needs_a_person_and_a_project() {
    let otas = Server::start().await.unwrap();
    let config = otas::Config::builder().agent_key(otas.agent_key()).build().unwrap();
    let error = Reader::new(&config).unwrap_err();
    assert!(error.is_config() && error.to_string().contains("OTAS_USER_TOKEN"));
    let config = otas::Config::builder().agent_key(otas.agent_key()).user_token("t").build().unwrap();
    assert!(Reader::new(&config).unwrap_err().to_string().contains("OTAS_PROJECT_ID"));
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let otas = Server::start().await.unwrap();
    let stranger = Reader::new(&Config::builder().vars(otas.env()).user_token("wrong").build().unwrap()).unwrap();
    let error = stranger.sessions(&otas.agent_id()).await.unwrap_err();
    assert!(error.is_rejected() && shown(&otas, error).contains("log in again"));
    let error = reader(&otas).sessions("5e0ee8b9-6c5c-4a2a-9d4f-0f4c1c2d3e4f").await.unwrap_err();
    assert!(error.is_rejected() && error.status() == Some(403));
    let error = reader(&otas).events(&otas.agent_id(), &"no id".into()).await.unwrap_err();
    assert!(error.is_rejected() && shown(&otas, error).contains("UUID"));
    let error = reader(&otas).events("a\nb", &"no id".into()).await.unwrap_err();
    assert!(error.is_config());
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_without_a_word_of_it() {
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
        assert!(error.is_unexpected_response(), "{fault:?}: {}", shown(&otas, error));
    }
    for fault in [Fault::Reset, Fault::NotHttp, Fault::Truncated] {
        otas.uasam().fail_next(1, fault.clone());
        let error = reader.sessions(&agent).await.unwrap_err();
        assert!(error.is_unreachable(), "{fault:?}: {}", shown(&otas, error));
    }
    otas.uasam().stop().unwrap();
    let error = reader.events(&agent, &"5e0ee8b9-6c5c-4a2a-9d4f-0f4c1c2d3e4f".into()).await.unwrap_err();
    assert!(error.is_rejected() && error.status() == Some(503), "{}", shown(&otas, error));
    otas.brain().stop().unwrap();
    let error = reader.events(&agent, &"5e0ee8b9-6c5c-4a2a-9d4f-0f4c1c2d3e4f".into()).await.unwrap_err();
    assert!(error.is_unreachable(), "{}", shown(&otas, error));
}

#[test]
fn reading_needs_no_clock_and_shows_no_token() {
    let full = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let otas = full.block_on(Server::start()).unwrap();
    let reader = reader(&otas);
    assert!(!format!("{reader:?}").contains(otas.user_token()));
    let bare = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(bare.block_on(reader.sessions(&otas.agent_id())).unwrap().is_empty());
}
