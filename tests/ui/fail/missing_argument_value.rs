use otas::otas_session;

#[otas_session(meta)]
async fn f() {}

#[otas_session(meta =)]
async fn g() {}

#[otas_session(on_error, meta = {})]
async fn h() {}

#[otas_session(meta: { "a": 1 })]
async fn i() {}

fn main() {}
