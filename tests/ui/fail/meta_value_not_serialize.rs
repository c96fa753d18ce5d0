use otas::otas_session;

struct Secret;

#[otas_session(meta = { "a": 1, "secret": secret })]
async fn f(secret: Secret) {}

#[otas_session(meta = { secret })]
async fn g(secret: Secret) {}

#[otas_session(meta = secret)]
async fn h(secret: Secret) {}

#[otas_session(meta = { "a": 1, "b": "b", secret, "d": 4 })]
async fn i(secret: Secret) {}

#[otas_session(meta = { "list": [1, 2, 3, 4, 5, 6, 7, secret, 9], key: 1, "last": 3 })]
async fn j(secret: Secret, key: String) {}

fn main() {}
