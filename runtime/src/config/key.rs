//! The agent key: what it must look like, where it comes from, and how it is read anew.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use http::HeaderValue;

use crate::error::{Error, Kind, Result};
use crate::sync::lock;
use crate::warn::{self, OnceFlag};

const PREFIX: &str = "agent_";
/// `agent_`, 11 characters that name the key, an underscore, and 43 characters of secret.
const USUAL_LENGTH: usize = 61;
const NAME: std::ops::Range<usize> = 6..17;

type Provide = dyn Fn() -> Result<String, Box<dyn std::error::Error + Send + Sync>> + Send + Sync;

/// Where the key comes from; cloned handles share the key that was read last.
#[derive(Clone)]
pub(crate) struct KeySource(Arc<Inner>);

struct Inner {
    origin: KeyOrigin,
    current: Mutex<HeaderValue>,
    /// It was said that the source cannot be read; until it can.
    warned_unreadable: OnceFlag,
    /// It was said that the key is refused; until one works.
    warned_rejected: OnceFlag,
}

#[derive(Clone)]
pub(crate) enum KeyOrigin {
    /// A text, and the name of the setting that held it.
    Fixed {
        text: String,
        setting: String,
    },
    File(PathBuf),
    Provider(Arc<Provide>),
}

impl KeyOrigin {
    fn read(&self) -> Result<HeaderValue> {
        match self {
            Self::Fixed { text, setting } => check(text, setting),
            Self::File(path) => read_file(path),
            Self::Provider(provide) => {
                let setting = "the field `agent_key_provider`";
                let text = provide()
                    .map_err(|cause| Error::with_source(Kind::Config(format!("{setting} gave no agent key")), cause))?;
                check(&text, setting)
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

    /// Reads the key anew; whether it is another one now. A file or provider that fails leaves the key as it was. May block.
    pub(crate) fn reread(&self) -> bool {
        if matches!(self.0.origin, KeyOrigin::Fixed { .. }) {
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
                    tracing::info!(target: "otas", "the agent key was read anew: another one is in use");
                }
                changed
            }
            Err(error) => {
                let text =
                    format!("the agent key could not be read anew; the last one stays in use: {}", error.with_causes());
                warn::once(&self.0.warned_unreadable, &text);
                false
            }
        }
    }

    /// The key was taken.
    pub(crate) fn has_worked(&self) {
        self.0.warned_rejected.reset();
    }

    /// The key was refused, and there is no other: said once, until one works.
    pub(crate) fn was_refused(&self, error: &Error) {
        let remedy = match &self.0.origin {
            KeyOrigin::Fixed { setting, .. } => format!(
                "set {setting} to a new key and start the program again (a key in a file, OTAS_AGENT_KEY_FILE, can be exchanged while it \
                 runs)"
            ),
            KeyOrigin::File(path) => {
                format!("put a new key into `{}`: it is read anew, without a restart", path.display())
            }
            KeyOrigin::Provider(_) => {
                "let the field `agent_key_provider` give a new key: it is asked anew, without a restart".to_owned()
            }
        };
        warn::once(
            &self.0.warned_rejected,
            &format!(
                "no session is opened until there is another agent key: {error}; {remedy}. Calls go on without a session"
            ),
        );
    }

    /// Whether the key is in a file: reading that costs nothing to speak of.
    pub(crate) fn is_file(&self) -> bool {
        matches!(self.0.origin, KeyOrigin::File(_))
    }

    /// Whether the key can change while the program runs.
    pub(crate) fn can_change(&self) -> bool {
        !matches!(self.0.origin, KeyOrigin::Fixed { .. })
    }
}

fn read_file(path: &Path) -> Result<HeaderValue> {
    let setting = format!("the key file `{}`", path.display());
    let text = std::fs::read_to_string(path).map_err(|cause| {
        Error::with_source(Kind::Config(format!("{setting} cannot be read; check the path and its rights")), cause)
    })?;
    check(&text, &setting)
}

/// The key as a header value, or what is wrong with it. No message shows the key.
fn check(text: &str, setting: &str) -> Result<HeaderValue> {
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::config(format!(
            "{setting} holds no agent key; put in the key that OTAS showed when the agent was created"
        )));
    }
    if !text.starts_with(PREFIX) {
        return Err(Error::config(format!(
            "{setting} holds a text that is not an agent key: it does not begin with `{PREFIX}`; check that it is not another token"
        )));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::config(format!(
            "{setting} holds an agent key with characters that no HTTP header can carry; copy it again, without quotes or spaces"
        )));
    }
    if text.len() == USUAL_LENGTH && text[NAME].contains('_') {
        return Err(Error::config(format!(
            "{setting} holds an agent key that can never work: its name (characters 7 to 17) has an underscore, and the server refuses \
             every such key for ever; have the agent's key issued again"
        )));
    }
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Error::config(format!("{setting} holds an agent key that no HTTP header can carry; copy it again"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.origin {
            KeyOrigin::Fixed { setting, .. } => write!(f, "KeySource({setting})"),
            KeyOrigin::File(path) => write!(f, "KeySource({})", path.display()),
            KeyOrigin::Provider(_) => f.write_str("KeySource(provider)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(key: &str) -> Result<HeaderValue, String> {
        check(key, "OTAS_AGENT_KEY").map_err(|error| error.to_string())
    }

    fn key(name: &str) -> String {
        format!("agent_{name}_{}", "s".repeat(43))
    }

    #[test]
    fn a_key_of_the_usual_form_or_of_an_unknown_length_is_accepted() {
        assert_eq!(verdict(&key("abcdefghijk")).unwrap(), key("abcdefghijk").as_str());
        assert!(verdict("agent_a_b").is_ok());
        assert!(verdict(&format!("agent_a_b_{}", "s".repeat(90))).is_ok());
        assert!(verdict(&format!("  {}\n", key("abc-efghijk"))).is_ok());
    }

    #[test]
    fn a_key_that_can_never_work_is_told_before_any_request() {
        for name in ["abcde_ghijk", "_bcdefghijk", "abcdefghij_"] {
            let message = verdict(&key(name)).unwrap_err();
            assert!(message.contains("never work") && message.contains("issued again"), "{message}");
            assert!(!message.contains(name), "{message}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        for (text, word) in [
            ("", "holds no agent key"),
            ("otas_abc_def", "does not begin"),
            ("agent_a b", "characters"),
            ("agent_ä", "characters"),
        ] {
            let message = verdict(text).unwrap_err();
            assert!(message.contains(word) && message.starts_with("OTAS_AGENT_KEY"), "{message}");
            assert!(text.is_empty() || !message.contains(text), "{message}");
        }
    }
}
