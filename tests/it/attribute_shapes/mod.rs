//! Every shape of function that people write: each compiles below the attribute without a warning, and its body sees a session.
#![deny(warnings)]
// These functions are odd on purpose; what clippy says of them is compared with what it says of the plain ones elsewhere.
#![allow(clippy::all)]

mod arguments;
mod bodies;
mod boxed;
mod hygiene;
mod items;
mod meta;
mod receivers;
mod returns;
