//! The caller's runtime: any kind works, since sessions are opened on a thread of the library.

use std::task::{Context, Poll, Waker};

use otas::{Client, Session, otas_session};
use otas_local::Server;

use crate::support::{Upstream, fetch, runtime, start_otas};

#[otas_session]
async fn run() -> bool {
    Session::current().is_some()
}

/// A server and a client that outlive the runtimes of a test.
fn otas() -> (Server, Client) {
    runtime().block_on(start_otas())
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
        assert!(runtime().block_on(client.scope(run())));
    }

    assert_eq!(otas.sessions().len(), 3);
}

#[test]
fn sessions_open_without_any_runtime() {
    let (otas, client) = otas();
    let mut context = Context::from_waker(Waker::noop());
    let mut call = std::pin::pin!(client.scope(run()));

    let ran = loop {
        match call.as_mut().poll(&mut context) {
            Poll::Ready(ran) => break ran,
            Poll::Pending => std::thread::yield_now(),
        }
    };

    assert!(ran && otas.sessions().len() == 1);
}

#[test]
fn requests_work_on_successive_runtimes() {
    let (_otas, client) = otas();

    for _ in 0..3 {
        let body = runtime().block_on(async {
            let upstream = Upstream::start().await;
            client.scope(fetch(upstream.inside("/"))).await
        });
        assert_eq!(body, "hello");
    }
}
