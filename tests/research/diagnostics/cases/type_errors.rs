//! Type errors in bodies.
#![allow(unused)]

use std::future::Future;

#[cfg_attr(otas, otas::otas_session)]
async fn extra_semicolon() -> u8 {
    1;
}

#[cfg_attr(otas, otas::otas_session)]
async fn wrong_tail() -> u8 {
    "x"
}

#[cfg_attr(otas, otas::otas_session)]
async fn wrong_early_return() -> String {
    if true {
        return 1;
    }
    String::new()
}

#[cfg_attr(otas, otas::otas_session)]
async fn returns_something() {
    return 1;
}

#[cfg_attr(otas, otas::otas_session)]
async fn tail_of_unit() {
    1u8
}

#[cfg_attr(otas, otas::otas_session)]
async fn none_in_a_result() -> Result<u8, String> {
    None?;
    Ok(1)
}

#[cfg_attr(otas, otas::otas_session)]
async fn question_mark_in_unit() {
    std::fs::read("x")?;
}

#[cfg_attr(otas, otas::otas_session)]
async fn error_does_not_convert() -> Result<u8, u8> {
    let text = std::fs::read("x")?;
    Ok(1)
}

#[cfg_attr(otas, otas::otas_session)]
async fn mismatched_error() -> Result<u8, String> {
    Err(5)
}

#[cfg_attr(otas, otas::otas_session)]
async fn missing_tail() -> u8 {}

#[cfg_attr(otas, otas::otas_session)]
async fn missing_else() -> u8 {
    if true {
        1
    }
}

#[cfg_attr(otas, otas::otas_session)]
async fn mismatched_arms(x: u8) -> u8 {
    match x {
        0 => 1,
        _ => "x",
    }
}

#[cfg_attr(otas, otas::otas_session)]
async fn no_such_method(x: u8) -> u8 {
    x.no_such_method()
}

#[cfg_attr(otas, otas::otas_session)]
async fn awaits_no_future(x: u8) -> u8 {
    x.await
}

#[cfg_attr(otas, otas::otas_session)]
async fn cannot_be_inferred() {
    let x = "1".parse();
    let y = Vec::new();
}

#[cfg_attr(otas, otas::otas_session)]
async fn bound_not_met<T>(x: T) -> String {
    x.to_string()
}

#[cfg_attr(otas, otas::otas_session)]
async fn wrong_argument() {
    let f = |x: u8| x;
    f("x");
    bound_not_met();
}

#[cfg_attr(otas, otas::otas_session)]
async fn not_the_opaque_type() -> impl Iterator<Item = u8> {
    1
}

#[cfg_attr(otas, otas::otas_session)]
async fn wrong_item() -> impl Iterator<Item = u8> {
    ["x"].into_iter()
}

#[cfg_attr(otas, otas::otas_session)]
async fn wrong_inside_a_result() -> Result<impl Iterator<Item = u8>, String> {
    Ok("x")
}

#[cfg_attr(otas, otas::otas_session)]
async fn boxed_coercion() -> Box<dyn std::fmt::Debug> {
    struct NotDebug;
    Box::new(NotDebug)
}

struct S {
    x: u8,
}

impl S {
    #[cfg_attr(otas, otas::otas_session)]
    async fn method(&self) -> String {
        self.x
    }

    #[cfg_attr(otas, otas::otas_session)]
    async fn no_such_field(&self) -> u8 {
        self.y
    }

    #[cfg_attr(otas, otas::otas_session)]
    async fn break_outside(&self) -> Self {
        Self { y: 1 }
    }
}
