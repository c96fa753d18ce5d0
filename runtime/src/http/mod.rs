//! The only place that sends the user's requests: within the project's domain with the session's token, outside without.
//!
//! The functions speak [`reqwest`]'s words, and give its responses and errors:
//!
//! ```
//! # async fn run() -> otas::reqwest::Result<()> {
//! let users: serde_json::Value = otas::http::get("https://api.example.com/users").query(&[("page", "2")]).await?.json().await?;
//! # let _ = users; Ok(()) }
//! ```
//!
//! * A request **within the project's domain** ([`ProjectDomain`](crate::ProjectDomain)) carries the session's token. Nobody else ever sees the token: redirects are followed
//!   here, hop by hop, and each hop gets the token or loses it as its own URL demands. Once a chain has been outside, only `GET` and
//!   `HEAD` get it again, so that a foreign server cannot trigger writes.
//! * A request **to anybody else** goes out untouched, and is told to Brain right after: one [`Event`](crate::event::Event) for each uninterrupted
//!   stretch outside, complete when the answer's body has been read, has failed, or is dropped. The body is not held up: a stream of
//!   events reaches you chunk by chunk.
//! * **Outside every session** a request goes out plainly; the first one is told in a warning. Tasks that you spawn do not inherit the
//!   session, and response bodies lose it: see [`SessionExt`](crate::SessionExt).
//!
//! Two things differ from reqwest's own redirects: no `Referer` is added, and a [`reqwest::redirect::Policy`] set on the builder is
//! replaced ([`ConfigBuilder::max_redirects`](crate::ConfigBuilder::max_redirects)).

mod capture;
mod client;
pub(crate) mod redirect;
mod request;
mod send;
mod spare;
mod tee;

use reqwest::{IntoUrl, Method};

pub use client::Client;
pub use request::RequestBuilder;

/// A client whose requests belong to the session that is current when they are sent, and use that session's client and domain.
pub fn client() -> Client {
    Client::ambient()
}

/// A request of the given method; see the [module](self).
pub fn request(method: Method, url: impl IntoUrl) -> RequestBuilder {
    client().request(method, url)
}

/// A `GET` request; see the [module](self).
pub fn get(url: impl IntoUrl) -> RequestBuilder {
    client().get(url)
}

/// A `POST` request; see the [module](self).
pub fn post(url: impl IntoUrl) -> RequestBuilder {
    client().post(url)
}

/// A `PUT` request; see the [module](self).
pub fn put(url: impl IntoUrl) -> RequestBuilder {
    client().put(url)
}

/// A `PATCH` request; see the [module](self).
pub fn patch(url: impl IntoUrl) -> RequestBuilder {
    client().patch(url)
}

/// A `DELETE` request; see the [module](self).
pub fn delete(url: impl IntoUrl) -> RequestBuilder {
    client().delete(url)
}

/// A `HEAD` request; see the [module](self).
pub fn head(url: impl IntoUrl) -> RequestBuilder {
    client().head(url)
}
