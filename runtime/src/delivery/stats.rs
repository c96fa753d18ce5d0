//! What became of the events: counted, never guessed.

use std::fmt;

/// What became of the events of a client, at one moment.
///
/// `recorded = delivered + dropped + pending` holds in every value of this type: it is one snapshot, taken under one lock.
///
/// ```
/// # fn show(stats: otas::Stats) {
/// assert_eq!(stats.recorded, stats.delivered + stats.dropped.total() + stats.pending);
/// println!("{stats}");
/// # }
/// # show(otas::Stats::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Calls that left the project's domain within a session, and were finished.
    pub recorded: u64,
    /// Events that Brain has confirmed.
    pub delivered: u64,
    /// Events that were given up, by reason.
    pub dropped: Dropped,
    /// Further tries; one event may be tried repeatedly.
    pub retried: u64,
    /// Events that wait or are on their way.
    pub pending: u64,
    /// About how much memory the pending events take.
    pub bytes: u64,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Calls of annotated functions that ran without a session, because none could be opened.
    pub sessionless_calls: u64,
    /// Requests that were sent through [`http`](crate::http) outside every session.
    pub sessionless_requests: u64,
}

/// Why events were given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped {
    /// The queue was full: 1,024 events or 8 MiB.
    pub queue_overflow: u64,
    /// The hook dropped it.
    pub by_hook: u64,
    /// The hook panicked.
    pub hook_panicked: u64,
    /// It could not be written down; a bug of this library.
    pub internal_error: u64,
    /// Brain could not be reached, or was too busy, until the event was 15 minutes old.
    pub expired: u64,
    /// Brain refused the event itself: 400, 403, a redirect, or another answer that no repetition changes.
    pub refused: u64,
    /// Brain failed on it twice with 500 or the like.
    pub server_error: u64,
    /// Brain did not answer twice, after the event had been sent; it may be stored.
    pub no_response: u64,
    /// Brain refused the session's token twice.
    pub token_refused: u64,
    /// The agent key was refused.
    pub key_refused: u64,
    /// It came after the shutdown, or was left at its deadline.
    pub shutdown: u64,
}

/// Why one event was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    QueueFull,
    ByHook,
    HookPanicked,
    Unusable,
    Expired,
    Refused,
    ServerError,
    Unanswered,
    TokenRefused,
    KeyRefused,
    Shutdown,
}

impl Dropped {
    /// All together.
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, count)| count).sum()
    }

    /// Each reason's name and count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("queue full", self.queue_overflow),
            ("by hook", self.by_hook),
            ("hook panicked", self.hook_panicked),
            ("unusable", self.internal_error),
            ("expired", self.expired),
            ("refused", self.refused),
            ("server error", self.server_error),
            ("unanswered", self.no_response),
            ("token refused", self.token_refused),
            ("key refused", self.key_refused),
            ("shutdown", self.shutdown),
        ]
        .into_iter()
    }

    pub(crate) fn count(&mut self, reason: Reason) {
        let counter = match reason {
            Reason::QueueFull => &mut self.queue_overflow,
            Reason::ByHook => &mut self.by_hook,
            Reason::HookPanicked => &mut self.hook_panicked,
            Reason::Unusable => &mut self.internal_error,
            Reason::Expired => &mut self.expired,
            Reason::Refused => &mut self.refused,
            Reason::ServerError => &mut self.server_error,
            Reason::Unanswered => &mut self.no_response,
            Reason::TokenRefused => &mut self.token_refused,
            Reason::KeyRefused => &mut self.key_refused,
            Reason::Shutdown => &mut self.shutdown,
        };
        *counter += 1;
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} recorded, {} delivered, {} dropped", self.recorded, self.delivered, self.dropped.total())?;
        let mut before = " (";
        for (name, count) in self.dropped.iter().filter(|(_, count)| *count > 0) {
            write!(f, "{before}{name} {count}")?;
            before = ", ";
        }
        if before == ", " {
            f.write_str(")")?;
        }
        write!(f, ", {} pending", self.pending)
    }
}

/// How many events had neither been delivered nor dropped at a deadline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "events that are left at the end of a program are lost"]
pub struct Undelivered(pub(crate) u64);

impl Undelivered {
    /// How many events were left.
    pub fn count(self) -> u64 {
        self.0
    }

    /// Nothing was left.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 event left"),
            count => write!(f, "{count} events left"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_read_as_a_sentence() {
        let mut stats = Stats { recorded: 3, delivered: 1, pending: 1, ..Stats::default() };
        stats.dropped.count(Reason::QueueFull);
        assert_eq!(stats.to_string(), "3 recorded, 1 delivered, 1 dropped (queue full 1), 1 pending");
        assert_eq!(Stats::default().to_string(), "0 recorded, 0 delivered, 0 dropped, 0 pending");
    }
}
