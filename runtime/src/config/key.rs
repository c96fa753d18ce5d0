//! The agent key: its form, its origin, and how it is re-read.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use http::HeaderValue;

use crate::config::sources::Setting;
use crate::error::{Error, Kind, Result};
use crate::sync::lock;
use crate::warn::{self, OnceFlag};

const PREFIX: &str = "agent_";
/// `agent_`, a name of 11 characters, an underscore, and a secret of 43 characters.
const USUAL_LENGTH: usize = 61;
const NAME: std::ops::Range<usize> = 6..17;

const PROVIDER: &str = "`agent_key_provider`";

type Provider = dyn Fn() -> Result<String, Box<dyn std::error::Error + Send + Sync>> + Send + Sync;

/// The agent key in use; clones share it.
#[derive(Clone)]
pub(crate) struct KeySource(Arc<Inner>);

struct Inner {
    origin: KeyOrigin,
    current: Mutex<HeaderValue>,
    /// Reset when the key has been read.
    warned_unreadable: OnceFlag,
    /// Reset when a server has accepted the key.
    warned_rejected: OnceFlag,
}

#[derive(Clone)]
pub(crate) enum KeyOrigin {
    Fixed(Setting),
    File { path: PathBuf, setting: String },
    Provider(Arc<Provider>),
}

impl KeyOrigin {
    /// The setting that the key comes from, for messages.
    pub(crate) fn setting(&self) -> &str {
        match self {
            Self::Fixed(given) => &given.origin,
            Self::File { setting, .. } => setting,
            Self::Provider(_) => PROVIDER,
        }
    }

    fn read(&self) -> Result<HeaderValue> {
        match self {
            Self::Fixed(given) => parse(&given.value, &given.origin),
            Self::File { path, setting } => read_file(path, setting),
            Self::Provider(provide) => {
                let failed = || Kind::config(PROVIDER, "it returned an error", "make it return the agent key");
                parse(&provide().map_err(|cause| Error::with_source(failed(), cause))?, PROVIDER)
            }
        }
    }
}

impl KeySource {
    /// Reads and checks the key.
    pub(crate) fn open(origin: KeyOrigin) -> Result<Self> {
        let current = Mutex::new(origin.read()?);
        let (warned_unreadable, warned_rejected) = (OnceFlag::new(), OnceFlag::new());
        Ok(Self(Arc::new(Inner { origin, current, warned_unreadable, warned_rejected })))
    }

    /// The key that was read last, marked sensitive.
    pub(crate) fn current(&self) -> HeaderValue {
        lock(&self.0.current).clone()
    }

    /// Re-reads the key and returns whether it has changed. May block.
    ///
    /// On failure, the last key stays in use.
    pub(crate) fn reread(&self) -> bool {
        if !self.can_change() {
            return false;
        }
        match self.0.origin.read() {
            Ok(key) => {
                let mut current = lock(&self.0.current);
                let changed = *current != key;
                *current = key;
                drop(current);
                self.0.warned_unreadable.reset();
                if changed {
                    tracing::info!(target: "otas", "the agent key was replaced; the new one is in use");
                }
                changed
            }
            Err(error) => {
                let text = format!("the agent key cannot be re-read, so the last one stays in use: {error:#}");
                warn::once(&self.0.warned_unreadable, &text);
                false
            }
        }
    }

    /// Records that a server accepted the key.
    pub(crate) fn accepted(&self) {
        self.0.warned_rejected.reset();
    }

    /// Records that a server rejected the key and there is no other.
    ///
    /// Warns once, until a key is accepted.
    pub(crate) fn rejected(&self, error: &Error) {
        let remedy = match &self.0.origin {
            KeyOrigin::Fixed(given) => format!(
                "set {} to a new key and restart the program (a key in OTAS_AGENT_KEY_FILE can be replaced without a \
                 restart)",
                given.origin
            ),
            KeyOrigin::File { path, .. } => {
                format!("put a new key into `{}`; it is picked up without a restart", path.display())
            }
            KeyOrigin::Provider(_) => {
                format!("make {PROVIDER} return a new key; it is called again without a restart")
            }
        };
        let text = format!("calls run without a session until there is a new agent key: {error}; {remedy}");
        warn::once(&self.0.warned_rejected, &text);
    }

    /// Whether the key is in a file, which is cheap enough to read before each session.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.0.origin, KeyOrigin::File { .. })
    }

    /// Whether the key can change while the program runs.
    pub(crate) fn can_change(&self) -> bool {
        !matches!(self.0.origin, KeyOrigin::Fixed(_))
    }
}

fn read_file(path: &Path, setting: &str) -> Result<HeaderValue> {
    let setting = format!("{setting} (`{}`)", path.display());
    let text = std::fs::read_to_string(path).map_err(|cause| {
        let kind = Kind::config(&setting, "the file cannot be read", "check the path and its permissions");
        Error::with_source(kind, cause)
    })?;
    parse(&text, &setting)
}

/// Checks the key without a request. No message shows it.
fn parse(text: &str, setting: &str) -> Result<HeaderValue> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::config(
            setting,
            "the agent key is empty",
            "use the key that OTAS showed when the agent was created",
        ));
    }
    if !text.starts_with(PREFIX) {
        return Err(Error::config(
            setting,
            format_args!("the agent key does not begin with `{PREFIX}`"),
            "check that it is not some other token",
        ));
    }
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let Some(mut value) = HeaderValue::from_str(text).ok().filter(|_| is_plain) else {
        return Err(Error::config(
            setting,
            "the agent key has characters that no HTTP header can carry",
            "copy it again, without quotes or spaces",
        ));
    };
    if text.len() == USUAL_LENGTH && text[NAME].contains('_') {
        return Err(Error::config(
            setting,
            "this agent key can never work, because OTAS rejects every key with an underscore among characters 7 to 17",
            "have the key issued again",
        ));
    }
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.origin {
            KeyOrigin::File { path, .. } => write!(f, "KeySource({})", path.display()),
            origin => write!(f, "KeySource({})", origin.setting()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(key: &str) -> Result<HeaderValue, String> {
        parse(key, "OTAS_AGENT_KEY").map_err(|error| error.to_string())
    }

    fn key(name: &str) -> String {
        format!("agent_{name}_{}", "s".repeat(43))
    }

    #[test]
    fn a_key_of_the_usual_form_or_of_an_unknown_length_is_accepted() {
        assert_eq!(parsed(&key("abcdefghijk")).unwrap(), key("abcdefghijk").as_str());
        assert!(parsed("agent_a_b").is_ok());
        assert!(parsed(&format!("agent_a_b_{}", "s".repeat(90))).is_ok());
        assert!(parsed(&format!("  {}\n", key("abc-efghijk"))).is_ok());
    }

    #[test]
    fn a_key_that_can_never_work_is_rejected_before_any_request() {
        for name in ["abcde_ghijk", "_bcdefghijk", "abcdefghij_"] {
            let message = parsed(&key(name)).unwrap_err();
            assert!(message.contains("never work") && message.contains("issued again"), "{message}");
            assert!(!message.contains(name), "{message}");
        }
    }

    #[test]
    fn an_invalid_key_is_rejected_without_being_shown() {
        for (text, problem) in [
            ("", "is empty"),
            ("otas_abc_def", "does not begin"),
            ("agent_a b", "characters"),
            ("agent_ä", "characters"),
        ] {
            let message = parsed(text).unwrap_err();
            assert!(message.contains(problem) && message.starts_with("OTAS_AGENT_KEY: "), "{message}");
            assert!(text.is_empty() || !message.contains(text), "{message}");
        }
    }
}
