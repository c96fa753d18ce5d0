//! The configuration of a client, checked as a whole before the first request.

mod builder;
mod key;
mod sources;
mod validate;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use url::Url;

use crate::clock::Clock;
use crate::domain::ProjectDomain;
use crate::error::Result;

pub use builder::ConfigBuilder;
pub(crate) use builder::MAX_REDIRECTS;
pub(crate) use key::KeySource;
use sources::{Env, Manifest};

/// The checked settings of a [`Client`](crate::Client).
///
/// Cheap to clone, and `Debug` shows no secret.
///
/// | variable | field | meaning | default |
/// | --- | --- | --- | --- |
/// | `OTAS_AGENT_KEY` | [`agent_key`](ConfigBuilder::agent_key) | the agent key | required, unless the next is set |
/// | `OTAS_AGENT_KEY_FILE` | [`agent_key_file`](ConfigBuilder::agent_key_file) | a file that holds the agent key; re-read before each session and when the key is rejected | none |
/// | `OTAS_PROJECT_DOMAIN` | [`project_domain`](ConfigBuilder::project_domain) | comma-separated base URLs that get the token ([`ProjectDomain`]) | empty, with a warning |
/// | `OTAS_PROJECT_ID` | [`project_id`](ConfigBuilder::project_id) | the project's id; required for reading back | derived from the agent key |
/// | `OTAS_UASAM_URL` | [`uasam_url`](ConfigBuilder::uasam_url) | where sessions are opened | `http://localhost:8000` |
/// | `OTAS_BRAIN_URL` | [`brain_url`](ConfigBuilder::brain_url) | where calls are logged | `http://localhost:8002` |
/// | `OTAS_DISABLED` | (always read) | `true`, `1`, `yes` or `on`: no session, no request, no thread | enabled |
/// | `OTAS_SENSITIVE_HEADERS` | [`sensitive_headers`](ConfigBuilder::sensitive_headers) | comma-separated names of more headers to mask in events | the built-in list |
/// | `OTAS_USER_TOKEN` | [`user_token`](ConfigBuilder::user_token) | the user token; required for reading back | none |
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

pub(crate) struct Settings {
    /// `None` only if OTAS is disabled.
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
    pub(crate) default_headers: HeaderMap,
    /// `http_client` may set default headers of its own, which cannot be inspected.
    pub(crate) has_hidden_headers: bool,
    pub(crate) max_redirects: usize,
    pub(crate) request_timeout: Option<Duration>,
    pub(crate) body_limit: usize,
    pub(crate) on_event: Option<crate::event::Hook>,
    pub(crate) clock: Clock,
}

impl Config {
    /// Returns a builder with the defaults of all fields.
    ///
    /// The only variable it reads is `OTAS_DISABLED`, so that operators can always disable OTAS.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::new(Env::from_process())
    }

    /// Reads the variables in the table above from the environment.
    ///
    /// No `.env` file is loaded.
    ///
    /// # Errors
    ///
    /// [`is_config`](crate::Error::is_config): a variable is missing or invalid.
    pub fn from_env() -> Result<Self> {
        ConfigBuilder::new(Env::from_process()).variables()?.build()
    }

    /// Reads the given pairs as if they were the environment.
    ///
    /// For tests, and for settings that are kept elsewhere. If a name repeats, the last pair
    /// counts. The environment itself is not read. [`ConfigBuilder::vars`] combines pairs with
    /// other settings.
    ///
    /// ```
    /// let vars = [("OTAS_AGENT_KEY", "agent_a_b"), ("OTAS_PROJECT_DOMAIN", "api.example.com")];
    /// let error = otas::Config::from_vars(vars).unwrap_err();
    /// assert!(error.to_string().contains("OTAS_PROJECT_DOMAIN"));
    /// assert!(error.to_string().contains("https://api.example.com"));
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_vars<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self> {
        Self::builder().vars(pairs).build()
    }

    /// Reads `OtasAgentManifest.md`, the file that OTAS hands to operators.
    ///
    /// The project id, the agent key and the project domain come from the file, and every other
    /// setting from the environment.
    ///
    /// # Errors
    ///
    /// [`is_config`](crate::Error::is_config): the file cannot be read, one of its lines is
    /// missing, duplicated or invalid, or a variable is invalid.
    pub fn from_manifest(path: impl AsRef<Path>) -> Result<Self> {
        let variables = Env::from_process();
        let builder = ConfigBuilder::new(variables.clone()).variables()?;
        if variables.disabled()? {
            return builder.build(); // without the file, which may be missing
        }
        builder.manifest(Manifest::read(path.as_ref())?).build()
    }

    /// Returns the project domain.
    pub fn domain(&self) -> &ProjectDomain {
        &self.0.domain
    }

    /// Returns true if OTAS is disabled.
    pub fn is_disabled(&self) -> bool {
        self.0.disabled
    }

    /// Returns the base URL of UASAM, where sessions are opened.
    pub fn uasam_url(&self) -> &Url {
        &self.0.uasam
    }

    /// Returns the base URL of Brain, where calls are logged.
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
            // Anything but an id may be a misplaced secret.
            .field("project_id", &self.0.project_id.as_deref().filter(|id| uuid::Uuid::try_parse(id).is_ok()))
            .field("uasam_url", &format_args!("{}", self.0.uasam))
            .field("brain_url", &format_args!("{}", self.0.brain))
            .field("default_headers", &self.0.default_headers.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::{ACCEPT, AUTHORIZATION};

    use super::*;

    fn builder() -> ConfigBuilder {
        ConfigBuilder::new(Env::from_pairs(Vec::new())).agent_key("agent_a_b")
    }

    #[test]
    fn default_headers_are_merged_by_name() {
        let first = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/plain"))]);
        let second = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        let other = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("x"))]);

        let config = builder().default_headers(first).default_headers(second).default_headers(other).build().unwrap();

        let headers = &config.0.default_headers;
        assert_eq!((headers.len(), &headers[ACCEPT]), (2, &HeaderValue::from_static("application/json")));
    }

    #[test]
    fn given_pairs_replace_the_environment_and_yield_to_the_builder() {
        let environment = [("OTAS_DISABLED", "true"), ("OTAS_UASAM_URL", "http://environment.example")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let pairs = [
            ("OTAS_AGENT_KEY", "agent_a_b"),
            ("OTAS_BRAIN_URL", "http://pairs.example"),
            ("OTAS_PROJECT_DOMAIN", "https://pairs.example"),
            ("OTAS_SENSITIVE_HEADERS", "x-pairs"),
        ];

        let config = ConfigBuilder::new(Env::from_pairs(environment.to_vec()))
            .agent_key_provider(|| Ok("agent_c_d".to_owned()))
            .brain_url("http://builder.example")
            .sensitive_headers("x-builder")
            .vars(pairs)
            .vars([("OTAS_PROJECT_DOMAIN", "https://last.example")])
            .build()
            .unwrap();

        assert!(!config.is_disabled());
        assert_eq!(config.uasam_url().as_str(), "http://localhost:8000/");
        assert_eq!(config.brain_url().as_str(), "http://builder.example/");
        assert_eq!(config.domain().to_string(), "https://last.example");
        assert_eq!(config.0.sensitive_headers, ["x-builder", "x-pairs"]);
        assert!(builder().vars([("OTAS_DISABLED", "true")]).build().unwrap().is_disabled());
    }

    #[test]
    fn debug_shows_the_names_of_default_headers_only() {
        // Not marked sensitive, which is easily forgotten.
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("hunter2"))]);
        let builder = builder().default_headers(headers);
        let shown = format!("{builder:?} {:?}", builder.clone().build().unwrap());
        assert!(shown.contains("authorization") && !shown.contains("hunter2"), "{shown}");
    }
}
