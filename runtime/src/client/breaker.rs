//! A circuit breaker for opening sessions: while the server keeps failing, calls fail fast.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::sync::lock;

/// How many failures in a row open the circuit.
const THRESHOLD: u32 = 3;
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(30) };
/// A healthy server responds sooner.
const PATIENCE: Duration = Duration::from_secs(1);

/// Opens after three failures in a row. From then on, one probe at a time may close it again, and
/// each failed probe doubles the wait for the next.
#[derive(Debug, Default)]
pub(crate) struct CircuitBreaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
    probing: bool,
}

/// Permission to try. The holder must report the outcome; dropping it counts as a failure only if
/// more than [`PATIENCE`] has passed. Otherwise, callers that give up early would never open the
/// circuit of a server that hangs.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    breaker: &'a CircuitBreaker,
    clock: Clock,
    acquired: Instant,
    is_probe: bool,
    reported: bool,
}

impl CircuitBreaker {
    /// Returns permission to try, or an error that states the time left.
    pub(crate) fn acquire(&self, clock: &Clock) -> Result<Permit<'_>> {
        let now = clock.now();
        let permit =
            |is_probe| Permit { breaker: self, clock: clock.clone(), acquired: now, is_probe, reported: false };
        let mut state = lock(&self.0);
        let Some(open_until) = state.open_until else { return Ok(permit(false)) };
        if now >= open_until && !state.probing {
            state.probing = true;
            return Ok(permit(true));
        }
        let retry_in = open_until.saturating_duration_since(now);
        Err(Error::new(Kind::BackingOff { failures: state.failures, retry_in }))
    }
}

impl Permit<'_> {
    /// The server responded, if only with a rejection: closes the circuit.
    pub(crate) fn succeed(mut self) {
        self.reported = true;
        let mut state = lock(&self.breaker.0);
        state.failures = 0;
        state.open_until = None;
    }

    /// The server could not be reached, did not respond, or failed.
    pub(crate) fn fail(mut self) {
        self.count_failure();
    }

    fn count_failure(&mut self) {
        self.reported = true;
        let mut state = lock(&self.breaker.0);
        if state.open_until.is_some() && !self.is_probe {
            return; // acquired before the circuit opened, which already accounts for it
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= THRESHOLD {
            state.open_until = Some(self.clock.now() + BACKOFF.delay(state.failures - THRESHOLD + 1));
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.reported && self.clock.now().saturating_duration_since(self.acquired) >= PATIENCE {
            self.count_failure();
        }
        if self.is_probe {
            lock(&self.breaker.0).probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MOMENT: Duration = Duration::from_millis(100);

    fn failing(times: u32, clock: &Clock) -> CircuitBreaker {
        let breaker = CircuitBreaker::default();
        for _ in 0..times {
            breaker.acquire(clock).unwrap().fail();
        }
        breaker
    }

    #[test]
    fn three_failures_in_a_row_open_the_circuit_for_one_second() {
        let clock = Clock::new();
        assert!(failing(2, &clock).acquire(&clock).is_ok());
        let open = failing(3, &clock);
        let error = open.acquire(&clock).unwrap_err();
        assert!(error.is_backing_off() && error.to_string().contains("3 failures"), "{error}");
        clock.advance(SECOND - MOMENT);
        assert!(open.acquire(&clock).is_err());
        clock.advance(MOMENT);
        assert!(open.acquire(&clock).is_ok());
    }

    #[test]
    fn a_success_between_failures_restarts_the_count() {
        let clock = Clock::new();
        let breaker = failing(2, &clock);
        breaker.acquire(&clock).unwrap().succeed();
        breaker.acquire(&clock).unwrap().fail();
        assert!(breaker.acquire(&clock).is_ok());
    }

    #[test]
    fn one_probe_at_a_time_and_a_dropped_probe_frees_its_slot() {
        let clock = Clock::new();
        let breaker = failing(3, &clock);
        clock.advance(SECOND);
        let probe = breaker.acquire(&clock).unwrap();
        assert!(breaker.acquire(&clock).unwrap_err().is_backing_off());
        drop(probe);
        breaker.acquire(&clock).unwrap().succeed();
        assert!(breaker.acquire(&clock).is_ok());
    }

    #[test]
    fn each_failed_probe_doubles_the_wait_up_to_thirty_seconds() {
        let clock = Clock::new();
        let breaker = failing(3, &clock);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            clock.advance(SECOND * seconds - MOMENT);
            assert!(breaker.acquire(&clock).is_err());
            clock.advance(MOMENT);
            breaker.acquire(&clock).unwrap().fail();
        }
    }

    #[test]
    fn failures_of_calls_acquired_before_the_circuit_opened_are_ignored() {
        let clock = Clock::new();
        let breaker = failing(2, &clock);
        let (late, third) = (breaker.acquire(&clock).unwrap(), breaker.acquire(&clock).unwrap());
        third.fail();
        clock.advance(SECOND);
        late.fail();
        assert!(breaker.acquire(&clock).is_ok());
    }

    #[test]
    fn dropping_a_permit_counts_as_a_failure_only_if_the_server_hangs() {
        let clock = Clock::new();
        let breaker = CircuitBreaker::default();
        for _ in 0..5 {
            drop(breaker.acquire(&clock).unwrap()); // dropped at once: no statement about the server
        }
        for _ in 0..3 {
            let permit = breaker.acquire(&clock).unwrap();
            clock.advance(SECOND);
            drop(permit);
        }
        assert!(breaker.acquire(&clock).unwrap_err().is_backing_off());
    }
}
