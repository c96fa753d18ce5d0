//! The HTTP clients that send the user's requests: one per runtime, without reqwest's redirects.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, LazyLock, Mutex};

use reqwest::redirect::Policy;
use tokio::runtime::{Handle, Id};

use crate::config::Settings;
use crate::error::Result;
use crate::server;
use crate::sync::lock;

/// Some servers run one runtime per core. Beyond this many, the least recently used client is
/// evicted.
const MAX_RUNTIMES: usize = 256;

/// Sends the requests of one runtime.
pub(crate) struct Sender {
    pub(crate) client: reqwest::Client,
    /// It may add credentials to every request by itself.
    pub(crate) has_hidden_headers: bool,
}

/// One client per runtime: a client must not outlive the runtime that opened its connections.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Vec<(Option<Id>, Arc<Sender>)>>);

static PLAIN: LazyLock<Pool> = LazyLock::new(Pool::default);

impl Pool {
    /// Builds the client of the current runtime right away, so that a mistake surfaces now.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let pool = Self::default();
        if !settings.disabled {
            let client = server::build(without_redirects(builder(settings)))?;
            pool.insert(
                current_runtime(),
                Arc::new(Sender { client, has_hidden_headers: settings.has_hidden_headers }),
            );
        }
        Ok(pool)
    }

    /// The client of the current runtime.
    pub(super) fn get(&self, settings: &Settings) -> reqwest::Result<Arc<Sender>> {
        self.get_or_build(|| (builder(settings), settings.has_hidden_headers))
    }

    fn get_or_build(&self, builder: impl FnOnce() -> (reqwest::ClientBuilder, bool)) -> reqwest::Result<Arc<Sender>> {
        let runtime = current_runtime();
        if let Some(sender) = self.find(runtime) {
            return Ok(sender);
        }
        let (builder, has_hidden_headers) = builder();
        let sender = Arc::new(Sender { client: without_redirects(builder).build()?, has_hidden_headers });
        self.insert(runtime, sender.clone());
        Ok(sender)
    }

    fn insert(&self, runtime: Option<Id>, sender: Arc<Sender>) {
        let mut senders = lock(&self.0);
        if senders.len() == MAX_RUNTIMES {
            senders.remove(0);
        }
        senders.push((runtime, sender));
    }

    /// Finds the client of a runtime and makes it the most recently used.
    fn find(&self, runtime: Option<Id>) -> Option<Arc<Sender>> {
        let mut senders = lock(&self.0);
        let at = senders.iter().rposition(|(other, _)| *other == runtime)?;
        if at + 1 < senders.len() {
            let found = senders.remove(at);
            senders.push(found);
        }
        senders.last().map(|(_, sender)| sender.clone())
    }
}

/// The sender for requests made while no valid configuration exists.
pub(crate) fn plain_sender() -> reqwest::Result<Arc<Sender>> {
    PLAIN.get_or_build(|| (reqwest::Client::builder(), false))
}

fn builder(settings: &Settings) -> reqwest::ClientBuilder {
    settings.http_client.as_ref().map_or_else(reqwest::Client::builder, |builder| builder())
}

fn current_runtime() -> Option<Id> {
    Handle::try_current().ok().map(|handle| handle.id())
}

tokio::task_local! {
    /// Set while the last hop allowed is in flight.
    static LAST_HOP: ();
}

/// Sends the last hop allowed: another redirect is then reqwest's own "too many redirects" error,
/// which only reqwest can construct.
pub(crate) async fn last_hop<F: Future>(sent: F) -> F::Output {
    LAST_HOP.scope((), sent).await
}

/// This library follows redirects itself: reqwest would carry the token wherever one leads.
fn without_redirects(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder.redirect(Policy::custom(|attempt| {
        if LAST_HOP.try_with(|()| ()).is_ok() { attempt.error(TooManyRedirects) } else { attempt.stop() }
    }))
}

#[derive(Debug)]
struct TooManyRedirects;

impl fmt::Display for TooManyRedirects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many redirects")
    }
}

impl std::error::Error for TooManyRedirects {}
