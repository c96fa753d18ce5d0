use otas::otas_session;

#[otas_session]
const fn f() {}

fn main() {}
