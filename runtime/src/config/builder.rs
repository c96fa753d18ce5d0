//! The builder of a configuration: its fields, each with what happens where it is not set.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::config::key::KeyOrigin;
use crate::config::sources::{Env, Manifest, Setting};
use crate::error::Result;
use crate::event::{Event, Hook};
use crate::world::World;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
const RENEW_BEFORE: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const REDIRECTS: usize = 10;
const BODY_LIMIT: usize = 16 * 1024;

/// Builds a [`Config`]; every field says what happens when it is not set.
#[derive(Clone)]
pub struct ConfigBuilder {
    pub(super) variables: Env,
    pub(super) keys: Vec<(String, KeyOrigin)>,
    pub(super) domain: Option<Setting>,
    pub(super) project_id: Option<Setting>,
    pub(super) uasam: Option<Setting>,
    pub(super) brain: Option<Setting>,
    pub(super) user_token: Option<Setting>,
    pub(super) sensitive: Vec<Setting>,
    pub(super) connect_timeout: Duration,
    pub(super) open_timeout: Duration,
    pub(super) renew_before: Duration,
    pub(super) http: Arc<dyn Fn() -> reqwest::ClientBuilder + Send + Sync>,
    pub(super) redirects: usize,
    pub(super) request_timeout: Option<Duration>,
    pub(super) body_limit: usize,
    pub(super) on_event: Option<Hook>,
    pub(super) world: World,
}

impl ConfigBuilder {
    pub(crate) fn new(variables: Env) -> Self {
        Self {
            variables,
            keys: Vec::new(),
            domain: None,
            project_id: None,
            uasam: None,
            brain: None,
            user_token: None,
            sensitive: Vec::new(),
            connect_timeout: CONNECT_TIMEOUT,
            open_timeout: OPEN_TIMEOUT,
            renew_before: RENEW_BEFORE,
            http: Arc::new(reqwest::Client::builder),
            redirects: REDIRECTS,
            request_timeout: None,
            body_limit: BODY_LIMIT,
            on_event: None,
            world: World::new(),
        }
    }

    /// Takes every variable that is set.
    pub(crate) fn variables(mut self) -> Result<Self> {
        let variables = self.variables.clone();
        if variables.disabled()? {
            return Ok(self); // nothing of them is used
        }
        if let Some(given) = variables.get("OTAS_AGENT_KEY")? {
            self.keys.push((given.origin.clone(), KeyOrigin::Fixed { text: given.value, setting: given.origin }));
        }
        if let Some(given) = variables.get("OTAS_AGENT_KEY_FILE")? {
            self.keys.push((given.origin, KeyOrigin::File(given.value.into())));
        }
        self.domain = variables.get("OTAS_PROJECT_DOMAIN")?;
        self.project_id = variables.get("OTAS_PROJECT_ID")?;
        self.uasam = variables.get("OTAS_UASAM_URL")?;
        self.brain = variables.get("OTAS_BRAIN_URL")?;
        self.user_token = variables.get("OTAS_USER_TOKEN")?;
        self.sensitive.extend(variables.get("OTAS_SENSITIVE_HEADERS")?);
        Ok(self)
    }

    /// Takes the manifest's values in place of the variables of the same meaning.
    pub(crate) fn manifest(mut self, manifest: Manifest) -> Self {
        self.keys = manifest
            .agent_key
            .map(|given| (given.origin.clone(), KeyOrigin::Fixed { text: given.value, setting: given.origin }))
            .into_iter()
            .collect();
        self.project_id = manifest.project_id.filter(|given| !given.value.is_empty());
        self.domain = manifest.project_domain;
        self
    }

    /// The agent's key. Exactly one of this, [`agent_key_file`](Self::agent_key_file) and [`agent_key_provider`](Self::agent_key_provider)
    /// is needed.
    pub fn agent_key(mut self, key: impl Into<String>) -> Self {
        let setting = "the field `agent_key`".to_owned();
        self.keys.push((setting.clone(), KeyOrigin::Fixed { text: key.into(), setting }));
        self
    }

    /// A file that holds the agent's key and nothing else. It is read when the configuration is built, before each session, and when the key
    /// is refused: sessions go on under the new key. While it cannot be read, or holds no key, the last one stays in use.
    pub fn agent_key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.keys.push(("the field `agent_key_file`".to_owned(), KeyOrigin::File(path.into())));
        self
    }

    /// A function that gives the agent's key: called when the configuration is built, and anew when the key is refused, on the library's
    /// own threads (it may block).
    pub fn agent_key_provider<F>(mut self, provider: F) -> Self
    where
        F: Fn() -> Result<String, Box<dyn std::error::Error + Send + Sync>> + Send + Sync + 'static,
    {
        self.keys.push(("the field `agent_key_provider`".to_owned(), KeyOrigin::Provider(Arc::new(provider))));
        self
    }

    /// The project's domain: base URLs, comma-separated; see [`ProjectDomain`](crate::ProjectDomain). Unset or empty: no URL gets the token, every call is one to the
    /// outside, and a warning says so.
    pub fn project_domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Setting::field(domain, "project_domain");
        self
    }

    /// The project's id. Unset: Brain takes the project from the agent key; reading back needs it.
    pub fn project_id(mut self, id: impl Into<String>) -> Self {
        self.project_id = Setting::field(id, "project_id");
        self
    }

    /// The base URL of UASAM, where sessions are opened. Unset: `http://localhost:8000`.
    pub fn uasam_url(mut self, url: impl Into<String>) -> Self {
        self.uasam = Setting::field(url, "uasam_url");
        self
    }

    /// The base URL of Brain, where calls are logged. Unset: `http://localhost:8002`.
    pub fn brain_url(mut self, url: impl Into<String>) -> Self {
        self.brain = Setting::field(url, "brain_url");
        self
    }

    /// A person's token, for reading sessions and events back. Unset: nothing can be read back.
    pub fn user_token(mut self, token: impl Into<String>) -> Self {
        self.user_token = Setting::field(token, "user_token");
        self
    }

    /// More header names, comma-separated, whose values no event may hold, beyond the built-in list. May be given several times.
    pub fn sensitive_headers(mut self, names: impl Into<String>) -> Self {
        self.sensitive.extend(Setting::field(names, "sensitive_headers"));
        self
    }

    /// How long a connection to UASAM or Brain may take to be made. Unset: 3 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long opening a session may take in all: waiting for a turn, connecting, the answer. Unset: 10 seconds.
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        self.open_timeout = timeout;
        self
    }

    /// How long before its token expires a session is renewed. Unset: 24 hours. A token that lives less than twice as long is renewed after
    /// half of its life.
    pub fn renew_before(mut self, before: Duration) -> Self {
        self.renew_before = before;
        self
    }

    /// How the client for your own requests is built. A function, because each tokio runtime gets a client of its own: a
    /// [`reqwest::Client`] hangs or fails when it outlives the runtime that opened its connections. A redirect policy that it sets is
    /// replaced: redirects are followed by this library, hop by hop ([`max_redirects`](Self::max_redirects)), because reqwest would
    /// carry the token to whatever host a redirect names. Unset: [`reqwest::Client::builder`].
    ///
    /// Hop by hop means: a timeout of the builder's counts for each hop anew ([`request_timeout`](Self::request_timeout) for all of them), and
    /// credentials among its default headers are sent empty, not left out, once a chain has changed the host.
    ///
    /// ```
    /// # let builder = otas::Config::builder();
    /// let builder = builder.http(|| otas::reqwest::Client::builder().user_agent("my-agent/1.0"));
    /// ```
    pub fn http<F>(mut self, builder: F) -> Self
    where
        F: Fn() -> reqwest::ClientBuilder + Send + Sync + 'static,
    {
        self.http = Arc::new(builder);
        self
    }

    /// How many redirects a request of yours may follow; one more is an error of kind [`is_redirect`](reqwest::Error::is_redirect). With 0
    /// the redirect itself is the answer. Unset: 10, as in reqwest.
    pub fn max_redirects(mut self, most: usize) -> Self {
        self.redirects = most;
        self
    }

    /// How long a request of yours may take in all, over every redirect and until its body has been read, where the request itself does not
    /// say. Unset: as long as it takes. (A timeout of the [`reqwest::ClientBuilder`] counts for each hop anew.)
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = Some(timeout);
        self
    }

    /// How many bytes of a text-like body an event keeps, of the request and of the answer each; 0 keeps none. Unset: 16,384. At most
    /// 102,400.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// A function that sees each event before it is sent, redacted already: it may edit it, or drop it by returning `None`. It runs on a
    /// thread of the library's: where it blocks, delivery waits, and nothing else; where it panics the event is dropped. Unset: events are sent as they are.
    pub fn on_event<F>(mut self, hook: F) -> Self
    where
        F: Fn(Event) -> Option<Event> + Send + Sync + 'static,
    {
        self.on_event = Some(Arc::new(hook));
        self
    }

    /// A clock and a process id that a test controls. Unset: the real ones.
    #[cfg(feature = "testing")]
    pub fn world(mut self, world: &World) -> Self {
        self.world = world.clone();
        self
    }

    /// Checks everything.
    ///
    /// # Errors
    ///
    /// [`is_config`](crate::Error::is_config), naming the variable, field or line and what to do: no agent key, two of them, one that no server
    /// can accept (each before any request), a domain or URL that is none, a token that no header can hold, a timeout of zero, a body limit
    /// over 102,400, `OTAS_DISABLED` with an unknown word. With OTAS switched off nothing else is checked.
    pub fn build(self) -> Result<Config> {
        let disabled = self.variables.disabled()?;
        let checked = self.check(disabled)?;
        Ok(Config(Arc::new(checked)))
    }
}

impl fmt::Debug for ConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing has been checked yet: any field may hold a secret by mistake.
        let origins: Vec<_> = self.keys.iter().map(|(origin, _)| origin).collect();
        f.debug_struct("ConfigBuilder").field("agent_key", &origins).finish_non_exhaustive()
    }
}
