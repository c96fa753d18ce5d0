//! Compiles and runs the examples of every README as documentation tests.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../runtime/README.md")]
struct RuntimeReadme;

#[cfg(doctest)]
#[doc = include_str!("../runtime/local/README.md")]
struct LocalReadme;

#[cfg(doctest)]
#[doc = include_str!("../macros/README.md")]
struct MacrosReadme;
