use otas::otas_session;

#[otas_session(meta = "text")]
async fn f() {}

#[otas_session(meta = 5)]
async fn g() {}

fn main() {}
