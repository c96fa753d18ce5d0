//! Decides what to send next: the events of one session strictly in order, sessions concurrently.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use super::queue::Queued;
use super::retry::{MAX_AGE, Outage, Pause};
use crate::token::SessionId;

/// An event being sent. The rest of its session waits for it.
pub(crate) struct InFlight {
    session: SessionId,
    pub(crate) event: Queued,
}

struct SessionQueue {
    events: VecDeque<Queued>,
    in_flight: bool,
}

pub(crate) struct Scheduler {
    sessions: HashMap<SessionId, SessionQueue>,
    /// Sessions whose next event may be sent.
    ready: VecDeque<SessionId>,
    /// Sessions whose next event is to be sent again after a pause.
    paused: Vec<(Pause, SessionId)>,
    pub(crate) outage: Outage,
    in_flight: usize,
    max_in_flight: usize,
    /// No event expires before this.
    next_expiry: Option<Instant>,
}

impl Scheduler {
    pub(crate) fn new(max_in_flight: usize) -> Self {
        Self {
            sessions: HashMap::new(),
            ready: VecDeque::new(),
            paused: Vec::new(),
            outage: Outage::default(),
            in_flight: 0,
            max_in_flight: max_in_flight.max(1),
            next_expiry: None,
        }
    }

    pub(crate) fn push(&mut self, event: Queued) {
        self.next_expiry.get_or_insert(expiry(&event));
        let session = event.payload.session();
        if let Some(queue) = self.sessions.get_mut(session) {
            queue.events.push_back(event);
            return;
        }
        let session = session.clone();
        self.ready.push_back(session.clone());
        self.sessions.insert(session, SessionQueue { events: VecDeque::from([event]), in_flight: false });
    }

    /// Takes the next event that may be sent now.
    pub(crate) fn next(&mut self, now: Instant) -> Option<InFlight> {
        self.resume(|pause| pause.until <= now);
        if !self.has_capacity(now) {
            return None;
        }
        while let Some(session) = self.ready.pop_front() {
            let Some(queue) = self.sessions.get_mut(&session) else { continue };
            let Some(event) = queue.events.pop_front() else {
                self.sessions.remove(&session);
                continue;
            };
            queue.in_flight = true;
            self.in_flight += 1;
            return Some(InFlight { session, event });
        }
        None
    }

    /// Whether an event of another session could be sent now.
    pub(crate) fn has_capacity(&self, now: Instant) -> bool {
        self.in_flight < self.max_in_flight && self.outage.allows(self.in_flight, now)
    }

    /// The event that follows this one in its session.
    pub(crate) fn peek_next(&self, in_flight: &InFlight) -> Option<&Queued> {
        self.sessions.get(&in_flight.session).and_then(|queue| queue.events.front())
    }

    /// Takes the event that follows, until [`restore_next`](Self::restore_next).
    pub(crate) fn take_next(&mut self, in_flight: &InFlight) -> Option<Queued> {
        self.sessions.get_mut(&in_flight.session).and_then(|queue| queue.events.pop_front())
    }

    pub(crate) fn restore_next(&mut self, in_flight: &InFlight, event: Queued) {
        if let Some(queue) = self.sessions.get_mut(&in_flight.session) {
            queue.events.push_front(event);
        }
    }

    /// Lets the session continue with its next event.
    pub(crate) fn finish(&mut self, in_flight: InFlight) -> Queued {
        let InFlight { session, event } = in_flight;
        self.release(&session);
        if self.sessions.get(&session).is_some_and(|queue| queue.events.is_empty()) {
            self.sessions.remove(&session);
        } else {
            self.ready.push_back(session);
        }
        event
    }

    /// Schedules the event again, ahead of the rest of its session.
    pub(crate) fn requeue(&mut self, in_flight: InFlight, pause: Option<Pause>) {
        let InFlight { session, event } = in_flight;
        let expiry = expiry(&event);
        self.next_expiry = Some(self.next_expiry.map_or(expiry, |next| next.min(expiry)));
        self.release(&session);
        if let Some(queue) = self.sessions.get_mut(&session) {
            queue.events.push_front(event);
        }
        match pause {
            Some(pause) => self.paused.push((pause, session)),
            None => self.ready.push_back(session),
        }
    }

    fn release(&mut self, session: &SessionId) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(queue) = self.sessions.get_mut(session) {
            queue.in_flight = false;
        }
    }

    /// Takes the events that have become too old.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Vec<Queued> {
        let mut expired = Vec::new();
        if self.next_expiry.is_none_or(|next| next > now) {
            return expired;
        }
        for queue in self.sessions.values_mut() {
            while queue.events.front().is_some_and(|event| expiry(event) <= now) {
                expired.extend(queue.events.pop_front());
            }
        }
        let heads = self.sessions.values().filter_map(|queue| queue.events.front());
        self.next_expiry = heads.map(expiry).min();
        self.forget_empty_sessions();
        expired
    }

    pub(crate) fn take_all(&mut self) -> Vec<Queued> {
        self.ready.clear();
        self.paused.clear();
        self.sessions.drain().flat_map(|(_, queue)| queue.events).collect()
    }

    /// Ends the pauses that no server asked for.
    pub(crate) fn skip_pauses(&mut self) {
        self.outage.skip_pause();
        self.resume(|pause| pause.skippable);
    }

    /// When to continue even if no send completes and nothing is recorded.
    pub(crate) fn wake_at(&self, now: Instant) -> Option<Instant> {
        let outage = self.outage.until(now);
        let blocked =
            self.in_flight >= self.max_in_flight || !self.outage.allows(self.in_flight, outage.unwrap_or(now));
        let pauses = self.paused.iter().map(|(pause, _)| pause.until).min();
        let next_send = if self.ready.is_empty() { pauses } else { Some(now) };
        // A session whose own pause ends earlier still waits for the outage.
        let next_send = next_send.map(|until| outage.map_or(until, |outage| until.max(outage)));
        // When the outage ends, the worker has to listen for new events again.
        let next_send = [next_send, outage].into_iter().flatten().min().filter(|_| !blocked);
        [next_send, self.next_expiry].into_iter().flatten().min()
    }

    /// Whether nothing is queued or in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.in_flight == 0 && self.sessions.is_empty()
    }

    fn resume(&mut self, is_over: impl Fn(&Pause) -> bool) {
        let ready = &mut self.ready;
        self.paused.retain(|(pause, session)| {
            let over = is_over(pause);
            if over {
                ready.push_back(session.clone());
            }
            !over
        });
    }

    fn forget_empty_sessions(&mut self) {
        self.sessions.retain(|_, queue| queue.in_flight || !queue.events.is_empty());
        let sessions = &self.sessions;
        self.ready.retain(|session| sessions.contains_key(session));
        self.paused.retain(|(_, session)| sessions.contains_key(session));
    }
}

fn expiry(event: &Queued) -> Instant {
    event.recorded_at + MAX_AGE
}
