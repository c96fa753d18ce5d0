//! Stand-in until the core lands: sessions and the scope of a task.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};

use crate::client::Client;

/// A session.
#[derive(Clone, Debug)]
pub struct Session(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) id: SessionId,
    pub(crate) meta: Map<String, Value>,
    pub(crate) client: Client,
}

/// Its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionId(String);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

static COUNT: AtomicU64 = AtomicU64::new(0);

impl Session {
    pub(crate) fn new(client: Client, meta: Map<String, Value>) -> Self {
        Self(Arc::new(Inner {
            id: SessionId(format!("s{}", COUNT.fetch_add(1, Ordering::Relaxed))),
            meta,
            client,
        }))
    }
    /// The id.
    pub fn id(&self) -> SessionId {
        self.0.id.clone()
    }
    /// The meta.
    pub fn meta(&self) -> &Map<String, Value> {
        &self.0.meta
    }
    /// The current one.
    pub fn current() -> Option<Session> {
        CURRENT
            .try_with(|scope| match scope {
                Scope::Session(session) => Some(session.clone()),
                _ => None,
            })
            .ok()
            .flatten()
    }
}

#[derive(Clone)]
pub(crate) enum Scope {
    Session(Session),
    Client(Client),
    Empty,
}

tokio::task_local! { static CURRENT: Scope }

impl Scope {
    pub(crate) fn enter<R>(self, f: impl FnOnce() -> R) -> R {
        CURRENT.sync_scope(self, f)
    }

    /// The future drops what it holds inside the scope, where the thread still has one.
    pub(crate) fn around<F: Future>(self, future: F) -> tokio::task::futures::TaskLocalFuture<Scope, F> {
        CURRENT.scope(self, future)
    }

    pub(crate) fn is_set() -> bool {
        CURRENT.try_with(|_| ()).is_ok()
    }

    pub(crate) fn client() -> Option<Client> {
        CURRENT
            .try_with(|scope| match scope {
                Scope::Session(session) => Some(session.0.client.clone()),
                Scope::Client(client) => Some(client.clone()),
                Scope::Empty => None,
            })
            .ok()
            .flatten()
    }
}
