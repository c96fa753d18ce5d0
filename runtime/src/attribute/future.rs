//! The future behind the attribute: opens the session, then polls and drops the body inside it.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tracing::Span;

use crate::client::Client;
use crate::context::Scope;
use crate::error::Error;
use crate::meta::Meta;
use crate::session::open::Opening;

/// Where a call stands. In a box, so that the future of an annotated function is a few words larger than the plain one; and behind a trait,
/// so that the compiler does not walk through all that a session holds for each annotated function.
pub(crate) type Boxed = Box<dyn AsMut<Stage> + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// See [`Boxed`].
pub(crate) enum Stage {
    /// Nothing was sent yet: that is the first poll's work.
    Asked { client: Client, function: &'static str, meta: Meta },
    /// The answer is awaited.
    Opening { client: Client, function: &'static str, opening: Opening },
    /// There will be no session.
    Failed { client: Option<Client>, error: Error },
    /// The body runs.
    Inside { scope: Scope, span: Span },
}

/// Nothing in it is seen half changed after a panic: each stage is replaced as a whole.
impl UnwindSafe for Stage {}
impl RefUnwindSafe for Stage {}

impl AsMut<Self> for Stage {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

/// No session is to be opened: nothing stands around the body, where no outer session has to be hidden.
pub(crate) fn without_session(client: Client) -> Option<Stage> {
    Scope::is_set().then(|| Stage::masked(client))
}

impl Stage {
    pub(crate) fn asked(client: Client, function: &'static str, meta: Meta) -> Self {
        Self::Asked { client, function, meta }
    }

    /// The body sees no session, and what it opens comes from this client.
    pub(crate) fn masked(client: Client) -> Self {
        Self::Inside { scope: Scope::Client(client), span: Span::none() }
    }

    fn client(&self) -> Option<Client> {
        match self {
            Self::Asked { client, .. } | Self::Opening { client, .. } => Some(client.clone()),
            Self::Failed { client, .. } => client.clone(),
            Self::Inside { scope: Scope::Client(client), .. } => Some(client.clone()),
            Self::Inside { .. } => None,
        }
    }

    /// Opens the session. What it returns is a failure for the handler; without a handler the body runs all the same.
    fn poll_inside(&mut self, handled: bool, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            *self = match self {
                Self::Inside { .. } => return Poll::Ready(Ok(())),
                Self::Asked { client, function, meta } => match std::mem::take(meta).into_object() {
                    Err(error) if handled => return Poll::Ready(Err(error)),
                    meta => {
                        let meta = meta.unwrap_or_else(|error| Meta::replacement(&error));
                        Self::Opening { opening: client.start_open(meta), client: client.clone(), function }
                    }
                },
                Self::Opening { client, function, opening } => match ready!(Pin::new(opening).poll(cx)) {
                    Ok(session) => {
                        let id = session.id();
                        let span = tracing::info_span!(target: "otas", "otas_session", "session.id" = %id, function);
                        Self::Inside { scope: Scope::Session(session), span }
                    }
                    Err(error) => Self::Failed { client: Some(client.clone()), error },
                },
                Self::Failed { error, .. } if handled => return Poll::Ready(Err(error.clone())),
                Self::Failed { client: Some(client), error } => {
                    client.went_without_session(error);
                    Self::masked(client.clone())
                }
                // Why there is no client was said when it was looked for.
                Self::Failed { client: None, .. } => Self::Inside { scope: Scope::Empty, span: Span::none() },
            };
            #[cfg(feature = "tower")]
            if let Self::Inside { scope, .. } = self {
                crate::context::tower::fill(scope);
            }
        }
    }

    /// Polls the body inside its session; before that, opens it. Where that fails, the error goes to `failure`, and the body is not polled;
    /// without one it runs all the same.
    ///
    /// What is not generic is compiled once, and not again for each annotated function: here, that is nearly all.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        failure: Option<&mut Option<Error>>,
        poll: &mut dyn FnMut(&mut Context<'_>),
    ) {
        match (self.poll_inside(failure.is_some(), cx), failure) {
            (Poll::Pending, _) => {}
            (Poll::Ready(Err(error)), Some(failure)) => *failure = Some(error),
            _ => match self {
                Self::Inside { scope, span } => scope.clone().enter(|| span.in_scope(|| poll(cx))),
                _ => poll(cx),
            },
        }
    }
}

/// Drops the body where it ran, inside its session, be it at its end or half-way.
fn drop_inside(mut stage: Boxed, drop: &mut dyn FnMut()) {
    if let Stage::Inside { scope, span } = (*stage).as_mut() {
        scope.clone().enter_to_drop(|| span.in_scope(drop));
    }
}

/// What makes the function's value of a failure, and how it is called.
#[derive(Debug)]
pub struct Handler<H, R> {
    pub(crate) handler: H,
    pub(crate) call: fn(H, Error) -> R,
}

pin_project! {
    /// A body, and the session that it runs in.
    ///
    /// Written by hand: an `async fn` would hold the body twice, and twice again for each level of nesting. An `enum`, as an `Option`
    /// around the body would be one more layer of types, and those are limited too. Without bounds, as each is checked for each function.
    #[project = Run]
    #[expect(missing_docs, reason = "the macro takes no documentation of an enum's fields; they are private in all but syntax")]
    #[must_use = "futures do nothing unless polled"]
    pub enum SessionFuture<B> {
        /// Not ended: no stage, where there is nothing around the body.
        Running {
            stage: Option<Boxed>,
            #[pin]
            body: B,
        },
        /// The body is dropped.
        Ended,
    }

    impl<B> PinnedDrop for SessionFuture<B> {
        fn drop(this: Pin<&mut Self>) {
            this.drop_body();
        }
    }
}

pin_project! {
    /// The same, and what makes the function's value of a failure.
    #[must_use = "futures do nothing unless polled"]
    pub struct SessionFutureOr<B, H, R> {
        #[pin]
        run: SessionFuture<B>,
        handler: Option<Handler<H, R>>,
    }
}

/// A body below the attribute, with a handler or without.
pub trait Annotated: Future {
    /// The client whose session it runs in, or will.
    #[doc(hidden)]
    fn client(&mut self) -> Option<Client>;
}

impl<B> fmt::Debug for SessionFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running { .. } => "SessionFuture(Running)",
            Self::Ended => "SessionFuture(Ended)",
        })
    }
}

impl<B, H, R> fmt::Debug for SessionFutureOr<B, H, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.run.fmt(f)
    }
}

impl<B> SessionFuture<B> {
    pub(crate) fn new(stage: Option<Boxed>, body: B) -> Self {
        Self::Running { stage, body }
    }

    pub(crate) fn or<H, R>(self, handler: Handler<H, R>) -> SessionFutureOr<B, H, R> {
        SessionFutureOr { run: self, handler: Some(handler) }
    }

    fn drop_body(mut self: Pin<&mut Self>) {
        let Run::Running { stage, .. } = self.as_mut().project() else { return };
        // Taken, as `set` drops what was there, and so comes by here once more.
        if let Some(stage) = stage.take() {
            drop_inside(stage, &mut || self.set(Self::Ended));
        }
    }

    /// See [`Stage::poll_body`]; where there is a failure, nothing comes back, and the body is left for the caller to drop.
    fn poll_or(mut self: Pin<&mut Self>, cx: &mut Context<'_>, failure: Option<&mut Option<Error>>) -> Poll<B::Output>
    where
        B: Future,
    {
        let Run::Running { stage, mut body } = self.as_mut().project() else {
            // What has ended is not polled again, as with any future.
            return Poll::Pending;
        };
        let Some(stage) = stage else { return body.poll(cx) };
        let mut output = Poll::Pending;
        (**stage).as_mut().poll_body(cx, failure, &mut |cx| output = body.as_mut().poll(cx));
        if output.is_ready() {
            self.set(Self::Ended);
        }
        output
    }
}

impl<B: Future> Future for SessionFuture<B> {
    type Output = B::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        self.poll_or(cx, None)
    }
}

impl<B: Future, H> Future for SessionFutureOr<B, H, B::Output> {
    type Output = B::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        let mut this = self.project();
        let mut failure = None;
        let output = this.run.as_mut().poll_or(cx, Some(&mut failure));
        match failure.and_then(|error| this.handler.take().map(|Handler { handler, call }| call(handler, error))) {
            Some(value) => {
                // After the handler: what the function was given lives until its value is made, as in any function.
                this.run.set(SessionFuture::Ended);
                Poll::Ready(value)
            }
            None => output,
        }
    }
}

impl<B: Future> Annotated for SessionFuture<B> {
    fn client(&mut self) -> Option<Client> {
        match self {
            Self::Running { stage, .. } => stage.as_mut().and_then(|stage| (**stage).as_mut().client()),
            Self::Ended => None,
        }
    }
}

impl<B: Future, H> Annotated for SessionFutureOr<B, H, B::Output> {
    fn client(&mut self) -> Option<Client> {
        self.run.client()
    }
}
