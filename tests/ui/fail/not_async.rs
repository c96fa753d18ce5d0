use otas::otas_session;

#[otas_session]
fn f() {}

#[otas_session]
pub fn g(x: u8) -> u8 {
    x
}

fn call() -> u8 {
    f();
    g(1)
}

fn main() {}
