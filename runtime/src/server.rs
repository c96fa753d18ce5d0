//! A thread of the library's own with its runtime, and the plain HTTP client that talks to UASAM and Brain.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::{Host, Url};

use crate::error::{Error, Kind, Result};

/// One thread with a runtime of its own, so that any runtime of the caller will do: without timers, without I/O, or dropped already.
/// Dropping the link ends the thread.
pub(crate) struct BackgroundRuntime {
    handle: Handle,
    _running: oneshot::Sender<()>,
}

impl BackgroundRuntime {
    /// Starts the thread.
    pub(crate) fn start(name: &str) -> Result<Self> {
        let failed = |cause: std::io::Error| {
            Error::with_source(
                Kind::Thread("the library's thread cannot be started; the system refuses threads or files"),
                cause,
            )
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (running, dropped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Ends with an error when the link is dropped: that is the signal.
                let _ = runtime.block_on(dropped);
            })
            .map_err(failed)?;
        Ok(Self { handle, _running: running })
    }

    /// Runs a future on the thread. The handle may be awaited anywhere.
    #[expect(clippy::disallowed_methods, reason = "the one door to tasks: they run on the library's thread")]
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }
}

/// A client for one server: it follows no redirect (the key must not travel), and asks no proxy for a loopback address.
pub(crate) fn plain_http(base: &Url, connect: Duration) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("otas-rust/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect);
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    build(builder)
}

/// Builds a client; what would panic inside (no TLS provider installed) is an error as well.
pub(crate) fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    let failed = "the HTTP client cannot be built; check the TLS set-up: a provider, and root certificates";
    match catch_unwind(AssertUnwindSafe(|| builder.build())) {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(cause)) => Err(Error::with_source(Kind::Config(failed.into()), cause)),
        Err(_) => Err(Error::config(format!(
            "{failed}; with the feature `rustls-no-provider`, install one before the first session"
        ))),
    }
}

/// Whether traffic to `url` stays on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The path of an endpoint below a base URL, which ends with a slash.
pub(crate) fn endpoint(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{}", base.path(), path.trim_start_matches('/')));
    url
}

/// An answer, read whole up to a bound.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) is_json: bool,
    pub(crate) body: Bytes,
}

/// Sends a request and reads its answer, of `most` bytes at the most. Errors never hold a URL or a body.
pub(crate) async fn exchange(
    server: &'static str,
    request: reqwest::RequestBuilder,
    most: usize,
    after: Duration,
) -> Result<Answer> {
    let failed = |cause: reqwest::Error| {
        let kind = if cause.is_timeout() { Kind::Timeout { server, after } } else { Kind::Unreachable { server } };
        Error::with_source(kind, cause.without_url())
    };
    let mut response = request.timeout(after).send().await.map_err(failed)?;
    let status = response.status().as_u16();
    if response.status().is_redirection() {
        let what = "a redirect, which is not followed because the agent key must not travel";
        return Err(Error::new(Kind::UnexpectedResponse { server, status, what }));
    }
    let is_json = response
        .headers()
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"application/json"));
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > most {
            return Err(Error::new(Kind::UnexpectedResponse {
                server,
                status,
                what: "more bytes than any OTAS answer has",
            }));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, is_json, body: body.freeze() })
}
