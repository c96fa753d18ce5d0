//! A circuit breaker for opening sessions: while the server keeps failing, calls fail fast.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::error::{Error, Kind, Result};
use crate::sync::lock;
use crate::world::World;

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
/// more than [`PATIENCE`] has passed. Otherwise callers in a hurry would wait forever on a server
/// that hangs.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    breaker: &'a CircuitBreaker,
    world: World,
    acquired: Instant,
    is_probe: bool,
    reported: bool,
}

impl CircuitBreaker {
    /// Permission to try, or an error that names the time left.
    pub(crate) fn acquire(&self, world: &World) -> Result<Permit<'_>> {
        let now = world.now();
        let permit =
            |is_probe| Permit { breaker: self, world: world.clone(), acquired: now, is_probe, reported: false };
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
            state.open_until = Some(self.world.now() + BACKOFF.delay(state.failures - THRESHOLD + 1));
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.reported && self.world.now().saturating_duration_since(self.acquired) >= PATIENCE {
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

    fn failing(times: u32, world: &World) -> CircuitBreaker {
        let breaker = CircuitBreaker::default();
        for _ in 0..times {
            breaker.acquire(world).unwrap().fail();
        }
        breaker
    }

    #[test]
    fn three_failures_in_a_row_open_the_circuit_for_one_second() {
        let world = World::new();
        assert!(failing(2, &world).acquire(&world).is_ok());
        let open = failing(3, &world);
        let error = open.acquire(&world).unwrap_err();
        assert!(error.is_backing_off() && error.to_string().contains("3 failures"), "{error}");
        world.advance(SECOND - MOMENT);
        assert!(open.acquire(&world).is_err());
        world.advance(MOMENT);
        assert!(open.acquire(&world).is_ok());
    }

    #[test]
    fn a_success_between_failures_restarts_the_count() {
        let world = World::new();
        let breaker = failing(2, &world);
        breaker.acquire(&world).unwrap().succeed();
        breaker.acquire(&world).unwrap().fail();
        assert!(breaker.acquire(&world).is_ok());
    }

    #[test]
    fn one_probe_at_a_time_and_a_dropped_probe_frees_its_slot() {
        let world = World::new();
        let breaker = failing(3, &world);
        world.advance(SECOND);
        let probe = breaker.acquire(&world).unwrap();
        assert!(breaker.acquire(&world).unwrap_err().is_backing_off());
        drop(probe);
        breaker.acquire(&world).unwrap().succeed();
        assert!(breaker.acquire(&world).is_ok());
    }

    #[test]
    fn each_failed_probe_doubles_the_wait_up_to_thirty_seconds() {
        let world = World::new();
        let breaker = failing(3, &world);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            world.advance(SECOND * seconds - MOMENT);
            assert!(breaker.acquire(&world).is_err());
            world.advance(MOMENT);
            breaker.acquire(&world).unwrap().fail();
        }
    }

    #[test]
    fn failures_of_calls_acquired_before_the_circuit_opened_are_ignored() {
        let world = World::new();
        let breaker = failing(2, &world);
        let (late, third) = (breaker.acquire(&world).unwrap(), breaker.acquire(&world).unwrap());
        third.fail();
        world.advance(SECOND);
        late.fail();
        assert!(breaker.acquire(&world).is_ok());
    }

    #[test]
    fn dropping_a_permit_counts_as_a_failure_only_if_the_server_hangs() {
        let world = World::new();
        let breaker = CircuitBreaker::default();
        for _ in 0..5 {
            drop(breaker.acquire(&world).unwrap()); // dropped at once: says nothing about the server
        }
        for _ in 0..3 {
            let permit = breaker.acquire(&world).unwrap();
            world.advance(SECOND);
            drop(permit);
        }
        assert!(breaker.acquire(&world).unwrap_err().is_backing_off());
    }
}
