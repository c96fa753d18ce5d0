//! Delivers finished calls to Brain.
//!
//! Callers enqueue them on any thread; a worker on a thread of its own encodes and sends them.

mod encoder;
mod engine;
mod exporter;
mod queue;
mod retry;
mod scheduler;
pub mod stats;
mod worker;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;

use self::encoder::{Encoder, Key, RecentKeys};
use self::engine::Engine;
use self::exporter::{BrainExporter, Exporter};
use self::queue::{Queue, Recorded, Watch};
pub(crate) use self::stats::Stats;
use crate::clock::Clock;
use crate::config::{KeySource, Settings};
use crate::event::RawCall;
use crate::redact::Redactor;
use crate::sync::lock;

/// Brain verifies each event with UASAM; two at a time keep a server with two cores busy.
const MAX_IN_FLIGHT: usize = 2;

/// Brain first verifies the event with UASAM, which may take five seconds.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a shutdown waits for the worker to count the events that it gives up.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a task on a background thread. A task that cannot run is dropped.
pub(crate) type Spawn = Box<dyn Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync>;

/// The threads that delivery runs on. The worker has its own because it calls the user's hook,
/// which may block, but must delay neither a timeout nor the opening of a session.
pub(crate) struct Threads {
    pub(crate) worker: Spawn,
    pub(crate) timers: Spawn,
}

/// Delivers the events of one client.
pub(crate) struct Delivery {
    queue: Arc<Queue>,
    threads: Threads,
    clock: Clock,
    /// What the first event starts the worker with.
    unstarted: Mutex<Option<(Engine, Arc<dyn Exporter>)>>,
}

impl Delivery {
    pub(crate) fn from_settings(settings: &Settings, key: KeySource, threads: Threads) -> Self {
        let key: Arc<dyn Key> = Arc::new(key);
        let encoder = Encoder {
            body_limit: settings.body_limit,
            redactor: Redactor::with(&settings.sensitive_headers),
            hook: settings.on_event.clone(),
            project_id: settings.project_id.clone().unwrap_or_default(),
            key: key.clone(),
            recent_keys: RecentKeys::default(),
        };
        let exporter = BrainExporter::new(&settings.brain, settings.connect_timeout, RESPONSE_TIMEOUT, key);
        let mut delivery = Self::new(encoder, Arc::new(exporter), MAX_IN_FLIGHT, fastrand::f64, threads);
        delivery.clock = settings.clock.clone();
        delivery
    }

    /// Starts nothing before the first event. `random` returns numbers in `0.0..1.0`.
    pub(crate) fn new(
        encoder: Encoder,
        exporter: Arc<dyn Exporter>,
        max_in_flight: usize,
        random: impl FnMut() -> f64 + Send + 'static,
        threads: Threads,
    ) -> Self {
        let queue = Arc::new(Queue::new());
        let engine = Engine::new(queue.clone(), encoder, max_in_flight, Box::new(random));
        Self { queue, threads, clock: Clock::new(), unstarted: Mutex::new(Some((engine, exporter))) }
    }

    /// Enqueues a finished call, on any thread. A call that does not fit is counted as dropped.
    pub(crate) fn record(&self, call: RawCall) {
        if self.queue.record(call, self.clock.now()) == Recorded::StartWorker {
            self.start_worker();
        }
    }

    fn start_worker(&self) {
        let unstarted = lock(&self.unstarted).take();
        if let Some((engine, exporter)) = unstarted {
            // If the task cannot run, dropping the engine counts the events.
            (self.threads.worker)(Box::pin(worker::run(self.queue.clone(), engine, exporter, self.clock.clone())));
        }
    }

    /// Records that UASAM accepted the agent key, so that a later rejection by Brain is considered
    /// temporary.
    pub(crate) fn key_worked(&self) {
        self.queue.set_key_worked();
    }

    pub(crate) fn stats(&self) -> Stats {
        self.queue.stats()
    }

    /// Waits until the events recorded so far are delivered or dropped, skipping our own pauses.
    pub(crate) async fn flush(&self, timeout: Duration) -> Result<(), Undelivered> {
        let Some(watch) = self.queue.watch() else { return Ok(()) };
        self.queue.command(|commands| commands.flush = true);
        self.wait(watch, timeout).await
    }

    /// Rejects further events, flushes, and drops the events still pending after the timeout.
    pub(crate) async fn shutdown(&self, timeout: Duration) -> Result<(), Undelivered> {
        self.queue.close();
        let flushed = self.flush(timeout).await;
        self.queue.command(|commands| commands.abort = true);
        if let Some(watch) = self.queue.watch() {
            let _ = self.wait(watch, ABORT_TIMEOUT).await;
        }
        flushed
    }

    /// The timeout runs on the library's thread because the caller's runtime may have no timer.
    async fn wait(&self, watch: Watch, timeout: Duration) -> Result<(), Undelivered> {
        let remaining = watch.remaining();
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
    /// Lets the worker drain the queue for a while after the last client handle is dropped.
    fn drop(&mut self) {
        self.queue.close();
        self.queue.command(|commands| commands.drain = true);
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The error of a flush or shutdown that timed out.
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

    /// Returns how many events were neither delivered nor dropped within the timeout.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count;
        let events = if count == 1 { "event was" } else { "events were" };
        write!(f, "{count} {events} not delivered in time; check that Brain is reachable, or allow a longer timeout")
    }
}

impl std::error::Error for Undelivered {}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wire_tests;
