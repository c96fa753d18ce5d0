//! Long runs: a session's token is renewed before it expires, once for all who use it, and nobody notices.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::stream::{StreamExt, iter};
use otas::{Client, Clock, Config, Session, SessionId, http};
use otas_local::{Fault, Server};
use serde_json::json;

use crate::support::Upstream;

const SECOND: Duration = Duration::from_secs(1);
/// How long the server's tokens live. Its own clock goes on as it is: only the client's runs ahead, so that the old token still serves, by
/// less than events are kept for.
const LIFE: Duration = Duration::from_secs(4 * 60);

struct Set {
    upstream: Upstream,
    otas: Server,
    clock: Clock,
    client: Client,
    session: Session,
}

async fn set_with(change: impl FnOnce(otas::ConfigBuilder) -> otas::ConfigBuilder) -> Set {
    let upstream = Upstream::start().await;
    let otas = Server::builder().project_domain(upstream.inside("")).token_lifetime(LIFE).start().await.unwrap();
    let clock = Clock::new();
    let client = Client::new(change(Config::builder().vars(otas.env()).clock(&clock)).build().unwrap()).unwrap();
    let session = client.open(json!({ "task_name": "long" })).await.unwrap();
    Set { upstream, otas, clock, client, session }
}

async fn set() -> Set {
    set_with(|config| config).await
}

impl Set {
    /// Ids of the sessions that the server knows, the oldest first.
    fn ids(&self) -> Vec<String> {
        self.otas.sessions().into_iter().map(|session| session.id).collect()
    }

    /// A use of the token, and the session that it opens.
    fn used(&self) -> Option<String> {
        self.otas.session_of(self.session.token().unwrap().expose_secret())
    }

    /// Waits for a renewal that runs in the background.
    async fn renewed_from(&self, old: &SessionId) {
        let give_up = Instant::now() + 30 * SECOND;
        while self.session.id() == *old {
            assert!(Instant::now() < give_up, "not renewed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Requests within the domain, all at once; the sessions that their tokens open.
    async fn requests(&self, count: usize) -> HashSet<Option<String>> {
        let url = self.upstream.inside("/");
        let sent = self.upstream.received().len();
        self.session.scope(async { join_all((0..count).map(|_| http::get(&url).send())).await }).await;
        let received = self.upstream.received().split_off(sent);
        assert_eq!(received.len(), count);
        received.iter().map(|request| request.token().and_then(|token| self.otas.session_of(token))).collect()
    }
}

#[tokio::test]
async fn using_a_half_expired_token_renews_it_in_the_background() {
    let set = set().await;
    let first = set.session.id();
    let (expires, other_handle) = (set.session.expires_at(), set.session.clone());

    set.clock.advance(LIFE / 2 - SECOND * 30);
    assert_eq!(set.used().as_deref(), Some(first.as_str()));
    set.client.open(json!({ "marker": true })).await.unwrap();
    assert_eq!(set.ids().len(), 2, "nothing was opened by that use: the marker came after it");

    set.clock.advance(SECOND * 30);
    assert_eq!(set.used().as_deref(), Some(first.as_str()), "nobody waits for the renewal");
    set.renewed_from(&first).await;

    let sessions = set.otas.sessions();
    assert_eq!(sessions[2].id, set.session.id().as_str());
    assert_eq!(sessions[2].meta, json!({ "task_name": "long", "otas.previous_session_id": first.as_str() }));
    assert_eq!(json!(set.session.meta()), json!({ "task_name": "long" }));
    assert_eq!(set.used().as_deref(), Some(set.session.id().as_str()));
    assert_eq!(other_handle.id(), set.session.id(), "every handle is the same session");
    assert!(set.session.expires_at() >= expires);
}

#[tokio::test]
async fn renew_before_sets_how_early_a_token_is_renewed() {
    let set = set_with(|config| config.renew_before(60 * SECOND)).await;
    let first = set.session.id();
    set.clock.advance(LIFE - 90 * SECOND);
    set.used();
    set.client.open(json!({})).await.unwrap();
    assert_eq!(set.ids().len(), 2);
    set.clock.advance(30 * SECOND);
    set.used();
    set.renewed_from(&first).await;
}

#[tokio::test]
async fn a_thousand_callers_share_one_renewal_and_keep_the_old_token() {
    let set = set().await;
    let first = set.session.id();
    set.clock.advance(LIFE / 2);
    set.otas.uasam().fail_next(1, Fault::Late(2 * SECOND));
    assert_eq!(set.requests(1000).await, HashSet::from([Some(first.to_string())]));
    set.renewed_from(&first).await;
    assert_eq!(set.ids().len(), 2);
}

#[tokio::test]
async fn a_thousand_callers_with_an_expired_token_wait_for_one_renewal() {
    let set = set().await;
    set.clock.advance(LIFE);
    set.otas.uasam().fail_next(1, Fault::Late(SECOND / 5));
    let used = set.requests(1000).await;
    assert_eq!(set.ids().len(), 2);
    assert_eq!(used, HashSet::from([Some(set.session.id().to_string())]));
    assert_eq!(used, HashSet::from([set.ids().pop()]));
}

#[tokio::test]
async fn a_failed_renewal_is_shared_and_retried_after_a_pause() {
    let set = set().await;
    let first = set.session.id();
    let asked = || set.otas.requests().iter().filter(|request| request.path.contains("session/create")).count();
    set.clock.advance(LIFE);
    set.otas.uasam().fail_next(1, Fault::RetryAfter { status: 503, seconds: 1 });
    assert_eq!(set.requests(1000).await, HashSet::from([Some(first.to_string())]));
    assert_eq!(asked(), 2, "one for the session, one for all thousand");

    set.otas.uasam().fail_next(1, Fault::Status(400));
    set.clock.advance(SECOND);
    assert_eq!(set.requests(10).await, HashSet::from([Some(first.to_string())]));
    assert_eq!(asked(), 3, "and one after the pause");

    set.clock.advance(60 * SECOND);
    assert_eq!(set.requests(10).await, HashSet::from([Some(set.session.id().to_string())]));
    assert_ne!(set.session.id(), first);
}

#[tokio::test]
async fn renew_opens_a_session_linked_to_the_previous_one() {
    let set = set().await;
    let first = set.session.id();
    let second = set.session.renew().await.unwrap();
    assert_eq!(set.session.id(), second);
    let third = set.session.renew().await.unwrap();
    let previous = |at: usize| set.otas.sessions()[at].meta["otas.previous_session_id"].clone();
    assert_eq!((previous(1), previous(2)), (json!(first.as_str()), json!(second.as_str())));
    assert_eq!(set.ids(), [first, second, third].map(|id| id.to_string()));
}

#[tokio::test]
async fn concurrent_calls_to_renew_share_one_renewal() {
    let set = set().await;
    let all = join_all((0..50).map(|_| set.session.renew())).await;
    let ids: HashSet<SessionId> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(ids, HashSet::from([set.session.id()]));
    assert_eq!(set.ids().len(), 2);
}

#[tokio::test]
async fn a_cancelled_renewal_leaves_the_session_renewable() {
    let set = set().await;
    let first = set.session.id();
    set.otas.uasam().fail_next(1, Fault::Stall(30 * SECOND));
    assert!(tokio::time::timeout(SECOND / 10, set.session.renew()).await.is_err());
    assert_eq!(set.session.id(), first);
    assert_ne!(set.session.renew().await.unwrap(), first);
}

#[tokio::test]
async fn a_failed_call_to_renew_reports_why_and_keeps_the_session() {
    let set = set().await;
    set.otas.uasam().fail_next(1, Fault::Html(500));
    let error = set.session.renew().await.unwrap_err();
    assert!(error.is_unexpected_response(), "{error}");
    assert_eq!(set.used(), set.ids().pop());
    set.session.renew().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewal_under_load_loses_no_event_and_no_token() {
    const CALLS: usize = 600;
    let set = set().await;
    let (inside, outside) = (set.upstream.inside("/inside"), set.upstream.outside("/outside"));
    let call = async |n: usize| {
        match n {
            150 => set.clock.advance(LIFE / 2), // due soon
            300 => drop(set.session.renew().await.unwrap()),
            450 => set.clock.advance(LIFE), // expired
            _ => {}
        }
        let url = if n % 2 == 0 { &inside } else { &outside };
        assert_eq!(http::get(url).await.unwrap().text().await.unwrap(), "hello");
    };
    set.session.scope(iter(0..CALLS).for_each_concurrent(50, call)).await;
    assert!(set.client.flush(60 * SECOND).await.is_ok());

    let ids = set.ids();
    // By the clock, by hand, and once expired; the second may have found the first still under way.
    assert!((3..=4).contains(&ids.len()), "{ids:?}");
    let received = set.upstream.received();
    let of = |path: &str| {
        received.iter().filter(|request| request.uri.path() == path).map(|request| request.token()).collect::<Vec<_>>()
    };
    assert_eq!((of("/inside").len(), of("/outside").len()), (CALLS / 2, CALLS / 2));
    assert!(of("/outside").iter().all(Option::is_none));
    let used = of("/inside").into_iter().map(|token| token.and_then(|token| set.otas.session_of(token)));
    let used: HashSet<Option<String>> = used.collect();
    assert!(used.len() >= 3 && used.is_subset(&ids.iter().cloned().map(Some).collect()), "{used:?} of {ids:?}");

    let events: Vec<_> = ids.iter().flat_map(|id| set.otas.events(id)).collect();
    let numbers: HashSet<u64> = events.iter().map(|event| event.metadata["sequence"].as_u64().unwrap()).collect();
    assert_eq!((events.len(), numbers.len()), (CALLS / 2, CALLS / 2), "each call once, each with its own number");
    assert_eq!(set.client.stats().dropped.total(), 0);
}
