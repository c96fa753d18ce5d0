//! The cost of an annotated call in bytes and nesting levels. The benches measure its time.

use std::future::Future;

use otas::otas_session;

use crate::support::capture_warnings;

/// The bytes that each annotated level may add to the plain future.
const MAX_GROWTH: usize = 56;

async fn wait() {
    tokio::task::yield_now().await;
}

macro_rules! same_functions {
    ($($name:ident: $attribute:meta;)*) => {
        $(#[allow(dead_code)]
        mod $name {
            use super::wait;

            #[$attribute]
            pub async fn empty() {}

            #[$attribute]
            pub async fn local() -> u8 {
                let local = [1; 1024];
                wait().await;
                local.iter().sum()
            }

            #[$attribute]
            pub async fn argument(argument: [u8; 1024]) -> u8 {
                wait().await;
                argument.iter().sum()
            }

            #[$attribute]
            pub async fn unused(_argument: [u8; 1024]) {
                wait().await;
            }

            #[$attribute]
            pub async fn borrowed(argument: &[u8; 1024]) -> u8 {
                wait().await;
                argument.iter().sum()
            }

            #[$attribute]
            pub async fn one() -> u8 {
                local().await
            }

            #[$attribute]
            pub async fn two() -> u8 {
                one().await
            }

            #[$attribute]
            pub async fn three() -> u8 {
                two().await
            }
        })*
    };
}

same_functions! {
    plain: allow(unused);
    annotated: otas::otas_session;
    with_meta: otas::otas_session(meta = { "a": 1, "b": [1, 2], "c": "text" });
}

fn size<F: Future>(future: F) -> usize {
    let size = size_of_val(&future);
    drop(future);
    size
}

#[test]
fn the_attribute_adds_few_bytes_to_a_future() {
    let fits = |annotated: usize, plain: usize| {
        println!("{plain} bytes plain, {annotated} annotated");
        annotated <= plain + MAX_GROWTH
    };
    assert!(fits(size(annotated::empty()), size(plain::empty())));
    assert!(fits(size(annotated::local()), size(plain::local())));
    assert!(fits(size(with_meta::local()), size(plain::local())));
    assert!(fits(size(annotated::argument([0; 1024])), size(plain::argument([0; 1024]))));
    assert!(fits(size(annotated::unused([0; 1024])), size(plain::unused([0; 1024]))));
    assert!(fits(size(annotated::borrowed(&[0; 1024])), size(plain::borrowed(&[0; 1024]))));
    assert!(fits(size(annotated::one()), size(plain::one()) + MAX_GROWTH));
    assert!(fits(size(annotated::two()), size(plain::two()) + 2 * MAX_GROWTH));
    assert!(fits(size(annotated::three()), size(plain::three()) + 3 * MAX_GROWTH));
}

macro_rules! chain {
    ($($name:ident => $next:ident,)*) => {
        $(#[otas_session]
        async fn $name(x: &'static str) -> usize {
            $next(x).await + 1
        })*
    };
}

chain! {
    c01 => c02, c02 => c03, c03 => c04, c04 => c05, c05 => c06, c06 => c07, c07 => c08, c08 => c09,
    c09 => c10, c10 => c11, c11 => c12, c12 => c13,
}

#[otas_session]
async fn c13(x: &'static str) -> usize {
    wait().await;
    x.len()
}

#[otas_session]
async fn d16(x: &'static str) -> usize {
    wait().await;
    x.len()
}

chain! {
    d15 => d16, d14 => d15, d13 => d14, d12 => d13, d11 => d12, d10 => d11, d09 => d10, d08 => d09, d07 => d08, d06 => d07,
    d05 => d06, d04 => d05, d03 => d04, d02 => d03, d01 => d02,
}

/// The compiler's recursion limit of 128 allows 40 plain functions, or 15 with
/// `tracing::instrument`.
#[tokio::test]
async fn sixteen_nested_calls_can_be_spawned_if_defined_innermost_first() {
    capture_warnings();

    let nested = tokio::spawn(d01("x")).await;

    assert_eq!(nested.ok(), Some(16));
}

/// In this order layout computations nest as well, which allows 30 plain functions, or 11 with
/// `tracing::instrument`.
#[tokio::test]
async fn thirteen_nested_calls_can_be_spawned_if_defined_outermost_first() {
    capture_warnings();

    let nested = tokio::spawn(c01("x")).await;

    assert_eq!(nested.ok(), Some(13));
}
