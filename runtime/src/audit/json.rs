//! JSON as Brain writes it: like Python, with `NaN` and `Infinity` where another client stored such a number.

use serde::de::DeserializeOwned;

/// Reads JSON; where that fails, once more with every number that is none as `null`.
pub(super) fn read<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    serde_json::from_slice(text).ok().or_else(|| serde_json::from_slice(&without_nan(text)).ok())
}

fn without_nan(text: &[u8]) -> Vec<u8> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
    let mut out = Vec::with_capacity(text.len());
    let (mut at, mut inside) = (0, false);
    while let Some(&byte) = text.get(at) {
        let word = WORDS.iter().find(|word| !inside && text[at..].starts_with(word));
        if let Some(word) = word {
            out.extend_from_slice(b"null");
            at += word.len();
            continue;
        }
        // An escaped character goes along with its backslash, so that an escaped quote ends nothing.
        let length = if inside && byte == b'\\' { 2 } else { 1 };
        inside ^= byte == b'"';
        out.extend(text[at..].iter().take(length));
        at += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn numbers_that_are_none_are_read_as_null() {
        let text = br#"{"a":NaN,"b":[-Infinity,Infinity,1],"c":"NaN \" NaN \\","d":"Infinity"}"#;
        let expected = json!({"a": null, "b": [null, null, 1], "c": "NaN \" NaN \\", "d": "Infinity"});
        assert_eq!(read::<Value>(text), Some(expected));
    }

    #[test]
    fn what_is_no_json_stays_so() {
        for text in ["", "<html>", "{\"a\":", "{\"a\":NaN", "\"\\"] {
            assert_eq!(read::<Value>(text.as_bytes()), None, "{text}");
        }
    }
}
