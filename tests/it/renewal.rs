//! Renewal: a long-running session gets a new token before the old one expires, once for all of its
//! users, and without interrupting them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{StreamExt, iter};
use otas::{Client, Clock, ConfigBuilder, Session, SessionId, http};
use otas_local::{Fault, Server};
use serde_json::json;

use crate::support::{Upstream, client_with, fetch};

const SECOND: Duration = Duration::from_secs(1);

/// How long the server's tokens live.
///
/// Only the client's clock is advanced, so the server still accepts an old token. It is advanced by
/// less than the age at which undelivered events expire.
const TOKEN_LIFETIME: Duration = Duration::from_secs(4 * 60);

/// A session, and everything that renews it.
struct Fixture {
    upstream: Upstream,
    otas: Server,
    clock: Clock,
    client: Client,
    session: Session,
}

async fn fixture() -> Fixture {
    fixture_with(|config| config).await
}

async fn fixture_with(change: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Fixture {
    let upstream = Upstream::start().await;
    let domain = upstream.inside("");
    let otas = Server::builder().project_domain(domain).token_lifetime(TOKEN_LIFETIME).start().await.unwrap();
    let clock = Clock::new();
    let client = client_with(&otas, |config| change(config.clock(&clock)));
    let session = client.open(json!({ "task_name": "long" })).await.unwrap();
    Fixture { upstream, otas, clock, client, session }
}

impl Fixture {
    /// The ids of the sessions on the server, oldest first.
    fn session_ids(&self) -> Vec<String> {
        self.otas.sessions().into_iter().map(|session| session.id).collect()
    }

    /// Uses the token, and returns the id of the session that it belongs to.
    fn use_token(&self) -> Option<String> {
        self.otas.session_of(self.session.token().unwrap().expose_secret())
    }

    /// Waits until the session has been renewed in the background.
    async fn wait_for_renewal(&self, old: &SessionId) {
        let deadline = Instant::now() + 30 * SECOND;
        while self.session.id() == *old {
            assert!(Instant::now() < deadline, "not renewed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Sends concurrent requests within the domain, and returns the sessions of their tokens.
    async fn send_requests(&self, count: usize) -> HashSet<Option<String>> {
        let url = self.upstream.inside("/");
        let sent = self.upstream.received().len();
        self.session.scope(async { join_all((0..count).map(|_| http::get(&url).send())).await }).await;
        let received = self.upstream.received().split_off(sent);
        assert_eq!(received.len(), count);
        received.iter().map(|request| request.token().and_then(|token| self.otas.session_of(token))).collect()
    }
}

#[tokio::test]
async fn using_a_token_past_half_its_life_renews_it_in_the_background() {
    let fixture = fixture().await;
    let first = fixture.session.id();
    let (expires, other_handle) = (fixture.session.expires_at(), fixture.session.clone());

    fixture.clock.advance(TOKEN_LIFETIME / 2 - SECOND * 30);
    assert_eq!(fixture.use_token().as_deref(), Some(first.as_str()));
    fixture.client.open(json!({ "marker": true })).await.unwrap();
    assert_eq!(fixture.session_ids().len(), 2, "that use opened nothing before the marker");

    fixture.clock.advance(SECOND * 30);
    assert_eq!(fixture.use_token().as_deref(), Some(first.as_str()), "no caller waits for the renewal");
    fixture.wait_for_renewal(&first).await;

    let sessions = fixture.otas.sessions();
    assert_eq!(sessions[2].id, fixture.session.id().as_str());
    assert_eq!(sessions[2].meta, json!({ "task_name": "long", "otas.previous_session_id": first.as_str() }));
    assert_eq!(json!(fixture.session.meta()), json!({ "task_name": "long" }));
    assert_eq!(fixture.use_token().as_deref(), Some(fixture.session.id().as_str()));
    assert_eq!(other_handle.id(), fixture.session.id(), "all handles share the session");
    assert!(fixture.session.expires_at() >= expires);
}

#[tokio::test]
async fn renew_before_sets_how_early_a_token_is_renewed() {
    let fixture = fixture_with(|config| config.renew_before(60 * SECOND)).await;
    let first = fixture.session.id();

    fixture.clock.advance(TOKEN_LIFETIME - 90 * SECOND);
    fixture.use_token();
    fixture.client.open(json!({})).await.unwrap();
    assert_eq!(fixture.session_ids().len(), 2);

    fixture.clock.advance(30 * SECOND);
    fixture.use_token();
    fixture.wait_for_renewal(&first).await;
}

#[tokio::test]
async fn a_thousand_callers_share_one_renewal_and_keep_the_old_token() {
    let fixture = fixture().await;
    let first = fixture.session.id();
    fixture.clock.advance(TOKEN_LIFETIME / 2);
    fixture.otas.uasam().fail_next(1, Fault::Late(2 * SECOND));

    assert_eq!(fixture.send_requests(1000).await, HashSet::from([Some(first.to_string())]));
    fixture.wait_for_renewal(&first).await;
    assert_eq!(fixture.session_ids().len(), 2);
}

#[tokio::test]
async fn a_thousand_callers_with_an_expired_token_wait_for_one_renewal() {
    let fixture = fixture().await;
    fixture.clock.advance(TOKEN_LIFETIME);
    fixture.otas.uasam().fail_next(1, Fault::Late(SECOND / 5));

    let used = fixture.send_requests(1000).await;

    assert_eq!(fixture.session_ids().len(), 2);
    assert_eq!(used, HashSet::from([Some(fixture.session.id().to_string())]));
    assert_eq!(used, HashSet::from([fixture.session_ids().pop()]));
}

#[tokio::test]
async fn a_failed_renewal_is_shared_and_retried_after_a_pause() {
    let fixture = fixture().await;
    let first = fixture.session.id();
    let opens = || fixture.otas.requests().iter().filter(|request| request.path.contains("session/create")).count();

    let fail = || fixture.otas.uasam().fail_next(1, Fault::Status(503));

    fixture.clock.advance(TOKEN_LIFETIME);
    // After five failures the pause is 16 seconds, longer than a busy machine needs for a thousand calls.
    for failures in 1..=5 {
        fail();
        assert_eq!(fixture.send_requests(1).await, HashSet::from([Some(first.to_string())]));
        assert_eq!(opens(), 1 + failures);
        fixture.clock.advance(16 * SECOND);
    }
    fail();
    assert_eq!(fixture.send_requests(1000).await, HashSet::from([Some(first.to_string())]));
    assert_eq!(opens(), 7, "one more for all thousand callers");

    fixture.clock.advance(60 * SECOND);
    assert_eq!(fixture.send_requests(10).await, HashSet::from([Some(fixture.session.id().to_string())]));
    assert_ne!(fixture.session.id(), first);
}

#[tokio::test]
async fn renew_opens_a_session_linked_to_the_previous_one() {
    let fixture = fixture().await;
    let first = fixture.session.id();

    let second = fixture.session.renew().await.unwrap();
    assert_eq!(fixture.session.id(), second);
    let third = fixture.session.renew().await.unwrap();

    let previous = |at: usize| fixture.otas.sessions()[at].meta["otas.previous_session_id"].clone();
    assert_eq!((previous(1), previous(2)), (json!(first.as_str()), json!(second.as_str())));
    assert_eq!(fixture.session_ids(), [first, second, third].map(|id| id.to_string()));
}

#[tokio::test]
async fn concurrent_calls_to_renew_share_one_renewal() {
    let fixture = fixture().await;

    let renewed = join_all((0..50).map(|_| fixture.session.renew())).await;

    let ids: HashSet<SessionId> = renewed.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids, HashSet::from([fixture.session.id()]));
    assert_eq!(fixture.session_ids().len(), 2);
}

#[tokio::test]
async fn a_cancelled_renewal_leaves_the_session_renewable() {
    let fixture = fixture().await;
    let first = fixture.session.id();
    fixture.otas.uasam().fail_next(1, Fault::Stall(30 * SECOND));

    assert!(tokio::time::timeout(SECOND / 10, fixture.session.renew()).await.is_err());
    assert_eq!(fixture.session.id(), first);
    assert_ne!(fixture.session.renew().await.unwrap(), first);
}

#[tokio::test]
async fn a_failed_call_to_renew_reports_why_and_keeps_the_session() {
    let fixture = fixture().await;
    fixture.otas.uasam().fail_next(1, Fault::Html(500));

    let error = fixture.session.renew().await.unwrap_err();

    assert!(error.is_unexpected_response(), "{error}");
    assert_eq!(fixture.use_token(), fixture.session_ids().pop());
    fixture.session.renew().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewal_under_load_loses_no_event_and_no_token() {
    const CALLS: usize = 600;
    let fixture = fixture().await;
    let (inside, outside) = (fixture.upstream.inside("/inside"), fixture.upstream.outside("/outside"));
    let call = async |n: usize| {
        match n {
            150 => fixture.clock.advance(TOKEN_LIFETIME / 2), // due soon
            300 => drop(fixture.session.renew().await.unwrap()),
            450 => fixture.clock.advance(TOKEN_LIFETIME), // expired
            _ => {}
        }
        let url = if n % 2 == 0 { &inside } else { &outside };
        assert_eq!(fetch(url).await, "hello");
    };

    fixture.session.scope(iter(0..CALLS).for_each_concurrent(50, call)).await;
    assert!(fixture.client.flush(60 * SECOND).await.is_ok());

    let ids = fixture.session_ids();
    // By age, by `renew`, and by expiry; the second may have joined the first if still in progress.
    assert!((3..=4).contains(&ids.len()), "{ids:?}");
    let received = fixture.upstream.received();
    let tokens = |path: &str| {
        let requests = received.iter().filter(|request| request.uri.path() == path);
        requests.map(|request| request.token()).collect::<Vec<_>>()
    };
    let (inside, outside) = (tokens("/inside"), tokens("/outside"));
    assert_eq!((inside.len(), outside.len()), (CALLS / 2, CALLS / 2));
    assert!(outside.iter().all(Option::is_none));
    let used: HashSet<_> =
        inside.into_iter().map(|token| token.and_then(|token| fixture.otas.session_of(token))).collect();
    assert!(used.len() >= 3 && used.is_subset(&ids.iter().cloned().map(Some).collect()), "{used:?} of {ids:?}");

    let events: Vec<_> = ids.iter().flat_map(|id| fixture.otas.events(id)).collect();
    let numbers: HashSet<u64> = events.iter().map(|event| event.metadata["sequence"].as_u64().unwrap()).collect();
    assert_eq!(
        (events.len(), numbers.len()),
        (CALLS / 2, CALLS / 2),
        "each call is recorded once, with its own number"
    );
    assert_eq!(fixture.client.stats().dropped.total(), 0);
}
