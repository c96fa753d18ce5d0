//! Emits warnings through `tracing`, and prints the first if no subscriber was ever installed.

use std::sync::atomic::{AtomicBool, Ordering};

static PRINTED: AtomicBool = AtomicBool::new(false);

/// Remembers whether something has already been warned about.
#[derive(Debug, Default)]
pub(crate) struct OnceFlag(AtomicBool);

impl OnceFlag {
    pub(crate) const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Whether this is the first call. Loads before swapping, because most calls are not the first.
    pub(crate) fn mark_once(&self) -> bool {
        !self.0.load(Ordering::Relaxed) && !self.0.swap(true, Ordering::Relaxed)
    }

    /// Starts over: the next call to [`mark_once`](Self::mark_once) is the first again.
    pub(crate) fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Emits a warning. `text` states what happened and what to do, and contains no secret.
pub(crate) fn emit(text: &str) {
    tracing::warn!(target: "otas", "{text}");
    if !tracing::dispatcher::has_been_set() && !PRINTED.swap(true, Ordering::Relaxed) {
        let hint = "further warnings are not printed; install a `tracing` subscriber to see them all";
        print(&format!("otas: {text} ({hint})\n"));
    }
}

/// Prints the only line that this library ever prints; without it, the failure would go unnoticed.
#[cfg(not(test))]
fn print(line: &str) {
    use std::io::Write;
    // Not `eprintln!`, which panics if stderr is closed.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// In unit tests the line becomes part of the test's output, which is shown if the test fails.
#[cfg(test)]
#[expect(clippy::print_stderr, reason = "the test harness captures it")]
fn print(line: &str) {
    eprint!("{line}");
}

/// Emits a warning on the first call with this flag.
pub(crate) fn once(flag: &OnceFlag, text: &str) {
    if flag.mark_once() {
        emit(text);
    }
}
