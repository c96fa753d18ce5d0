//! What the library promises, shown from outside.

mod support;

mod domain;
mod redirects;
mod runtimes;
mod sessions;
