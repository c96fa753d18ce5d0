//! Secrets known by their shape wherever they stand: `Bearer ...`, JSON web tokens, the keys of well-known services, private keys.

use std::borrow::Cow;

use base64::Engine as _;

use super::MASK;
use super::prefixes::{Begins, places};

/// How such a key begins, and how many characters follow at the least.
#[rustfmt::skip]
const KEYS: [(&str, usize); 38] = [
    ("sk-", 16), ("sk_live_", 10), ("sk_test_", 10), ("rk_live_", 10), ("rk_test_", 10), ("whsec_", 16),
    ("ghp_", 20), ("gho_", 20), ("ghu_", 20), ("ghs_", 20), ("ghr_", 20), ("github_pat_", 20), ("glpat-", 16),
    ("xoxa-", 10), ("xoxb-", 10), ("xoxp-", 10), ("xoxr-", 10), ("xoxs-", 10), ("xapp-", 10), ("AKIA", 16),
    ("ASIA", 16), ("AIza", 30), ("ya29.", 20), ("hf_", 20), ("gsk_", 20), ("xai-", 20), ("pplx-", 20), ("r8_", 20),
    ("npm_", 20), ("pypi-", 20), ("dop_v1_", 20), ("SG.", 20), ("shpat_", 20), ("lin_api_", 20), ("agent_", 40),
    ("otas_", 40), ("eyJ", 40), ("AGE-SECRET-KEY-", 20),
];

/// How each shape begins, the keys first: most words are none of these.
static SHAPES: Begins = {
    let mut prefixes = [""; KEYS.len()];
    let mut at = 0;
    while at < KEYS.len() {
        prefixes[at] = KEYS[at].0;
        at += 1;
    }
    let digits = b"0123456789";
    Begins::of(&prefixes)
        .or([b"-", b"-", b"-"])
        .or([b"bB", b"eEaA", b"aAsS"])
        .or([b"b", b"o", b"t"])
        .or([digits, digits, digits])
};

/// Where a text ends within a key, this much of it is enough.
const AT_THE_END: usize = 4;

const KEY_BEGINS: &str = "-----BEGIN ";
const KEY_ENDS: &str = "-----END ";

/// Replaces what has the shape of a secret.
pub(super) fn mask(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(skipped) =
        bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| WORD[usize::from(byte)] || byte == b'-'))
    {
        at += skipped;
        if SHAPES.at(&bytes[at..]) != 0 {
            if let Some((start, end)) = secret_at(text, at) {
                out.push_str(&text[copied..start]);
                out.push_str(MASK);
                copied = end;
                at = end;
                continue;
            }
        }
        // Over the word and the byte behind it, with which no secret begins: a dash there is no word of its own.
        at += if bytes[at] == b'-' { 1 } else { word_length(&bytes[at..]) + 1 };
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// A secret whose name or first character stands at the beginning of this word.
fn secret_at(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    match rest.as_bytes().first()? {
        b'-' => private_key(text, at),
        b'0'..=b'9' => telegram(text, at),
        b'b' | b'B' => match scheme(rest, "bearer ").or_else(|| scheme(rest, "basic ")) {
            Some(after) => credentials(text, at + after, after == 6),
            None => telegram(text, at),
        },
        _ => key(text, at),
    }
}

/// A key of a well-known service.
fn key(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    let (prefix, least) = places(SHAPES.at(rest.as_bytes()))
        .filter_map(|place| KEYS.get(place))
        .find(|(prefix, _)| rest.starts_with(prefix))?;
    // Only now, since the word may be as long as the text.
    let length = rest.bytes().position(|byte| !is_word(byte) && byte != b'-' && byte != b'.').unwrap_or(rest.len());
    let (end, secret) = (at + length, length - prefix.len());
    (secret >= *least || (end == text.len() && secret >= AT_THE_END)).then_some((at, end))
}

fn scheme(rest: &str, name: &str) -> Option<usize> {
    rest.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name)).map(str::len)
}

/// What follows `Bearer` or `Basic`, unless it is a word of prose.
fn credentials(text: &str, start: usize, basic: bool) -> Option<(usize, usize)> {
    let rest = text.get(start..)?;
    let is_token =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=');
    let length = rest.bytes().position(|byte| !is_token(byte)).unwrap_or(rest.len());
    let word = &rest[..length];
    let cut = start + length == text.len() && length >= AT_THE_END;
    let secret = match basic {
        true => base64::engine::general_purpose::STANDARD.decode(word).is_ok_and(|plain| plain.contains(&b':')) || cut,
        false => length >= 24 || (length >= 8 && word.bytes().any(|byte| !byte.is_ascii_alphabetic())) || cut,
    };
    secret.then_some((start, start + length))
}

/// `123456:AAH...`, which stands in the path of each request to Telegram as `/bot123456:AAH...`.
fn telegram(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    let digits = rest.strip_prefix("bot").unwrap_or(rest);
    let start = at + rest.len() - digits.len();
    let colon = digits.bytes().position(|byte| !byte.is_ascii_digit()).filter(|colon| *colon >= 6)?;
    let secret = digits.get(colon..)?.strip_prefix(':')?;
    let length = secret.bytes().position(|byte| !is_word(byte) && byte != b'-').unwrap_or(secret.len());
    (length >= 30 || (length >= AT_THE_END && start + colon + 1 + length == text.len()))
        .then_some((start, start + colon + 1 + length))
}

/// From the line that begins a private key to the line that ends it, or to the end of the text.
fn private_key(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?.strip_prefix(KEY_BEGINS)?;
    let label = rest.get(..rest.find("-----").unwrap_or(rest.len()))?;
    if !label.contains("PRIVATE KEY") {
        return None;
    }
    Some((at, rest.find(KEY_ENDS).map_or(text.len(), |end| text.len() - rest.len() + end)))
}

/// How long the word is that begins here.
fn word_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    // Few words are longer than a block; those that are (base64, say) may be as long as the text.
    while let Some(block) = bytes.get(length..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        if length > 0 && is_within_word(block) {
            length += BLOCK;
            continue;
        }
        match block.iter().position(|&byte| !WORD[usize::from(byte)]) {
            Some(end) => return length + end,
            None => length += BLOCK,
        }
    }
    let rest = &bytes[length..];
    length + rest.iter().position(|&byte| !WORD[usize::from(byte)]).unwrap_or(rest.len())
}

const BLOCK: usize = 32;

/// Without a branch and a function of its own, so that it becomes a few instructions for the whole block.
#[inline(never)]
fn is_within_word(block: &[u8; BLOCK]) -> bool {
    block.iter().fold(0, |others, &byte| others | u8::from(!is_word(byte))) == 0
}

const fn is_word(byte: u8) -> bool {
    ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10) | (byte == b'_')
}

/// [`is_word`] in one step.
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
mod tests;
