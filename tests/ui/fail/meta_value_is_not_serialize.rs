use otas::otas_session;

struct Secret;

#[otas_session(meta = { "a": 1, "secret": secret })]
async fn f(secret: Secret) {}

#[otas_session(meta = { secret })]
async fn g(secret: Secret) {}

#[otas_session(meta = secret)]
async fn h(secret: Secret) {}

fn main() {}
