//! The builder of a configuration: its fields, each with its default.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::clock::Clock;
use crate::config::key::KeyOrigin;
use crate::config::sources::{Env, Manifest, Setting};
use crate::error::Result;
use crate::event::{Event, Hook};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
const RENEW_BEFORE: Duration = Duration::from_secs(24 * 60 * 60);
pub(crate) const MAX_REDIRECTS: usize = 10;
const BODY_LIMIT: usize = 16 * 1024;

/// Builds a [`Config`](crate::Config); every field documents its default.
#[derive(Clone)]
pub struct ConfigBuilder {
    pub(super) variables: Env,
    pub(super) pairs: Option<Vec<(String, String)>>,
    pub(super) keys: Vec<KeyOrigin>,
    pub(super) domain: Option<Setting>,
    pub(super) project_id: Option<Setting>,
    pub(super) uasam: Option<Setting>,
    pub(super) brain: Option<Setting>,
    pub(super) user_token: Option<Setting>,
    pub(super) sensitive_headers: Vec<Setting>,
    pub(super) connect_timeout: Duration,
    pub(super) open_timeout: Duration,
    pub(super) renew_before: Duration,
    pub(super) http_client: Option<Arc<dyn Fn() -> reqwest::ClientBuilder + Send + Sync>>,
    pub(super) default_headers: Option<HeaderMap>,
    pub(super) max_redirects: usize,
    pub(super) request_timeout: Option<Duration>,
    pub(super) body_limit: usize,
    pub(super) on_event: Option<Hook>,
    pub(super) clock: Clock,
}

impl ConfigBuilder {
    pub(crate) fn new(variables: Env) -> Self {
        Self {
            variables,
            pairs: None,
            keys: Vec::new(),
            domain: None,
            project_id: None,
            uasam: None,
            brain: None,
            user_token: None,
            sensitive_headers: Vec::new(),
            connect_timeout: CONNECT_TIMEOUT,
            open_timeout: OPEN_TIMEOUT,
            renew_before: RENEW_BEFORE,
            http_client: None,
            default_headers: None,
            max_redirects: MAX_REDIRECTS,
            request_timeout: None,
            body_limit: BODY_LIMIT,
            on_event: None,
            clock: Clock::new(),
        }
    }

    /// Fills the fields that are not set yet. Reads nothing if OTAS is disabled, because the
    /// variables may then be invalid.
    pub(crate) fn variables(mut self) -> Result<Self> {
        let variables = self.variables.clone();
        if variables.disabled()? {
            return Ok(self);
        }
        if self.keys.is_empty() {
            self.keys.extend(variables.get("OTAS_AGENT_KEY")?.map(KeyOrigin::Fixed));
            if let Some(given) = variables.get("OTAS_AGENT_KEY_FILE")? {
                self.keys.push(KeyOrigin::File { path: given.value.into(), setting: given.origin });
            }
        }
        for (field, name) in [
            (&mut self.domain, "OTAS_PROJECT_DOMAIN"),
            (&mut self.project_id, "OTAS_PROJECT_ID"),
            (&mut self.uasam, "OTAS_UASAM_URL"),
            (&mut self.brain, "OTAS_BRAIN_URL"),
            (&mut self.user_token, "OTAS_USER_TOKEN"),
        ] {
            if field.is_none() {
                *field = variables.get(name)?;
            }
        }
        self.sensitive_headers.extend(variables.get("OTAS_SENSITIVE_HEADERS")?);
        Ok(self)
    }

    /// Sets the manifest's values, replacing those of the corresponding variables.
    pub(crate) fn manifest(mut self, manifest: Manifest) -> Self {
        self.keys = manifest.agent_key.map(KeyOrigin::Fixed).into_iter().collect();
        self.project_id = manifest.project_id.filter(|given| !given.value.is_empty());
        self.domain = manifest.project_domain;
        self
    }

    /// Reads the given pairs in place of the environment.
    ///
    /// The names are those of [`Config`](crate::Config). A field that is set on the builder takes
    /// precedence over its pair, in whichever order they are given, and [sensitive
    /// headers](Self::sensitive_headers) add up. If a name repeats, the last pair counts. The
    /// environment is not read at all: even `OTAS_DISABLED` comes only from the pairs.
    ///
    /// ```
    /// # fn main() -> otas::Result<()> {
    /// # let key = "agent_abcdefghijk_0123456789012345678901234567890123456789abc";
    /// let vars = [("OTAS_AGENT_KEY", key), ("OTAS_UASAM_URL", "https://otas.example.com")];
    /// let config = otas::Config::builder().vars(vars).uasam_url("http://localhost:9000").build()?;
    /// assert_eq!(config.uasam_url().as_str(), "http://localhost:9000/");
    /// # Ok(()) }
    /// ```
    pub fn vars<K: Into<String>, V: Into<String>>(mut self, pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.pairs.get_or_insert_default().extend(pairs);
        self
    }

    /// Sets the agent key.
    ///
    /// Exactly one of this, [`agent_key_file`](Self::agent_key_file) and
    /// [`agent_key_provider`](Self::agent_key_provider) is required.
    pub fn agent_key(mut self, key: impl Into<String>) -> Self {
        self.keys.push(KeyOrigin::Fixed(Setting::field(key, "agent_key")));
        self
    }

    /// Sets a file that holds the agent key and nothing else.
    ///
    /// It is read when the configuration is built, before each session, and when the key is
    /// rejected, so that a new key takes effect without a restart. While the file cannot be read or
    /// holds no key, the last key stays in use.
    pub fn agent_key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.keys.push(KeyOrigin::File { path: path.into(), setting: "`agent_key_file`".to_owned() });
        self
    }

    /// Sets a function that returns the agent key.
    ///
    /// It is called when the configuration is built, and again, on one of the library's own
    /// threads, when the key is rejected. It may block.
    pub fn agent_key_provider<F>(mut self, provider: F) -> Self
    where
        F: Fn() -> Result<String, Box<dyn std::error::Error + Send + Sync>> + Send + Sync + 'static,
    {
        self.keys.push(KeyOrigin::Provider(Arc::new(provider)));
        self
    }

    /// Sets the project domain: comma-separated base URLs, as in [`ProjectDomain`].
    ///
    /// Default: empty, with a warning. No request carries the token, and every request is logged.
    ///
    /// [`ProjectDomain`]: crate::ProjectDomain
    pub fn project_domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(Setting::field(domain, "project_domain"));
        self
    }

    /// Sets the project's id, which is required for reading back.
    ///
    /// Default: none. Brain derives the project from the agent key.
    pub fn project_id(mut self, id: impl Into<String>) -> Self {
        self.project_id = Some(Setting::field(id, "project_id"));
        self
    }

    /// Sets the base URL of UASAM, where sessions are opened.
    ///
    /// Default: `http://localhost:8000`.
    pub fn uasam_url(mut self, url: impl Into<String>) -> Self {
        self.uasam = Some(Setting::field(url, "uasam_url"));
        self
    }

    /// Sets the base URL of Brain, where calls are logged.
    ///
    /// Default: `http://localhost:8002`.
    pub fn brain_url(mut self, url: impl Into<String>) -> Self {
        self.brain = Some(Setting::field(url, "brain_url"));
        self
    }

    /// Sets the user token, with which sessions and events are read back.
    ///
    /// Default: none. Nothing can be read back.
    pub fn user_token(mut self, token: impl Into<String>) -> Self {
        self.user_token = Some(Setting::field(token, "user_token"));
        self
    }

    /// Adds headers whose values are masked in events, as comma-separated names.
    ///
    /// They extend the [built-in list](crate::event::redaction). Parameters and keys with these
    /// names are masked, too. May be called several times.
    pub fn sensitive_headers(mut self, names: impl Into<String>) -> Self {
        self.sensitive_headers.push(Setting::field(names, "sensitive_headers"));
        self
    }

    /// Sets the time limit for connecting to UASAM or Brain.
    ///
    /// Default: 3 seconds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the time limit for opening a session, up to the last byte of the response.
    ///
    /// It includes waiting for other sessions to open, and connecting. Default: 10 seconds.
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        self.open_timeout = timeout;
        self
    }

    /// Sets how long before its token expires a session is renewed.
    ///
    /// A token that is valid for less than twice as long is renewed halfway. Default: 24 hours.
    pub fn renew_before(mut self, before: Duration) -> Self {
        self.renew_before = before;
        self
    }

    /// Sets how the HTTP client for your requests is built.
    ///
    /// This is a function because each tokio runtime gets a client of its own: a
    /// [`reqwest::Client`] hangs or fails if it outlives the runtime that opened its connections.
    ///
    /// * A redirect policy set here is replaced. This library follows redirects itself, hop by hop
    ///   ([`max_redirects`](Self::max_redirects)), because reqwest would carry the token to
    ///   whatever host a redirect names.
    /// * A timeout set here therefore applies to each hop; use
    ///   [`request_timeout`](Self::request_timeout) to limit the whole chain.
    /// * Default headers set here cannot be seen by this library. Set them with
    ///   [`default_headers`](Self::default_headers) instead: they are then part of the log, and
    ///   credentials among them are removed when a redirect leads to another host. Never set a
    ///   header of OTAS here: it would be sent to every host.
    /// * Because this function may set credentials, a redirect to another host is sent with empty
    ///   `Authorization`, `Cookie` and similar headers, which replace them. If it sets none, say so
    ///   by calling `default_headers`, if only with an empty map; the headers are then left out.
    ///
    /// Default: [`reqwest::Client::builder`].
    ///
    /// ```
    /// # let builder = otas::Config::builder();
    /// let builder = builder.http_client(|| otas::reqwest::Client::builder().user_agent("my-agent/1.0"));
    /// ```
    pub fn http_client<F>(mut self, builder: F) -> Self
    where
        F: Fn() -> reqwest::ClientBuilder + Send + Sync + 'static,
    {
        self.http_client = Some(Arc::new(builder));
        self
    }

    /// Adds headers that are sent with each of your requests.
    ///
    /// A header that is set on the request takes precedence. Credentials among them are left out
    /// when a redirect leads to another host. Adding a name again replaces its values.
    ///
    /// Default: none.
    ///
    /// ```
    /// use otas::reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
    ///
    /// # let builder = otas::Config::builder();
    /// let mut token = HeaderValue::from_static("Bearer 0123456789");
    /// token.set_sensitive(true);
    /// let builder = builder.default_headers(HeaderMap::from_iter([(AUTHORIZATION, token)]));
    /// ```
    pub fn default_headers(mut self, headers: HeaderMap) -> Self {
        self.default_headers.get_or_insert_default().extend(headers);
        self
    }

    /// Sets how many redirects each of your requests may follow.
    ///
    /// One more is an error ([`is_redirect`](reqwest::Error::is_redirect)). With 0, the redirect
    /// itself is the response. Default: 10, as in reqwest.
    pub fn max_redirects(mut self, max: usize) -> Self {
        self.max_redirects = max;
        self
    }

    /// Sets the time limit for each of your requests.
    ///
    /// It includes redirects and the response body. A timeout that is set on the request takes
    /// precedence. Default: none.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = Some(timeout);
        self
    }

    /// Sets how many bytes of each textual body an event keeps, at most 102,400.
    ///
    /// It applies to the request and the response separately; 0 keeps no bodies. Default: 16,384.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets a function that sees each event, already redacted, before it is sent.
    ///
    /// It may edit the event, or drop it by returning `None`. It runs on one of the library's own
    /// threads: if it blocks, only delivery waits; if it panics, the event is dropped.
    ///
    /// Default: none; events are sent unchanged.
    pub fn on_event<F>(mut self, hook: F) -> Self
    where
        F: Fn(Event) -> Option<Event> + Send + Sync + 'static,
    {
        self.on_event = Some(Arc::new(hook));
        self
    }

    /// Sets the clock and process id, for tests. Default: the real ones.
    #[cfg(feature = "test-util")]
    pub fn clock(mut self, clock: &Clock) -> Self {
        self.clock = clock.clone();
        self
    }
}

impl fmt::Debug for ConfigBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing has been checked yet, so any value may be a misplaced secret.
        let keys: Vec<_> = self.keys.iter().map(KeyOrigin::setting).collect();
        f.debug_struct("ConfigBuilder").field("agent_key", &keys).finish_non_exhaustive()
    }
}
