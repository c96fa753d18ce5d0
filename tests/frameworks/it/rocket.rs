//! rocket, whose return types may be macros.

use otas::otas_session;
use rocket::response::stream::TextStream;
use rocket::{get, routes};

use crate::support;

#[get("/below/<n>")]
#[otas_session(meta = { n })]
async fn below(n: u8) -> String {
    assert_eq!(n, 1);
    support::session_id()
}

#[otas_session]
#[get("/above")]
async fn above() -> String {
    support::session_id()
}

#[get("/stream")]
#[otas_session]
async fn stream() -> TextStream![String] {
    let id = support::session_id();
    TextStream! { yield id; }
}

#[tokio::test]
async fn a_handler_sees_its_session() {
    let port = support::port();
    let config = rocket::Config { port, log_level: rocket::config::LogLevel::Off, ..rocket::Config::default() };
    let rocket = rocket::custom(config).mount("/", routes![below, above, stream]).ignite().await.expect("a server");
    let shutdown = rocket.shutdown();
    let running = tokio::spawn(rocket.launch());
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        tokio::task::yield_now().await;
    }

    for path in ["/below/1", "/above", "/stream"] {
        let id = support::get(&format!("http://127.0.0.1:{port}{path}")).await;
        assert!(support::was_opened(&id), "{path}: {id:?}");
    }
    shutdown.notify();
    assert!(running.await.expect("no panic").is_ok());
}
