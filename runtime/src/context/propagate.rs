//! Carries a session to spawned tasks, threads, streams and response bodies.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::task::JoinHandle;

use super::scope::Scope;
use crate::session::Session;

/// Attaches a session to a future, a stream, or a response body.
///
/// Whatever is done inside belongs to the session, wherever it is polled. The value is also dropped
/// inside the session.
///
/// A session is current in a task: across `.await`, `join!`, `select!`, `timeout`,
/// `buffer_unordered` and `FuturesUnordered`, but not in the tasks and threads that the task
/// starts. Each of these looks right but loses the session:
///
/// ```no_run
/// # async fn call() {} fn compute() {}
/// # #[otas::otas_session] async fn run() {
/// tokio::spawn(call());
/// tokio::task::spawn_blocking(compute);
/// std::thread::spawn(compute);
/// let mut set = tokio::task::JoinSet::new();
/// set.spawn(call());
/// # }
/// ```
///
/// These keep it:
///
/// ```no_run
/// use otas::{Session, SessionExt};
/// # async fn call() {} fn compute() {}
/// # #[otas::otas_session] async fn run() {
/// otas::spawn(call());
/// otas::spawn_blocking(compute);
/// if let Some(session) = Session::current() {
///     std::thread::spawn(move || session.in_scope(compute));
/// }
/// let mut set = tokio::task::JoinSet::new();
/// set.spawn(call().in_current_session());
/// let mut blocking = tokio::task::JoinSet::new();
/// blocking.spawn(otas::spawn_blocking(compute));
/// # }
/// ```
///
/// A server polls the **body of a response** after the handler has returned. The feature `tower`
/// has a layer that keeps the session for it. Without the layer, wrap the stream that the body is
/// made of:
///
/// ```
/// use futures_util::stream;
/// use otas::SessionExt;
///
/// #[otas::otas_session]
/// async fn handler() -> impl futures_util::Stream<Item = u8> {
///     let wrong = stream::iter([1, 2, 3]);
///     // Then Sse::new(right), Body::from_stream(right), ...
///     let right = stream::iter([1, 2, 3]).in_current_session();
///     # drop(wrong);
///     right
/// }
/// # drop(handler());
/// ```
///
/// Behind a **`tower` buffer**, the inner service's `call` runs in a task of the buffer, but the
/// future it returns is polled by the caller: read the session there. Give an **SDK that sends from
/// tasks of its own** a client that is [bound to the session](crate::http::Client::bound_to).
///
/// The session stays open as long as anything holds it. Nothing is attached outside every session,
/// or if OTAS is disabled.
pub trait SessionExt: Sized {
    /// Attaches the session that is current when this is called.
    ///
    /// Does nothing outside every session.
    fn in_current_session(self) -> InSession<Self> {
        InSession { inner: Some(self), scope: Scope::try_current() }
    }

    /// Attaches the given session.
    fn with_session(self, session: &Session) -> InSession<Self> {
        InSession { inner: Some(self), scope: Some(Scope::Session(session.clone())) }
    }
}

impl<T> SessionExt for T {}

impl<T> InSession<T> {
    #[cfg(feature = "tower")]
    pub(super) fn new(inner: T, scope: Option<Scope>) -> Self {
        Self { inner: Some(inner), scope }
    }
}

pin_project! {
    /// A value with a session attached; returned by [`SessionExt`].
    ///
    /// It is a [`Future`], a [`Stream`] or an [`http_body::Body`] if the value is one.
    #[derive(Debug)]
    #[must_use = "futures and streams do nothing unless polled"]
    pub struct InSession<T> {
        #[pin]
        inner: Option<T>,
        scope: Option<Scope>,
    }

    impl<T> PinnedDrop for InSession<T> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let Some(scope) = this.scope.take() {
                scope.enter_to_drop(|| this.inner.set(None));
            }
        }
    }
}

/// Polls the inner value in the attached scope.
fn within<T, R>(wrapper: Pin<&mut InSession<T>>, poll: impl FnOnce(Pin<&mut T>) -> Poll<R>) -> Poll<R> {
    let this = wrapper.project();
    // The inner value exists until the wrapper is dropped.
    let Some(inner) = this.inner.as_pin_mut() else {
        return Poll::Pending;
    };
    match this.scope {
        Some(scope) => scope.clone().enter(|| poll(inner)),
        None => poll(inner),
    }
}

impl<F: Future> Future for InSession<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        within(self, |inner| inner.poll(cx))
    }
}

impl<S: Stream> Stream for InSession<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        within(self, |inner| inner.poll_next(cx))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.as_ref().map_or((0, None), Stream::size_hint)
    }
}

impl<B: Body> Body for InSession<B>
where
    B::Data: Buf,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        within(self, |inner| inner.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

/// Like [`tokio::spawn`], but attaches the current session to the task.
///
/// Outside every session, it is exactly `tokio::spawn`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// # async fn call() -> u8 { 1 }
/// // Its requests belong to the session that is current here.
/// let call = otas::spawn(call());
/// assert_eq!(call.await.unwrap(), 1);
/// # }
/// ```
///
/// # Panics
///
/// Panics outside a tokio runtime, like `tokio::spawn`.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "the one place that calls tokio::spawn: it attaches the session")]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future.in_current_session())
}

/// Like [`tokio::task::spawn_blocking`], but runs the closure in the current session.
///
/// Outside every session, it is exactly `tokio::task::spawn_blocking`.
///
/// # Panics
///
/// Panics outside a tokio runtime, like `tokio::task::spawn_blocking`.
#[track_caller]
pub fn spawn_blocking<F, R>(work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let scope = Scope::try_current();
    tokio::task::spawn_blocking(move || match scope {
        Some(scope) => scope.enter(work),
        None => work(),
    })
}
