//! A local OTAS starts in any runtime, reports what it received, and leaves nothing behind.

use std::net::TcpStream;
use std::time::Duration;

use otas_local::{Server, Service};

use crate::support::{log, open, token};

#[test]
fn it_responds_while_the_runtime_of_the_test_is_blocked() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let otas = Server::start().await.unwrap();
        assert_eq!(open(&otas, "{}").unwrap().status, 200); // a blocking client, on the only thread
    });
}

#[test]
fn it_outlives_the_runtime_that_started_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let otas = runtime.block_on(Server::start()).unwrap();
    drop(runtime);
    assert_eq!(open(&otas, "{}").unwrap().status, 200);
}

#[tokio::test]
async fn both_ports_are_closed_when_the_last_clone_is_dropped() {
    let otas = Server::start().await.unwrap();
    let (uasam, brain) = (otas.uasam().addr(), otas.brain().addr());
    let clone = otas.clone();
    drop(otas);
    assert_eq!(open(&clone, "{}").unwrap().status, 200);
    let control = clone.uasam();
    drop(clone);
    assert!(TcpStream::connect(uasam).is_err() && TcpStream::connect(brain).is_err());
    assert!(control.restart().is_err(), "controls do not keep it alive");
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let otas = Server::start().await.unwrap();
    let taken = otas.brain().addr();
    let error = Server::builder().brain_addr(taken).start().await.unwrap_err();
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
}

#[tokio::test]
async fn it_reports_what_it_has_received() {
    let otas = Server::start().await.unwrap();
    open(&otas, r#"{"n": 1}"#).unwrap();
    let token = token(&otas);
    log(&otas, &token, r#", "error": "broken", "metadata": {"k": [1, "x"]}"#).unwrap();
    let sessions = otas.sessions();
    assert_eq!(sessions.iter().map(|session| session.meta.to_string()).collect::<Vec<_>>(), [r#"{"n":1}"#, "{}"]);
    assert_eq!(otas.session_of(&token).as_ref(), Some(&sessions[1].id));
    let events = otas.events(&sessions[1].id);
    assert_eq!((events.len(), otas.event_count()), (1, 1));
    assert_eq!((events[0].path.as_str(), events[0].status_code, events[0].latency_ms), ("/p", 200, 1.5));
    assert_eq!((events[0].error.as_deref(), &events[0].metadata["k"][1]), (Some("broken"), &"x".into()));
    let requests = otas.requests();
    assert_eq!(
        requests.iter().map(|request| request.service).collect::<Vec<_>>(),
        [Service::Uasam, Service::Uasam, Service::Brain]
    );
    assert_eq!(requests[2].header("x-otas-agent-session-token"), Some(token.as_str()));
    assert!(requests[2].contains("broken") && !requests[1].contains("broken"));
    otas.clear_requests();
    assert!(otas.requests().is_empty());
}

#[tokio::test]
async fn no_debug_output_shows_a_secret() {
    let otas = Server::start().await.unwrap();
    let token = token(&otas);
    log(&otas, &token, "").unwrap();
    let shown = format!("{otas:?} {:?} {:?} {:?}", otas.uasam(), Server::builder(), otas.requests());
    for secret in
        [otas.agent_key(), token, otas.user_token().to_owned(), otas.sdk_key().to_owned(), "some-jwt".to_owned()]
    {
        assert!(!shown.contains(&secret), "{shown}");
    }
}

#[tokio::test]
async fn tokens_are_valid_for_as_long_as_was_set() {
    let otas = Server::builder().token_lifetime(Duration::from_secs(60)).start().await.unwrap();
    let token = token(&otas);
    assert_eq!(log(&otas, &token, "").unwrap().status, 201);
    otas.brain().advance_clock(Duration::from_secs(61));
    assert_eq!(log(&otas, &token, "").unwrap().description(), "invalid_or_expired_token");
    assert_eq!(otas.session_of(&token), None);
}

#[tokio::test]
async fn a_thousand_sessions_can_be_opened_at_once() {
    let otas = Server::start().await.unwrap();
    std::thread::scope(|scope| {
        let opening =
            |_| scope.spawn(|| (0..20).all(|_| open(&otas, "{}").is_ok_and(|response| response.status == 200)));
        let threads: Vec<_> = (0..50).map(opening).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap()));
    });
    assert_eq!(otas.sessions().len(), 1000);
}

#[tokio::test]
async fn the_environment_names_the_server_and_its_credentials() {
    let otas = Server::builder().project_domain("http://127.0.0.1:9000").start().await.unwrap();
    let env = std::collections::BTreeMap::from_iter(otas.env());
    assert_eq!(env["OTAS_UASAM_URL"], otas.uasam_url());
    assert_eq!(env["OTAS_BRAIN_URL"], otas.brain_url());
    assert_eq!(env["OTAS_PROJECT_ID"], otas.project_id());
    assert_eq!(env["OTAS_PROJECT_DOMAIN"], "http://127.0.0.1:9000");
    assert_eq!(env["OTAS_USER_TOKEN"], otas.user_token());
    otas.rotate_key();
    assert_ne!(env["OTAS_AGENT_KEY"], otas.agent_key());
    assert_eq!(std::collections::BTreeMap::from_iter(otas.env())["OTAS_AGENT_KEY"], otas.agent_key());
}

#[tokio::test]
async fn the_most_recent_requests_are_kept() {
    let otas = Server::builder().keep_requests(2).start().await.unwrap();
    for meta in ["1", "2", "3"] {
        open(&otas, meta).unwrap();
    }
    let bodies = otas.requests().into_iter().map(|request| String::from_utf8(request.body).unwrap());
    assert_eq!(bodies.collect::<Vec<_>>(), [r#"{"meta": 2}"#, r#"{"meta": 3}"#]);
}
