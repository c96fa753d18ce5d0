//! What PostgreSQL stores of a value and what it refuses, column type by column type.

use super::json::{Json, Text};
use super::{pglz, python};

/// The database's own words for a refusal; some views pass them on.
pub(crate) type Refusal = String;

/// The most bytes that an index holds of one text, when they do not compress.
const INDEXED: usize = 2692;
/// The same of a compressed one, which carries four bytes more.
const INDEXED_COMPRESSED: usize = 2688;
/// Python writes JSON down to this depth; beyond it the database is not even asked.
const DEPTH: usize = 954;
const LARGEST_INTEGER: i128 = 2_147_483_647;

/// A `text` column: what is no string is stored as Python writes it; `None` is null.
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

/// A `varchar(limit)` column: blanks over the limit are cut, anything else over it is refused.
pub(crate) fn varchar(value: &Json, limit: usize) -> Result<Option<String>, Refusal> {
    let Some(text) = text(value)? else { return Ok(None) };
    match text.char_indices().nth(limit) {
        Some((cut, _)) if text[cut..].bytes().all(|byte| byte == b' ') => Ok(Some(text[..cut].to_owned())),
        Some(_) => Err(format!("value too long for type character varying({limit})\n")),
        None => Ok(Some(text)),
    }
}

/// A column that may not be null.
pub(crate) fn required<T>(value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| "null value violates not-null constraint".to_owned())
}

/// An `integer` column with Django's check that it is not negative.
pub(crate) fn positive_integer(value: &Json) -> Result<i64, Refusal> {
    let number = python::int(value).ok_or("the value is no integer")?;
    match i64::try_from(number) {
        Ok(number) if (0..=LARGEST_INTEGER).contains(&number.into()) => Ok(number),
        _ => Err("integer out of range\n".to_owned()),
    }
}

/// A `double precision` column; it holds NaN and infinities.
pub(crate) fn double(value: &Json) -> Result<f64, Refusal> {
    python::float(value).ok_or_else(|| "the value is no number".to_owned())
}

/// Whether a b-tree index takes a text: it compresses first, and has room for a third of a page.
pub(crate) fn indexable(text: &str) -> Result<(), Refusal> {
    if text.len() <= INDEXED || pglz::compressed_size(text.as_bytes()).is_some_and(|size| size <= INDEXED_COMPRESSED) {
        return Ok(());
    }
    Err(format!("index row size {} exceeds btree version 4 maximum 2704 for index", text.len() + 12))
}

/// A `jsonb` column: no NUL, no lone surrogate, no number that is none; keys by length, then by bytes.
pub(crate) fn jsonb(value: &Json) -> Result<Json, Refusal> {
    stored(value, 0).map_err(|(what, detail)| {
        let echo: String = value.to_text().chars().take(2000).collect();
        format!("{what}\nDETAIL:  {detail}\nCONTEXT:  JSON data, line 1: {echo}\n")
    })
}

/// PostgreSQL's message and its detail.
type Fault = (&'static str, &'static str);

fn stored(value: &Json, depth: usize) -> Result<Json, Fault> {
    Ok(match value {
        Json::List(_) | Json::Object(_) if depth >= DEPTH => return Err(("maximum recursion depth exceeded", "")),
        Json::Float(value) if !value.is_finite() => {
            return Err(("invalid input syntax for type json", "Token is invalid."));
        }
        Json::Float(value) if value.abs() >= 1e16 => Json::Int(format!("{value}")), // read back without the exponent
        Json::Text(text) => Json::Text(stored_text(text)?),
        Json::List(values) => {
            Json::List(values.iter().map(|value| stored(value, depth + 1)).collect::<Result<_, _>>()?)
        }
        Json::Object(entries) => {
            let entries =
                entries.iter().map(|(key, value)| Ok::<_, Fault>((stored_text(key)?, stored(value, depth + 1)?)));
            let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
            entries.sort_by(|(a, _), (b, _)| (a.text.len(), &a.text).cmp(&(b.text.len(), &b.text)));
            Json::Object(entries)
        }
        other => other.clone(),
    })
}

fn stored_text(text: &Text) -> Result<Text, Fault> {
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
    fn blanks_over_the_limit_are_cut_and_anything_else_is_refused() {
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
    fn jsonb_refuses_what_it_cannot_hold_and_echoes_it() {
        for text in [
            r#"{"deep": ["secret-value", "a\u0000b"]}"#,
            r#"{"a\u0000": "secret-value"}"#,
            r#"["secret-value", "\ud800"]"#,
            r#"["secret-value", NaN]"#,
        ] {
            assert!(jsonb(&json(text)).is_err_and(|words| words.contains("secret-value")), "{text}");
        }
    }

    #[test]
    fn an_index_takes_long_text_only_where_it_compresses() {
        let noise = |n: usize| -> String {
            let mut random = fastrand::Rng::with_seed(7);
            (0..n).map(|_| random.alphanumeric()).collect()
        };
        assert!(indexable(&noise(2692)).is_ok());
        assert!(indexable(&noise(2693)).is_err());
        assert!(indexable(&"a".repeat(3000)).is_ok());
        assert!(indexable(&"/v1/users/42".repeat(1000)).is_ok());
    }
}
