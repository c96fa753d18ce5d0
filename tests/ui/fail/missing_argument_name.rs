use otas::otas_session;

#[otas_session("summarize")]
async fn f() {}

#[otas_session({ "task": 1 })]
async fn g() {}

#[otas_session(, meta = {})]
async fn h() {}

fn main() {}
