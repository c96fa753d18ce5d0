use otas::otas_session;

#[otas_session(client = client)]
async fn f(client: u8) {}

#[otas_session(client = Some(client), meta = { "a": 1 })]
async fn g(client: otas::Client) {}

fn main() {}
