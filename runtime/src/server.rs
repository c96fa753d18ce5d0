//! Talks to UASAM and Brain from a background thread.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use url::{Host, Url};

use crate::error::{Error, Kind, Result};
use crate::wire;

/// A thread with a runtime of its own, which ends when this is dropped.
///
/// The caller's runtime may lack timers or I/O, or have been shut down.
pub(crate) struct BackgroundRuntime {
    handle: Handle,
    _running: oneshot::Sender<()>,
}

impl BackgroundRuntime {
    pub(crate) fn start(name: &str) -> Result<Self> {
        let failed = |cause: std::io::Error| {
            let text = "the background thread cannot be started; check the limits on threads and open files";
            Error::with_source(Kind::Thread(text), cause)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (running, dropped) = oneshot::channel::<()>();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Returns an error when the sender is dropped, which is the signal to end.
                let _ = runtime.block_on(dropped);
            })
            .map_err(failed)?;
        Ok(Self { handle, _running: running })
    }

    /// Runs a future on the thread. The handle can be awaited on any runtime.
    #[expect(clippy::disallowed_methods, reason = "the only place that spawns: on the library's own thread")]
    pub(crate) fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }
}

/// Builds a client for one server.
///
/// It follows no redirects, because they could leak the agent key, and uses no proxy for a loopback
/// address.
pub(crate) fn plain_http(base: &Url, connect_timeout: Duration) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("otas-rust/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout);
    if is_loopback(base) {
        builder = builder.no_proxy();
    }
    build(builder)
}

/// Builds a client. A panic, as without a TLS provider, becomes an error.
pub(crate) fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    let kind = |remedy| Kind::config("HTTP client", "it cannot be built", remedy);
    match catch_unwind(AssertUnwindSafe(|| builder.build())) {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(cause)) => {
            let remedy = "check the TLS provider, the root certificates, and the function given to `http_client`";
            Err(Error::with_source(kind(remedy), cause))
        }
        Err(_) => {
            let remedy = "with the feature `rustls-no-provider`, install a TLS provider before the first session";
            Err(Error::new(kind(remedy)))
        }
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

/// Appends an endpoint's path to a base URL, which ends with a slash.
pub(crate) fn endpoint(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}{}", base.path(), path.trim_start_matches('/')));
    url
}

/// The response to one of the library's own requests.
pub(crate) struct ServerResponse {
    server: &'static str,
    status: u16,
    is_json: bool,
    body: Bytes,
}

impl ServerResponse {
    /// Decodes the JSON body of a `200`; any other status is a rejection.
    ///
    /// A response that is not JSON is never shown: the servers' error pages contain secrets.
    pub(crate) fn decode<T: DeserializeOwned>(&self, remedy: fn(u16) -> &'static str) -> Result<T> {
        if !self.is_json {
            return Err(self.unexpected("a page that is not JSON"));
        }
        if self.status == 200 {
            return wire::from_json(&self.body).ok_or_else(|| self.unexpected("JSON of an unexpected shape"));
        }
        Err(Error::new(Kind::Rejected {
            server: self.server,
            status: self.status,
            code: wire::error_code(&self.body),
            remedy: remedy(self.status),
        }))
    }

    /// The error for a response that is not what an OTAS server sends.
    pub(crate) fn unexpected(&self, what: &'static str) -> Error {
        Error::new(Kind::UnexpectedResponse { server: self.server, status: self.status, what })
    }
}

/// Sends a request and reads at most `max_body` bytes of its response.
///
/// Errors contain neither the URL nor the body.
pub(crate) async fn send(
    server: &'static str,
    request: reqwest::RequestBuilder,
    max_body: usize,
    timeout: Duration,
) -> Result<ServerResponse> {
    let failed = |cause: reqwest::Error| {
        let kind = if cause.is_timeout() && !cause.is_connect() {
            Kind::Timeout { server, after: timeout }
        } else {
            Kind::Unreachable { server }
        };
        Error::with_source(kind, cause.without_url())
    };
    let response = request.timeout(timeout).send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let unexpected = |what| Error::new(Kind::UnexpectedResponse { server, status, what });
    if response.status().is_redirection() {
        return Err(unexpected("a redirect, which is not followed because it could leak the agent key"));
    }
    let is_json = response
        .headers()
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"application/json"));
    let body = read_body(response, max_body).await.map_err(failed)?;
    let body = body.ok_or_else(|| unexpected("more bytes than any OTAS response has"))?;
    Ok(ServerResponse { server, status, is_json, body })
}

/// Reads a whole body; `None` if it is longer than `max` bytes.
pub(crate) async fn read_body(mut response: reqwest::Response, max: usize) -> reqwest::Result<Option<Bytes>> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// A handle that aborts its task when it is dropped, like the one of `tokio_util`.
pub(crate) struct AbortOnDropHandle<T>(JoinHandle<T>);

impl<T> AbortOnDropHandle<T> {
    pub(crate) fn new(task: JoinHandle<T>) -> Self {
        Self(task)
    }
}

impl<T> Future for AbortOnDropHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for AbortOnDropHandle<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
