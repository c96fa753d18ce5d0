//! One line on an `async fn` tells OTAS what an agent did: each call has a session of its own, every request within the operator's domain
//! carries its token, every other request is logged.
//!
//! ```
//! use otas::{http, otas_session};
//!
//! #[otas_session(meta = { "task_name": "summarize", "documents": documents.len() })]
//! async fn summarize(documents: &[String]) -> otas::reqwest::Result<String> {
//!     http::post("https://api.example.com/jobs").json(&documents).await?.error_for_status()?; // with the token
//!     http::get("https://llm.example.net/v1/summary").await?.text().await // logged
//! }
//! ```
//!
//! # The way through
//!
//! * [`otas_session`], the attribute: `meta`, `client`, `on_error`, and every shape of function that it fits.
//! * [`http`], in place of reqwest's functions and client; it speaks reqwest's words and types.
//! * [`Session::current`], and how to carry it to spawned tasks, threads and response bodies: [`SessionExt`], [`spawn`], [`spawn_blocking`].
//! * [`Config`] and [`Client`], where the environment is not enough; [`init`] makes a client the default.
//! * [`flush`], [`shutdown`] and [`Client::stats`]: nothing is lost in silence.
//! * [`audit::Reader`] reads sessions and their calls back.
//! * `testing::Server` (feature `testing`), a local OTAS for your tests.
//!
//! # What it does not do
//!
//! * It sees the requests that go through [`http`], not those of other clients.
//! * It does not hand a session to tasks that you spawn, or to another process: a spawned task needs a carrier, another process opens its own
//!   session (pass it the [`SessionId`], which is no secret).
//! * It does not verify a token's signature, and does not end sessions: OTAS has no such call.
//! * It loads no `.env` file, installs no `tracing` subscriber, writes nothing to disk, and prints one line at the most: its first warning,
//!   where no subscriber was ever set.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `default-tls`, `native-tls`, `rustls-no-provider` | the first | reqwest's choices of TLS |
//! | `http2`, `charset`, `system-proxy` | yes | reqwest's |
//! | `multipart` | no | [`http::RequestBuilder`] sends multipart forms |
//! | `tower` | no | `tower::SessionLayer`: a server layer that keeps a session while the response body is polled |
//! | `testing` | no | `testing`: a local OTAS in this process |

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

// From a finished call to Brain, and back.
mod delivery;
pub mod audit;
mod config;
pub mod event;
mod redact;

// The ground that everything stands on.
mod server;
mod wire;
mod domain;
mod token;
mod error;
mod backoff;
mod sync;
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, dead_code, reason = "public as `testing::World` alone"))]
mod world;
mod text;
mod warn;

#[cfg(feature = "testing")]
pub mod testing;

pub use client::Client;
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
