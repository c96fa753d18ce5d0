//! What Python makes of values: `int()`, `float()`, `str()`, `uuid.UUID()`, and which bytes it decodes.

use uuid::Uuid;

use super::json::Json;

/// `value.decode("utf-8", "surrogatepass")`: where it would fail.
pub(crate) fn check_utf8(bytes: &[u8]) -> Result<(), usize> {
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

/// `int(value)`, as Django's integer fields take it; `None` is an exception.
pub(crate) fn int(value: &Json) -> Option<i128> {
    match value {
        Json::Bool(value) => Some((*value).into()),
        // beyond every column's range, and so refused like any other
        Json::Int(digits) => Some(digits.parse().unwrap_or(i128::MAX)),
        #[allow(
            clippy::cast_possible_truncation,
            reason = "int() truncates; a float beyond i128 is out of range either way"
        )]
        Json::Float(value) => value.is_finite().then_some(value.trunc() as i128),
        Json::Text(text) => int_of_text(&text.text),
        Json::Null | Json::List(_) | Json::Object(_) => None,
    }
}

/// `int(text)`: blanks around, one sign, digits with single underscores between them.
pub(crate) fn int_of_text(text: &str) -> Option<i128> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let plain = without_underscores(digits)?;
    if plain.is_empty() || plain.len() > 4300 || !plain.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = plain.parse().unwrap_or(i128::MAX);
    Some(if text.starts_with('-') { -value } else { value })
}

/// `float(value)`, as Django's float fields take it; `None` is an exception.
pub(crate) fn float(value: &Json) -> Option<f64> {
    match value {
        Json::Bool(value) => Some(if *value { 1.0 } else { 0.0 }),
        Json::Int(digits) => digits.parse().ok().filter(|value: &f64| value.is_finite()),
        Json::Float(value) => Some(*value),
        Json::Text(text) => without_underscores(text.text.trim())?.parse().ok(),
        Json::Null | Json::List(_) | Json::Object(_) => None,
    }
}

/// Python allows one underscore between two digits.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    for (at, _) in text.match_indices('_') {
        if !digit(at.checked_sub(1)) || !digit(Some(at + 1)) {
            return None;
        }
    }
    Some(text.replace('_', ""))
}

/// `repr(float)`: the shortest digits; an exponent below 1e-4 and from 1e16.
pub(crate) fn float_repr(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if size == 0.0 || (1e-4..1e16).contains(&size) {
        let text = format!("{value}");
        return if text.contains('.') { text } else { text + ".0" };
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// `str(value)`: what a text column holds of a value that is no text.
pub(crate) fn text(value: &Json) -> String {
    match value {
        Json::Text(text) => text.text.clone(),
        other => {
            let mut out = String::new();
            repr(other, &mut out);
            out
        }
    }
}

fn repr(value: &Json, out: &mut String) {
    match value {
        Json::Null => out.push_str("None"),
        Json::Bool(value) => out.push_str(if *value { "True" } else { "False" }),
        Json::Int(digits) => out.push_str(digits),
        Json::Float(value) => out.push_str(&float_repr(*value)),
        Json::Text(text) => repr_text(&text.text, out),
        Json::List(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                repr(value, out);
            }
            out.push(']');
        }
        Json::Object(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                repr_text(&key.text, out);
                out.push_str(": ");
                repr(value, out);
            }
            out.push('}');
        }
    }
}

fn repr_text(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// `[name for name in names if name not in value]`; `None` where the value is of a type that nothing is in.
pub(crate) fn absent(names: &[&'static str], value: &Json) -> Option<Vec<&'static str>> {
    let has = |name: &str| match value {
        Json::Object(_) => Some(value.get(name).is_some()),
        Json::List(values) => Some(values.iter().any(|value| *value == Json::from(name))),
        Json::Text(text) => Some(text.text.contains(name)),
        _ => None,
    };
    has("")?;
    Some(names.iter().copied().filter(|name| has(name) == Some(false)).collect())
}

/// A path as Python's server hands it on: percent signs decoded, several slashes at its start as one.
pub(crate) fn path(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|&digit| char::from(digit).to_digit(16));
        let decoded = digit(0).zip(digit(1)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        match decoded.filter(|_| byte == b'%') {
            Some(decoded) => {
                out.push(decoded);
                rest = &after[2..];
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    let path = String::from_utf8_lossy(&out);
    if path.starts_with("//") { format!("/{}", path.trim_start_matches('/')) } else { path.into_owned() }
}

/// `uuid.UUID(text)`: any case, hyphens, braces and `urn:uuid:` are as nothing.
pub(crate) fn uuid(text: &str) -> Option<Uuid> {
    let bare = text.replace("urn:", "").replace("uuid:", "");
    let bare = bare.trim_matches(['{', '}']).replace('-', "");
    (bare.len() == 32 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| Uuid::try_parse(&bare).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap_or(Json::Null)
    }

    #[test]
    fn integers_are_taken_as_django_takes_them() {
        for (text, expected) in [
            ("\"200\"", Some(200)),
            ("\" 2_0 \"", Some(20)),
            ("\"+5\"", Some(5)),
            ("\"-3\"", Some(-3)),
            ("200.7", Some(200)),
            ("-0.5", Some(0)),
            ("true", Some(1)),
            ("\"200.0\"", None),
            ("\"\"", None),
            ("\"_1\"", None),
            ("null", None),
            ("[1]", None),
            ("NaN", None),
            ("1e400", None),
        ] {
            assert_eq!(int(&json(text)), expected, "{text}");
        }
    }

    #[test]
    fn floats_are_taken_as_django_takes_them() {
        for (text, expected) in [
            ("\" 1.5 \"", Some(1.5)),
            ("\"1e3\"", Some(1000.0)),
            ("\"1_0.5\"", Some(10.5)),
            ("\"-inf\"", Some(f64::NEG_INFINITY)),
            ("12", Some(12.0)),
            ("false", Some(0.0)),
            ("\"fast\"", None),
            ("\"\"", None),
            ("null", None),
            ("{}", None),
        ] {
            assert_eq!(float(&json(text)), expected, "{text}");
        }
        assert!(float(&json("\"nan\"")).is_some_and(f64::is_nan));
    }

    #[test]
    fn an_object_in_a_text_column_is_python_notation() {
        assert_eq!(
            text(&json(r#"{"a": "b", "n": [null, true, 1.0, "it's", "\u0000"]}"#)),
            r#"{'a': 'b', 'n': [None, True, 1.0, "it's", '\x00']}"#
        );
        assert_eq!(text(&json("5")), "5");
    }

    #[test]
    fn paths_are_decoded_before_a_view_is_looked_up() {
        for (text, expected) in [
            ("/a%2Fb%61", "/a/ba"),
            ("///a//b", "/a//b"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz", "/%zz"),
            ("/a+b", "/a+b"),
        ] {
            assert_eq!(path(text), expected);
        }
    }

    #[test]
    fn uuids_are_read_in_every_form_of_python() {
        let plain = "0123456789abcdef0123456789abcdef";
        for text in [
            plain,
            "01234567-89AB-cdef-0123-456789abcdef",
            "{0123456789abcdef0123456789abcdef}",
            "urn:uuid:0123456789abcdef0123456789abcdef",
        ] {
            assert_eq!(uuid(text).map(|id| id.simple().to_string()).as_deref(), Some(plain), "{text}");
        }
        for text in ["", "zzz", "0123", "0123456789abcdef0123456789abcdeg"] {
            assert_eq!(uuid(text), None, "{text}");
        }
    }
}
