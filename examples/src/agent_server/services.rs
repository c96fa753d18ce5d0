//! Two services for the load test: one within the project's domain, one outside. Each remembers who called.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::any;
use tokio::net::TcpListener;

/// A call: the number of the request that it was made for, and the token that came along.
pub type Call = (u64, Option<String>);

/// A service on a loopback port.
#[derive(Clone)]
pub struct Service {
    pub url: String,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Service {
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let service = Self { url: format!("http://{}", listener.local_addr()?), calls: Arc::default() };
        let app = Router::new().route("/{what}/{number}", any(answer)).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(service)
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(
    State(service): State<Service>,
    Path((what, number)): Path<(String, u64)>,
    headers: HeaderMap,
) -> String {
    let token = headers.get("x-otas-agent-session-token").and_then(|token| token.to_str().ok()).map(str::to_owned);
    service.calls.lock().unwrap_or_else(PoisonError::into_inner).push((number, token));
    format!("{what} {number}")
}
