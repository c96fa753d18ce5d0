//! What the library promises, shown from outside.

mod attribute;
mod attribute_lifecycle;
mod attribute_support;
