//! The protocol: every header name, path, JSON shape and error code of the servers.

use serde::de::DeserializeOwned;

/// The name of the server that opens sessions, for messages.
pub(crate) const UASAM: &str = "UASAM";
/// The name of the server that stores events, for messages.
pub(crate) const BRAIN: &str = "Brain";

pub(crate) mod header {
    /// The agent key; sent only to UASAM and Brain.
    pub(crate) const AGENT_KEY: &str = "x-otas-agent-key";
    /// The session token; sent only within the project domain and to Brain.
    pub(crate) const SESSION_TOKEN: &str = "x-otas-agent-session-token";
    /// The user token, for reading sessions and events back.
    pub(crate) const USER_TOKEN: &str = "x-otas-user-token";
    /// The project that a user reads from.
    pub(crate) const PROJECT_ID: &str = "x-otas-project-id";
    /// The agent whose events a user reads.
    pub(crate) const AGENT_ID: &str = "x-otas-agent-id";
    /// The prefix of every OTAS header; none is ever part of an event.
    pub(crate) const PREFIX: &str = "x-otas-";
}

/// Paths on UASAM and Brain. The trailing slash is required.
pub(crate) mod path {
    /// UASAM: opens a session.
    pub(crate) const CREATE_SESSION: &str = "/api/agent/v1/session/create/";
    /// UASAM: lists an agent's sessions.
    pub(crate) const LIST_SESSIONS: &str = "/api/agent/v1/sessions/list/";
    /// Brain: stores one event.
    pub(crate) const LOG_EVENT: &str = "/api/v1/backend/log/agent/";
    /// Brain: lists a session's events.
    pub(crate) const LIST_EVENTS: &str = "/api/v1/agent/session/events/";
}

/// The body of a request that opens a session.
#[derive(serde::Serialize)]
pub(crate) struct CreateSession<'a> {
    pub(crate) meta: &'a serde_json::Map<String, serde_json::Value>,
}

/// The response to [`CreateSession`].
#[derive(serde::Deserialize)]
pub(crate) struct SessionCreated {
    pub(crate) response: SessionGrant,
}

#[derive(serde::Deserialize)]
pub(crate) struct SessionGrant {
    pub(crate) jwt_token: String,
}

/// The error code of a rejection: the only part of the response that may be shown.
///
/// A server may echo what was sent after a colon.
pub(crate) fn error_code(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Rejection {
        status_description: String,
    }
    let rejection: Rejection = serde_json::from_slice(body).ok()?;
    let code = rejection.status_description.split(':').next().unwrap_or_default().trim();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!code.is_empty() && code.len() <= 64 && code.bytes().all(plain)).then(|| code.to_owned())
}

/// Parses JSON, reading `NaN` and `Infinity` as `null`.
///
/// The servers write these, as Python does, if a client has stored such a number.
pub(crate) fn from_json<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    serde_json::from_slice(text).ok().or_else(|| serde_json::from_slice(&without_nan(text)).ok())
}

fn without_nan(text: &[u8]) -> Vec<u8> {
    const LITERALS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
    let mut out = Vec::with_capacity(text.len());
    let (mut at, mut inside) = (0, false);
    while let Some(&byte) = text.get(at) {
        let literal = LITERALS.iter().find(|literal| !inside && text[at..].starts_with(literal));
        if let Some(literal) = literal {
            out.extend_from_slice(b"null");
            at += literal.len();
            continue;
        }
        // Skip an escaped character with its backslash: an escaped quote ends nothing.
        let length = if inside && byte == b'\\' { 2 } else { 1 };
        inside ^= byte == b'"';
        out.extend(text[at..].iter().take(length));
        at += length;
    }
    out
}

/// One call, as Brain logs it.
pub(crate) mod log {
    use std::borrow::Cow;

    use serde::Serialize;

    /// The column is indexed, which limits it.
    pub(crate) const MAX_PATH_BYTES: usize = 2_692;
    pub(crate) const MAX_METHOD_CHARS: usize = 20;
    pub(crate) const MAX_CONTENT_TYPE_CHARS: usize = 255;
    /// The largest number in an integer column.
    pub(crate) const MAX_INT: u64 = i32::MAX as u64;
    /// The client that wrote the event.
    pub(crate) const LIBRARY: &str = concat!("otas-rust/", env!("CARGO_PKG_VERSION"));

    /// The body of the POST. Nothing is ever `null`, which some columns reject.
    #[derive(Serialize)]
    pub(crate) struct Event<'a, P> {
        pub(crate) project_id: Cow<'a, str>,
        pub(crate) path: Cow<'a, str>,
        pub(crate) method: Cow<'a, str>,
        pub(crate) status_code: u16,
        pub(crate) latency_ms: f64,
        pub(crate) request_size_bytes: u64,
        pub(crate) response_size_bytes: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) request_headers: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) response_headers: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) request_body: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) response_body: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) request_content_type: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) response_content_type: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) query_params: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(crate) error: Option<Cow<'a, str>>,
        pub(crate) custom_properties: P,
        pub(crate) metadata: Metadata<'a>,
    }

    /// Lets a reader sort events and find duplicates; Brain only records the arrival.
    #[derive(Serialize)]
    pub(crate) struct Metadata<'a> {
        pub(crate) event_id: &'a str,
        pub(crate) sequence: u64,
        pub(crate) started_at: String,
        pub(crate) library: &'static str,
    }
}

/// The error codes by which Brain's rejections are distinguished.
pub(crate) mod code {
    pub(crate) const TOKEN_REJECTED: &str = "invalid_or_expired_token";
    pub(crate) const TOKEN_MISSING: &str = "missing_agent_session_token";
}

/// Responses to requests with a user token, which read records back.
pub(crate) mod read {
    use serde::Deserialize;
    use serde_json::{Map, Value};

    /// Brain returns only this many events of a session, the earliest.
    pub(crate) const PAGE_LIMIT: usize = 500;

    /// Newest first.
    #[derive(Deserialize)]
    pub(crate) struct SessionsListed {
        pub(crate) response: Sessions,
    }

    #[derive(Deserialize)]
    pub(crate) struct Sessions {
        pub(crate) sessions: Vec<Session>,
    }

    #[derive(Deserialize)]
    pub(crate) struct Session {
        pub(crate) id: String,
        #[serde(default)]
        pub(crate) created_at: String,
        #[serde(default)]
        pub(crate) meta: Value,
    }

    /// In order of arrival.
    #[derive(Deserialize)]
    pub(crate) struct EventsListed {
        pub(crate) events: Vec<Map<String, Value>>,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn non_finite_numbers_are_read_as_null() {
        let text = br#"{"a":NaN,"b":[-Infinity,Infinity,1],"c":"NaN \" NaN \\","d":"Infinity"}"#;
        let expected = json!({"a": null, "b": [null, null, 1], "c": "NaN \" NaN \\", "d": "Infinity"});
        assert_eq!(from_json::<Value>(text), Some(expected));
    }

    #[test]
    fn invalid_json_stays_invalid() {
        for text in ["", "<html>", "{\"a\":", "{\"a\":NaN", "\"\\"] {
            assert_eq!(from_json::<Value>(text.as_bytes()), None, "{text}");
        }
    }
}
