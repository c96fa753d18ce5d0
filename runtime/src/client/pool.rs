//! One reqwest client for each runtime: it must not outlive the runtime that opened its connections.

use std::sync::{Arc, Mutex, MutexGuard};

use once_cell::sync::Lazy;
use reqwest::header::HeaderName;
use tokio::runtime::{Handle, Id};

use crate::client::Client;
use crate::config::Settings;
use crate::error::Result;
use crate::http::redirect;
use crate::sync::lock;

/// Some servers run one runtime for each core. Beyond it, the client that was used longest ago makes room.
const RUNTIMES: usize = 256;

/// What sends on one runtime.
pub(crate) struct Sender {
    pub(crate) client: reqwest::Client,
    /// Credentials that the client adds to every request by itself; see [`redirect::added_by`].
    pub(crate) adds: Vec<HeaderName>,
}

/// The senders of the runtimes that have sent something.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<(Option<Id>, Arc<Sender>)>>);

/// For requests where no valid configuration exists.
static PLAIN: Lazy<Pool> = Lazy::new(Pool::default);

impl Pool {
    /// Builds the sender of this runtime, so that a mistake is found now.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let pool = Self::default();
        if !settings.disabled {
            pool.lock().push((here(), Sender::new(crate::server::build(prepared(builder(settings)))?)));
        }
        Ok(pool)
    }

    fn get(&self, builder: impl FnOnce() -> reqwest::ClientBuilder) -> reqwest::Result<Arc<Sender>> {
        let here = here();
        if let Some(sender) = self.find(here) {
            return Ok(sender);
        }
        let sender = Sender::new(prepared(builder()).build()?);
        let mut senders = self.lock();
        if senders.len() == RUNTIMES {
            senders.remove(0);
        }
        senders.push((here, sender.clone()));
        Ok(sender)
    }

    /// The sender of a runtime, which becomes the one that was used last.
    fn find(&self, runtime: Option<Id>) -> Option<Arc<Sender>> {
        let mut senders = self.lock();
        let at = senders.iter().rposition(|(other, _)| *other == runtime)?;
        if at + 1 < senders.len() {
            let found = senders.remove(at);
            senders.push(found);
        }
        senders.last().map(|(_, sender)| sender.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Option<Id>, Arc<Sender>)>> {
        lock(&self.0)
    }
}

impl Sender {
    fn new(client: reqwest::Client) -> Arc<Self> {
        let adds = redirect::added_by(&client);
        Arc::new(Self { client, adds })
    }
}

/// The sender for this runtime and the settings of `client`.
pub(crate) fn sender(client: Option<&Client>) -> reqwest::Result<Arc<Sender>> {
    match client {
        Some(client) => client.pool().get(|| builder(client.settings())),
        None => PLAIN.get(reqwest::Client::builder),
    }
}

fn builder(settings: &Settings) -> reqwest::ClientBuilder {
    (settings.http_client)().default_headers(settings.default_headers.clone())
}

fn here() -> Option<Id> {
    Handle::try_current().ok().map(|handle| handle.id())
}

/// Redirects are ours: one that reqwest follows carries the token wherever it leads.
fn prepared(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder.redirect(redirect::policy())
}
