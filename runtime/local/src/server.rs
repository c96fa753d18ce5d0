//! A running local OTAS: its addresses, its credentials, and what it has received.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread;

use uuid::Uuid;

use crate::auth;
use crate::clock::iso_time;
use crate::control::Control;
use crate::listen::{Command, Commands, Started};
use crate::received::{ReceivedEvent, ReceivedRequest, ReceivedSession, Service};
use crate::state::{State, lock};
use crate::store::{Agent, KEY_LIFETIME, Project, Session, User};
use crate::views::users;

/// UASAM and Brain on two loopback ports, with a user, a project and an agent.
///
/// Cheap to clone; both services stop when the last clone is dropped. See the [crate](crate) for an
/// example.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    state: Arc<State>,
    uasam: Commands,
    brain: Commands,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    project_domain: String,
    project_id: Uuid,
    agent_id: Uuid,
    user_token: String,
    sdk_key: String,
    agent_key: Mutex<String>,
}

impl Server {
    pub(crate) fn new(started: Started, project_domain: String) -> Self {
        let Started { state, uasam, brain, thread } = started;
        let now = state.uasam.clock.now();
        let user = User {
            id: Uuid::new_v4(),
            first_name: "Local".to_owned(),
            middle_name: String::new(),
            last_name: "Operator".to_owned(),
            email: "operator@example.com".to_owned(),
            password: "local-password".to_owned(),
            created: now,
        };
        let project = Project {
            id: Uuid::new_v4(),
            owner: user.id,
            name: "local-project".to_owned(),
            description: String::new(),
        };
        let agent = Agent {
            id: Uuid::new_v4(),
            project: project.id,
            name: "local-agent".to_owned(),
            provider: "local".to_owned(),
        };
        let (project_id, agent_id, user_token) = (project.id, agent.id, users::user_token(&state, &user));
        let mut store = state.store();
        store.users.insert(user.id, user);
        store.projects.insert(project_id, project);
        store.agents.insert(agent_id, agent);
        let (agent_key, _) = store.issue_key(agent_id, now, true);
        let (sdk_key, _) = store.issue_sdk_key(project_id, now + KEY_LIFETIME);
        drop(store);
        let (thread, agent_key) = (Mutex::new(Some(thread)), Mutex::new(agent_key));
        Self(Arc::new(Inner {
            state,
            uasam,
            brain,
            thread,
            project_domain,
            project_id,
            agent_id,
            user_token,
            sdk_key,
            agent_key,
        }))
    }

    /// The environment variables of an agent that uses this server.
    ///
    /// Pass them to `Config::from_vars` of the crate `otas`, or to
    /// [`Command::envs`](std::process::Command::envs).
    ///
    /// Pass them to `Config::from_vars` of the crate `otas`, or to
    /// [`Command::envs`](std::process::Command::envs). They are `OTAS_AGENT_KEY`,
    /// `OTAS_PROJECT_ID`, `OTAS_PROJECT_DOMAIN`, `OTAS_UASAM_URL`, `OTAS_BRAIN_URL` and
    /// `OTAS_USER_TOKEN`.
    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            ("OTAS_UASAM_URL", self.uasam_url()),
            ("OTAS_BRAIN_URL", self.brain_url()),
            ("OTAS_AGENT_KEY", self.agent_key()),
            ("OTAS_PROJECT_ID", self.project_id()),
            ("OTAS_PROJECT_DOMAIN", self.project_domain().to_owned()),
            ("OTAS_USER_TOKEN", self.user_token().to_owned()),
        ]
    }

    /// Returns UASAM's base URL, without a trailing slash.
    pub fn uasam_url(&self) -> String {
        self.uasam().url()
    }

    /// Returns Brain's base URL, without a trailing slash.
    pub fn brain_url(&self) -> String {
        self.brain().url()
    }

    /// Returns the agent key: the initial one, or the last from [`rotate_key`](Self::rotate_key).
    ///
    /// A key issued through the HTTP endpoint revokes this one, but does not appear here.
    pub fn agent_key(&self) -> String {
        lock(&self.0.agent_key).clone()
    }

    /// Returns the id of the agent that [`agent_key`](Self::agent_key) belongs to.
    pub fn agent_id(&self) -> String {
        self.0.agent_id.to_string()
    }

    /// Returns the id of the agent's project.
    pub fn project_id(&self) -> String {
        self.0.project_id.to_string()
    }

    /// Returns the [project domain](crate::Builder::project_domain); empty by default.
    pub fn project_domain(&self) -> &str {
        &self.0.project_domain
    }

    /// Returns the user token of the project's owner, for reading sessions back.
    ///
    /// The owner logs in as `operator@example.com` with the password `local-password`.
    pub fn user_token(&self) -> &str {
        &self.0.user_token
    }

    /// A key for the operator's backend, which logs the calls within the project's domain.
    ///
    /// The backend sends it as `X-OTAS-SDK-KEY`.
    pub fn sdk_key(&self) -> &str {
        &self.0.sdk_key
    }

    /// The text of an `OtasAgentManifest.md`, the file that OTAS hands to operators.
    ///
    /// It names the project, its domain, and the agent's key.
    pub fn manifest(&self) -> String {
        format!(
            "# OTAS Agent Manifest\n\n- **Project ID:** `{}`\n- **Agent Key:** `{}`\n- **Project Domain:** `{}` \
             _(the base URL of the project's own backend)_\n",
            self.project_id(),
            self.agent_key(),
            self.project_domain(),
        )
    }

    /// Returns all sessions of all agents, oldest first.
    pub fn sessions(&self) -> Vec<ReceivedSession> {
        let received = |session: &Session| ReceivedSession {
            id: session.id.to_string(),
            agent_id: session.agent.to_string(),
            created_at: iso_time(session.created),
            meta: session.meta.to_value(),
        };
        self.0.state.store().sessions.iter().map(received).collect()
    }

    /// Returns the events of a session in order of arrival.
    ///
    /// Unlike Brain itself, which returns at most 500, this returns all of them. It returns none if
    /// the session is unknown.
    pub fn events(&self, session_id: &str) -> Vec<ReceivedEvent> {
        let store = self.0.state.store();
        store.events.get(session_id).into_iter().flatten().map(|event| ReceivedEvent::new(&event.row)).collect()
    }

    /// Returns the number of events that Brain has stored, over all sessions.
    pub fn event_count(&self) -> usize {
        self.0.state.store().events.values().map(Vec::len).sum()
    }

    /// The requests that have reached either service, in order of arrival.
    ///
    /// They include those that met a fault.     /// Only the most recent ones are kept; see
    /// [`keep_requests`](crate::Builder::keep_requests).
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.0.state.requests()
    }

    /// Forgets all requests so far.
    pub fn clear_requests(&self) {
        self.0.state.clear_requests();
    }

    /// The id of the session that a token belongs to.
    ///
    /// A backend under test receives the token as `X-OTAS-AGENT-SESSION-TOKEN`.
    ///
    /// `None` if Brain would reject it: forged, malformed, expired, or from the future.
    pub fn session_of(&self, token: &str) -> Option<String> {
        auth::bearer(&self.0.state, token).map(|bearer| bearer.session_id)
    }

    /// Controls UASAM's faults, port and clock.
    pub fn uasam(&self) -> Control {
        Control::new(Service::Uasam, self.0.state.clone(), self.0.uasam.clone())
    }

    /// Controls Brain's faults, port and clock.
    pub fn brain(&self) -> Control {
        Control::new(Service::Brain, self.0.state.clone(), self.0.brain.clone())
    }

    /// Revokes the agent key: from now on, both services reject it.
    ///
    /// Tokens that were issued with it remain valid, together with another key.
    pub fn revoke_key(&self) {
        self.0.state.store().revoke_keys(self.0.agent_id);
    }

    /// Issues and returns a new agent key, which revokes the previous one.
    pub fn rotate_key(&self) -> String {
        let now = self.0.state.uasam.clock.now();
        let (key, _) = self.0.state.store().issue_key(self.0.agent_id, now, true);
        lock(&self.0.agent_key).clone_from(&key);
        key
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("uasam_url", &self.uasam_url())
            .field("brain_url", &self.brain_url())
            .field("project_id", &self.0.project_id)
            .field("project_domain", &self.0.project_domain)
            .field("agent_id", &self.0.agent_id)
            .finish_non_exhaustive()
    }
}

impl Drop for Inner {
    /// Stops the thread and waits for it, which takes only as long as closing its sockets.
    fn drop(&mut self) {
        let _ = self.uasam.send(Command::End);
        let _ = self.brain.send(Command::End);
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}
