//! The rules of delivery with an injected clock: order, pauses, age, shutdown; and a thousand random mixtures of faults.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::encoder::Make;
use super::engine::{Engine, Flight, Parcel, REST};
use super::fake::{CountingKey, call, heavy_call, make};
use super::queue::{EVENTS, Queue};
use super::schedule::{MAX_AGE, TOKEN_PAUSE};
use super::stats::Stats;
use super::verdict::Outcome;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn answered(status: u16) -> Outcome {
    Outcome::Answered { status, retry_after: None }
}

/// Engine and queue with a clock that only the test moves; every pause is as long as its ceiling.
struct Bench {
    queue: Arc<Queue>,
    engine: Engine,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self::with(make(), 2)
    }

    fn with(make: Make, width: usize) -> Self {
        let queue = Arc::new(Queue::new());
        let engine = Engine::new(queue.clone(), make, width, Box::new(|| 1.0));
        Self { queue, engine, now: Instant::now() }
    }

    fn record(&self, session: &str, sequence: u64) {
        let _ = self.queue.record(call(session, sequence), self.now);
    }

    fn next(&mut self) -> Option<(Flight, (String, u64))> {
        self.engine.take_in(self.now);
        let (flight, parcel) = self.engine.next(self.now)?;
        let sequence = sequence(&parcel);
        Some((flight, sequence))
    }

    fn land(&mut self, flight: Flight, outcome: Outcome) {
        self.engine.landed(flight, &outcome, self.now);
        assert!(is_balanced(self.queue.stats()));
    }

    /// Sends the next event, which must be there, and lands it.
    fn send(&mut self, outcome: Outcome) -> u64 {
        let (flight, (_, sequence)) = self.next().expect("an event may leave");
        self.land(flight, outcome);
        sequence
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn stats(&self) -> Stats {
        self.queue.stats()
    }
}

/// Session (told in the URL's host by these tests' calls, or here in the id) and sequence of a parcel.
fn sequence(parcel: &Parcel) -> (String, u64) {
    let event: serde_json::Value = serde_json::from_slice(parcel.post.bytes()).unwrap();
    let id = event["metadata"]["event_id"].as_str().unwrap().to_owned();
    (id, event["metadata"]["sequence"].as_u64().unwrap())
}

fn is_balanced(stats: Stats) -> bool {
    stats.recorded == stats.delivered + stats.dropped.total() + stats.pending
}

#[test]
fn one_session_has_one_event_under_way_and_keeps_its_order() {
    let mut bench = Bench::new();
    bench.record("a", 1);
    bench.record("a", 2);

    let (first, (_, sequence)) = bench.next().unwrap();
    assert_eq!(sequence, 1);
    assert!(bench.next().is_none(), "the second waits for the first");
    bench.land(first, Outcome::Stored);

    assert_eq!(bench.send(Outcome::Stored), 2);
    assert_eq!((bench.stats().delivered, bench.stats().pending, bench.stats().bytes), (2, 0, 0));
}

#[test]
fn two_sessions_go_at_a_time_and_a_third_waits() {
    let mut bench = Bench::new();
    for (session, sequence) in [("a", 1), ("b", 2), ("c", 3)] {
        bench.record(session, sequence);
    }

    let (first, _) = bench.next().unwrap();
    let (_second, _) = bench.next().unwrap();
    assert!(bench.next().is_none());
    bench.land(first, Outcome::Stored);

    assert_eq!(bench.next().unwrap().1.1, 3);
}

#[test]
fn a_session_that_waits_holds_up_no_other() {
    let mut bench = Bench::new();
    bench.record("a", 1);
    bench.record("a", 2);
    bench.record("b", 3);

    assert_eq!(bench.send(Outcome::TokenRefused), 1);
    assert_eq!(bench.send(Outcome::Stored), 3);
    let refused_at = bench.now;
    bench.pass(REST);
    assert!(bench.next().is_none());
    assert_eq!(bench.engine.wake_at(bench.now), Some(refused_at + TOKEN_PAUSE));
    bench.pass(TOKEN_PAUSE - REST);

    assert_eq!(bench.send(Outcome::Stored), 1);
    assert_eq!(bench.send(Outcome::Stored), 2);
    assert_eq!(bench.stats().retried, 1);
}

#[test]
fn an_outage_pauses_the_destination_and_is_probed_one_at_a_time() {
    let mut bench = Bench::new();
    for (session, sequence) in [("a", 1), ("b", 2), ("c", 3)] {
        bench.record(session, sequence);
    }

    assert_eq!(bench.send(Outcome::NotSent), 1);
    assert!(bench.next().is_none(), "everything waits");
    bench.pass(Duration::from_millis(500));
    let (probe, (_, sequence)) = bench.next().unwrap();
    assert_eq!(sequence, 2);
    assert!(bench.next().is_none(), "one probe at a time");
    bench.land(probe, answered(503));
    assert_eq!(bench.engine.wake_at(bench.now), Some(bench.now + seconds(1)), "the pause has doubled");
    bench.pass(seconds(1));
    assert_eq!(bench.send(Outcome::Stored), 3);

    let flights: Vec<_> = std::iter::from_fn(|| bench.next()).collect();
    assert_eq!(flights.len(), 2, "the outage is over");
}

#[test]
fn retry_after_is_waited_for_even_by_a_flush() {
    let mut bench = Bench::new();
    bench.record("a", 1);
    bench.send(Outcome::Answered { status: 429, retry_after: Some(seconds(20)) });
    bench.queue.order(|orders| orders.hurry = true);

    bench.pass(seconds(19));
    assert!(bench.next().is_none());
    bench.pass(seconds(1));

    assert_eq!(bench.send(Outcome::Stored), 1);
}

#[test]
fn a_flush_ends_our_own_pauses() {
    let mut bench = Bench::new();
    bench.record("a", 1);
    for _ in 0..6 {
        bench.send(Outcome::NotSent);
        bench.pass(seconds(30));
    }
    bench.send(Outcome::NotSent);
    assert!(bench.next().is_none());

    bench.queue.order(|orders| orders.hurry = true);

    assert_eq!(bench.send(Outcome::Stored), 1);
}

#[test]
fn an_event_is_given_up_when_it_is_fifteen_minutes_old() {
    let mut bench = Bench::new();
    bench.record("a", 1);
    bench.send(Outcome::NotSent);
    bench.pass(seconds(60));
    bench.record("b", 2);
    bench.pass(MAX_AGE - seconds(60));

    let sent: Vec<_> = std::iter::from_fn(|| bench.next()).map(|(_, (_, sequence))| sequence).collect();

    assert_eq!(sent, [2]);
    assert_eq!(bench.stats().dropped.expired, 1);
    assert!(is_balanced(bench.stats()));
}

#[test]
fn an_event_that_grows_old_over_a_refused_key_says_so() {
    let mut bench = Bench::new();
    bench.queue.set_key_worked();
    bench.record("a", 1);
    bench.send(Outcome::KeyRefused { changed: false });
    bench.pass(MAX_AGE);

    assert!(bench.next().is_none());

    assert_eq!(bench.stats().dropped.key_refused, 1);
}

#[test]
fn a_key_that_was_replaced_is_used_at_once() {
    let mut bench = Bench::new();
    bench.record("a", 1);
    bench.send(Outcome::KeyRefused { changed: true });
    assert_eq!(bench.send(Outcome::Stored), 1);
}

#[test]
fn a_key_that_never_worked_is_not_tried_again() {
    let mut bench = Bench::new();
    bench.record("a", 1);
    bench.record("a", 2);
    assert_eq!(bench.send(Outcome::KeyRefused { changed: false }), 1);
    assert_eq!(bench.send(Outcome::Stored), 2);
    assert_eq!(bench.stats().dropped.key_refused, 1);
    bench.record("a", 3);
    bench.send(Outcome::KeyRefused { changed: false });
    assert_eq!(bench.stats().pending, 1, "it has worked by now");
}

#[test]
fn a_hook_edits_drops_or_panics_and_each_is_counted() {
    let mut make = make();
    make.hook = Some(Arc::new(|mut event| match event.sequence() {
        1 => None,
        2 => panic!("a hook's own mistake"),
        _ => {
            event.set_property("team", "search");
            Some(event)
        }
    }));
    let mut bench = Bench::with(make, 2);
    for sequence in 1..=3 {
        bench.record("a", sequence);
    }

    assert_eq!(bench.send(Outcome::Stored), 3);

    let dropped = bench.stats().dropped;
    assert_eq!((dropped.by_hook, dropped.hook_panicked, bench.stats().delivered), (1, 1, 1));
    assert!(is_balanced(bench.stats()));
}

#[test]
fn the_next_event_of_a_session_is_made_while_one_is_under_way() {
    let made = Arc::new(AtomicU64::new(0));
    let mut make = make();
    make.key = Arc::new(CountingKey(made.clone()));
    let made = || made.load(Ordering::Relaxed);
    let mut bench = Bench::with(make, 1);
    for (session, sequence) in [("a", 1), ("b", 9), ("a", 2), ("a", 3)] {
        bench.record(session, sequence);
    }
    let (flight, _) = bench.next().unwrap();
    assert_eq!(made(), 1);

    assert!(bench.engine.has_to_make_after(&flight));
    bench.engine.make_after(&flight);
    assert_eq!(made(), 2);
    assert!(!bench.engine.has_to_make_after(&flight), "one is enough");
    bench.land(flight, Outcome::Stored);

    let sent: Vec<_> = (0..3).map(|_| bench.send(Outcome::Stored)).collect();
    assert_eq!(sent, [9, 2, 3]);
    assert_eq!((made(), bench.stats().pending, bench.stats().bytes), (4, 0, 0));
}

#[test]
fn with_a_hook_that_may_block_no_event_is_made_before_its_turn() {
    let mut make = make();
    make.hook = Some(Arc::new(Some));
    let mut bench = Bench::with(make, 1);
    bench.record("a", 1);
    bench.record("a", 2);

    let (flight, _) = bench.next().unwrap();

    assert!(!bench.engine.has_to_make_after(&flight));
}

#[test]
fn the_same_event_is_repeated_under_the_same_id() {
    let mut bench = Bench::new();
    bench.record("a", 1);
    let (flight, (first, _)) = bench.next().unwrap();
    bench.land(flight, Outcome::Unanswered);
    bench.pass(seconds(1));
    let (_, (second, _)) = bench.next().unwrap();
    assert_eq!(first, second);
}

#[test]
fn what_is_left_when_delivery_ends_is_counted() {
    let mut bench = Bench::new();
    for (session, sequence) in [("a", 1), ("a", 2), ("b", 3)] {
        bench.record(session, sequence);
    }
    let (flight, _) = bench.next().unwrap();
    bench.record("c", 4);
    bench.queue.order(|orders| orders.stop = true);
    assert!(!bench.engine.take_in(bench.now));

    bench.engine.give_up([flight].into_iter());
    drop(bench.engine);
    let _ = bench.queue.record(call("d", 5), bench.now);

    let stats = bench.queue.stats();
    assert_eq!((stats.dropped.shutdown, stats.pending, stats.bytes), (5, 0, 0));
}

#[test]
fn when_nobody_is_left_delivery_ends_with_the_last_event_or_after_five_seconds() {
    let mut bench = Bench::new();
    bench.record("a", 1);
    bench.queue.close();
    bench.queue.order(|orders| orders.wind_down = true);

    assert!(bench.engine.take_in(bench.now));
    bench.send(Outcome::NotSent);
    bench.pass(seconds(5));

    assert!(!bench.engine.take_in(bench.now));
    let mut done = Bench::new();
    done.queue.order(|orders| orders.wind_down = true);
    assert!(!done.engine.take_in(done.now));
}

#[test]
fn the_worker_is_not_woken_while_it_could_do_nothing() {
    let mut bench = Bench::new();
    bench.record("a", 1);
    bench.send(Outcome::NotSent);
    assert!(bench.next().is_none());
    assert_eq!(bench.engine.wake_at(bench.now), Some(bench.now + Duration::from_millis(500)));
    // The pause ends between the last look and the wait: the engine asks to be called again at once.
    bench.pass(Duration::from_millis(500));
    assert_eq!(bench.engine.wake_at(bench.now), Some(bench.now));
}

/// One random world: sessions that record, and a Brain that fails in every way, with latencies, on a clock of its own.
struct World {
    random: fastrand::Rng,
    bench: Bench,
    flights: Vec<(Instant, Flight, Outcome)>,
    /// Event ids in the order in which Brain stored them, by session.
    stored: HashMap<u64, Vec<(String, u64)>>,
    /// Ids whose POST arrived while its answer was lost.
    ambiguous: Vec<String>,
    /// Brain is down until then.
    down_until: Instant,
    /// Share of faults, in percent.
    faults: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut hooked = make();
        let drops = random.u64(2..40);
        hooked.hook = Some(Arc::new(move |event| {
            assert!(event.sequence() % (drops * 3) != 1, "a hook's panic");
            (event.sequence() % drops != 0).then_some(event)
        }));
        let make = if random.bool() { hooked } else { make() };
        let width = random.usize(1..5);
        let queue = Arc::new(Queue::new());
        let mut jitter = random.fork();
        let engine = Engine::new(queue.clone(), make, width, Box::new(move || jitter.f64()));
        let bench = Bench { queue, engine, now: Instant::now() };
        let (faults, down_until) = (random.u32(0..90), bench.now);
        Self { random, bench, flights: Vec::new(), stored: HashMap::new(), ambiguous: Vec::new(), down_until, faults }
    }

    fn step(&mut self) {
        self.bench.engine.take_in(self.bench.now);
        while let Some((flight, parcel)) = self.bench.engine.next(self.bench.now) {
            let outcome = self.outcome(&parcel);
            let lands_at = self.bench.now + Duration::from_millis(self.random.u64(1..400));
            self.flights.push((lands_at, flight, outcome));
        }
        for (_, flight, _) in &self.flights {
            if self.random.bool() && self.bench.engine.has_to_make_after(flight) {
                self.bench.engine.make_after(flight);
            }
        }
        self.check();
    }

    fn outcome(&mut self, parcel: &Parcel) -> Outcome {
        if self.bench.now < self.down_until {
            return Outcome::NotSent;
        }
        let (id, sequence) = sequence(parcel);
        let session = sequence / 1_000_000;
        if self.random.u32(0..100) >= self.faults {
            self.stored.entry(session).or_default().push((id, sequence));
            return Outcome::Stored;
        }
        match self.random.u32(0..10) {
            0 => {
                self.down_until = self.bench.now + seconds(self.random.u64(1..120));
                Outcome::NotSent
            }
            1 => {
                self.ambiguous.push(id.clone());
                self.stored.entry(session).or_default().push((id, sequence));
                Outcome::Unanswered
            }
            2 => Outcome::Unanswered,
            3 => Outcome::TokenRefused,
            4 => Outcome::KeyRefused { changed: self.random.bool() },
            5 => Outcome::Answered { status: 429, retry_after: Some(seconds(self.random.u64(0..60))) },
            6 => answered(500),
            7 => answered(*self.random.choice([400, 403, 302, 200, 404].iter()).unwrap()),
            8 => answered(*self.random.choice([408, 502, 503, 504].iter()).unwrap()),
            _ => Outcome::Unsendable,
        }
    }

    /// Moves the clock to the next landing or wake-up, but not beyond `until`.
    fn advance(&mut self, until: Instant) {
        let landing = self.flights.iter().map(|(at, ..)| *at).min();
        let wake = self.bench.engine.wake_at(self.bench.now);
        let next = [landing, wake].into_iter().flatten().min().map_or(until, |at| at.min(until));
        self.bench.now = next.max(self.bench.now);
        while let Some(at) = self.flights.iter().position(|(at, ..)| *at <= self.bench.now) {
            let (_, flight, outcome) = self.flights.swap_remove(at);
            self.bench.land(flight, outcome);
        }
    }

    fn check(&self) {
        let stats = self.bench.stats();
        assert!(is_balanced(stats), "{stats:?}");
        assert!(stats.pending <= EVENTS);
    }

    fn run(mut self) {
        let sessions = self.random.u64(1..6);
        let mut sequence = 0;
        for _ in 0..self.random.u64(1..40) {
            sequence += 1;
            let session = self.random.u64(0..sessions);
            let recorded = heavy_call(&session.to_string(), session * 1_000_000 + sequence, self.random.usize(0..200));
            let _ = self.bench.queue.record(recorded, self.bench.now);
            let until = self.bench.now + Duration::from_millis(self.random.u64(0..1_500));
            self.step();
            while self.bench.now < until {
                self.advance(until);
                self.step();
            }
        }
        let end = self.bench.now + MAX_AGE + seconds(61);
        while self.bench.stats().pending > 0 && self.bench.now < end {
            self.advance(end);
            self.step();
        }
        self.verify();
    }

    fn verify(&self) {
        let stats = self.bench.stats();
        assert_eq!((stats.pending, stats.bytes), (0, 0), "everything is delivered or dropped within the age");
        let mut arrivals = BTreeMap::<&str, u32>::new();
        for (session, events) in &self.stored {
            assert!(events.is_sorted_by_key(|(_, sequence)| *sequence), "session {session} out of order: {events:?}");
            for (id, _) in events {
                *arrivals.entry(id).or_default() += 1;
            }
        }
        for (id, times) in &arrivals {
            assert!(*times == 1 || self.ambiguous.iter().any(|other| other == id), "{id} was repeated without need");
        }
        let delivered_at_least =
            arrivals.keys().filter(|id| !self.ambiguous.iter().any(|other| other == *id)).count() as u64;
        assert!(stats.delivered >= delivered_at_least);
    }
}

#[test]
fn every_mixture_of_faults_ends_balanced_and_in_order() {
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.to_string().contains("a hook's panic") {
            quiet(info);
        }
    }));
    for seed in 0..1_500 {
        World::new(seed).run();
    }
}
