//! One local OTAS for all tests: handlers run in tasks of their framework's, where only the default client of the process is at hand.

use std::sync::LazyLock;

use otas_local::Server;
use otas::{Client, Config, Session};

struct Otas {
    server: Server,
    // Serves as long as the process lives: each test has a runtime of its own, and a shorter life.
    _runtime: tokio::runtime::Runtime,
}

static OTAS: LazyLock<Otas> = LazyLock::new(|| {
    // On a thread of its own, as a runtime cannot be entered from within another one.
    std::thread::spawn(|| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let server = runtime.block_on(Server::start()).expect("a server");
        let client = Client::new(Config::from_vars(server.env()).expect("a configuration")).expect("a client");
        std::mem::forget(otas::init(client).expect("the first"));
        Otas { server, _runtime: runtime }
    })
    .join()
    .expect("a local OTAS")
});

/// Starts the local OTAS where no test has yet.
pub fn start() {
    LazyLock::force(&OTAS);
}

/// The id of the current session: what each handler answers.
pub fn session_id() -> String {
    Session::current().map(|session| session.id().to_string()).unwrap_or_default()
}

/// Whether the local OTAS opened this session.
pub fn opened(id: &str) -> bool {
    let known = OTAS.server.sessions().iter().any(|session| format!("{session:?}").contains(id));
    !id.is_empty() && known
}

/// A GET of some other program's.
pub async fn get(url: &str) -> String {
    start();
    let answer = otas::reqwest::get(url).await.expect("an answer");
    assert!(answer.status().is_success(), "{url}: {}", answer.status());
    answer.text().await.expect("a body")
}

/// A free loopback port.
pub fn port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
