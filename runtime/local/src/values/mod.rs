//! Values on their way from JSON through Python to PostgreSQL, and what each does to them.
//!
//! `serde_json` cannot represent all that the real servers accept, or reject in ways of their own:
//! NaN and infinities, lone surrogates, integers of any length, and the order of keys.

pub(crate) mod json;
pub(crate) mod reader;
pub(crate) mod python;
pub(crate) mod postgres;
