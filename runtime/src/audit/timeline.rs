//! Sorts a session's calls by start, and prints them.

use std::collections::HashSet;
use std::fmt;
use std::time::{Duration, SystemTime};

use super::records::{EventRecord, Events};
use crate::token::SessionId;
use crate::wire::read::PAGE_LIMIT;

/// A session's calls, sorted by start, without duplicate deliveries.
///
/// `Display` prints one line per call: time since the first start, method, host and path, status,
/// latency, sizes and error.
///
/// ```text
/// +0.000s GET    api.example.com/items   200    12.0ms  sent       0 B  received   1.2 KiB
/// +1.204s POST   api.example.com/orders    -      3.2s  sent      37 B  received       0 B  timed out
/// ```
#[derive(Clone, Debug)]
pub struct Timeline {
    session_id: SessionId,
    entries: Vec<TimelineEntry>,
    duplicates: usize,
    is_truncated: bool,
}

/// One call of a [`Timeline`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TimelineEntry {
    /// Time from the start of the first call in the timeline to the start of this one.
    pub since_start: Duration,
    /// The call.
    pub event: EventRecord,
}

impl Timeline {
    /// Returns the session that the calls belong to.
    pub fn session_id(&self) -> &SessionId {
        &self.session_id
    }

    /// Returns the calls, earliest first.
    pub fn entries(&self) -> &[TimelineEntry] {
        &self.entries
    }

    /// Returns how many duplicate deliveries were left out.
    pub fn duplicates(&self) -> usize {
        self.duplicates
    }

    /// Returns true if Brain's limit of 500 events was reached.
    ///
    /// Later events are probably missing.
    pub fn is_truncated(&self) -> bool {
        self.is_truncated
    }
}

impl From<Events> for Timeline {
    fn from(events: Events) -> Self {
        let (session_id, is_truncated, count) = (events.session_id().clone(), events.is_truncated(), events.len());
        let mut seen = HashSet::new();
        let mut events: Vec<_> =
            events.into_iter().filter(|event| event.id.clone().is_none_or(|id| seen.insert(id))).collect();
        let duplicates = count - events.len();
        // The sort is stable, so events without a time keep the order of their arrival.
        events.sort_by_key(|event| (start(event), event.sequence));
        let first = events.iter().find_map(start);
        let since =
            |event: &EventRecord| start(event).zip(first).and_then(|(start, first)| start.duration_since(first).ok());
        let entries =
            events.into_iter().map(|event| TimelineEntry { since_start: since(&event).unwrap_or_default(), event });
        Self { session_id, entries: entries.collect(), duplicates, is_truncated }
    }
}

/// The start by the agent's clock; estimated if another client wrote the event.
fn start(event: &EventRecord) -> Option<SystemTime> {
    let estimate = || event.arrived_at?.checked_sub(event.latency.unwrap_or_default());
    event.started_at.or_else(estimate)
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.entries.iter().map(|entry| target(&entry.event).chars().count()).max().unwrap_or(0).min(60);
        for entry in &self.entries {
            write_line(f, entry, width)?;
        }
        if self.entries.is_empty() {
            writeln!(f, "no calls")?;
        }
        if self.duplicates > 0 {
            writeln!(f, "(duplicate deliveries left out: {})", self.duplicates)?;
        }
        if self.is_truncated {
            writeln!(f, "(truncated: Brain returns only the first {PAGE_LIMIT} events of a session)")?;
        }
        Ok(())
    }
}

fn write_line(f: &mut fmt::Formatter<'_>, entry: &TimelineEntry, width: usize) -> fmt::Result {
    let event = &entry.event;
    let status = if event.status == 0 { "-".to_owned() } else { event.status.to_string() };
    let latency = event.latency.map_or("?".to_owned(), |latency| format!("{latency:.1?}"));
    write!(
        f,
        "{:>+10.3}s {:<6} {:<width$} {status:>4} {latency:>9}  sent {:>9}  received {:>9}",
        entry.since_start.as_secs_f64(),
        printable(&event.method),
        target(event),
        size(event.request_size),
        size(event.response_size),
    )?;
    if let Some(end) = event.end.as_deref().filter(|end| matches!(*end, "dropped" | "cancelled")) {
        write!(f, "  {end}")?;
    }
    match &event.error {
        Some(error) => writeln!(f, "  {}", printable(error)),
        None => writeln!(f),
    }
}

fn target(event: &EventRecord) -> String {
    printable(&format!("{}{}", event.host.as_deref().unwrap_or_default(), event.path))
}

/// Replaces control characters, with which an event could manipulate the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn size(bytes: u64) -> String {
    match bytes {
        ..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn timeline(events: Value) -> Timeline {
        let events = events.as_array().unwrap().iter().map(|event| event.as_object().unwrap().clone()).collect();
        Events::new("s".into(), events).into()
    }

    fn event(id: &str, sequence: u64, started_at: &str) -> Value {
        json!({
            "method": "GET", "path": format!("/{id}"), "status_code": 200, "latency_ms": 12.0, "event_time": "2026-01-01T00:00:09Z",
            "request_size_bytes": 0, "response_size_bytes": 1234, "custom_properties": { "host": "h.example", "end": "complete" },
            "metadata": { "event_id": id, "sequence": sequence, "started_at": started_at },
        })
    }

    #[test]
    fn calls_are_sorted_by_start_without_duplicates() {
        let timeline = timeline(json!([
            event("c", 3, "2026-01-01T00:00:01.5Z"),
            event("b", 2, "2026-01-01T00:00:01Z"),
            event("a", 1, "2026-01-01T00:00:01Z"),
            event("b", 2, "2026-01-01T00:00:01Z"),
        ]));

        let paths: Vec<_> = timeline.entries().iter().map(|entry| entry.event.path.as_str()).collect();

        assert_eq!(paths, ["/a", "/b", "/c"]);
        assert_eq!(timeline.duplicates(), 1);
        assert_eq!(timeline.entries()[2].since_start, Duration::from_millis(500));
        assert_eq!(
            timeline.to_string(),
            "    +0.000s GET    h.example/a  200    12.0ms  sent       0 B  received   1.2 KiB\n    \
             +0.000s GET    h.example/b  200    12.0ms  sent       0 B  received   1.2 KiB\n    \
             +0.500s GET    h.example/c  200    12.0ms  sent       0 B  received   1.2 KiB\n\
             (duplicate deliveries left out: 1)\n"
        );
    }

    #[test]
    fn events_of_other_clients_are_sorted_by_arrival() {
        let timeline = timeline(json!([
            { "path": "/late", "event_time": "2026-01-01T00:00:09Z", "latency_ms": 1000 },
            event("ours", 1, "2026-01-01T00:00:02Z"),
            { "path": "/\u{1b}[31m\n", "error": "\u{7}", "latency_ms": null, "status_code": -5 },
        ]));

        let shown = timeline.to_string();

        assert_eq!(timeline.entries()[1].event.path, "/ours");
        assert_eq!(timeline.entries()[2].since_start, Duration::from_secs(6));
        assert!(!shown.contains('\u{1b}') && !shown.contains('\u{7}') && shown.lines().count() == 3);
    }

    #[test]
    fn a_truncated_timeline_ends_with_a_note() {
        let events: Vec<_> = (0..500).map(|n| event(&n.to_string(), n, "2026-01-01T00:00:01Z")).collect();
        assert!(
            timeline(events.into())
                .to_string()
                .ends_with("(truncated: Brain returns only the first 500 events of a session)\n")
        );
        assert_eq!(timeline(json!([])).to_string(), "no calls\n");
    }
}
