//! JSON as Python reads and writes it: NaN, infinities, integers of any length and lone surrogates included.

use std::collections::HashMap;

use super::python;

/// Deeper nesting ends in a `RecursionError`, about here: Python's limit is 1,000 frames, and the server's own stack counts.
const DEPTH: usize = 950;
/// Longer integers are a `ValueError`.
const DIGITS: usize = 4300;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// Decimal digits, with a sign where negative.
    Int(String),
    Float(f64),
    Text(Text),
    List(Vec<Json>),
    /// In the order in which the keys first came.
    Object(Vec<(Text, Json)>),
}

/// A string; Rust's cannot hold a lone surrogate, so one becomes U+FFFD and is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) lone_surrogate: bool,
}

/// Why Python would not read a body.
#[derive(Debug, PartialEq)]
pub(super) enum Unreadable {
    /// `JSONDecodeError`, which every view catches.
    Syntax,
    /// Another exception, which most views do not catch: its class and message.
    Crash(&'static str, String),
}

impl Json {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        python::check_utf8(bytes).map_err(|at| {
            let message =
                format!("'utf-8' codec can't decode byte 0x{:02x} in position {at}: invalid start byte", bytes[at]);
            Unreadable::Crash("UnicodeDecodeError", message)
        })?;
        let mut reader = Reader { bytes, at: 0 };
        let value = reader.value(0)?;
        reader.space();
        if reader.at == bytes.len() { Ok(value) } else { Err(Unreadable::Syntax) }
    }

    /// The value of a key; `None` where this is no object or has no such key.
    pub(super) fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(entries) => entries.iter().find(|(name, _)| name.text == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// Python's truth: what `if not value` asks.
    pub(super) fn truthy(&self) -> bool {
        match self {
            Json::Null => false,
            Json::Bool(value) => *value,
            Json::Int(digits) => digits != "0",
            Json::Float(value) => *value != 0.0,
            Json::Text(text) => !text.text.is_empty(),
            Json::List(values) => !values.is_empty(),
            Json::Object(entries) => !entries.is_empty(),
        }
    }

    pub(super) fn as_text(&self) -> Option<&Text> {
        if let Json::Text(text) = self { Some(text) } else { None }
    }

    /// As `json.dumps` writes it: ASCII, a space after each comma and colon, and NaN as a bare word.
    pub(super) fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Json::Int(digits) => out.push_str(digits),
            Json::Float(value) if value.is_nan() => out.push_str("NaN"),
            Json::Float(value) if value.is_infinite() => {
                out.push_str(if *value > 0.0 { "Infinity" } else { "-Infinity" })
            }
            Json::Float(value) => out.push_str(&python::float_repr(*value)),
            Json::Text(text) => write_text(&text.text, out),
            Json::List(values) => {
                out.push('[');
                for (index, value) in values.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    value.write(out);
                }
                out.push(']');
            }
            Json::Object(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { ", " });
                    write_text(&key.text, out);
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    pub(super) fn to_text(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    /// For people's tests: what `serde_json` can hold of it (no NaN, and integers beyond 64 bits rounded).
    pub(super) fn to_value(&self) -> serde_json::Value {
        match self {
            Json::Null => serde_json::Value::Null,
            Json::Bool(value) => (*value).into(),
            Json::Int(digits) => match digits.parse::<i64>() {
                Ok(value) => value.into(),
                Err(_) => {
                    digits.parse::<u64>().map_or_else(|_| digits.parse::<f64>().unwrap_or(0.0).into(), Into::into)
                }
            },
            Json::Float(value) => (*value).into(),
            Json::Text(text) => text.text.clone().into(),
            Json::List(values) => values.iter().map(Json::to_value).collect(),
            Json::Object(entries) => entries.iter().map(|(key, value)| (key.text.clone(), value.to_value())).collect(),
        }
    }
}

impl From<serde_json::Value> for Json {
    fn from(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Json::Null,
            serde_json::Value::Bool(value) => Json::Bool(value),
            serde_json::Value::Number(number) if number.is_f64() => Json::Float(number.as_f64().unwrap_or(0.0)),
            serde_json::Value::Number(number) => Json::Int(number.to_string()),
            serde_json::Value::String(text) => Json::from(text),
            serde_json::Value::Array(values) => Json::List(values.into_iter().map(Json::from).collect()),
            serde_json::Value::Object(entries) => {
                Json::Object(entries.into_iter().map(|(key, value)| (Text::from(key), Json::from(value))).collect())
            }
        }
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Json::Text(text.into())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json::Text(text.to_owned().into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text { text, lone_surrogate: false }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for unit in text.encode_utf16() {
        match char::from_u32(unit.into()) {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(c @ ' '..='~') => out.push(c),
            _ => out.push_str(&format!("\\u{unit:04x}")),
        }
    }
    out.push('"');
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
        if depth > DEPTH {
            return Err(Unreadable::Crash("RecursionError", "maximum recursion depth exceeded".to_owned()));
        }
        self.space();
        match self.peek() {
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
                    entry.1 = value; // the last of equal keys wins
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

    /// A digit string after `at`; how long it is.
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
        if digits > DIGITS {
            let message = "Exceeds the limit (4300 digits) for integer string conversion".to_owned();
            return Err(Unreadable::Crash("ValueError", message));
        }
        Ok(Json::Int(if text == "-0" { "0".to_owned() } else { text }))
    }

    /// A fraction or an exponent, where one is complete; else nothing is taken.
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

    /// The bytes since `start`; the only ones that are no UTF-8 here are encoded surrogates.
    fn plain(&self, start: usize, out: &mut Text) {
        let text = String::from_utf8_lossy(&self.bytes[start..self.at]);
        out.lone_surrogate |= matches!(text, std::borrow::Cow::Owned(_));
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

    /// The character of a unit, together with the low surrogate that may follow; `None` where it is a lone surrogate.
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
    fn it_refuses_what_python_refuses() {
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
    fn a_lone_surrogate_is_remembered() {
        for text in [r#""a\ud800b""#.as_bytes(), r#""\udc00\ud800""#.as_bytes(), b"\"\xed\xa0\x80\""] {
            let value = Json::parse(text).ok();
            assert!(value.as_ref().and_then(Json::as_text).is_some_and(|text| text.lone_surrogate), "{text:?}");
        }
    }
}
