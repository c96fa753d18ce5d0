//! Delivery on a clock that only the tests move: no thread, no socket, no waiting.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Undelivered;
use super::encoder::Encoder;
use super::engine::Engine;
use super::fake::{call, encoder};
use super::queue::{Envelope, Queue};
use super::retry::Outcome;
use super::scheduler::InFlight;
use super::stats::Stats;

mod engine;
mod simulation;

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
