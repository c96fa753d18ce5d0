//! OTAS sessions for Rust agents.

#[cfg(feature = "testing")]
pub mod testing;

mod delivery;
mod error;
mod event;
mod redact;
mod wire;

pub use delivery::{Dropped, Left, Stats};
pub use error::{Error, Result};
pub use event::{Event, Message};
