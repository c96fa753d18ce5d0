use otas::otas_session;

struct Secret;

#[otas_session(meta = { secret: 1 })]
async fn f(secret: Secret) {}

fn main() {}
