//! Encodes an event as the JSON body of a POST that Brain can store.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde::ser::{Error as _, Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::{Event, Message};
use crate::redact::Redaction;
use crate::text;
use crate::wire::log;

/// The limit of a whole encoded event.
pub(crate) const MAX_EVENT_BYTES: usize = 256 * 1024;
/// The limit of a URL, path, query or error text.
pub(super) const MAX_TEXT_BYTES: usize = 8 * 1024;
/// The limit of all headers of a message, as JSON.
const MAX_HEADERS_BYTES: usize = 32 * 1024;
/// The limit of one header's value.
const MAX_HEADER_BYTES: usize = 4 * 1024;
/// How deep custom properties may be nested.
const MAX_DEPTH: usize = 32;
/// The limit of a latency: a hundred years.
const MAX_DURATION: Duration = Duration::from_secs(3_155_760_000);

/// The body of one POST to Brain. It is complete, so that it is sent with a `Content-Length`.
#[derive(Clone)]
pub(crate) struct EncodedEvent(Bytes);

impl EncodedEvent {
    /// Encodes an event in at most `max_bytes`, shrinking it as needed. Values that a hook has set
    /// are made storable like all others.
    pub(crate) fn new(
        event: &Event,
        project_id: &str,
        redaction: &Redaction<'_>,
        max_bytes: usize,
    ) -> Result<Self, serde_json::Error> {
        let mut budget = SizeBudget { bodies: usize::MAX, properties: true, headers: MAX_HEADERS_BYTES };
        loop {
            let mut json = Vec::with_capacity(estimated_size(event));
            serde_json::to_writer(&mut json, &body(event, project_id, budget))?;
            if json.len() <= max_bytes {
                json.shrink_to_fit();
                return Ok(Self(masked(json, redaction)));
            }
            budget = budget.shrink(event).ok_or_else(|| serde_json::Error::custom("no event fits"))?;
        }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// About how many bytes of memory the event occupies.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.0.len()
    }
}

/// The limits of those parts of an event that can have any size.
#[derive(Clone, Copy)]
struct SizeBudget {
    /// Bytes of each body.
    bodies: usize,
    /// Whether custom properties are included: a hook may add any.
    properties: bool,
    /// Bytes of each message's headers.
    headers: usize,
}

impl SizeBudget {
    /// Shrinks the bodies first, down to nothing, then drops the properties, then shrinks the
    /// headers.
    fn shrink(self, event: &Event) -> Option<Self> {
        match self {
            Self { bodies: usize::MAX, .. } => Some(Self { bodies: longest_body(event) / 2, ..self }),
            Self { bodies: 1..256, .. } => Some(Self { bodies: 0, ..self }),
            Self { bodies: 256.., .. } => Some(Self { bodies: self.bodies / 2, ..self }),
            Self { properties: true, .. } => Some(Self { properties: false, ..self }),
            Self { headers: 1.., .. } => Some(Self { headers: self.headers / 2, ..self }),
            _ => None,
        }
    }
}

fn longest_body(event: &Event) -> usize {
    let length = |message: &Message| message.body.as_ref().map_or(0, String::len);
    length(&event.request).max(length(&event.response))
}

/// About how long the event is as JSON, so that the buffer rarely grows.
fn estimated_size(event: &Event) -> usize {
    let message = |message: &Message| {
        let headers = message.headers().map(|(name, value)| name.len() + value.len() + 10).sum::<usize>();
        message.body.as_ref().map_or(0, String::len) + headers
    };
    let text = event.url.len() + event.path.len() + event.query.as_ref().map_or(0, String::len);
    let unescaped = 1024 + text + message(&event.request) + message(&event.response);
    // A quarter more for quotes and line ends, which are escaped.
    (unescaped + unescaped / 4).min(MAX_EVENT_BYTES)
}

/// Masks the process's own secrets once more, since a hook may have added one.
fn masked(json: Vec<u8>, redaction: &Redaction<'_>) -> Bytes {
    if !redaction.may_contain(&json) {
        return json.into();
    }
    match String::from_utf8(json) {
        Ok(json) => redaction.mask_process_secrets(&json).into_owned().into(),
        Err(error) => error.into_bytes().into(),
    }
}

fn body<'a>(event: &'a Event, project_id: &'a str, budget: SizeBudget) -> log::Event<'a, Properties<'a>> {
    log::Event {
        project_id: text::escape_nul(project_id),
        path: path(&event.path),
        method: text::escape_nul(text::cut_chars(&event.method, log::MAX_METHOD_CHARS)),
        status_code: event.status,
        latency_ms: milliseconds(event.latency),
        request_size_bytes: event.request.size.min(log::MAX_INT),
        response_size_bytes: event.response.size.min(log::MAX_INT),
        request_headers: headers(&event.request, budget.headers),
        response_headers: headers(&event.response, budget.headers),
        request_body: body_text(&event.request, budget.bodies),
        response_body: body_text(&event.response, budget.bodies),
        request_content_type: content_type(&event.request),
        response_content_type: content_type(&event.response),
        query_params: event.query.as_deref().map(long_text),
        error: event.error.as_deref().map(long_text),
        custom_properties: Properties {
            others: budget.properties.then_some(&event.properties),
            url: long_text(&event.url),
        },
        metadata: log::Metadata {
            event_id: &event.id,
            sequence: event.sequence,
            started_at: text::rfc3339(event.started_at),
            library: log::LIBRARY,
        },
    }
}

/// As much of the body as fits, and a mark with the number of missing bytes.
fn body_text(message: &Message, max_bytes: usize) -> Option<Cow<'_, str>> {
    let body = message.body.as_deref()?;
    let kept = text::cut(body, max_bytes);
    let missing = message.missing.saturating_add((body.len() - kept.len()) as u64);
    let body = text::escape_nul(kept);
    Some(if missing > 0 { format!("{body}…[{missing} more bytes]").into() } else { body })
}

/// Milliseconds as Brain stores them: finite, and exact to the microsecond.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.min(MAX_DURATION).as_micros() as f64 / 1000.0
}

/// Cut after NULs are escaped, because escaping makes a path longer.
fn path(path: &str) -> Cow<'_, str> {
    match text::escape_nul(path) {
        Cow::Borrowed(path) => Cow::Borrowed(text::cut(path, log::MAX_PATH_BYTES)),
        Cow::Owned(path) => Cow::Owned(text::cut(&path, log::MAX_PATH_BYTES).to_owned()),
    }
}

fn long_text(text: &str) -> Cow<'_, str> {
    text::escape_nul(text::cut(text, MAX_TEXT_BYTES))
}

fn content_type(message: &Message) -> Option<Cow<'_, str>> {
    message.content_type.as_deref().map(|kind| text::escape_nul(text::cut_chars(kind, log::MAX_CONTENT_TYPE_CHARS)))
}

/// The headers as a JSON object in a string. Repeated ones, which are adjacent, are joined by a
/// comma; those that do not fit are left out.
fn headers(message: &Message, max_bytes: usize) -> Option<String> {
    let mut room = max_bytes;
    let mut headers: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(message.headers.len());
    for (name, value) in message.headers() {
        let value = text::cut(value, MAX_HEADER_BYTES);
        let Some(left) = room.checked_sub(name.len() + value.len() + 6) else { continue };
        room = left;
        let value = text::escape_nul(value);
        match headers.last_mut().filter(|(last, _)| *last == name) {
            Some((_, values)) => values.to_mut().extend([", ", &*value]),
            None => headers.push((name, value)),
        }
    }
    if headers.is_empty() { None } else { serde_json::to_string(&JsonObject(&headers)).ok() }
}

struct JsonObject<'a>(&'a [(&'a str, Cow<'a, str>)]);

impl Serialize for JsonObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (text::escape_nul(name), value)))
    }
}

/// The `custom_properties`: the URL, and the event's other properties if they fit.
struct Properties<'a> {
    others: Option<&'a Map<String, Value>>,
    url: Cow<'a, str>,
}

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.others.into_iter().flatten().filter(|(name, _)| *name != "url") {
            map.serialize_entry(&text::escape_nul(name), &Sanitized { value, depth: MAX_DEPTH })?;
        }
        map.serialize_entry("url", &self.url)?;
        map.end()
    }
}

/// A value with NULs escaped, and cut off below `depth` levels of nesting.
struct Sanitized<'a> {
    value: &'a Value,
    depth: usize,
}

impl Serialize for Sanitized<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let inner = |value| Sanitized { value, depth: self.depth - 1 };
        match self.value {
            Value::Object(_) | Value::Array(_) if self.depth == 0 => serializer.serialize_str("[nested too deeply]"),
            Value::Object(map) => {
                serializer.collect_map(map.iter().map(|(name, value)| (text::escape_nul(name), inner(value))))
            }
            Value::Array(list) => serializer.collect_seq(list.iter().map(inner)),
            Value::String(text) => serializer.serialize_str(&text::escape_nul(text)),
            scalar => scalar.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn properties_are_storable_at_any_depth_and_the_url_is_the_events_own() {
        let mut deep = json!("bottom");
        for _ in 0..MAX_DEPTH + 2 {
            deep = json!([deep]);
        }
        let others = json!({ "a\0b": { "c\0": ["d\0", 1, null, 1.5] }, "deep": deep, "url": "another" });

        let written = serde_json::to_string(&Properties { others: others.as_object(), url: "u".into() }).unwrap();

        let expected = "[".repeat(MAX_DEPTH) + "\"[nested too deeply]\"" + &"]".repeat(MAX_DEPTH);
        let read: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read["a␀b"], json!({ "c␀": ["d␀", 1, null, 1.5] }));
        assert_eq!((read["deep"].to_string(), &read["url"]), (expected, &json!("u")));
        assert_eq!(written.matches("\"url\"").count(), 1);
    }

    #[test]
    fn headers_are_joined_cut_and_escaped() {
        let mut message = Message::default();
        for (name, value) in [("a", "1"), ("a", "2\0"), ("b", "\""), ("c", &*"€".repeat(MAX_HEADER_BYTES))] {
            message.headers.push((name.to_owned(), value.to_owned()));
        }

        let read: Value = serde_json::from_str(&headers(&message, usize::MAX).unwrap()).unwrap();

        assert_eq!((&read["a"], &read["b"]), (&json!("1, 2␀"), &json!("\"")));
        assert_eq!(read["c"].as_str().map(str::len), Some(MAX_HEADER_BYTES / 3 * 3));
        assert_eq!(headers(&message, 8).as_deref(), Some(r#"{"a":"1"}"#));
        assert_eq!(headers(&Message::default(), 8), None);
    }
}
