//! The session or client that is current in a task, the default client, and propagation.

pub(crate) mod global;
pub(crate) mod propagate;
mod scope;
#[cfg(feature = "tower")]
pub mod tower;

pub(crate) use scope::Scope;

/// Called when the body of an annotated function is about to run in `scope`.
pub(crate) fn on_enter(scope: &Scope) {
    #[cfg(feature = "tower")]
    tower::fill_slot(scope);
    #[cfg(not(feature = "tower"))]
    let _ = scope;
}
