use otas::otas_session;

#[otas_session(metadata = { "a": 1 })]
async fn f() {}

#[otas_session(name = "x")]
async fn g() {}

#[otas_session(onerror = fail)]
async fn h() {}

#[otas_session(on_err = fail)]
async fn i() {}

#[otas_session(clients = CLIENT, on_error = fail)]
async fn j() {}

#[otas_session(agent = "x")]
async fn k() {}

fn main() {}
