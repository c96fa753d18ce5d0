//! Wall-clock times as RFC 3339 text, and back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;

/// `2026-01-02T03:04:05.678901Z`; a time before 1970 or after 9999 is told as the nearer of these.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().min(Duration::from_secs(253_402_300_799));
    let seconds = since.as_secs() as i64;
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
    let mut text = String::with_capacity("2026-01-02T03:04:05.678901Z".len());
    let parts = [(year, 4, '-'), (month, 2, '-'), (day, 2, 'T'), (hour, 2, ':'), (minute, 2, ':'), (second, 2, '.')];
    for (number, width, end) in parts {
        push(&mut text, number, width, end);
    }
    push(&mut text, since.subsec_micros().into(), 6, 'Z');
    text
}

/// A number with leading zeros and what ends it: `format!` takes several times as long, for each event.
fn push(text: &mut String, number: i64, width: u32, end: char) {
    let digit = |place| (number / 10_i64.pow(place) % 10) as u8;
    text.extend((0..width).rev().map(|place| char::from(b'0' + digit(place))));
    text.push(end);
}

/// Reads an RFC 3339 time of 1970 or later; anything else is none.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut parts = date.splitn(3, '-').map(digits);
    let days = days(parts.next()??, parts.next()??, parts.next()??)?;
    let clock = rest.strip_prefix(['T', 't', ' '])?;
    let zone = clock.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = clock.split_at(zone);
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = whole.splitn(3, ':').map(digits);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = days * DAY + hour * 3600 + minute * 60 + second - offset(zone)?;
    let nanos = format!("{:0<9}", fraction.get(..fraction.len().min(9))?);
    UNIX_EPOCH.checked_add(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(digits(&nanos)?).ok()?))
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, rest) = zone.split_at_checked(1)?;
    let (hours, minutes) = rest.split_once(':')?;
    let seconds = digits(hours)? * 3600 + digits(minutes)? * 60;
    Some(if sign == "-" { -seconds } else { seconds })
}

fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// Year, month and day of a day since 1970 (Howard Hinnant's `civil_from_days`, for days that are not negative).
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// The day since 1970 (`days_from_civil`).
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_and_read_back() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (1_772_323_199, "2026-02-28T23:59:59.000000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(rfc3339(time), text);
            assert_eq!(parse(text), Some(time));
        }
    }

    #[test]
    fn offsets_and_fractions_are_understood() {
        let expected = UNIX_EPOCH + Duration::new(3600, 120_000_000);
        assert_eq!(parse("1970-01-01T03:00:00.12+02:00"), Some(expected));
        assert_eq!(parse("1970-01-01 00:30:00.120000-00:30"), Some(expected));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01",
            "é",
            "1970-01-01T00:00:00.é1Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
