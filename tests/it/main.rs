//! Integration tests.

mod attribute;
