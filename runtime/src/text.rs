//! Text as the servers store it: no NUL, no longer than a column, times in RFC 3339.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Replaces each NUL, which PostgreSQL rejects, with its visible symbol.
pub(crate) fn escape_nul(text: &str) -> Cow<'_, str> {
    match memchr::memchr(0, text.as_bytes()) {
        Some(_) => Cow::Owned(text.replace('\0', "\u{2400}")),
        None => Cow::Borrowed(text),
    }
}

/// Like [`String::from_utf8_lossy`], but several times as fast on valid UTF-8.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The longest prefix of at most `limit` bytes that ends at a character boundary.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let mut end = limit;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// [`cut`] in place.
pub(crate) fn truncate(text: &mut String, limit: usize) {
    let end = cut(text, limit).len();
    text.truncate(end);
}

/// The prefix of at most `limit` characters.
pub(crate) fn cut_chars(text: &str, limit: usize) -> &str {
    text.char_indices().nth(limit).map_or(text, |(end, _)| &text[..end])
}

/// Drops an incomplete character at the end.
pub(crate) fn trim_partial_char(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        // No error length: the bytes end in the middle of a character and are not invalid
        // otherwise.
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    }
}

/// The last second that RFC 3339, with its four-digit year, can express.
const MAX_TIMESTAMP: Duration = Duration::from_secs(253_402_300_799);

/// `2026-01-02T03:04:05.678901Z`; a time before 1970 or after 9999 becomes the nearest one in
/// range.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default().min(MAX_TIMESTAMP);
    humantime::format_rfc3339_micros(UNIX_EPOCH + since_epoch).to_string()
}

/// Reads a UTC time that ends with `Z` or `+00:00`, the two forms that the servers write.
pub(crate) fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    humantime::parse_rfc3339(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_character_boundary() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("€", 0), "");
        assert_eq!(cut_chars("a€b", 2), "a€");
    }

    #[test]
    fn a_nul_becomes_visible() {
        assert_eq!(escape_nul("a\0b"), "a\u{2400}b");
    }

    #[test]
    fn only_an_incomplete_last_character_is_dropped() {
        assert_eq!(trim_partial_char("a€".as_bytes().split_last().unwrap().1), b"a");
        assert_eq!(trim_partial_char(b"a\xff"), b"a\xff");
        assert_eq!(trim_partial_char(b"\xffa\xe2"), b"\xffa\xe2");
    }

    #[test]
    fn times_survive_a_round_trip() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (1_772_323_199, "2026-02-28T23:59:59.000000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000000Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(rfc3339(time), text);
            assert_eq!(parse_rfc3339(text), Some(time));
        }
    }

    #[test]
    fn times_out_of_range_are_clamped() {
        assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(UNIX_EPOCH + 2 * MAX_TIMESTAMP), "9999-12-31T23:59:59.000000Z");
    }

    #[test]
    fn both_forms_that_the_servers_write_are_read() {
        let expected = UNIX_EPOCH + Duration::new(3600, 120_000_000);
        assert_eq!(parse_rfc3339("1970-01-01T01:00:00.120000+00:00"), Some(expected));
        assert_eq!(parse_rfc3339("1970-01-01T01:00:00.12Z"), Some(expected));
        assert_eq!(parse_rfc3339("1970-01-01T00:00:01+00:00"), Some(UNIX_EPOCH + Duration::from_secs(1)));
    }

    #[test]
    fn anything_else_is_not_a_time() {
        for text in [
            "",
            "yesterday",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01",
            "é",
            "1970-01-01T00:00:00.é1Z",
            "1970-01-01T03:00:00.12+02:00",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
