//! Delivery: takes finished calls from any thread, and brings them to Brain on the library's own.

mod encoder;
mod engine;
mod exporter;
#[cfg(test)]
pub(crate) mod fake;
mod queue;
mod schedule;
mod scheduler;
pub mod stats;
mod verdict;
mod worker;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;

pub(crate) use encoder::{Key, Make};
pub(crate) use exporter::Brain;
pub(crate) use stats::Stats;
pub(crate) use worker::Destination;

use crate::config::{KeySource, Settings};
use crate::event::RawCall;
use crate::redact::Redactor;
use crate::sync::lock;
use crate::world::World;
use engine::Engine;
use queue::{Queue, Recorded, Watch};

/// Runs a task on a thread of the library's; a task that cannot run is dropped.
pub(crate) type Spawn = Box<dyn Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync>;

/// Where delivery runs: the worker calls the user's hook, which may block, and must hold up neither a deadline nor the opening of a session.
pub(crate) struct Threads {
    pub(crate) worker: Spawn,
    pub(crate) timers: Spawn,
}

#[cfg(all(test, feature = "testing"))]
impl Threads {
    /// The same thread for both.
    pub(crate) fn same(spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static) -> Self {
        let spawn = Arc::new(spawn);
        let other = spawn.clone();
        Self { worker: Box::new(move |task| spawn(task)), timers: Box::new(move |task| other(task)) }
    }
}

/// How many sessions are served at a time unless told otherwise: two cores of a server verify as fast as it goes.
pub(crate) const WIDTH: usize = 2;

/// How long Brain may take to answer: it asks UASAM first, which may take it five seconds.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a shutdown waits for the worker to count the events that it gives up.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);

/// The delivery of one client's events.
pub(crate) struct Delivery {
    queue: Arc<Queue>,
    threads: Threads,
    world: World,
    /// What the worker is made from, until the first event starts it.
    parts: Mutex<Option<(Engine, Arc<dyn Destination>)>>,
}

impl Delivery {
    /// The delivery that a configuration asks for.
    pub(crate) fn of(settings: &Settings, key: KeySource, threads: Threads) -> Self {
        let key: Arc<dyn Key> = Arc::new(key);
        let make = Make {
            body_limit: settings.body_limit,
            redactor: Redactor::with(&settings.sensitive_headers),
            hook: settings.on_event.clone(),
            project_id: settings.project_id.clone().unwrap_or_default(),
            key: key.clone(),
        };
        let brain = Brain::new(&settings.brain, settings.connect_timeout, ANSWER, key);
        let mut delivery = Self::new(make, Arc::new(brain), WIDTH, fastrand::f64, threads);
        delivery.world = settings.world.clone();
        delivery
    }

    /// Nothing runs before the first event. `width` sessions are served at a time; `random` gives numbers in `0.0..1.0` for the pauses.
    pub(crate) fn new(
        make: Make,
        destination: Arc<dyn Destination>,
        width: usize,
        random: impl FnMut() -> f64 + Send + 'static,
        threads: Threads,
    ) -> Self {
        let queue = Arc::new(Queue::new());
        let engine = Engine::new(queue.clone(), make, width, Box::new(random));
        Self { queue, threads, world: World::new(), parts: Mutex::new(Some((engine, destination))) }
    }

    /// Takes in a finished call: a push, on any thread, within a runtime or without one. What cannot be taken in is counted as dropped.
    pub(crate) fn record(&self, call: RawCall) {
        if self.queue.record(call, self.world.now()) == Recorded::Start {
            self.start();
        }
    }

    fn start(&self) {
        let parts = lock(&self.parts).take();
        if let Some((engine, destination)) = parts {
            // If it cannot run, the engine is dropped, and counts what was recorded.
            (self.threads.worker)(Box::pin(worker::run(self.queue.clone(), engine, destination, self.world.clone())));
        }
    }

    /// The agent key has worked elsewhere: from now on, its refusal is a passing fault.
    pub(crate) fn key_worked(&self) {
        self.queue.set_key_worked();
    }

    /// What became of the events so far.
    pub(crate) fn stats(&self) -> Stats {
        self.queue.stats()
    }

    /// Waits until the events recorded so far are delivered or dropped. Ends our own pauses.
    pub(crate) async fn flush(&self, timeout: Duration) -> Result<(), Undelivered> {
        let Some(watch) = self.queue.watch() else { return Ok(()) };
        self.queue.order(|orders| orders.hurry = true);
        self.wait(watch, timeout).await
    }

    /// Rejects further events, flushes, and drops the events that are still pending after the timeout.
    pub(crate) async fn shutdown(&self, timeout: Duration) -> Result<(), Undelivered> {
        self.queue.close();
        let flushed = self.flush(timeout).await;
        self.queue.order(|orders| orders.stop = true);
        if let Some(watch) = self.queue.watch() {
            let _ = self.wait(watch, ABORT_TIMEOUT).await;
        }
        flushed
    }

    /// Times out on the library's thread because the caller's runtime may have no timer.
    async fn wait(&self, watch: Watch, timeout: Duration) -> Result<(), Undelivered> {
        let remaining = watch.left();
        let (done, wait) = oneshot::channel();
        (self.threads.timers)(Box::pin(async move {
            let _ = tokio::time::timeout(timeout, watch.done()).await;
            let _ = done.send(());
        }));
        let _ = wait.await;
        Undelivered::from_count(remaining())
    }
}

impl Drop for Delivery {
    /// Nobody is left who could record or wait: the worker goes on for a moment, and counts what it could not deliver.
    fn drop(&mut self) {
        self.queue.close();
        self.queue.order(|orders| orders.wind_down = true);
    }
}

/// The error of a flush or a shutdown that reached its timeout.
///
/// After [`flush`](crate::flush) the events are still pending, and may be delivered later. After
/// [`shutdown`](crate::shutdown) they are dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
///
/// if let Err(undelivered) = otas::flush(Duration::from_secs(10)).await {
///     eprintln!("{undelivered}");
///     assert!(undelivered.count() > 0);
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undelivered {
    count: u64,
}

impl Undelivered {
    /// `Ok` if no event is left.
    pub(crate) fn from_count(count: u64) -> Result<(), Self> {
        if count == 0 { Ok(()) } else { Err(Self { count }) }
    }

    /// The number of events that were neither delivered nor dropped when the timeout ended.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = if self.count == 1 { "event was" } else { "events were" };
        let count = self.count;
        write!(f, "{count} {events} not delivered in time; check that Brain is reachable, or allow a longer timeout")
    }
}

impl std::error::Error for Undelivered {}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
#[cfg(all(test, feature = "testing"))]
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::type_complexity,
    reason = "tests; clippy sees that of `cfg(test)` alone"
)]
mod wire_tests;
