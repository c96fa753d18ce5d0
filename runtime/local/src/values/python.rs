//! How Python coerces values: `int()`, `float()`, `str()`, `in` and `uuid.UUID()`.

use uuid::Uuid;

use super::json::{Json, float_repr};

/// `int(value)`, as Django's integer fields coerce it; `None` is an exception.
pub(crate) fn int(value: &Json) -> Option<i128> {
    match value {
        Json::Bool(value) => Some((*value).into()),
        // Out of every column's range, and so rejected like any other.
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

/// `int(text)`: surrounding whitespace, one sign, and digits with single underscores between them.
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

/// `float(value)`, as Django's float fields coerce it; `None` is an exception.
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

/// `str(value)`: what a text column stores of a value that is not a string.
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

/// `[name for name in names if name not in value]`; `None` if `in` raises an exception.
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

/// `uuid.UUID(text)`, which ignores case, hyphens, braces and `urn:uuid:`.
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
    fn integers_are_coerced_as_django_coerces_them() {
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
    fn floats_are_coerced_as_django_coerces_them() {
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
    fn an_object_in_a_text_column_is_stored_in_python_notation() {
        assert_eq!(
            text(&json(r#"{"a": "b", "n": [null, true, 1.0, "it's", "\u0000"]}"#)),
            r#"{'a': 'b', 'n': [None, True, 1.0, "it's", '\x00']}"#
        );
        assert_eq!(text(&json("5")), "5");
    }

    #[test]
    fn uuids_are_parsed_in_every_form_that_python_accepts() {
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
