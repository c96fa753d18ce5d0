//! Recursion without a box.
#![allow(unused)]

#[cfg_attr(otas, otas::otas_session)]
async fn recursive(n: u8) -> u8 {
    if n == 0 { 0 } else { 1 + recursive(n - 1).await }
}
