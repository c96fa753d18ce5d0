//! Secrets behind quoted names: `"name": value` in JSON, JSON lines, server-sent events, and JSON inside JSON strings.
//!
//! The text is not parsed: what was cut at the capture's limit cannot be, and a stream is no document. At each quote, whether it opens or
//! closes, the scanner asks whether a secret's name, the same quote, a colon and a value follow; so it cannot fall out of step.

use std::borrow::Cow;
use std::ops::Range;

use super::MASK;

/// Longest name that is looked at, in bytes of the text.
const NAME: usize = 256;

/// A quote and how deep it is escaped: 0 for `"`, 1 for `\"` inside a string, 2 for `\\\"` inside a string of a string.
struct Quote {
    at: usize,
    level: u32,
    mark: u8,
}

/// Replaces the value behind each quoted name for which `secret` holds.
pub(super) fn mask<'t>(text: &'t str, secret: &dyn Fn(&str) -> bool) -> Cow<'t, str> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    while let Some(quote) = next_quote(bytes, at, bytes.len(), None) {
        at = quote.at + 1;
        let Some((value, quoted)) = secret_value(text, &quote, secret) else { continue };
        out.push_str(&text[copied..value.start]);
        let escapes = (1_usize << quote.level.min(6)) - 1;
        let wrap = if quoted { String::new() } else { format!("{}{}", "\\".repeat(escapes), char::from(quote.mark)) };
        out.extend([wrap.as_str(), MASK, wrap.as_str()]);
        copied = value.end;
        at = value.end.max(at);
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// The value that belongs to the secret name which this quote opens, and whether it is the inside of a string.
fn secret_value(text: &str, open: &Quote, secret: &dyn Fn(&str) -> bool) -> Option<(Range<usize>, bool)> {
    let bytes = text.as_bytes();
    let start = open.at + 1;
    let close = next_quote(bytes, start, (start + NAME).min(bytes.len()), Some(open.mark))?;
    if close.level != open.level {
        return None;
    }
    let escapes = (1_usize << open.level.min(6)) - 1;
    let name = text.get(start..close.at.checked_sub(escapes)?)?;
    let colon = skip_space(bytes, close.at + 1);
    if bytes.get(colon) != Some(&b':') || !secret(&unescaped(name)) {
        return None;
    }
    let value = skip_space(bytes, colon + 1);
    match first_quote(bytes, value) {
        // The end of the string around it: no value came.
        Some(quote) if quote.level < open.level => None,
        Some(quote) => Some((quote.at + 1..string_end(bytes, &quote), true)),
        None => Some((value..value_end(bytes, value, open), false)),
    }
}

/// The quote that a value begins with, over its backslashes.
fn first_quote(bytes: &[u8], at: usize) -> Option<Quote> {
    let slashes = bytes.get(at..)?.iter().take_while(|&&byte| byte == b'\\').count();
    let mark = *bytes.get(at + slashes)?;
    matches!(mark, b'"' | b'\'').then(|| Quote { at: at + slashes, level: level(slashes), mark })
}

/// Where the inside of a string ends: before its closing quote and that quote's backslashes, or where the text does.
fn string_end(bytes: &[u8], open: &Quote) -> usize {
    let mut at = open.at + 1;
    while let Some(quote) = next_quote(bytes, at, bytes.len(), Some(open.mark)) {
        if quote.level <= open.level {
            return (quote.at - ((1_usize << quote.level.min(6)) - 1)).max(open.at + 1);
        }
        at = quote.at + 1;
    }
    bytes.len()
}

/// Where a number, a word, an object or a list ends: at its last bracket, at the end of the string that it stands in, or where the text does.
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

/// The next quote in `from..to`.
fn next_quote(bytes: &[u8], from: usize, to: usize, mark: Option<u8>) -> Option<Quote> {
    let range = bytes.get(from..to)?;
    let found = mark.map_or_else(|| memchr::memchr2(b'"', b'\'', range), |mark| memchr::memchr(mark, range))?;
    let at = from + found;
    let slashes = bytes[..at].iter().rev().take_while(|&&byte| byte == b'\\').count();
    Some(Quote { at, level: level(slashes), mark: bytes[at] })
}

/// How deep a quote is escaped by the backslashes before it: each odd number of them is one string around it.
fn level(slashes: usize) -> u32 {
    slashes.trailing_ones()
}

/// Over blanks, and over escaped line ends of any depth.
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

/// A name with its `\u0041` read; other escapes are left out, since no secret's name holds one.
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
