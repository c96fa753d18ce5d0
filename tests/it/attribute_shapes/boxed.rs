//! Functions that return their future: written by hand, or left behind by other macros.

use std::future::Future;
use std::pin::Pin;

use otas::otas_session;

use crate::support::{in_session, run};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[otas_session(meta = { x })]
fn block_alone(x: u8) -> Pin<Box<dyn Future<Output = u8> + Send>> {
    Box::pin(async move { x + u8::from(in_session()) })
}

#[otas_session(meta = { n })]
fn leading_statements(x: &str) -> Pin<Box<dyn Future<Output = usize> + Send + '_>> {
    let n = x.len();
    if n > 100 {
        panic!("too long");
    }
    Box::pin(async move { n + usize::from(in_session()) })
}

#[otas_session]
fn whole_path(
    x: u8,
) -> ::std::pin::Pin<::std::boxed::Box<dyn Future<Output = Result<u8, std::num::ParseIntError>> + Send>> {
    ::std::boxed::Box::pin(async move {
        let one: u8 = "1".parse()?;
        Ok(x + one + u8::from(in_session()))
    })
}

#[otas_session]
fn by_alias(x: &u8) -> BoxFuture<'_, u8> {
    Box::pin(async move { *x + u8::from(in_session()) })
}

#[otas_session]
fn with_an_inner_attribute(x: u8) -> BoxFuture<'static, u8> {
    #![allow(unused_variables)]
    Box::pin(async move {
        let unused = 0;
        x + u8::from(in_session())
    })
}

type Output = u8;

#[otas_session]
fn by_alias_of_a_type_named_output(x: u8) -> BoxFuture<'static, Output> {
    Box::pin(async move { x + u8::from(in_session()) })
}

#[otas_session(meta = { x })]
fn opaque(x: u8) -> impl Future<Output = u8> + Send {
    async move { x + u8::from(in_session()) }
}

#[otas_session]
fn opaque_without_move<'a>(x: &'a [u8]) -> impl Future<Output = usize> + 'a {
    async { x.len() + usize::from(in_session()) }
}

#[otas_session]
fn boxed_without_move<'a>(x: &'a [u8]) -> Pin<Box<dyn Future<Output = usize> + 'a>> {
    let y = x;
    Box::pin(async { y.len() + usize::from(in_session()) })
}

#[otas_session(on_error = fail)]
fn failing() -> Pin<Box<dyn Future<Output = Result<u8, otas::Error>> + Send>> {
    Box::pin(async move { Ok(u8::from(in_session())) })
}

#[tokio::test]
async fn a_boxed_future_runs_in_a_session_and_keeps_leading_statements() {
    run(async {
        assert_eq!(block_alone(1).await, 2);
        assert_eq!(leading_statements("ab").await, 3);
        assert_eq!(whole_path(1).await, Ok(3));
        assert_eq!(by_alias(&1).await, 2);
        assert_eq!(with_an_inner_attribute(1).await, 2);
        assert_eq!(by_alias_of_a_type_named_output(1).await, 2);
        assert_eq!(failing().await.ok(), Some(1));
    })
    .await;
}

#[otas_session]
fn of_two_types(early: bool) -> Pin<Box<dyn Future<Output = Box<dyn std::fmt::Display>>>> {
    Box::pin(async move {
        if early {
            return Box::new(1u8);
        }
        Box::new(in_session())
    })
}

#[tokio::test]
async fn returns_in_a_boxed_block_are_coerced_to_its_output_type() {
    let texts = run(async { [of_two_types(true).await.to_string(), of_two_types(false).await.to_string()] }).await;

    assert_eq!(texts, ["1", "true"]);
}

#[tokio::test]
async fn a_returned_async_block_runs_in_a_session() {
    run(async {
        assert_eq!(opaque(1).await, 2);
        assert_eq!(opaque_without_move(&[1]).await, 2);
        assert_eq!(boxed_without_move(&[1]).await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_boxed_future_opens_its_session_when_it_is_first_polled() {
    let otas = crate::support::Otas::start().await.expect("a server");

    let call = otas.client.scope(async { block_alone(1) }).await;

    assert!(otas.metas().is_empty());
    assert_eq!(otas.client.scope(call).await, 2);
    assert_eq!(otas.metas().len(), 1);
}
