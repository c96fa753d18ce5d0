//! Return types: opaque, unnameable, inferred, coerced and diverging.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::io;
use std::pin::Pin;

use otas::otas_session;

use crate::support::{in_session, run};

struct Wrapper<T>(T);
type Alias<T> = Result<T, io::Error>;
type Whole = Result<u8, Box<dyn std::error::Error>>;

#[otas_session]
async fn opaque() -> impl Display {
    assert!(in_session());
    "a"
}

#[otas_session]
async fn opaque_in_a_result() -> Result<impl Iterator<Item = i32>, ()> {
    assert!(in_session());
    Ok([1, 2].into_iter())
}

#[otas_session]
async fn opaque_in_a_wrapper() -> Wrapper<impl Display + Send + 'static> {
    assert!(in_session());
    Wrapper(1)
}

#[otas_session]
async fn opaque_in_a_tuple() -> Option<(impl Display, impl Fn(u8) -> u8)> {
    assert!(in_session());
    Some(("a", |x| x + 1))
}

#[otas_session]
async fn opaque_in_a_box() -> Box<impl Display> {
    assert!(in_session());
    Box::new(1)
}

#[otas_session]
async fn opaque_with_an_opaque_item() -> Vec<impl Iterator<Item = impl Display + use<>> + use<>> {
    assert!(in_session());
    vec![[1, 2].into_iter()]
}

#[otas_session]
async fn captures<'x, T: Display>(x: &'x T) -> impl Display + use<'x, T> {
    assert!(in_session());
    x
}

#[otas_session]
async fn closure(k: u8) -> impl Fn(u8) -> u8 {
    assert!(in_session());
    move |x| x + k
}

#[otas_session]
async fn future() -> impl Future<Output = u8> {
    assert!(in_session());
    async { 1 }
}

#[otas_session]
async fn named_future() -> std::future::Ready<u8> {
    assert!(in_session());
    std::future::ready(1)
}

#[tokio::test]
async fn opaque_types_may_appear_anywhere_in_the_return_type() {
    run(async {
        assert_eq!(opaque().await.to_string(), "a");
        assert_eq!(opaque_in_a_result().await.expect("ok").sum::<i32>(), 3);
        assert_eq!(opaque_in_a_wrapper().await.0.to_string(), "1");
        assert_eq!(opaque_in_a_tuple().await.map(|(a, f)| format!("{a}{}", f(1))), Some("a2".into()));
        assert_eq!(opaque_in_a_box().await.to_string(), "1");
        assert_eq!(opaque_with_an_opaque_item().await.len(), 1);
        assert_eq!(captures(&1).await.to_string(), "1");
    })
    .await;
}

#[tokio::test]
async fn unnameable_types_can_be_returned() {
    run(async {
        assert_eq!(closure(1).await(1), 2);
        assert_eq!(future().await.await, 1);
        assert_eq!(named_future().await.await, 1);
    })
    .await;
}

#[otas_session]
async fn never() -> ! {
    loop {
        std::future::pending::<()>().await;
    }
}

#[otas_session(meta = { "a": 1 })]
async fn never_panics() -> ! {
    tokio::task::yield_now().await;
    panic!("on purpose");
}

#[otas_session]
async fn unfinished(x: u8) -> Result<u8, io::Error> {
    let _ = x;
    todo!()
}

#[otas_session]
async fn not_implemented() -> impl Display {
    if true {
        unimplemented!()
    }
    1
}

#[otas_session]
async fn only_panics() {
    panic!()
}

#[otas_session]
async fn loops_forever() {
    #[allow(clippy::empty_loop)]
    loop {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn diverging_bodies_keep_their_return_type() {
    let panicked = tokio::spawn(run(async { never_panics().await })).await;
    assert!(panicked.is_err_and(|error| error.is_panic()));
    drop((never(), unfinished(1), not_implemented(), only_panics(), loops_forever()));
}

#[otas_session]
async fn coerced_tail() -> Result<Box<dyn FnOnce() + Send + Sync>, io::Error> {
    assert!(in_session());
    Ok(Box::new(|| ()))
}

#[otas_session]
async fn coerced_future() -> Result<Pin<Box<dyn Future<Output = u8>>>, io::Error> {
    assert!(in_session());
    Ok(Box::pin(async { 1 }))
}

#[otas_session]
async fn coerced_early(early: bool) -> Box<dyn Debug> {
    assert!(in_session());
    if early {
        return Box::new(1);
    }
    Box::new("x")
}

#[otas_session]
async fn coerced_early_future(early: bool) -> Pin<Box<dyn Future<Output = u8>>> {
    if early {
        return Box::pin(async { 1 });
    }
    Box::pin(async { 2 })
}

#[tokio::test]
async fn tail_expressions_and_early_returns_are_coerced() {
    run(async {
        assert!(coerced_tail().await.is_ok());
        assert_eq!(coerced_future().await.expect("ok").await, 1);
        assert_eq!(format!("{:?}{:?}", coerced_early(true).await, coerced_early(false).await), "1\"x\"");
        assert_eq!(coerced_early_future(true).await.await, 1);
    })
    .await;
}

#[otas_session]
async fn inferred() -> Vec<u64> {
    assert!(in_session());
    ["1", "2"].iter().filter_map(|text| text.parse().ok()).collect()
}

#[otas_session]
async fn inferred_error(text: &str) -> Result<u8, std::num::ParseIntError> {
    assert!(in_session());
    let parsed = text.parse()?;
    Ok(parsed)
}

#[otas_session]
async fn inferred_default() -> (u8, [Option<String>; 2], Vec<u8>) {
    assert!(in_session());
    (Default::default(), [None, None], Vec::new())
}

#[otas_session(on_error = fail)]
async fn by_alias(text: &str) -> Whole {
    assert!(in_session());
    Ok(text.parse()?)
}

#[otas_session]
async fn by_generic_alias(fail: bool) -> Alias<u8> {
    assert!(in_session());
    if fail {
        Err(io::Error::other("x"))?
    }
    Ok(1)
}

#[otas_session]
async fn by_path() -> io::Result<u8> {
    assert!(in_session());
    Ok(1)
}

#[tokio::test]
async fn types_are_inferred_from_the_return_type() {
    run(async {
        assert_eq!(inferred().await, [1, 2]);
        assert_eq!(inferred_error("5").await, Ok(5));
        assert_eq!(inferred_default().await.0, 0);
        assert!(by_alias("x").await.is_err());
        assert!(by_generic_alias(true).await.is_err());
        assert!(by_path().await.is_ok());
    })
    .await;
}

#[otas_session]
async fn unit() -> () {
    assert!(in_session());
}

#[otas_session]
#[allow(clippy::unused_unit, unused_parens)]
async fn unit_in_parentheses() -> (()) {
    assert!(in_session());
    ()
}

#[otas_session]
async fn unit_result() -> Result<(), io::Error> {
    assert!(in_session());
    Ok(())
}

#[tokio::test]
async fn every_spelling_of_the_unit_type_works() {
    run(async {
        unit().await;
        unit_in_parentheses().await;
        assert!(unit_result().await.is_ok());
    })
    .await;
}

#[otas_session]
async fn label_in_length() -> [u8; 'length: { break 'length 3 }] {
    assert!(in_session());
    [1; 3]
}

macro_rules! of_type {
    ($name:ident, $type:ty, $body:expr) => {
        #[otas_session]
        async fn $name() -> $type {
            $body
        }
    };
}

of_type!(never_from_macro, !, panic!("{}", in_session()));
of_type!(opaque_from_macro, impl Display, in_session());

#[tokio::test]
async fn a_return_type_may_come_from_a_macro_or_contain_a_label() {
    assert_eq!(run(label_in_length()).await, [1; 3]);
    assert_eq!(run(opaque_from_macro()).await.to_string(), "true");
    drop(never_from_macro());
}

macro_rules! some_numbers {
    () => { impl Iterator<Item = u8> };
}

#[otas_session]
async fn opaque_type_macro() -> some_numbers![] {
    assert!(in_session());
    [1, 2].into_iter()
}

macro_rules! texts {
    ($type:ty) => { Vec<$type> };
}

#[otas_session]
async fn type_macro() -> texts![String] {
    assert!(in_session());
    vec![String::new()]
}

#[tokio::test]
async fn the_return_type_may_be_a_macro_call() {
    assert_eq!(run(type_macro()).await.len(), 1);
    assert_eq!(run(opaque_type_macro()).await.count(), 2);
}
