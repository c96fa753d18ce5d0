//! The two services the agent calls: the operator's own backend, and a weather service on another host.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A request the backend received, and the session whose token it carried.
struct ReceivedRequest {
    session_id: Option<String>,
    line: String,
}

/// The operator's own backend, inside the project domain.
#[derive(Clone)]
pub struct Backend {
    pub url: String,
    received: Arc<Mutex<Vec<ReceivedRequest>>>,
}

impl Backend {
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let backend = Self { url: format!("http://{}", listener.local_addr()?), received: Arc::default() };
        let router = Router::new().fallback(customer_or_report).with_state(backend.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(backend)
    }

    /// Method and path of the requests that carried the token of this session.
    pub fn requests_of(&self, session_id: &str) -> Vec<String> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        let own = received.iter().filter(|request| request.session_id.as_deref() == Some(session_id));
        own.map(|request| request.line.clone()).collect()
    }
}

async fn customer_or_report(State(backend): State<Backend>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let token = headers.get("x-otas-agent-session-token").and_then(|value| value.to_str().ok());
    let request = ReceivedRequest { session_id: token.and_then(session_id), line: format!("{method} {uri}") };
    backend.received.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    match method {
        Method::GET => axum::Json(json!({ "name": "Ada", "city": "Zurich" })).into_response(),
        _ => StatusCode::CREATED.into_response(),
    }
}

/// Reads the session id from the token's payload. A real backend first has OTAS verify the token.
fn session_id(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    Some(claims["agent_session_id"].as_str()?.to_owned())
}

/// Starts the weather service. Its URL names another host, so it is outside the project domain.
pub async fn start_weather() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://localhost:{}", listener.local_addr()?.port());
    let router = Router::new()
        .route("/v1/forecast", get(forecast))
        .route("/forecast", get(|| async { Redirect::permanent("/v1/forecast?city=Zurich") }))
        .route("/v1/alerts", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "try again later") }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

#[derive(serde::Deserialize)]
struct Place {
    city: String,
}

async fn forecast(Query(place): Query<Place>) -> axum::Json<Value> {
    axum::Json(json!({ "city": place.city, "celsius": 21 }))
}
