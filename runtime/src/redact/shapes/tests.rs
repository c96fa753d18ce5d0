//! Which shapes are found, and that no shorter way passes one over.

use super::*;

/// The same, byte by byte.
fn plain(text: &str) -> String {
    let (mut out, mut copied, mut at, mut inside) = (String::new(), 0, 0, false);
    while let Some(&byte) = text.as_bytes().get(at) {
        let word = byte.is_ascii_alphanumeric() || byte == b'_';
        let secret = ((word || byte == b'-') && !inside).then(|| secret_at(text, at)).flatten();
        if let Some((start, end)) = secret {
            out.extend([&text[copied..start], MASK]);
            (copied, at, inside) = (end, end, false);
        } else {
            (at, inside) = (at + 1, word);
        }
    }
    out + &text[copied..]
}

#[test]
fn whole_words_at_a_time_find_what_each_byte_would() {
    #[rustfmt::skip]
    let pieces = [
        "-", "---", "_", " ", "a", "é", "Z9", "sk-", "xoxb-0123456789", "0123456789abcdef", "Bearer ", "x.y", "1", "eyJ", "/bot",
        "basic ", "-----BEGIN RSA PRIVATE KEY-----", "-----END", "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
    ];
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..20_000 {
        let text: String = (0..random.usize(0..30)).map(|_| pieces[random.usize(0..pieces.len())]).collect();
        assert_eq!(mask(&text), plain(&text), "{text:?}");
    }
}

#[test]
fn no_beginning_of_a_secret_is_passed_over() {
    let others = ["-----BEGIN ", "Bearer ", "bEARER ", "BASIC ", "basic ", "bot123456:", "000000:", "987654:"];
    for word in KEYS.iter().map(|(prefix, _)| *prefix).chain(others) {
        assert_ne!(SHAPES.at(word.as_bytes()), 0, "{word}");
    }
    for (place, (prefix, _)) in KEYS.iter().enumerate() {
        assert_eq!(KEYS.iter().position(|(other, _)| prefix.starts_with(other)), Some(place), "{prefix} is one key's");
        assert!(places(SHAPES.at(prefix.as_bytes())).any(|found| found == place), "{prefix}");
    }
}

#[test]
fn a_word_is_measured_to_its_end_whatever_its_length() {
    for length in 0..100 {
        for end in ["", "-", ".", "é", " a"] {
            assert_eq!(word_length(("a".repeat(length) + end).as_bytes()), length);
        }
    }
    for byte in 0..=255_u8 {
        assert_eq!(is_word(byte), byte.is_ascii_alphanumeric() || byte == b'_');
    }
}
