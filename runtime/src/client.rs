//! Stand-in until the core lands: opens sessions.

use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::error::{Error, Kind};
use crate::session::{Scope, Session};

/// Opens sessions.
#[derive(Clone, Debug)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    mode: Mode,
    seen: Mutex<Vec<Map<String, Value>>>,
}

/// What the stand-in does.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Mode {
    Opens,
    Fails,
    Disabled,
}

static AMBIENT: AtomicU8 = AtomicU8::new(0);

/// Sets the stand-in's mode.
pub fn stand_in(mode: u8) {
    AMBIENT.store(mode, Ordering::SeqCst);
}

static DEFAULT: [std::sync::OnceLock<Client>; 3] = [const { std::sync::OnceLock::new() }; 3];

impl Client {
    /// A stand-in.
    pub fn stand_in(mode: Mode) -> Self {
        Self(Arc::new(Inner {
            mode,
            seen: Mutex::default(),
        }))
    }
    /// What was opened.
    pub fn seen(&self) -> Vec<Map<String, Value>> {
        self.0.seen.lock().map(|seen| seen.clone()).unwrap_or_default()
    }
    /// Makes it the default inside.
    pub async fn scope<F: Future>(&self, future: F) -> F::Output {
        Scope::Client(self.clone()).around(future).await
    }
    pub(crate) fn ambient() -> Result<Client, Error> {
        if let Some(client) = Scope::client() {
            return Ok(client);
        }
        let mode = AMBIENT.load(Ordering::SeqCst);
        let modes = [Mode::Opens, Mode::Fails, Mode::Disabled];
        match modes.get(usize::from(mode)) {
            Some(mode) => Ok(DEFAULT[*mode as usize].get_or_init(|| Client::stand_in(*mode)).clone()),
            None => Err(Error::config("no agent key")),
        }
    }
    pub(crate) fn is_disabled(&self) -> bool {
        self.0.mode == Mode::Disabled
    }
    pub(crate) fn start_open(&self, meta: Map<String, Value>) -> Opening {
        if let Ok(mut seen) = self.0.seen.lock() {
            seen.push(meta.clone());
        }
        Opening(Some((self.clone(), meta)))
    }
    pub(crate) fn went_without_session(&self, error: &Error) {
        tracing::warn!(target: "otas", %error, "without");
    }
    /// Sends what is left.
    pub async fn flush(&self, _deadline: Duration) {}
}

pub(crate) fn warn_no_client(error: &Error) {
    tracing::warn!(target: "otas", %error, "no client");
}

/// Sends what is left.
pub async fn flush(_deadline: Duration) {}

pub(crate) struct Opening(Option<(Client, Map<String, Value>)>);

impl Future for Opening {
    type Output = Result<Session, Error>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some((client, meta)) = self.0.take() else {
            return Poll::Pending;
        };
        cx.waker().wake_by_ref();
        Poll::Ready(match client.0.mode {
            Mode::Fails => Err(Error::new(Kind::Unreachable { server: "UASAM" })),
            _ => Ok(Session::new(client, meta)),
        })
    }
}
