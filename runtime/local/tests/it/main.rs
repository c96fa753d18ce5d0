//! The local OTAS from outside: its endpoints, its faults, and what it reports.

mod support;

mod responses;
mod setup;
mod faults;
mod server;
mod cost;
