//! What the two services remember: users, projects, agents, keys, sessions and events.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::values::json::Json;

/// How long an agent key is valid, and a user token.
pub(crate) const KEY_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) first_name: String,
    pub(crate) middle_name: String,
    pub(crate) last_name: String,
    pub(crate) email: String,
    pub(crate) password: String,
    pub(crate) created: Duration,
}

#[derive(Clone)]
pub(crate) struct Project {
    pub(crate) id: Uuid,
    pub(crate) owner: Uuid,
    pub(crate) name: String,
    pub(crate) description: String,
}

#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) id: Uuid,
    pub(crate) project: Uuid,
    pub(crate) name: String,
    pub(crate) provider: String,
}

#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: Uuid,
    pub(crate) agent: Uuid,
    pub(crate) prefix: String,
    pub(crate) expires: Duration,
    pub(crate) active: bool,
}

pub(crate) struct SdkKey {
    pub(crate) project: Uuid,
    pub(crate) expires: Duration,
}

pub(crate) struct Session {
    pub(crate) id: Uuid,
    pub(crate) agent: Uuid,
    pub(crate) key: Uuid,
    pub(crate) created: Duration,
    pub(crate) meta: Json,
}

pub(crate) struct Event {
    pub(crate) id: Uuid,
    pub(crate) time: Duration,
    /// As Brain returns it.
    pub(crate) row: Json,
}

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) users: HashMap<Uuid, User>,
    pub(crate) projects: HashMap<Uuid, Project>,
    pub(crate) agents: HashMap<Uuid, Agent>,
    /// By the whole key. The real servers store a hash, which is what makes their requests slow.
    keys: HashMap<String, Key>,
    /// By the whole key.
    sdk_keys: HashMap<String, SdkKey>,
    /// Oldest first.
    pub(crate) sessions: Vec<Session>,
    /// By session id as the token spells it; in order of arrival.
    pub(crate) events: HashMap<String, Vec<Event>>,
    last_timestamp: Duration,
}

impl Store {
    /// The agent of a valid key, and the key's id.
    ///
    /// The prefix is what lies between the first two underscores, so a key whose own prefix
    /// contains one is never found.
    pub(crate) fn agent_of_key(&self, full_key: &str, now: Duration) -> Option<(Agent, Uuid)> {
        let mut parts = full_key.splitn(3, '_');
        let (kind, prefix, _secret) = (parts.next()?, parts.next()?, parts.next()?);
        let key = self.keys.get(full_key)?;
        if kind != "agent" || key.prefix != prefix || !key.active || key.expires < now {
            return None;
        }
        Some((self.agents.get(&key.agent)?.clone(), key.id))
    }

    /// The project of a valid SDK key. The whole key is compared, so underscores do no harm here.
    pub(crate) fn project_of_sdk_key(&self, full_key: &str, now: Duration) -> Option<&Project> {
        let key = self.sdk_keys.get(full_key).filter(|key| key.expires >= now)?;
        self.projects.get(&key.project)
    }

    /// Issues a key for `agent` and revokes all its earlier ones.
    ///
    /// If `usable`, the prefix has no underscore. Otherwise, one key in seven can never work, as
    /// with the real servers.
    pub(crate) fn issue_key(&mut self, agent: Uuid, now: Duration, usable: bool) -> (String, Key) {
        self.revoke_keys(agent);
        let mut prefix = random_text(8);
        while usable && prefix.contains('_') {
            prefix = random_text(8);
        }
        let full_key = format!("agent_{prefix}_{}", random_text(32));
        let key = Key { id: Uuid::new_v4(), agent, prefix, expires: now + KEY_LIFETIME, active: true };
        self.keys.insert(full_key.clone(), key.clone());
        (full_key, key)
    }

    pub(crate) fn revoke_keys(&mut self, agent: Uuid) {
        for key in self.keys.values_mut().filter(|key| key.agent == agent) {
            key.active = false;
        }
    }

    /// Issues an SDK key, and returns its prefix as well.
    pub(crate) fn issue_sdk_key(&mut self, project: Uuid, expires: Duration) -> (String, String) {
        let prefix = random_text(8);
        let full_key = format!("otas_{prefix}_{}", random_text(32));
        self.sdk_keys.insert(full_key.clone(), SdkKey { project, expires });
        (full_key, prefix)
    }

    /// `now`, or just after the previous timestamp, so that sorting by time keeps the order of arrival.
    pub(crate) fn next_timestamp(&mut self, now: Duration) -> Duration {
        let after_last = self.last_timestamp + Duration::from_micros(1);
        // The two services' clocks may differ by a lot on purpose: do not drag one to the other.
        let same_clock = after_last.saturating_sub(now) < Duration::from_millis(100);
        self.last_timestamp = if same_clock { now.max(after_last) } else { now };
        self.last_timestamp
    }
}

/// `secrets.token_urlsafe(bytes)`, from a generator that is good enough for tests.
fn random_text(bytes: usize) -> String {
    let bytes: Vec<u8> = (0..bytes).map(|_| fastrand::u8(..)).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}
