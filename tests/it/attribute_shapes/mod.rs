//! Every shape of function: each compiles under the attribute without warnings, and its body sees a
//! session.
#![deny(warnings)]
// These functions are odd on purpose, so clippy objects to many of them.
#![allow(clippy::all)]

mod arguments;
mod bodies;
mod boxed;
mod hygiene;
mod items;
mod meta;
mod receivers;
mod returns;
