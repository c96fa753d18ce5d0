//! OTAS sessions for Rust agents.

mod default;
mod client;
mod session;
mod renewal;
mod token;
mod propagate;
pub mod http;
mod opening;
mod pause;
mod process;
mod link;
mod domain;
mod run;
mod meta;
mod delivery;
mod event;
mod redact;
mod wire;
mod config;
mod world;
mod notice;
mod error;
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
#[cfg(feature = "testing")]
pub mod testing;

pub use client::Client;
pub use config::{Config, ConfigBuilder};
pub use default::{Guard, flush, init, shutdown};
pub use delivery::{Dropped, Left, Stats};
pub use domain::Domain;
pub use error::{Error, Result};
pub use event::{Event, Message};
pub use otas_macros::otas_session;
pub use propagate::{SessionExt, WithSession, spawn, spawn_blocking};
pub use reqwest;
pub use session::Session;
pub use token::{SessionId, Token};
