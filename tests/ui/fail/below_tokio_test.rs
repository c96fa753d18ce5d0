use otas::otas_session;

#[tokio::test]
#[otas_session]
async fn f() {}

fn main() {}
