//! A local OTAS for tests: UASAM and Brain on two loopback ports of this process, with faults to order.
//!
//! The servers answer as the real ones do, refusals and quirks included, but compare keys instead of hashing them, so that a
//! test with a thousand events takes no longer than its own work. They run on a thread of their own and therefore under every
//! runtime, and stop when the last [`Server`] is dropped.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use otas::testing::{Fault, Server};
//!
//! let otas = Server::start().await?;
//! otas.brain().fail_next(2, Fault::Status(503));
//!
//! let client = otas::Client::new(otas.config()?)?;
//! client.scope(async { /* run the agent under test */ }).await;
//!
//! for session in otas.sessions() {
//!     println!("{} {} {} events", session.id, session.meta, otas.events(&session.id).len());
//! }
//! # Ok(()) }
//! ```
//!
//! What differs from the real servers:
//!
//! * Nothing is kept on disk, and nothing costs them time: the real ones spend 0.18 s on each key.
//! * A fault that is ordered for UASAM does not reach Brain's own questions to it; that it is [down](Control::go_down) does.
//! * Only the endpoints that agents, auditors and a set-up need are there.
//! * Bodies in UTF-16 and UTF-32 are refused, digits beyond ASCII are none, and a debug page has less text.

mod server;
mod builder;
mod control;
mod faults;
mod records;

mod listen;
mod http;
mod script;
mod state;

mod django;
mod uasam;
mod users;
mod projects;
mod agents;
mod brain;

mod store;
mod columns;
mod postgres;
mod pglz;
mod json;
mod json_reader;
mod python;
mod jwt;
mod clock;

pub use builder::Builder;
pub use control::Control;
pub use faults::Fault;
pub use records::{ReceivedEvent, ReceivedRequest, Service, ReceivedSession};
pub use server::Server;

pub use crate::store::Store;
