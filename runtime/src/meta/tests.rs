//! What the serializer keeps as text, and that it agrees with `serde_json` otherwise.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use super::Meta;

fn serialized<T: Serialize>(value: T) -> Value {
    Meta::from_serialize(&Wrapped { value }).into_object().unwrap().remove("value").unwrap()
}

#[derive(Serialize)]
struct Wrapped<T> {
    value: T,
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Newtype(u8);

#[derive(Serialize)]
struct Tuple(u8, f32);

#[derive(Serialize)]
enum Kind {
    Unit,
    Newtype(u8),
    Tuple(u8, u8),
    Struct { a: Option<u8>, b: () },
}

#[derive(Serialize)]
struct Flat {
    first: char,
    #[serde(flatten)]
    rest: BTreeMap<u8, i64>,
}

#[test]
fn values_that_serde_json_accepts_come_out_the_same() {
    macro_rules! same {
        ($($value:expr),* $(,)?) => { $(assert_eq!(serialized($value), serde_json::to_value($value).unwrap());)* };
    }
    same![
        true,
        -1i8,
        1u64,
        i64::MIN,
        u64::MAX,
        1u128,
        -1i128,
        0.1f32,
        1e300,
        'x',
        "text",
        Some(1),
        None::<u8>,
        (),
        Unit,
        Newtype(1),
        Tuple(1, 0.5),
        Kind::Unit,
        Kind::Newtype(1),
        Kind::Tuple(1, 2),
        Kind::Struct { a: None, b: () },
        [1, 2],
        (1, "a", [true]),
        Flat { first: 'f', rest: BTreeMap::from([(1, -1)]) },
        BTreeMap::from([(true, 1)]),
        json!({ "a": [null, { "b": 1.5 }] }),
    ];
}

struct BrokenDisplay;

impl fmt::Display for BrokenDisplay {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}

impl Serialize for BrokenDisplay {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[test]
fn a_failing_display_becomes_text_instead_of_a_panic() {
    assert_eq!(serialized(BrokenDisplay), "<cannot be serialised: its `Display` failed>");
}

struct Endless;

impl Serialize for Endless {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq([Endless])
    }
}

#[test]
fn endless_nesting_is_cut_off() {
    let text = serialized(Endless).to_string();

    assert!(text.contains("<nested too deeply>"), "{text}");
    assert!(text.len() < 500, "{text}");
}

#[test]
fn keys_that_become_equal_are_both_kept() {
    let map = BTreeMap::from([("a\0", 1), ("a\u{2400}", 2)]);

    assert_eq!(serialized(map), json!({ "a\u{2400}": 1, "a\u{2400} (2)": 2 }));
}

#[test]
fn the_error_says_what_the_meta_is_instead_of_an_object() {
    let error = |meta: Value| Meta::from_serialize(&meta).into_object().unwrap_err().to_string();

    assert!(error(json!([])).contains("a list"));
    assert!(error(json!(null)).contains("null"));
    assert!(error(json!({ "a": "x".repeat(2 << 20) })).contains("bytes"));
}
