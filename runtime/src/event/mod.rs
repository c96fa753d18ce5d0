//! What OTAS records of each call that leaves the project domain.
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
    /// The event's own id, a version 7 UUID; a repeated delivery has the same.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The session that made the call.
    pub fn session_id(&self) -> &SessionId {
        &self.session_id
    }

    /// The position of the call in its session, in the order of their starts.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When the call started, by the local clock.
    pub fn started_at(&self) -> SystemTime {
        self.started_at
    }

    /// The request method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The full URL, redacted.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Replaces the URL, but neither [`path`](Self::path) nor [`query`](Self::query).
    pub fn set_url(&mut self, url: impl Into<String>) {
        self.url = url.into();
    }

    /// The path of the URL, redacted.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Replaces the path, for example to remove an id from it.
    pub fn set_path(&mut self, path: impl Into<String>) {
        self.path = path.into();
    }

    /// The query of the URL without `?`, redacted; `None` if there is none.
    pub fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    /// Replaces or removes the query.
    pub fn set_query(&mut self, query: Option<String>) {
        self.query = query;
    }

    /// The response status, or 0 if there was no response.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The time from the start of the call to the end of the response body.
    pub fn latency(&self) -> Duration {
        self.latency
    }

    /// Why the call failed, redacted; `None` if it did not.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Replaces or removes the error text.
    pub fn set_error(&mut self, error: Option<String>) {
        self.error = error;
    }

    /// The request.
    pub fn request(&self) -> &Message {
        &self.request
    }

    /// The request, for editing.
    pub fn request_mut(&mut self) -> &mut Message {
        &mut self.request
    }

    /// The response; empty if there was none.
    pub fn response(&self) -> &Message {
        &self.response
    }

    /// The response, for editing.
    pub fn response_mut(&mut self) -> &mut Message {
        &mut self.response
    }

    /// One of the event's `custom_properties`.
    ///
    /// Present by default are `host`, `hops`, `end`, and `ttfb_ms` if there was a response.
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.properties.get(name)
    }

    /// Adds or replaces one of the event's `custom_properties`.
    ///
    /// Values nested deeper than 32 levels are cut off there. `url` is always the event's own URL.
    pub fn set_property(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.properties.insert(name.into(), value.into());
    }

    /// Removes one of the event's `custom_properties`.
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
    /// The name and redacted value of each header; a repeated header is repeated here.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first header with this name, ignoring case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Replaces all headers with this name, ignoring case, with this one.
    pub fn set_header(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let name = name.into();
        self.remove_header(&name);
        self.headers.push((name, value.into()));
    }

    /// Removes all headers with this name, ignoring case.
    pub fn remove_header(&mut self, name: &str) {
        self.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
    }

    /// The value of the `Content-Type` header, redacted.
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The beginning of the body, redacted; a short description if it is not text.
    ///
    /// `None` if there was no body, or if the [body limit](crate::ConfigBuilder::body_limit) is 0.
    pub fn body(&self) -> Option<&str> {
        self.body.as_deref()
    }

    /// How many bytes of the body are missing from [`body`](Self::body).
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

    /// The size of the full body in bytes, as the caller saw it.
    pub fn size(&self) -> u64 {
        self.size
    }
}
