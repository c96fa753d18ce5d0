//! OTAS sessions for Rust agents.

#[cfg(feature = "testing")]
pub mod testing;

mod error;
mod wire;

pub use error::{Error, Result};
