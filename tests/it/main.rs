//! Integration tests.

mod protocol;
mod testing_client;
