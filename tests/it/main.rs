//! The library's promises, tested through its public API.

mod support;

// The attribute.
mod attribute;
mod attribute_cost;
mod attribute_lifecycle;
mod attribute_shapes;

// Sessions: opened, renewed, carried, disabled.
mod sessions;
mod renewal;
mod keys;
mod propagation;
mod forks;
mod runtimes;
mod disabled;
mod process;
mod config;

// Requests inside and outside the project domain.
mod domain;
mod redirects;
mod tower_layer;

// Events: captured, redacted, delivered, read back.
mod capture;
mod hooks;
mod secrets;
mod delivery;
mod audit;
mod spans;

// The local OTAS, and the workspace itself.
mod protocol;
mod layering;
mod packaging;
