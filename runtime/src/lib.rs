//! Records what an AI agent does.
//!
//! Annotate an `async fn` with `#[otas_session]`: every call opens its own OTAS session, requests
//! to your own backend carry the session token, and all other requests are logged.
//!
//! ```
//! use otas::{http, otas_session, reqwest};
//!
//! #[otas_session(meta = { "task_name": "summarize", "documents": documents.len() })]
//! async fn summarize(documents: &[String]) -> reqwest::Result<String> {
//!     // Your own backend: the request carries the token.
//!     let jobs = http::post("https://api.example.com/jobs");
//!     jobs.json(&documents).await?.error_for_status()?;
//!
//!     // Any other host: no token, and the request is logged.
//!     http::get("https://llm.example.net/v1/summary").await?.text().await
//! }
//! ```
//!
//! # Overview
//!
//! * [`otas_session`]: the attribute, its arguments, and the functions it fits.
//! * [`http`]: use it in place of reqwest; the names and types are reqwest's.
//! * [`Session::current`], and how to take the session to spawned tasks, threads and response
//!   bodies: [`SessionExt`], [`spawn`], [`spawn_blocking`].
//! * [`Config`] and [`Client`]: configuration in code; [`init`] sets the default client.
//! * [`flush`], [`shutdown`] and [`Client::stats`]: nothing is lost silently.
//! * [`event`]: what is logged about a request, and [what is redacted](event::redaction).
//! * [`audit::Reader`]: reads sessions and their calls back.
//!
//! For tests, the crate `otas-local` runs a local OTAS inside the test process.
//!
//! # What it does not do
//!
//! * It sees the requests that go through [`http`], not those of other HTTP clients.
//! * It does not attach a session to the tasks you spawn, or to other processes. Attach it to a
//!   task with [`SessionExt`]; let another process open its own session and pass it the
//!   [`SessionId`], which is not a secret.
//! * It does not verify token signatures.
//! * It does not end sessions: OTAS has no such call.
//! * It does not load `.env` files, install a `tracing` subscriber, or write anything to disk. It
//!   prints at most one line: the first warning, if no `tracing` subscriber is installed.
//!
//! # Features
//!
//! | feature | default | effect |
//! | --- | --- | --- |
//! | `default-tls` | yes | reqwest's default TLS |
//! | `native-tls`, `rustls-no-provider` | no | reqwest's other TLS choices |
//! | `http2`, `charset`, `system-proxy` | yes | reqwest's features of the same names |
//! | `multipart` | no | [`RequestBuilder::multipart`](http/struct.RequestBuilder.html#method.multipart) sends a form |
//! | `tower` | no | [`tower::SessionLayer`](tower/struct.SessionLayer.html) keeps a session current while a response is sent |
//! | `test-util` | no | [`Clock`](struct.Clock.html), which tests can advance |

#![cfg_attr(docsrs, feature(doc_cfg))]

// What the expansion of the attribute calls.
#[doc(hidden)]
#[path = "attribute/mod.rs"]
pub mod __private;
mod meta;

// What users call inside an annotated function.
pub mod http;
mod context;

// Sessions, and the client that opens them.
mod session;
mod client;

// Recording calls in Brain, and reading them back.
mod delivery;
pub mod audit;
mod config;
pub mod event;
mod redact;

// What everything else builds on.
mod server;
mod wire;
mod domain;
mod token;
mod error;
mod backoff;
mod sync;
#[cfg_attr(not(feature = "test-util"), expect(unreachable_pub, dead_code, reason = "public only with `test-util`"))]
mod clock;
mod text;
mod warn;

pub use client::Client;
#[cfg(feature = "test-util")]
pub use clock::Clock;
pub use config::{Config, ConfigBuilder};
pub use context::global::{FlushGuard, flush, init, shutdown};
pub use context::propagate::{InSession, SessionExt, spawn, spawn_blocking};
#[cfg(feature = "tower")]
pub use context::tower;
pub use delivery::{Undelivered, stats};
pub use domain::ProjectDomain;
pub use error::{Error, Result};
#[doc = include_str!("attribute.md")]
pub use otas_macros::otas_session;
pub use reqwest;
pub use session::Session;
pub use token::{SessionId, Token};
