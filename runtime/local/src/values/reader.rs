//! Python's JSON reader, including NaN, infinities, integers of any length and lone surrogates.

use std::borrow::Cow;
use std::collections::HashMap;

use super::json::{Json, Text};

/// Deeper nesting raises a `RecursionError`: Python's limit is 1,000 frames, and the server uses
/// some of them.
const MAX_DEPTH: usize = 970;
/// Longer integers raise a `ValueError`.
const MAX_DIGITS: usize = 4300;

/// Why Python cannot read a body.
#[derive(Debug, PartialEq)]
pub(crate) enum Unreadable {
    /// `JSONDecodeError`, which every view catches.
    Syntax,
    /// Another exception, which most views do not catch, as its class and message.
    Crash(&'static str, String),
}

impl Json {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        check_utf8(bytes).map_err(|at| {
            let message =
                format!("'utf-8' codec can't decode byte 0x{:02x} in position {at}: invalid start byte", bytes[at]);
            Unreadable::Crash("UnicodeDecodeError", message)
        })?;
        let mut reader = Reader { bytes, at: 0 };
        let value = reader.value(0)?;
        reader.space();
        if reader.at == bytes.len() { Ok(value) } else { Err(Unreadable::Syntax) }
    }
}

/// `bytes.decode("utf-8", "surrogatepass")`, or the position at which it fails.
fn check_utf8(bytes: &[u8]) -> Result<(), usize> {
    let mut at = 0;
    while let Err(error) = std::str::from_utf8(&bytes[at..]) {
        at += error.valid_up_to();
        match bytes[at..] {
            [0xED, 0xA0..=0xBF, 0x80..=0xBF, ..] => at += 3, // an encoded surrogate passes
            _ => return Err(at),
        }
    }
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.bytes[self.at..].starts_with(word.as_bytes());
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json, Unreadable> {
        self.space();
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => {
                Err(Unreadable::Crash("RecursionError", "maximum recursion depth exceeded".to_owned()))
            }
            Some(b'"') => self.text().map(Json::Text),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.take("null") => Ok(Json::Null),
            _ if self.take("true") => Ok(Json::Bool(true)),
            _ if self.take("false") => Ok(Json::Bool(false)),
            _ if self.take("NaN") => Ok(Json::Float(f64::NAN)),
            _ if self.take("Infinity") => Ok(Json::Float(f64::INFINITY)),
            _ => Err(Unreadable::Syntax),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, Unreadable> {
        self.at += 1;
        let mut values = Vec::new();
        self.space();
        if self.take("]") {
            return Ok(Json::List(values));
        }
        loop {
            values.push(self.value(depth + 1)?);
            self.space();
            if self.take("]") {
                return Ok(Json::List(values));
            }
            if !self.take(",") {
                return Err(Unreadable::Syntax);
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, Unreadable> {
        self.at += 1;
        let mut entries: Vec<(Text, Json)> = Vec::new();
        let mut places = HashMap::new();
        self.space();
        if self.take("}") {
            return Ok(Json::Object(entries));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(Unreadable::Syntax);
            }
            let key = self.text()?;
            self.space();
            if !self.take(":") {
                return Err(Unreadable::Syntax);
            }
            let value = self.value(depth + 1)?;
            match places.get(&key) {
                Some(&place) => {
                    let entry: &mut (Text, Json) = &mut entries[place];
                    entry.1 = value; // the last of several equal keys wins
                }
                None => {
                    places.insert(key.clone(), entries.len());
                    entries.push((key, value));
                }
            }
            self.space();
            if self.take("}") {
                return Ok(Json::Object(entries));
            }
            if !self.take(",") {
                return Err(Unreadable::Syntax);
            }
        }
    }

    /// Skips digits and returns how many there were.
    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Json, Unreadable> {
        if self.take("-Infinity") {
            return Ok(Json::Float(f64::NEG_INFINITY));
        }
        let start = self.at;
        self.take("-");
        let digits = if self.take("0") { 1 } else { self.digits() };
        if digits == 0 {
            return Err(Unreadable::Syntax);
        }
        let float = self.tail(b".") | self.tail(b"eE");
        let text = String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned();
        if float {
            return Ok(Json::Float(text.parse().unwrap_or(f64::INFINITY)));
        }
        if digits > MAX_DIGITS {
            let message = "Exceeds the limit (4300 digits) for integer string conversion".to_owned();
            return Err(Unreadable::Crash("ValueError", message));
        }
        Ok(Json::Int(if text == "-0" { "0".to_owned() } else { text }))
    }

    /// Skips a fraction or an exponent, if a complete one follows.
    fn tail(&mut self, marks: &[u8]) -> bool {
        let start = self.at;
        if !self.peek().is_some_and(|byte| marks.contains(&byte)) {
            return false;
        }
        self.at += 1;
        if marks != b"." && matches!(self.peek(), Some(b'+' | b'-')) {
            self.at += 1;
        }
        let complete = self.digits() > 0;
        self.at = if complete { self.at } else { start };
        complete
    }

    fn text(&mut self) -> Result<Text, Unreadable> {
        self.at += 1;
        let mut out = Text::default();
        let mut start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.plain(start, &mut out);
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.plain(start, &mut out);
                    self.escape(&mut out)?;
                    start = self.at;
                }
                None | Some(0..=0x1F) => return Err(Unreadable::Syntax),
                Some(_) => self.at += 1,
            }
        }
    }

    /// Appends the bytes since `start`, of which only encoded surrogates can be invalid UTF-8.
    fn plain(&self, start: usize, out: &mut Text) {
        let text = String::from_utf8_lossy(&self.bytes[start..self.at]);
        out.lone_surrogate |= matches!(text, Cow::Owned(_));
        out.text.push_str(&text);
    }

    fn escape(&mut self, out: &mut Text) -> Result<(), Unreadable> {
        self.at += 1;
        let letter = self.peek().ok_or(Unreadable::Syntax)?;
        self.at += 1;
        out.text.push(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex().ok_or(Unreadable::Syntax)?;
                match self.joined(unit) {
                    Some(joined) => joined,
                    None => {
                        out.lone_surrogate = true;
                        char::REPLACEMENT_CHARACTER
                    }
                }
            }
            _ => return Err(Unreadable::Syntax),
        });
        Ok(())
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.bytes.get(self.at..self.at + 4)?;
        let value = digits.iter().try_fold(0, |sum, &digit| Some(sum * 16 + char::from(digit).to_digit(16)?))?;
        self.at += 4;
        Some(value)
    }

    /// The character of a UTF-16 unit and the low surrogate that may follow; `None` if the unit is
    /// a lone surrogate.
    fn joined(&mut self, unit: u32) -> Option<char> {
        let after = self.at;
        if (0xD800..0xDC00).contains(&unit) && self.take("\\u") {
            if let Some(low @ 0xDC00..=0xDFFF) = self.hex() {
                return char::from_u32(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00));
            }
            self.at = after;
        }
        char::from_u32(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str) -> String {
        Json::parse(text.as_bytes()).map_or_else(|error| format!("{error:?}"), |value| value.to_text())
    }

    #[test]
    fn it_reads_what_python_reads() {
        for (text, expected) in [
            (
                r#" {"b": 1, "a": [true, null, -0, 1.50, 1e2], "b": 2} "#,
                r#"{"b": 2, "a": [true, null, 0, 1.5, 100.0]}"#,
            ),
            (r#"[NaN, Infinity, -Infinity, 1e400]"#, "[NaN, Infinity, -Infinity, Infinity]"),
            (r#""\ud83d\ude80 z\u00fcrich\/""#, r#""\ud83d\ude80 z\u00fcrich/""#),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1e20", "1e+20"),
            ("0.00001", "1e-05"),
        ] {
            assert_eq!(rewritten(text), expected);
        }
    }

    #[test]
    fn it_rejects_what_python_rejects() {
        for text in [
            "",
            "{",
            "{bad",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            "-",
            "+1",
            "'a'",
            "\"\n\"",
            "\"\\x\"",
            "[] []",
            "nan",
            "tru",
            "\"\\u12\"",
        ] {
            assert_eq!(Json::parse(text.as_bytes()), Err(Unreadable::Syntax), "{text:?}");
        }
        for text in ["9".repeat(4301), "[".repeat(2000)] {
            assert!(matches!(Json::parse(text.as_bytes()), Err(Unreadable::Crash(..))));
        }
        assert!(matches!(Json::parse(b"\"\xff\""), Err(Unreadable::Crash("UnicodeDecodeError", _))));
    }

    #[test]
    fn a_lone_surrogate_is_recorded() {
        for text in [r#""a\ud800b""#.as_bytes(), r#""\udc00\ud800""#.as_bytes(), b"\"\xed\xa0\x80\""] {
            let value = Json::parse(text).ok();
            assert!(value.as_ref().and_then(Json::as_text).is_some_and(|text| text.lone_surrogate), "{text:?}");
        }
    }
}
