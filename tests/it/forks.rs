//! Forked processes: a session stays with the process that opened it.

use std::time::Duration;

use otas::{Clock, Session, SessionId, http, otas_session};
use serde_json::json;

use crate::support::{Upstream, otas_around_with, start_otas_with};

/// Makes the client believe that it runs in a child of this process.
fn fork(clock: &Clock) {
    clock.set_process_id(std::process::id() + 1);
}

#[tokio::test]
async fn a_forked_process_cannot_use_its_parents_session_but_opens_its_own() {
    let clock = Clock::new();
    let (_otas, client) = start_otas_with(|config| config.clock(&clock)).await;
    let session = client.open(json!({})).await.unwrap();

    fork(&clock);

    assert!(session.token().unwrap_err().is_forked());
    assert!(session.renew().await.unwrap_err().is_forked());
    let own = client.open(json!({})).await.unwrap();
    assert!(own.token().is_ok() && own.id() != session.id());
}

#[tokio::test]
async fn a_forked_session_yields_no_token_and_the_child_opens_its_own() {
    #[otas_session(meta = { "parent": parent.as_str() })]
    async fn child(parent: SessionId) -> Option<SessionId> {
        Session::current().filter(|own| own.token().is_ok() && own.id() != parent).map(|own| own.id())
    }
    let upstream = Upstream::start().await;
    let clock = Clock::new();
    let (otas, client) = otas_around_with(&upstream, |config| config.clock(&clock)).await;
    let session = client.open(json!({})).await.unwrap();

    fork(&clock);

    let error = session.token().unwrap_err();
    assert!(error.is_forked() && error.to_string().contains("open a session in this one"), "{error}");

    session
        .scope(async {
            http::get(upstream.inside("/")).await.unwrap();
            http::get(upstream.outside("/")).await.unwrap();
        })
        .await;
    assert!(upstream.received().iter().all(|request| request.token().is_none()), "requests carry no token");
    assert!(client.flush(Duration::from_secs(10)).await.is_ok());
    assert_eq!(otas.event_count(), 0, "nothing is recorded in the parent's session");

    let own = session.scope(child(session.id())).await.unwrap();
    let opened = otas.sessions().into_iter().find(|session| session.id == own.as_str()).unwrap();
    assert_eq!(opened.meta["parent"], session.id().as_str());
}

#[tokio::test]
async fn a_call_completed_in_a_forked_process_is_not_recorded() {
    let upstream = Upstream::start().await;
    let clock = Clock::new();
    let (otas, client) = otas_around_with(&upstream, |config| config.clock(&clock)).await;
    let session = client.open(json!({})).await.unwrap();
    let response = session.scope(async { http::get(upstream.outside("/")).await.unwrap() }).await;

    fork(&clock);
    response.text().await.unwrap();

    assert_eq!((client.stats().recorded, otas.event_count()), (0, 0));
}
