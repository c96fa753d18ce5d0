//! Checks every setting of a configuration at once.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use url::Url;

use crate::config::builder::ConfigBuilder;
use crate::config::key::KeySource;
use crate::config::sources::{Env, Setting};
use crate::config::{Config, Settings};
use crate::domain::ProjectDomain;
use crate::error::{Error, Kind, Result};

const UASAM_URL: &str = "http://localhost:8000";
const BRAIN_URL: &str = "http://localhost:8002";
const MAX_BODY_LIMIT: usize = 100 * 1024;

impl ConfigBuilder {
    /// Checks every field and returns the configuration.
    ///
    /// # Errors
    ///
    /// [`is_config`](crate::Error::is_config), with a text that names the variable, field or line:
    ///
    /// * no agent key, two of them, or one that no server can accept,
    /// * an invalid domain, URL, header name or user token,
    /// * a timeout of zero, or a body limit over 102,400,
    /// * an unknown value of `OTAS_DISABLED`.
    ///
    /// Nothing else is checked if OTAS is disabled.
    pub fn build(mut self) -> Result<Config> {
        if let Some(pairs) = self.pairs.take() {
            self.variables = Env::from_pairs(pairs);
            self = self.variables()?;
        }
        let disabled = self.variables.disabled()?;
        let settings = self.check(disabled)?;
        Ok(Config(Arc::new(settings)))
    }

    /// Fails with the first mistake; if `disabled`, uses defaults in place of invalid values.
    fn check(self, disabled: bool) -> Result<Settings> {
        let key = if disabled { None } else { Some(self.key()?) };
        unless(disabled, self.numbers())?;
        Ok(Settings {
            key,
            disabled,
            domain: unless(disabled, self.domain())?,
            project_id: unless(disabled, header_value(self.project_id.as_ref()))?
                .and_then(|id| Some(id.to_str().ok()?.to_owned())),
            uasam: base_url(self.uasam, UASAM_URL, disabled)?,
            brain: base_url(self.brain, BRAIN_URL, disabled)?,
            user_token: unless(disabled, header_value(self.user_token.as_ref()))?,
            sensitive_headers: unless(disabled, header_names(&self.sensitive_headers))?,
            connect_timeout: self.connect_timeout,
            open_timeout: self.open_timeout,
            renew_before: self.renew_before,
            has_hidden_headers: self.http_client.is_some() && self.default_headers.is_none(),
            http_client: self.http_client,
            default_headers: self.default_headers.unwrap_or_default(),
            max_redirects: self.max_redirects,
            request_timeout: self.request_timeout,
            body_limit: self.body_limit,
            on_event: self.on_event,
            clock: self.clock,
        })
    }

    fn key(&self) -> Result<KeySource> {
        match self.keys.as_slice() {
            [origin] => KeySource::open(origin.clone()),
            [] => Err(Error::missing(
                "agent key",
                "set OTAS_AGENT_KEY or OTAS_AGENT_KEY_FILE (or call `ConfigBuilder::agent_key`), or disable OTAS with \
                 OTAS_DISABLED=true",
            )),
            [first, second, ..] => {
                let (first, second) = (first.setting(), second.setting());
                Err(if first == second {
                    Error::config(first, "it is set twice", "set it once")
                } else {
                    Error::config(
                        format_args!("{first} and {second}"),
                        "both are set, but only one can hold the agent key",
                        "unset one",
                    )
                })
            }
        }
    }

    fn domain(&self) -> Result<ProjectDomain> {
        let Some(given) = &self.domain else { return Ok(ProjectDomain::default()) };
        ProjectDomain::parse(&given.value, &given.origin)
    }

    fn numbers(&self) -> Result<()> {
        for (timeout, field) in [
            (Some(self.connect_timeout), "`connect_timeout`"),
            (Some(self.open_timeout), "`open_timeout`"),
            (self.request_timeout, "`request_timeout`"),
        ] {
            if timeout == Some(Duration::ZERO) {
                return Err(Error::config(field, "a timeout of zero always expires", "set a longer one"));
            }
        }
        if self.body_limit > MAX_BODY_LIMIT {
            let problem = format!("{} bytes are more than an event can hold", self.body_limit);
            return Err(Error::config("`body_limit`", problem, format_args!("set at most {MAX_BODY_LIMIT}")));
        }
        Ok(())
    }
}

/// Ignores a mistake if `disabled`, because it must not keep the program from starting.
fn unless<T: Default>(disabled: bool, checked: Result<T>) -> Result<T> {
    checked.or_else(|error| if disabled { Ok(T::default()) } else { Err(error) })
}

/// Checks a value that is sent as a header, and marks it sensitive. No message shows it.
fn header_value(given: Option<&Setting>) -> Result<Option<HeaderValue>> {
    let Some(given) = given else { return Ok(None) };
    match HeaderValue::from_str(given.value.trim()) {
        Ok(mut value) if !value.is_empty() => {
            value.set_sensitive(true);
            Ok(Some(value))
        }
        _ => Err(given.error("it is empty or has characters that no HTTP header can carry", "copy it again")),
    }
}

fn base_url(given: Option<Setting>, default: &str, disabled: bool) -> Result<Url> {
    let default = Setting::new(default, "the default");
    match given.as_ref().map(parse_base_url) {
        Some(Err(error)) if !disabled => Err(error),
        Some(Ok(url)) => Ok(url),
        _ => parse_base_url(&default),
    }
}

/// Ends the path with a slash, so that paths can be appended.
fn parse_base_url(given: &Setting) -> Result<Url> {
    let wrong = |problem: &str| Kind::config(&given.origin, problem, "write it like `https://otas.example.com`");
    let text = given.value.trim();
    if !text.contains("://") {
        return Err(Error::new(wrong("it is not a URL with a scheme")));
    }
    let mut url = Url::parse(text).map_err(|cause| Error::with_source(wrong("it is not a URL"), cause))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::new(wrong("the scheme is neither `http` nor `https`")));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(given.error("it has a user name, password, query or fragment", "remove it"));
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

fn header_names(given: &[Setting]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for given in given {
        for name in given.value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| {
                let problem = format!("`{}` is not a header name", name.escape_default());
                given.error(problem, "separate the names by commas")
            })?;
            names.push(name.as_str().to_owned());
        }
    }
    Ok(names)
}
