//! When a session may be opened: not while the server fails.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::error::{Error, Kind};
use crate::sync::lock;
use crate::world::World;

const FAILURES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A server that works answers sooner.
const PATIENCE: Duration = Duration::from_secs(1);

/// The pause after repeated failures: three in a row start it, one probe at a time may end it, each failed probe doubles it.
#[derive(Debug, Default)]
pub(crate) struct Pause(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
    probing: bool,
}

/// Leave to open a session. Whoever holds it says how it went. Where it is dropped instead, the caller went away: after [`PATIENCE`] that
/// tells of a server that hangs, as a failure does; otherwise callers in a hurry would wait for it for ever.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pause: &'a Pause,
    world: World,
    began: Instant,
    probe: bool,
    settled: bool,
}

impl Pause {
    /// Leave to try, or why not.
    pub(crate) fn turn(&self, world: &World) -> Result<Turn<'_>, Error> {
        let now = world.now();
        let turn = |probe| Turn { pause: self, world: world.clone(), began: now, probe, settled: false };
        let mut state = self.lock();
        let Some(until) = state.until else { return Ok(turn(false)) };
        if now >= until && !state.probing {
            state.probing = true;
            return Ok(turn(true));
        }
        Err(Error::new(Kind::BackingOff { failures: state.failures, retry_in: until.saturating_duration_since(now) }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.0)
    }
}

impl Turn<'_> {
    /// The server answered, if only with a refusal: the pause is over.
    pub(crate) fn answered(mut self) {
        self.settled = true;
        let mut state = self.pause.lock();
        state.failures = 0;
        state.until = None;
    }

    /// The server could not be reached, did not answer, or failed.
    pub(crate) fn failed(mut self) {
        self.count_failure();
    }

    fn count_failure(&mut self) {
        self.settled = true;
        let mut state = self.pause.lock();
        if state.until.is_some() && !self.probe {
            return; // began before the pause did: the pause knows already
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            let doublings = (state.failures - FAILURES).min(5);
            state.until = Some(self.world.now() + (FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE));
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.settled && self.world.now().saturating_duration_since(self.began) >= PATIENCE {
            self.count_failure();
        }
        if self.probe {
            self.pause.lock().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MOMENT: Duration = Duration::from_millis(100);

    fn failing(times: u32, world: &World) -> Pause {
        let pause = Pause::default();
        for _ in 0..times {
            pause.turn(world).unwrap().failed();
        }
        pause
    }

    #[test]
    fn three_failures_in_a_row_start_a_pause_of_one_second() {
        let world = World::new();
        assert!(failing(2, &world).turn(&world).is_ok());
        let paused = failing(3, &world);
        let error = paused.turn(&world).unwrap_err();
        assert!(error.is_backing_off() && error.to_string().contains("3 failures"), "{error}");
        world.advance(SECOND - MOMENT);
        assert!(paused.turn(&world).is_err());
        world.advance(MOMENT);
        assert!(paused.turn(&world).is_ok());
    }

    #[test]
    fn an_answer_between_failures_starts_the_count_anew() {
        let world = World::new();
        let pause = failing(2, &world);
        pause.turn(&world).unwrap().answered();
        pause.turn(&world).unwrap().failed();
        assert!(pause.turn(&world).is_ok());
    }

    #[test]
    fn one_probe_at_a_time_and_a_dropped_probe_frees_its_place() {
        let world = World::new();
        let pause = failing(3, &world);
        world.advance(SECOND);
        let probe = pause.turn(&world).unwrap();
        assert!(pause.turn(&world).unwrap_err().is_backing_off());
        drop(probe);
        pause.turn(&world).unwrap().answered();
        assert!(pause.turn(&world).is_ok());
    }

    #[test]
    fn each_failed_probe_doubles_the_pause_up_to_thirty_seconds() {
        let world = World::new();
        let pause = failing(3, &world);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            world.advance(SECOND * seconds - MOMENT);
            assert!(pause.turn(&world).is_err());
            world.advance(MOMENT);
            pause.turn(&world).unwrap().failed();
        }
    }

    #[test]
    fn failures_of_calls_that_began_before_the_pause_do_not_lengthen_it() {
        let world = World::new();
        let pause = failing(2, &world);
        let (late, third) = (pause.turn(&world).unwrap(), pause.turn(&world).unwrap());
        third.failed();
        world.advance(SECOND);
        late.failed();
        assert!(pause.turn(&world).is_ok());
    }

    #[test]
    fn callers_who_lose_patience_with_a_server_that_hangs_count_as_failures() {
        let world = World::new();
        let pause = Pause::default();
        for _ in 0..5 {
            drop(pause.turn(&world).unwrap()); // gone at once: that tells nothing of the server
        }
        for _ in 0..3 {
            let turn = pause.turn(&world).unwrap();
            world.advance(SECOND);
            drop(turn);
        }
        assert!(pause.turn(&world).unwrap_err().is_backing_off());
    }
}
