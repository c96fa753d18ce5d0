//! What the library promises, shown from outside.

mod attribute;
mod protocol;
mod testing_client;
