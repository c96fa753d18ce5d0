//! The servers' words: header names, paths, JSON shapes and status words. Nothing else in this crate knows a string of the servers.

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
    /// UASAM: tells the project and the agent of a key.
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
pub(crate) fn status_word(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Refusal {
        status_description: String,
    }
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    let word = refusal.status_description.split(':').next().unwrap_or_default().trim();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (!word.is_empty() && word.len() <= 64 && word.bytes().all(plain)).then(|| word.to_owned())
}
