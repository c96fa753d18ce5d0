//! What the two services have received, as tests read it.

use std::fmt;

use serde_json::Value;

use crate::http::Request;
use crate::values::json::Json;

/// One of the two services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Users, projects, agents, keys and sessions.
    Uasam,
    /// Events.
    Brain,
}

/// A session that was created.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReceivedSession {
    /// The id that the session's token carries.
    pub id: String,
    /// The agent whose key created it.
    pub agent_id: String,
    /// When it was created, as `2026-04-01T12:00:00.123456+00:00`.
    pub created_at: String,
    /// The meta as `jsonb` stores it; `{}` if there was none.
    pub meta: Value,
}

/// An event that Brain stored.
///
/// The fields are those that Brain returns; [`row`](Self::row) has all of them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReceivedEvent {
    /// Brain's id for the event.
    pub event_id: String,
    /// When it arrived.
    pub event_time: String,
    /// The session whose token came with it.
    pub session_id: String,
    /// The agent of that session.
    pub agent_id: String,
    /// The path of the URL that was called.
    pub path: String,
    /// The HTTP method.
    pub method: String,
    /// The status of the response; 0 if there was none.
    pub status_code: i64,
    /// The duration of the call in milliseconds.
    ///
    /// If it is not finite, the real Brain can no longer return the session's events.
    pub latency_ms: f64,
    /// Why the call failed, if the event says so.
    pub error: Option<String>,
    /// The free JSON field `custom_properties`; null if unset.
    pub custom_properties: Value,
    /// The free JSON field `metadata`; null if unset.
    pub metadata: Value,
    /// All fields by name; null if unset, and for a latency that is not finite.
    pub row: Value,
}

impl ReceivedEvent {
    pub(crate) fn new(row: &Json) -> Self {
        let value = row.to_value();
        let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
        let latency_ms = if let Some(Json::Float(latency)) = row.get("latency_ms") { *latency } else { 0.0 };
        Self {
            event_id: text("event_id"),
            event_time: text("event_time"),
            session_id: text("agent_session_id"),
            agent_id: text("agent_id"),
            path: text("path"),
            method: text("method"),
            status_code: value["status_code"].as_i64().unwrap_or_default(),
            latency_ms,
            error: value["error"].as_str().map(str::to_owned),
            custom_properties: value["custom_properties"].clone(),
            metadata: value["metadata"].clone(),
            row: value,
        }
    }
}

/// A request as it reached a service, whatever became of it.
///
/// Search these for secrets that should not have left the process. `Debug` hides the values of
/// `X-OTAS-*` headers and the body, so that a failing test does not print them.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedRequest {
    /// The service that it reached.
    pub service: Service,
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers in order, with their names as they were sent.
    pub headers: Vec<(String, String)>,
    /// The body, with any chunked encoding removed.
    pub body: Vec<u8>,
}

impl ReceivedRequest {
    pub(crate) fn new(service: Service, request: &Request) -> Self {
        Self {
            service,
            method: request.method.clone(),
            path: request.target.clone(),
            headers: request.headers.clone(),
            body: request.body.clone(),
        }
    }

    /// Returns the value of the first header with this name, ignoring case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns true if `text` occurs anywhere in the request: path, headers or body.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let otas = otas_local::Server::start().await?;
    /// // ... run the agent ...
    /// assert!(otas.requests().iter().all(|request| !request.contains("sk-live-secret")));
    /// # Ok(()) }
    /// ```
    pub fn contains(&self, text: &str) -> bool {
        let headers = self.headers.iter().any(|(name, value)| name.contains(text) || value.contains(text));
        let body = || !text.is_empty() && self.body.windows(text.len()).any(|window| window == text.as_bytes());
        self.path.contains(text) || headers || body()
    }
}

impl fmt::Debug for ReceivedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = |name: &str| name.to_ascii_lowercase().starts_with("x-otas-");
        let shown = |(name, value): &(String, String)| {
            (name.clone(), if secret(name) { "[hidden]".into() } else { value.clone() })
        };
        f.debug_struct("ReceivedRequest")
            .field("service", &self.service)
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &self.headers.iter().map(shown).collect::<Vec<_>>())
            .field("body", &format_args!("[{} bytes]", self.body.len()))
            .finish()
    }
}
