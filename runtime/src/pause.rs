//! When a session may be opened: at most so many at a time, and not while the server fails. Pure functions of `now`.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Kind};

const FAILURES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The pause after repeated failures: three in a row start it, one probe at a time may end it, each failed probe doubles it.
#[derive(Debug, Default)]
pub(crate) struct Pause(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    until: Option<Instant>,
    probing: bool,
}

/// Leave to open a session. Whoever holds it says how it went; dropping it (the caller went away) says nothing.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pause: &'a Pause,
    probe: bool,
}

impl Pause {
    /// Leave to try, or why not.
    pub(crate) fn turn(&self, now: Instant) -> Result<Turn<'_>, Error> {
        let mut state = self.lock();
        let Some(until) = state.until else {
            return Ok(Turn { pause: self, probe: false });
        };
        if now >= until && !state.probing {
            state.probing = true;
            return Ok(Turn { pause: self, probe: true });
        }
        Err(Error::new(Kind::Paused { failures: state.failures, retry_in: until.saturating_duration_since(now) }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// The server answered, if only with a refusal: the pause is over.
    pub(crate) fn answered(self) {
        let mut state = self.pause.lock();
        state.failures = 0;
        state.until = None;
    }

    /// The server could not be reached, did not answer, or failed.
    pub(crate) fn failed(self, now: Instant) {
        let mut state = self.pause.lock();
        if state.until.is_some() && !self.probe {
            return; // began before the pause did: the pause knows already
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            let doublings = (state.failures - FAILURES).min(5);
            state.until = Some(now + (FIRST_PAUSE * 2_u32.pow(doublings)).min(LONGEST_PAUSE));
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.probe {
            self.pause.lock().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failing(times: u32, now: Instant) -> Pause {
        let pause = Pause::default();
        for _ in 0..times {
            pause.turn(now).unwrap().failed(now);
        }
        pause
    }

    #[test]
    fn three_failures_in_a_row_start_a_pause_of_one_second() {
        let now = Instant::now();
        assert!(failing(2, now).turn(now).is_ok());
        let paused = failing(3, now);
        let error = paused.turn(now).unwrap_err();
        assert!(error.is_paused() && error.to_string().contains("3 failures"), "{error}");
        assert!(paused.turn(now + SECOND - Duration::from_millis(1)).is_err());
        assert!(paused.turn(now + SECOND).is_ok());
    }

    #[test]
    fn an_answer_between_failures_starts_the_count_anew() {
        let now = Instant::now();
        let pause = failing(2, now);
        pause.turn(now).unwrap().answered();
        pause.turn(now).unwrap().failed(now);
        assert!(pause.turn(now).is_ok());
    }

    #[test]
    fn one_probe_at_a_time_and_a_dropped_probe_frees_its_place() {
        let now = Instant::now();
        let pause = failing(3, now);
        let probe = pause.turn(now + SECOND).unwrap();
        assert!(pause.turn(now + SECOND).unwrap_err().is_paused());
        drop(probe);
        pause.turn(now + SECOND).unwrap().answered();
        assert!(pause.turn(now + SECOND).is_ok());
    }

    #[test]
    fn each_failed_probe_doubles_the_pause_up_to_thirty_seconds() {
        let mut now = Instant::now();
        let pause = failing(3, now);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            assert!(pause.turn(now + SECOND * seconds - Duration::from_millis(1)).is_err());
            now += SECOND * seconds;
            pause.turn(now).unwrap().failed(now);
        }
    }

    #[test]
    fn failures_of_calls_that_began_before_the_pause_do_not_lengthen_it() {
        let now = Instant::now();
        let pause = failing(2, now);
        let (late, third) = (pause.turn(now).unwrap(), pause.turn(now).unwrap());
        third.failed(now);
        late.failed(now + SECOND);
        assert!(pause.turn(now + SECOND).is_ok());
    }
}
