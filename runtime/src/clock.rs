//! The clock and process id that the library sees, injectable so that tests neither sleep nor fork.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The library's source of time and of its own process id.
///
/// Clones share their state: advancing one advances all of them.
#[derive(Clone, Default)]
pub struct Clock(Arc<Shared>);

#[derive(Default)]
struct Shared {
    offset_nanos: AtomicU64,
    /// 0: ask the system.
    process: AtomicU32,
}

impl Clock {
    /// Creates a clock with the real time and process id, until they are changed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Moves the clock forward by `by`.
    pub fn advance(&self, by: Duration) {
        self.0.offset_nanos.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// From now on, pretends to run in process `id`, as after a fork.
    pub fn set_process_id(&self, id: u32) {
        self.0.process.store(id, Ordering::Relaxed);
    }

    fn offset(&self) -> Duration {
        Duration::from_nanos(self.0.offset_nanos.load(Ordering::Relaxed))
    }

    /// Converts this clock's time to the system's.
    pub(crate) fn unshifted(&self, at: Instant) -> Instant {
        at.checked_sub(self.offset()).unwrap_or(at)
    }

    /// Converts the system's time to this clock's.
    pub(crate) fn shifted(&self, at: Instant) -> Instant {
        at.checked_add(self.offset()).unwrap_or(at)
    }

    pub(crate) fn now(&self) -> Instant {
        self.shifted(Instant::now())
    }

    pub(crate) fn wall(&self) -> SystemTime {
        let real = SystemTime::now();
        real.checked_add(self.offset()).unwrap_or(real)
    }

    pub(crate) fn process_id(&self) -> u32 {
        match self.0.process.load(Ordering::Relaxed) {
            0 => std::process::id(),
            id => id,
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("offset", &self.offset()).finish_non_exhaustive()
    }
}
