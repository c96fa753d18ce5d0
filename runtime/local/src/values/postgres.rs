//! What PostgreSQL stores of a value and what it rejects, by column type.

use super::json::{Json, Text};
use super::python;

/// The database's error message, which some views pass on.
pub(crate) type Refusal = String;

/// The longest text that is certain to fit into an index.
const MAX_INDEXED_BYTES: usize = 2692;
/// Python writes JSON no deeper than this; deeper values never reach the database.
const MAX_DEPTH: usize = 954;
const MAX_INTEGER: i128 = 2_147_483_647;

/// A `text` column: what is not a string is stored as Python writes it; `None` is null.
pub(crate) fn text(value: &Json) -> Result<Option<String>, Refusal> {
    if let Json::Text(Text { lone_surrogate: true, .. }) = value {
        return Err("'utf-8' codec can't encode characters: surrogates not allowed".to_owned());
    }
    if *value == Json::Null {
        return Ok(None);
    }
    let text = python::text(value);
    if text.contains('\0') {
        return Err("PostgreSQL text fields cannot contain NUL (0x00) bytes".to_owned());
    }
    Ok(Some(text))
}

/// A `varchar(limit)` column: spaces beyond the limit are cut, anything else beyond it is rejected.
pub(crate) fn varchar(value: &Json, limit: usize) -> Result<Option<String>, Refusal> {
    let Some(text) = text(value)? else { return Ok(None) };
    match text.char_indices().nth(limit) {
        Some((cut, _)) if text[cut..].bytes().all(|byte| byte == b' ') => Ok(Some(text[..cut].to_owned())),
        Some(_) => Err(format!("value too long for type character varying({limit})\n")),
        None => Ok(Some(text)),
    }
}

/// A `not null` column.
pub(crate) fn required<T>(value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| "null value violates not-null constraint".to_owned())
}

/// An `integer` column with Django's check for negative values.
pub(crate) fn positive_integer(value: &Json) -> Result<i64, Refusal> {
    let number = python::int(value).ok_or("the value is not an integer")?;
    match i64::try_from(number) {
        Ok(number) if (0..=MAX_INTEGER).contains(&number.into()) => Ok(number),
        _ => Err("integer out of range\n".to_owned()),
    }
}

/// A `double precision` column, which can hold NaN and infinities.
pub(crate) fn double(value: &Json) -> Result<f64, Refusal> {
    python::float(value).ok_or_else(|| "the value is not a number".to_owned())
}

/// Whether a b-tree index can hold a text.
///
/// PostgreSQL compresses longer texts first, and accepts some that are rejected here.
pub(crate) fn indexable(text: &str) -> Result<(), Refusal> {
    if text.len() <= MAX_INDEXED_BYTES {
        return Ok(());
    }
    Err(format!("index row size {} exceeds btree version 4 maximum 2704 for index", text.len() + 12))
}

/// A `jsonb` column: no NUL, no lone surrogate, no NaN or infinity; keys by length, then by bytes.
pub(crate) fn jsonb(value: &Json) -> Result<Json, Refusal> {
    stored(value, 0).map_err(|(what, detail)| {
        let echo: String = value.to_text().chars().take(2000).collect();
        format!("{what}\nDETAIL:  {detail}\nCONTEXT:  JSON data, line 1: {echo}\n")
    })
}

/// PostgreSQL's message and its detail.
type Rejection = (&'static str, &'static str);

fn stored(value: &Json, depth: usize) -> Result<Json, Rejection> {
    Ok(match value {
        Json::List(_) | Json::Object(_) if depth >= MAX_DEPTH => return Err(("maximum recursion depth exceeded", "")),
        Json::Float(value) if !value.is_finite() => {
            return Err(("invalid input syntax for type json", "Token is invalid."));
        }
        Json::Float(value) if value.abs() >= 1e16 => Json::Int(format!("{value}")),
        Json::Text(text) => Json::Text(stored_text(text)?),
        Json::List(values) => {
            Json::List(values.iter().map(|value| stored(value, depth + 1)).collect::<Result<_, _>>()?)
        }
        Json::Object(entries) => {
            let entries =
                entries.iter().map(|(key, value)| Ok::<_, Rejection>((stored_text(key)?, stored(value, depth + 1)?)));
            let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
            entries.sort_by(|(a, _), (b, _)| (a.text.len(), &a.text).cmp(&(b.text.len(), &b.text)));
            Json::Object(entries)
        }
        other => other.clone(),
    })
}

fn stored_text(text: &Text) -> Result<Text, Rejection> {
    if text.text.contains('\0') {
        return Err(("unsupported Unicode escape sequence", "\\u0000 cannot be converted to text."));
    }
    if text.lone_surrogate {
        let detail = "Unicode low surrogate must follow a high surrogate.";
        return Err(("invalid input syntax for type json", detail));
    }
    Ok(text.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes()).unwrap_or(Json::Null)
    }

    #[test]
    fn spaces_beyond_the_limit_are_cut_and_anything_else_is_rejected() {
        assert_eq!(varchar(&"ab  ".into(), 2), Ok(Some("ab".to_owned())));
        assert_eq!(varchar(&"äö".into(), 2), Ok(Some("äö".to_owned())));
        assert!(varchar(&"abc".into(), 2).is_err());
        assert_eq!(varchar(&Json::Null, 2), Ok(None));
    }

    #[test]
    fn jsonb_sorts_keys_and_writes_large_floats_out() {
        let stored = jsonb(&json(r#"{"bb": 1e20, "a": 1.0, "ab": null}"#)).map(|json| json.to_text());
        assert_eq!(stored.as_deref(), Ok(r#"{"a": 1.0, "ab": null, "bb": 100000000000000000000}"#));
    }

    #[test]
    fn jsonb_rejects_what_it_cannot_hold_and_echoes_it() {
        for text in [
            r#"{"deep": ["secret-value", "a\u0000b"]}"#,
            r#"{"a\u0000": "secret-value"}"#,
            r#"["secret-value", "\ud800"]"#,
            r#"["secret-value", NaN]"#,
        ] {
            assert!(jsonb(&json(text)).is_err_and(|error| error.contains("secret-value")), "{text}");
        }
    }

    #[test]
    fn an_index_holds_texts_of_up_to_2692_bytes() {
        assert!(indexable(&"a".repeat(2692)).is_ok());
        assert!(indexable(&"a".repeat(2693)).is_err());
    }
}
