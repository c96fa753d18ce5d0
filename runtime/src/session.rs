//! A session: its handle, and the task-local that says which one is current.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use serde_json::{Map, Value};

use crate::client::Client;
use crate::error::{Error, Kind, Result};
use crate::token::{Grant, SessionId, Token};

tokio::task_local! {
    static CURRENT: Scope;
}

/// What is current in a task.
#[derive(Clone)]
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

    /// Whether this task is inside any scope.
    pub(crate) fn is_set() -> bool {
        CURRENT.try_with(|_| ()).is_ok()
    }

    /// The scope of this task.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Self::clone).unwrap_or(Self::Empty)
    }

    /// The client of this task's scope.
    pub(crate) fn client() -> Option<Client> {
        CURRENT.try_with(|scope| match scope {
            Self::Session(session) => Some(session.client().clone()),
            Self::Client(client) => Some(client.clone()),
            Self::Empty => None,
        })
        .ok()
        .flatten()
    }

    /// Runs a future inside; it is dropped inside as well.
    pub(crate) async fn hold<F: Future>(self, future: F) -> F::Output {
        CURRENT.scope(self, future).await
    }
}

/// A session: one run of an agent, as OTAS records it. A handle: cloning it is cheap, and every clone is the same session.
///
/// The attribute opens one for each call. Where it does not fit, [`Client::open`] opens one by hand:
///
/// ```
/// # async fn run(client: otas::Client) -> otas::Result<()> {
/// let session = client.open(serde_json::json!({ "task_name": "nightly" })).await?;
/// session.scope(async { /* every request through otas::http belongs to the session */ }).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    client: Client,
    meta: Map<String, Value>,
    process: u32,
    grant: RwLock<Arc<Grant>>,
}

impl Session {
    pub(crate) fn new(client: Client, meta: Map<String, Value>, grant: Grant) -> Self {
        let process = client.world().process_id();
        Self(Arc::new(Inner { client, meta, process, grant: RwLock::new(Arc::new(grant)) }))
    }

    /// The session of this task; `None` outside every session, where it could not be opened, and where OTAS is switched off.
    ///
    /// A session is current inside the annotated function, [`scope`](Self::scope) and [`enter`](Self::enter), across every `.await`,
    /// `join!`, `select!` and `timeout` in them. It is **not** in tasks and threads that they start (`tokio::spawn`, `spawn_blocking`,
    /// `std::thread`), nor in a response body that a server polls after the handler has returned.
    pub fn current() -> Option<Self> {
        match Scope::current() {
            Scope::Session(session) => Some(session),
            Scope::Client(_) | Scope::Empty => None,
        }
    }

    /// The session's id.
    pub fn id(&self) -> SessionId {
        self.grant().session_id.clone()
    }

    /// The id of the agent that the agent key belongs to.
    pub fn agent_id(&self) -> Arc<str> {
        self.grant().agent_id.clone()
    }

    /// When the token expires, by the server's clock.
    pub fn expires_at(&self) -> SystemTime {
        self.grant().expires_at
    }

    /// The meta that the session was opened with.
    pub fn meta(&self) -> &Map<String, Value> {
        &self.0.meta
    }

    /// The client that opened the session.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// The session's token, to be sent within the project's domain by a client that this library does not know.
    ///
    /// # Errors
    ///
    /// [`is_forked`](Error::is_forked): the session was opened by another process, of which this one is a fork.
    pub fn token(&self) -> Result<Token> {
        self.check_process()?;
        Ok(self.grant().token.clone())
    }

    /// Runs a future in which this session is current. The future is also dropped inside.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        Scope::Session(self.clone()).hold(future).await
    }

    /// Runs synchronous code in which this session is current.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        Scope::Session(self.clone()).enter(f)
    }

    /// What the server granted last.
    pub(crate) fn grant(&self) -> Arc<Grant> {
        self.0.grant.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn check_process(&self) -> Result<()> {
        if self.0.process == self.0.client.world().process_id() { Ok(()) } else { Err(Error::new(Kind::Forked)) }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grant = self.grant();
        f.debug_struct("Session").field("id", &grant.session_id).field("agent_id", &grant.agent_id).finish_non_exhaustive()
    }
}
