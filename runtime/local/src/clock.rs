//! A service's clock, which may run ahead, and timestamps as Python writes them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead_ms: AtomicU64,
}

impl Clock {
    pub(crate) fn advance(&self, by: Duration) {
        self.ahead_ms.fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Time since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        let ahead = Duration::from_millis(self.ahead_ms.load(Ordering::Relaxed));
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(ahead)
    }
}

/// The last second of the year 9999, where Python's calendar ends.
const LATEST: Duration = Duration::from_secs(253_402_300_799);

/// `datetime.isoformat()` in UTC: `2026-04-01T12:00:00.123456+00:00`, without a fraction of 0.
pub(crate) fn iso_time(since_epoch: Duration) -> String {
    let moment = UNIX_EPOCH + Duration::from_micros(since_epoch.min(LATEST).as_micros() as u64);
    let text = if since_epoch.subsec_micros() == 0 {
        humantime::format_rfc3339_seconds(moment)
    } else {
        humantime::format_rfc3339_micros(moment)
    }
    .to_string();
    text.replace('Z', "+00:00")
}

/// `date.isoformat()`: `2026-04-01`.
pub(crate) fn iso_date(since_epoch: Duration) -> String {
    iso_time(since_epoch)[..10].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_as_python_writes_them() {
        assert_eq!(iso_time(Duration::from_micros(1_775_044_800_123_456)), "2026-04-01T12:00:00.123456+00:00");
        assert_eq!(iso_time(Duration::from_micros(1_775_044_800_000_456)), "2026-04-01T12:00:00.000456+00:00");
        assert_eq!(iso_time(Duration::from_nanos(951_782_400_000_000_999)), "2000-02-29T00:00:00+00:00");
        assert_eq!(iso_date(Duration::ZERO), "1970-01-01");
        assert_eq!(iso_date(Duration::MAX), "9999-12-31");
    }
}
