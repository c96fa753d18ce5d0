//! Headers and properties as Brain can store them, written without a copy of what is fine as it is.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::Message;
use crate::text;

/// One header's value, in bytes.
const HEADER: usize = 4 * 1024;
/// How deep properties may be nested.
const DEPTH: usize = 32;

/// A JSON object as a string; repeated headers, which stand together, are joined by a comma.
pub(super) fn headers(message: &Message, mut room: usize) -> Option<String> {
    let mut lines: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(message.headers.len());
    for (name, value) in message.headers() {
        let value = text::cut(value, HEADER);
        let Some(left) = room.checked_sub(name.len() + value.len() + 6) else { continue };
        room = left;
        let value = text::visible(value);
        match lines.last_mut().filter(|(last, _)| *last == name) {
            Some((_, values)) => values.to_mut().extend([", ", &*value]),
            None => lines.push((name, value)),
        }
    }
    if lines.is_empty() { None } else { serde_json::to_string(&Lines(&lines)).ok() }
}

struct Lines<'a>(&'a [(&'a str, Cow<'a, str>)]);

impl Serialize for Lines<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (text::visible(name), value)))
    }
}

/// What goes into `custom_properties`: the URL, and what is in the event's own where there is room for them.
pub(super) struct Properties<'a> {
    pub(super) others: Option<&'a Map<String, Value>>,
    pub(super) url: Cow<'a, str>,
}

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        for (name, value) in self.others.into_iter().flatten().filter(|(name, _)| *name != "url") {
            map.serialize_entry(&text::visible(name), &Storable(value, DEPTH))?;
        }
        map.serialize_entry("url", &self.url)?;
        map.end()
    }
}

/// A value with its NULs made visible, and cut off where it is nested deeper than so many levels.
struct Storable<'a>(&'a Value, usize);

impl Serialize for Storable<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match (self.0, self.1) {
            (Value::Object(_) | Value::Array(_), 0) => to.serialize_str("[nested too deep]"),
            (Value::Object(map), depth) => {
                to.collect_map(map.iter().map(|(name, value)| (text::visible(name), Storable(value, depth - 1))))
            }
            (Value::Array(list), depth) => to.collect_seq(list.iter().map(|value| Storable(value, depth - 1))),
            (Value::String(value), _) => to.serialize_str(&text::visible(value)),
            (value, _) => value.serialize(to),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn properties_become_storable_at_any_depth_and_the_url_is_the_events_own() {
        let mut deep = json!("bottom");
        for _ in 0..DEPTH + 2 {
            deep = json!([deep]);
        }
        let others = json!({ "a\0b": { "c\0": ["d\0", 1, null, 1.5] }, "deep": deep, "url": "another" });

        let written = serde_json::to_string(&Properties { others: others.as_object(), url: "u".into() }).unwrap();

        let expected = "[".repeat(DEPTH) + "\"[nested too deep]\"" + &"]".repeat(DEPTH);
        let read: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read["a␀b"], json!({ "c␀": ["d␀", 1, null, 1.5] }));
        assert_eq!((read["deep"].to_string(), &read["url"]), (expected, &json!("u")));
        assert_eq!(written.matches("\"url\"").count(), 1);
    }

    #[test]
    fn headers_are_joined_cut_and_made_visible() {
        let mut message = Message::default();
        for (name, value) in [("a", "1"), ("a", "2\0"), ("b", "\""), ("c", &*"€".repeat(HEADER))] {
            message.headers.push((name.to_owned(), value.to_owned()));
        }

        let read: Value = serde_json::from_str(&headers(&message, usize::MAX).unwrap()).unwrap();

        assert_eq!((&read["a"], &read["b"]), (&json!("1, 2␀"), &json!("\"")));
        assert_eq!(read["c"].as_str().map(str::len), Some(HEADER / 3 * 3));
        assert_eq!(headers(&message, 8).as_deref(), Some(r#"{"a":"1"}"#));
        assert_eq!(headers(&Message::default(), 8), None);
    }
}
