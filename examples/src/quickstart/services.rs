//! The two services that the agent talks to: a backend within the domain, and a weather service that belongs to somebody else.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What reached the backend, and the session that it came from.
pub struct Arrival {
    pub session_id: Option<String>,
    pub request: String,
}

/// The operator's own backend.
#[derive(Clone)]
pub struct Backend {
    pub url: String,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
}

impl Backend {
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let backend = Self { url: format!("http://{}", listener.local_addr()?), arrivals: Arc::default() };
        let router = Router::new().fallback(customer_or_report).with_state(backend.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(backend)
    }

    /// The requests that belong to a session.
    pub fn requests_of(&self, session_id: &str) -> Vec<String> {
        let arrivals = self.arrivals.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let own = |arrival: &&Arrival| arrival.session_id.as_deref() == Some(session_id);
        arrivals.iter().filter(own).map(|arrival| arrival.request.clone()).collect()
    }
}

async fn customer_or_report(State(backend): State<Backend>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let token = headers.get("x-otas-agent-session-token").and_then(|value| value.to_str().ok());
    let arrival = Arrival { session_id: token.and_then(session_of), request: format!("{method} {uri}") };
    backend.arrivals.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(arrival);
    match method {
        Method::GET => axum::Json(json!({ "name": "Ada", "city": "Zurich" })).into_response(),
        _ => StatusCode::CREATED.into_response(),
    }
}

/// The session's id is in the token's payload. A real backend has the token checked by OTAS.
fn session_of(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    Some(claims["agent_session_id"].as_str()?.to_owned())
}

/// Somebody else's service. It is reached by another host name, so that it is outside the domain.
pub async fn start_weather() -> std::io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://localhost:{}", listener.local_addr()?.port());
    let router = Router::new()
        .route("/v1/forecast", get(forecast))
        .route("/forecast", get(|| async { Redirect::permanent("/v1/forecast?city=Zurich") }))
        .route("/v1/alerts", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "try later") }));
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
