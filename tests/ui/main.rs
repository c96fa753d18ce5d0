//! The compiler messages users see for mistakes in the attribute.

mod compiler;
mod messages;
