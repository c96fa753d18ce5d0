//! The task-local: which session or client is current, and how code enters a scope.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::futures::TaskLocalFuture;

use crate::client::Client;
use crate::session::Session;

tokio::task_local! {
    static CURRENT: Scope;
}

/// What is current in a task.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    /// A session, and with it its client.
    Session(Session),
    /// No session, because it could not be opened or none was requested. An outer session is
    /// masked; the client is remembered.
    Client(Client),
    /// Neither.
    Empty,
}

impl Session {
    /// Returns the session of the current task.
    ///
    /// Returns `None` outside every session, if the session could not be opened, or if OTAS is
    /// disabled.
    ///
    /// A session is current inside an annotated function, [`scope`](Self::scope) and
    /// [`in_scope`](Self::in_scope), across every `.await`, `join!`, `select!` and `timeout` in
    /// them. It is **not** current in tasks and threads they start (`tokio::spawn`,
    /// `spawn_blocking`, `std::thread`), nor in a response body that a server polls after the
    /// handler has returned. [`SessionExt`](crate::SessionExt) carries it there.
    ///
    /// If OTAS is disabled (`OTAS_DISABLED`), annotated functions run as if they had no attribute
    /// and do not evaluate their meta, requests go out without a token, [`Client::open`] fails with
    /// an error of its own kind ([`is_disabled`](crate::Error::is_disabled)), `flush` and
    /// `shutdown` return at once, and no thread is started.
    pub fn current() -> Option<Self> {
        match Scope::current() {
            Scope::Session(session) => Some(session),
            Scope::Client(_) | Scope::Empty => None,
        }
    }

    /// Runs a future with this session current.
    ///
    /// The future is also dropped inside the session.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        Scope::Session(self.clone()).wrap(future).await
    }

    /// Runs a closure with this session current.
    pub fn in_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        Scope::Session(self.clone()).enter(f)
    }
}

impl Client {
    /// Runs a future with this client as the default client.
    ///
    /// The attribute and [`http`](crate::http) use it inside. An outer session is not current
    /// there. This isolates tests that run in parallel.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        Scope::Client(self.clone()).wrap(future).await
    }
}

impl Scope {
    /// Runs `f` inside. The outer scope is restored when it returns or panics.
    pub(crate) fn enter<R>(self, f: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self, f)
    }

    /// [`enter`](Self::enter) for destructors. They also run while a thread ends, when its
    /// task-locals are gone; `f` then runs without a scope. Dropping one of tokio's futures is the
    /// only way into a scope that does not panic at that point.
    pub(crate) fn enter_to_drop(self, f: impl FnOnce()) {
        drop(CURRENT.scope(self, OnDrop(Some(f))));
    }

    /// Wraps a future so that it is polled and dropped inside. If the thread's locals are already
    /// gone, it is dropped outside.
    pub(crate) fn wrap<F: Future>(self, future: F) -> TaskLocalFuture<Self, F> {
        CURRENT.scope(self, future)
    }

    /// The scope of this task, if it is inside one.
    pub(crate) fn try_current() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// The scope of this task.
    pub(crate) fn current() -> Self {
        Self::try_current().unwrap_or(Self::Empty)
    }

    /// Whether this task is inside any scope.
    #[inline]
    pub(crate) fn is_set() -> bool {
        CURRENT.try_with(|_| ()).is_ok()
    }

    /// The client of this task's scope.
    pub(crate) fn client() -> Option<Client> {
        CURRENT
            .try_with(|scope| match scope {
                Self::Session(session) => Some(session.client().clone()),
                Self::Client(client) => Some(client.clone()),
                Self::Empty => None,
            })
            .ok()
            .flatten()
    }

    /// Whether both are the same session, or neither is a session.
    #[cfg(feature = "tower")]
    pub(crate) fn same_session(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Session(one), Self::Session(other)) => one.ptr_eq(other),
            (one, other) => !matches!(one, Self::Session(_)) && !matches!(other, Self::Session(_)),
        }
    }
}

/// Never polled: runs the function when it is dropped.
struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Future for OnDrop<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}
