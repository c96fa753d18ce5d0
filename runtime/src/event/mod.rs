//! The event: what Brain is told of one call that left the project's domain.

mod build;
mod call;
mod post;
mod storable;
pub(crate) mod time;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

pub(crate) use build::{Build, is_textual};
pub(crate) use call::{CapturedBody, End, HeaderBlock, RawCall};
pub(crate) use post::{EncodedEvent, POST};

use crate::token::SessionId;

/// Edits an event, or drops it by returning none.
pub(crate) type Hook = Arc<dyn Fn(Event) -> Option<Event> + Send + Sync>;

/// One call that left the project's domain, redacted, as it is about to be sent to Brain.
///
/// A hook sees it and may edit it or drop it. Whatever a hook writes is made storable afterwards: NULs become `␀`, what is longer than its
/// column is cut, and the bodies shrink until the whole fits.
///
/// ```
/// use otas::event::Event;
///
/// fn quiet(mut event: Event) -> Option<Event> {
///     if event.path() == "/health" {
///         return None;
///     }
///     event.response_mut().set_body(None);
///     event.set_property("team", "search");
///     Some(event)
/// }
/// ```
///
#[doc = include_str!("../redact/names.md")]
#[derive(Clone, Debug)]
pub struct Event {
    id: String,
    session_id: SessionId,
    sequence: u64,
    started_at: SystemTime,
    method: String,
    url: String,
    path: String,
    query: Option<String>,
    status: u16,
    latency: Duration,
    error: Option<String>,
    request: Message,
    response: Message,
    properties: Map<String, Value>,
}

impl Event {
    /// The event's own id, a UUID of version 7: the same in a repeated delivery.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The id of the session that made the call.
    pub fn session_id(&self) -> &SessionId {
        &self.session_id
    }

    /// The place of the call among its session's, in the order in which they started.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When the call started, by this machine's clock.
    pub fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// The request's method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The whole URL, redacted.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Replaces the URL that is told; [`path`](Self::path) and [`query`](Self::query) stay as they are.
    pub fn set_url(&mut self, url: impl Into<String>) {
        self.url = url.into();
    }

    /// The URL's path, redacted.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Replaces the path, say to take an id out of it.
    pub fn set_path(&mut self, path: impl Into<String>) {
        self.path = path.into();
    }

    /// The URL's query without the question mark, redacted; none where there is none.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Replaces the query, or leaves it out.
    pub fn set_query(&mut self, query: Option<String>) {
        self.query = query;
    }

    /// The answer's status; 0 where no answer came.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// From the start of the call to the end of the answer's body.
    pub fn latency(&self) -> Duration {
        self.latency
    }

    /// Why the call failed, redacted; none where it did not.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Replaces the error's text, or leaves it out.
    pub fn set_error(&mut self, error: Option<String>) {
        self.error = error;
    }

    /// What was sent.
    pub fn request(&self) -> &Message {
        &self.request
    }

    /// What was sent, to be edited.
    pub fn request_mut(&mut self) -> &mut Message {
        &mut self.request
    }

    /// What came back; empty where nothing did.
    pub fn response(&self) -> &Message {
        &self.response
    }

    /// What came back, to be edited.
    pub fn response_mut(&mut self) -> &mut Message {
        &mut self.response
    }

    /// A value among the event's `custom_properties`: `host`, `url`, `ttfb_ms`, `hops`, `end`, or one set before.
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.properties.get(name)
    }

    /// Adds a value to the event's `custom_properties`, or replaces one. Values nested deeper than 32 levels are cut off there.
    pub fn set_property(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.properties.insert(name.into(), value.into());
    }

    /// Takes a value out of the event's `custom_properties`.
    pub fn remove_property(&mut self, name: &str) -> Option<Value> {
        self.properties.remove(name)
    }
}

/// The headers and the body of a request or of an answer, as an [`Event`] tells them.
#[derive(Clone, Debug, Default)]
pub struct Message {
    headers: Vec<(String, String)>,
    content_type: Option<String>,
    body: Option<String>,
    /// How many bytes of the body are not told.
    missing: u64,
    size: u64,
}

impl Message {
    /// Name and value of each header that is told, redacted; a repeated header appears repeatedly.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first header with this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Replaces every header with this name, in any case, by one.
    pub fn set_header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        self.remove_header(&name);
        self.headers.push((name, value.into()));
    }

    /// Takes out every header with this name, in any case.
    pub fn remove_header(&mut self, name: &str) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    /// The value of `Content-Type`.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The body's beginning, redacted; for content that is no text, a line that says what it was. None where there was no body, or where
    /// bodies are switched off.
    pub fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }

    /// How many bytes of the body [`body`](Self::body) does not hold; a mark says so at its end in Brain.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Replaces the body that is told, or leaves it out.
    pub fn set_body(&mut self, body: Option<String>) {
        self.body = body;
        self.missing = 0;
    }

    /// How many bytes the body had, as the caller saw them.
    pub fn size(&self) -> u64 {
        self.size
    }
}
