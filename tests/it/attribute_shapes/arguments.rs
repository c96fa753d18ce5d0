//! Arguments: patterns, types, and names that could clash with the expansion.

use otas::otas_session;
use serde_json::json;

use crate::support::{Otas, in_session, run};

#[derive(Clone)]
struct State {
    n: u8,
}
struct Json<T>(T);
#[allow(dead_code)]
struct Triple(u8, u8, u8);

#[otas_session(meta = { n, a, "b": b })]
async fn extractors(Json(State { n }): Json<State>, Json((a, b)): Json<(u8, String)>) -> String {
    assert!(in_session());
    format!("{n}{a}{b}")
}

#[otas_session]
#[allow(clippy::toplevel_ref_arg)]
async fn patterns(
    (mut l, ref r): (u8, String),
    ref q: u8,
    w @ (_, _): (u8, u8),
    [p, s]: [u8; 2],
    &z: &u8,
    Triple(x, ..): Triple,
) -> usize {
    assert!(in_session());
    l += q + w.0 + p + s + z + x;
    usize::from(l) + r.len()
}

#[otas_session(meta = { "length": a.len() })]
async fn mutable(mut a: String) -> String {
    fn change(text: &mut String) {
        text.push('!');
    }
    assert!(in_session());
    change(&mut a);
    a
}

#[otas_session]
async fn ignored(_: String, _: u8, _x: u8) -> bool {
    in_session()
}

#[otas_session]
async fn with_attributes(#[cfg(any())] x: NoSuchType, #[allow(unused)] z: u8) -> bool {
    in_session()
}

#[otas_session(meta = { r#match, "same": r#match })]
async fn r#type(r#match: u8) -> u8 {
    r#match + u8::from(in_session())
}

#[otas_session]
async fn opaque(text: impl Into<String>, f: impl Fn(u8) -> u8) -> String {
    assert!(in_session());
    text.into() + &f(1).to_string()
}

#[otas_session]
async fn pointers(
    f: &dyn Fn(&str) -> usize,
    out: &mut (dyn std::fmt::Write + Send),
    g: fn(u8) -> u8,
    (a, b, c): (u8, u8, u8),
    words: &[&str],
) -> usize {
    assert!(in_session());
    let _ = out.write_str("x");
    f("abc") + usize::from(g(a + b + c)) + words.len()
}

#[otas_session]
#[allow(improper_ctypes_definitions)]
pub async extern "C" fn another_abi(x: u8) -> u8 {
    x + u8::from(in_session())
}

#[tokio::test]
async fn argument_patterns_are_preserved() {
    run(async {
        assert_eq!(extractors(Json(State { n: 1 }), Json((2, String::from("c")))).await, "12c");
        let sum = patterns((1, String::from("ab")), 1, (1, 9), [1, 1], &1, Triple(1, 2, 3)).await;
        assert_eq!(sum, 9);
        assert_eq!(mutable(String::from("a")).await, "a!");
        assert!(ignored(String::new(), 1, 2).await);
        assert!(with_attributes(1).await);
    })
    .await;
}

#[tokio::test]
async fn every_argument_type_is_supported() {
    let mut out = String::new();
    run(async {
        assert_eq!(opaque("a", |x| x + 1).await, "a2");
        assert_eq!(pointers(&str::len, &mut out, |x| x, (1, 2, 3), &["a"]).await, 10);
        assert_eq!(another_abi(1).await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_raw_identifier_becomes_a_key_without_its_prefix() {
    let otas = Otas::start().await.unwrap();

    assert_eq!(otas.client.scope(r#type(1)).await, 2);

    assert_eq!(otas.metas(), [json!({ "match": 1, "same": 1 })]);
}

/// Names that the expansion might use itself.
#[otas_session(meta = { body, session, meta, client, result, fut, error, e, x, span })]
#[allow(clippy::too_many_arguments, clippy::many_single_char_names)]
async fn clashing_variables(
    body: u8,
    session: u8,
    meta: u8,
    client: u8,
    result: u8,
    fut: u8,
    error: u8,
    e: u8,
    x: u8,
    span: u8,
) -> u8 {
    body + session + meta + client + result + fut + error + e + x + span + u8::from(in_session())
}

mod constants {
    //! In a pattern, a name in the expansion would refer to the constant.
    #![allow(non_upper_case_globals, dead_code)]
    use super::*;

    const meta: u8 = 1;
    const body: u8 = 2;
    const session: u8 = 3;
    const e: u8 = 4;
    const fut: u8 = 5;
    static result: u8 = 6;
    const __otas: u8 = 7;
    const handler: u8 = 8;
    const error: u8 = 9;
    const prepared: u8 = 0;

    #[otas_session(meta = { meta, "body": body, session })]
    pub async fn clashing_constants() -> bool {
        let _ = prepared;
        in_session() && meta + body + session == 6
    }

    #[otas_session(client = client, meta = { meta, "body": body, session })]
    pub async fn with_a_client(client: &otas::Client) -> bool {
        in_session()
    }
}

#[tokio::test]
async fn user_variables_and_constants_never_clash_with_the_expansion() {
    let otas = Otas::start().await.unwrap();
    otas.client
        .scope(async {
            assert_eq!(clashing_variables(1, 1, 1, 1, 1, 1, 1, 1, 1, 1).await, 11);
            assert!(constants::clashing_constants().await);
            assert!(constants::with_a_client(&otas.client).await);
        })
        .await;
}
