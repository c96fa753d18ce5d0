use otas::otas_session;

#[otas_session(metadata = { "a": 1 })]
async fn f() {}

#[otas_session(name = "x")]
async fn g() {}

#[otas_session(onerror = fail)]
async fn h() {}

fn main() {}
