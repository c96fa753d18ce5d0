use otas::otas_session;

#[otas_session(meta = { "a": 1 }, meta = { "b": 2 })]
async fn f() {}

fn main() {}
