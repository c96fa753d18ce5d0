//! A running local OTAS: where it is, what it hands out, and what it has seen.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};
use std::thread;

use uuid::Uuid;

use crate::config::{Config, ConfigBuilder};

use super::brain::bearer_of_token;
use super::builder::Builder;
use super::clock::iso_time;
use super::control::Control;
use super::listen::{Command, Commands, Started};
use super::records::{ReceivedEvent, ReceivedRequest, Service, ReceivedSession};
use super::state::{State, lock};
use super::store::{Agent, Project, Session, User};
use super::{projects, users};

/// UASAM and Brain on two loopback ports of this process, with a user, a project and an agent.
///
/// Cheap to clone; both servers stop when the last clone is dropped. See the [module](crate::testing) for an example.
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
    /// Starts both servers on free ports.
    ///
    /// # Errors
    ///
    /// No port is free, or the thread cannot be started.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Settings first, then [`start`](Builder::start).
    pub fn builder() -> Builder {
        Builder::new()
    }

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
        let project = Project { id: Uuid::new_v4(), owner: user.id };
        let (name, provider) = ("local-agent".to_owned(), "local".to_owned());
        let agent = Agent { id: Uuid::new_v4(), project: project.id, name, provider };
        let (project_id, agent_id, user_token) = (project.id, agent.id, users::user_token(&state, &user));
        let mut store = state.store();
        store.users.insert(user.id, user);
        store.projects.insert(project_id, project);
        store.agents.insert(agent_id, agent);
        let (agent_key, _) = store.issue_key(agent_id, now, true);
        let sdk_key = projects::new_sdk_key(&mut store, project_id);
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

    /// A configuration for an agent under test: this server, its agent, and the project's domain that it was
    /// [given](Builder::project_domain).
    ///
    /// # Errors
    ///
    /// [`is_config`](crate::Error::is_config): the domain is none, or `OTAS_DISABLED` holds an unknown word.
    pub fn config(&self) -> crate::Result<Config> {
        self.config_builder().build()
    }

    /// [`config`](Self::config), to be changed first.
    pub fn config_builder(&self) -> ConfigBuilder {
        Config::builder()
            .agent_key(self.agent_key())
            .project_domain(self.project_domain())
            .project_id(self.project_id())
            .user_token(self.user_token())
            .uasam_url(self.uasam_url())
            .brain_url(self.brain_url())
    }

    /// UASAM's base URL, without a slash at the end.
    pub fn uasam_url(&self) -> String {
        self.uasam().url()
    }

    /// Brain's base URL, without a slash at the end.
    pub fn brain_url(&self) -> String {
        self.brain().url()
    }

    /// The agent's key: the newest that this handle was given.
    ///
    /// A key issued for this agent through the HTTP endpoint revokes it, and is not shown here.
    pub fn agent_key(&self) -> String {
        lock(&self.0.agent_key).clone()
    }

    /// The id of the agent that [`agent_key`](Self::agent_key) belongs to.
    pub fn agent_id(&self) -> String {
        self.0.agent_id.to_string()
    }

    /// The id of the agent's project.
    pub fn project_id(&self) -> String {
        self.0.project_id.to_string()
    }

    /// The project's domain, as it was set; empty where unset.
    pub fn project_domain(&self) -> &str {
        &self.0.project_domain
    }

    /// The token of the person who owns the project: it reads sessions and events back.
    ///
    /// Their login is `operator@example.com` with the password `local-password`.
    pub fn user_token(&self) -> &str {
        &self.0.user_token
    }

    /// A key for the operator's own backend (`X-OTAS-SDK-KEY`), which logs the calls within the domain on its side.
    pub fn sdk_key(&self) -> &str {
        &self.0.sdk_key
    }

    /// The lines of an `OtasAgentManifest.md`, the file that OTAS hands to operators: project, key and domain.
    ///
    /// It holds the agent's key.
    pub fn manifest(&self) -> String {
        format!(
            "# OTAS Agent Manifest\n\n- **Project ID:** `{}`\n- **Agent Key:** `{}`\n- **Project Domain:** `{}` _(the base URL of the \
             project's own backend)_\n",
            self.project_id(),
            self.agent_key(),
            self.project_domain(),
        )
    }

    /// All sessions, of every agent, the oldest first.
    pub fn sessions(&self) -> Vec<ReceivedSession> {
        let record = |session: &Session| ReceivedSession {
            id: session.id.to_string(),
            agent_id: session.agent.to_string(),
            created_at: iso_time(session.created),
            meta: session.meta.to_value(),
        };
        self.0.state.store().sessions.iter().map(record).collect()
    }

    /// The events of a session in the order of their arrival; none where the session is unknown.
    ///
    /// All of them, where Brain's own answer ends at 500.
    pub fn events(&self, session_id: &str) -> Vec<ReceivedEvent> {
        let store = self.0.state.store();
        store.events.get(session_id).into_iter().flatten().map(|event| ReceivedEvent::new(&event.row)).collect()
    }

    /// How many events Brain has stored, over all sessions.
    pub fn event_count(&self) -> usize {
        self.0.state.store().events.values().map(Vec::len).sum()
    }

    /// Every request that has reached either server, in order of arrival, those that met a fault included.
    ///
    /// Empty with [`keep_requests(false)`](Builder::keep_requests).
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.0.state.requests().clone()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.0.state.requests().clear();
    }

    /// The id of the session that a token opens: what a backend in a test does with the `X-OTAS-AGENT-SESSION-TOKEN` it received.
    ///
    /// `None` where Brain would refuse the token: forged, malformed, expired, or from the future.
    pub fn session_of(&self, token: &str) -> Option<String> {
        bearer_of_token(&self.0.state, token).map(|bearer| bearer.session_id)
    }

    /// UASAM's faults, port and clock.
    pub fn uasam(&self) -> Control {
        Control::new(Service::Uasam, self.0.state.clone(), self.0.uasam.clone())
    }

    /// Brain's faults, port and clock.
    pub fn brain(&self) -> Control {
        Control::new(Service::Brain, self.0.state.clone(), self.0.brain.clone())
    }

    /// Revokes the agent's key: from now on both servers refuse it. Tokens that it has opened stay good, with another key.
    pub fn revoke_key(&self) {
        self.0.state.store().revoke_keys(self.0.agent_id);
    }

    /// Issues a new key for the agent, which revokes the one before, and returns it.
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
    /// Stops the thread and waits for it, which takes no longer than closing its sockets.
    fn drop(&mut self) {
        let _ = self.uasam.send(Command::Stop);
        let _ = self.brain.send(Command::Stop);
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}
