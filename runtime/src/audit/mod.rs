//! Reading back: the sessions of an agent, the events of a session, and their timeline, with a person's token.
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
pub use timeline::{Entry, Timeline};

use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::server::{AbortOnDropHandle, BackgroundRuntime, endpoint, plain_http, send};
use crate::token::SessionId;
use crate::wire::{self, read};

const UASAM: &str = "UASAM";
const BRAIN: &str = "Brain";
/// How long an answer may take; UASAM lists all sessions at once.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest answer that is read, in bytes.
const MOST: usize = 64 * 1024 * 1024;

/// Reads sessions and events back. Its requests are no events, and run on a thread of its own, so that any runtime will do.
#[derive(Clone)]
pub struct Reader(Arc<Inner>);

struct Inner {
    uasam: (reqwest::Client, Url),
    brain: (reqwest::Client, Url),
    user_token: HeaderValue,
    project_id: HeaderValue,
    link: BackgroundRuntime,
}

impl Reader {
    /// A reader for the servers, the project and the person of a configuration.
    ///
    /// # Errors
    ///
    /// [`is_disabled`](Error::is_disabled): OTAS is switched off. [`is_config`](Error::is_config): there is no user token (`OTAS_USER_TOKEN`) or no project id (`OTAS_PROJECT_ID`), or the HTTP client
    /// cannot be built. Otherwise the thread cannot be started.
    pub fn new(config: &Config) -> Result<Self> {
        let settings = &config.0;
        if settings.disabled {
            return Err(Error::new(Kind::Disabled));
        }
        let user_token = settings.user_token.clone().ok_or_else(|| {
            Error::config("no user token is set, which reading back needs; set OTAS_USER_TOKEN (or the builder's field `user_token`)")
        })?;
        let project_id = settings.project_id.as_deref().ok_or_else(|| {
            Error::config("no project id is set, which reading back needs; set OTAS_PROJECT_ID (or the builder's field `project_id`)")
        })?;
        let server = |url: &Url| Ok::<_, Error>((plain_http(url, settings.connect_timeout)?, url.clone()));
        Ok(Self(Arc::new(Inner {
            uasam: server(&settings.uasam)?,
            brain: server(&settings.brain)?,
            user_token,
            project_id: header(project_id, "project id")?,
            link: BackgroundRuntime::start("otas-audit")?,
        })))
    }

    /// All sessions of an agent, the newest first.
    ///
    /// # Errors
    ///
    /// * [`is_rejected`](Error::is_rejected): the user token is wrong or has expired, the person does not belong to the project, or the agent
    ///   does not.
    /// * [`is_unreachable`](Error::is_unreachable), [`is_timeout`](Error::is_timeout): UASAM is not there, or took over 30 seconds.
    /// * [`is_unexpected_response`](Error::is_unexpected_response): the answer is no list of sessions, or has over 64 MiB.
    pub async fn sessions(&self, agent_id: &str) -> Result<Vec<SessionRecord>> {
        let (http, base) = &self.0.uasam;
        let mut url = endpoint(base, wire::path::LIST_SESSIONS);
        url.query_pairs_mut().append_pair("agent_id", agent_id);
        let listed: read::SessionsListed = self.get(UASAM, self.signed(http.get(url))).await?;
        let record = |session| SessionRecord::new(agent_id, session);
        Ok(listed.response.sessions.into_iter().map(record).collect())
    }

    /// The events of a session in the order in which they arrived. Brain shows the earliest 500 and no others;
    /// [`Events::is_truncated`] tells whether that was reached.
    ///
    /// # Errors
    ///
    /// As [`sessions`](Self::sessions), and [`is_rejected`](Error::is_rejected) for an agent or a session id that is none.
    pub async fn events(&self, agent_id: &str, session_id: &SessionId) -> Result<Events> {
        let (http, base) = &self.0.brain;
        // Brain knows no other spelling.
        let id = session_id.as_str().to_ascii_lowercase();
        let mut url = endpoint(base, wire::path::LIST_EVENTS);
        url.query_pairs_mut().append_pair("session_id", &id).append_pair("limit", &read::SHOWN.to_string());
        let request = self.signed(http.get(url)).header(wire::header::AGENT_ID, header(agent_id, "agent id")?);
        let listed: read::EventsListed = self.get(BRAIN, request).await?;
        Ok(Events::new(session_id.clone(), listed.events))
    }

    /// The events of a session in the order in which their calls started, repeated deliveries left out.
    ///
    /// # Errors
    ///
    /// As [`events`](Self::events).
    pub async fn timeline(&self, agent_id: &str, session_id: &SessionId) -> Result<Timeline> {
        Ok(self.events(agent_id, session_id).await?.into())
    }

    fn signed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request
            .header(wire::header::USER_TOKEN, self.0.user_token.clone())
            .header(wire::header::PROJECT_ID, self.0.project_id.clone())
    }

    async fn get<T: DeserializeOwned + Send + 'static>(
        &self,
        server: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<T> {
        let task = self.0.link.spawn(async move { send(server, request, MOST, ANSWER).await?.decode(remedy) });
        let ended = |_| Err(Error::new(Kind::Thread("the reader's thread has ended")));
        AbortOnDropHandle::new(task).await.unwrap_or_else(ended)
    }
}

/// What to do about a rejection.
fn remedy(status: u16) -> &'static str {
    match status {
        401 => "check the user token: it is wrong or has expired; log in again",
        403 => "check that the person belongs to the project, and the agent too",
        404 => "check the agent's id and the project's",
        400 => "check the ids: each is a UUID",
        _ => "try again later, or look into the server's log",
    }
}

fn header(value: &str, what: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(value.trim())
        .map_err(|_| Error::config(format!("the {what} holds characters that no HTTP header can carry; copy it again")))
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("uasam", &self.0.uasam.1.as_str())
            .field("brain", &self.0.brain.1.as_str())
            .field("project_id", &self.0.project_id)
            .finish_non_exhaustive()
    }
}
