//! A stand-in for the backend and the model in the load test, which remembers the tokens it received.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::any;
use tokio::net::TcpListener;

/// A call the service received.
#[derive(Clone)]
pub struct ReceivedCall {
    /// The number of the request to the server that caused the call.
    pub number: u64,
    pub token: Option<String>,
}

/// A service on a loopback port.
#[derive(Clone)]
pub struct Service {
    pub url: String,
    calls: Arc<Mutex<Vec<ReceivedCall>>>,
}

impl Service {
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let service = Self { url: format!("http://{}", listener.local_addr()?), calls: Arc::default() };
        let app = Router::new().route("/{resource}/{number}", any(respond)).with_state(service.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(service)
    }

    pub fn calls(&self) -> Vec<ReceivedCall> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn respond(
    State(service): State<Service>,
    Path((resource, number)): Path<(String, u64)>,
    headers: HeaderMap,
) -> String {
    let token = headers.get("x-otas-agent-session-token").and_then(|token| token.to_str().ok()).map(str::to_owned);
    service.calls.lock().unwrap_or_else(PoisonError::into_inner).push(ReceivedCall { number, token });
    format!("{resource} {number}")
}
