//! Secrets after quoted names, as in `"name": value`.
//!
//! They occur in JSON, JSON Lines, server-sent events, and JSON inside JSON strings. The text is
//! scanned rather than parsed, because it may be cut off at the capture limit and a stream is not
//! one document. At every quote, opening or closing, the scanner checks whether a secret's name,
//! the same quote, a colon and a value follow, so it cannot get out of step.

use std::borrow::Cow;
use std::ops::Range;

use super::mask::Masked;

/// Longer names are not looked at.
const MAX_NAME_BYTES: usize = 256;

/// A quote and its escape level: 0 for `"`, 1 for `\"` in a string, 2 for `\\\"` in a string in a
/// string.
struct Quote {
    at: usize,
    level: u32,
    mark: u8,
}

impl Quote {
    /// How many backslashes a quote of this level has in front of it.
    fn escapes(&self) -> usize {
        (1_usize << self.level.min(6)) - 1
    }
}

/// Masks the value after each quoted name for which `is_secret` holds.
pub(super) fn mask<'t>(text: &'t str, is_secret: &dyn Fn(&str) -> bool) -> Cow<'t, str> {
    let bytes = text.as_bytes();
    let mut masked = Masked::new(text);
    let mut at = 0;
    while let Some(quote) = next_quote(bytes, at, bytes.len(), None) {
        at = quote.at + 1;
        let Some((value, in_quotes)) = secret_value(text, &quote, is_secret) else { continue };
        at = value.end.max(at);
        if in_quotes {
            masked.mask(value, "");
        } else {
            masked.mask(value, &format!("{}{}", "\\".repeat(quote.escapes()), char::from(quote.mark)));
        }
    }
    masked.finish()
}

/// The value of the secret name that this quote opens, and whether the value is quoted.
fn secret_value(text: &str, open: &Quote, is_secret: &dyn Fn(&str) -> bool) -> Option<(Range<usize>, bool)> {
    let bytes = text.as_bytes();
    let start = open.at + 1;
    let close = next_quote(bytes, start, (start + MAX_NAME_BYTES).min(bytes.len()), Some(open.mark))?;
    if close.level != open.level {
        return None;
    }
    let name = text.get(start..close.at.checked_sub(open.escapes())?)?;
    let colon = skip_space(bytes, close.at + 1);
    if bytes.get(colon) != Some(&b':') || !is_secret(&unescaped(name)) {
        return None;
    }
    let value = skip_space(bytes, colon + 1);
    match first_quote(bytes, value) {
        // This quote ends the surrounding string, so there is no value.
        Some(quote) if quote.level < open.level => None,
        Some(quote) => Some((quote.at + 1..string_end(bytes, &quote), true)),
        None => Some((value..value_end(bytes, value, open), false)),
    }
}

/// The quote that a value begins with, after its backslashes.
fn first_quote(bytes: &[u8], at: usize) -> Option<Quote> {
    let slashes = bytes.get(at..)?.iter().take_while(|&&byte| byte == b'\\').count();
    let mark = *bytes.get(at + slashes)?;
    matches!(mark, b'"' | b'\'').then(|| Quote { at: at + slashes, level: level(slashes), mark })
}

/// The end of a string's contents: before the closing quote and its backslashes, or the end of the
/// text.
fn string_end(bytes: &[u8], open: &Quote) -> usize {
    let mut at = open.at + 1;
    while let Some(quote) = next_quote(bytes, at, bytes.len(), Some(open.mark)) {
        if quote.level <= open.level {
            return (quote.at - quote.escapes()).max(open.at + 1);
        }
        at = quote.at + 1;
    }
    bytes.len()
}

/// The end of a number, word, object or array: its last bracket, the end of the string that it is
/// part of, or the end of the text.
fn value_end(bytes: &[u8], start: usize, key: &Quote) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' => {
                let slashes = bytes[start..at].iter().rev().take_while(|&&byte| byte == b'\\').count();
                let quote = Quote { at, level: level(slashes), mark: byte };
                if quote.level < key.level || depth == 0 {
                    return at - slashes;
                }
                at = next_quote(bytes, string_end(bytes, &quote), bytes.len(), Some(byte))
                    .map_or(bytes.len(), |quote| quote.at);
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return if depth == 1 { at + 1 } else { at },
            b'}' | b']' => depth -= 1,
            b',' | b'\n' | b'\r' | b'\\' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The next quote in `from..to`: `mark`, or either kind if it is `None`.
fn next_quote(bytes: &[u8], from: usize, to: usize, mark: Option<u8>) -> Option<Quote> {
    let range = bytes.get(from..to)?;
    let found = mark.map_or_else(|| memchr::memchr2(b'"', b'\'', range), |mark| memchr::memchr(mark, range))?;
    let at = from + found;
    let slashes = bytes[..at].iter().rev().take_while(|&&byte| byte == b'\\').count();
    Some(Quote { at, level: level(slashes), mark: bytes[at] })
}

/// The escape level of a quote after this many backslashes: one is level 1, three level 2, seven
/// level 3. Any others are escaped backslashes of the string itself.
fn level(slashes: usize) -> u32 {
    slashes.trailing_ones()
}

/// Skips blanks, and line ends and tabs that are escaped to any level.
fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    loop {
        match bytes.get(at) {
            Some(b' ' | b'\t' | b'\n' | b'\r') => at += 1,
            Some(b'\\') => {
                let slashes = bytes[at..].iter().take_while(|&&byte| byte == b'\\').count();
                match bytes.get(at + slashes) {
                    Some(b'n' | b't' | b'r') => at += slashes + 1,
                    _ => return at,
                }
            }
            _ => return at,
        }
    }
}

/// A name with escapes like `\u0041` decoded. Other escapes are dropped, since no secret's name
/// contains one.
fn unescaped(name: &str) -> Cow<'_, str> {
    if !name.contains('\\') {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = rest[at..].trim_start_matches('\\');
        if let Some(letter) = rest.strip_prefix('u').and_then(|hex| u32::from_str_radix(hex.get(..4)?, 16).ok()) {
            out.extend(char::from_u32(letter));
            rest = &rest[5..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}
