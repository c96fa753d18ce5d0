//! When to try again: pure functions of the time, of what failed, and of a random number.

use std::time::{Duration, Instant, SystemTime};

/// An event that is older is given up.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(15 * 60);
/// The first pause is somewhere below this, the next below twice as much.
const FIRST: Duration = Duration::from_millis(500);
/// No pause of our own is longer.
const LONGEST: Duration = Duration::from_secs(30);
/// No `Retry-After` is obeyed for longer.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// A token is refused if it was issued less than a second ago by a server whose clock runs ahead.
pub(crate) const TOKEN_PAUSE: Duration = Duration::from_millis(1_500);

/// How long to wait after this many failures in a row: full jitter, `random` being in `0.0..1.0`.
pub(crate) fn backoff(failures: u32, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    (FIRST * (1 << doublings)).min(LONGEST).mul_f64(random.clamp(0.0, 1.0))
}

/// Reads `Retry-After`: seconds, or a date. A date that has passed is no wait; what is neither is none.
pub(crate) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = match !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Duration::from_secs(value.parse().unwrap_or(u64::MAX)),
        false => httpdate::parse_http_date(value).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(RETRY_AFTER))
}

/// How long to wait before a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Not at all.
    None,
    /// Our own pause, which a flush cuts short.
    Backoff,
    /// A pause that was asked for, or whose length has a reason: nothing cuts it short.
    Firm(Duration),
    /// What the server asked for, but no less than our own pause.
    AtLeast(Duration),
}

/// A moment to wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    pub(crate) until: Instant,
    pub(crate) firm: bool,
}

impl Pause {
    pub(crate) fn after(wait: Wait, failures: u32, now: Instant, random: f64) -> Option<Self> {
        match wait {
            Wait::None => None,
            Wait::Backoff => Some(Self { until: now + backoff(failures, random), firm: false }),
            Wait::Firm(length) => Some(Self { until: now + length, firm: true }),
            // Otherwise a server that asks for no wait is asked without one, again and again.
            Wait::AtLeast(length) => Some(Self { until: now + length.max(backoff(failures, random)), firm: true }),
        }
    }
}

/// What is known about the destination as a whole: while it is out, one event at a time probes it, after each pause.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    failures: u32,
    pause: Option<Pause>,
}

impl Outage {
    /// The destination failed. Events that were under way together count once.
    pub(crate) fn failed(&mut self, wait: Wait, now: Instant, random: f64) {
        let paused = self.pause.is_some_and(|pause| pause.until > now);
        if paused && !matches!(wait, Wait::Firm(_) | Wait::AtLeast(_)) {
            return;
        }
        self.failures = self.failures.saturating_add(u32::from(!paused));
        let pause = Pause::after(wait, self.failures, now, random);
        self.pause = [self.pause, pause].into_iter().flatten().max_by_key(|pause| pause.until);
    }

    /// The destination does its work.
    pub(crate) fn worked(&mut self) {
        *self = Self::default();
    }

    /// Whether an event may leave while `flying` others are under way.
    pub(crate) fn allows(&self, flying: usize, now: Instant) -> bool {
        self.pause.is_none_or(|pause| pause.until <= now) && (self.failures == 0 || flying == 0)
    }

    /// When the pause ends, where it has not.
    pub(crate) fn until(&self, now: Instant) -> Option<Instant> {
        self.pause.map(|pause| pause.until).filter(|until| *until > now)
    }

    /// Ends a pause of our own.
    pub(crate) fn hurry(&mut self) {
        self.pause = self.pause.filter(|pause| pause.firm);
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn the_ceiling_of_pauses_doubles_from_half_a_second_to_thirty() {
        let ceilings: Vec<_> = (1..=9).map(|failures| backoff(failures, 1.0).as_secs_f64()).collect();
        assert_eq!(ceilings, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
        assert_eq!(backoff(u32::MAX, 1.0), LONGEST);
        assert_eq!(backoff(3, 0.0), Duration::ZERO);
        assert_eq!(backoff(1, f64::NAN.clamp(0.0, 1.0).max(0.0)), Duration::ZERO);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_at_most_a_minute() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(retry_after(" 7 ", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("86400", now), Some(RETRY_AFTER));
        assert_eq!(retry_after("99999999999999999999999999", now), Some(RETRY_AFTER));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:47 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:27 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
        assert_eq!(retry_after("", now), None);
    }

    #[test]
    fn failures_of_events_that_flew_together_count_once() {
        let now = Instant::now();
        let mut outage = Outage::default();
        outage.failed(Wait::Backoff, now, 1.0);
        outage.failed(Wait::Backoff, now, 1.0);
        assert_eq!(outage.until(now), Some(now + FIRST));
        assert!(!outage.allows(0, now));
        assert!(outage.allows(0, now + FIRST));
        assert!(!outage.allows(1, now + FIRST), "one at a time probes");
    }

    #[test]
    fn what_the_server_asks_for_outlasts_our_own_pause_and_a_flush() {
        let now = Instant::now();
        let mut outage = Outage::default();
        outage.failed(Wait::Backoff, now, 1.0);
        outage.failed(Wait::Firm(Duration::from_secs(20)), now, 1.0);
        outage.hurry();
        assert_eq!(outage.until(now), Some(now + Duration::from_secs(20)));
        outage.worked();
        assert!(outage.allows(1, now));
    }

    #[test]
    fn a_server_that_asks_for_no_wait_is_not_asked_without_one() {
        let now = Instant::now();
        let until = |asked, failures| Pause::after(Wait::AtLeast(asked), failures, now, 0.5).unwrap().until - now;
        assert_eq!(until(Duration::ZERO, 1), Duration::from_millis(250));
        assert_eq!(until(Duration::ZERO, 20), Duration::from_secs(15));
        assert_eq!(until(Duration::from_secs(40), 20), Duration::from_secs(40));
    }
}
