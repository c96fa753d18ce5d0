//! Secrets with a recognizable shape, wherever they occur.
//!
//! These are `Bearer ...`, `Basic ...`, JSON web tokens, API keys of well-known services, and
//! private keys.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::mask::Masked;
use super::prefixes::{PrefixFilter, set_bits};

/// The prefix of each service's keys, and the minimum number of characters after it.
#[rustfmt::skip]
const KEYS: [(&str, usize); 38] = [
    ("sk-", 16), ("sk_live_", 10), ("sk_test_", 10), ("rk_live_", 10), ("rk_test_", 10), ("whsec_", 16),
    ("ghp_", 20), ("gho_", 20), ("ghu_", 20), ("ghs_", 20), ("ghr_", 20), ("github_pat_", 20), ("glpat-", 16),
    ("xoxa-", 10), ("xoxb-", 10), ("xoxp-", 10), ("xoxr-", 10), ("xoxs-", 10), ("xapp-", 10), ("AKIA", 16),
    ("ASIA", 16), ("AIza", 30), ("ya29.", 20), ("hf_", 20), ("gsk_", 20), ("xai-", 20), ("pplx-", 20), ("r8_", 20),
    ("npm_", 20), ("pypi-", 20), ("dop_v1_", 20), ("SG.", 20), ("shpat_", 20), ("lin_api_", 20), ("agent_", 40),
    ("otas_", 40), ("eyJ", 40), ("AGE-SECRET-KEY-", 20),
];

/// How each shape begins: first [`KEYS`], by index, then the others.
static SHAPES: PrefixFilter = {
    let mut prefixes = [""; KEYS.len()];
    let mut index = 0;
    while index < KEYS.len() {
        prefixes[index] = KEYS[index].0;
        index += 1;
    }
    let digits = b"0123456789";
    PrefixFilter::new(&prefixes)
        .with_classes([b"-", b"-", b"-"]) // a private key
        .with_classes([b"bB", b"eEaA", b"aAsS"]) // `Bearer` and `Basic`
        .with_classes([b"b", b"o", b"t"]) // a Telegram token, with its prefix
        .with_classes([digits, digits, digits]) // and without
};

/// How many characters of a secret suffice at the end of a text, where it may have been cut off.
const MIN_TRUNCATED_CHARS: usize = 4;
/// A word after `Bearer` with this many letters is a token rather than prose.
const MIN_BEARER_LETTERS: usize = 24;
/// The same for a word with other characters than letters.
const MIN_BEARER_CHARS: usize = 8;
const MIN_TELEGRAM_ID_DIGITS: usize = 6;
const MIN_TELEGRAM_SECRET_CHARS: usize = 30;

const PEM_BEGIN: &str = "-----BEGIN ";
const PEM_END: &str = "-----END ";

/// Masks everything that has the shape of a secret.
pub(super) fn mask(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut masked = Masked::new(text);
    let mut at = 0;
    let may_begin = |&byte: &u8| WORD[usize::from(byte)] || byte == b'-';
    while let Some(skipped) = bytes.get(at..).and_then(|rest| rest.iter().position(may_begin)) {
        at += skipped;
        if SHAPES.candidates(&bytes[at..]) != 0 {
            if let Some(secret) = secret_at(text, at) {
                at = secret.end;
                masked.mask(secret, "");
                continue;
            }
        }
        // Past the word and the byte after it. That byte begins no secret: even if it is a dash, it
        // belongs to this word.
        at += if bytes[at] == b'-' { 1 } else { word_length(&bytes[at..]) + 1 };
    }
    masked.finish()
}

/// The secret that begins with this word, or follows it, as in `Bearer ...`.
fn secret_at(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    match rest.as_bytes().first()? {
        b'-' => private_key(text, at),
        b'0'..=b'9' => telegram_token(text, at),
        b'b' | b'B' if starts_with_scheme(rest, "bearer ") => bearer_token(text, at + "bearer ".len()),
        b'b' | b'B' if starts_with_scheme(rest, "basic ") => basic_credentials(text, at + "basic ".len()),
        b'b' | b'B' => telegram_token(text, at),
        _ => service_key(text, at),
    }
}

/// The key of a well-known service.
fn service_key(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let (prefix, min_chars) = set_bits(SHAPES.candidates(rest.as_bytes()))
        .filter_map(|index| KEYS.get(index))
        .find(|(prefix, _)| rest.starts_with(prefix))?;
    // Not measured before, as the word may be as long as the text.
    let length = length_while(rest, |byte| is_word(byte) || byte == b'-' || byte == b'.');
    let (end, secret_chars) = (at + length, length - prefix.len());
    let is_secret = secret_chars >= *min_chars || is_truncated(text, end, secret_chars);
    is_secret.then_some(at..end)
}

fn starts_with_scheme(text: &str, scheme: &str) -> bool {
    text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// The token after `Bearer`, unless it is a word of prose.
fn bearer_token(text: &str, start: usize) -> Option<Range<usize>> {
    let word = credentials(text, start)?;
    let (end, has_others) = (start + word.len(), word.bytes().any(|byte| !byte.is_ascii_alphabetic()));
    let is_secret = word.len() >= MIN_BEARER_LETTERS
        || (word.len() >= MIN_BEARER_CHARS && has_others)
        || is_truncated(text, end, word.len());
    is_secret.then_some(start..end)
}

/// The base64 of `user:password` after `Basic`, unless it is a word of prose.
fn basic_credentials(text: &str, start: usize) -> Option<Range<usize>> {
    let word = credentials(text, start)?;
    let end = start + word.len();
    let is_secret =
        STANDARD.decode(word).is_ok_and(|plain| plain.contains(&b':')) || is_truncated(text, end, word.len());
    is_secret.then_some(start..end)
}

fn credentials(text: &str, start: usize) -> Option<&str> {
    let rest = text.get(start..)?;
    let is_credential =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    rest.get(..length_while(rest, is_credential))
}

/// `123456:AAH...`, which in a request's path is preceded by `bot`: `/bot123456:AAH...`.
fn telegram_token(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?;
    let token = rest.strip_prefix("bot").unwrap_or(rest);
    let start = at + rest.len() - token.len();
    let id = length_while(token, |byte| byte.is_ascii_digit());
    let secret = token.get(id..)?.strip_prefix(':').filter(|_| id >= MIN_TELEGRAM_ID_DIGITS)?;
    let secret_chars = length_while(secret, |byte| is_word(byte) || byte == b'-');
    let end = start + id + 1 + secret_chars;
    let is_secret = secret_chars >= MIN_TELEGRAM_SECRET_CHARS || is_truncated(text, end, secret_chars);
    is_secret.then_some(start..end)
}

/// From the line that begins a private key to the line that ends it, or to the end of the text.
fn private_key(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = text.get(at..)?.strip_prefix(PEM_BEGIN)?;
    let label = rest.get(..rest.find("-----").unwrap_or(rest.len()))?;
    if !label.contains("PRIVATE KEY") {
        return None;
    }
    Some(at..rest.find(PEM_END).map_or(text.len(), |end| text.len() - rest.len() + end))
}

/// Whether this may be the beginning of a secret that was cut off with the text.
fn is_truncated(text: &str, end: usize, secret_chars: usize) -> bool {
    end == text.len() && secret_chars >= MIN_TRUNCATED_CHARS
}

fn length_while(text: &str, accepts: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(|byte| !accepts(byte)).unwrap_or(text.len())
}

fn word_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    // Few words exceed a block, but base64, say, may be as long as the text.
    while let Some(block) = bytes.get(length..).and_then(|rest| rest.first_chunk::<BLOCK_BYTES>()) {
        if length > 0 && is_within_word(block) {
            length += BLOCK_BYTES;
            continue;
        }
        match block.iter().position(|&byte| !WORD[usize::from(byte)]) {
            Some(end) => return length + end,
            None => length += BLOCK_BYTES,
        }
    }
    let rest = &bytes[length..];
    length + rest.iter().position(|&byte| !WORD[usize::from(byte)]).unwrap_or(rest.len())
}

const BLOCK_BYTES: usize = 32;

/// Branch-free and not inlined, so that the compiler vectorizes it.
#[inline(never)]
fn is_within_word(block: &[u8; BLOCK_BYTES]) -> bool {
    block.iter().fold(0, |others, &byte| others | u8::from(!is_word(byte))) == 0
}

const fn is_word(byte: u8) -> bool {
    ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10) | (byte == b'_')
}

/// [`is_word`] as a table.
static WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = is_word(byte as u8);
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The obvious way to write [`mask`]: looks at every byte.
    fn mask_bytewise(text: &str) -> Cow<'_, str> {
        let mut masked = Masked::new(text);
        let (mut at, mut in_word) = (0, false);
        while let Some(&byte) = text.as_bytes().get(at) {
            let may_begin = (is_word(byte) || byte == b'-') && !in_word;
            if let Some(secret) = may_begin.then(|| secret_at(text, at)).flatten() {
                (at, in_word) = (secret.end, false);
                masked.mask(secret, "");
            } else {
                (at, in_word) = (at + 1, is_word(byte));
            }
        }
        masked.finish()
    }

    #[test]
    fn skipping_word_by_word_finds_what_every_byte_would() {
        #[rustfmt::skip]
        let pieces = [
            "-", "---", "_", " ", "a", "é", "Z9", "sk-", "xoxb-0123456789", "0123456789abcdef", "Bearer ", "x.y", "1",
            "eyJ", "/bot", "basic ", "-----BEGIN RSA PRIVATE KEY-----", "-----END",
            "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
        ];
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..20_000 {
            let text: String = (0..random.usize(0..30)).map(|_| pieces[random.usize(0..pieces.len())]).collect();
            assert_eq!(mask(&text), mask_bytewise(&text), "{text:?}");
        }
    }

    #[test]
    fn the_prefix_filter_passes_every_secret() {
        let others = ["-----BEGIN ", "Bearer ", "bEARER ", "BASIC ", "basic ", "bot123456:", "000000:", "987654:"];
        for word in KEYS.iter().map(|(prefix, _)| *prefix).chain(others) {
            assert_ne!(SHAPES.candidates(word.as_bytes()), 0, "{word}");
        }
        for (index, (prefix, _)) in KEYS.iter().enumerate() {
            let first = KEYS.iter().position(|(other, _)| prefix.starts_with(other));
            assert_eq!(first, Some(index), "no other prefix hides {prefix}");
            assert!(set_bits(SHAPES.candidates(prefix.as_bytes())).any(|found| found == index), "{prefix}");
        }
    }

    #[test]
    fn words_of_any_length_are_measured_to_their_end() {
        for length in 0..100 {
            for end in ["", "-", ".", "é", " a"] {
                assert_eq!(word_length(("a".repeat(length) + end).as_bytes()), length);
            }
        }
        for byte in 0..=255_u8 {
            assert_eq!(is_word(byte), byte.is_ascii_alphanumeric() || byte == b'_');
        }
    }
}
