//! The future behind the attribute: opens the session, then polls and drops the body inside it.

use std::fmt;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tracing::Span;

use crate::client::Client;
use crate::error::Error;
use crate::meta::Meta;
use crate::opening::Opening;
use crate::session::Scope;

/// Where a call stands. In a box, so that the future of an annotated function is two words larger than the plain one.
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

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked { .. } => "Asked",
            Self::Opening { .. } => "Opening",
            Self::Failed { .. } => "Failed",
            Self::Inside { .. } => "Inside",
        })
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
                crate::tower::fill(scope);
            }
        }
    }

    /// Runs `f` where the body sees its session.
    fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        match self {
            Self::Inside { scope, span } => scope.clone().enter(|| span.in_scope(f)),
            _ => f(),
        }
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
    /// A hand-written future: an `async fn` would hold the body twice, and twice again for each level of nesting.
    #[must_use = "futures do nothing unless polled"]
    pub struct InSession<B: Future, H> {
        stage: Option<Box<Stage>>,
        handler: Option<Handler<H, B::Output>>,
        #[pin]
        body: Option<B>,
    }

    impl<B: Future, H> PinnedDrop for InSession<B, H> {
        fn drop(this: Pin<&mut Self>) {
            if this.stage.is_some() {
                this.drop_body();
            }
        }
    }
}

impl<B: Future, H> fmt::Debug for InSession<B, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InSession").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl<B: Future, H> InSession<B, H> {
    pub(crate) fn new(stage: Option<Box<Stage>>, handler: Option<Handler<H, B::Output>>, body: B) -> Self {
        Self { stage, handler, body: Some(body) }
    }

    pub(crate) fn client(&self) -> Option<Client> {
        self.stage.as_ref().and_then(|stage| stage.client())
    }

    /// A body that is cancelled half-way is dropped where it ran: inside its session.
    #[inline(never)]
    fn drop_body(self: Pin<&mut Self>) {
        let mut this = self.project();
        if let (Some(Stage::Inside { scope, span }), true) = (this.stage.as_deref(), this.body.is_some()) {
            scope.clone().enter_to_drop(|| span.in_scope(|| this.body.set(None)));
        }
    }
}

impl<B: Future, H> Future for InSession<B, H> {
    type Output = B::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        if self.stage.is_some() {
            return self.poll_staged(cx);
        }
        match self.project().body.as_pin_mut() {
            Some(body) => body.poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<B: Future, H> InSession<B, H> {
    /// Apart, so that a call with nothing around it costs next to nothing.
    #[inline(never)]
    fn poll_staged(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        let mut this = self.project();
        let Some(stage) = this.stage else {
            return Poll::Pending;
        };
        if let Err(error) = ready!(stage.poll_inside(this.handler.is_some(), cx)) {
            if let Some(Handler { handler, call }) = this.handler.take() {
                this.body.set(None);
                return Poll::Ready(call(handler, error));
            }
        }
        stage.enter(|| {
            // A body that has ended is not polled again, as with any future.
            let Some(body) = this.body.as_mut().as_pin_mut() else {
                return Poll::Pending;
            };
            let output = ready!(body.poll(cx));
            this.body.set(None);
            Poll::Ready(output)
        })
    }
}
