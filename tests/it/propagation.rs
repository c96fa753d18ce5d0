//! Where a session is kept, where it is lost, and what carries it there.

use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt, iter};
use http_body::{Body, Frame, SizeHint};
use otas::{Client, Config, InSession, Session, SessionExt, SessionId, http, otas_session};
use otas_local::Server;
use serde_json::json;
use tokio::task::{JoinSet, yield_now};

use crate::support::{Upstream, otas_around};

/// A session with the server and client that it needs.
struct Set {
    session: Session,
    client: Client,
    _otas: Server,
}

async fn set() -> Set {
    crate::support::capture_warnings();
    let otas = Server::start().await.unwrap();
    let client = Client::new(Config::from_vars(otas.env()).unwrap()).unwrap();
    let session = client.open(json!({})).await.unwrap();
    Set { session, client, _otas: otas }
}

fn current() -> Option<SessionId> {
    Session::current().map(|session| session.id())
}

/// What is current after a while.
async fn later() -> Option<SessionId> {
    yield_now().await;
    current()
}

#[tokio::test]
async fn await_join_select_and_timeout_keep_the_session() {
    let set = set().await;
    let id = Some(set.session.id());
    set.session
        .scope(async {
            assert_eq!(later().await, id);
            assert_eq!(tokio::join!(later(), later()), (id.clone(), id.clone()));
            let selected = tokio::select! { found = later() => found, () = std::future::pending() => None };
            assert_eq!(selected, id);
            assert_eq!(tokio::time::timeout(Duration::from_secs(60), later()).await.unwrap(), id);
        })
        .await;
    assert_eq!(current(), None);
}

#[tokio::test]
async fn buffer_unordered_and_futures_unordered_keep_the_session() {
    let set = set().await;
    let id = Some(set.session.id());
    set.session
        .scope(async {
            let found: Vec<_> = iter(0..10).map(|_| later()).buffer_unordered(4).collect().await;
            assert_eq!(found, vec![id.clone(); 10]);
            let found: Vec<_> = (0..10).map(|_| later()).collect::<FuturesUnordered<_>>().collect().await;
            assert_eq!(found, vec![id.clone(); 10]);
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn block_in_place_keeps_the_session() {
    let set = set().await;
    let found = set.session.scope(async { tokio::task::block_in_place(current) }).await;
    assert_eq!(found, Some(set.session.id()));
}

#[tokio::test]
async fn a_spawned_task_loses_the_session_unless_it_is_carried() {
    let set = set().await;
    let id = Some(set.session.id());
    set.session
        .scope(async {
            assert_eq!(tokio::spawn(later()).await.unwrap(), None);
            assert_eq!(otas::spawn(later()).await.unwrap(), id);
            assert_eq!(tokio::spawn(later().in_current_session()).await.unwrap(), id);
            // A task of a task, too.
            let inner = otas::spawn(async { otas::spawn(later()).await.unwrap() });
            assert_eq!(inner.await.unwrap(), id);
        })
        .await;
    assert_eq!(tokio::spawn(later().with_session(&set.session)).await.unwrap(), id);
}

#[tokio::test]
async fn a_join_set_task_loses_the_session_unless_it_is_carried() {
    let set = set().await;
    let id = Some(set.session.id());
    set.session
        .scope(async {
            let mut tasks = JoinSet::new();
            tasks.spawn(later());
            assert_eq!(tasks.join_next().await.unwrap().unwrap(), None);
            tasks.spawn(later().in_current_session());
            assert_eq!(tasks.join_next().await.unwrap().unwrap(), id);
            let mut threads = JoinSet::new();
            threads.spawn(otas::spawn_blocking(current));
            assert_eq!(threads.join_next().await.unwrap().unwrap().unwrap(), id);
        })
        .await;
}

#[tokio::test]
async fn a_blocking_task_loses_the_session_unless_it_is_carried() {
    let set = set().await;
    let id = Some(set.session.id());
    set.session
        .scope(async {
            assert_eq!(tokio::task::spawn_blocking(current).await.unwrap(), None);
            assert_eq!(otas::spawn_blocking(current).await.unwrap(), id);
        })
        .await;
}

#[tokio::test]
async fn a_thread_loses_the_session_unless_it_enters_it() {
    let set = set().await;
    let id = set.session.id();
    let carried = set.session.clone();
    let thread =
        set.session.scope(async { std::thread::spawn(move || (current(), carried.in_scope(current), current())) });
    assert_eq!(thread.await.join().unwrap(), (None, Some(id), None));
}

/// Tells what is current when it is called, and when its response is first polled.
#[derive(Clone)]
struct Asked;

impl tower::Service<()> for Asked {
    type Response = (Option<SessionId>, Option<SessionId>);
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        let called = current();
        Box::pin(async move { Ok((called, current())) })
    }
}

#[tokio::test]
async fn tower_buffer_loses_the_session_in_call_but_not_in_the_future() {
    use tower::ServiceExt;
    let set = set().await;
    let id = Some(set.session.id());
    let buffered = tower::buffer::Buffer::new(Asked, 8);
    let found = set.session.scope(async { buffered.clone().oneshot(()).await.unwrap() }).await;
    assert_eq!(found, (None, id));
}

#[tokio::test]
async fn a_stream_polled_elsewhere_loses_the_session_unless_it_is_carried() {
    let set = set().await;
    let id = Some(set.session.id());
    let (bare, carried) = set
        .session
        .scope(async { (iter(0..2).then(|_| later()), iter(0..2).then(|_| later()).in_current_session()) })
        .await;
    assert_eq!(bare.collect::<Vec<_>>().await, [None, None]);
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
    let url = upstream.inside("/");
    let lost = async move { http::get(url).await.unwrap().status() };
    let send = client.clone();
    session.scope(async move { tokio::spawn(async move { send.scope(lost).await }).await.unwrap() }).await;
    assert_eq!(client.stats().sessionless_requests, 1);
}

#[tokio::test]
async fn a_carrier_captures_the_session_when_created_not_when_polled() {
    let set = set().await;
    let other = set.client.open(json!({})).await.unwrap();
    let carried = set.session.in_scope(|| later().in_current_session());
    let bare = later().in_current_session();
    let (carried, bare) = other.scope(async { (carried.await, bare.await) }).await;
    assert_eq!(carried, Some(set.session.id()));
    assert_eq!(bare, Some(other.id()), "made outside every session, it changes nothing");
}

#[tokio::test]
async fn a_task_spawned_by_a_sessionless_call_inherits_only_its_client() {
    #[otas_session]
    async fn run(set: &Set) -> (bool, bool) {
        // An inner call in the spawned task opens its own, through the client that is carried.
        #[otas_session]
        async fn inner() -> bool {
            Session::current().is_some()
        }
        set._otas.uasam().clear_faults();
        otas::spawn(async { (Session::current().is_some(), inner().await) }).await.unwrap()
    }
    let set = set().await;
    set._otas.uasam().fail_next(1, otas_local::Fault::Status(400));
    assert_eq!(set.client.scope(run(&set)).await, (false, true));
}

/// Writes down what is current when it is dropped.
struct Probe(Arc<Mutex<Vec<Option<SessionId>>>>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(current());
    }
}

#[tokio::test]
async fn a_carried_future_is_dropped_in_its_session() {
    let set = set().await;
    let id = Some(set.session.id());
    let seen = Arc::default();
    let holds = |probe: Probe| async move {
        let _probe = probe;
        yield_now().await;
    };
    holds(Probe(Arc::clone(&seen))).with_session(&set.session).await;
    drop(holds(Probe(Arc::clone(&seen))).with_session(&set.session));
    let mut half = Box::pin(holds(Probe(Arc::clone(&seen))).with_session(&set.session));
    assert!(poll_fn(|cx| Poll::Ready(half.as_mut().poll(cx))).await.is_pending());
    drop(half);
    assert_eq!(*seen.lock().unwrap(), [id.clone(), id.clone(), id]);
}

#[tokio::test]
async fn a_panic_inside_a_carried_session_restores_the_outer_one() {
    let set = set().await;
    let outer = set.client.open(json!({})).await.unwrap();
    outer
        .scope(async {
            let panics = async { panic!("on purpose") };
            let joined = tokio::spawn(panics.with_session(&set.session)).await;
            assert!(joined.unwrap_err().is_panic());
            let entered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                set.session.in_scope(|| panic!("on purpose"));
            }));
            assert!(entered.is_err());
            assert_eq!(current(), Some(outer.id()));
        })
        .await;
}

/// Two frames and a trailer; each notes what is current when it is asked for.
pub struct Frames {
    left: u8,
    pub seen: Arc<Mutex<Vec<Option<SessionId>>>>,
}

impl Frames {
    pub fn new() -> Self {
        Self { left: 3, seen: Arc::default() }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.seen.lock().unwrap().push(current());
        self.left = self.left.saturating_sub(1);
        let trailers = || [(::http::HeaderName::from_static("checksum"), "7".parse().unwrap())].into_iter().collect();
        Poll::Ready(match self.left {
            0 => Some(Ok(Frame::trailers(trailers()))),
            _ => Some(Ok(Frame::data(Bytes::from_static(b"ab")))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(4)
    }
}

/// Reads a body to its end, with its trailers.
pub async fn read(body: impl Body<Data = Bytes, Error = std::convert::Infallible>) -> (usize, bool) {
    let mut body = pin!(body);
    let (mut bytes, mut checked) = (0, false);
    while !body.is_end_stream() {
        let Some(Ok(frame)) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await else { break };
        bytes += frame.data_ref().map_or(0, Bytes::len);
        checked |= frame.trailers_ref().is_some_and(|trailers| trailers["checksum"] == "7");
    }
    (bytes, checked)
}

#[tokio::test]
async fn a_carried_body_keeps_its_session_length_and_trailers() {
    let set = set().await;
    let body = Frames::new();
    let seen = Arc::clone(&body.seen);
    let body = body.with_session(&set.session);
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(4), false));
    assert_eq!(read(body).await, (4, true));
    assert_eq!(*seen.lock().unwrap(), vec![Some(set.session.id()); 3]);
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
