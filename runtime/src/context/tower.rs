//! A server layer that keeps a handler's session current while its response body is polled.

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

use super::propagate::InSession;
use super::scope::Scope;
use crate::sync::lock;
use crate::warn::{self, OnceFlag};

tokio::task_local! {
    static SLOT: Slot;
}

/// Keeps a handler's session current until its response has been sent.
///
/// A server polls a response body after the handler has returned. Under this layer the body is
/// polled and dropped in the handler's session; the handler itself needs no change.
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
/// #[otas_session(meta = { "task_name": "stream" })]
/// async fn words() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
///     Sse::new(stream::iter(["first", "second"]).then(async |word| {
///         // In the session of `words`.
///         let found = otas::http::get("https://llm.example.net/v1/next").await;
///         Ok(Event::default().data(if found.is_ok() { word } else { "nothing" }))
///     }))
/// }
///
/// let app: Router = Router::new().route("/words", get(words)).layer(SessionLayer::new());
/// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// # if false { axum::serve(listener, app).await?; }
/// # Ok(()) }
/// ```
///
/// Size hints and trailers are passed on: a response of known length keeps its `content-length`.
///
/// * If the handler is not annotated and calls one annotated function, the body belongs to that
///   function's session.
/// * If it calls several in sequence, the body belongs to none of their sessions, and a warning is
///   logged. Choose one with [`in_current_session`](crate::SessionExt::in_current_session) on the
///   stream.
/// * If no annotated function ran, or OTAS is disabled, the body is left unchanged.
///
/// The layer has to run in the task that polls the handler: put it inside a `tower::buffer`, not
/// around it. Upgraded connections (web sockets) are tasks of their own: attach the session there
/// with [`SessionExt`](crate::SessionExt).
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionLayer(());

impl SessionLayer {
    /// Creates the layer; there is nothing to configure.
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

/// The service that [`SessionLayer`] produces.
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
        let slot = Slot::new();
        let response = SLOT.sync_scope(slot.clone(), || self.inner.call(request));
        ResponseFuture { inner: SLOT.scope(slot.clone(), response), slot }
    }
}

pin_project! {
    /// The response future of a [`SessionService`].
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
        Poll::Ready(Ok(response.map(|body| InSession::new(body, this.slot.take()))))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// Where the handler of one request leaves its session for the response body.
#[derive(Clone)]
struct Slot(Arc<Inner>);

struct Inner {
    /// The scope around the service. An annotated call that sees another scope is nested in
    /// another annotated call.
    outer: Scope,
    content: Mutex<Content>,
}

#[derive(Default)]
enum Content {
    #[default]
    Empty,
    One(Scope),
    /// Several sessions, none within another.
    Several,
}

static WARNED_SEVERAL: OnceFlag = OnceFlag::new();

impl Slot {
    fn new() -> Self {
        Self(Arc::new(Inner { outer: Scope::current(), content: Mutex::default() }))
    }

    fn fill(&self, scope: &Scope) {
        let mut content = lock(&self.0.content);
        let next = match (&*content, scope) {
            (Content::Empty, _) => Content::One(scope.clone()),
            (Content::One(Scope::Session(_)), Scope::Session(_)) => Content::Several,
            // The first one could not be opened, so it is masked in the body as well.
            (Content::One(_) | Content::Several, _) => return,
        };
        *content = next;
    }

    fn take(&self) -> Option<Scope> {
        match std::mem::take(&mut *lock(&self.0.content)) {
            Content::Empty => None,
            Content::One(scope) => Some(scope),
            Content::Several => {
                warn::once(
                    &WARNED_SEVERAL,
                    "a request ran several sessions in sequence, so its response body belongs to none of them; choose one with \
                     `.in_current_session()` on the stream",
                );
                None
            }
        }
    }
}

/// Offers the scope of an annotated call to the layer around the handler, if there is one.
pub(super) fn fill_slot(scope: &Scope) {
    let _ = SLOT.try_with(|slot| {
        // Inside another annotated function, the response is that function's.
        if Scope::current().same_session(&slot.0.outer) {
            slot.fill(scope);
        }
    });
}
