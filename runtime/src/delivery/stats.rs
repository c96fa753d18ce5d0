//! Counts events by outcome, and warns once for each reason to lose one.
//!
//! Read the counts with [`Client::stats`](crate::Client::stats), for example to export them as
//! metrics:
//!
//! ```
//! # fn main() -> otas::Result<()> {
//! # let config = otas::Config::from_vars([("OTAS_DISABLED", "true")])?;
//! let client = otas::Client::new(config)?;
//!
//! let stats = client.stats();
//! println!("{} events delivered, {} pending", stats.delivered, stats.pending);
//! for (reason, count) in stats.dropped.iter().filter(|(_, count)| *count > 0) {
//!     println!("{count} events dropped: {reason}");
//! }
//! # Ok(()) }
//! ```

use std::fmt;

use crate::warn::{self, OnceFlag};

/// A snapshot of a client's counters.
///
/// Every snapshot is consistent: `recorded` is the sum of `delivered`, `dropped` and `pending`. Its
/// `Display` form is one line for a log.
///
/// ```
/// let stats = otas::stats::Stats::default();
/// assert_eq!(stats.recorded, stats.delivered + stats.dropped.total() + stats.pending);
/// assert_eq!(stats.to_string(), "0 recorded, 0 delivered, 0 dropped, 0 pending");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Finished calls that left the project domain within a session.
    pub recorded: u64,
    /// Events that Brain has confirmed.
    pub delivered: u64,
    /// Events that were dropped, by reason.
    pub dropped: Dropped,
    /// Retries. One event may be retried several times.
    pub retried: u64,
    /// Events that are queued or being sent.
    pub pending: u64,
    /// The approximate memory that pending events occupy, in bytes.
    pub bytes: u64,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Annotated calls that ran without a session because none could be opened.
    pub sessionless_calls: u64,
    /// Requests sent through [`http`](crate::http) outside any session.
    pub sessionless_requests: u64,
}

/// Generates the public counters, their names and the warnings from one list of reasons. A reason
/// without a text is counted silently.
macro_rules! drop_reasons {
    ($(
        $(#[$doc:meta])*
        $reason:ident => $field:ident {
            name: $name:literal,
            $(dropped: $dropped:literal,)?
            $(retried: $retried:literal,)?
        }
    )*) => {
        /// The number of dropped events, by reason.
        ///
        /// ```
        /// let dropped = otas::stats::Dropped::default();
        /// assert_eq!(dropped.total(), 0);
        /// assert!(dropped.iter().any(|(reason, count)| reason == "queue overflow" && count == 0));
        /// ```
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Dropped {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Dropped {
            /// Returns each reason's name and count.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$(($name, self.$field)),*].into_iter()
            }

            pub(crate) fn count(&mut self, reason: Reason) {
                match reason {
                    $(Reason::$reason => self.$field += 1,)*
                }
            }
        }

        /// Why an event was dropped, or failed for now.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Reason {
            $($reason,)*
        }

        impl Reason {
            const COUNT: usize = [$($name),*].len();

            /// The warning for a dropped event: the cause and the remedy.
            fn dropped(self) -> Option<&'static str> {
                match self {
                    $(Self::$reason => None$(.or(Some($dropped)))?,)*
                }
            }

            /// The warning for an event that will be sent again.
            fn retried(self) -> Option<&'static str> {
                match self {
                    $(Self::$reason => None$(.or(Some($retried)))?,)*
                }
            }
        }
    };
}

drop_reasons! {
    /// The queue was full (1,024 events or 8 MiB).
    QueueOverflow => queue_overflow {
        name: "queue overflow",
        dropped: "the queue is full; check that Brain is running and keeps up",
    }
    /// The event hook returned `None`.
    ByHook => by_hook {
        name: "by hook",
    }
    /// The event hook panicked.
    HookPanicked => hook_panicked {
        name: "hook panicked",
        dropped: "the event hook panicked; fix the hook",
    }
    /// The event could not be encoded, which is a bug in this library.
    InternalError => internal_error {
        name: "internal error",
        dropped: "it could not be encoded; please report this bug",
    }
    /// Brain was unreachable or overloaded until the event was 15 minutes old.
    Expired => expired {
        name: "expired",
        dropped: "Brain did not accept it for 15 minutes; check Brain's URL and that it is running",
        retried: "Brain is unreachable or overloaded",
    }
    /// Brain rejected the event itself.
    ///
    /// It responded with a 400, a 403, a redirect, or anything else that a retry would not change.
    Rejected => rejected {
        name: "rejected",
        dropped: "Brain rejected it; check that Brain's URL points to an OTAS server of the same version",
    }
    /// Brain failed on the event twice, with a 500 or similar.
    ServerError => server_error {
        name: "server error",
        dropped: "Brain failed on it twice; check Brain's log",
        retried: "Brain failed on it",
    }
    /// Brain twice did not respond to the event, which it may have stored.
    NoResponse => no_response {
        name: "no response",
        dropped: "Brain did not respond in two attempts, but may have stored it; check that Brain keeps up",
        retried: "Brain did not respond, or the connection broke",
    }
    /// Brain rejected the session token twice.
    TokenRejected => token_rejected {
        name: "token rejected",
        dropped: "Brain rejected the session token; check that Brain and UASAM belong together and that \
                  their clocks agree",
        retried: "Brain rejected the session token, as it does with a new one while its clock is behind",
    }
    /// Brain rejected the agent key.
    KeyRejected => key_rejected {
        name: "key rejected",
        dropped: "Brain rejected the agent key; check that the key belongs to this Brain and was not replaced",
        retried: "Brain rejected the agent key, as it also does while it cannot reach UASAM",
    }
    /// The event was recorded after the shutdown, or still pending at its timeout.
    Shutdown => shutdown {
        name: "shutdown",
        dropped: "the client was shut down; shut it down after the last call, or allow a longer timeout",
    }
}

impl Dropped {
    /// Returns the number of dropped events, for all reasons together.
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} recorded, {} delivered, {} dropped", self.recorded, self.delivered, self.dropped.total())?;
        let mut separator = " (";
        for (reason, count) in self.dropped.iter().filter(|(_, count)| *count > 0) {
            write!(f, "{separator}{reason} {count}")?;
            separator = ", ";
        }
        if self.dropped.total() > 0 {
            f.write_str(")")?;
        }
        write!(f, ", {} pending", self.pending)
    }
}

/// Warns once per reason, separately for dropped and for retried events.
#[derive(Debug, Default)]
pub(crate) struct DropWarnings {
    dropped: [OnceFlag; Reason::COUNT],
    retried: [OnceFlag; Reason::COUNT],
}

impl DropWarnings {
    pub(crate) fn dropped(&self, reason: Reason) {
        let Some(text) = reason.dropped() else { return };
        if self.dropped[reason as usize].mark_once() {
            warn::emit(&format!("an event was dropped: {text} (warned once; see `Client::stats` for the counts)"));
        }
    }

    pub(crate) fn retried(&self, reason: Reason) {
        let Some(text) = reason.retried() else { return };
        if self.retried[reason as usize].mark_once() {
            warn::emit(&format!(
                "an event will be sent again: {text} (warned once; see `Client::stats` for the counts)"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_display_as_one_line() {
        let mut stats = Stats { recorded: 4, delivered: 1, pending: 1, ..Stats::default() };
        stats.dropped.count(Reason::QueueOverflow);
        stats.dropped.count(Reason::Shutdown);
        assert_eq!(stats.to_string(), "4 recorded, 1 delivered, 2 dropped (queue overflow 1, shutdown 1), 1 pending");
        assert_eq!(Stats::default().to_string(), "0 recorded, 0 delivered, 0 dropped, 0 pending");
    }

    #[test]
    fn a_hook_that_drops_events_causes_no_warning() {
        let warnings = DropWarnings::default();
        warnings.dropped(Reason::ByHook);
        assert!(warnings.dropped[Reason::ByHook as usize].mark_once(), "still unmarked");
        warnings.dropped(Reason::HookPanicked);
        assert!(!warnings.dropped[Reason::HookPanicked as usize].mark_once());
    }

    #[test]
    fn drops_and_retries_warn_separately() {
        let warnings = DropWarnings::default();
        warnings.dropped(Reason::Expired);
        assert!(warnings.retried[Reason::Expired as usize].mark_once());
        assert!(warnings.dropped[Reason::Shutdown as usize].mark_once());
    }
}
