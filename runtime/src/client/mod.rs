//! The client: owns the configuration and the library's thread, and opens sessions.

mod breaker;
pub(crate) mod connection;
pub(crate) mod pool;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use self::connection::Connection;
use self::pool::Pool;
use crate::config::{Config, Settings};
use crate::context::Scope;
use crate::delivery::{Stats, Undelivered};
use crate::domain::ProjectDomain;
use crate::error::{Error, Kind, Result};
use crate::event::RawCall;
use crate::meta::Meta;
use crate::server::is_loopback;
use crate::session::Session;
use crate::session::open::Opening;
use crate::sync::lock;
use crate::warn::{self, OnceFlag};
use crate::world::World;

/// Opens sessions, and owns what they need: the configuration, the library's thread, the HTTP client of your requests.
///
/// A handle: cloning it is cheap, and every clone is the same client. Most programs never name it: the attribute uses the enclosing
/// session's client, that of [`Client::scope`], the one given to [`init`](crate::init), or else one that is built from the environment at
/// first use.
///
/// ```
/// # async fn run() -> otas::Result<()> {
/// let client = otas::Client::new(otas::Config::from_manifest("OtasAgentManifest.md")?)?;
/// let session = client.open(serde_json::json!({ "task_name": "summarize" })).await?;
/// println!("{}", session.id());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    settings: Arc<Settings>,
    /// UASAM and Brain: the agent key may go there, and calls to them are no events.
    servers: ProjectDomain,
    process: Mutex<Option<Arc<Connection>>>,
    pool: Pool,
    counts: Counts,
}

/// What happened to sessions, since the client was built.
#[derive(Debug, Default)]
struct Counts {
    opened: AtomicU64,
    without_session: AtomicU64,
    outside_sessions: AtomicU64,
    warned_outside: OnceFlag,
}

impl Client {
    /// A client for a configuration. No thread is started and nothing is sent before the first session.
    ///
    /// # Errors
    ///
    /// [`is_config`](Error::is_config): the HTTP client for your requests cannot be built (TLS).
    pub fn new(config: Config) -> Result<Self> {
        let client = Self::unannounced(config)?;
        client.warn_of_doubtful_settings();
        Ok(client)
    }

    /// The same without a warning, for who holds a lock: warnings run code of the user's.
    pub(crate) fn unannounced(config: Config) -> Result<Self> {
        let settings = config.0;
        let pool = Pool::new(&settings)?;
        let servers = ProjectDomain::below([&settings.uasam, &settings.brain]);
        Ok(Self(Arc::new(Inner { settings, servers, process: Mutex::new(None), pool, counts: Counts::default() })))
    }

    /// A client for what the environment says.
    ///
    /// # Errors
    ///
    /// As [`Config::from_env`] and [`Client::new`].
    pub fn from_env() -> Result<Self> {
        Self::new(Config::from_env()?)
    }

    /// Opens a session. `meta` is anything that serialises to a JSON object; it records the task's context. Values that OTAS could not
    /// store (infinite numbers, NUL characters) are stored as visible text.
    ///
    /// The request runs on the library's thread, so that any runtime will do; dropping the future ends it.
    ///
    /// # Errors
    ///
    /// * [`is_disabled`](Error::is_disabled): OTAS is switched off.
    /// * [`is_invalid_meta`](Error::is_invalid_meta): `meta` is no object, or over 1 MiB; nothing was sent.
    /// * [`is_unreachable`](Error::is_unreachable), [`is_timeout`](Error::is_timeout): no connection within 3 seconds, no answer within 10.
    /// * [`is_rejected`](Error::is_rejected): the agent key is wrong, revoked or expired.
    /// * [`is_unexpected_response`](Error::is_unexpected_response): something that is not OTAS answered.
    /// * [`is_backing_off`](Error::is_backing_off): opening failed several times in a row, and pauses (1 to 30 seconds).
    pub fn open(&self, meta: impl Serialize) -> impl Future<Output = Result<Session>> + Send {
        // Written down at once: the future holds nothing of the meta's type, and is `Send` whatever that is.
        let meta = if self.is_disabled() {
            Err(Error::new(Kind::Disabled))
        } else {
            Meta::from_serialize(&meta).into_object()
        };
        let client = self.clone();
        async move { client.start_open(meta?).await }
    }

    /// Runs a future in which this client is the default: for the attribute, and for [`http`](crate::http). An outer session is not
    /// current inside. Parallel tests keep apart by it.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        Scope::Client(self.clone()).hold(future).await
    }

    /// An HTTP client with this client's domain and settings. Requests belong to the current session, where this client opened it.
    pub fn http(&self) -> crate::http::Client {
        crate::http::Client::of(self.clone())
    }

    /// Waits until the events recorded so far are delivered or dropped, without pausing before
    /// retries. Works on any runtime.
    ///
    /// # Errors
    ///
    /// [`Undelivered`] if events are still pending after `timeout`.
    pub async fn flush(&self, timeout: Duration) -> Result<(), Undelivered> {
        match self.started() {
            Some(process) => process.delivery.flush(timeout).await,
            None => Ok(()),
        }
    }

    /// Stops recording, flushes, and drops the events that are still pending after `timeout`.
    ///
    /// Sessions can still be opened afterwards, and calls outside the project domain still go out;
    /// their events are counted as dropped.
    ///
    /// # Errors
    ///
    /// [`Undelivered`] if events were still pending after `timeout`.
    pub async fn shutdown(&self, timeout: Duration) -> Result<(), Undelivered> {
        if self.is_disabled() {
            return Ok(()); // starts no thread
        }
        // Even if nothing was recorded yet: later events must be dropped.
        match self.process() {
            Ok(process) => process.delivery.shutdown(timeout).await,
            Err(_) => Ok(()),
        }
    }

    /// What became of sessions and events so far, in this process.
    ///
    /// ```
    /// # fn show(client: otas::Client) {
    /// let stats = client.stats();
    /// assert_eq!(stats.recorded, stats.delivered + stats.dropped.total() + stats.pending);
    /// # }
    /// ```
    pub fn stats(&self) -> Stats {
        let events = self.started().map(|process| process.delivery.stats()).unwrap_or_default();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            sessions: count(&self.0.counts.opened),
            sessionless_calls: count(&self.0.counts.without_session),
            sessionless_requests: count(&self.0.counts.outside_sessions),
            ..events
        }
    }

    /// Whether OTAS is switched off (`OTAS_DISABLED`).
    #[inline]
    pub fn is_disabled(&self) -> bool {
        self.0.settings.disabled
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn servers(&self) -> &ProjectDomain {
        &self.0.servers
    }

    pub(crate) fn world(&self) -> &World {
        &self.0.settings.world
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// Whether both are handles of one client.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Starts to open a session on the library's thread.
    pub(crate) fn start_open(&self, meta: Map<String, Value>) -> Opening {
        Opening::start(self, meta)
    }

    /// What connects this process to the servers; started when first needed, and anew in a fork.
    pub(crate) fn process(&self) -> Result<Arc<Connection>> {
        self.process_of(self.world().process_id())
    }

    fn process_of(&self, id: u32) -> Result<Arc<Connection>> {
        let mut slot = lock(&self.0.process);
        if let Some(process) = slot.as_ref().filter(|process| process.id == id) {
            return Ok(process.clone());
        }
        let process = Arc::new(Connection::start(&self.0.settings, id)?);
        *slot = Some(process.clone());
        Ok(process)
    }

    /// The same, if this process has needed it yet.
    fn started(&self) -> Option<Arc<Connection>> {
        let slot = lock(&self.0.process);
        slot.clone().filter(|process| process.id == self.world().process_id())
    }

    /// Runs a future on the library's thread; `false` where that cannot be started, which opening sessions says.
    pub(crate) fn in_background(&self, future: impl Future<Output = ()> + Send + 'static) -> bool {
        self.process().map(|process| process.link.spawn(future)).is_ok()
    }

    /// The same, and waits for its end.
    pub(crate) async fn in_background_until(&self, future: impl Future<Output = ()> + Send + 'static) {
        if let Ok(process) = self.process() {
            let _ = process.link.spawn(future).await;
        }
    }

    /// The same, where the thread runs already.
    pub(crate) fn in_background_if_started(&self, future: impl Future<Output = ()> + Send + 'static) -> bool {
        self.started().map(|process| process.link.spawn(future)).is_some()
    }

    /// A session was opened: counted.
    pub(crate) fn opened(&self) {
        self.0.counts.opened.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes in a finished call of the process `id`, which is this one.
    pub(crate) fn record(&self, call: RawCall, id: u32) {
        if let Ok(process) = self.process_of(id) {
            process.delivery.record(call);
        }
    }

    /// A body runs without a session: counted, and said with its reason.
    pub(crate) fn went_without_session(&self, error: &Error) {
        self.0.counts.without_session.fetch_add(1, Ordering::Relaxed);
        // That the key is refused is said once, where it happens.
        if error.is_backing_off() || error.is_key_refusal() {
            tracing::debug!(target: "otas", %error, "a call runs without a session");
        } else {
            warn::emit(&format!("a call runs without a session: {}", error.with_causes()));
        }
    }

    /// A request went out outside every session: counted, and said once.
    pub(crate) fn sent_outside_sessions(&self) {
        self.0.counts.outside_sessions.fetch_add(1, Ordering::Relaxed);
        warn::once(
            &self.0.counts.warned_outside,
            "a request through otas::http was sent outside every session, so that nobody can tell what it belongs to; send it inside an \
             annotated function or Session::scope (a task that was spawned there does not inherit the session)",
        );
    }

    pub(crate) fn warn_of_doubtful_settings(&self) {
        let settings = &self.0.settings;
        if settings.disabled {
            return;
        }
        if settings.domain.is_empty() {
            warn::emit(
                "no project domain is set, so that no request gets the session's token; set OTAS_PROJECT_DOMAIN to your base URL",
            );
        }
        for (name, url) in [("UASAM", &settings.uasam), ("Brain", &settings.brain)] {
            if url.scheme() == "http" && !is_loopback(url) {
                warn::emit(&format!(
                    "the agent key travels to {name} in clear text over http; use https outside this machine"
                ));
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &Config(self.0.settings.clone())).finish_non_exhaustive()
    }
}
