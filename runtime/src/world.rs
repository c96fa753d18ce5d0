//! The clock and the process id, as this library sees them: injected in tests, so that no test sleeps or forks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Where the library reads time and its own process id. Cloned handles share what they show.
#[derive(Clone, Default)]
pub struct World(Arc<Shifted>);

#[derive(Default)]
struct Shifted {
    ahead_nanos: AtomicU64,
    /// 0: ask the system.
    process: AtomicU32,
}

impl World {
    /// A world that shows the real time and the real process id until told otherwise.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the clock run ahead by `by`, for every handle.
    pub fn advance(&self, by: Duration) {
        self.0.ahead_nanos.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Pretends that the program runs in the process `id` from now on, as it does after a fork.
    pub fn become_process(&self, id: u32) {
        self.0.process.store(id, Ordering::Relaxed);
    }

    fn ahead(&self) -> Duration {
        Duration::from_nanos(self.0.ahead_nanos.load(Ordering::Relaxed))
    }

    /// The moment at which a clock that is not shifted shows what this one shows at `at`.
    pub(crate) fn unshifted(&self, at: Instant) -> Instant {
        at.checked_sub(self.ahead()).unwrap_or(at)
    }

    /// What this clock shows when one that is not shifted shows `at`.
    pub(crate) fn shifted(&self, at: Instant) -> Instant {
        at.checked_add(self.ahead()).unwrap_or(at)
    }

    pub(crate) fn now(&self) -> Instant {
        let real = Instant::now();
        real.checked_add(self.ahead()).unwrap_or(real)
    }

    pub(crate) fn wall(&self) -> SystemTime {
        let real = SystemTime::now();
        real.checked_add(self.ahead()).unwrap_or(real)
    }

    pub(crate) fn process_id(&self) -> u32 {
        match self.0.process.load(Ordering::Relaxed) {
            0 => std::process::id(),
            id => id,
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("ahead", &self.ahead()).finish_non_exhaustive()
    }
}
