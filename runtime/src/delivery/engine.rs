//! Accepts events, decides what to send, and handles the outcome.
//!
//! It has no clock, thread or socket of its own, so that tests can drive it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::encoder::Encoder;
use super::queue::{Envelope, Payload, Queue, Queued};
use super::retry::{Action, Outcome, Pause, classify};
use super::scheduler::{InFlight, Scheduler};
use super::stats::Reason;

/// How long delivery continues once the last client handle is dropped.
const WIND_DOWN: Duration = Duration::from_secs(5);

/// How long a new event may wait after the previous one, so that the caller need not wake the
/// worker for each event of a burst.
pub(super) const BATCH_WINDOW: Duration = Duration::from_millis(2);

/// Applies the rules of delivery to the events of one queue.
pub(crate) struct Engine {
    queue: Arc<Queue>,
    encoder: Encoder,
    scheduler: Scheduler,
    inbox: VecDeque<Queued>,
    /// Returns numbers in `0.0..1.0`.
    random: Box<dyn FnMut() -> f64 + Send>,
    /// Whether the queue wakes the worker for the next event.
    listening: bool,
    /// The end of the current batch. Until then, new events are polled for, not listened for.
    batch_end: Option<Instant>,
    drain_deadline: Option<Instant>,
    stopped: bool,
}

impl Engine {
    pub(crate) fn new(
        queue: Arc<Queue>,
        encoder: Encoder,
        max_in_flight: usize,
        random: Box<dyn FnMut() -> f64 + Send>,
    ) -> Self {
        Self {
            queue,
            encoder,
            scheduler: Scheduler::new(max_in_flight),
            inbox: VecDeque::new(),
            random,
            listening: false,
            batch_end: None,
            drain_deadline: None,
            stopped: false,
        }
    }

    /// Accepts recorded events, drops expired ones, and follows commands. Returns whether delivery
    /// continues.
    pub(crate) fn accept(&mut self, now: Instant) -> bool {
        // Otherwise a completion, or the end of a pause or of the batch, comes first anyway.
        let listening = self.scheduler.has_capacity(now) && self.batch_end.is_none_or(|end| end <= now);
        let commands = self.queue.take(&mut self.inbox, listening);
        self.listening = listening && self.inbox.is_empty();
        if !self.inbox.is_empty() {
            self.batch_end = Some(now + BATCH_WINDOW);
        }
        for event in self.inbox.drain(..) {
            self.scheduler.push(event);
        }
        for event in self.scheduler.take_expired(now) {
            self.queue.dropped(event.ticket, event.reason);
        }
        if commands.flush || (commands.drain && self.drain_deadline.is_none()) {
            self.scheduler.skip_pauses();
        }
        if commands.drain {
            self.drain_deadline.get_or_insert(now + WIND_DOWN);
        }
        let drained = self.drain_deadline.is_some_and(|deadline| deadline <= now || self.scheduler.is_empty());
        self.stopped |= commands.abort || drained;
        !self.stopped
    }

    /// The next event that may be sent now, encoded unless it already is.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(InFlight, Envelope)> {
        loop {
            let mut in_flight = self.scheduler.next(now)?;
            match self.encode(&mut in_flight.event) {
                Ok(envelope) => return Some((in_flight, envelope)),
                Err(reason) => {
                    let event = self.scheduler.finish(in_flight);
                    self.queue.dropped(event.ticket, reason);
                }
            }
        }
    }

    /// Whether the following event of the session should be encoded now. With a hook it waits for
    /// its turn: a hook may block, which would delay the event in flight.
    pub(crate) fn should_encode_next(&self, in_flight: &InFlight) -> bool {
        self.encoder.hook.is_none()
            && self.scheduler.peek_next(in_flight).is_some_and(|event| matches!(event.payload, Payload::Raw(_)))
    }

    /// Encodes the following event of the session while this one is in flight.
    pub(crate) fn encode_next(&mut self, in_flight: &InFlight) {
        let Some(mut event) = self.scheduler.take_next(in_flight) else { return };
        match self.encode(&mut event) {
            Ok(_) => self.scheduler.restore_next(in_flight, event),
            Err(reason) => self.queue.dropped(event.ticket, reason),
        }
    }

    fn encode(&mut self, event: &mut Queued) -> Result<Envelope, Reason> {
        let call = match &event.payload {
            Payload::Raw(call) => call,
            Payload::Encoded(envelope) => return Ok(Envelope::clone(envelope)),
        };
        let encoded = self.encoder.encode(call, self.queue.max_event_bytes(event.ticket))?;
        let envelope = Envelope { event: encoded, session: call.credentials.clone() };
        self.queue.reweigh(&mut event.ticket, envelope.event.weight());
        event.payload = Payload::Encoded(Box::new(envelope.clone()));
        Ok(envelope)
    }

    /// Handles the outcome of a send.
    pub(crate) fn complete(&mut self, mut in_flight: InFlight, outcome: &Outcome, now: Instant) {
        let action = classify(outcome, &mut in_flight.event.history, self.queue.key_worked());
        if *outcome == Outcome::Stored {
            self.queue.set_key_worked();
        }
        match action {
            Action::Done => {
                self.scheduler.outage.recovered();
                let event = self.scheduler.finish(in_flight);
                self.queue.delivered(event.ticket);
            }
            Action::Drop(reason) => {
                // Any other response shows that Brain works.
                if !matches!(reason, Reason::NoResponse | Reason::ServerError) {
                    self.scheduler.outage.recovered();
                }
                let event = self.scheduler.finish(in_flight);
                self.queue.dropped(event.ticket, reason);
            }
            Action::Retry { wait, outage, reason } => {
                in_flight.event.reason = reason;
                self.queue.retried(reason);
                let random = (self.random)();
                let pause = if outage {
                    // All sessions wait, and resume together.
                    self.scheduler.outage.failed(wait, now, random);
                    None
                } else {
                    Pause::after(wait, in_flight.event.history.attempts, now, random)
                };
                self.scheduler.requeue(in_flight, pause);
            }
        }
    }

    /// When to continue if no send completes and the queue wakes no one.
    pub(crate) fn wake_at(&self, now: Instant) -> Option<Instant> {
        let batch_end = self.batch_end.map_or(now, |end| end.max(now));
        let listen = (!self.listening && self.scheduler.has_capacity(now)).then_some(batch_end);
        [listen, self.scheduler.wake_at(now), self.drain_deadline].into_iter().flatten().min()
    }

    /// Drops the events in flight because delivery ends.
    pub(crate) fn abandon(&self, in_flight: impl Iterator<Item = InFlight>) {
        // Closed first: whoever waits for the last event must not see another one recorded.
        self.queue.close();
        for InFlight { event, .. } in in_flight {
            self.queue.dropped(event.ticket, Reason::Shutdown);
        }
    }
}

impl Drop for Engine {
    /// Counts what is left, however delivery ends.
    fn drop(&mut self) {
        self.queue.close();
        for event in self.scheduler.take_all().into_iter().chain(self.inbox.drain(..)) {
            self.queue.dropped(event.ticket, Reason::Shutdown);
        }
        self.queue.discard();
    }
}
