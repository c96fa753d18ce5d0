//! The request builder: reqwest's vocabulary, sent by this library.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Request, Response, Version};
use serde::Serialize;

use crate::http::client::Client;

/// A request to be sent; the methods are those of [`reqwest::RequestBuilder`]. A mistake (a URL that is none, a header that cannot be) comes
/// out of [`send`](Self::send) and [`build`](Self::build).
///
/// ```
/// # async fn run() -> otas::reqwest::Result<()> {
/// let answer = otas::http::post("https://api.example.com/jobs")
///     .bearer_auth("secret")
///     .json(&serde_json::json!({ "kind": "report" }))
///     .send()
///     .await?;
/// # let _ = answer; Ok(()) }
/// ```
#[must_use = "a request is sent by `send`, or by awaiting it"]
pub struct RequestBuilder {
    client: Client,
    inner: reqwest::Result<reqwest::RequestBuilder>,
}

impl RequestBuilder {
    pub(crate) fn new(client: Client, inner: reqwest::Result<reqwest::RequestBuilder>) -> Self {
        Self { client, inner }
    }

    /// A builder that goes on from a request; it is sent by `client`.
    pub fn from_parts(client: Client, request: Request) -> Self {
        let inner = client.sender().map(|sender| reqwest::RequestBuilder::from_parts(sender.client.clone(), request));
        Self { client, inner }
    }

    fn map(self, change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder) -> Self {
        Self { client: self.client, inner: self.inner.map(change) }
    }

    /// Adds a header.
    pub fn header<K, V>(self, key: K, value: V) -> Self
    where
        HeaderName: TryFrom<K>,
        <HeaderName as TryFrom<K>>::Error: Into<http::Error>,
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<http::Error>,
    {
        self.map(|inner| inner.header(key, value))
    }

    /// Sets headers, replacing those of the same names.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.map(|inner| inner.headers(headers))
    }

    /// HTTP basic authentication.
    pub fn basic_auth<U: fmt::Display, P: fmt::Display>(self, username: U, password: Option<P>) -> Self {
        self.map(|inner| inner.basic_auth(username, password))
    }

    /// HTTP bearer authentication.
    pub fn bearer_auth<T: fmt::Display>(self, token: T) -> Self {
        self.map(|inner| inner.bearer_auth(token))
    }

    /// Sets the body.
    pub fn body<T: Into<Body>>(self, body: T) -> Self {
        self.map(|inner| inner.body(body))
    }

    /// How long the request may take in all: every redirect, and until the answer's body has been read.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.map(|inner| inner.timeout(timeout))
    }

    /// Adds to the query of the URL.
    pub fn query<T: Serialize + ?Sized>(self, query: &T) -> Self {
        self.map(|inner| inner.query(query))
    }

    /// Sets the HTTP version.
    pub fn version(self, version: Version) -> Self {
        self.map(|inner| inner.version(version))
    }

    /// Sends a form, URL-encoded.
    pub fn form<T: Serialize + ?Sized>(self, form: &T) -> Self {
        self.map(|inner| inner.form(form))
    }

    /// Sends JSON.
    pub fn json<T: Serialize + ?Sized>(self, json: &T) -> Self {
        self.map(|inner| inner.json(json))
    }

    /// Sends a multipart form.
    #[cfg(feature = "multipart")]
    pub fn multipart(self, form: reqwest::multipart::Form) -> Self {
        self.map(|inner| inner.multipart(form))
    }

    /// The request itself, for [`Client::execute`] or another way to send.
    ///
    /// # Errors
    ///
    /// What was wrong while it was built.
    pub fn build(self) -> reqwest::Result<Request> {
        self.inner?.build()
    }

    /// The client and the request.
    pub fn build_split(self) -> (Client, reqwest::Result<Request>) {
        (self.client, self.inner.and_then(reqwest::RequestBuilder::build))
    }

    /// A copy; `None` where the body is a stream, or where the request is wrong already.
    pub fn try_clone(&self) -> Option<Self> {
        let inner = self.inner.as_ref().ok()?.try_clone()?;
        Some(Self { client: self.client.clone(), inner: Ok(inner) })
    }

    /// Sends the request; see [`Client::execute`].
    ///
    /// # Errors
    ///
    /// reqwest's own: a request that could not be built, no connection, too many redirects, a timeout. OTAS adds none.
    pub fn send(self) -> impl Future<Output = reqwest::Result<Response>> + Send + use<> {
        self.into_future()
    }
}

impl IntoFuture for RequestBuilder {
    type Output = reqwest::Result<Response>;
    type IntoFuture = Pin<Box<dyn Future<Output = reqwest::Result<Response>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        match self.build_split() {
            (client, Ok(request)) => client.boxed(request),
            (_, Err(error)) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // reqwest's own `Debug` prints the URL and header values, which may hold secrets.
        f.debug_struct("RequestBuilder")
            .field("client", &self.client)
            .field("ok", &self.inner.is_ok())
            .finish_non_exhaustive()
    }
}
