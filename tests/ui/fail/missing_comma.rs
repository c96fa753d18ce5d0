use otas::otas_session;

#[otas_session(meta = { "a": 1 } on_error = continue)]
async fn f() {}

fn main() {}
