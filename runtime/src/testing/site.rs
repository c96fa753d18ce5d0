//! What both servers share: the world, the settings, each server's clock and faults, and all that ever arrived.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::clock::Clock;
use super::http::{Answer, Incoming};
use super::records::{RequestRecord, Service};
use super::script::Script;
use super::world::World;
use super::{agents, brain, django, projects, python, uasam, users};

pub(super) struct Settings {
    pub(super) jwt_secret: String,
    pub(super) token_life: Duration,
    pub(super) keep_requests: bool,
}

/// One server's own state.
pub(super) struct Desk {
    pub(super) addr: SocketAddr,
    pub(super) clock: Clock,
    pub(super) script: Mutex<Script>,
    pub(super) down: AtomicBool,
}

impl Desk {
    pub(super) fn new(addr: SocketAddr) -> Self {
        Self { addr, clock: Clock::default(), script: Mutex::default(), down: AtomicBool::new(false) }
    }
}

pub(super) struct Site {
    pub(super) settings: Settings,
    pub(super) uasam: Desk,
    pub(super) brain: Desk,
    world: Mutex<World>,
    requests: Mutex<Vec<RequestRecord>>,
}

impl Site {
    pub(super) fn new(settings: Settings, uasam: SocketAddr, brain: SocketAddr) -> Self {
        let (world, requests) = Default::default();
        Self { settings, uasam: Desk::new(uasam), brain: Desk::new(brain), world, requests }
    }

    pub(super) fn desk(&self, service: Service) -> &Desk {
        match service {
            Service::Uasam => &self.uasam,
            Service::Brain => &self.brain,
        }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    pub(super) fn requests(&self) -> MutexGuard<'_, Vec<RequestRecord>> {
        lock(&self.requests)
    }

    pub(super) fn uasam_is_down(&self) -> bool {
        self.uasam.down.load(Ordering::SeqCst)
    }

    pub(super) fn remember(&self, service: Service, request: &Incoming) {
        if self.settings.keep_requests {
            self.requests().push(RequestRecord::new(service, request));
        }
    }

    /// The answer that the real server would give; whatever the request asks for has happened when this returns.
    pub(super) fn answer(&self, service: Service, request: &Incoming) -> Answer {
        let path = python::path(request.path());
        match view(service, &path) {
            Some(view) => view(self, request).unwrap_or_else(|answer| answer),
            None => django::no_view(request, view(service, &format!("{path}/")).is_some()),
        }
    }
}

type View = fn(&Site, &Incoming) -> django::Outcome;

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
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
