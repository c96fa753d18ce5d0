use otas::otas_session;

#[otas_session(meta = { "user": usr_id })]
async fn f(user_id: u8) {}

#[otas_session(meta = { usr_id })]
async fn g(user_id: u8) {}

fn main() {}
