//! Random mixtures of load and faults lose, reorder and repeat no event.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Harness, encoder, id_and_sequence, seconds, status};
use crate::delivery::encoder::Encoder;
use crate::delivery::queue::{Envelope, MAX_EVENTS};
use crate::delivery::retry::{MAX_AGE, Outcome};
use crate::delivery::scheduler::InFlight;
use crate::delivery::tests::heavy_call;

/// A sequence number is the session's number times this, plus a counter.
const PER_SESSION: u64 = 1_000_000;

const HOOK_PANIC: &str = "the hook panics on purpose";

/// Sessions that record calls, and a Brain that takes its time and fails in every way.
struct Simulation {
    random: fastrand::Rng,
    harness: Harness,
    /// Each with the time at which the outcome becomes known.
    in_flight: Vec<(Instant, InFlight, Outcome)>,
    /// The ids and sequence numbers that Brain stored, by session, in the order of arrival.
    stored: HashMap<u64, Vec<(String, u64)>>,
    /// The ids of stored events whose response was lost. Only these may be stored twice.
    unconfirmed: HashSet<String>,
    down_until: Instant,
    fault_percent: u32,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let encoder = random_encoder(&mut random);
        let max_in_flight = random.usize(1..5);
        let mut jitter = random.fork();
        let harness = Harness::with_jitter(encoder, max_in_flight, move || jitter.f64());
        Self {
            fault_percent: random.u32(0..90),
            down_until: harness.now,
            random,
            harness,
            in_flight: Vec::new(),
            stored: HashMap::new(),
            unconfirmed: HashSet::new(),
        }
    }

    fn run(mut self) {
        let sessions = self.random.u64(1..6);
        for count in 1..=self.random.u64(1..40) {
            let session = self.random.u64(0..sessions);
            let bytes = self.random.usize(0..200);
            let call = heavy_call(&session.to_string(), session * PER_SESSION + count, bytes);
            let _ = self.harness.queue.record(call, self.harness.now);
            let until = self.harness.now + Duration::from_millis(self.random.u64(0..1_500));
            self.step();
            while self.harness.now < until {
                self.advance(until);
                self.step();
            }
        }
        let end = self.harness.now + MAX_AGE + seconds(61);
        while self.harness.stats().pending > 0 && self.harness.now < end {
            self.advance(end);
            self.step();
        }
        self.verify();
    }

    /// Sends what may be sent, and sometimes encodes ahead, as the worker does if it has the time.
    fn step(&mut self) {
        self.harness.engine.accept(self.harness.now);
        while let Some((in_flight, envelope)) = self.harness.engine.next(self.harness.now) {
            let outcome = self.outcome(&envelope);
            let completes_at = self.harness.now + Duration::from_millis(self.random.u64(1..400));
            self.in_flight.push((completes_at, in_flight, outcome));
        }
        for (_, in_flight, _) in &self.in_flight {
            if self.random.bool() && self.harness.engine.should_encode_next(in_flight) {
                self.harness.engine.encode_next(in_flight);
            }
        }
        assert!(self.harness.stats().pending <= MAX_EVENTS);
    }

    fn outcome(&mut self, envelope: &Envelope) -> Outcome {
        if self.harness.now < self.down_until {
            return Outcome::NotSent;
        }
        if self.random.u32(0..100) >= self.fault_percent {
            self.store(envelope);
            return Outcome::Stored;
        }
        match self.random.u32(0..10) {
            0 => {
                self.down_until = self.harness.now + seconds(self.random.u64(1..120));
                Outcome::NotSent
            }
            1 => {
                let id = self.store(envelope);
                self.unconfirmed.insert(id);
                Outcome::NoResponse
            }
            2 => Outcome::NoResponse,
            3 => Outcome::TokenRejected,
            4 => Outcome::KeyRejected { changed: self.random.bool() },
            5 => Outcome::Status { code: 429, retry_after: Some(seconds(self.random.u64(0..60))) },
            6 => status(500),
            7 => status(*self.random.choice([400, 403, 302, 200, 404].iter()).unwrap()),
            8 => status(*self.random.choice([408, 502, 503, 504].iter()).unwrap()),
            _ => Outcome::Unsendable,
        }
    }

    fn store(&mut self, envelope: &Envelope) -> String {
        let (id, sequence) = id_and_sequence(envelope);
        self.stored.entry(sequence / PER_SESSION).or_default().push((id.clone(), sequence));
        id
    }

    /// Moves the clock to the next completion or wake-up, at most to `until`.
    fn advance(&mut self, until: Instant) {
        let completion = self.in_flight.iter().map(|(at, ..)| *at).min();
        let wake_up = self.harness.engine.wake_at(self.harness.now);
        let next = [completion, wake_up].into_iter().flatten().min().map_or(until, |at| at.min(until));
        self.harness.now = next.max(self.harness.now);
        while let Some(index) = self.in_flight.iter().position(|(at, ..)| *at <= self.harness.now) {
            let (_, in_flight, outcome) = self.in_flight.swap_remove(index);
            self.harness.complete(in_flight, outcome);
        }
    }

    fn verify(&self) {
        let stats = self.harness.stats();
        assert_eq!((stats.pending, stats.bytes), (0, 0), "every event is delivered or dropped before it is too old");
        let mut arrivals = BTreeMap::<&str, u32>::new();
        for (session, events) in &self.stored {
            assert!(events.is_sorted_by_key(|(_, sequence)| *sequence), "session {session} out of order: {events:?}");
            for (id, _) in events {
                *arrivals.entry(id).or_default() += 1;
            }
        }
        for (id, times) in &arrivals {
            assert!(*times == 1 || self.unconfirmed.contains(*id), "{id} was sent again although it was confirmed");
        }
        let confirmed = arrivals.keys().filter(|id| !self.unconfirmed.contains(**id)).count() as u64;
        assert!(stats.delivered >= confirmed);
    }
}

/// Every other one has a hook, which drops some events and panics on others.
fn random_encoder(random: &mut fastrand::Rng) -> Encoder {
    let period = random.u64(2..40);
    let mut encoder = encoder();
    if random.bool() {
        encoder.hook = Some(Arc::new(move |event| {
            assert!(event.sequence() % (period * 3) != 1, "{HOOK_PANIC}");
            (event.sequence() % period != 0).then_some(event)
        }));
    }
    encoder
}

#[test]
fn every_mixture_of_faults_ends_balanced_and_in_order() {
    let default_hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.to_string().contains(HOOK_PANIC) {
            default_hook(info);
        }
    }));
    for seed in 0..1_500 {
        Simulation::new(seed).run();
    }
}
