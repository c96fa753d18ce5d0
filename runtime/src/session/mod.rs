//! Sessions: how one is opened, the handle that users hold, and how its token is renewed.

mod open;
mod renewal;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::Notify;

use crate::client::Client;
use crate::error::{Error, Kind, Result};
use crate::meta::Meta;
use crate::sync;
use crate::token::{Grant, SessionId, Token};
use crate::warn;
use open::{Granted, OpenFuture};
use renewal::{Due, Renewal};

/// The key in a renewed session's meta that holds the id of the session before it.
const PREVIOUS_SESSION_ID: &str = "otas.previous_session_id";

/// One run of an agent, as OTAS records it.
///
/// Clones are cheap and refer to the same session. The attribute opens one for each call. If the
/// attribute does not fit, open one yourself with [`Client::open`]:
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
/// A session belongs to the process that opened it. In a fork, [`token`](Self::token) fails, and
/// requests go out without a token. To involve a program that you start, pass it the session's id,
/// which is not a secret; the program opens its own session and refers to yours:
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
    meta: Arc<Map<String, Value>>,
    process_id: u32,
    renewal: RwLock<Renewal>,
    /// Held while a renewal is in flight: there is never more than one.
    renewal_lock: tokio::sync::Mutex<()>,
    /// Whether a background renewal is running.
    renewing: AtomicBool,
    /// Notified when a background renewal finishes, successful or not.
    renewal_finished: Notify,
    /// How many calls outside the domain have started.
    calls: AtomicU64,
}

impl Client {
    /// Opens a session.
    ///
    /// `meta` is anything that serializes to a JSON object; it records the context of the run.
    /// Values that OTAS cannot store (infinite numbers, NUL characters) become readable text.
    ///
    /// The request runs on the library's thread, so any runtime will do. Dropping the future
    /// cancels the request.
    ///
    /// # Errors
    ///
    /// * [`is_disabled`](Error::is_disabled): OTAS is disabled.
    /// * [`is_invalid_meta`](Error::is_invalid_meta): `meta` is not an object, or is over 1 MiB;
    ///   nothing was sent.
    /// * [`is_unreachable`](Error::is_unreachable): there was no connection within 3 seconds
    ///   ([`connect_timeout`](crate::ConfigBuilder::connect_timeout)), or it broke.
    /// * [`is_timeout`](Error::is_timeout): there was no response within 10 seconds
    ///   ([`open_timeout`](crate::ConfigBuilder::open_timeout)).
    /// * [`is_rejected`](Error::is_rejected): the agent key is wrong, revoked or expired.
    /// * [`is_unexpected_response`](Error::is_unexpected_response): the response is not one that an
    ///   OTAS server sends.
    /// * [`is_backing_off`](Error::is_backing_off): opening failed at least three times in a row,
    ///   and is not tried again for 1 to 30 seconds.
    pub fn open(&self, meta: impl Serialize) -> impl Future<Output = Result<Session>> + Send {
        // Serialized right away, so that the future does not hold the meta, and is `Send` whatever
        // the meta's type.
        let meta = if self.is_disabled() {
            Err(Error::new(Kind::Disabled))
        } else {
            Meta::from_serialize(&meta).into_object()
        };
        let client = self.clone();
        async move { Opening::start(client, meta?).await }
    }
}

/// A session that is being opened. Dropping it cancels the request.
pub(crate) struct Opening {
    client: Client,
    meta: Arc<Map<String, Value>>,
    request: OpenFuture,
}

impl Opening {
    pub(crate) fn start(client: Client, meta: Map<String, Value>) -> Self {
        let meta = Arc::new(meta);
        Self { request: OpenFuture::start(&client, meta.clone()), client, meta }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

impl Future for Opening {
    type Output = Result<Session>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let opened = Pin::new(&mut self.request).poll(cx);
        opened.map_ok(|granted| Session::new(self.client.clone(), self.meta.clone(), granted))
    }
}

impl Session {
    fn new(client: Client, meta: Arc<Map<String, Value>>, granted: Granted) -> Self {
        let Granted { grant, received, process_id } = granted;
        let renewal = Renewal::new(grant, client.settings().renew_before, received);
        Self(Arc::new(Inner {
            client,
            meta,
            process_id,
            renewal: RwLock::new(renewal),
            renewal_lock: tokio::sync::Mutex::new(()),
            renewing: AtomicBool::new(false),
            renewal_finished: Notify::new(),
            calls: AtomicU64::new(0),
        }))
    }

    #[cfg(feature = "tower")]
    pub(crate) fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns the session's id; after a [renewal](Self::renew), the newest one.
    pub fn id(&self) -> SessionId {
        self.grant().session_id()
    }

    /// Returns the id of the agent that the agent key belongs to.
    pub fn agent_id(&self) -> Arc<str> {
        self.grant().agent_id.clone()
    }

    /// Returns when the session token expires, by the server's clock.
    pub fn expires_at(&self) -> SystemTime {
        self.grant().expires_at
    }

    /// Returns the meta that the session was opened with.
    pub fn meta(&self) -> &Map<String, Value> {
        &self.0.meta
    }

    /// Returns the client that opened the session.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Returns the session token, for requests that do not go through [`http`](crate::http).
    ///
    /// Send it only within the project domain. Call this again before each request: once a renewal
    /// is due, it starts one, and returns the old token until the new one arrives.
    ///
    /// # Errors
    ///
    /// [`is_forked`](Error::is_forked): the session was opened by another process, of which this
    /// one is a fork.
    pub fn token(&self) -> Result<Token> {
        self.check_process()?;
        if self.due() != Due::No {
            self.renew_in_background();
        }
        Ok(self.grant().token())
    }

    /// Renews the session now, for instance at a task boundary.
    ///
    /// This opens a continuation: a new session with the same meta plus `otas.previous_session_id`.
    /// Every handle and every later request uses it; a request in flight keeps the token it started
    /// with. Without this call, a session is renewed before its token expires
    /// ([`renew_before`](crate::ConfigBuilder::renew_before)), and the old token serves until the
    /// new one arrives.
    ///
    /// If a renewal is already in flight, this waits for that one.
    ///
    /// # Errors
    ///
    /// * [`is_forked`](Error::is_forked): the session was opened by another process, of which this
    ///   one is a fork.
    /// * Those of [`Client::open`]; the session then continues with its old token.
    pub async fn renew(&self) -> Result<SessionId> {
        self.check_process()?;
        let generation = self.renewal(|renewal| renewal.generation);
        self.renew_once(generation).await?;
        Ok(self.id())
    }

    /// The newest grant.
    fn grant(&self) -> Arc<Grant> {
        self.renewal(|renewal| renewal.grant.clone())
    }

    /// Returns the grant that a new request should use. Starts a renewal before the token expires;
    /// once it has expired, waits for the new one for at most `max_wait`, and then falls back to
    /// the old one.
    pub(crate) async fn fresh_grant(&self, max_wait: Duration) -> Result<Arc<Grant>> {
        self.check_process()?;
        let now = self.0.client.clock().now();
        let (due, grant) = self.renewal(|renewal| (renewal.due(now), renewal.grant.clone()));
        match due {
            Due::No => return Ok(grant),
            Due::Soon => self.renew_in_background(),
            Due::Now => {
                let session = self.clone();
                if let Ok(connection) = self.0.client.connection() {
                    let _ = connection.runtime.spawn(session.wait_for_renewal(max_wait)).await;
                }
            }
        }
        Ok(self.grant())
    }

    /// Runs on the library's thread, which has a timer. The renewal outlives the wait.
    async fn wait_for_renewal(self, max_wait: Duration) {
        let mut finished = std::pin::pin!(self.0.renewal_finished.notified());
        finished.as_mut().enable();
        self.renew_in_background();
        let _ = tokio::time::timeout(max_wait, finished).await;
    }

    /// The sequence number, within the session, of a call that starts now.
    pub(crate) fn next_call(&self) -> u64 {
        self.0.calls.fetch_add(1, Ordering::Relaxed)
    }

    fn renewal<R>(&self, read: impl FnOnce(&Renewal) -> R) -> R {
        read(&sync::read(&self.0.renewal))
    }

    fn due(&self) -> Due {
        let now = self.0.client.clock().now();
        self.renewal(|renewal| renewal.due(now))
    }

    fn renew_in_background(&self) {
        if self.0.renewing.swap(true, Ordering::AcqRel) {
            return;
        }
        let renewing = Renewing(self.clone());
        // Without a thread, the guard is dropped here; opening a session reports why.
        if let Ok(connection) = self.0.client.connection() {
            connection.runtime.spawn(async move {
                let session = &renewing.0;
                let generation = session.renewal(|renewal| renewal.generation);
                if session.due() != Due::No {
                    let _ = session.renew_once(generation).await;
                }
            });
        }
    }

    /// Renews, unless a renewal has finished since `generation` was read: its outcome then counts
    /// for this one, too.
    async fn renew_once(&self, generation: u64) -> Result<()> {
        let _single_flight = self.0.renewal_lock.lock().await;
        let (current, last_error, previous) =
            self.renewal(|renewal| (renewal.generation, renewal.last_error.clone(), renewal.grant.session_id()));
        if current != generation {
            return last_error.map_or(Ok(()), Err);
        }
        let mut meta = Map::clone(&self.0.meta);
        meta.insert(PREVIOUS_SESSION_ID.to_owned(), Value::String(previous.to_string()));
        let client = &self.0.client;
        let opened = OpenFuture::start(client, Arc::new(meta)).await;
        let mut renewal = sync::write(&self.0.renewal);
        match opened {
            Ok(Granted { grant, received, .. }) => {
                renewal.succeed(grant, client.settings().renew_before, received);
                Ok(())
            }
            Err(error) => {
                // A rejected key is reported once, for all sessions.
                let warning = (renewal.last_error.is_none() && !error.is_key_rejected())
                    .then(|| format!("session {previous} could not be renewed yet: {error:#}"));
                renewal.fail(error.clone(), client.clock().now());
                drop(renewal);
                if let Some(warning) = warning {
                    warn::emit(&warning);
                }
                Err(error)
            }
        }
    }

    /// The id of this process, if it is the one that opened the session. Reading it is a system
    /// call.
    pub(crate) fn check_process(&self) -> Result<u32> {
        let id = self.0.client.clock().process_id();
        if self.0.process_id == id { Ok(id) } else { Err(Error::new(Kind::Forked)) }
    }
}

/// A renewal in the background. Dropping it allows the next one, whether it succeeded, failed,
/// panicked or never ran.
struct Renewing(Session);

impl Drop for Renewing {
    fn drop(&mut self) {
        self.0.0.renewing.store(false, Ordering::Release);
        self.0.0.renewal_finished.notify_waiters();
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
