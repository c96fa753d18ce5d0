//! The configuration: what a client is built from, checked as a whole before the first request.

mod builder;
mod key;
mod sources;
mod validate;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use url::Url;

use crate::domain::ProjectDomain;
use crate::error::Result;
use crate::world::World;

pub use builder::ConfigBuilder;
pub(crate) use builder::REDIRECTS as DEFAULT_MAX_REDIRECTS;
pub(crate) use key::KeySource;
use sources::{Env, Manifest};

/// Settings of a [`Client`](crate::Client), checked. Cheap to clone; `Debug` shows no secret.
///
/// | variable | field | meaning | unset |
/// | --- | --- | --- | --- |
/// | `OTAS_AGENT_KEY` | [`agent_key`](ConfigBuilder::agent_key) | the agent's key | needed, or the next one |
/// | `OTAS_AGENT_KEY_FILE` | [`agent_key_file`](ConfigBuilder::agent_key_file) | a file that holds the key; read anew before each session and when the key is refused | needed, or the one above |
/// | `OTAS_PROJECT_DOMAIN` | [`project_domain`](ConfigBuilder::project_domain) | base URLs that get the token, comma-separated ([`ProjectDomain`]) | no URL gets it; a warning |
/// | `OTAS_PROJECT_ID` | [`project_id`](ConfigBuilder::project_id) | the project, told to Brain and needed to read back | Brain takes it from the key |
/// | `OTAS_UASAM_URL` | [`uasam_url`](ConfigBuilder::uasam_url) | where sessions are opened | `http://localhost:8000` |
/// | `OTAS_BRAIN_URL` | [`brain_url`](ConfigBuilder::brain_url) | where calls are logged | `http://localhost:8002` |
/// | `OTAS_DISABLED` | (always read) | `true`, `1`, `yes`, `on`: no session, no request, no thread | on duty |
/// | `OTAS_SENSITIVE_HEADERS` | [`sensitive_headers`](ConfigBuilder::sensitive_headers) | more header names that no event may hold | the built-in list |
/// | `OTAS_USER_TOKEN` | [`user_token`](ConfigBuilder::user_token) | a person's token, for reading back | nothing can be read back |
///
/// ```
/// # fn main() -> otas::Result<()> {
/// let config = otas::Config::builder()
///     .agent_key("agent_abcdefghijk_0123456789012345678901234567890123456789abc")
///     .project_domain("https://api.example.com")
///     .uasam_url("https://otas.example.com")
///     .brain_url("https://brain.example.com")
///     .build()?;
/// # let _ = config; Ok(()) }
/// ```
#[derive(Clone)]
pub struct Config(pub(crate) Arc<Settings>);

/// The checked settings, as the rest of the crate reads them.
pub(crate) struct Settings {
    /// `None` only where OTAS is switched off.
    pub(crate) key: Option<KeySource>,
    pub(crate) disabled: bool,
    pub(crate) domain: ProjectDomain,
    pub(crate) project_id: Option<String>,
    pub(crate) uasam: Url,
    pub(crate) brain: Url,
    pub(crate) user_token: Option<HeaderValue>,
    pub(crate) sensitive_headers: Vec<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) open_timeout: Duration,
    pub(crate) renew_before: Duration,
    pub(crate) http_client: Option<Arc<dyn Fn() -> reqwest::ClientBuilder + Send + Sync>>,
    pub(crate) default_headers: http::HeaderMap,
    pub(crate) max_redirects: usize,
    pub(crate) request_timeout: Option<Duration>,
    pub(crate) body_limit: usize,
    pub(crate) on_event: Option<crate::event::Hook>,
    pub(crate) world: World,
}

impl Config {
    /// Starts from nothing but the defaults of each field. `OTAS_DISABLED` is read all the same: the operator's switch beats everything.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::new(Env::of_process())
    }

    /// Reads the environment: the variables of the table above. No `.env` file is loaded.
    ///
    /// # Errors
    ///
    /// [`is_config`](crate::Error::is_config): a variable that is missing or wrong; the text names it and says what to do.
    pub fn from_env() -> Result<Self> {
        ConfigBuilder::new(Env::of_process()).variables()?.build()
    }

    /// Reads the given pairs as if they were the environment; of a name that is given twice the last one counts. For programs that keep
    /// their settings elsewhere, and for tests.
    ///
    /// ```
    /// let error = otas::Config::from_vars([("OTAS_AGENT_KEY", "agent_a_b"), ("OTAS_PROJECT_DOMAIN", "api.example.com")]).unwrap_err();
    /// assert!(error.to_string().contains("OTAS_PROJECT_DOMAIN"));
    /// assert!(error.to_string().contains("https://api.example.com"));
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_vars<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self> {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        ConfigBuilder::new(Env::of_pairs(pairs)).variables()?.build()
    }

    /// Reads `OtasAgentManifest.md`, the file that OTAS hands to operators: project id, agent key and project domain come from it, every
    /// other setting from the environment.
    ///
    /// # Errors
    ///
    /// [`is_config`](crate::Error::is_config): the file cannot be read, a line is missing, doubled or wrong (the text names the line), or a
    /// variable is wrong.
    pub fn from_manifest(path: impl AsRef<Path>) -> Result<Self> {
        let variables = Env::of_process();
        let builder = ConfigBuilder::new(variables.clone()).variables()?;
        if variables.disabled()? {
            return builder.build(); // the file may well be missing where OTAS is switched off
        }
        builder.manifest(Manifest::read(path.as_ref())?).build()
    }

    /// The project's domain.
    pub fn domain(&self) -> &ProjectDomain {
        &self.0.domain
    }

    /// Whether OTAS is switched off.
    pub fn is_disabled(&self) -> bool {
        self.0.disabled
    }

    /// Where sessions are opened.
    pub fn uasam_url(&self) -> &Url {
        &self.0.uasam
    }

    /// Where calls are logged.
    pub fn brain_url(&self) -> &Url {
        &self.0.brain
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("agent_key", &self.0.key)
            .field("disabled", &self.0.disabled)
            .field("project_domain", &format_args!("{}", self.0.domain))
            // Whatever is no id may be a secret that was put in its place.
            .field("project_id", &self.0.project_id.as_deref().filter(|id| uuid::Uuid::try_parse(id).is_ok()))
            .field("uasam_url", &format_args!("{}", self.0.uasam))
            .field("brain_url", &format_args!("{}", self.0.brain))
            .finish_non_exhaustive()
    }
}
