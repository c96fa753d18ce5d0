//! OTAS sessions for Rust agents.

#[cfg(feature = "testing")]
pub mod testing;

mod client;
mod session;
mod error;
mod meta;
mod run;
#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod wire;

pub use client::{Client, Mode, flush, stand_in};
pub use error::{Error, Result};
pub use otas_macros::otas_session;
pub use session::{Session, SessionId};
