use otas::otas_session;

#[otas_session]
struct S;

#[otas_session]
impl S {
    async fn f() {}
}

#[otas_session]
trait T {}

#[otas_session]
mod m {}

#[otas_session]
const C: u8 = 1;

#[otas_session]
enum E {}

#[otas_session]
use std::fmt as _;

#[otas_session]
static F: fn() = main;

#[otas_session]
type F = unsafe extern "C" fn(u8) -> u8;

fn main() {}
