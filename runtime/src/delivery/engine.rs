//! Delivery without a clock, a thread or a socket: takes events in, says what to send, and hears how it went.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::encoder::{Keys, Make};
use super::queue::{Entry, Queue};
use super::schedule::Pause;
use super::scheduler::{Flying, Item, Plan};
use super::stats::Reason;
use super::verdict::{Outcome, Verdict, judge};
use crate::event::{EncodedEvent, RawCall};

/// How long delivery goes on when nobody is left who could record or wait.
const WIND_DOWN: Duration = Duration::from_secs(5);

/// How long after an event the next one may wait to be seen.
pub(super) const REST: Duration = Duration::from_millis(2);

/// What an event is sent as, once it was its turn.
pub(crate) enum Load {
    RawCall(Box<RawCall>),
    EncodedEvent(EncodedEvent, HeaderValue),
}

/// An event that is under way.
pub(crate) struct Flight {
    flying: Flying<Load>,
}

/// What one event is sent as.
pub(crate) struct Parcel {
    pub(crate) post: EncodedEvent,
    pub(crate) token: HeaderValue,
}

/// The rules of delivery, applied to a queue.
pub(crate) struct Engine {
    queue: Arc<Queue>,
    make: Make,
    keys: Keys,
    plan: Plan<Load>,
    inbox: VecDeque<Entry>,
    random: Box<dyn FnMut() -> f64 + Send>,
    listening: bool,
    /// Events came in: until then, further ones are looked for and not waited for.
    rest_until: Option<Instant>,
    end_at: Option<Instant>,
    stopped: bool,
}

impl Engine {
    /// `random` gives numbers in `0.0..1.0`.
    pub(crate) fn new(queue: Arc<Queue>, make: Make, width: usize, random: Box<dyn FnMut() -> f64 + Send>) -> Self {
        Self {
            queue,
            make,
            keys: Keys::default(),
            plan: Plan::new(width),
            inbox: VecDeque::new(),
            random,
            listening: false,
            rest_until: None,
            end_at: None,
            stopped: false,
        }
    }

    /// Takes in what was recorded, and obeys. False when delivery is over.
    pub(crate) fn take_in(&mut self, now: Instant) -> bool {
        // Otherwise a landing, the end of a pause, or that of a rest comes first.
        let listening = self.plan.can_fly(now) && self.rest_until.is_none_or(|end| end <= now);
        let before = self.inbox.len();
        let orders = self.queue.take(&mut self.inbox, listening);
        let came = self.inbox.len() > before;
        self.listening = listening && !came;
        if came {
            self.rest_until = Some(now + REST);
        }
        for entry in self.inbox.drain(..) {
            let session = entry.call.origin.session_id.clone();
            self.plan.push(&session, Item::new(entry.ticket, entry.recorded_at, Load::RawCall(entry.call)));
        }
        for item in self.plan.expired(now) {
            self.queue.dropped(item.ticket, item.why);
        }
        if orders.hurry || (orders.wind_down && self.end_at.is_none()) {
            self.plan.hurry();
        }
        if orders.wind_down {
            self.end_at.get_or_insert(now + WIND_DOWN);
        }
        self.stopped |= orders.stop || self.end_at.is_some_and(|end| end <= now || self.plan.is_empty());
        !self.stopped
    }

    /// The next event that may leave now, made on the spot where it is not yet. Call it until there is none.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(Flight, Parcel)> {
        loop {
            let mut flying = self.plan.next(now)?;
            match self.parcel(&mut flying.item) {
                Ok(parcel) => return Some((Flight { flying }, parcel)),
                Err(reason) => {
                    let item = self.plan.finish(flying);
                    self.queue.dropped(item.ticket, reason);
                }
            }
        }
    }

    /// Whether the event that goes after this one is known, and not made yet. With a hook it has to wait its turn: a hook may block, which
    /// would hold up the event that is under way.
    pub(crate) fn has_to_make_after(&self, flight: &Flight) -> bool {
        self.make.hook.is_none()
            && self.plan.after(&flight.flying).is_some_and(|item| matches!(item.load, Load::RawCall(_)))
    }

    /// Makes the event that goes after this one, for which there is time while this one is under way.
    pub(crate) fn make_after(&mut self, flight: &Flight) {
        let Some(mut item) = self.plan.take_after(&flight.flying) else { return };
        match self.make(&mut item) {
            Ok(()) => self.plan.put_after(&flight.flying, item),
            Err(reason) => self.queue.dropped(item.ticket, reason),
        }
    }

    fn make(&mut self, item: &mut Item<Load>) -> Result<(), Reason> {
        if let Load::RawCall(call) = &item.load {
            let token = call.origin.token.clone();
            let post = self.make.post(call, &mut self.keys, self.queue.room(item.ticket))?;
            self.queue.reweigh(&mut item.ticket, post.weight());
            item.load = Load::EncodedEvent(post, token);
        }
        Ok(())
    }

    fn parcel(&mut self, item: &mut Item<Load>) -> Result<Parcel, Reason> {
        self.make(item)?;
        match &item.load {
            Load::EncodedEvent(post, token) => Ok(Parcel { post: post.clone(), token: token.clone() }),
            Load::RawCall(_) => Err(Reason::InternalError),
        }
    }

    /// An event has landed.
    pub(crate) fn landed(&mut self, flight: Flight, outcome: &Outcome, now: Instant) {
        let mut flying = flight.flying;
        let verdict = judge(outcome, &mut flying.item.history, self.queue.key_worked());
        if *outcome == Outcome::Stored {
            self.queue.set_key_worked();
        }
        match verdict {
            Verdict::Delivered => {
                self.plan.outage.worked();
                let item = self.plan.finish(flying);
                self.queue.delivered(item.ticket);
            }
            Verdict::Drop(reason) => {
                // Any answer shows that the destination does its work.
                if !matches!(reason, Reason::NoResponse | Reason::ServerError) {
                    self.plan.outage.worked();
                }
                let item = self.plan.finish(flying);
                self.queue.dropped(item.ticket, reason);
            }
            Verdict::Again { wait, outage, why } => {
                flying.item.why = why;
                if outage {
                    self.plan.outage.failed(wait, now, (self.random)());
                }
                // An outage is the destination's: each event goes as soon as that is over.
                let pause =
                    if outage { None } else { Pause::after(wait, flying.item.history.tries, now, (self.random)()) };
                self.queue.retried(why);
                self.plan.put_back(flying, pause);
            }
        }
    }

    /// When to come back, if nothing lands and nobody wakes before.
    pub(crate) fn wake_at(&self, now: Instant) -> Option<Instant> {
        let rested = self.rest_until.map_or(now, |end| end.max(now));
        let listen = Some(rested).filter(|_| !self.listening && self.plan.can_fly(now));
        [listen, self.plan.wake_at(now), self.end_at].into_iter().flatten().min()
    }

    /// Gives up the events that are under way, because delivery ends.
    pub(crate) fn give_up(&self, flights: impl Iterator<Item = Flight>) {
        // First of all, so that whoever waits for the end finds it complete.
        self.queue.close();
        for flight in flights {
            self.queue.dropped(flight.flying.item.ticket, Reason::Shutdown);
        }
    }
}

impl Drop for Engine {
    /// However delivery ends, what is left is counted.
    fn drop(&mut self) {
        self.queue.close();
        for item in self.plan.drain() {
            self.queue.dropped(item.ticket, Reason::Shutdown);
        }
        for entry in self.inbox.drain(..) {
            self.queue.dropped(entry.ticket, Reason::Shutdown);
        }
        self.queue.end();
    }
}
