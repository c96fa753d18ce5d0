//! The READMEs, compiled and run as documentation tests.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../runtime/local/README.md")]
struct LocalReadme;
