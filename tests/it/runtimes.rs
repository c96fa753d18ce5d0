//! Every runtime of the caller will do: sessions are opened on a thread of the library's own.

use otas::{Client, Config, Session, otas_session};
use otas_local::Server;

#[otas_session]
async fn run() -> bool {
    Session::current().is_some()
}

/// A server and a client that outlive the runtimes of a test.
fn otas() -> (Server, Client) {
    crate::support::capture_warnings();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let otas = runtime.block_on(Server::start()).unwrap();
    let client = Client::new(Config::from_vars(otas.env()).unwrap()).unwrap();
    (otas, client)
}

#[test]
fn a_multi_thread_runtime_works() {
    let (_otas, client) = otas();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    assert!(runtime.block_on(async { tokio::spawn(async move { client.scope(run()).await }).await.unwrap() }));
}

#[test]
fn a_runtime_without_timers_or_io_works_repeatedly() {
    let (otas, client) = otas();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(runtime.block_on(client.scope(run())));
    assert!(runtime.block_on(client.scope(run())));
    assert_eq!(otas.sessions().len(), 2);
}

#[test]
fn a_client_outlives_the_runtimes_that_use_it() {
    let (otas, client) = otas();
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(runtime.block_on(client.scope(run())));
    }
    assert_eq!(otas.sessions().len(), 3);
}

#[test]
fn sessions_open_without_any_runtime() {
    let (otas, client) = otas();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut call = std::pin::pin!(client.scope(run()));
    let ran = loop {
        match call.as_mut().poll(&mut context) {
            std::task::Poll::Ready(ran) => break ran,
            std::task::Poll::Pending => std::thread::yield_now(),
        }
    };
    assert!(ran && otas.sessions().len() == 1);
}

#[test]
fn requests_work_on_successive_runtimes() {
    let (_otas, client) = otas();
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let body = runtime.block_on(async {
            let upstream = crate::support::Upstream::start().await;
            client.scope(async { otas::http::get(upstream.inside("/")).await.unwrap().text().await.unwrap() }).await
        });
        assert_eq!(body, "hello");
    }
}
