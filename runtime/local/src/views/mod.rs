//! The endpoints: one function each, from a request to the response of the real service.

pub(crate) mod sessions;
pub(crate) mod events;
pub(crate) mod agents;
pub(crate) mod projects;
pub(crate) mod users;
mod event_row;
