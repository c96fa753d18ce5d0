use otas::otas_session;

#[otas_session(meta { "a": 1 })]
async fn f() {}

#[otas_session(meta("a": 1))]
async fn g() {}

#[otas_session(meta = ("a": 1))]
async fn h() {}

#[otas_session(meta = ["a", 1])]
async fn i() {}

fn main() {}
