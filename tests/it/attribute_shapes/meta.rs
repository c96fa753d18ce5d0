//! `meta`: the grammar of `serde_json::json!`, arbitrary expressions, and invalid values.

use std::collections::{BTreeMap, HashMap};

use otas::otas_session;
use serde::Serialize;
use serde_json::{Value, json};

use crate::support::{Otas, in_session};

/// Runs a call, and returns the meta that it sent.
async fn sent_meta<F: Future>(call: F) -> Value {
    let otas = Otas::start().await.unwrap();
    otas.client.scope(call).await;
    otas.metas().pop().unwrap_or_default()
}

#[derive(Serialize)]
struct Task {
    name: &'static str,
    tags: Vec<u8>,
}

impl Task {
    fn meta(&self) -> impl Serialize + use<> {
        json!({ "task": self.name })
    }

    #[otas_session(meta = self.meta())]
    async fn from_method(&self) {}

    #[otas_session(meta = self)]
    async fn from_self(&self) {}
}

fn pair<A, B>(a: A, b: B) -> (A, B) {
    (a, b)
}

#[otas_session(meta = {
    "null": null,
    "true": true,
    "false": false,
    "negative": -1,
    "float": -1.5,
    "text": "a",
    "raw": r#"b"#,
    "list": [1, null, [true, { "deep": [] }], -2, "x",],
    "object": { "a": {}, "b": { "c": null, }, },
    key: 1,
    (key.len() + 1): 2,
    constants::KEY: 3,
    format!("{}-{key}", 4): 4,
    "sum": key.len() + 1,
    "generic": pair::<u8, u16>(1, 2),
    "turbofish": Vec::<(u8, Vec<u8>)>::new(),
    "nested": BTreeMap::<Vec<u8>, u8>::new(),
    "cast to a projection": 1u8 as <u8 as Wider<u8, u16>>::Wide,
    "qualified": <u8 as TryFrom<u16>>::try_from(5).is_ok(),
    "cast": 1u8 as u16,
    "compared": 1 < 2,
    "both": key.len() < 9 && key.len() > 1,
    "cast and compared": 1u8 as usize + 1 < key.len(),
    "path and compared": ::core::primitive::u8::MAX < r#type,
    ::core::primitive::u8::MIN: "key",
    "closure": [1, 2].map(|x| x + 1),
    "block": if key.is_empty() { 1 } else { 2 },
    "matched": match key { "key" => "yes", _ => "no" },
    "structure": Task { name: "n", tags: vec![1] },
    "array": [0u8; 3],
    "reference": &*key,
    "part": key[1..],
    "option": Some(1),
    "none": None::<u8>,
    key,
    r#type,
})]
async fn everything(key: &str, r#type: u8) {
    assert!(in_session());
}

trait Wider<A, B> {
    type Wide;
}

impl Wider<u8, u16> for u8 {
    type Wide = u64;
}

mod constants {
    pub const KEY: &str = "constant";
}

#[tokio::test]
async fn meta_supports_the_grammar_of_the_json_macro() {
    let expected = json!({
        "null": null, "true": true, "false": false, "negative": -1, "float": -1.5, "text": "a", "raw": "b",
        "list": [1, null, [true, { "deep": [] }], -2, "x"],
        "object": { "a": {}, "b": { "c": null } },
        "4": 2, "constant": 3, "4-key": 4, "sum": 4, "generic": [1, 2], "turbofish": [],
        "nested": {}, "cast to a projection": 1,
        "qualified": true, "cast": 1, "compared": true, "both": true,
        "cast and compared": true, "path and compared": false, "0": "key", "closure": [2, 3], "block": 2, "matched": "yes",
        "structure": { "name": "n", "tags": [1] }, "array": [0, 0, 0], "reference": "key", "part": "ey", "option": 1,
        "none": null, "key": "key", "type": 7,
    });

    assert_eq!(sent_meta(everything("key", 7)).await, expected);
}

#[tokio::test]
async fn meta_accepts_any_expression_that_serializes_to_an_object() {
    #[otas_session(meta = json!({ "a": id }))]
    async fn from_macro(id: u8) {
        let _ = id;
    }
    #[otas_session(meta = map)]
    async fn from_map(map: HashMap<&str, u8>) {
        drop(map);
    }
    #[otas_session(meta = Task { name: "t", tags: Vec::new() })]
    async fn from_struct() {}
    let task = Task { name: "n", tags: vec![1] };

    assert_eq!(sent_meta(from_macro(1)).await, json!({ "a": 1 }));
    assert_eq!(sent_meta(from_map(HashMap::from([("k", 1)]))).await, json!({ "k": 1 }));
    assert_eq!(sent_meta(from_struct()).await, json!({ "name": "t", "tags": [] }));
    assert_eq!(sent_meta(task.from_method()).await, json!({ "task": "n" }));
    assert_eq!(sent_meta(task.from_self()).await, json!({ "name": "n", "tags": [1] }));
}

#[tokio::test]
async fn meta_borrows_arguments_that_the_body_later_moves() {
    #[otas_session(meta = { a, "b": b.len(), "map": map, "part": pair.0 })]
    async fn moves(a: String, b: Vec<u8>, map: BTreeMap<u8, u8>, mut pair: (String, u8)) -> usize {
        pair.1 += 1;
        drop(pair.0);
        usize::from(pair.1) + a.into_bytes().len() + b.into_iter().count() + map.into_keys().count()
    }

    let call = moves("x".into(), vec![1], BTreeMap::from([(1, 2)]), ("p".into(), 1));

    assert_eq!(sent_meta(call).await, json!({ "a": "x", "b": 1, "map": { "1": 2 }, "part": "p" }));
}

#[tokio::test]
async fn values_that_json_cannot_hold_become_readable_text() {
    #[otas_session(meta = {
        "nan": f64::NAN,
        "infinite": [f32::INFINITY, f32::NEG_INFINITY],
        "wide": [u128::MAX, 1],
        "deep": i128::MIN,
        "nul\0": "a\0b",
        "keys": BTreeMap::from([((1, 2), 1)]),
        "chars": BTreeMap::from([('\0', '\0')]),
        "fails": std::cell::RefCell::new(1).borrow_mut().clone_failing(),
    })]
    async fn body() {}

    let meta = sent_meta(body()).await;

    assert_eq!(meta["nan"], "NaN");
    assert_eq!(meta["infinite"], json!(["inf", "-inf"]));
    assert_eq!(meta["wide"], json!([u128::MAX.to_string(), 1]));
    assert_eq!(meta["deep"], i128::MIN.to_string());
    assert_eq!(meta["nul\u{2400}"], "a\u{2400}b");
    assert_eq!(meta["keys"], json!({ "[1,2]": 1 }));
    assert_eq!(meta["chars"], json!({ "\u{2400}": "\u{2400}" }));
    assert!(meta["fails"]["inner"].as_str().is_some_and(|text| text.contains("on purpose")), "{meta}");
}

struct Failing;

impl Serialize for Failing {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("on purpose"))
    }
}

trait CloneFailing {
    fn clone_failing(&self) -> BTreeMap<&'static str, Failing> {
        BTreeMap::from([("inner", Failing)])
    }
}

impl CloneFailing for i32 {}

#[tokio::test]
async fn a_meta_over_one_mebibyte_is_replaced_by_an_error_message() {
    #[otas_session(meta = { "text": text })]
    async fn body(text: String) {
        assert!(in_session());
        drop(text);
    }

    let meta = sent_meta(body("x".repeat(3 << 20))).await;

    assert!(meta["otas.meta_error"].as_str().is_some_and(|text| text.contains("3145739 bytes")), "{meta}");
}

#[tokio::test]
async fn a_meta_that_fails_to_serialize_is_replaced_by_an_error_message() {
    #[otas_session(meta = Failing)]
    async fn body() {}

    let meta = sent_meta(body()).await;

    assert!(meta["otas.meta_error"].as_str().is_some_and(|text| text.contains("on purpose")), "{meta}");
}
