//! What the library promises, shown from outside.

mod attribute;
mod protocol;
mod testing_answers;
mod testing_client;
mod testing_faults;
mod testing_server;
mod testing_setup;
