//! Reads sessions and their events back, with a user token.
//!
//! ```no_run
//! # async fn run() -> otas::Result<()> {
//! use otas::audit::Reader;
//!
//! let reader = Reader::new(&otas::Config::from_env()?)?;
//! for session in reader.sessions("5e0ee8b9-6c5c-4a2a-9d4f-0f4c1c2d3e4f").await? {
//!     println!("{} {}", session.id, session.meta);
//!     println!("{}", reader.timeline(&session.agent_id, &session.id).await?);
//! }
//! # Ok(()) }
//! ```

mod records;
mod timeline;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use serde::de::DeserializeOwned;
use url::Url;

pub use records::{EventRecord, Events, SessionRecord};
pub use timeline::{Timeline, TimelineEntry};

use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::server::{AbortOnDropHandle, BackgroundRuntime, endpoint, plain_http, send};
use crate::token::SessionId;
use crate::wire::{self, read};

/// UASAM lists all sessions at once, which may take a while.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// Reads sessions and events back.
///
/// Its requests are not logged, and run on a thread of their own, so that any runtime will do.
#[derive(Clone)]
pub struct Reader(Arc<Inner>);

struct Inner {
    uasam: (reqwest::Client, Url),
    brain: (reqwest::Client, Url),
    user_token: HeaderValue,
    project_id: HeaderValue,
    background: BackgroundRuntime,
}

impl Reader {
    /// Returns a reader for a configuration's servers, project and user.
    ///
    /// # Errors
    ///
    /// * [`is_disabled`](Error::is_disabled): OTAS is disabled.
    /// * [`is_config`](Error::is_config): there is no user token (`OTAS_USER_TOKEN`) or no project
    ///   id (`OTAS_PROJECT_ID`), or the HTTP client cannot be built.
    /// * If neither holds, the thread could not be started.
    pub fn new(config: &Config) -> Result<Self> {
        let settings = &config.0;
        if settings.disabled {
            return Err(Error::new(Kind::Disabled));
        }
        let user_token = settings.user_token.clone().ok_or_else(|| {
            Error::missing(
                "user token",
                "set OTAS_USER_TOKEN (or call `ConfigBuilder::user_token`) to read sessions back",
            )
        })?;
        let project_id = settings.project_id.as_deref().ok_or_else(|| {
            Error::missing(
                "project id",
                "set OTAS_PROJECT_ID (or call `ConfigBuilder::project_id`) to read sessions back",
            )
        })?;
        let server = |url: &Url| Ok::<_, Error>((plain_http(url, settings.connect_timeout)?, url.clone()));
        Ok(Self(Arc::new(Inner {
            uasam: server(&settings.uasam)?,
            brain: server(&settings.brain)?,
            user_token,
            project_id: header(project_id, "project id")?,
            background: BackgroundRuntime::start("otas-audit")?,
        })))
    }

    /// Returns all sessions of an agent, newest first.
    ///
    /// # Errors
    ///
    /// * [`is_rejected`](Error::is_rejected): the user token is wrong or expired, or the user or
    ///   the agent does not belong to the project.
    /// * [`is_unreachable`](Error::is_unreachable), [`is_timeout`](Error::is_timeout): UASAM is
    ///   down, or took over 30 seconds.
    /// * [`is_unexpected_response`](Error::is_unexpected_response): the response is not a list of
    ///   sessions, or is larger than 64 MiB.
    pub async fn sessions(&self, agent_id: &str) -> Result<Vec<SessionRecord>> {
        let (http, base) = &self.0.uasam;
        let mut url = endpoint(base, wire::path::LIST_SESSIONS);
        url.query_pairs_mut().append_pair("agent_id", agent_id);
        let listed: read::SessionsListed = self.get(wire::UASAM, http.get(url)).await?;
        let record = |session| SessionRecord::new(agent_id, session);
        Ok(listed.response.sessions.into_iter().map(record).collect())
    }

    /// Returns the events of a session in the order in which they arrived.
    ///
    /// Brain returns only the first 500; see [`Events::is_truncated`].
    ///
    /// # Errors
    ///
    /// As [`sessions`](Self::sessions), for Brain, and [`is_rejected`](Error::is_rejected) also if
    /// one of the ids is not a UUID.
    pub async fn events(&self, agent_id: &str, session_id: &SessionId) -> Result<Events> {
        let (http, base) = &self.0.brain;
        // Brain compares ids as text, and writes them in lowercase.
        let id = session_id.as_str().to_ascii_lowercase();
        let mut url = endpoint(base, wire::path::LIST_EVENTS);
        url.query_pairs_mut().append_pair("session_id", &id).append_pair("limit", &read::PAGE_LIMIT.to_string());
        let request = http.get(url).header(wire::header::AGENT_ID, header(agent_id, "agent id")?);
        let listed: read::EventsListed = self.get(wire::BRAIN, request).await?;
        Ok(Events::new(session_id.clone(), listed.events))
    }

    /// Returns the events of a session in the order in which their calls started.
    ///
    /// Duplicate deliveries are left out.
    ///
    /// # Errors
    ///
    /// As [`events`](Self::events).
    pub async fn timeline(&self, agent_id: &str, session_id: &SessionId) -> Result<Timeline> {
        Ok(self.events(agent_id, session_id).await?.into())
    }

    async fn get<T: DeserializeOwned + Send + 'static>(
        &self,
        server: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<T> {
        let request = request
            .header(wire::header::USER_TOKEN, self.0.user_token.clone())
            .header(wire::header::PROJECT_ID, self.0.project_id.clone());
        let task = self
            .0
            .background
            .spawn(async move { send(server, request, MAX_RESPONSE_BYTES, RESPONSE_TIMEOUT).await?.decode(remedy) });
        let ended = |_| Err(Error::new(Kind::Thread("the background thread has ended; create another reader")));
        AbortOnDropHandle::new(task).await.unwrap_or_else(ended)
    }
}

/// The remedy for a rejection with this status.
fn remedy(status: u16) -> &'static str {
    match status {
        400 => "check the ids: each must be a UUID",
        401 => "check the user token: it is wrong or expired; log in again",
        403 => "check that both the user and the agent belong to the project",
        404 => "check the agent id and the project id",
        _ => "try again later, or check the server's log",
    }
}

fn header(value: &str, setting: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(value.trim())
        .map_err(|_| Error::config(setting, "it has characters that no HTTP header can carry", "copy it again"))
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("uasam", &self.0.uasam.1.as_str())
            .field("brain", &self.0.brain.1.as_str())
            .finish_non_exhaustive()
    }
}
