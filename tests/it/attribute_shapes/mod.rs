//! Every shape of function that people write: each compiles below the attribute without a warning, and its body sees a session.
#![deny(warnings)]

mod arguments;
mod bodies;
mod boxed;
mod hygiene;
mod items;
mod meta;
mod receivers;
mod returns;
