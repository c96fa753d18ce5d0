//! Unstable syntax, which syn cannot parse.
#![feature(yeet_expr)]
#![deny(warnings)]

/// Leaves early.
#[otas::otas_session]
pub async fn unknown_syntax(x: u8) -> Option<u8> {
    if x > 1 {
        do yeet;
    }
    Some(x)
}
