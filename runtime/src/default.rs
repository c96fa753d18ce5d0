//! The default client: of the task, else of the process.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::notice;
use crate::session::Scope;

static PROCESS: OnceCell<Client> = OnceCell::new();
static LAST_FAILURE: Mutex<Option<Failure>> = Mutex::new(None);

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

/// Makes `client` the default of the process.
pub(crate) fn set(client: Client) -> Result<()> {
    PROCESS.set(client).map_err(|_| {
        Error::config("the default client is there already; call `otas::init` once, before the first session and the first request")
    })
}

/// The default client of the process, where there is one already.
pub(crate) fn existing() -> Option<&'static Client> {
    PROCESS.get()
}

fn of_process() -> Result<Client> {
    if let Some(client) = PROCESS.get() {
        return Ok(client.clone());
    }
    let mut last = LAST_FAILURE.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    if let Some(failure) = last.as_ref().filter(|failure| now < failure.until) {
        return Err(failure.error.clone());
    }
    let built = PROCESS.get_or_try_init(Client::from_env).cloned();
    *last = match &built {
        Ok(_) => None,
        Err(error) => {
            notice::warn(&format!("no session is opened: {}", error.with_causes()));
            let pause = last.as_ref().map_or(FIRST_PAUSE, |failure| (failure.pause * 2).min(LONGEST_PAUSE));
            Some(Failure { error: error.clone(), pause, until: now + pause })
        }
    };
    built
}
