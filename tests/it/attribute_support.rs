//! A UASAM that opens sessions and remembers their meta, for the tests of the attribute.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use otas::{Client, Config, Result};
use serde_json::{Map, Value, json};

/// The metas of the sessions that were opened, in order.
type Opened = Arc<Mutex<Vec<Map<String, Value>>>>;

/// A server of one test's own, and its client.
pub struct Otas {
    pub client: Client,
    opened: Opened,
}

impl Otas {
    pub async fn start() -> Result<Self> {
        let opened = Opened::default();
        let app = Router::new().route("/api/agent/v1/session/create/", post(create)).with_state(opened.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { client: client(&url)?, opened })
    }

    /// The metas of the sessions that were opened, in order.
    pub fn metas(&self) -> Vec<Value> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.iter().cloned().map(Value::Object).collect()
    }
}

/// A client whose UASAM is at this address.
pub fn client(url: &str) -> Result<Client> {
    let key = format!("agent_abcdefghijk_{}", "s".repeat(43));
    Client::new(
        Config::builder().agent_key(key).project_domain("http://127.0.0.1:9").uasam_url(url).brain_url(url).build()?,
    )
}

/// A client whose UASAM is not there.
pub fn unreachable() -> Result<Client> {
    client("http://127.0.0.1:9")
}

/// A client that is switched off.
pub fn disabled() -> Result<Client> {
    Client::new(Config::from_vars([("OTAS_DISABLED", "1")])?)
}

async fn create(State(opened): State<Opened>, Json(body): Json<Value>) -> Json<Value> {
    let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
    opened.push(body["meta"].as_object().cloned().unwrap_or_default());
    let claims = json!({ "agent_session_id": format!("session-{}", opened.len()), "agent_id": "agent-1", "iat": 1.0, "exp": 4e9 });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let jwt = format!("{}.{}.{}", part(&json!({"alg": "HS256"})), part(&claims), "c2ln");
    Json(json!({ "status": 1, "status_description": "agent_session_created", "response": { "jwt_token": jwt } }))
}

/// Runs a future where sessions can be opened.
pub async fn run<F: Future>(future: F) -> F::Output {
    let otas = Otas::start().await.expect("a server");
    otas.client.scope(future).await
}

/// Whether a session is current: what each shape returns or asserts from its body.
pub fn here() -> bool {
    otas::Session::current().is_some()
}
