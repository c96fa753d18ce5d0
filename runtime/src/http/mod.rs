//! Sends your HTTP requests, with the names and types of reqwest.
//!
//! The functions take and return reqwest's types:
//!
//! ```
//! # async fn run() -> otas::reqwest::Result<()> {
//! let users = otas::http::get("https://api.example.com/users").query(&[("page", "2")]).await?;
//! let users: serde_json::Value = users.json().await?;
//! # let _ = users; Ok(()) }
//! ```
//!
//! * A request **within the project domain** ([`ProjectDomain`](crate::ProjectDomain)) carries the
//!   session token, and no other request does. Redirects are followed hop by hop, and each hop
//!   carries the token only if its own URL is within the domain. Once a chain has been outside,
//!   only `GET` and `HEAD` get the token again, so that a foreign server cannot trigger writes.
//! * A request **to any other host** goes out unmodified and is then logged to Brain: one
//!   [`Event`](crate::event::Event) per uninterrupted run of hops outside, complete once the
//!   response body has been read, has failed, or is dropped. The body is not held back: a stream of
//!   events reaches you chunk by chunk.
//! * **Outside every session**, a request goes out without a token and is not logged; the first one
//!   causes a warning. Spawned tasks do not inherit the session, and response bodies lose it: see
//!   [`SessionExt`](crate::SessionExt).
//!
//! Two things differ from reqwest's own redirects: no `Referer` is added, and a
//! [`reqwest::redirect::Policy`] set on the client builder is replaced
//! ([`ConfigBuilder::max_redirects`](crate::ConfigBuilder::max_redirects)).

mod capture;
mod client;
mod redirect;
mod request;
mod send;
mod tee;

use reqwest::{IntoUrl, Method};

pub use client::Client;
pub use request::RequestBuilder;

/// Returns an HTTP client for the session that is current when a request is sent.
///
/// The request uses that session's [`Client`](crate::Client) and project domain.
pub fn client() -> Client {
    Client::ambient()
}

/// Starts a request with the given method; see the [module](self).
pub fn request(method: Method, url: impl IntoUrl) -> RequestBuilder {
    client().request(method, url)
}

/// Starts a `GET` request; see the [module](self).
pub fn get(url: impl IntoUrl) -> RequestBuilder {
    client().get(url)
}

/// Starts a `POST` request; see the [module](self).
pub fn post(url: impl IntoUrl) -> RequestBuilder {
    client().post(url)
}

/// Starts a `PUT` request; see the [module](self).
pub fn put(url: impl IntoUrl) -> RequestBuilder {
    client().put(url)
}

/// Starts a `PATCH` request; see the [module](self).
pub fn patch(url: impl IntoUrl) -> RequestBuilder {
    client().patch(url)
}

/// Starts a `DELETE` request; see the [module](self).
pub fn delete(url: impl IntoUrl) -> RequestBuilder {
    client().delete(url)
}

/// Starts a `HEAD` request; see the [module](self).
pub fn head(url: impl IntoUrl) -> RequestBuilder {
    client().head(url)
}
