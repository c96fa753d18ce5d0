//! The queue that callers push into, and the one place where events are counted.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::{Notify, oneshot};

use super::stats::{DropWarnings, Reason, Stats};
use crate::event::{POST, RawCall};
use crate::sync::lock;

/// How many events may wait.
pub(crate) const EVENTS: u64 = 1_024;
/// How much memory they may take, in bytes.
pub(crate) const BYTES: u64 = 8 * 1024 * 1024;

/// An event without bodies is hardly ever longer, in bytes.
const LEAST: usize = 16 * 1024;

/// An event that waits.
pub(crate) struct Entry {
    pub(crate) ticket: Ticket,
    pub(crate) recorded_at: Instant,
    pub(crate) call: Box<RawCall>,
}

/// The claim of one pending event on its place in the accounts. It is settled once, or counted as dropped when it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket {
    pub(crate) number: u64,
    pub(crate) weight: u64,
}

/// Shared between the callers and the worker.
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Notify,
    warnings: DropWarnings,
    key_worked: AtomicBool,
}

#[derive(Default)]
struct State {
    inbox: VecDeque<Entry>,
    stats: Stats,
    next: u64,
    /// Nothing more is taken in.
    closed: bool,
    /// The worker has been started.
    started: bool,
    /// The worker would do something with a further event.
    listening: bool,
    orders: Orders,
    watchers: Vec<Watcher>,
}

/// What the worker is asked to do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Orders {
    /// End our own pauses once.
    pub(crate) hurry: bool,
    /// Nobody is left who could record: end when the queue is empty, or soon.
    pub(crate) wind_down: bool,
    /// Give up what is left, and end.
    pub(crate) stop: bool,
}

/// Somebody who waits until the events up to a number are settled.
struct Watcher {
    up_to: u64,
    left: Arc<AtomicU64>,
    done: Option<oneshot::Sender<()>>,
}

/// What [`Queue::watch`] gives.
pub(crate) struct Watch {
    left: Arc<AtomicU64>,
    done: oneshot::Receiver<()>,
}

impl Watch {
    /// Ends when every event is settled that was pending when the watch began.
    pub(crate) async fn done(self) {
        let _ = self.done.await;
    }

    /// Reads how many of these events are still pending, later too.
    pub(crate) fn left(&self) -> impl Fn() -> u64 + Send + 'static {
        let left = self.left.clone();
        move || left.load(Ordering::Acquire)
    }
}

/// What the caller of [`Queue::record`] has to do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Recorded {
    Nothing,
    /// The worker has to be started.
    Start,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            wake: Notify::new(),
            warnings: DropWarnings::default(),
            key_worked: AtomicBool::new(false),
        }
    }

    /// Takes in a finished call, or drops it: the only step of delivery on the caller's task.
    pub(crate) fn record(&self, call: RawCall, now: Instant) -> Recorded {
        let mut call = Box::new(call);
        let mut weight = weight(&call);
        let mut spare = None;
        let mut state = self.state();
        state.stats.recorded += 1;
        if state.is_nearly_full(weight) {
            // Freed after the lock.
            spare = Some(call.shed_bodies());
            weight = self::weight(&call);
        }
        if let Some(reason) = state.refusal(weight) {
            state.stats.dropped.count(reason);
            drop(state);
            self.warnings.dropped(reason);
            return Recorded::Nothing;
        }
        state.next += 1;
        let ticket = Ticket { number: state.next, weight };
        state.stats.pending += 1;
        state.stats.bytes += weight;
        state.inbox.push_back(Entry { ticket, recorded_at: now, call });
        let listening = std::mem::take(&mut state.listening);
        let start = !std::mem::replace(&mut state.started, true);
        drop(state);
        drop(spare);
        if listening {
            self.wake.notify_one();
        }
        if start { Recorded::Start } else { Recorded::Nothing }
    }

    /// Gives the worker what came in, in the order of completion, and what it is asked to do. `listening` tells whether it would do something
    /// with a further event. While it would not, or where something has just come in and more is likely, events do not wake it: a wake costs
    /// the caller more than the rest of the push.
    pub(crate) fn take(&self, into: &mut VecDeque<Entry>, listening: bool) -> Orders {
        let mut state = self.state();
        state.listening = listening && state.inbox.is_empty();
        match into.is_empty() {
            true => std::mem::swap(&mut state.inbox, into),
            false => into.append(&mut state.inbox),
        }
        let orders = state.orders;
        state.orders.hurry = false;
        orders
    }

    /// Ends when somebody wakes the worker.
    pub(crate) fn woken(&self) -> impl Future<Output = ()> + '_ {
        self.wake.notified()
    }

    /// Counts a pending event as delivered.
    pub(crate) fn delivered(&self, ticket: Ticket) {
        self.settle(ticket, |stats| stats.delivered += 1);
    }

    /// Counts a pending event as dropped.
    pub(crate) fn dropped(&self, ticket: Ticket, reason: Reason) {
        self.settle(ticket, |stats| stats.dropped.count(reason));
        self.warnings.dropped(reason);
    }

    /// Counts a further try.
    pub(crate) fn retried(&self, why: Reason) {
        self.state().stats.retried += 1;
        self.warnings.retried(why);
    }

    /// How many bytes an event may have when it is written down: as many as it had, and what the queue has left; but never so few that
    /// its body alone could not make room.
    pub(crate) fn room(&self, ticket: Ticket) -> usize {
        let others = self.state().stats.bytes.saturating_sub(ticket.weight);
        usize::try_from(BYTES.saturating_sub(others)).unwrap_or(POST).clamp(LEAST, POST)
    }

    /// An event's memory changed: it was written down.
    pub(crate) fn reweigh(&self, ticket: &mut Ticket, weight: usize) {
        let mut state = self.state();
        let weight = weight as u64;
        state.stats.bytes = state.stats.bytes.saturating_sub(ticket.weight).saturating_add(weight);
        ticket.weight = weight;
    }

    fn settle(&self, ticket: Ticket, count: impl FnOnce(&mut Stats)) {
        let mut state = self.state();
        let state = &mut *state;
        count(&mut state.stats);
        state.stats.pending = state.stats.pending.saturating_sub(1);
        state.stats.bytes = state.stats.bytes.saturating_sub(ticket.weight);
        state.watchers.retain_mut(|watcher| watcher.settled(ticket.number));
    }

    /// A watch over the events that are pending now; none if nothing is.
    pub(crate) fn watch(&self) -> Option<Watch> {
        let mut state = self.state();
        if state.stats.pending == 0 {
            return None;
        }
        // Those that nobody waits for any more, their deadlines being over.
        state.watchers.retain(|watcher| watcher.done.as_ref().is_some_and(|done| !done.is_closed()));
        let (tell, done) = oneshot::channel();
        let left = Arc::new(AtomicU64::new(state.stats.pending));
        let up_to = state.next;
        state.watchers.push(Watcher { up_to, left: left.clone(), done: Some(tell) });
        Some(Watch { left, done })
    }

    /// Takes nothing in from now on.
    pub(crate) fn close(&self) {
        self.state().closed = true;
    }

    /// Asks the worker for something.
    pub(crate) fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.state().orders);
        self.wake.notify_one();
    }

    /// Drops what nobody took: the worker has ended, or cannot be started.
    pub(crate) fn end(&self) {
        self.close();
        let rest = std::mem::take(&mut self.state().inbox);
        for entry in rest {
            self.dropped(entry.ticket, Reason::Shutdown);
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.state().stats
    }

    /// Remembers that the agent key has worked.
    pub(crate) fn set_key_worked(&self) {
        self.key_worked.store(true, Ordering::Relaxed);
    }

    pub(crate) fn key_worked(&self) -> bool {
        self.key_worked.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock can panic half-way: the numbers are whole in any case.
        lock(&self.state)
    }
}

impl State {
    fn refusal(&self, weight: u64) -> Option<Reason> {
        if self.closed {
            return Some(Reason::Shutdown);
        }
        let full = self.stats.pending >= EVENTS || self.stats.bytes.saturating_add(weight) > BYTES;
        full.then_some(Reason::QueueOverflow)
    }

    fn is_nearly_full(&self, weight: u64) -> bool {
        self.stats.pending >= EVENTS / 4 * 3 || self.stats.bytes.saturating_add(weight) > BYTES / 4 * 3
    }
}

impl Watcher {
    /// Whether there is more to wait for, after this event was settled.
    fn settled(&mut self, number: u64) -> bool {
        let left = self.left.load(Ordering::Acquire).saturating_sub(u64::from(number <= self.up_to));
        self.left.store(left, Ordering::Release);
        if left > 0 {
            return true;
        }
        if let Some(done) = self.done.take() {
            let _ = done.send(());
        }
        false
    }
}

fn weight(call: &RawCall) -> u64 {
    (size_of::<Entry>() + call.weight()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::fake::{call, heavy_call};

    fn drained(queue: &Queue) -> VecDeque<Entry> {
        let mut entries = VecDeque::new();
        queue.take(&mut entries, false);
        entries
    }

    fn is_balanced(stats: Stats) -> bool {
        stats.recorded == stats.delivered + stats.dropped.total() + stats.pending
    }

    #[test]
    fn the_newest_is_dropped_when_the_queue_is_full() {
        let queue = Queue::new();

        for sequence in 0..EVENTS + 5 {
            let _ = queue.record(call("s", sequence), Instant::now());
        }

        let stats = queue.stats();
        assert_eq!((stats.pending, stats.dropped.queue_overflow), (EVENTS, 5));
        assert!(is_balanced(stats));
        let entries = drained(&queue);
        assert_eq!(entries.back().unwrap().call.sequence, EVENTS - 1);
    }

    #[test]
    fn bodies_are_shed_when_the_queue_is_three_quarters_full() {
        let queue = Queue::new();

        for sequence in 0..EVENTS {
            let _ = queue.record(heavy_call("s", sequence, 100), Instant::now());
        }

        let shed: Vec<_> = drained(&queue).iter().map(|entry| entry.call.response_body.shed).collect();
        assert!(shed[..768].iter().all(|shed| !shed) && shed[768..].iter().all(|shed| *shed));
    }

    #[test]
    fn memory_is_bounded_as_well_as_numbers() {
        let queue = Queue::new();

        for sequence in 0..1_000 {
            let _ = queue.record(heavy_call("s", sequence, 100 * 1024), Instant::now());
        }

        let stats = queue.stats();
        assert!(stats.bytes <= BYTES);
        assert!(drained(&queue).iter().any(|entry| entry.call.response_body.shed));
        assert!(is_balanced(stats));
    }

    #[test]
    fn an_event_that_fits_without_its_bodies_is_told_without_them() {
        let queue = Queue::new();
        let long = |sequence| RawCall { error: Some(" ".repeat(20 * 1024)), ..call("s", sequence) };
        let mut sequence = 0;
        while queue.stats().bytes < BYTES - 64 * 1024 {
            let _ = queue.record(long(sequence), Instant::now());
            sequence += 1;
        }

        let _ = queue.record(heavy_call("s", sequence, 100 * 1024), Instant::now());

        assert_eq!((queue.stats().dropped.total(), queue.stats().pending), (0, sequence + 1));
        assert!(drained(&queue).back().is_some_and(|entry| entry.call.response_body.shed));
        assert!(queue.stats().bytes <= BYTES);
    }

    #[test]
    fn a_closed_queue_says_why_it_drops() {
        let queue = Queue::new();
        let _ = queue.record(call("s", 0), Instant::now());
        queue.close();

        let _ = queue.record(call("s", 1), Instant::now());

        let stats = queue.stats();
        assert_eq!((stats.dropped.shutdown, stats.pending), (1, 1));
        queue.end();
        assert_eq!((queue.stats().dropped.shutdown, queue.stats().pending, queue.stats().bytes), (2, 0, 0));
    }

    #[test]
    fn a_watch_waits_for_the_events_before_it_and_no_others() {
        let queue = Queue::new();
        let _ = queue.record(call("s", 0), Instant::now());
        let _ = queue.record(call("s", 1), Instant::now());
        let mut watch = queue.watch().unwrap();
        let left = watch.left();
        let _ = queue.record(call("s", 2), Instant::now());
        let entries = drained(&queue);

        queue.delivered(entries[2].ticket);
        queue.delivered(entries[0].ticket);
        assert!(watch.done.try_recv().is_err());
        assert_eq!(left(), 1);
        queue.dropped(entries[1].ticket, Reason::Refused);

        assert!(watch.done.try_recv().is_ok());
        assert!(left() == 0 && queue.watch().is_none());
    }

    #[test]
    fn only_the_first_event_starts_the_worker() {
        let queue = Queue::new();
        assert_eq!(queue.record(call("s", 0), Instant::now()), Recorded::Start);
        assert_eq!(queue.record(call("s", 1), Instant::now()), Recorded::Nothing);
    }
}
