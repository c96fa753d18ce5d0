//! Decides what to do with an event after each attempt to send it, and when to try again.
//!
//! All of it is pure functions of the outcome, the history, the time and a random number.

use std::time::{Duration, Instant};

use super::stats::Reason;
use crate::backoff::Backoff;

/// The age at which an event is dropped.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(15 * 60);
/// Outlasts the second for which Brain rejects a new token if UASAM's clock is ahead of its own.
pub(crate) const TOKEN_PAUSE: Duration = Duration::from_millis(1_500);
/// For outcomes that retrying is unlikely to change.
const MAX_ATTEMPTS: u32 = 2;
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(500), max: Duration::from_secs(30) };

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 201.
    Stored,
    /// Any other status.
    Status { code: u16, retry_after: Option<Duration> },
    /// The agent key was rejected; `changed` if reading it again gave a different one.
    KeyRejected { changed: bool },
    /// The session token was rejected.
    TokenRejected,
    /// There was no connection, so Brain has not seen the event.
    NotSent,
    /// The event was sent, at least in part, without a response: it may have been stored.
    NoResponse,
    /// No request could be built from the event.
    Unsendable,
}

/// The failed attempts of one event. Outcomes with a limit are counted separately.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct History {
    pub(crate) attempts: u32,
    no_response: u32,
    server_errors: u32,
    token_rejected: u32,
    key_changed: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Done,
    Drop(Reason),
    /// `reason` is counted if the event expires before the next attempt. An `outage` pauses all
    /// sessions rather than this one.
    Retry {
        wait: Wait,
        outage: bool,
        reason: Reason,
    },
}

/// How long to wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    None,
    /// Our own pause, which a flush cuts short.
    Backoff,
    /// A pause whose length has a reason, so that not even a flush cuts it short.
    Fixed(Duration),
    /// What the server asked for, but at least our backoff. A flush does not cut it short.
    AtLeast(Duration),
}

/// Decides what to do after an attempt, which it adds to `history`.
///
/// Brain rejects every key while it cannot reach UASAM. The rejection of a key that is known to
/// work (`key_worked`) is therefore treated as an outage.
pub(crate) fn classify(outcome: &Outcome, history: &mut History, key_worked: bool) -> Action {
    history.attempts = history.attempts.saturating_add(1);
    match *outcome {
        Outcome::Stored => Action::Done,
        Outcome::NotSent => outage(None, Reason::Expired),
        Outcome::Status { code: 408 | 429 | 502 | 503 | 504, retry_after } => outage(retry_after, Reason::Expired),
        Outcome::KeyRejected { changed: true } if increment(&mut history.key_changed) == 1 => {
            Action::Retry { wait: Wait::None, outage: false, reason: Reason::KeyRejected }
        }
        Outcome::KeyRejected { changed } if changed || key_worked => outage(None, Reason::KeyRejected),
        Outcome::KeyRejected { .. } => Action::Drop(Reason::KeyRejected),
        Outcome::NoResponse if increment(&mut history.no_response) < MAX_ATTEMPTS => outage(None, Reason::NoResponse),
        Outcome::NoResponse => Action::Drop(Reason::NoResponse),
        Outcome::TokenRejected if increment(&mut history.token_rejected) < MAX_ATTEMPTS => {
            Action::Retry { wait: Wait::Fixed(TOKEN_PAUSE), outage: false, reason: Reason::TokenRejected }
        }
        Outcome::TokenRejected => Action::Drop(Reason::TokenRejected),
        Outcome::Status { code: 500.., retry_after } if increment(&mut history.server_errors) < MAX_ATTEMPTS => {
            Action::Retry { wait: wait(retry_after), outage: false, reason: Reason::ServerError }
        }
        Outcome::Status { code: 500.., .. } => Action::Drop(Reason::ServerError),
        Outcome::Status { .. } => Action::Drop(Reason::Rejected),
        Outcome::Unsendable => Action::Drop(Reason::InternalError),
    }
}

fn outage(retry_after: Option<Duration>, reason: Reason) -> Action {
    Action::Retry { wait: wait(retry_after), outage: true, reason }
}

fn wait(retry_after: Option<Duration>) -> Wait {
    retry_after.map_or(Wait::Backoff, Wait::AtLeast)
}

fn increment(count: &mut u32) -> u32 {
    *count = count.saturating_add(1);
    *count
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    pub(crate) until: Instant,
    /// Whether a flush cuts the pause short.
    pub(crate) skippable: bool,
}

impl Pause {
    /// The pause after `failures` failures in a row; `random` is in `0.0..1.0`.
    pub(crate) fn after(wait: Wait, failures: u32, now: Instant, random: f64) -> Option<Self> {
        let (length, skippable) = match wait {
            Wait::None => return None,
            Wait::Backoff => (jittered(failures, random), true),
            Wait::Fixed(length) => (length, false),
            // A server may ask for no wait at all, which would mean retrying in a tight loop.
            Wait::AtLeast(length) => (length.max(jittered(failures, random)), false),
        };
        Some(Self { until: now + length, skippable })
    }
}

/// Full jitter: anything up to the backoff, so that clients do not retry in step.
fn jittered(failures: u32, random: f64) -> Duration {
    BACKOFF.delay(failures).mul_f64(random.clamp(0.0, 1.0))
}

/// Tracks whether Brain as a whole is failing. During an outage, one event at a time probes it
/// after each pause.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    failures: u32,
    pause: Option<Pause>,
}

impl Outage {
    /// Records a failure. Events that were in flight together count as one.
    pub(crate) fn failed(&mut self, wait: Wait, now: Instant, random: f64) {
        let paused = self.pause.is_some_and(|pause| pause.until > now);
        if paused && !matches!(wait, Wait::Fixed(_) | Wait::AtLeast(_)) {
            return;
        }
        self.failures = self.failures.saturating_add(u32::from(!paused));
        let pause = Pause::after(wait, self.failures, now, random);
        self.pause = [self.pause, pause].into_iter().flatten().max_by_key(|pause| pause.until);
    }

    pub(crate) fn recovered(&mut self) {
        *self = Self::default();
    }

    /// Whether another event may be sent while `in_flight` others are.
    pub(crate) fn allows(&self, in_flight: usize, now: Instant) -> bool {
        self.pause.is_none_or(|pause| pause.until <= now) && (self.failures == 0 || in_flight == 0)
    }

    /// When the current pause ends.
    pub(crate) fn until(&self, now: Instant) -> Option<Instant> {
        self.pause.map(|pause| pause.until).filter(|until| *until > now)
    }

    pub(crate) fn skip_pause(&mut self) {
        self.pause = self.pause.filter(|pause| !pause.skippable);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actions(outcome: Outcome, key_worked: bool, times: usize) -> Vec<Action> {
        let mut history = History::default();
        (0..times).map(|_| classify(&outcome, &mut history, key_worked)).collect()
    }

    fn status(code: u16) -> Outcome {
        Outcome::Status { code, retry_after: None }
    }

    fn paused(reason: Reason) -> Action {
        Action::Retry { wait: Wait::Backoff, outage: true, reason }
    }

    #[test]
    fn a_created_event_is_done() {
        assert_eq!(actions(Outcome::Stored, false, 1), [Action::Done]);
    }

    #[test]
    fn an_unreachable_or_overloaded_server_is_retried_without_limit() {
        for outcome in [Outcome::NotSent, status(408), status(429), status(502), status(503), status(504)] {
            assert_eq!(actions(outcome, false, 50), [paused(Reason::Expired); 50]);
        }
    }

    #[test]
    fn retry_after_is_respected() {
        let asked = Duration::from_secs(9);
        let outcome = Outcome::Status { code: 429, retry_after: Some(asked) };
        let retry = Action::Retry { wait: Wait::AtLeast(asked), outage: true, reason: Reason::Expired };
        assert_eq!(actions(outcome, false, 1), [retry]);
    }

    #[test]
    fn a_missing_response_is_retried_once() {
        let expected = [paused(Reason::NoResponse), Action::Drop(Reason::NoResponse)];
        assert_eq!(actions(Outcome::NoResponse, true, 2), expected);
    }

    #[test]
    fn a_server_error_is_retried_once() {
        for code in [500, 501, 599] {
            let retry = Action::Retry { wait: Wait::Backoff, outage: false, reason: Reason::ServerError };
            assert_eq!(actions(status(code), true, 2), [retry, Action::Drop(Reason::ServerError)]);
        }
    }

    #[test]
    fn a_rejected_token_is_retried_once_after_a_pause() {
        let retry = Action::Retry { wait: Wait::Fixed(TOKEN_PAUSE), outage: false, reason: Reason::TokenRejected };
        assert_eq!(actions(Outcome::TokenRejected, true, 2), [retry, Action::Drop(Reason::TokenRejected)]);
    }

    #[test]
    fn a_rejected_key_is_final_unless_it_has_worked() {
        let rejected = Outcome::KeyRejected { changed: false };
        assert_eq!(actions(rejected.clone(), false, 1), [Action::Drop(Reason::KeyRejected)]);
        assert_eq!(actions(rejected, true, 3), [paused(Reason::KeyRejected); 3]);
    }

    #[test]
    fn a_changed_key_is_tried_immediately_but_only_once() {
        let immediate = Action::Retry { wait: Wait::None, outage: false, reason: Reason::KeyRejected };
        assert_eq!(actions(Outcome::KeyRejected { changed: true }, false, 2), [immediate, paused(Reason::KeyRejected)]);
    }

    #[test]
    fn any_other_response_is_final() {
        for code in [200, 202, 204, 301, 302, 307, 308, 400, 401, 403, 404, 413, 422] {
            assert_eq!(actions(status(code), true, 1), [Action::Drop(Reason::Rejected)], "{code}");
        }
        assert_eq!(actions(Outcome::Unsendable, true, 1), [Action::Drop(Reason::InternalError)]);
    }

    #[test]
    fn each_kind_of_failure_has_its_own_limit() {
        let mut history = History::default();
        for outcome in [Outcome::NoResponse, status(500), Outcome::TokenRejected, Outcome::NotSent] {
            assert!(matches!(classify(&outcome, &mut history, true), Action::Retry { .. }), "{outcome:?}");
        }
        assert_eq!(classify(&Outcome::Stored, &mut history, true), Action::Done);
        assert_eq!(history.attempts, 5);
    }

    #[test]
    fn the_longest_pause_doubles_from_half_a_second_to_thirty() {
        let longest: Vec<_> = (1..=9).map(|failures| jittered(failures, 1.0).as_secs_f64()).collect();
        assert_eq!(longest, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
        assert_eq!(jittered(u32::MAX, 1.0), BACKOFF.max);
        assert_eq!(jittered(3, 0.0), Duration::ZERO);
        assert_eq!(jittered(3, 0.25), Duration::from_millis(500));
    }

    #[test]
    fn failures_of_concurrent_events_count_once() {
        let now = Instant::now();
        let mut outage = Outage::default();
        outage.failed(Wait::Backoff, now, 1.0);
        outage.failed(Wait::Backoff, now, 1.0);
        let end = now + BACKOFF.first;
        assert_eq!(outage.until(now), Some(end));
        assert!(!outage.allows(0, now));
        assert!(outage.allows(0, end));
        assert!(!outage.allows(1, end), "one probe at a time");
    }

    #[test]
    fn a_pause_the_server_asked_for_survives_a_flush() {
        let now = Instant::now();
        let mut outage = Outage::default();
        outage.failed(Wait::Backoff, now, 1.0);
        outage.failed(Wait::Fixed(Duration::from_secs(20)), now, 1.0);
        outage.skip_pause();
        assert_eq!(outage.until(now), Some(now + Duration::from_secs(20)));
        outage.recovered();
        assert!(outage.allows(1, now));
    }

    #[test]
    fn a_retry_after_of_zero_still_backs_off() {
        let now = Instant::now();
        let pause = |asked, failures| Pause::after(Wait::AtLeast(asked), failures, now, 0.5).unwrap().until - now;
        assert_eq!(pause(Duration::ZERO, 1), Duration::from_millis(250));
        assert_eq!(pause(Duration::ZERO, 20), Duration::from_secs(15));
        assert_eq!(pause(Duration::from_secs(40), 20), Duration::from_secs(40));
    }
}
