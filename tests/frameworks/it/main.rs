//! The attribute above and below the macros of other crates: the function must see its session, in
//! servers on a real request.

mod support;

mod actix;
mod async_traits;
mod axum;
mod mains;
mod poem;
mod rmcp;
mod rocket;
mod tracers;
