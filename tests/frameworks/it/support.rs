//! One local OTAS for all tests, because handlers run in tasks of their framework, where only the
//! default client of the process is available.

use std::sync::LazyLock;

use otas::{Client, Config, Session};
use otas_local::Server;

static OTAS: LazyLock<Server> = LazyLock::new(|| {
    // On its own thread, because `block_on` panics inside another runtime.
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let server = runtime.block_on(Server::start()).expect("a server");
        let client = Client::new(Config::from_vars(server.env()).expect("a configuration")).expect("a client");
        std::mem::forget(otas::init(client).expect("no other default client"));
        server
    })
    .join()
    .expect("a local OTAS")
});

/// Starts the local OTAS, unless another test has.
pub fn start() {
    LazyLock::force(&OTAS);
}

/// The id of the current session, which each handler returns; empty outside a session.
pub fn session_id() -> String {
    Session::current().map(|session| session.id().to_string()).unwrap_or_default()
}

/// Whether the local OTAS opened this session.
pub fn was_opened(id: &str) -> bool {
    let is_known = OTAS.sessions().iter().any(|session| format!("{session:?}").contains(id));
    !id.is_empty() && is_known
}

/// Sends a GET, as another program would, and returns the body of the response.
pub async fn get(url: &str) -> String {
    start();
    let response = otas::reqwest::get(url).await.expect("a response");
    assert!(response.status().is_success(), "{url}: {}", response.status());
    response.text().await.expect("a body")
}

/// A free loopback port.
pub fn port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
