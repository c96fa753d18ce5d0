//! The client: its configuration, connection to the servers, HTTP clients, and counters.

mod breaker;
mod connection;
mod pool;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::Clock;
use crate::config::{Config, Settings};
use crate::delivery::{Stats, Undelivered};
use crate::domain::ProjectDomain;
use crate::error::{Error, Result};
use crate::event::RawCall;
use crate::server::is_loopback;
use crate::sync::lock;
use crate::warn::{self, OnceFlag};

pub(crate) use connection::Connection;
pub(crate) use pool::{Pool, Sender, last_hop, plain_sender};

/// Opens sessions and owns what they need.
///
/// That is the configuration, the library's threads, and the HTTP client that your requests go
/// through. Clones are cheap and refer to the same client.
///
/// Most programs never name it. The attribute uses the enclosing session's client, or that of
/// [`Client::scope`], or the one passed to [`init`](crate::init), or else one built from the
/// environment on first use.
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
    /// UASAM and Brain: the agent key may be sent there, and requests to them are not logged.
    servers: ProjectDomain,
    connection: Mutex<Option<Arc<Connection>>>,
    pool: Pool,
    counters: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    sessions: AtomicU64,
    sessionless_calls: AtomicU64,
    sessionless_requests: AtomicU64,
    warned_sessionless_request: OnceFlag,
}

impl Client {
    /// Builds a client for a configuration.
    ///
    /// No thread starts and nothing is sent before the first session.
    ///
    /// # Errors
    ///
    /// [`is_config`](Error::is_config): the HTTP client for your requests cannot be built, for
    /// example because there is no TLS provider.
    pub fn new(config: Config) -> Result<Self> {
        let client = Self::without_warnings(config)?;
        client.warn_of_doubtful_settings();
        Ok(client)
    }

    /// [`new`](Self::new) for a caller that holds a lock: a warning runs the subscriber's code.
    pub(crate) fn without_warnings(config: Config) -> Result<Self> {
        let settings = config.0;
        let pool = Pool::new(&settings)?;
        let servers = ProjectDomain::below([&settings.uasam, &settings.brain]);
        let (connection, counters) = (Mutex::new(None), Counters::default());
        Ok(Self(Arc::new(Inner { settings, servers, connection, pool, counters })))
    }

    /// Builds a client configured by the environment.
    ///
    /// # Errors
    ///
    /// Those of [`Config::from_env`] and [`Client::new`].
    pub fn from_env() -> Result<Self> {
        Self::new(Config::from_env()?)
    }

    /// Waits until every event recorded so far is delivered or dropped.
    ///
    /// Waits for at most `timeout`. Retries that are only backing off happen at once; a pause that
    /// a server asked for is kept. Works on any runtime, because the timer runs on the library's
    /// thread.
    ///
    /// # Errors
    ///
    /// [`Undelivered`]: how many events were still pending when the timeout ended.
    pub async fn flush(&self, timeout: Duration) -> Result<(), Undelivered> {
        match self.connected() {
            Some(connection) => connection.delivery.flush(timeout).await,
            None => Ok(()),
        }
    }

    /// Stops accepting events, flushes for at most `timeout`, and drops what is left.
    ///
    /// Sessions can still be opened and requests still go out; the events of later calls are
    /// counted as dropped.
    ///
    /// # Errors
    ///
    /// [`Undelivered`]: how many events were dropped because the timeout ended.
    pub async fn shutdown(&self, timeout: Duration) -> Result<(), Undelivered> {
        if self.is_disabled() {
            return Ok(());
        }
        // Connects even if nothing was recorded yet, so that later events are dropped.
        match self.connection() {
            Ok(connection) => connection.delivery.shutdown(timeout).await,
            Err(_) => Ok(()),
        }
    }

    /// Returns the counts of sessions and events so far, in this process.
    ///
    /// ```
    /// # fn show(client: otas::Client) {
    /// let stats = client.stats();
    /// assert_eq!(stats.recorded, stats.delivered + stats.dropped.total() + stats.pending);
    /// # }
    /// ```
    pub fn stats(&self) -> Stats {
        let events = self.connected().map(|connection| connection.delivery.stats()).unwrap_or_default();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            sessions: count(&self.0.counters.sessions),
            sessionless_calls: count(&self.0.counters.sessionless_calls),
            sessionless_requests: count(&self.0.counters.sessionless_requests),
            ..events
        }
    }

    /// Returns true if OTAS is disabled (`OTAS_DISABLED`).
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

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.settings.clock
    }

    pub(crate) fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The HTTP client for requests from the current runtime.
    pub(crate) fn sender(&self) -> reqwest::Result<Arc<Sender>> {
        self.0.pool.get(&self.0.settings)
    }

    /// This process's connection to the servers, made on first use, and again in a fork.
    pub(crate) fn connection(&self) -> Result<Arc<Connection>> {
        self.connection_of(self.clock().process_id())
    }

    fn connection_of(&self, process_id: u32) -> Result<Arc<Connection>> {
        let mut slot = lock(&self.0.connection);
        if let Some(connection) = slot.as_ref().filter(|connection| connection.process_id == process_id) {
            return Ok(connection.clone());
        }
        let connection = Arc::new(Connection::start(&self.0.settings, process_id)?);
        *slot = Some(connection.clone());
        Ok(connection)
    }

    /// The connection, if this process has made one.
    pub(crate) fn connected(&self) -> Option<Arc<Connection>> {
        let slot = lock(&self.0.connection);
        slot.clone().filter(|connection| connection.process_id == self.clock().process_id())
    }

    /// Records a finished call of the process `process_id`, which must be this one.
    pub(crate) fn record(&self, call: RawCall, process_id: u32) {
        if let Ok(connection) = self.connection_of(process_id) {
            connection.delivery.record(call);
        }
    }

    pub(crate) fn count_session(&self) {
        self.0.counters.sessions.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that runs without a session, and warns with the reason.
    pub(crate) fn count_sessionless_call(&self, error: &Error) {
        self.0.counters.sessionless_calls.fetch_add(1, Ordering::Relaxed);
        // A rejected key is reported once, when it is rejected.
        if error.is_backing_off() || error.is_key_rejected() {
            tracing::debug!(target: "otas", %error, "a call runs without a session");
        } else {
            warn::emit(&format!("a call runs without a session: {error:#}"));
        }
    }

    /// Counts a request sent outside every session, and warns the first time.
    pub(crate) fn count_sessionless_request(&self) {
        self.0.counters.sessionless_requests.fetch_add(1, Ordering::Relaxed);
        warn::once(
            &self.0.counters.warned_sessionless_request,
            "a request through otas::http was sent outside every session, so it is not attributed to a run; send it inside an \
             annotated function or Session::scope (a spawned task does not inherit the session)",
        );
    }

    pub(crate) fn warn_of_doubtful_settings(&self) {
        let settings = &self.0.settings;
        if settings.disabled {
            return;
        }
        if settings.domain.is_empty() {
            warn::emit(
                "no project domain is set, so no request carries the session token; set OTAS_PROJECT_DOMAIN to your \
                 backend's base URL",
            );
        }
        for (name, url) in [("UASAM", &settings.uasam), ("Brain", &settings.brain)] {
            if url.scheme() == "http" && !is_loopback(url) {
                warn::emit(&format!(
                    "the agent key is sent to {name} in clear text over http; use https outside this machine"
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
