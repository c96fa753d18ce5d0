use otas::otas_session;

#[tokio::main]
#[otas_session]
async fn main() {}
