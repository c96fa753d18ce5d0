//! What the library promises, shown from outside.

mod attribute;
