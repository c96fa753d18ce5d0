//! Secrets after bare names, and user-info in URLs.
//!
//! Bare names occur as `name=value` in queries, forms and attributes, as `name: value` in header
//! dumps and YAML, and as `<name>` in XML.

use std::borrow::Cow;
use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::mask::Masked;
use super::names::Place;
use super::quoted;

/// How many levels of percent-encoding are looked into, as in a URL in a parameter of a URL.
const MAX_DEPTH: u8 = 3;
/// Longer names of query parameters and form fields are not looked at.
const MAX_PARAMETER_BYTES: usize = 256;
/// Longer names before a colon are not looked at.
const MAX_LINE_NAME_BYTES: usize = 128;
/// Longer XML tags are not looked at.
const MAX_TAG_BYTES: usize = 512;

const CDATA: &str = "<![CDATA[";

/// Masks what follows each bare name for which `is_secret` holds, and user-info before an `@`.
pub(super) fn mask<'t>(text: &'t str, is_secret: &dyn Fn(&str, Place) -> bool) -> Cow<'t, str> {
    mask_to_depth(text, is_secret, MAX_DEPTH)
}

fn mask_to_depth<'t>(text: &'t str, is_secret: &dyn Fn(&str, Place) -> bool, depth: u8) -> Cow<'t, str> {
    let bytes = text.as_bytes();
    let mut masked = Masked::new(text);
    let (mut at, mut decoded_to) = (0, 0);
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr3(b'=', b':', b'>', rest)) {
        at += found;
        let value = match bytes[at] {
            b'=' => parameter(text, at, is_secret, depth, &mut decoded_to),
            b':' => user_info(bytes, at).or_else(|| line(text, at, is_secret)),
            _ => element(text, at, is_secret),
        };
        at += 1;
        // In `a=b=c` the second value begins inside the first, which may be masked already.
        if let Some(value) = value.filter(|value| value.start >= masked.end() && value.end > value.start) {
            at = value.end;
            masked.mask(value, "");
        }
    }
    masked.finish()
}

/// The value after `=`, if the name before it is secret, or if the value is an encoded URL or JSON
/// text that contains a secret.
fn parameter(
    text: &str,
    equals: usize,
    is_secret: &dyn Fn(&str, Place) -> bool,
    depth: u8,
    decoded_to: &mut usize,
) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let is_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'%' | b'[' | b']' | b'+');
    let length = bytes[..equals].iter().rev().take(MAX_PARAMETER_BYTES).take_while(|byte| is_name(byte)).count();
    let name = percent_decode_str(text.get(equals - length..equals)?).decode_utf8_lossy();
    if length > 0 && name.split(['[', ']']).any(|part| !part.is_empty() && is_secret(part, Place::Query)) {
        return Some(parameter_value(bytes, equals + 1));
    }
    // Each byte is decoded only once, so that hostile text takes linear time: a value inside one
    // that was already decoded has been searched as part of it.
    if depth == 0 || equals < *decoded_to {
        return None;
    }
    let value = parameter_value(bytes, equals + 1);
    *decoded_to = value.end;
    let encoded = text.get(value.clone()).filter(|value| value.contains('%'))?;
    let decoded = percent_decode_str(encoded).decode_utf8_lossy();
    let has_secret = matches!(mask_to_depth(&decoded, is_secret, depth - 1), Cow::Owned(_))
        || matches!(quoted::mask(&decoded, &|name| is_secret(name, Place::Key)), Cow::Owned(_));
    has_secret.then_some(value)
}

/// The value after `=`: up to the closing quote, or to the end of the word.
fn parameter_value(bytes: &[u8], start: usize) -> Range<usize> {
    match bytes.get(start) {
        Some(quote @ (b'"' | b'\'')) => start + 1..until(bytes, start + 1, |byte| byte == *quote || byte == b'\n'),
        Some(b'\\') => {
            let inner = start + 1 + usize::from(bytes.get(start + 1).is_some_and(|byte| matches!(byte, b'"' | b'\'')));
            inner..until(bytes, inner, ends_word)
        }
        _ => start..until(bytes, start, ends_word),
    }
}

/// What precedes the `@` in a URL's authority.
fn user_info(bytes: &[u8], colon: usize) -> Option<Range<usize>> {
    let start = colon + 3;
    if bytes.get(colon..start)? != b"://" {
        return None;
    }
    let end = until(bytes, start, |byte| {
        matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\') || byte.is_ascii_whitespace()
    });
    let at = start + bytes[start..end].iter().rposition(|&byte| byte == b'@')?;
    Some(start..at)
}

/// The value of a header or YAML line: one word, or the rest of the line for credential headers.
fn line(text: &str, colon: usize, is_secret: &dyn Fn(&str, Place) -> bool) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let length = bytes[..colon].iter().rev().take(MAX_LINE_NAME_BYTES).take_while(|byte| is_name(byte)).count();
    let name = text.get(colon - length..colon).filter(|name| !name.is_empty())?;
    // Names that are secret as keys are secret as headers too.
    if !is_secret(name, Place::Header) {
        return None;
    }
    let start = until(bytes, colon + 1, |byte| byte != b' ' && byte != b'\t');
    let lower = name.to_ascii_lowercase();
    let is_whole_line = ["authorization", "authenticate", "cookie"].iter().any(|part| lower.contains(part));
    Some(match bytes.get(start) {
        Some(quote @ (b'"' | b'\'')) => start + 1..until(bytes, start + 1, |byte| byte == *quote || byte == b'\n'),
        _ if is_whole_line => {
            start..until(bytes, start, |byte| matches!(byte, b'\n' | b'\r' | b'"' | b'\'' | b'\\' | b'<'))
        }
        _ => start..until(bytes, start, ends_word),
    })
}

/// The text of an XML element with a secret name, up to the next tag.
fn element(text: &str, close: usize, is_secret: &dyn Fn(&str, Place) -> bool) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let from = close.saturating_sub(MAX_TAG_BYTES);
    let open = from + memchr::memrchr2(b'<', b'>', &bytes[from..close])?;
    let tag = text
        .get(open + 1..close)
        .filter(|tag| bytes[open] == b'<' && !tag.starts_with(['/', '!', '?']) && !tag.ends_with('/'))?;
    let name = tag.split_ascii_whitespace().next()?;
    let local = name.rsplit(':').next()?;
    if !is_secret(local, Place::Key) {
        return None;
    }
    let start = close + 1;
    if text.get(start..)?.starts_with(CDATA) {
        let start = start + CDATA.len();
        return Some(start..text.get(start..)?.find("]]>").map_or(text.len(), |end| start + end));
    }
    Some(start..until(bytes, start, |byte| byte == b'<'))
}

fn ends_word(byte: u8) -> bool {
    matches!(byte, b'&' | b';' | b'"' | b'\'' | b'<' | b'>' | b'#' | b'\\' | b'}' | b'{') || byte.is_ascii_whitespace()
}

fn until(bytes: &[u8], from: usize, ends: impl Fn(u8) -> bool) -> usize {
    bytes.get(from..).and_then(|rest| rest.iter().position(|&byte| ends(byte))).map_or(bytes.len(), |end| from + end)
}
