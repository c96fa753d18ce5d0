//! Whose turn it is: the events of each session in their order, one at a time; several sessions beside each other.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use super::queue::Ticket;
use super::schedule::{MAX_AGE, Outage, Pause};
use super::stats::Reason;
use super::verdict::History;
use crate::token::SessionId;

/// An event in the plan, with whatever is to be sent.
pub(crate) struct Item<T> {
    pub(crate) ticket: Ticket,
    pub(crate) recorded_at: Instant,
    pub(crate) history: History,
    /// Why it was sent back the last time: the reason if it grows too old.
    pub(crate) why: Reason,
    pub(crate) load: T,
}

impl<T> Item<T> {
    pub(crate) fn new(ticket: Ticket, recorded_at: Instant, load: T) -> Self {
        Self { ticket, recorded_at, history: History::default(), why: Reason::Expired, load }
    }

    fn expires_at(&self) -> Instant {
        self.recorded_at + MAX_AGE
    }
}

/// The events of one session.
struct Lane<T> {
    items: VecDeque<Item<T>>,
    flying: bool,
}

/// An event that left the plan to be sent, and the session that waits for it.
pub(crate) struct Flying<T> {
    session: SessionId,
    pub(crate) item: Item<T>,
}

/// All sessions that have events.
pub(crate) struct Plan<T> {
    lanes: HashMap<SessionId, Lane<T>>,
    /// Sessions whose first event may be sent.
    ready: VecDeque<SessionId>,
    /// Sessions whose first event has to wait.
    waiting: Vec<(Pause, SessionId)>,
    pub(crate) outage: Outage,
    flying: usize,
    width: usize,
    /// No event expires before.
    expiry: Option<Instant>,
}

impl<T> Plan<T> {
    /// `width` sessions are served at a time.
    pub(crate) fn new(width: usize) -> Self {
        Self {
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            waiting: Vec::new(),
            outage: Outage::default(),
            flying: 0,
            width: width.max(1),
            expiry: None,
        }
    }

    /// Adds an event behind the others of its session.
    pub(crate) fn push(&mut self, session: &SessionId, item: Item<T>) {
        self.expiry.get_or_insert(item.expires_at());
        if let Some(lane) = self.lanes.get_mut(session) {
            lane.items.push_back(item);
            return;
        }
        self.lanes.insert(session.clone(), Lane { items: VecDeque::from([item]), flying: false });
        self.ready.push_back(session.clone());
    }

    /// Takes out the next event to send, if one may be sent now.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Flying<T>> {
        self.release(|pause| pause.until <= now);
        if !self.can_fly(now) {
            return None;
        }
        while let Some(session) = self.ready.pop_front() {
            let Some(lane) = self.lanes.get_mut(&session) else { continue };
            let Some(item) = lane.items.pop_front() else {
                self.lanes.remove(&session);
                continue;
            };
            lane.flying = true;
            self.flying += 1;
            return Some(Flying { session, item });
        }
        None
    }

    /// Whether a further event would be sent at once.
    pub(crate) fn can_fly(&self, now: Instant) -> bool {
        self.flying < self.width && self.outage.allows(self.flying, now)
    }

    /// The event that goes after this one, where it is known.
    pub(crate) fn after(&self, flying: &Flying<T>) -> Option<&Item<T>> {
        self.lanes.get(&flying.session).and_then(|lane| lane.items.front())
    }

    /// Takes that event out; it comes back by [`Plan::put_after`], or is settled.
    pub(crate) fn take_after(&mut self, flying: &Flying<T>) -> Option<Item<T>> {
        self.lanes.get_mut(&flying.session).and_then(|lane| lane.items.pop_front())
    }

    pub(crate) fn put_after(&mut self, flying: &Flying<T>, item: Item<T>) {
        if let Some(lane) = self.lanes.get_mut(&flying.session) {
            lane.items.push_front(item);
        }
    }

    /// The event is settled: its session goes on with the next.
    pub(crate) fn finish(&mut self, flying: Flying<T>) -> Item<T> {
        let session = self.land(flying.session);
        if self.lanes.get(&session).is_some_and(|lane| lane.items.is_empty()) {
            self.lanes.remove(&session);
        } else {
            self.ready.push_back(session);
        }
        flying.item
    }

    /// The event is to be sent again, before the others of its session.
    pub(crate) fn put_back(&mut self, flying: Flying<T>, pause: Option<Pause>) {
        let expires_at = flying.item.expires_at();
        self.expiry = Some(self.expiry.map_or(expires_at, |expiry| expiry.min(expires_at)));
        let session = self.land(flying.session);
        if let Some(lane) = self.lanes.get_mut(&session) {
            lane.items.push_front(flying.item);
        }
        match pause {
            Some(pause) => self.waiting.push((pause, session)),
            None => self.ready.push_back(session),
        }
    }

    fn land(&mut self, session: SessionId) -> SessionId {
        self.flying = self.flying.saturating_sub(1);
        if let Some(lane) = self.lanes.get_mut(&session) {
            lane.flying = false;
        }
        session
    }

    /// Takes out the events that are too old.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<Item<T>> {
        let mut old = Vec::new();
        if self.expiry.is_none_or(|expiry| expiry > now) {
            return old;
        }
        for lane in self.lanes.values_mut() {
            while lane.items.front().is_some_and(|item| item.expires_at() <= now) {
                old.extend(lane.items.pop_front());
            }
        }
        let heads = self.lanes.values().filter_map(|lane| lane.items.front());
        self.expiry = heads.map(Item::expires_at).min();
        self.forget_empty();
        old
    }

    /// Takes out everything.
    pub(crate) fn drain(&mut self) -> Vec<Item<T>> {
        self.ready.clear();
        self.waiting.clear();
        self.lanes.drain().flat_map(|(_, lane)| lane.items).collect()
    }

    /// Ends pauses of our own.
    pub(crate) fn hurry(&mut self) {
        self.outage.hurry();
        self.release(|pause| !pause.firm);
    }

    /// When there is something to do besides landings and news.
    pub(crate) fn wake_at(&self, now: Instant) -> Option<Instant> {
        let outage = self.outage.until(now);
        let blocked = self.flying >= self.width || !self.outage.allows(self.flying, outage.unwrap_or(now));
        let pauses = self.waiting.iter().map(|(pause, _)| pause.until).min();
        let soonest = if self.ready.is_empty() { pauses } else { Some(now) };
        // While the destination is paused, a session whose own pause ends first has to wait for it.
        let soonest = soonest.map(|until| outage.map_or(until, |outage| until.max(outage)));
        // And when that pause ends, further events matter again.
        let soonest = [soonest, outage].into_iter().flatten().min().filter(|_| !blocked);
        [soonest, self.expiry].into_iter().flatten().min()
    }

    /// Nothing waits, and nothing is under way.
    pub(crate) fn is_empty(&self) -> bool {
        self.flying == 0 && self.lanes.is_empty()
    }

    fn release(&mut self, over: impl Fn(&Pause) -> bool) {
        let ready = &mut self.ready;
        self.waiting.retain(|(pause, session)| {
            let over = over(pause);
            if over {
                ready.push_back(session.clone());
            }
            !over
        });
    }

    fn forget_empty(&mut self) {
        self.lanes.retain(|_, lane| lane.flying || !lane.items.is_empty());
        let lanes = &self.lanes;
        self.ready.retain(|session| lanes.contains_key(session));
        self.waiting.retain(|(_, session)| lanes.contains_key(session));
    }
}
