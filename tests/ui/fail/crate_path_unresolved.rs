use otas::otas_session;

#[otas_session(crate = not::there)]
async fn f() {}

fn main() {}
