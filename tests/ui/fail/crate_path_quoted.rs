use otas::otas_session;

#[otas_session(crate = "otas")]
async fn f() {}

fn main() {}
