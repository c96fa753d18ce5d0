//! What is current in a task: the session or client, the process-wide default, and ways to carry them elsewhere.

pub(crate) mod global;
pub(crate) mod propagate;
mod scope;
#[cfg(feature = "tower")]
pub mod tower;

pub(crate) use scope::Scope;

/// The body of an annotated function is about to run in `scope`.
pub(crate) fn on_enter(scope: &Scope) {
    #[cfg(feature = "tower")]
    tower::fill_slot(scope);
    #[cfg(not(feature = "tower"))]
    let _ = scope;
}
