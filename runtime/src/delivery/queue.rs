//! The queue that callers push finished calls into, and the only place that counts events.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::{Notify, oneshot};

use super::retry::History;
use super::stats::{DropWarnings, Reason, Stats};
use crate::event::{EncodedEvent, MAX_EVENT_BYTES, RawCall};
use crate::sync::lock;
use crate::token::{SessionCredentials, SessionId};

pub(crate) const MAX_EVENTS: u64 = 1_024;
pub(crate) const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Enough for nearly any event without its bodies.
const MIN_EVENT_BYTES: usize = 16 * 1024;

/// A finished call on its way to Brain.
pub(crate) struct Queued {
    pub(crate) ticket: Ticket,
    pub(crate) recorded_at: Instant,
    pub(crate) payload: Payload,
    pub(crate) history: History,
    /// The reason to count if the event expires: why its last attempt failed.
    pub(crate) reason: Reason,
}

/// What is queued: boxed, so that a push moves little.
pub(crate) enum Payload {
    Raw(Box<RawCall>),
    Encoded(Box<Envelope>),
}

/// An event that is ready to be sent.
#[derive(Clone)]
pub(crate) struct Envelope {
    pub(crate) event: EncodedEvent,
    pub(crate) session: Arc<SessionCredentials>,
}

impl Payload {
    pub(crate) fn session(&self) -> &SessionId {
        match self {
            Self::Raw(call) => &call.credentials.session_id,
            Self::Encoded(envelope) => &envelope.session.session_id,
        }
    }
}

/// The place of a pending event in the counters. Every ticket is resolved exactly once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    number: u64,
    weight: u64,
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
    inbox: VecDeque<Queued>,
    stats: Stats,
    last_number: u64,
    closed: bool,
    worker_started: bool,
    /// Whether the worker wants to be woken by the next event.
    listening: bool,
    commands: Commands,
    watchers: Vec<Watcher>,
}

/// What the worker is asked to do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Commands {
    /// Skip our own pauses, once.
    pub(crate) flush: bool,
    /// No client handle is left: stop when the queue is empty, or soon.
    pub(crate) drain: bool,
    /// Stop now.
    pub(crate) abort: bool,
}

/// The sending half of a [`Watch`].
struct Watcher {
    last_number: u64,
    remaining: Arc<AtomicU64>,
    done: Option<oneshot::Sender<()>>,
}

/// Waits for the events that were pending when it was created.
pub(crate) struct Watch {
    remaining: Arc<AtomicU64>,
    done: oneshot::Receiver<()>,
}

impl Watch {
    pub(crate) async fn done(self) {
        let _ = self.done.await;
    }

    /// Returns a function, which may outlive the watch, that counts the events still pending.
    pub(crate) fn remaining(&self) -> impl Fn() -> u64 + Send + 'static {
        let remaining = self.remaining.clone();
        move || remaining.load(Ordering::Acquire)
    }
}

/// What the caller of [`Queue::record`] has to do.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Recorded {
    Nothing,
    StartWorker,
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

    /// Enqueues a finished call, or drops it. This is all that delivery does on the caller's task.
    pub(crate) fn record(&self, call: RawCall, now: Instant) -> Recorded {
        let mut call = Box::new(call);
        let mut weight = weight(&call);
        let mut shed = None;
        let mut state = self.state();
        state.stats.recorded += 1;
        if state.is_nearly_full(weight) {
            shed = Some(call.shed_bodies());
            weight = self::weight(&call);
        }
        if let Some(reason) = state.check(weight) {
            state.stats.dropped.count(reason);
            drop(state);
            self.warnings.dropped(reason);
            return Recorded::Nothing;
        }
        state.push(call, weight, now);
        let listening = std::mem::take(&mut state.listening);
        let start = !std::mem::replace(&mut state.worker_started, true);
        drop(state);
        drop(shed); // freed outside the lock
        if listening {
            self.wake.notify_one();
        }
        if start { Recorded::StartWorker } else { Recorded::Nothing }
    }

    /// Appends the queued events to `into`, oldest first, and returns the pending commands.
    ///
    /// `listening` asks to be woken by the next event. Waking costs the caller more than the rest
    /// of the push, so the worker does not ask while it could not send anyway. Nor is it woken
    /// after a call that returned events, because more tend to follow.
    pub(crate) fn take(&self, into: &mut VecDeque<Queued>, listening: bool) -> Commands {
        let mut state = self.state();
        state.listening = listening && state.inbox.is_empty();
        if into.is_empty() {
            std::mem::swap(&mut state.inbox, into);
        } else {
            into.append(&mut state.inbox);
        }
        let commands = state.commands;
        state.commands.flush = false;
        commands
    }

    /// Waits for an event or a command.
    pub(crate) fn woken(&self) -> impl Future<Output = ()> + '_ {
        self.wake.notified()
    }

    pub(crate) fn delivered(&self, ticket: Ticket) {
        self.resolve(ticket, |stats| stats.delivered += 1);
    }

    pub(crate) fn dropped(&self, ticket: Ticket, reason: Reason) {
        self.resolve(ticket, |stats| stats.dropped.count(reason));
        self.warnings.dropped(reason);
    }

    pub(crate) fn retried(&self, reason: Reason) {
        self.state().stats.retried += 1;
        self.warnings.retried(reason);
    }

    /// The size limit for encoding an event: the memory that the queue has left, but always enough
    /// for an event without its bodies.
    pub(crate) fn max_event_bytes(&self, ticket: Ticket) -> usize {
        let others = self.state().stats.bytes.saturating_sub(ticket.weight);
        usize::try_from(MAX_BYTES.saturating_sub(others))
            .unwrap_or(MAX_EVENT_BYTES)
            .clamp(MIN_EVENT_BYTES, MAX_EVENT_BYTES)
    }

    /// Accounts for the memory that an event takes once it is encoded.
    pub(crate) fn reweigh(&self, ticket: &mut Ticket, weight: usize) {
        let mut state = self.state();
        let weight = weight as u64;
        state.stats.bytes = state.stats.bytes.saturating_sub(ticket.weight).saturating_add(weight);
        ticket.weight = weight;
    }

    fn resolve(&self, ticket: Ticket, count: impl FnOnce(&mut Stats)) {
        let mut state = self.state();
        let state = &mut *state;
        count(&mut state.stats);
        state.stats.pending = state.stats.pending.saturating_sub(1);
        state.stats.bytes = state.stats.bytes.saturating_sub(ticket.weight);
        state.watchers.retain_mut(|watcher| !watcher.is_done_after(ticket.number));
    }

    /// Watches the events that are pending now; `None` if there are none.
    pub(crate) fn watch(&self) -> Option<Watch> {
        let mut state = self.state();
        if state.stats.pending == 0 {
            return None;
        }
        // Forget the watches that timed out.
        state.watchers.retain(|watcher| watcher.done.as_ref().is_some_and(|done| !done.is_closed()));
        let (sender, done) = oneshot::channel();
        let remaining = Arc::new(AtomicU64::new(state.stats.pending));
        let last_number = state.last_number;
        state.watchers.push(Watcher { last_number, remaining: remaining.clone(), done: Some(sender) });
        Some(Watch { remaining, done })
    }

    /// Drops every event that is recorded from now on.
    pub(crate) fn close(&self) {
        self.state().closed = true;
    }

    pub(crate) fn command(&self, change: impl FnOnce(&mut Commands)) {
        change(&mut self.state().commands);
        self.wake.notify_one();
    }

    /// Closes the queue and drops what is in it, because no worker will take it.
    pub(crate) fn discard(&self) {
        self.close();
        let inbox = std::mem::take(&mut self.state().inbox);
        for event in inbox {
            self.dropped(event.ticket, Reason::Shutdown);
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.state().stats
    }

    pub(crate) fn set_key_worked(&self) {
        self.key_worked.store(true, Ordering::Relaxed);
    }

    pub(crate) fn key_worked(&self) -> bool {
        self.key_worked.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn push(&mut self, call: Box<RawCall>, weight: u64, now: Instant) {
        self.last_number += 1;
        self.stats.pending += 1;
        self.stats.bytes += weight;
        self.inbox.push_back(Queued {
            ticket: Ticket { number: self.last_number, weight },
            recorded_at: now,
            payload: Payload::Raw(call),
            history: History::default(),
            reason: Reason::Expired,
        });
    }

    /// Why an event of this weight cannot be queued; `None` if it can.
    fn check(&self, weight: u64) -> Option<Reason> {
        if self.closed {
            return Some(Reason::Shutdown);
        }
        let full = self.stats.pending >= MAX_EVENTS || self.stats.bytes.saturating_add(weight) > MAX_BYTES;
        full.then_some(Reason::QueueOverflow)
    }

    fn is_nearly_full(&self, weight: u64) -> bool {
        self.stats.pending >= MAX_EVENTS / 4 * 3 || self.stats.bytes.saturating_add(weight) > MAX_BYTES / 4 * 3
    }
}

impl Watcher {
    /// Counts a resolved event; returns whether it was the last one to wait for.
    fn is_done_after(&mut self, number: u64) -> bool {
        let resolved = u64::from(number <= self.last_number);
        let remaining = self.remaining.load(Ordering::Acquire).saturating_sub(resolved);
        self.remaining.store(remaining, Ordering::Release);
        if remaining > 0 {
            return false;
        }
        if let Some(done) = self.done.take() {
            let _ = done.send(());
        }
        true
    }
}

fn weight(call: &RawCall) -> u64 {
    (size_of::<Queued>() + call.weight()) as u64
}

#[cfg(test)]
mod tests;
