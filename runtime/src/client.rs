//! The client: owns the configuration and the library's thread, and opens sessions.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::config::{Config, KeySource, Settings};
use crate::error::{Error, Kind, Result};
use crate::http::Pool;
use crate::link::{Answer, Link, endpoint, exchange, is_loopback, plain_http};
use crate::meta::Meta;
use crate::notice;
use crate::opening::Pause;
use crate::session::{Scope, Session};
use crate::token::Grant;
use crate::wire;
use crate::world::World;

const UASAM: &str = "UASAM";
/// How many sessions are being opened at a time; each costs the server a fifth of a second.
const OPENS_AT_A_TIME: usize = 8;
/// The real answer has some 400 bytes.
const ANSWER_LIMIT: usize = 64 * 1024;

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
    wires: Mutex<Option<Arc<Wires>>>,
    pause: Pause,
    turns: Semaphore,
    pool: Pool,
    counts: Counts,
}

/// What connects this process to the servers. A fork gets its own: it has no thread, and must not share connections.
struct Wires {
    process: u32,
    link: Link,
    uasam: reqwest::Client,
}

/// What happened to sessions, since the client was built.
#[derive(Debug, Default)]
struct Counts {
    opened: AtomicU64,
    without_session: AtomicU64,
    outside_sessions: AtomicU64,
    said_outside: AtomicBool,
}

impl Client {
    /// A client for a configuration. No thread is started and nothing is sent before the first session.
    ///
    /// # Errors
    ///
    /// [`is_config`](Error::is_config): the HTTP client for your requests cannot be built (TLS).
    pub fn new(config: Config) -> Result<Self> {
        let settings = config.0;
        let pool = Pool::new(&settings)?;
        let client = Self(Arc::new(Inner {
            settings,
            wires: Mutex::new(None),
            pause: Pause::default(),
            turns: Semaphore::new(OPENS_AT_A_TIME),
            pool,
            counts: Counts::default(),
        }));
        client.warn_of_doubtful_settings();
        Ok(client)
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
    /// * [`is_meta`](Error::is_meta): `meta` is no object, or over 1 MiB; nothing was sent.
    /// * [`is_unreachable`](Error::is_unreachable), [`is_timeout`](Error::is_timeout): no connection within 3 seconds, no answer within 10.
    /// * [`is_refused`](Error::is_refused): the agent key is wrong, revoked or expired.
    /// * [`is_answer`](Error::is_answer): something that is not OTAS answered.
    /// * [`is_paused`](Error::is_paused): opening failed several times in a row, and pauses (1 to 30 seconds).
    pub async fn open(&self, meta: impl Serialize) -> Result<Session> {
        if self.is_disabled() {
            return Err(Error::new(Kind::Disabled));
        }
        let meta = Meta::from_serialize(&meta).into_object()?;
        self.start_open(meta).await
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

    /// Whether OTAS is switched off (`OTAS_DISABLED`).
    pub fn is_disabled(&self) -> bool {
        self.0.settings.disabled
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
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
        let started = if self.is_disabled() {
            Err(Error::new(Kind::Disabled))
        } else {
            self.0.pause.turn(self.world().now()).map(drop).and_then(|()| self.wires())
        };
        Opening(match started {
            Ok(wires) => Started::Running(wires.link.spawn(self.clone().open_within_limits(wires.clone(), meta))),
            Err(error) => Started::Refused(Some(error)),
        })
    }

    /// Waits for a turn, opens, and tells the pause how it went; in all no longer than the open timeout.
    async fn open_within_limits(self, wires: Arc<Wires>, meta: Map<String, Value>) -> Result<Session> {
        let limit = self.0.settings.open_timeout;
        let late = |_| Error::new(Kind::Timeout { server: UASAM, after: limit });
        let deadline = tokio::time::Instant::now() + limit;
        let waited = tokio::time::timeout_at(deadline, self.0.turns.acquire()).await.map_err(late)?;
        let _place = waited.map_err(|_| Error::new(Kind::Thread("the library's thread has ended")))?;
        let turn = self.0.pause.turn(self.world().now())?;
        let opened = tokio::time::timeout_at(deadline, self.grant(&wires, &meta))
            .await
            .map_err(late)
            .and_then(|granted| granted);
        match &opened {
            Err(error) if error.is_failure_of_server() => turn.failed(self.world().now()),
            _ => turn.answered(),
        }
        let grant = opened?;
        self.0.counts.opened.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(target: "otas", { session.id = %grant.session_id }, "session opened");
        Ok(Session::new(self.clone(), meta, grant))
    }

    /// Asks UASAM for a token; once more where the key was refused and has changed at its source.
    async fn grant(&self, wires: &Wires, meta: &Map<String, Value>) -> Result<Grant> {
        let Some(key) = self.0.settings.key.clone() else {
            return Err(Error::config("no agent key is set; set OTAS_AGENT_KEY"));
        };
        let body = serde_json::to_vec(&wire::CreateSession { meta })
            .map_err(|cause| Error::with_source(Kind::Meta("the meta cannot be written as JSON".into()), cause))?;
        let first = self.create(wires, &key, body.clone()).await;
        let refused = matches!(&first, Err(error) if error.status() == Some(401));
        if refused && key.can_change() && reread(key.clone()).await {
            return self.create(wires, &key, body).await;
        }
        first
    }

    async fn create(&self, wires: &Wires, key: &KeySource, body: Vec<u8>) -> Result<Grant> {
        let settings = &self.0.settings;
        let request = wires
            .uasam
            .post(endpoint(&settings.uasam, wire::path::CREATE_SESSION))
            .header(wire::header::AGENT_KEY, key.current())
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body);
        read_grant(&exchange(UASAM, request, ANSWER_LIMIT, settings.open_timeout).await?)
    }

    fn wires(&self) -> Result<Arc<Wires>> {
        let process = self.world().process_id();
        let mut wires = self.0.wires.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wires) = wires.as_ref().filter(|wires| wires.process == process) {
            return Ok(wires.clone());
        }
        let settings = &self.0.settings;
        let uasam = plain_http(&settings.uasam, settings.connect_timeout, settings.open_timeout)?;
        let fresh = Arc::new(Wires { process, link: Link::start()?, uasam });
        *wires = Some(fresh.clone());
        Ok(fresh)
    }

    /// Runs a future on the library's thread; `false` where that cannot be started, which opening sessions says.
    pub(crate) fn in_background(&self, future: impl Future<Output = ()> + Send + 'static) -> bool {
        self.wires().map(|wires| wires.link.spawn(future)).is_ok()
    }

    /// A body runs without a session: counted, and said with its reason.
    pub(crate) fn went_without_session(&self, error: &Error) {
        self.0.counts.without_session.fetch_add(1, Ordering::Relaxed);
        if error.is_paused() {
            tracing::debug!(target: "otas", %error, "a call runs without a session");
        } else {
            notice::warn(&format!("a call runs without a session: {}", error.with_causes()));
        }
    }

    /// A request went out outside every session: counted, and said once.
    pub(crate) fn sent_outside_sessions(&self) {
        self.0.counts.outside_sessions.fetch_add(1, Ordering::Relaxed);
        notice::warn_once(
            &self.0.counts.said_outside,
            "a request through otas::http was sent outside every session, so that nobody can tell what it belongs to; send it inside an \
             annotated function or Session::scope (a task that was spawned there does not inherit the session)",
        );
    }

    fn warn_of_doubtful_settings(&self) {
        let settings = &self.0.settings;
        if settings.disabled {
            return;
        }
        if settings.domain.is_empty() {
            notice::warn(
                "no project domain is set, so that no request gets the session's token; set OTAS_PROJECT_DOMAIN to your base URL",
            );
        }
        for (name, url) in [("UASAM", &settings.uasam), ("Brain", &settings.brain)] {
            if url.scheme() == "http" && !is_loopback(url) {
                notice::warn(&format!(
                    "the agent key travels to {name} in clear text over http; use https outside this machine"
                ));
            }
        }
    }
}

async fn reread(key: KeySource) -> bool {
    tokio::task::spawn_blocking(move || key.reread()).await.unwrap_or(false)
}

/// What UASAM's answer to the opening of a session means.
fn read_grant(answer: &Answer) -> Result<Grant> {
    let status = answer.status;
    let other = |what| Error::new(Kind::Answer { server: UASAM, status, what });
    if !answer.is_json {
        return Err(other("a page that is not JSON"));
    }
    if status != 200 {
        let remedy = match status {
            401 => {
                "check the agent key: it is wrong, revoked or expired (a key lives 30 days); copy it anew from OTAS, or have it issued again"
            }
            500.. => "look into the log of UASAM",
            _ => "check that the URL names a UASAM of this protocol",
        };
        return Err(Error::new(Kind::Refused { server: UASAM, status, word: wire::status_word(&answer.body), remedy }));
    }
    let created: wire::SessionCreated =
        serde_json::from_slice(&answer.body).map_err(|_| other("JSON that holds no session"))?;
    Grant::read(&created.response.jwt_token).ok_or_else(|| other("a token that cannot be decoded"))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &Config(self.0.settings.clone())).finish_non_exhaustive()
    }
}

/// A session that is being opened. Dropping it ends the request.
pub(crate) struct Opening(Started);

enum Started {
    Running(JoinHandle<Result<Session>>),
    Refused(Option<Error>),
}

impl Future for Opening {
    type Output = Result<Session>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = || Error::new(Kind::Thread("the library's thread has ended while the session was being opened"));
        match &mut self.0 {
            Started::Running(task) => Pin::new(task).poll(cx).map(|joined| joined.unwrap_or_else(|_| Err(ended()))),
            Started::Refused(error) => Poll::Ready(Err(error.take().unwrap_or_else(ended))),
        }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Started::Running(task) = &self.0 {
            task.abort();
        }
    }
}

/// Flushes within the time that `main` may take for it.
pub(crate) const FLUSH_AT_EXIT: Duration = Duration::from_secs(5);
