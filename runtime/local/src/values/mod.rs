//! Reads, coerces, stores and writes values as JSON, Python and PostgreSQL do.
//!
//! `serde_json` alone would be shorter, but it cannot represent what the real servers accept or
//! reject in documented ways: NaN and infinities, lone surrogates, integers of any length, and the
//! order of keys.

pub(crate) mod json;
pub(crate) mod reader;
pub(crate) mod python;
pub(crate) mod postgres;
