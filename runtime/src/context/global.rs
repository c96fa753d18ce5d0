//! The default client: of the task, else of the process; and how a program ends with nothing left behind.

use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;

use crate::client::Client;
use crate::config::Config;
use crate::context::Scope;
use crate::delivery::Undelivered;
use crate::error::{Error, Result};
use crate::sync::lock;
use crate::warn;

static PROCESS: OnceCell<Client> = OnceCell::new();
static LAST_FAILURE: Mutex<Option<Failure>> = Mutex::new(None);

/// How long the end of a program waits for what is not delivered yet.
const AT_EXIT: Duration = Duration::from_secs(5);
/// For the thread to say that the time is over.
const MARGIN: Duration = Duration::from_millis(500);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The environment gave no valid configuration; it is read again when the pause is over.
struct Failure {
    error: Error,
    pause: Duration,
    until: Instant,
}

/// The client of the enclosing scope, else that of the process.
pub(crate) fn ambient() -> Result<Client> {
    match Scope::client() {
        Some(client) => Ok(client),
        None => of_process(),
    }
}

/// Whether nothing is to be done at all: outside every scope, with a default client that is switched off. Known without touching a counter
/// of handles, so that an annotated call costs next to nothing then.
#[inline]
pub(crate) fn is_off() -> bool {
    PROCESS.get().is_some_and(Client::is_disabled) && !Scope::is_set()
}

/// Makes `client` the default of the process: for the attribute and [`http`](crate::http) wherever nothing else is said. Without it, a
/// client is built from the environment at first use.
///
/// The guard delivers what is still queued when it is dropped, waiting 5 seconds at most; keep it until the end of `main`. An annotated
/// `main` does the same by itself.
///
/// ```
/// # fn main() -> otas::Result<()> {
/// # let config = otas::Config::from_vars([("OTAS_DISABLED", "true")])?;
/// let _guard = otas::init(otas::Client::new(config)?)?;
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// [`is_config`](Error::is_config): there is a default client already, by an earlier `init`, or because a session or a request needed one.
pub fn init(client: Client) -> Result<FlushGuard> {
    PROCESS.set(client.clone()).map_err(|_| {
        Error::config("the default client is there already; call `otas::init` once, before the first session and the first request")
    })?;
    Ok(FlushGuard { client })
}

/// Delivers what is queued when it is dropped; see [`init`].
#[derive(Debug)]
#[must_use = "it delivers what is queued when it is dropped: bind it to a name, as in `let _guard = ..`"]
pub struct FlushGuard {
    client: Client,
}

impl Drop for FlushGuard {
    /// Blocks this thread, 5 seconds at most: the program is about to end.
    fn drop(&mut self) {
        let (tell, told) = mpsc::channel();
        let client = self.client.clone();
        let flush = async move {
            let _ = tell.send(client.flush(AT_EXIT).await);
        };
        if self.client.in_background_if_started(flush) {
            // No word in time: the thread is stuck, and nothing was delivered since.
            warn_of(
                told.recv_timeout(AT_EXIT + MARGIN)
                    .unwrap_or_else(|_| Undelivered::from_count(self.client.stats().pending)),
            );
        }
    }
}

/// [`Client::flush`] of the default client: that of the task, else that of the process; nothing is left where there is none yet.
pub async fn flush(timeout: Duration) -> Result<(), Undelivered> {
    match existing() {
        Some(client) => client.flush(timeout).await,
        None => Ok(()),
    }
}

/// [`Client::shutdown`] of the default client: that of the task, else that of the process; nothing is left where there is none yet.
pub async fn shutdown(timeout: Duration) -> Result<(), Undelivered> {
    match existing() {
        Some(client) => client.shutdown(timeout).await,
        None => Ok(()),
    }
}

/// What an annotated `main` does before it returns.
pub(crate) async fn flush_at_exit(client: Option<Client>) {
    if let Some(client) = client.or_else(existing) {
        warn_of(client.flush(AT_EXIT).await);
    }
}

fn warn_of(flushed: Result<(), Undelivered>) {
    if let Err(undelivered) = flushed {
        warn::emit(&format!("at program exit, {undelivered} by calling `otas::flush` first"));
    }
}

fn existing() -> Option<Client> {
    Scope::client().or_else(|| PROCESS.get().cloned())
}

fn of_process() -> Result<Client> {
    if let Some(client) = PROCESS.get() {
        return Ok(client.clone());
    }
    let mut last = lock(&LAST_FAILURE);
    if let Some(client) = PROCESS.get() {
        return Ok(client.clone()); // another thread was quicker
    }
    let now = Instant::now();
    if let Some(failure) = last.as_ref().filter(|failure| now < failure.until) {
        return Err(failure.error.clone());
    }
    let built = PROCESS.get_or_try_init(|| Client::unannounced(Config::from_env()?)).cloned();
    *last = built.as_ref().err().map(|error| {
        let pause = last.as_ref().map_or(FIRST_PAUSE, |failure| (failure.pause * 2).min(LONGEST_PAUSE));
        Failure { error: error.clone(), pause, until: now + pause }
    });
    drop(last); // warnings run the code of a subscriber, which may come back here
    match &built {
        Ok(client) => client.warn_of_doubtful_settings(),
        Err(error) => warn::emit(&format!("no session is opened: {}", error.with_causes())),
    }
    built
}
