//! What OTAS records about each call that leaves the project domain.
//!
//! An [`Event`] is redacted before anything else happens to it; [`redaction`] lists the rules. The
//! hook set with [`ConfigBuilder::on_event`](crate::ConfigBuilder::on_event) sees it next, and may
//! edit it or drop it:
//!
//! ```
//! use otas::Config;
//!
//! let config = Config::builder().on_event(|mut event| {
//!     event.request_mut().remove_header("user-agent");
//!     Some(event)
//! });
//! # let _ = config;
//! ```

mod build;
mod call;
mod encode;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::token::SessionId;
pub(crate) use build::is_textual;
pub(crate) use call::{CapturedBody, End, HeaderBlock, RawCall};
pub(crate) use encode::{EncodedEvent, MAX_EVENT_BYTES};

#[doc = include_str!("../redact/names.md")]
pub mod redaction {}

/// Edits an event, or drops it by returning `None`.
pub(crate) type Hook = Arc<dyn Fn(Event) -> Option<Event> + Send + Sync>;

/// A call that left the project domain, [redacted](redaction) and about to be sent to Brain.
///
/// A hook may set any value. The event is made storable afterwards: NULs become `␀`, text longer
/// than its column is cut, and bodies shrink until the event fits.
///
/// ```
/// use otas::event::Event;
///
/// fn on_event(mut event: Event) -> Option<Event> {
///     if event.path() == "/health" {
///         return None;
///     }
///     event.response_mut().set_body(None);
///     event.set_property("team", "search");
///     Some(event)
/// }
/// ```
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
    /// Returns the event's id, a version 7 UUID; duplicate deliveries have the same.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the id of the session that made the call.
    pub fn session_id(&self) -> &SessionId {
        &self.session_id
    }

    /// Returns the position of the call among those of its session, by start.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns when the call started, by the local clock.
    pub fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// Returns the request method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// Returns the full URL, redacted.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Replaces the URL, but neither [`path`](Self::path) nor [`query`](Self::query).
    pub fn set_url(&mut self, url: impl Into<String>) {
        self.url = url.into();
    }

    /// Returns the path of the URL, redacted.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Replaces the path, for example to remove an id from it.
    pub fn set_path(&mut self, path: impl Into<String>) {
        self.path = path.into();
    }

    /// Returns the query of the URL without `?`, redacted; `None` if there is none.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Replaces or removes the query.
    pub fn set_query(&mut self, query: Option<String>) {
        self.query = query;
    }

    /// Returns the response status, or 0 if there was no response.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the time from the start of the call to the end of the response body.
    pub fn latency(&self) -> Duration {
        self.latency
    }

    /// Returns why the call failed, redacted; `None` if it did not.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Replaces or removes the error text.
    pub fn set_error(&mut self, error: Option<String>) {
        self.error = error;
    }

    /// Returns the request.
    pub fn request(&self) -> &Message {
        &self.request
    }

    /// Returns the request, for editing.
    pub fn request_mut(&mut self) -> &mut Message {
        &mut self.request
    }

    /// Returns the response; empty if there was none.
    pub fn response(&self) -> &Message {
        &self.response
    }

    /// Returns the response, for editing.
    pub fn response_mut(&mut self) -> &mut Message {
        &mut self.response
    }

    /// Returns one of the event's `custom_properties`.
    ///
    /// Present by default are `host`, `hops`, `end`, and `ttfb_ms` if there was a response.
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.properties.get(name)
    }

    /// Adds or replaces one of the event's `custom_properties`.
    ///
    /// Values are cut off below 32 levels of nesting. `url` is always the event's own URL.
    pub fn set_property(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.properties.insert(name.into(), value.into());
    }

    /// Removes and returns one of the event's `custom_properties`.
    pub fn remove_property(&mut self, name: &str) -> Option<Value> {
        self.properties.remove(name)
    }
}

/// The headers and body of a request or response, part of an [`Event`].
#[derive(Clone, Debug, Default)]
pub struct Message {
    headers: Vec<(String, String)>,
    content_type: Option<String>,
    body: Option<String>,
    missing: u64,
    size: u64,
}

impl Message {
    /// Iterates over the headers, as names and redacted values.
    ///
    /// A repeated header is repeated here.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the value of the first header with this name, ignoring case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Sets a header, replacing all with the same name, ignoring case.
    pub fn set_header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        self.remove_header(&name);
        self.headers.push((name, value.into()));
    }

    /// Removes all headers with this name, ignoring case.
    pub fn remove_header(&mut self, name: &str) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    /// Returns the value of the `Content-Type` header, redacted.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Returns the beginning of the body, redacted.
    ///
    /// A body that is not text is described instead. Returns `None` if there was no body, or if the
    /// [body limit](crate::ConfigBuilder::body_limit) is 0.
    pub fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }

    /// Returns how many bytes of the body are missing from [`body`](Self::body).
    ///
    /// Brain shows the number at the end of the body.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Replaces or removes the body.
    pub fn set_body(&mut self, body: Option<String>) {
        self.body = body;
        self.missing = 0;
    }

    /// Returns the size of the full body in bytes, as the caller saw it.
    pub fn size(&self) -> u64 {
        self.size
    }
}
