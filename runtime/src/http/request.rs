//! Builds requests with reqwest's methods, to be sent by this library's client.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, IntoUrl, Method, Request, Response, Version};
use serde::Serialize;

use super::client::Client;

impl Client {
    /// Starts a request with the given method.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        let inner = self.sender().map(|sender| sender.client.request(method, url));
        RequestBuilder { client: self.clone(), inner }
    }

    /// Starts a `GET` request.
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// Starts a `POST` request.
    pub fn post(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// Starts a `PUT` request.
    pub fn put(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// Starts a `PATCH` request.
    pub fn patch(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::PATCH, url)
    }

    /// Starts a `DELETE` request.
    pub fn delete(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::DELETE, url)
    }

    /// Starts a `HEAD` request.
    pub fn head(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::HEAD, url)
    }
}

/// A request to be sent, with the methods of [`reqwest::RequestBuilder`].
///
/// A mistake, such as an invalid URL or header, is reported by [`send`](Self::send) and
/// [`build`](Self::build).
///
/// ```
/// # async fn run() -> otas::reqwest::Result<()> {
/// let response = otas::http::post("https://api.example.com/jobs")
///     .bearer_auth("secret")
///     .json(&serde_json::json!({ "kind": "report" }))
///     .send()
///     .await?;
/// # let _ = response; Ok(()) }
/// ```
#[must_use = "a request is sent by `send`, or by awaiting it"]
pub struct RequestBuilder {
    client: Client,
    inner: reqwest::Result<reqwest::RequestBuilder>,
}

impl RequestBuilder {
    /// Continues building `request`, which `client` then sends.
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

    /// Sets headers, replacing those with the same names.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.map(|inner| inner.headers(headers))
    }

    /// Sets HTTP basic authentication.
    pub fn basic_auth<U: fmt::Display, P: fmt::Display>(self, username: U, password: Option<P>) -> Self {
        self.map(|inner| inner.basic_auth(username, password))
    }

    /// Sets HTTP bearer authentication.
    pub fn bearer_auth<T: fmt::Display>(self, token: T) -> Self {
        self.map(|inner| inner.bearer_auth(token))
    }

    /// Sets the body.
    pub fn body<T: Into<Body>>(self, body: T) -> Self {
        self.map(|inner| inner.body(body))
    }

    /// Sets the total timeout, including redirects and the response body.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.map(|inner| inner.timeout(timeout))
    }

    /// Appends to the query string of the URL.
    pub fn query<T: Serialize + ?Sized>(self, query: &T) -> Self {
        self.map(|inner| inner.query(query))
    }

    /// Sets the HTTP version.
    pub fn version(self, version: Version) -> Self {
        self.map(|inner| inner.version(version))
    }

    /// Sets a URL-encoded form as the body.
    pub fn form<T: Serialize + ?Sized>(self, form: &T) -> Self {
        self.map(|inner| inner.form(form))
    }

    /// Sets a JSON body.
    pub fn json<T: Serialize + ?Sized>(self, json: &T) -> Self {
        self.map(|inner| inner.json(json))
    }

    /// Sets a multipart form as the body.
    #[cfg(feature = "multipart")]
    pub fn multipart(self, form: reqwest::multipart::Form) -> Self {
        self.map(|inner| inner.multipart(form))
    }

    /// Builds the request, for [`Client::execute`] or another client.
    ///
    /// # Errors
    ///
    /// The first mistake made while building the request.
    pub fn build(self) -> reqwest::Result<Request> {
        self.inner?.build()
    }

    /// Builds the request and returns it with the client.
    pub fn build_split(self) -> (Client, reqwest::Result<Request>) {
        (self.client, self.inner.and_then(reqwest::RequestBuilder::build))
    }

    /// Clones the request; `None` if its body is a stream or the request is invalid.
    pub fn try_clone(&self) -> Option<Self> {
        let inner = self.inner.as_ref().ok()?.try_clone()?;
        Some(Self { client: self.client.clone(), inner: Ok(inner) })
    }

    /// Sends the request; see [`Client::execute`].
    ///
    /// # Errors
    ///
    /// Those of reqwest: an invalid request, no connection, too many redirects, a timeout. OTAS
    /// adds none.
    pub fn send(self) -> impl Future<Output = reqwest::Result<Response>> + Send + use<> {
        self.into_future()
    }
}

impl IntoFuture for RequestBuilder {
    type Output = reqwest::Result<Response>;
    type IntoFuture = Pin<Box<dyn Future<Output = reqwest::Result<Response>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        match self.build_split() {
            (client, Ok(request)) => client.execute_boxed(request),
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
