//! The servers' words: header names, paths, JSON shapes and status words. Nothing else in this crate knows a string of the servers.

use serde::de::DeserializeOwned;

/// Paths, header names and status words; shared with the local servers of the feature `testing`.
pub(crate) mod header {
    /// The agent's key: sent to UASAM and Brain only.
    pub(crate) const AGENT_KEY: &str = "x-otas-agent-key";
    /// The session's token: sent within the project's domain, and to Brain.
    pub(crate) const SESSION_TOKEN: &str = "x-otas-agent-session-token";
    /// A person's token: reads sessions and events back.
    pub(crate) const USER_TOKEN: &str = "x-otas-user-token";
    /// The project of a person's request.
    pub(crate) const PROJECT_ID: &str = "x-otas-project-id";
    /// The agent whose events are read.
    pub(crate) const AGENT_ID: &str = "x-otas-agent-id";
    /// Every header of OTAS begins like this; none is ever part of an event.
    pub(crate) const PREFIX: &str = "x-otas-";
}

/// Paths on UASAM and Brain; the slash at the end is needed.
pub(crate) mod path {
    /// UASAM: opens a session.
    pub(crate) const CREATE_SESSION: &str = "/api/agent/v1/session/create/";
    /// UASAM: tells the project and the agent of a key. Only the local servers need it.
    #[cfg(feature = "testing")]
    pub(crate) const VERIFY_KEY: &str = "/api/agent/v1/auth/verify/";
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

/// The answer to [`CreateSession`].
#[derive(serde::Deserialize)]
pub(crate) struct SessionCreated {
    pub(crate) response: SessionGrant,
}

/// The part of [`SessionCreated`] that matters.
#[derive(serde::Deserialize)]
pub(crate) struct SessionGrant {
    pub(crate) jwt_token: String,
}

/// The status word of an answer, if it is one: a refusal may echo what was sent after a colon, so that nothing else is ever shown.
pub(crate) fn error_code(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Refusal {
        status_description: String,
    }
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    let word = refusal.status_description.split(':').next().unwrap_or_default().trim();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!word.is_empty() && word.len() <= 64 && word.bytes().all(plain)).then(|| word.to_owned())
}

/// Parses JSON as the servers write it: like Python, with `NaN` and `Infinity` for numbers that some client stored.
///
/// Falls back to reading those as `null`.
pub(crate) fn from_json<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    serde_json::from_slice(text).ok().or_else(|| serde_json::from_slice(&without_nan(text)).ok())
}

fn without_nan(text: &[u8]) -> Vec<u8> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
    let mut out = Vec::with_capacity(text.len());
    let (mut at, mut inside) = (0, false);
    while let Some(&byte) = text.get(at) {
        let word = WORDS.iter().find(|word| !inside && text[at..].starts_with(word));
        if let Some(word) = word {
            out.extend_from_slice(b"null");
            at += word.len();
            continue;
        }
        // An escaped character goes along with its backslash, so that an escaped quote ends nothing.
        let length = if inside && byte == b'\\' { 2 } else { 1 };
        inside ^= byte == b'"';
        out.extend(text[at..].iter().take(length));
        at += length;
    }
    out
}

/// What Brain is told of one call.
pub(crate) mod log {
    use std::borrow::Cow;

    use serde::Serialize;

    /// Longest path, in bytes: it is indexed.
    pub(crate) const PATH: usize = 2_692;
    /// Longest method, in characters.
    pub(crate) const METHOD: usize = 20;
    /// Longest content type, in characters.
    pub(crate) const CONTENT_TYPE: usize = 255;
    /// Largest size of a body, in bytes.
    pub(crate) const LARGEST: u64 = i32::MAX as u64;
    /// Who wrote the event.
    pub(crate) const LIBRARY: &str = concat!("otas-rust/", env!("CARGO_PKG_VERSION"));

    /// The body of the POST. An explicit `null` is refused in some columns, so nothing is ever null.
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

    /// What lets a reader sort events and find repeats: Brain itself stamps on arrival.
    #[derive(Serialize)]
    pub(crate) struct Metadata<'a> {
        pub(crate) event_id: &'a str,
        pub(crate) sequence: u64,
        pub(crate) started_at: String,
        pub(crate) library: &'static str,
    }
}

/// The words in `status_description` by which refusals of Brain are told apart.
pub(crate) mod word {
    /// The session's token was refused.
    pub(crate) const TOKEN_REFUSED: &str = "invalid_or_expired_token";
    /// No token came with the event.
    pub(crate) const TOKEN_MISSING: &str = "missing_agent_session_token";
}

/// What a person's token reads back.
pub(crate) mod read {
    use serde::Deserialize;
    use serde_json::{Map, Value};

    /// How many events of a session Brain shows at the most: the earliest.
    pub(crate) const SHOWN: usize = 500;

    /// The answer to a list of sessions, the newest first.
    #[derive(Deserialize)]
    pub(crate) struct SessionsListed {
        pub(crate) response: Sessions,
    }

    /// The part of [`SessionsListed`] that matters.
    #[derive(Deserialize)]
    pub(crate) struct Sessions {
        pub(crate) sessions: Vec<Session>,
    }

    /// A session as UASAM lists it.
    #[derive(Deserialize)]
    pub(crate) struct Session {
        pub(crate) id: String,
        #[serde(default)]
        pub(crate) created_at: String,
        #[serde(default)]
        pub(crate) meta: Value,
    }

    /// The answer to a list of events, in the order of their arrival.
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
    fn numbers_that_are_none_are_read_as_null() {
        let text = br#"{"a":NaN,"b":[-Infinity,Infinity,1],"c":"NaN \" NaN \\","d":"Infinity"}"#;
        let expected = json!({"a": null, "b": [null, null, 1], "c": "NaN \" NaN \\", "d": "Infinity"});
        assert_eq!(from_json::<Value>(text), Some(expected));
    }

    #[test]
    fn what_is_no_json_stays_so() {
        for text in ["", "<html>", "{\"a\":", "{\"a\":NaN", "\"\\"] {
            assert_eq!(from_json::<Value>(text.as_bytes()), None, "{text}");
        }
    }
}
