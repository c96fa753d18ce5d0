//! Syntax that no stable compiler knows, and so no parser of ours either.
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
