//! What the tests share: a client of a local OTAS, and a small HTTP server that remembers what reached it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use otas::{Client, Config};
use otas_local::Server;

/// The header that carries the session's token.
pub const TOKEN: &str = "x-otas-agent-session-token";

/// A request that reached a [`Site`].
#[derive(Clone, Debug)]
pub struct Hit {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Hit {
    /// The session's token, if it came along.
    pub fn token(&self) -> Option<&str> {
        self.header(TOKEN)
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A server on a loopback port. `?status=302&to=URL` makes it answer so; without, it answers 200 and `hello`.
#[derive(Clone)]
pub struct Site {
    port: u16,
    hits: Arc<Mutex<Vec<Hit>>>,
}

impl Site {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hits = Arc::default();
        let site = Self { port, hits };
        let router = Router::new().fallback(answer).with_state(site.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        site
    }

    /// By address: what the tests take for the inside.
    pub fn inside(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// By name: another host, in the eyes of every rule.
    pub fn outside(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port)
    }

    pub fn hits(&self) -> Vec<Hit> {
        self.hits.lock().unwrap().clone()
    }
}

/// A path that answers with a redirect.
pub fn redirect(status: u16, to: &str) -> String {
    format!("/redirect?status={status}&to={}", url::form_urlencoded::byte_serialize(to.as_bytes()).collect::<String>())
}

/// What a client of an earlier test may still send, where a local OTAS stood at this port: no hits.
const LEFT_OVER: [&str; 2] = ["/api/v1/backend/log/agent/", "/api/agent/v1/session/create/"];

async fn answer(
    State(site): State<Site>,
    Query(query): Query<HashMap<String, String>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !LEFT_OVER.contains(&uri.path()) {
        site.hits.lock().unwrap().push(Hit { method, uri, headers, body });
    }
    let status = query.get("status").map_or(StatusCode::OK, |status| status.parse().unwrap());
    match query.get("to") {
        Some(to) => (status, [("location", to.as_str())], "moved").into_response(),
        None => (status, "hello").into_response(),
    }
}

/// A local OTAS whose project's domain is the inside of `site`, and a client of it.
pub async fn otas_around(site: &Site) -> (Server, Client) {
    let otas = Server::builder().project_domain(site.inside("")).start().await.unwrap();
    let client = Client::new(Config::from_vars(otas.env()).unwrap()).unwrap();
    (otas, client)
}
