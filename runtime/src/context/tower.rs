//! A server layer that keeps the session of a handler while its response body is polled.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower_layer::Layer;
use tower_service::Service;

use crate::context::Scope;
use crate::context::propagate::InSession;
use crate::sync::lock;
use crate::warn::{self, OnceFlag};

tokio::task_local! {
    static SLOT: Slot;
}

/// Keeps the session of an annotated handler until its response has been sent: the body, which a server polls after the handler has
/// returned, is polled and dropped in the session of that handler. Nothing is to be written in the handler.
///
/// ```
/// # async fn serve() -> std::io::Result<()> {
/// use std::convert::Infallible;
///
/// use axum::Router;
/// use axum::response::sse::{Event, Sse};
/// use axum::routing::get;
/// use futures_util::{Stream, StreamExt, stream};
/// use otas::otas_session;
/// use otas::tower::SessionLayer;
///
/// #[otas_session(meta = { "task_name": "answer" })]
/// async fn answer() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
///     Sse::new(stream::iter(["first", "second"]).then(async |word| {
///         let found = otas::http::get("https://llm.example.net/v1/next").await; // in the session of `answer`
///         Ok(Event::default().data(if found.is_ok() { word } else { "nothing" }))
///     }))
/// }
///
/// let app: Router = Router::new().route("/answer", get(answer)).layer(SessionLayer::new());
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # if false { axum::serve(listener, app).await?; }
/// # Ok(()) }
/// ```
///
/// Size hints and trailers are passed on: an answer whose length is known keeps its `content-length`.
///
/// * A handler that is not annotated, and calls one annotated function: the body belongs to the session of that function.
/// * It calls several, one after the other: nobody can tell which one the body belongs to, so it belongs to none; a warning says so. Say it
///   with [`in_current_session`](crate::SessionExt::in_current_session) where the stream is made.
/// * No annotated function ran: the body is left alone. Where OTAS is switched off, too.
///
/// The layer must be in the task that polls the handler: with a buffer between (`tower::buffer`), put it inside. Upgraded connections
/// (web sockets) are tasks of their own: carry the session there with [`SessionExt`](crate::SessionExt).
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionLayer(());

impl SessionLayer {
    /// The layer; there is nothing to set.
    pub fn new() -> Self {
        Self::default()
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService { inner }
    }
}

/// What [`SessionLayer`] makes of a service.
#[derive(Clone, Copy, Debug)]
pub struct SessionService<S> {
    inner: S,
}

impl<S, Q, B> Service<Q> for SessionService<S>
where
    S: Service<Q, Response = Response<B>>,
{
    type Response = Response<InSession<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Q) -> Self::Future {
        let slot = Slot::offered();
        let response = SLOT.sync_scope(slot.clone(), || self.inner.call(request));
        ResponseFuture { inner: SLOT.scope(slot.clone(), response), slot }
    }
}

pin_project! {
    /// The answer of a [`SessionService`], under way.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: TaskLocalFuture<Slot, F>,
        slot: Slot,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<InSession<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        Poll::Ready(Ok(response.map(|body| InSession::in_scope(body, this.slot.take()))))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// Where the handler of one request leaves its session.
#[derive(Clone)]
struct Slot(Arc<Offered>);

struct Offered {
    /// What was current around the service: a call that sees something else is made by another annotated one.
    around: Scope,
    filled: Mutex<Filled>,
}

#[derive(Default)]
enum Filled {
    #[default]
    Not,
    Once(Scope),
    /// By sessions of which neither is within the other.
    Twice,
}

static WARNED_TWICE: OnceFlag = OnceFlag::new();

impl Slot {
    fn offered() -> Self {
        Self(Arc::new(Offered { around: Scope::current(), filled: Mutex::default() }))
    }

    fn fill(&self, scope: &Scope) {
        let mut filled = lock(&self.0.filled);
        let next = match (&*filled, scope) {
            (Filled::Not, _) => Filled::Once(scope.clone()),
            (Filled::Once(Scope::Session(_)), Scope::Session(_)) => Filled::Twice,
            // The first one could not be opened: it is masked in the body as well.
            (Filled::Once(_) | Filled::Twice, _) => return,
        };
        *filled = next;
    }

    fn take(&self) -> Option<Scope> {
        match std::mem::take(&mut *lock(&self.0.filled)) {
            Filled::Not => None,
            Filled::Once(scope) => Some(scope),
            Filled::Twice => {
                warn::once(
                    &WARNED_TWICE,
                    "a request ran several sessions one after the other, so that its response body belongs to none; say which with \
                     `.in_current_session()` on the stream",
                );
                None
            }
        }
    }
}

/// The attribute tells in which scope its body is about to run. Where no layer offers a slot, nothing happens.
pub(crate) fn fill(scope: &Scope) {
    let _ = SLOT.try_with(|slot| {
        // Within another annotated function the response is that function's.
        if Scope::current().same_session(&slot.0.around) {
            slot.fill(scope);
        }
    });
}
