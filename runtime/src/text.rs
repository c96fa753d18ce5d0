//! Text that a database column can take: no NUL, and no longer than the column.

use std::borrow::Cow;

/// Replaces each NUL, which PostgreSQL refuses, by the visible symbol for it.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    match memchr::memchr(0, text.as_bytes()) {
        Some(_) => Cow::Owned(text.replace('\0', "\u{2400}")),
        None => Cow::Borrowed(text),
    }
}

/// What [`String::from_utf8_lossy`] gives, several times as fast where nothing is lost.
pub(crate) fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The longest beginning of at most `limit` bytes that ends at a character's border.
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

/// Cuts in place, like [`cut`].
pub(crate) fn truncate(text: &mut String, limit: usize) {
    let end = cut(text, limit).len();
    text.truncate(end);
}

/// The beginning of at most `limit` characters.
pub(crate) fn cut_chars(text: &str, limit: usize) -> &str {
    text.char_indices().nth(limit).map_or(text, |(end, _)| &text[..end])
}

/// The bytes without a last character of which only a part is there.
pub(crate) fn whole_characters(bytes: &[u8]) -> &[u8] {
    match std::str::from_utf8(bytes) {
        // No length: the bytes ended too early, rather than being wrong.
        Err(error) if error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_a_characters_border() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("€", 0), "");
        assert_eq!(cut_chars("a€b", 2), "a€");
    }

    #[test]
    fn a_nul_becomes_visible() {
        assert_eq!(visible("a\0b"), "a\u{2400}b");
    }

    #[test]
    fn only_an_unfinished_last_character_is_taken_off() {
        assert_eq!(whole_characters("a€".as_bytes().split_last().unwrap().1), b"a");
        assert_eq!(whole_characters(b"a\xff"), b"a\xff");
        assert_eq!(whole_characters(b"\xffa\xe2"), b"\xffa\xe2");
    }
}
