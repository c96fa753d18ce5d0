//! Delivery on a clock that only the tests move: no thread, no socket, no waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::Undelivered;
use super::encoder::{Encoder, Key, RecentKeys};
use super::engine::Engine;
use super::queue::{Envelope, Queue};
use super::retry::Outcome;
use super::scheduler::InFlight;
use super::stats::Stats;
use crate::event::{CapturedBody, RawCall};
use crate::redact::Redactor;

mod engine;
mod simulation;

pub(super) const TOKEN: &str = "eyJtoken.of.the-session";
pub(super) const AGENT_KEY: &str = "agent_0123456789a_0123456789012345678901234567890123456789012";

pub(super) fn call(session: &str, sequence: u64) -> RawCall {
    heavy_call(session, sequence, 0)
}

/// A call with `bytes` bytes of response body.
pub(super) fn heavy_call(session: &str, sequence: u64, bytes: usize) -> RawCall {
    let response_body = CapturedBody { prefix: vec![b'a'; bytes], total: bytes as u64, shed: false };
    RawCall { response_body, ..RawCall::sample(session, sequence, TOKEN) }
}

pub(super) struct FixedKey;

impl Key for FixedKey {
    fn current(&self) -> HeaderValue {
        HeaderValue::from_static(AGENT_KEY)
    }

    fn reread(&self) -> bool {
        false
    }
}

/// Counts the events that are encoded: each reads the key once.
pub(super) struct CountingKey(pub(super) Arc<AtomicU64>);

impl Key for CountingKey {
    fn current(&self) -> HeaderValue {
        self.0.fetch_add(1, Ordering::Relaxed);
        FixedKey.current()
    }

    fn reread(&self) -> bool {
        false
    }
}

pub(super) fn encoder() -> Encoder {
    Encoder {
        body_limit: 16 * 1024,
        redactor: Redactor::default(),
        hook: None,
        project_id: String::new(),
        key: Arc::new(FixedKey),
        recent_keys: RecentKeys::default(),
    }
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn status(code: u16) -> Outcome {
    Outcome::Status { code, retry_after: None }
}

/// An engine and its queue. Without jitter, so that every pause has its full length.
struct Harness {
    queue: Arc<Queue>,
    engine: Engine,
    now: Instant,
}

impl Harness {
    fn new() -> Self {
        Self::with(encoder(), 2)
    }

    fn with(encoder: Encoder, max_in_flight: usize) -> Self {
        Self::with_jitter(encoder, max_in_flight, || 1.0)
    }

    fn with_jitter(encoder: Encoder, max_in_flight: usize, random: impl FnMut() -> f64 + Send + 'static) -> Self {
        let queue = Arc::new(Queue::new());
        let engine = Engine::new(queue.clone(), encoder, max_in_flight, Box::new(random));
        Self { queue, engine, now: Instant::now() }
    }

    fn record(&self, session: &str, sequence: u64) {
        let _ = self.queue.record(call(session, sequence), self.now);
    }

    fn next(&mut self) -> Option<(InFlight, Envelope)> {
        self.engine.accept(self.now);
        self.engine.next(self.now)
    }

    fn complete(&mut self, in_flight: InFlight, outcome: Outcome) {
        self.engine.complete(in_flight, &outcome, self.now);
        self.stats();
    }

    /// Sends the next event, of which there must be one, and returns its sequence number.
    fn send(&mut self, outcome: Outcome) -> u64 {
        let (in_flight, envelope) = self.next().expect("an event may be sent");
        self.complete(in_flight, outcome);
        sequence(&envelope)
    }

    fn advance(&mut self, time: Duration) {
        self.now += time;
    }

    /// Returns the counters, which must add up.
    fn stats(&self) -> Stats {
        let stats = self.queue.stats();
        assert_eq!(stats.recorded, stats.delivered + stats.dropped.total() + stats.pending);
        stats
    }
}

fn sequence(envelope: &Envelope) -> u64 {
    id_and_sequence(envelope).1
}

fn id_and_sequence(envelope: &Envelope) -> (String, u64) {
    let event: serde_json::Value = serde_json::from_slice(envelope.event.bytes()).unwrap();
    let metadata = &event["metadata"];
    (metadata["event_id"].as_str().unwrap().to_owned(), metadata["sequence"].as_u64().unwrap())
}

#[test]
fn undelivered_names_the_count_and_the_remedy() {
    assert_eq!(Undelivered::from_count(0), Ok(()));
    let display = |count| Undelivered::from_count(count).unwrap_err().to_string();
    assert_eq!(
        display(1),
        "1 event was not delivered in time; check that Brain is reachable, or allow a longer timeout"
    );
    assert!(display(2).starts_with("2 events were not delivered"));
}
