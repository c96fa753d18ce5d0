//! Sessions and events as the servers store them.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::text;
use crate::token::SessionId;
use crate::wire::read;

/// A session as UASAM stores it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionRecord {
    /// The session's id.
    pub id: SessionId,
    /// The agent that opened it.
    pub agent_id: String,
    /// When it was opened, by the server's clock; `None` if that cannot be parsed.
    pub created_at: Option<SystemTime>,
    /// The meta that it was opened with.
    pub meta: Value,
}

impl SessionRecord {
    pub(super) fn new(agent_id: &str, session: read::Session) -> Self {
        Self {
            id: session.id.as_str().into(),
            agent_id: agent_id.to_owned(),
            created_at: text::parse_rfc3339(&session.created_at),
            meta: session.meta,
        }
    }
}

/// The events of a session in the order in which they arrived.
#[derive(Clone, Debug)]
pub struct Events {
    session_id: SessionId,
    events: Vec<EventRecord>,
}

impl Events {
    pub(super) fn new(session_id: SessionId, events: Vec<Map<String, Value>>) -> Self {
        Self { session_id, events: events.into_iter().map(EventRecord::new).collect() }
    }

    /// Returns the session that the events belong to.
    pub fn session_id(&self) -> &SessionId {
        &self.session_id
    }

    /// Returns true if Brain's limit of 500 events was reached.
    ///
    /// Later events probably exist then, but Brain does not return them.
    pub fn is_truncated(&self) -> bool {
        self.events.len() >= read::PAGE_LIMIT
    }

    /// Returns the number of events.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Returns true if there are no events.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Iterates over the events.
    pub fn iter(&self) -> std::slice::Iter<'_, EventRecord> {
        self.events.iter()
    }
}

impl IntoIterator for Events {
    type Item = EventRecord;
    type IntoIter = std::vec::IntoIter<EventRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.events.into_iter()
    }
}

impl<'a> IntoIterator for &'a Events {
    type Item = &'a EventRecord;
    type IntoIter = std::slice::Iter<'a, EventRecord>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// An event as Brain stores it.
///
/// Any client with the agent key may have written it, so nothing in it is certain to be true.
/// Fields marked *this library* are `None` in the events of other clients.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EventRecord {
    /// The event's id, the same in duplicate deliveries (*this library*).
    pub id: Option<String>,
    /// The position of the call among those of its session, by start (*this library*).
    pub sequence: Option<u64>,
    /// When the call started, by the agent's clock (*this library*).
    pub started_at: Option<SystemTime>,
    /// When the event arrived, by Brain's clock.
    pub arrived_at: Option<SystemTime>,
    /// The request's method.
    pub method: String,
    /// The host, with its port unless that is the scheme's default (*this library*).
    pub host: Option<String>,
    /// The URL's path.
    pub path: String,
    /// The response's status; 0 if there was none.
    pub status: u16,
    /// The time from the start of the call to the end of the response; `None` if invalid.
    pub latency: Option<Duration>,
    /// The size of the request body in bytes.
    pub request_size: u64,
    /// The size of the response body in bytes.
    pub response_size: u64,
    /// Why the call failed, if it did.
    pub error: Option<String>,
    /// How the call ended (*this library*).
    ///
    /// One of `complete`, `failed`, `dropped` and `cancelled`.
    pub end: Option<String>,
    /// All fields that Brain stores, under its own names.
    pub fields: Map<String, Value>,
}

impl EventRecord {
    pub(super) fn new(fields: Map<String, Value>) -> Self {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        let number = |name: &str| fields.get(name).and_then(Value::as_u64).unwrap_or(0);
        let inner = |object: &str, name: &str| fields.get(object).and_then(|object| object.get(name)).cloned();
        let inner_text = |object: &str, name: &str| inner(object, name)?.as_str().map(str::to_owned);
        let latency = fields.get("latency_ms").and_then(Value::as_f64);
        Self {
            id: inner_text("metadata", "event_id"),
            sequence: inner("metadata", "sequence").and_then(|sequence| sequence.as_u64()),
            started_at: inner_text("metadata", "started_at").and_then(|text| text::parse_rfc3339(&text)),
            arrived_at: text("event_time").and_then(|text| text::parse_rfc3339(&text)),
            method: text("method").unwrap_or_default(),
            host: inner_text("custom_properties", "host"),
            path: text("path").unwrap_or_default(),
            status: u16::try_from(number("status_code")).unwrap_or(0),
            latency: latency.and_then(|latency| Duration::try_from_secs_f64(latency / 1000.0).ok()),
            request_size: number("request_size_bytes"),
            response_size: number("response_size_bytes"),
            error: text("error").filter(|error| !error.is_empty()),
            end: inner_text("custom_properties", "end"),
            fields,
        }
    }
}
