//! From an event to the bytes of a POST that Brain can store.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;

use super::storable::{Properties, headers};
use super::{Event, Message, time};
use crate::redact::Redaction;
use crate::text;
use crate::wire::log;

/// The whole body, in bytes.
pub(crate) const POST: usize = 256 * 1024;
/// Each message's headers, in bytes of JSON.
const HEADERS: usize = 32 * 1024;
/// URL, query and error, in bytes.
const LONG: usize = 8 * 1024;

/// The body of one POST to Brain; its length is sent as Content-Length.
#[derive(Clone)]
pub(crate) struct EncodedEvent(Bytes);

impl EncodedEvent {
    /// Writes the event down, shrinking until the whole fits into `most` bytes; what a hook wrote is made storable too.
    pub(crate) fn of(
        event: &Event,
        project_id: &str,
        pass: &Redaction<'_>,
        most: usize,
    ) -> Result<Self, serde_json::Error> {
        let mut room = Room { bodies: usize::MAX, properties: true, headers: HEADERS };
        loop {
            let mut post = Vec::with_capacity(size(event));
            serde_json::to_writer(&mut post, &Shape { event, project_id, room }.event())?;
            if post.len() <= most {
                post.shrink_to_fit();
                return Ok(Self(masked(post, pass)));
            }
            room = room.smaller(event).ok_or_else(|| serde::ser::Error::custom("no event fits"))?;
        }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }

    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.0.len()
    }
}

/// What is told of those parts that may be of any size.
#[derive(Clone, Copy)]
struct Room {
    /// Of each body, in bytes.
    bodies: usize,
    /// Whether the properties are told that a hook may have added.
    properties: bool,
    /// Of each message's headers, in bytes.
    headers: usize,
}

impl Room {
    /// First the bodies shrink, down to nothing; then the properties go; then the headers shrink.
    fn smaller(self, event: &Event) -> Option<Self> {
        match self {
            Self { bodies: usize::MAX, .. } => Some(Self { bodies: longest_body(event) / 2, ..self }),
            Self { bodies: 1.., .. } => {
                Some(Self { bodies: if self.bodies < 256 { 0 } else { self.bodies / 2 }, ..self })
            }
            Self { properties: true, .. } => Some(Self { properties: false, ..self }),
            Self { headers: 1.., .. } => Some(Self { headers: self.headers / 2, ..self }),
            _ => None,
        }
    }
}

fn longest_body(event: &Event) -> usize {
    [&event.request, &event.response]
        .into_iter()
        .filter_map(|message| message.body.as_ref())
        .map(String::len)
        .max()
        .unwrap_or(0)
}

/// About how long the event is as JSON, so that the buffer hardly ever grows.
fn size(event: &Event) -> usize {
    let message = |message: &Message| {
        let headers = message.headers().map(|(name, value)| name.len() + value.len() + 10).sum::<usize>();
        message.body.as_ref().map_or(0, String::len) + headers
    };
    let text = event.url.len() + event.path.len() + event.query.as_ref().map_or(0, String::len);
    let all = 1024 + text + message(&event.request) + message(&event.response);
    // Quotes and line ends are escaped.
    (all + all / 4).min(POST)
}

/// The process's own secrets once more, over the finished text: a hook may have written one.
fn masked(post: Vec<u8>, pass: &Redaction<'_>) -> Bytes {
    if !pass.may_know(&post) {
        return post.into();
    }
    match String::from_utf8(post) {
        Ok(post) => pass.known(&post).into_owned().into(),
        Err(error) => error.into_bytes().into(),
    }
}

/// An event and the room that it has.
struct Shape<'a> {
    event: &'a Event,
    project_id: &'a str,
    room: Room,
}

impl Shape<'_> {
    fn event(&self) -> log::Event<'_, Properties<'_>> {
        let event = self.event;
        log::Event {
            project_id: text::visible(self.project_id),
            path: path(&event.path),
            method: text::visible(text::cut_chars(&event.method, log::MAX_METHOD_CHARS)),
            status_code: event.status,
            latency_ms: milliseconds(event.latency),
            request_size_bytes: event.request.size.min(log::MAX_INT),
            response_size_bytes: event.response.size.min(log::MAX_INT),
            request_headers: headers(&event.request, self.room.headers),
            response_headers: headers(&event.response, self.room.headers),
            request_body: self.body(&event.request),
            response_body: self.body(&event.response),
            request_content_type: content_type(&event.request),
            response_content_type: content_type(&event.response),
            query_params: event.query.as_deref().map(long),
            error: event.error.as_deref().map(long),
            custom_properties: self.properties(),
            metadata: log::Metadata {
                event_id: &event.id,
                sequence: event.sequence,
                started_at: time::rfc3339(event.started_at),
                library: log::LIBRARY,
            },
        }
    }

    /// The body, or as much as there is room for, and a mark that tells how much is missing.
    fn body<'m>(&self, message: &'m Message) -> Option<Cow<'m, str>> {
        let body = message.body.as_deref()?;
        let kept = text::cut(body, self.room.bodies);
        let missing = message.missing.saturating_add((body.len() - kept.len()) as u64);
        let body = text::visible(kept);
        Some(if missing > 0 { format!("{body}…[{missing} more bytes]").into() } else { body })
    }

    fn properties(&self) -> Properties<'_> {
        Properties { others: self.room.properties.then_some(&self.event.properties), url: long(&self.event.url) }
    }
}

/// A duration as Brain wants it: finite, in milliseconds, to the microsecond.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    // A hundred years are no latency, and are finite.
    duration.min(Duration::from_secs(3_155_760_000)).as_micros() as f64 / 1000.0
}

/// Cut after NULs became visible, which makes them longer.
fn path(path: &str) -> Cow<'_, str> {
    match text::visible(path) {
        Cow::Borrowed(path) => Cow::Borrowed(text::cut(path, log::MAX_PATH_BYTES)),
        Cow::Owned(path) => Cow::Owned(text::cut(&path, log::MAX_PATH_BYTES).to_owned()),
    }
}

fn long(value: &str) -> Cow<'_, str> {
    text::visible(text::cut(value, LONG))
}

fn content_type(message: &Message) -> Option<Cow<'_, str>> {
    message.content_type.as_deref().map(|kind| text::visible(text::cut_chars(kind, log::MAX_CONTENT_TYPE_CHARS)))
}
