//! What the local servers have seen, as a test reads it.

use std::fmt;

use serde_json::Value;

use super::http::Request;
use super::json::Json;

/// One of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Users, projects, agents, keys, sessions.
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
    /// When it was created, as the servers write a moment (`2026-04-01T12:00:00.123456+00:00`).
    pub created_at: String,
    /// The meta that arrived, as `jsonb` keeps it; `{}` where none came.
    pub meta: Value,
}

/// An event that Brain stored.
///
/// Its fields are those of Brain's answer, which [`row`](Self::row) is in full.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReceivedEvent {
    /// Brain's id for it.
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
    /// The status of the answer; 0 tells that there was none.
    pub status_code: i64,
    /// The round trip in milliseconds; it can be NaN, which breaks every read of the session from the real Brain.
    pub latency_ms: f64,
    /// The error, where the event tells of one.
    pub error: Option<String>,
    /// The free JSON field `custom_properties`; null where unset.
    pub custom_properties: Value,
    /// The free JSON field `metadata`; null where unset.
    pub metadata: Value,
    /// All fields by their names; null where unset (and a latency that is not finite).
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

/// A request as it reached a server, whatever became of it: what a test searches for secrets that should not have left the process.
///
/// Its `Debug` hides the values of `X-OTAS-*` headers and the body, so that a failing test does not print them.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivedRequest {
    /// The server that it reached.
    pub service: Service,
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The headers in their order, names as they were written.
    pub headers: Vec<(String, String)>,
    /// The body, unchunked.
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

    /// The first header of this name, in any case; `None` where there is none.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether a text occurs anywhere in the request: path, headers or body.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let otas = otas::testing::Server::start().await?;
    /// // ... let the agent run ...
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
        let ours = |name: &str| name.to_ascii_lowercase().starts_with(crate::wire::header::PREFIX);
        let shown = |(name, value): &(String, String)| {
            (name.clone(), if ours(name) { "[hidden]".into() } else { value.clone() })
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
