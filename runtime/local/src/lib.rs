//! A local OTAS: UASAM and Brain in one process.
// The examples of the README need the crate `otas`, so the package `otas-tests` runs them.
#![cfg_attr(not(doctest), doc = "\n")]
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]

// What a test calls.
mod builder;
mod server;
mod control;
mod received;

// From a connection to the response.
mod listen;
mod inject;
mod router;
mod workers;

// The endpoints of UASAM and Brain.
mod views;

// What the two services remember, and who may ask.
mod auth;
mod state;
mod store;
mod fault;

// HTTP, Django, and the values that Python and PostgreSQL pass on.
mod django;
mod http;
mod jwt;
mod clock;
mod values;

pub use builder::Builder;
pub use control::Control;
pub use fault::Fault;
pub use received::{ReceivedEvent, ReceivedRequest, ReceivedSession, Service};
pub use server::Server;
