//! What is current in a task: the task-local, and how it is entered.

pub(crate) mod global;
pub(crate) mod propagate;
#[cfg(feature = "tower")]
pub mod tower;

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
    /// A session, and by it its client.
    Session(Session),
    /// No session (it could not be opened, or none was asked for): an outer one is masked, the client is remembered.
    Client(Client),
    /// Neither.
    Empty,
}

impl Scope {
    /// Runs `f` inside; the outer scope is restored when it returns or panics.
    pub(crate) fn enter<R>(self, f: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self, f)
    }

    /// [`enter`](Self::enter) for destructors: they also run while a thread ends, when its task-locals are gone. Then `f` runs without a
    /// scope. Dropping a future of tokio's is the only way into a scope that does not panic then.
    pub(crate) fn enter_to_drop(self, f: impl FnOnce()) {
        drop(CURRENT.scope(self, OnDrop(Some(f))));
    }

    /// The scope of this task, where it is inside one.
    pub(crate) fn set() -> Option<Self> {
        CURRENT.try_with(Self::clone).ok()
    }

    /// Whether this task is inside any scope.
    #[inline]
    pub(crate) fn is_set() -> bool {
        CURRENT.try_with(|_| ()).is_ok()
    }

    /// Whether both are the same session, or both none.
    #[cfg(feature = "tower")]
    pub(crate) fn same_session(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Session(one), Self::Session(other)) => one.is(other),
            (one, other) => !matches!(one, Self::Session(_)) && !matches!(other, Self::Session(_)),
        }
    }

    /// The scope of this task.
    pub(crate) fn current() -> Self {
        Self::set().unwrap_or(Self::Empty)
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

    /// Runs a future inside; it is dropped inside as well, and where the thread has no locals any more, plainly.
    pub(crate) fn hold<F: Future>(self, future: F) -> TaskLocalFuture<Self, F> {
        CURRENT.scope(self, future)
    }
}

/// Never polled: it runs the function when it is dropped.
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
