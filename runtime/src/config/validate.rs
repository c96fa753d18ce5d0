//! The check of a configuration: all settings at once, each mistake naming its setting and what to do.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use url::Url;

use crate::config::ConfigBuilder;
use crate::config::Settings;
use crate::config::key::KeySource;
use crate::config::sources::Setting;
use crate::domain::ProjectDomain;
use crate::error::{Error, Kind, Result};

const UASAM_URL: &str = "http://localhost:8000";
const BRAIN_URL: &str = "http://localhost:8002";
/// An event holds no more of a body.
const BODY_LIMIT_MAX: usize = 100 * 1024;

impl ConfigBuilder {
    /// Everything, or the first mistake. With OTAS switched off nothing is one.
    pub(super) fn check(self, disabled: bool) -> Result<Settings> {
        // Switched off: whatever else is wrong must not stand in the way.
        let lenient = |error: Error| if disabled { Ok(()) } else { Err(error) };
        let key = if disabled { None } else { Some(self.key()?) };
        self.durations().or_else(lenient)?;
        let domain = match &self.domain {
            None => ProjectDomain::default(),
            Some(given) => given.value.parse().map_err(|cause| given.because(cause)).or_else(|error| {
                lenient(error)?;
                Ok(ProjectDomain::default())
            })?,
        };
        Ok(Settings {
            key,
            disabled,
            domain,
            project_id: optional(&self.project_id, disabled)?.and_then(|id| Some(id.to_str().ok()?.to_owned())),
            uasam: base_url(&self.uasam, UASAM_URL, disabled)?,
            brain: base_url(&self.brain, BRAIN_URL, disabled)?,
            user_token: optional(&self.user_token, disabled)?,
            sensitive_headers: header_names(&self.sensitive).or_else(|error| lenient(error).map(|()| Vec::new()))?,
            connect_timeout: self.connect_timeout,
            open_timeout: self.open_timeout,
            renew_before: self.renew_before,
            http_client: Some(self.http),
            default_headers: Default::default(),
            max_redirects: self.redirects,
            request_timeout: self.request_timeout,
            body_limit: self.body_limit,
            on_event: self.on_event,
            world: self.world,
        })
    }

    fn key(&self) -> Result<KeySource> {
        match self.keys.as_slice() {
            [(_, origin)] => KeySource::open(origin.clone()),
            [] => Err(Error::config(
                "no agent key is set; set OTAS_AGENT_KEY or OTAS_AGENT_KEY_FILE (or the builder's field `agent_key`), or switch OTAS off \
                 with OTAS_DISABLED=true",
            )),
            [(first, _), (second, _), ..] if first == second => {
                Err(Error::config(format!("{first} is set twice; set it once")))
            }
            [(first, _), (second, _), ..] => Err(Error::config(format!(
                "both {first} and {second} are set, and only one can hold the agent key; unset one"
            ))),
        }
    }

    fn durations(&self) -> Result<()> {
        for (value, field) in [
            (Some(self.connect_timeout), "connect_timeout"),
            (Some(self.open_timeout), "open_timeout"),
            (self.request_timeout, "request_timeout"),
        ] {
            if value == Some(Duration::ZERO) {
                return Err(Error::config(format!(
                    "the field `{field}` is zero, so that nothing could ever be in time; set it longer"
                )));
            }
        }
        if self.body_limit > BODY_LIMIT_MAX {
            return Err(Error::config(format!(
                "the field `body_limit` is {} bytes; an event holds at most {BODY_LIMIT_MAX} of a body",
                self.body_limit
            )));
        }
        Ok(())
    }
}

/// A text that travels in a header: checked, marked sensitive, never shown.
fn optional(given: &Option<Setting>, disabled: bool) -> Result<Option<HeaderValue>> {
    let Some(given) = given else { return Ok(None) };
    match HeaderValue::from_str(given.value.trim()) {
        Ok(mut value) if !value.is_empty() => {
            value.set_sensitive(true);
            Ok(Some(value))
        }
        _ if disabled => Ok(None),
        _ => Err(given.wrong("it is empty or holds characters that no HTTP header can carry; copy it again")),
    }
}

fn base_url(given: &Option<Setting>, unset: &str, disabled: bool) -> Result<Url> {
    let default = Setting::new(unset, "the default");
    let given = given.as_ref().unwrap_or(&default);
    match parse_base(given) {
        Err(_) if disabled => parse_base(&default),
        result => result,
    }
}

/// A base URL with a slash at the end of its path, so that paths can be appended.
fn parse_base(given: &Setting) -> Result<Url> {
    let text = given.value.trim();
    if !text.contains("://") {
        return Err(given.wrong("it is not a URL; write it with its scheme, as in `https://otas.example.com`"));
    }
    let mut url = Url::parse(text).map_err(|cause| {
        let what = format!("{}: it is not a URL; write it as in `https://otas.example.com`", given.origin);
        Error::with_source(Kind::Config(what), cause)
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(given.wrong("its scheme is neither `http` nor `https`"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(given.wrong("it has a user name, password, query or fragment; leave them out"));
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
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| given.wrong(&format!("`{}` is not a header's name", name.escape_default())))?;
            names.push(name.as_str().to_owned());
        }
    }
    Ok(names)
}
