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

// What an annotated call does: the expansion, its future, its meta.
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod run;
mod meta;

// Clients and sessions.
mod default;
mod client;
mod opening;
mod pause;
mod session;
mod scope;
mod renewal;
mod token;

// Where a session goes along.
mod propagate;
#[cfg(feature = "tower")]
pub mod tower;

// The user's requests.
pub mod http;
mod domain;

// What is told of them, and how it gets there.
mod event;
mod redact;
mod delivery;

// Reading it back.
pub mod audit;

// The servers: the threads and clients that talk to them, and their words.
mod process;
mod link;
mod wire;

// What all of it stands on.
mod config;
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, dead_code, reason = "public as `testing::World` alone"))]
mod world;
mod notice;
mod error;

// For the tests of others.
#[cfg(feature = "testing")]
pub mod testing;

pub use client::Client;
pub use config::{Config, ConfigBuilder};
pub use default::{Guard, flush, init, shutdown};
pub use delivery::{Dropped, Left, Stats};
pub use domain::Domain;
pub use error::{Error, Result};
pub use event::{Event, Message};
#[doc = include_str!("attribute.md")]
pub use otas_macros::otas_session;
pub use propagate::{SessionExt, WithSession, spawn, spawn_blocking};
pub use reqwest;
pub use session::Session;
pub use token::{SessionId, Token};
