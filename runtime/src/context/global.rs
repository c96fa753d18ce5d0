//! The default client of the process, and delivery of queued events before a program exits.

use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;

use super::scope::Scope;
use crate::backoff::Backoff;
use crate::client::Client;
use crate::config::Config;
use crate::delivery::Undelivered;
use crate::error::{Error, Result};
use crate::sync::lock;
use crate::warn;

static GLOBAL: OnceCell<Client> = OnceCell::new();
static LAST_FAILURE: Mutex<Option<Failure>> = Mutex::new(None);

/// How long a program waits for undelivered events before it exits.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Added to [`EXIT_TIMEOUT`], so that the library's thread can report that the time is up.
const EXIT_MARGIN: Duration = Duration::from_millis(500);
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(30) };

/// The last attempt to configure from the environment failed; retried after `until`.
struct Failure {
    error: Error,
    failures: u32,
    until: Instant,
}

/// The client of the enclosing scope, else that of the process.
pub(crate) fn ambient() -> Result<Client> {
    match Scope::client() {
        Some(client) => Ok(client),
        None => global(),
    }
}

/// Whether there is nothing to do at all: outside every scope, with a default client that is
/// disabled. Touches no reference count, so that an annotated call then costs next to nothing.
#[inline]
pub(crate) fn is_off() -> bool {
    GLOBAL.get().is_some_and(Client::is_disabled) && !Scope::is_set()
}

/// Makes `client` the default client of the process.
///
/// The default client is the one the attribute and [`http`](crate::http) use unless an enclosing
/// scope or an argument names another. Without `init`, it is built from the environment on first
/// use.
///
/// Dropping the returned guard delivers the events that are still queued, waiting for at most 5
/// seconds; keep it until the end of `main`. An annotated `main` does the same by itself.
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
/// [`is_config`](Error::is_config): there is a default client already, from an earlier `init` or
/// because a session or a request needed one.
pub fn init(client: Client) -> Result<FlushGuard> {
    GLOBAL.set(client.clone()).map_err(|_| {
        Error::config(
            "`otas::init`",
            "there is a default client already",
            "call it once, before the first session or request",
        )
    })?;
    Ok(FlushGuard { client })
}

/// Delivers queued events when it is dropped; returned by [`init`].
#[derive(Debug)]
#[must_use = "dropping it delivers queued events: bind it to a name, as in `let _guard = ..`"]
pub struct FlushGuard {
    client: Client,
}

impl Drop for FlushGuard {
    /// Blocks the current thread for about 5 seconds at most, as the program is about to exit.
    fn drop(&mut self) {
        let (sender, receiver) = mpsc::channel();
        let client = self.client.clone();
        let flush = async move {
            let _ = sender.send(client.flush(EXIT_TIMEOUT).await);
        };
        if let Some(connection) = self.client.connected() {
            connection.runtime.spawn(flush);
            // Without a report in time the thread is stuck, and nothing was delivered since.
            let stuck = |_| Undelivered::from_count(self.client.stats().pending);
            report(receiver.recv_timeout(EXIT_TIMEOUT + EXIT_MARGIN).unwrap_or_else(stuck));
        }
    }
}

/// Flushes the default client; see [`Client::flush`].
///
/// That is the client of the enclosing scope, or else that of the process. Returns `Ok` at once if
/// there is neither yet.
///
/// # Errors
///
/// Those of [`Client::flush`].
pub async fn flush(timeout: Duration) -> Result<(), Undelivered> {
    match existing() {
        Some(client) => client.flush(timeout).await,
        None => Ok(()),
    }
}

/// Shuts down the default client; see [`Client::shutdown`].
///
/// That is the client of the enclosing scope, or else that of the process. Returns `Ok` at once if
/// there is neither yet.
///
/// # Errors
///
/// Those of [`Client::shutdown`].
pub async fn shutdown(timeout: Duration) -> Result<(), Undelivered> {
    match existing() {
        Some(client) => client.shutdown(timeout).await,
        None => Ok(()),
    }
}

/// Called by an annotated `main` before it returns.
pub(crate) async fn flush_at_exit(client: Option<Client>) {
    if let Some(client) = client.or_else(existing) {
        report(client.flush(EXIT_TIMEOUT).await);
    }
}

fn report(flushed: Result<(), Undelivered>) {
    if let Err(undelivered) = flushed {
        let count = undelivered.count();
        let events = if count == 1 { "1 event was" } else { &format!("{count} events were") };
        warn::emit(&format!(
            "{events} not delivered before the program ended; call `otas::flush` with a longer timeout at its end"
        ));
    }
}

fn existing() -> Option<Client> {
    Scope::client().or_else(|| GLOBAL.get().cloned())
}

fn global() -> Result<Client> {
    if let Some(client) = GLOBAL.get() {
        return Ok(client.clone());
    }
    let mut last = lock(&LAST_FAILURE);
    if let Some(client) = GLOBAL.get() {
        return Ok(client.clone()); // another thread was faster
    }
    let now = Instant::now();
    if let Some(failure) = last.as_ref().filter(|failure| now < failure.until) {
        return Err(failure.error.clone());
    }
    let built = GLOBAL.get_or_try_init(|| Client::without_warnings(Config::from_env()?)).cloned();
    *last = built.as_ref().err().map(|error| {
        let failures = last.as_ref().map_or(0, |failure| failure.failures).saturating_add(1);
        Failure { error: error.clone(), failures, until: now + BACKOFF.delay(failures) }
    });
    drop(last); // a warning runs the subscriber's code, which may call this function again
    match &built {
        Ok(client) => client.warn_of_doubtful_settings(),
        Err(error) => warn::emit(&format!("no session is opened: {error:#}")),
    }
    built
}
