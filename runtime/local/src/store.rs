//! What the two servers remember: users, projects, agents, keys, sessions and events.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::json::Json;

/// Agent keys and SDK keys live this long.
pub(crate) const KEY_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);

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
    /// As Brain gives it back.
    pub(crate) row: Json,
}

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) users: HashMap<Uuid, User>,
    pub(crate) projects: HashMap<Uuid, Project>,
    pub(crate) agents: HashMap<Uuid, Agent>,
    /// By the whole key: the real servers keep a hash of it, which costs them 0.18 s for each request.
    pub(crate) keys: HashMap<String, Key>,
    /// The project of each SDK key.
    pub(crate) sdk_keys: HashMap<String, Uuid>,
    /// Oldest first.
    pub(crate) sessions: Vec<Session>,
    /// By the session's id as the token tells it; in the order of arrival.
    pub(crate) events: HashMap<String, Vec<Event>>,
    last_moment: Duration,
}

impl Store {
    /// The agent of a key that works, and the key's id. The prefix is what lies between the first two underscores: a key whose
    /// own prefix holds one is never found.
    pub(crate) fn agent_of_key(&self, full_key: &str, now: Duration) -> Option<(Agent, Uuid)> {
        let mut parts = full_key.splitn(3, '_');
        let (kind, prefix, _secret) = (parts.next()?, parts.next()?, parts.next()?);
        let key = self.keys.get(full_key)?;
        if kind != "agent" || key.prefix != prefix || !key.active || key.expires < now {
            return None;
        }
        Some((self.agents.get(&key.agent)?.clone(), key.id))
    }

    /// Issues a key and revokes all earlier ones of the agent. `Sound` keys always work; the real servers issue 14.6 % that never do.
    pub(crate) fn issue_key(&mut self, agent: Uuid, now: Duration, sound: bool) -> (String, Key) {
        self.revoke_keys(agent);
        let mut prefix = random_text(8);
        while sound && prefix.contains('_') {
            prefix = random_text(8);
        }
        let full_key = format!("agent_{prefix}_{}", random_text(32));
        let key = Key { id: Uuid::new_v4(), agent, prefix, expires: now + KEY_LIFE, active: true };
        self.keys.insert(full_key.clone(), key.clone());
        (full_key, key)
    }

    pub(crate) fn revoke_keys(&mut self, agent: Uuid) {
        for key in self.keys.values_mut().filter(|key| key.agent == agent) {
            key.active = false;
        }
    }

    /// Now, but later than the moment before, so that what is sorted by time keeps the order of arrival.
    pub(crate) fn moment(&mut self, now: Duration) -> Duration {
        let after_last = self.last_moment + Duration::from_micros(1);
        let same_clock = after_last.saturating_sub(now) < Duration::from_millis(100); // else it was set back
        self.last_moment = if same_clock { now.max(after_last) } else { now };
        self.last_moment
    }
}

/// `secrets.token_urlsafe(bytes)`, from a generator that is good enough for tests.
pub(crate) fn random_text(bytes: usize) -> String {
    let bytes: Vec<u8> = (0..bytes).map(|_| fastrand::u8(..)).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}
