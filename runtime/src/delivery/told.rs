//! What a person is told about delivery: each reason once.

use std::sync::atomic::{AtomicU32, Ordering};

use super::stats::Reason;
use crate::warn;

/// Which reasons have been said.
#[derive(Debug, Default)]
pub(crate) struct Told {
    dropped: AtomicU32,
    retried: AtomicU32,
}

impl Told {
    /// Says why an event was dropped, the first time. A hook that drops one does what it is for, and is only counted.
    pub(crate) fn dropped(&self, reason: Reason) {
        let Some((what, remedy)) = dropped(reason) else { return };
        if first(&self.dropped, reason) {
            warn::emit(&format!("an event was dropped: {what}; {remedy} (said once; `stats` counts)"));
        }
    }

    /// Says why an event is tried again, the first time.
    pub(crate) fn retried(&self, why: Reason) {
        if first(&self.retried, why) {
            let what = retried(why);
            warn::emit(&format!("an event is sent again later: {what} (said once; `stats` counts)"));
        }
    }
}

fn first(said: &AtomicU32, reason: Reason) -> bool {
    let bit = 1 << reason as u32;
    // A read first: once said, nothing is written any more.
    said.load(Ordering::Relaxed) & bit == 0 && said.fetch_or(bit, Ordering::Relaxed) & bit == 0
}

/// What happened, and what to do about it.
fn dropped(reason: Reason) -> Option<(&'static str, &'static str)> {
    Some(match reason {
        Reason::ByHook => return None,
        Reason::QueueFull => ("the queue is full", "check that Brain runs and keeps up"),
        Reason::HookPanicked => ("the event hook panicked", "correct the hook"),
        Reason::Unusable => ("it could not be written down", "please report this"),
        Reason::Expired => ("Brain could not take it for 15 minutes", "check Brain's URL and that it runs"),
        Reason::Refused => ("Brain refused it", "check that Brain's URL names an OTAS server of the same version"),
        Reason::ServerError => ("Brain failed on it twice", "look into Brain's log"),
        Reason::Unanswered => ("Brain did not answer twice; it may be stored", "check that Brain keeps up"),
        Reason::TokenRefused => {
            ("Brain refused the session's token", "check that Brain and UASAM belong together, and their clocks")
        }
        Reason::KeyRefused => {
            ("Brain refused the agent key", "check that the key belongs to this Brain and was not replaced")
        }
        Reason::Shutdown => ("the client was shut down", "shut down after the last call, with a longer deadline"),
    })
}

fn retried(why: Reason) -> &'static str {
    match why {
        Reason::KeyRefused => "Brain refused the agent key, which it also does while UASAM cannot be reached",
        Reason::TokenRefused => {
            "Brain refused the session's token, which it also does to a very new one while its clock runs behind"
        }
        Reason::Unanswered => "Brain did not answer, or the connection broke",
        Reason::ServerError => "Brain failed on it",
        _ => "Brain cannot be reached, or is too busy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_a_hook_that_drops_on_purpose() {
        let told = Told::default();
        told.dropped(Reason::ByHook);
        assert_eq!(told.dropped.load(Ordering::Relaxed), 0);
        told.dropped(Reason::HookPanicked);
        assert_ne!(told.dropped.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn each_reason_is_said_once() {
        let said = AtomicU32::new(0);
        assert!(first(&said, Reason::Shutdown));
        assert!(!first(&said, Reason::Shutdown));
        assert!(first(&said, Reason::QueueFull));
    }
}
