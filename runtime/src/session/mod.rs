//! A session: its handle, and the token that it stands for.

pub(crate) mod open;
mod renewal;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use tokio::sync::Notify;

use crate::client::Client;
use crate::context::Scope;
use crate::error::{Error, Kind, Result};
use crate::session::renewal::{Due, Renewal};
use crate::sync;
use crate::token::{Grant, SessionId, Token};
use crate::warn;

/// The key in the meta of a renewed session that names the one before.
const PREVIOUS: &str = "otas.previous_session_id";

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
///
/// # Other processes
///
/// A session belongs to the process that opened it. After a fork it refuses to give its token, and the helpers send without it. To let a
/// program that you start take part, pass it the session's id, which is no secret; it opens a session of its own and says where it belongs:
///
/// ```no_run
/// # async fn parent(session: otas::Session) -> std::io::Result<()> {
/// std::process::Command::new("worker").env("PARENT_SESSION", session.id().as_str()).spawn()?;
/// # Ok(()) }
/// // in the worker
/// #[otas::otas_session(meta = { "parent_session_id": std::env::var("PARENT_SESSION").ok() })]
/// async fn work() { /* .. */ }
/// ```
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    client: Client,
    meta: Map<String, Value>,
    process: u32,
    renewal: RwLock<Renewal>,
    /// One renewal at a time.
    one: tokio::sync::Mutex<()>,
    /// A renewal runs in the background.
    renewing: AtomicBool,
    /// It has ended, well or not.
    renewed: Notify,
    /// How many calls outside the domain have started.
    calls: AtomicU64,
}

impl Session {
    pub(crate) fn new(client: Client, meta: Map<String, Value>, grant: Grant) -> Self {
        let world = client.world();
        let (process, now) = (world.process_id(), world.now());
        let renewal = RwLock::new(Renewal::new(grant, client.settings().renew_before, now));
        let (one, renewing, renewed, calls) = Default::default();
        Self(Arc::new(Inner { client, meta, process, renewal, one, renewing, renewed, calls }))
    }

    /// Whether both are handles of one session.
    #[cfg(feature = "tower")]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The session of this task; `None` outside every session, where it could not be opened, and where OTAS is switched off.
    ///
    /// A session is current inside the annotated function, [`scope`](Self::scope) and [`enter`](Self::enter), across every `.await`,
    /// `join!`, `select!` and `timeout` in them. It is **not** in tasks and threads that they start (`tokio::spawn`, `spawn_blocking`,
    /// `std::thread`), nor in a response body that a server polls after the handler has returned: [`SessionExt`](crate::SessionExt) carries it
    /// there.
    ///
    /// Switched off (`OTAS_DISABLED`), it is always `None`: annotated functions run as if they were not, without evaluating their meta; the
    /// helpers of [`http`](crate::http) send plainly; carriers carry nothing; [`Client::open`] is an error of its own kind
    /// ([`is_disabled`](Error::is_disabled)); `flush` and `shutdown` return at once with nothing left; no thread is started.
    pub fn current() -> Option<Self> {
        match Scope::current() {
            Scope::Session(session) => Some(session),
            Scope::Client(_) | Scope::Empty => None,
        }
    }

    /// The session's id; of a session that was [renewed](Self::renew), the newest.
    pub fn id(&self) -> SessionId {
        self.grant().session_id()
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

    /// The session's token, to be sent within the project's domain by a client that this library does not know. Ask anew for each request: when
    /// the token is to be renewed, this starts it, and gives the old one meanwhile.
    ///
    /// # Errors
    ///
    /// [`is_forked`](Error::is_forked): the session was opened by another process, of which this one is a fork.
    pub fn token(&self) -> Result<Token> {
        self.check_process()?;
        if self.due() != Due::No {
            self.renew_in_background();
        }
        Ok(self.grant().token())
    }

    /// Opens a continuation now, as at the boundary of a task: a new session with the same meta and `otas.previous_session_id`. Every
    /// handle and every later request uses it; a request under way keeps the token that it took. By itself a session is renewed before its
    /// token expires ([`renew_before`](crate::ConfigBuilder::renew_before)), while the old token serves.
    ///
    /// Who calls this while a renewal is under way waits for that one.
    ///
    /// # Errors
    ///
    /// As [`Client::open`]; the session goes on with its old token. [`is_forked`](Error::is_forked): it belongs to another process.
    pub async fn renew(&self) -> Result<SessionId> {
        self.check_process()?;
        let ended = self.renewal(|renewal| renewal.ended);
        self.continuation(ended).await?;
        Ok(self.id())
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
        self.renewal(|renewal| renewal.grant.clone())
    }

    /// What a request is to use: renewed before it expires. Where it has expired already the new one is waited for, at most for `patience`;
    /// after that the old token is the best that there is.
    pub(crate) async fn grant_to_use(&self, patience: Duration) -> Result<Arc<Grant>> {
        self.check_process()?;
        let now = self.0.client.world().now();
        let (due, grant) = self.renewal(|renewal| (renewal.due(now), renewal.grant.clone()));
        match due {
            Due::No => return Ok(grant),
            Due::Soon => self.renew_in_background(),
            Due::Now => {
                let session = self.clone();
                let renewed =
                    self.0.client.in_background_until(async move { session.wait_for_renewal(patience).await });
                // In a box, as it is rare, and every request's future has to have room for it.
                Box::pin(renewed).await;
            }
        }
        Ok(self.grant())
    }

    /// Runs on the library's thread, which has a clock. The renewal goes on when nobody waits for it any more.
    async fn wait_for_renewal(self, patience: Duration) {
        let mut renewed = std::pin::pin!(self.0.renewed.notified());
        renewed.as_mut().enable();
        self.renew_in_background();
        let _ = tokio::time::timeout(patience, renewed).await;
    }

    /// The place of a call that starts now among those of the session.
    pub(crate) fn next_call(&self) -> u64 {
        self.0.calls.fetch_add(1, Ordering::Relaxed)
    }

    fn renewal<R>(&self, read: impl FnOnce(&Renewal) -> R) -> R {
        read(&sync::read(&self.0.renewal))
    }

    fn due(&self) -> Due {
        let now = self.0.client.world().now();
        self.renewal(|renewal| renewal.due(now))
    }

    fn renew_in_background(&self) {
        if self.0.renewing.swap(true, Ordering::AcqRel) {
            return;
        }
        let session = self.clone();
        let started = self.0.client.in_background(async move {
            let ended = session.renewal(|renewal| renewal.ended);
            if session.due() != Due::No {
                let _ = session.continuation(ended).await;
            }
            session.renewal_ended();
        });
        if !started {
            self.renewal_ended();
        }
    }

    fn renewal_ended(&self) {
        self.0.renewing.store(false, Ordering::Release);
        self.0.renewed.notify_waiters();
    }

    /// Renews, unless a renewal has ended since `ended` was read: then its outcome is this one's too.
    async fn continuation(&self, ended: u64) -> Result<()> {
        let _one = self.0.one.lock().await;
        let (now_ended, failed, previous) =
            self.renewal(|renewal| (renewal.ended, renewal.failed.clone(), renewal.grant.session_id()));
        if now_ended != ended {
            return failed.map_or(Ok(()), Err);
        }
        let mut meta = self.0.meta.clone();
        meta.insert(PREVIOUS.to_owned(), Value::String(previous.to_string()));
        let opened = self.0.client.start_open(meta).await;
        let client = &self.0.client;
        let mut renewal = sync::write(&self.0.renewal);
        match opened {
            Ok(next) => {
                renewal.succeeded(Grant::clone(&next.grant()), client.settings().renew_before, client.world().now());
                Ok(())
            }
            Err(error) => {
                // That the key is refused is said once, for all sessions.
                if renewal.failed.is_none() && !error.is_key_rejected() {
                    warn::emit(&format!("session {previous} could not be renewed yet: {error:#}"));
                }
                renewal.failed(error.clone(), client.world().now());
                Err(error)
            }
        }
    }

    /// The process that opened the session, where it is this one. Asking for it is a system call.
    pub(crate) fn check_process(&self) -> Result<u32> {
        let id = self.0.client.world().process_id();
        if self.0.process == id { Ok(id) } else { Err(Error::new(Kind::Forked)) }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grant = self.grant();
        f.debug_struct("Session")
            .field("id", &grant.session_id())
            .field("agent_id", &grant.agent_id)
            .finish_non_exhaustive()
    }
}
