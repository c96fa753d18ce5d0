//! Secrets behind bare names: `name=value` of queries, forms and attributes, `name: value` of header dumps and YAML, `<name>` of XML, and
//! user-info in URLs.

use std::borrow::Cow;
use std::ops::Range;

use super::names::Place;
use super::{MASK, quoted};

/// How deep an encoded URL inside a parameter is looked into.
const DEPTH: u8 = 3;

/// Replaces what follows each bare name for which `secret` holds, and user-info before an `@`.
pub(super) fn mask<'t>(text: &'t str, secret: &dyn Fn(&str, Place) -> bool) -> Cow<'t, str> {
    mask_to(text, secret, DEPTH)
}

fn mask_to<'t>(text: &'t str, secret: &dyn Fn(&str, Place) -> bool, depth: u8) -> Cow<'t, str> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut copied, mut at, mut looked_into) = (0, 0, 0);
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr3(b'=', b':', b'>', rest)) {
        at += found;
        let value = match bytes[at] {
            b'=' => assigned(text, at, secret, depth, &mut looked_into),
            b':' => user_info(bytes, at).or_else(|| line(text, at, secret)),
            _ => element(text, at, secret),
        };
        at += 1;
        // A value may begin inside one that was masked already: `a=b=c`.
        if let Some(value) = value.filter(|value| value.start >= copied && value.end > value.start) {
            out.push_str(&text[copied..value.start]);
            out.push_str(MASK);
            copied = value.end;
            at = value.end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// The value behind `=`, where the name before it is a secret's, or where it holds an encoded URL or JSON text with one.
fn assigned(
    text: &str,
    equals: usize,
    secret: &dyn Fn(&str, Place) -> bool,
    depth: u8,
    looked_into: &mut usize,
) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let is_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'%' | b'[' | b']' | b'+');
    let length = bytes[..equals].iter().rev().take(256).take_while(|byte| is_name(byte)).count();
    let name = decoded(text.get(equals - length..equals)?);
    if length > 0 && name.split(['[', ']']).any(|part| !part.is_empty() && secret(part, Place::Query)) {
        return Some(value(bytes, equals + 1));
    }
    // A value within one that was decoded already holds nothing new: each byte is decoded once, whatever the text.
    if depth == 0 || equals < *looked_into {
        return None;
    }
    let value = value(bytes, equals + 1);
    *looked_into = value.end;
    let inside = text.get(value.clone()).filter(|inside| inside.contains('%'))?;
    let inner = decoded(inside);
    let found = matches!(mask_to(&inner, secret, depth - 1), Cow::Owned(_))
        || matches!(quoted::mask(&inner, &|name| secret(name, Place::Key)), Cow::Owned(_));
    found.then_some(value)
}

/// What stands behind `=`: to the closing quote, or to the end of the word.
fn value(bytes: &[u8], start: usize) -> Range<usize> {
    match bytes.get(start) {
        Some(quote @ (b'"' | b'\'')) => start + 1..until(bytes, start + 1, |byte| byte == *quote || byte == b'\n'),
        Some(b'\\') => {
            let inner = start + 1 + usize::from(bytes.get(start + 1).is_some_and(|byte| matches!(byte, b'"' | b'\'')));
            inner..until(bytes, inner, ends_word)
        }
        _ => start..until(bytes, start, ends_word),
    }
}

/// What stands before the `@` of a URL's authority.
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

/// The value of a header line or a YAML line: one word, or the rest of the line where the name is that of a credential header.
fn line(text: &str, colon: usize, secret: &dyn Fn(&str, Place) -> bool) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let length = bytes[..colon].iter().rev().take(128).take_while(|byte| is_name(byte)).count();
    let name = text.get(colon - length..colon).filter(|name| !name.is_empty())?;
    // What is secret as a key is so as a header too.
    if !secret(name, Place::Header) {
        return None;
    }
    let space = until(bytes, colon + 1, |byte| byte != b' ' && byte != b'\t');
    let whole = ["authorization", "authenticate", "cookie"].iter().any(|part| name.to_ascii_lowercase().contains(part));
    Some(match bytes.get(space) {
        Some(quote @ (b'"' | b'\'')) => space + 1..until(bytes, space + 1, |byte| byte == *quote || byte == b'\n'),
        _ if whole => space..until(bytes, space, |byte| matches!(byte, b'\n' | b'\r' | b'"' | b'\'' | b'\\' | b'<')),
        _ => space..until(bytes, space, ends_word),
    })
}

/// The text of an XML element with a secret's name, up to the next tag.
fn element(text: &str, close: usize, secret: &dyn Fn(&str, Place) -> bool) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let from = close.saturating_sub(512);
    let open = from + memchr::memrchr2(b'<', b'>', &bytes[from..close])?;
    let tag = text
        .get(open + 1..close)
        .filter(|tag| bytes[open] == b'<' && !tag.starts_with(['/', '!', '?']) && !tag.ends_with('/'))?;
    let name = tag.split_ascii_whitespace().next()?;
    let local = name.rsplit(':').next()?;
    if !secret(local, Place::Key) {
        return None;
    }
    if bytes.get(close + 1..)?.starts_with(b"<![CDATA[") {
        let from = close + 10;
        return Some(from..text.get(from..)?.find("]]>").map_or(text.len(), |end| from + end));
    }
    Some(close + 1..until(bytes, close + 1, |byte| byte == b'<'))
}

fn ends_word(byte: u8) -> bool {
    matches!(byte, b'&' | b';' | b'"' | b'\'' | b'<' | b'>' | b'#' | b'\\' | b'}' | b'{') || byte.is_ascii_whitespace()
}

fn until(bytes: &[u8], from: usize, ends: impl Fn(u8) -> bool) -> usize {
    bytes.get(from..).and_then(|rest| rest.iter().position(|&byte| ends(byte))).map_or(bytes.len(), |end| from + end)
}

/// Percent-decoded, whatever bytes come of it.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let hex = |offset: usize| bytes.get(at + offset).and_then(|&byte| char::from(byte).to_digit(16));
        match (byte, hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}
