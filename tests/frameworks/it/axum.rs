//! axum: handlers, and `#[debug_handler]`, which emits the code below it twice.

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, debug_handler};
use otas::otas_session;

use crate::support;

#[derive(Clone)]
struct Agent {
    name: &'static str,
}

#[otas_session(meta = { "agent": agent.name, n, text })]
async fn plain(State(agent): State<Agent>, Path((n, text)): Path<(u8, String)>) -> impl IntoResponse {
    assert_eq!((agent.name, n, text.as_str()), ("axum", 1, "x"));
    support::session_id()
}

#[debug_handler]
#[otas_session]
async fn below() -> Result<impl IntoResponse, (axum::http::StatusCode, String)> {
    Ok(support::session_id())
}

#[otas_session]
#[debug_handler]
async fn above() -> axum::response::Result<String> {
    Ok(support::session_id())
}

#[tokio::test]
async fn a_handler_sees_its_session() {
    let router = Router::new()
        .route("/plain/{n}/{text}", get(plain))
        .route("/below", get(below))
        .route("/above", get(above))
        .with_state(Agent { name: "axum" });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });

    for path in ["/plain/1/x", "/below", "/above"] {
        let id = support::get(&format!("{url}{path}")).await;
        assert!(support::was_opened(&id), "{path}: {id:?}");
    }
}
