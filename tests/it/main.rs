//! What the library promises, shown from outside.

mod support;

mod attribute;
mod attribute_cost;
mod attribute_lifecycle;
mod attribute_shapes;
mod audit;
mod capture;
mod config;
mod delivery;
mod domain;
mod layering;
mod packaging;
mod process;
mod keys;
mod propagate;
mod protocol;
mod redaction;
mod redirects;
mod renewal;
mod runtimes;
mod servers;
mod sessions;
mod spans;
mod tower_layer;
