//! What both services share: settings, the store, clocks and faults, and the requests so far.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::fault::Script;
use crate::http::Request;
use crate::received::{ReceivedRequest, Service};
use crate::store::Store;
use crate::workers::Workers;

pub(crate) struct Settings {
    pub(crate) jwt_secret: String,
    pub(crate) token_lifetime: Duration,
    pub(crate) kept_requests: usize,
    /// How long a request with a key takes, and how many are served at once.
    pub(crate) cost: (Duration, usize),
}

/// One service's own state.
pub(crate) struct ServiceState {
    pub(crate) addr: SocketAddr,
    pub(crate) clock: Clock,
    pub(crate) script: Mutex<Script>,
    pub(crate) stopped: AtomicBool,
}

impl ServiceState {
    fn new(addr: SocketAddr) -> Self {
        Self { addr, clock: Clock::default(), script: Mutex::default(), stopped: AtomicBool::new(false) }
    }
}

pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) uasam: ServiceState,
    pub(crate) brain: ServiceState,
    pub(crate) workers: Workers,
    store: Mutex<Store>,
    requests: Mutex<Requests>,
}

impl State {
    pub(crate) fn new(settings: Settings, uasam: SocketAddr, brain: SocketAddr) -> Self {
        let (per_request, workers) = settings.cost;
        Self {
            settings,
            uasam: ServiceState::new(uasam),
            brain: ServiceState::new(brain),
            workers: Workers::new(per_request, workers),
            store: Mutex::default(),
            requests: Mutex::default(),
        }
    }

    pub(crate) fn service(&self, service: Service) -> &ServiceState {
        match service {
            Service::Uasam => &self.uasam,
            Service::Brain => &self.brain,
        }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    pub(crate) fn uasam_is_stopped(&self) -> bool {
        self.uasam.stopped.load(Ordering::SeqCst)
    }

    pub(crate) fn keep_request(&self, service: Service, request: &Request) {
        lock(&self.requests).push(service, request, self.settings.kept_requests);
    }

    /// The requests that are still kept, oldest first.
    pub(crate) fn requests(&self) -> Vec<ReceivedRequest> {
        lock(&self.requests).kept.iter().cloned().collect()
    }

    pub(crate) fn clear_requests(&self) {
        *lock(&self.requests) = Requests::default();
    }
}

/// The limit on the bodies of all kept requests together.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

#[derive(Default)]
struct Requests {
    kept: VecDeque<ReceivedRequest>,
    body_bytes: usize,
}

impl Requests {
    fn push(&mut self, service: Service, request: &Request, limit: usize) {
        if limit == 0 {
            return;
        }
        self.body_bytes += request.body.len();
        self.kept.push_back(ReceivedRequest::new(service, request));
        // The newest one stays, however large it is.
        while self.kept.len() > limit || (self.body_bytes > MAX_BODY_BYTES && self.kept.len() > 1) {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.body_bytes -= oldest.body.len();
        }
    }
}

/// Locks a mutex, even after a panic elsewhere.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str, body_bytes: usize) -> Request {
        Request {
            method: "POST".to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: vec![b'a'; body_bytes],
            has_length: true,
        }
    }

    fn paths(requests: &Requests) -> Vec<&str> {
        requests.kept.iter().map(|request| request.path.as_str()).collect()
    }

    #[test]
    fn only_the_most_recent_requests_are_kept() {
        let mut requests = Requests::default();
        for path in ["/1", "/2", "/3"] {
            requests.push(Service::Brain, &request(path, 1), 2);
        }
        assert_eq!(paths(&requests), ["/2", "/3"]);
        requests.push(Service::Brain, &request("/large", MAX_BODY_BYTES - 1), 2);
        assert_eq!(paths(&requests), ["/3", "/large"]);
        requests.push(Service::Brain, &request("/4", 1), 9);
        assert_eq!(paths(&requests), ["/large", "/4"]);
        requests.push(Service::Brain, &request("/larger", MAX_BODY_BYTES + 1), 9);
        assert_eq!(paths(&requests), ["/larger"]);
    }

    #[test]
    fn none_is_kept_with_a_limit_of_zero() {
        let mut requests = Requests::default();
        requests.push(Service::Uasam, &request("/", 1), 0);
        assert!(requests.kept.is_empty() && requests.body_bytes == 0);
    }
}
