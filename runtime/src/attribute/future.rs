//! The future behind the attribute: opens the session, then polls and drops the body inside it.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tracing::Span;

use crate::client::Client;
use crate::context::{self, Scope};
use crate::error::Error;
use crate::meta::Meta;
use crate::session::Opening;

/// The stage of a call, boxed so that an annotated function's future is only a few words larger
/// than the plain one, and behind a trait so that the compiler does not walk through everything a
/// session holds for each annotated function.
pub(super) type BoxedStage = Box<dyn Slot + Send + Sync + UnwindSafe + RefUnwindSafe>;

/// Gives access to the [`Stage`] in the box; implemented by nothing else.
pub(super) trait Slot {
    fn stage(&mut self) -> &mut Stage;
}

impl Slot for Stage {
    fn stage(&mut self) -> &mut Stage {
        self
    }
}

/// The stages of a call.
pub(super) enum Stage {
    /// Nothing has been sent yet; the first poll does that.
    Requested { client: Client, function: &'static str, meta: Meta },
    /// The session is being opened.
    Opening { function: &'static str, opening: Opening },
    /// There will be no session.
    Failed { client: Option<Client>, error: Error },
    /// The body runs.
    Inside { scope: Scope, span: Span },
}

/// A panic leaves no stage half changed, because stages are replaced as a whole.
impl UnwindSafe for Stage {}
impl RefUnwindSafe for Stage {}

impl Stage {
    /// The body sees no session; this client opens whatever sessions it asks for.
    pub(super) fn masked(client: Client) -> Self {
        Self::Inside { scope: Scope::Client(client), span: Span::none() }
    }

    fn client(&self) -> Option<Client> {
        match self {
            Self::Requested { client, .. } => Some(client.clone()),
            Self::Opening { opening, .. } => Some(opening.client().clone()),
            Self::Failed { client, .. } => client.clone(),
            Self::Inside { scope: Scope::Client(client), .. } => Some(client.clone()),
            Self::Inside { .. } => None,
        }
    }

    /// Opens the session. Fails only if there is a handler for the error; without one, the body
    /// runs anyway.
    fn poll_inside(&mut self, has_handler: bool, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            *self = match self {
                Self::Inside { .. } => return Poll::Ready(Ok(())),
                Self::Requested { client, function, meta } => match std::mem::take(meta).into_object() {
                    Err(error) if has_handler => return Poll::Ready(Err(error)),
                    meta => {
                        let meta = meta.unwrap_or_else(|error| Meta::replacement(&error));
                        Self::Opening { opening: Opening::start(client.clone(), meta), function }
                    }
                },
                Self::Opening { function, opening } => match ready!(Pin::new(&mut *opening).poll(cx)) {
                    Ok(session) => {
                        let id = session.id();
                        let span = tracing::info_span!(target: "otas", "otas_session", "session.id" = %id, function);
                        Self::Inside { scope: Scope::Session(session), span }
                    }
                    Err(error) => Self::Failed { client: Some(opening.client().clone()), error },
                },
                Self::Failed { error, .. } if has_handler => return Poll::Ready(Err(error.clone())),
                Self::Failed { client: Some(client), error } => {
                    client.count_sessionless_call(error);
                    Self::masked(client.clone())
                }
                // The missing client was reported when it was looked up.
                Self::Failed { client: None, .. } => Self::Inside { scope: Scope::Empty, span: Span::none() },
            };
            if let Self::Inside { scope, .. } = self {
                context::on_enter(scope);
            }
        }
    }

    /// Opens the session, then polls the body inside it. If opening fails and there is a `failure`
    /// slot, the error goes there and the body is not polled; without a slot the body runs anyway.
    ///
    /// Kept non-generic so that it is compiled once rather than per annotated function.
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

/// Drops the body where it ran, inside its session, whether it has finished or not.
fn drop_inside(mut stage: BoxedStage, drop: &mut dyn FnMut()) {
    if let Stage::Inside { scope, span } = stage.stage() {
        scope.clone().enter_to_drop(|| span.in_scope(drop));
    }
}

/// A handler that turns a failure into the function's return value, and how to call it.
#[derive(Debug)]
pub struct Handler<H, R> {
    pub(super) handler: H,
    pub(super) call: fn(H, Error) -> R,
}

pin_project! {
    /// A body and the session it runs in.
    ///
    /// Hand-written: an `async fn` would hold the body twice, and twice again per level of nesting.
    /// An enum, because an `Option` around the body would add a layer of types, and the compiler
    /// limits those, too. Without bounds, because each is checked per annotated function.
    #[project = SessionFutureProjection]
    #[expect(missing_docs, reason = "the macro accepts no docs on enum fields; they are private in all but syntax")]
    #[must_use = "futures do nothing unless polled"]
    pub enum SessionFuture<B> {
        /// Not finished. There is no stage if the body runs bare.
        Running {
            stage: Option<BoxedStage>,
            #[pin]
            body: B,
        },
        /// The body has been dropped.
        Finished,
    }

    impl<B> PinnedDrop for SessionFuture<B> {
        fn drop(this: Pin<&mut Self>) {
            this.drop_body();
        }
    }
}

pin_project! {
    /// A [`SessionFuture`] with a handler that turns a failure into the function's return value.
    #[must_use = "futures do nothing unless polled"]
    pub struct SessionFutureOr<B, H, R> {
        #[pin]
        run: SessionFuture<B>,
        handler: Option<Handler<H, R>>,
    }
}

/// A body under the attribute, with or without a handler.
pub trait Annotated: Future {
    /// The client whose session the body runs in, or will.
    #[doc(hidden)]
    fn client(&mut self) -> Option<Client>;
}

impl<B> fmt::Debug for SessionFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running { .. } => "SessionFuture(Running)",
            Self::Finished => "SessionFuture(Finished)",
        })
    }
}

impl<B, H, R> fmt::Debug for SessionFutureOr<B, H, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.run.fmt(f)
    }
}

impl<B> SessionFuture<B> {
    pub(super) fn new(stage: Option<BoxedStage>, body: B) -> Self {
        Self::Running { stage, body }
    }

    pub(super) fn or<H, R>(self, handler: Handler<H, R>) -> SessionFutureOr<B, H, R> {
        SessionFutureOr { run: self, handler: Some(handler) }
    }

    fn drop_body(mut self: Pin<&mut Self>) {
        let SessionFutureProjection::Running { stage, .. } = self.as_mut().project() else { return };
        // Taken first, because `set` drops the old value, which calls this function again.
        if let Some(stage) = stage.take() {
            drop_inside(stage, &mut || self.set(Self::Finished));
        }
    }

    /// See [`Stage::poll_body`]. On failure, returns `Pending` and leaves the body for the caller
    /// to drop.
    fn poll_or(mut self: Pin<&mut Self>, cx: &mut Context<'_>, failure: Option<&mut Option<Error>>) -> Poll<B::Output>
    where
        B: Future,
    {
        let SessionFutureProjection::Running { stage, mut body } = self.as_mut().project() else {
            // Polled again after completion: unspecified, as for any future.
            return Poll::Pending;
        };
        let Some(stage) = stage else { return body.poll(cx) };
        let mut output = Poll::Pending;
        stage.stage().poll_body(cx, failure, &mut |cx| output = body.as_mut().poll(cx));
        if output.is_ready() {
            self.set(Self::Finished);
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
                // Only after the handler has run: as in any function, the arguments live until the
                // return value exists.
                this.run.set(SessionFuture::Finished);
                Poll::Ready(value)
            }
            None => output,
        }
    }
}

impl<B: Future> Annotated for SessionFuture<B> {
    fn client(&mut self) -> Option<Client> {
        match self {
            Self::Running { stage, .. } => stage.as_mut().and_then(|stage| stage.stage().client()),
            Self::Finished => None,
        }
    }
}

impl<B: Future, H> Annotated for SessionFutureOr<B, H, B::Output> {
    fn client(&mut self) -> Option<Client> {
        self.run.client()
    }
}
