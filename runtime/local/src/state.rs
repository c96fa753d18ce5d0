//! What both servers share: the store, the settings, each server's clock and faults, and all that ever arrived.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::clock::Clock;
use super::http::{Response, Request};
use super::records::{ReceivedRequest, Service};
use super::script::Script;
use super::store::Store;
use super::{agents, brain, django, projects, python, uasam, users};

pub(crate) struct Settings {
    pub(crate) jwt_secret: String,
    pub(crate) token_life: Duration,
    pub(crate) keep_requests: bool,
}

/// One server's own state.
pub(crate) struct ServiceState {
    pub(crate) addr: SocketAddr,
    pub(crate) clock: Clock,
    pub(crate) script: Mutex<Script>,
    pub(crate) down: AtomicBool,
}

impl ServiceState {
    pub(crate) fn new(addr: SocketAddr) -> Self {
        Self { addr, clock: Clock::default(), script: Mutex::default(), down: AtomicBool::new(false) }
    }
}

pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) uasam: ServiceState,
    pub(crate) brain: ServiceState,
    store: Mutex<Store>,
    requests: Mutex<Vec<ReceivedRequest>>,
}

impl State {
    pub(crate) fn new(settings: Settings, uasam: SocketAddr, brain: SocketAddr) -> Self {
        let (store, requests) = Default::default();
        Self { settings, uasam: ServiceState::new(uasam), brain: ServiceState::new(brain), store, requests }
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

    pub(crate) fn requests(&self) -> MutexGuard<'_, Vec<ReceivedRequest>> {
        lock(&self.requests)
    }

    pub(crate) fn uasam_is_down(&self) -> bool {
        self.uasam.down.load(Ordering::SeqCst)
    }

    pub(crate) fn remember(&self, service: Service, request: &Request) {
        if self.settings.keep_requests {
            self.requests().push(ReceivedRequest::new(service, request));
        }
    }

    /// The answer that the real server would give; whatever the request asks for has happened when this returns.
    pub(crate) fn answer(&self, service: Service, request: &Request) -> Response {
        let path = python::path(request.path());
        match view(service, &path) {
            Some(view) => view(self, request).unwrap_or_else(|answer| answer),
            None => django::no_view(request, view(service, &format!("{path}/")).is_some()),
        }
    }
}

type View = fn(&State, &Request) -> django::Outcome;

fn view(service: Service, path: &str) -> Option<View> {
    Some(match (service, path) {
        (Service::Uasam, "/api/user/v1/create/") => users::create_user,
        (Service::Uasam, "/api/user/v1/login/") => users::log_in,
        (Service::Uasam, "/api/project/v1/create/") => projects::create_project,
        (Service::Uasam, "/api/project/v1/sdk/backend/key/create/") => projects::create_sdk_key,
        (Service::Uasam, "/api/agent/v1/create/") => agents::create_agent,
        (Service::Uasam, "/api/agent/v1/agents/key/create/") => agents::create_key,
        (Service::Uasam, crate::wire::path::CREATE_SESSION) => uasam::create_session,
        (Service::Uasam, crate::wire::path::VERIFY_KEY) => uasam::verify_key,
        (Service::Uasam, crate::wire::path::LIST_SESSIONS) => uasam::list_sessions,
        (Service::Brain, crate::wire::path::LOG_EVENT) => brain::log_of_agent,
        (Service::Brain, "/api/v1/backend/log/sdk/") => brain::log_of_backend,
        (Service::Brain, crate::wire::path::LIST_EVENTS) => brain::list_events,
        _ => return None,
    })
}

/// A lock that a panic elsewhere does not take away.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
