//! A server's clock, which may run ahead, and Python's way of writing a moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The system's clock and what it is ahead by.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead_ms: AtomicU64,
}

impl Clock {
    pub(crate) fn set_ahead(&self, by: Duration) {
        self.ahead_ms.store(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Time since 1970.
    pub(crate) fn now(&self) -> Duration {
        let ahead = Duration::from_millis(self.ahead_ms.load(Ordering::Relaxed));
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(ahead)
    }
}

/// `datetime.isoformat()` in UTC: `2026-04-01T12:00:00.123456+00:00`.
pub(crate) fn iso_time(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let fraction = match since_1970.subsec_micros() {
        0 => String::new(),
        micros => format!(".{micros:06}"),
    };
    format!("{}T{hour:02}:{minute:02}:{second:02}{fraction}+00:00", iso_date(since_1970))
}

/// `date.isoformat()`: `2026-04-01`. The calendar is Howard Hinnant's `civil_from_days`.
pub(crate) fn iso_date(since_1970: Duration) -> String {
    let days = since_1970.as_secs() / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_python_writes_them() {
        assert_eq!(iso_time(Duration::from_micros(1_775_044_800_123_456)), "2026-04-01T12:00:00.123456+00:00");
        assert_eq!(iso_time(Duration::from_secs(951_782_400)), "2000-02-29T00:00:00+00:00");
        assert_eq!(iso_date(Duration::ZERO), "1970-01-01");
    }
}
