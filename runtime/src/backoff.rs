//! How long to wait after repeated failures.

use std::time::Duration;

/// Exponential backoff: the wait after the first failure is `first`, and doubles with each further
/// one, up to `max`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    pub(crate) first: Duration,
    pub(crate) max: Duration,
}

impl Backoff {
    /// The wait after `failures` failures in a row; zero if there were none.
    pub(crate) fn delay(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_doubles_the_delay_up_to_the_maximum() {
        let backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(30) };

        let delays = [0, 1, 2, 3, 4, 5, 6, 31, 32, 33, u32::MAX].map(|failures| backoff.delay(failures).as_secs());

        assert_eq!(delays, [0, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30]);
    }
}
