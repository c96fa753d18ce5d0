//! Opening sessions: each call opens its own, and failures are clear and harm no caller.

use std::error::Error as _;
use std::time::{Duration, Instant, SystemTime};

use otas::{Client, Clock, Error, Session, http, otas_session};
use otas_local::{Fault, Server};
use serde_json::json;

use crate::support::{Upstream, otas_around_with, start_otas, start_otas_with};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The error of opening a session, checked for what it must never show.
async fn open_error(otas: &Server, client: &Client) -> Error {
    let error = client.open(json!({ "marked": "in the meta" })).await.unwrap_err();
    let output = format!("{error} {error:?} {client:?}");
    for secret in [&otas.agent_key(), "eyJ", "<html", "<!DOCTYPE", "in the meta"] {
        assert!(!output.contains(secret), "{secret} in {output}");
    }
    error
}

#[tokio::test]
async fn a_session_exposes_its_id_agent_expiry_and_meta() {
    let (otas, client) = start_otas().await;

    let session = client.open(json!({ "task_name": "summarize", "docs": 5 })).await.unwrap();

    let recorded = otas.sessions().remove(0);
    assert_eq!(session.id().as_str(), recorded.id);
    assert_eq!(&*session.agent_id(), otas.agent_id());
    assert_eq!(recorded.meta, json!({ "task_name": "summarize", "docs": 5 }));
    assert_eq!(json!(session.meta()), recorded.meta);
    assert_eq!(otas.session_of(session.token().unwrap().expose_secret()), Some(recorded.id));
    let lifetime = session.expires_at().duration_since(SystemTime::now()).unwrap();
    assert!(lifetime > 29 * DAY && lifetime < 31 * DAY);
}

#[tokio::test]
async fn omitted_meta_is_sent_as_an_empty_object_of_known_length() {
    #[otas_session]
    async fn run() {}
    let (otas, client) = start_otas().await;

    client.scope(run()).await;

    let request = otas.requests().remove(0);
    assert_eq!(request.body, br#"{"meta":{}}"#);
    assert!(request.header("content-length").is_some(), "the server reads a chunked body as empty");
}

#[tokio::test]
async fn concurrent_and_nested_calls_each_see_their_own_session() {
    #[otas_session(meta = { "level": 2, "n": n })]
    async fn inner(n: usize) -> String {
        tokio::task::yield_now().await;
        Session::current().unwrap().id().to_string()
    }
    #[otas_session(meta = { "level": 1, "n": n })]
    async fn outer(n: usize) -> (String, String) {
        let before = Session::current().unwrap().id();
        let inner = inner(n).await;
        assert_eq!(Session::current().unwrap().id(), before, "the outer session is restored");
        (before.to_string(), inner)
    }
    let (otas, client) = start_otas().await;
    let mut runs = tokio::task::JoinSet::new();
    for n in 0..50 {
        let client = client.clone();
        runs.spawn(async move { (n, client.scope(outer(n)).await) });
    }

    let runs = runs.join_all().await;

    assert_eq!(otas.sessions().len(), 100);
    let meta_of = |id: &str| otas.sessions().into_iter().find(|session| session.id == id).unwrap().meta;
    for (n, (outer, inner)) in runs {
        assert_eq!(meta_of(&outer), json!({ "level": 1, "n": n }));
        assert_eq!(meta_of(&inner), json!({ "level": 2, "n": n }));
    }
}

#[tokio::test]
async fn open_rejects_an_invalid_meta_before_sending_anything() {
    let (otas, client) = start_otas().await;

    let error = client.open([1, 2]).await.unwrap_err();
    assert!(error.is_invalid_meta() && error.to_string().contains("object"), "{error}");
    let error = client.open(json!({ "text": "x".repeat(3_000_000) })).await.unwrap_err();
    assert!(error.is_invalid_meta() && error.to_string().contains("1048576"), "{error}");
    assert_eq!(otas.requests().len(), 0);
}

#[tokio::test]
async fn an_invalid_meta_is_replaced_by_an_error_message_by_default() {
    #[otas_session(meta = text)]
    async fn run(text: &str) -> bool {
        Session::current().is_some()
    }
    let (otas, client) = start_otas().await;

    assert!(client.scope(run("not an object")).await);

    let meta = otas.sessions().remove(0).meta;
    assert!(meta["otas.meta_error"].as_str().unwrap().contains("object"), "{meta}");
}

#[tokio::test]
async fn nuls_and_non_finite_numbers_in_meta_are_stored_as_readable_text() {
    #[otas_session(meta = { "nul": "a\0b", "inf": f64::INFINITY, "nan": f32::NAN, "big": u128::MAX })]
    async fn run() {}
    let (otas, client) = start_otas().await;

    client.scope(run()).await;

    let meta = otas.sessions().remove(0).meta;
    assert_eq!(meta["nul"], "a\u{2400}b");
    assert!(meta["inf"].is_string() && meta["nan"].is_string(), "{meta}");
    assert_eq!(meta["big"], u128::MAX.to_string());
}

#[tokio::test]
async fn an_unreachable_server_is_reported_as_such() {
    let (otas, client) = start_otas().await;
    otas.uasam().stop().unwrap();

    let error = open_error(&otas, &client).await;

    assert!(error.is_unreachable() && error.to_string().contains("UASAM"), "{error}");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_rejected_key_is_reported_with_the_servers_reason() {
    let (otas, client) = start_otas().await;
    otas.revoke_key();

    let error = open_error(&otas, &client).await;

    assert!(error.is_rejected() && error.status() == Some(401), "{error}");
    assert!(error.to_string().contains("agent key") && error.to_string().contains("invalid_agent_key"), "{error}");
}

#[tokio::test]
async fn every_bad_response_is_a_clear_error_that_shows_no_secret() {
    let (otas, client) = start_otas().await;
    let faults = [
        (Fault::Html(500), "not JSON"),
        (Fault::Html(200), "not JSON"),
        (Fault::Truncated, "reached"),
        (Fault::BadToken, "cannot be decoded"),
        (Fault::Huge(100 << 20), "more bytes"),
        (Fault::Redirect(otas.brain_url()), "redirect"),
        (Fault::Reset, "reached"),
    ];
    for (fault, reason) in faults {
        let name = format!("{fault:?}");
        otas.uasam().fail_next(1, fault);
        let error = open_error(&otas, &client).await;
        assert!(error.to_string().contains(reason), "{name}: {error}");
        client.open(json!({})).await.unwrap(); // resets the count of failures
    }

    assert!(otas.requests().iter().all(|request| !request.contains("/api/v1/")), "no redirect was followed");
}

#[tokio::test]
async fn a_silent_server_costs_no_more_than_the_open_timeout() {
    let (otas, client) = start_otas_with(|config| config.open_timeout(Duration::from_millis(200))).await;
    otas.uasam().fail_next(1, Fault::Stall(Duration::from_secs(30)));

    let started = Instant::now();
    let error = open_error(&otas, &client).await;

    assert!(error.is_timeout() && error.to_string().contains("200ms"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn opening_pauses_after_three_failures_until_a_probe_succeeds() {
    let clock = Clock::new();
    let (otas, client) = start_otas_with(|config| config.clock(&clock)).await;
    otas.uasam().fail_next(3, Fault::Status(503));
    for _ in 0..3 {
        assert_eq!(open_error(&otas, &client).await.status(), Some(503));
    }

    let before = otas.requests().len();
    assert!(open_error(&otas, &client).await.is_backing_off());
    assert_eq!(otas.requests().len(), before, "no request during the pause");

    clock.advance(Duration::from_secs(1));
    client.open(json!({})).await.unwrap();
    client.open(json!({})).await.unwrap();
}

#[tokio::test]
async fn at_most_eight_sessions_open_concurrently() {
    let (otas, client) = start_otas().await;
    otas.uasam().fail_next(100, Fault::Stall(Duration::from_secs(30)));

    let mut opens = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let client = client.clone();
        opens.spawn(async move { client.open(json!({})).await });
    }
    while otas.requests().len() < 8 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // None of the eight has ended, so no ninth may start. Only time can show that.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(otas.requests().len(), 8);
}

#[tokio::test]
async fn a_failed_open_runs_the_body_and_masks_the_outer_session() {
    #[otas_session]
    async fn inner() -> bool {
        Session::current().is_some()
    }
    #[otas_session]
    async fn outer(otas: &Server) -> (bool, bool, bool) {
        let before = Session::current().is_some();
        otas.uasam().stop().unwrap();
        (before, inner().await, Session::current().is_some())
    }
    let (otas, client) = start_otas().await;
    assert_eq!(client.scope(outer(&otas)).await, (true, false, true));
}

#[tokio::test]
async fn on_error_turns_the_failure_into_the_functions_result() {
    #[otas_session(on_error = fail)]
    async fn run() -> Result<u8, Box<dyn std::error::Error>> {
        Ok(1)
    }
    #[otas_session(on_error = |error: Error| error.to_string())]
    async fn described() -> String {
        "ran".into()
    }
    let (otas, client) = start_otas().await;

    assert_eq!(client.scope(run()).await.unwrap(), 1);

    otas.revoke_key();
    assert!(client.scope(run()).await.unwrap_err().downcast::<Error>().unwrap().is_rejected());
    assert!(client.scope(described()).await.contains("401"));
}

#[tokio::test]
async fn a_cancelled_open_creates_no_session() {
    let (otas, client) = start_otas().await;
    otas.uasam().fail_next(1, Fault::Stall(Duration::from_secs(30)));
    let opening = tokio::spawn({
        let client = client.clone();
        async move { client.open(json!({})).await }
    });
    while otas.requests().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    opening.abort();

    assert!(opening.await.unwrap_err().is_cancelled());
    client.open(json!({})).await.unwrap();
    assert_eq!(otas.sessions().len(), 1);
}

#[tokio::test]
async fn impatient_callers_trigger_the_pause_when_a_server_hangs() {
    let (otas, client) = start_otas().await;
    otas.uasam().fail_next(100, Fault::Stall(Duration::from_secs(60)));

    for _ in 0..3 {
        let opening = client.open(json!({}));
        assert!(tokio::time::timeout(Duration::from_millis(1_800), opening).await.is_err());
    }

    assert!(client.open(json!({})).await.unwrap_err().is_backing_off());
}

#[tokio::test]
async fn a_request_keeps_its_timeout_while_its_session_cannot_be_renewed() {
    let upstream = Upstream::start().await;
    let clock = Clock::new();
    let (otas, client) = otas_around_with(&upstream, |config| config.clock(&clock)).await;
    let session = client.open(json!({})).await.unwrap();
    clock.advance(31 * DAY);
    otas.uasam().fail_next(100, Fault::Stall(Duration::from_secs(60)));

    let started = Instant::now();
    let request = http::get(upstream.inside("/")).timeout(Duration::from_secs(2));
    let response = session.scope(async { request.await.unwrap() }).await;

    assert_eq!(response.status(), 200);
    assert!(started.elapsed() < Duration::from_secs(5), "half of the timeout is left for the response");
}
