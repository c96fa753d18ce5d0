//! What the library promises, shown from outside.

mod attribute;
mod attribute_lifecycle;
mod attribute_shapes;
mod attribute_support;
