//! Propagation: which boundaries a session crosses unaided, and what carries it across others.

use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt, iter};
use http_body::Body;
use otas::{Client, InSession, Session, SessionExt, SessionId, http, otas_session};
use otas_local::{Fault, Server};
use serde_json::json;
use tokio::task::{JoinSet, yield_now};

use crate::support::{Frames, Upstream, fetch, otas_around, read_to_end, start_otas};

/// A session, and the client and server that it needs.
struct Fixture {
    session: Session,
    client: Client,
    otas: Server,
}

async fn fixture() -> Fixture {
    let (otas, client) = start_otas().await;
    let session = client.open(json!({})).await.unwrap();
    Fixture { session, client, otas }
}

fn current_id() -> Option<SessionId> {
    Session::current().map(|session| session.id())
}

/// The current session after the task has been rescheduled.
async fn id_after_yield() -> Option<SessionId> {
    yield_now().await;
    current_id()
}

#[tokio::test]
async fn await_join_select_and_timeout_keep_the_session() {
    let fixture = fixture().await;
    let id = Some(fixture.session.id());

    fixture
        .session
        .scope(async {
            assert_eq!(id_after_yield().await, id);
            assert_eq!(tokio::join!(id_after_yield(), id_after_yield()), (id.clone(), id.clone()));
            let selected = tokio::select! { found = id_after_yield() => found, () = std::future::pending() => None };
            assert_eq!(selected, id);
            assert_eq!(tokio::time::timeout(Duration::from_secs(60), id_after_yield()).await.unwrap(), id);
        })
        .await;

    assert_eq!(current_id(), None);
}

#[tokio::test]
async fn buffer_unordered_and_futures_unordered_keep_the_session() {
    let fixture = fixture().await;
    let id = Some(fixture.session.id());

    fixture
        .session
        .scope(async {
            let found: Vec<_> = iter(0..10).map(|_| id_after_yield()).buffer_unordered(4).collect().await;
            assert_eq!(found, vec![id.clone(); 10]);
            let found: Vec<_> = (0..10).map(|_| id_after_yield()).collect::<FuturesUnordered<_>>().collect().await;
            assert_eq!(found, vec![id.clone(); 10]);
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn block_in_place_keeps_the_session() {
    let fixture = fixture().await;

    let found = fixture.session.scope(async { tokio::task::block_in_place(current_id) }).await;

    assert_eq!(found, Some(fixture.session.id()));
}

#[tokio::test]
async fn a_spawned_task_loses_the_session_unless_it_is_carried() {
    let fixture = fixture().await;
    let id = Some(fixture.session.id());

    fixture
        .session
        .scope(async {
            assert_eq!(tokio::spawn(id_after_yield()).await.unwrap(), None);
            assert_eq!(otas::spawn(id_after_yield()).await.unwrap(), id);
            assert_eq!(tokio::spawn(id_after_yield().in_current_session()).await.unwrap(), id);
            // In a task spawned by a carried task, too.
            let inner = otas::spawn(async { otas::spawn(id_after_yield()).await.unwrap() });
            assert_eq!(inner.await.unwrap(), id);
        })
        .await;

    assert_eq!(tokio::spawn(id_after_yield().with_session(&fixture.session)).await.unwrap(), id);
}

#[tokio::test]
async fn a_join_set_task_loses_the_session_unless_it_is_carried() {
    let fixture = fixture().await;
    let id = Some(fixture.session.id());

    fixture
        .session
        .scope(async {
            let mut tasks = JoinSet::new();
            tasks.spawn(id_after_yield());
            assert_eq!(tasks.join_next().await.unwrap().unwrap(), None);
            tasks.spawn(id_after_yield().in_current_session());
            assert_eq!(tasks.join_next().await.unwrap().unwrap(), id);

            let mut threads = JoinSet::new();
            threads.spawn(otas::spawn_blocking(current_id));
            assert_eq!(threads.join_next().await.unwrap().unwrap().unwrap(), id);
        })
        .await;
}

#[tokio::test]
async fn a_blocking_task_loses_the_session_unless_it_is_carried() {
    let fixture = fixture().await;
    let id = Some(fixture.session.id());

    fixture
        .session
        .scope(async {
            assert_eq!(tokio::task::spawn_blocking(current_id).await.unwrap(), None);
            assert_eq!(otas::spawn_blocking(current_id).await.unwrap(), id);
        })
        .await;
}

#[tokio::test]
async fn a_thread_loses_the_session_unless_it_enters_it() {
    let fixture = fixture().await;
    let id = fixture.session.id();
    let carried = fixture.session.clone();

    let thread = fixture
        .session
        .scope(async { std::thread::spawn(move || (current_id(), carried.in_scope(current_id), current_id())) });

    assert_eq!(thread.await.join().unwrap(), (None, Some(id), None));
}

/// Responds with the sessions that are current in `call` and when its future is polled.
#[derive(Clone)]
struct CurrentIds;

impl tower::Service<()> for CurrentIds {
    type Response = (Option<SessionId>, Option<SessionId>);
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        let called = current_id();
        Box::pin(async move { Ok((called, current_id())) })
    }
}

#[tokio::test]
async fn tower_buffer_loses_the_session_in_call_but_not_in_the_future() {
    use tower::ServiceExt;
    let fixture = fixture().await;
    let id = Some(fixture.session.id());
    let buffered = tower::buffer::Buffer::new(CurrentIds, 8);

    let found = fixture.session.scope(async { buffered.clone().oneshot(()).await.unwrap() }).await;

    assert_eq!(found, (None, id));
}

#[tokio::test]
async fn a_stream_polled_elsewhere_loses_the_session_unless_it_is_carried() {
    let fixture = fixture().await;
    let id = Some(fixture.session.id());
    let (plain, carried) = fixture
        .session
        .scope(async {
            (iter(0..2).then(|_| id_after_yield()), iter(0..2).then(|_| id_after_yield()).in_current_session())
        })
        .await;

    assert_eq!(plain.collect::<Vec<_>>().await, [None, None]);
    assert_eq!(futures_core::Stream::size_hint(&carried), (2, Some(2)));
    assert_eq!(carried.collect::<Vec<_>>().await, [id.clone(), id]);
}

#[tokio::test]
async fn a_client_bound_to_a_session_keeps_it_in_spawned_tasks() {
    let upstream = Upstream::start().await;
    let (_otas, client) = otas_around(&upstream).await;
    let session = client.open(json!({})).await.unwrap();
    let (ambient, bound) = (http::client(), http::Client::bound_to(&session));
    let url = upstream.inside("/");

    session
        .scope(async {
            let url = url.clone();
            tokio::spawn(async move { (ambient.get(&url).await.unwrap(), bound.get(&url).await.unwrap()) })
                .await
                .unwrap();
        })
        .await;

    let tokens: Vec<bool> = upstream.received().iter().map(|request| request.token().is_some()).collect();
    assert_eq!(tokens, [false, true]);
}

#[tokio::test]
async fn a_request_from_a_task_that_lost_its_session_is_counted() {
    let upstream = Upstream::start().await;
    let (_otas, client) = otas_around(&upstream).await;
    let session = client.open(json!({})).await.unwrap();
    let (lost, url) = (client.clone(), upstream.inside("/"));

    session.scope(async { tokio::spawn(async move { lost.scope(fetch(url)).await }).await.unwrap() }).await;

    assert_eq!(client.stats().sessionless_requests, 1);
}

#[tokio::test]
async fn a_carrier_captures_the_session_when_created_not_when_polled() {
    let fixture = fixture().await;
    let other = fixture.client.open(json!({})).await.unwrap();
    let carried = fixture.session.in_scope(|| id_after_yield().in_current_session());
    let plain = id_after_yield().in_current_session();

    let (carried, plain) = other.scope(async { (carried.await, plain.await) }).await;

    assert_eq!(carried, Some(fixture.session.id()));
    assert_eq!(plain, Some(other.id()), "a carrier created outside any session changes nothing");
}

#[tokio::test]
async fn a_task_spawned_by_a_sessionless_call_inherits_only_its_client() {
    #[otas_session]
    async fn run(fixture: &Fixture) -> (bool, bool) {
        // Opens a session of its own through the carried client.
        #[otas_session]
        async fn inner() -> bool {
            Session::current().is_some()
        }
        fixture.otas.uasam().clear_faults();
        otas::spawn(async { (Session::current().is_some(), inner().await) }).await.unwrap()
    }
    let fixture = fixture().await;
    fixture.otas.uasam().fail_next(1, Fault::Status(400));

    assert_eq!(fixture.client.scope(run(&fixture)).await, (false, true));
}

/// Records the current session when dropped.
struct Probe(Arc<Mutex<Vec<Option<SessionId>>>>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(current_id());
    }
}

#[tokio::test]
async fn a_carried_future_is_dropped_in_its_session() {
    let fixture = fixture().await;
    let id = Some(fixture.session.id());
    let seen = Arc::default();
    let hold = |probe: Probe| async move {
        let _probe = probe;
        yield_now().await;
    };

    hold(Probe(Arc::clone(&seen))).with_session(&fixture.session).await;
    drop(hold(Probe(Arc::clone(&seen))).with_session(&fixture.session));
    let mut started = Box::pin(hold(Probe(Arc::clone(&seen))).with_session(&fixture.session));
    assert!(poll_fn(|cx| Poll::Ready(started.as_mut().poll(cx))).await.is_pending());
    drop(started);

    assert_eq!(*seen.lock().unwrap(), [id.clone(), id.clone(), id]);
}

#[tokio::test]
async fn a_panic_inside_a_carried_session_restores_the_outer_one() {
    let fixture = fixture().await;
    let outer = fixture.client.open(json!({})).await.unwrap();
    outer
        .scope(async {
            let panics = async { panic!("on purpose") };
            let joined = tokio::spawn(panics.with_session(&fixture.session)).await;
            assert!(joined.unwrap_err().is_panic());

            let entered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                fixture.session.in_scope(|| panic!("on purpose"));
            }));
            assert!(entered.is_err());
            assert_eq!(current_id(), Some(outer.id()));
        })
        .await;
}

#[tokio::test]
async fn a_carried_body_keeps_its_session_length_and_trailers() {
    let fixture = fixture().await;
    let body = Frames::new();
    let seen = Arc::clone(&body.seen);

    let body = body.with_session(&fixture.session);

    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(4), false));
    assert_eq!(read_to_end(body).await, (4, true));
    assert_eq!(*seen.lock().unwrap(), vec![Some(fixture.session.id()); 3]);
}

#[test]
fn a_carrier_implements_the_traits_of_what_it_carries() {
    fn future<T: Future + Send + 'static>(_: &T) {}
    fn stream<T: futures_core::Stream + Unpin>(_: &T) {}
    fn body<T: Body + Send>(_: &T) {}

    future(&ready(()).in_current_session());
    stream(&iter([1]).in_current_session());
    body(&Frames::new().in_current_session());
    let _: InSession<u8> = 1_u8.in_current_session();
}
