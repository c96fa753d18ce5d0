use otas::otas_session;

#[otas_session(meta = { "a": })]
async fn f() {}

#[otas_session(meta = { "a" })]
async fn g() {}

#[otas_session(meta = { "a" = 1 })]
async fn h() {}

#[otas_session(meta = { : 1 })]
async fn i() {}

#[otas_session(meta = { , })]
async fn j() {}

fn main() {}
