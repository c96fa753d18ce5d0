//! The endpoints: one function each, which returns the response of the real service to a request.

pub(crate) mod sessions;
pub(crate) mod events;
pub(crate) mod agents;
pub(crate) mod projects;
pub(crate) mod users;
mod event_row;
