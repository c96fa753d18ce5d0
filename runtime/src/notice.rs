//! Warnings: through `tracing`, and the very first one to stderr where nobody has ever listened.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

static TOLD: AtomicBool = AtomicBool::new(false);

/// Warns. The text says what happened and what to do, and holds no secret.
pub(crate) fn warn(text: &str) {
    tracing::warn!(target: "otas", "{text}");
    if !tracing::dispatcher::has_been_set() && !TOLD.swap(true, Ordering::Relaxed) {
        // The only line that this library ever prints: otherwise nobody would know. Not `eprintln`, which panics where stderr is closed.
        let hint = "no further warning is printed: set up a `tracing` subscriber to see all";
        let _ = writeln!(std::io::stderr(), "otas: {text} ({hint})");
    }
}

/// Warns the first time that `said` is asked.
pub(crate) fn warn_once(said: &AtomicBool, text: &str) {
    if !said.load(Ordering::Relaxed) && !said.swap(true, Ordering::Relaxed) {
        warn(text);
    }
}
