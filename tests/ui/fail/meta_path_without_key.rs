use otas::otas_session;

struct User {
    id: u8,
}
struct Request {
    user: User,
}

#[otas_session(meta = { req.user.id })]
async fn f(req: Request) -> u8 {
    req.user.id
}

#[otas_session(meta = { req.len() })]
async fn g(req: Vec<u8>) -> usize {
    req.len()
}

fn main() {}
