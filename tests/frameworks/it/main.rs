//! The attribute together with the macros of other crates: one server of each, a real request, the session seen in the handler.

mod support;

mod actix;
mod async_traits;
mod axum;
mod mains;
mod poem;
mod rmcp;
mod rocket;
mod tracers;
