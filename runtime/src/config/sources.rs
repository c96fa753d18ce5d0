//! Where settings are read from: the environment, and the manifest file that OTAS hands to operators.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};

/// A text and the setting that it comes from: a variable, a field, or a line of a file.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) value: String,
    pub(crate) origin: String,
}

impl Setting {
    pub(crate) fn new(value: &str, origin: &str) -> Self {
        Self { value: value.to_owned(), origin: origin.to_owned() }
    }

    pub(crate) fn field(value: impl Into<String>, field: &str) -> Option<Self> {
        Some(Self { value: value.into(), origin: format!("the field `{field}`") })
    }

    pub(crate) fn wrong(&self, what: &str) -> Error {
        Error::config(format!("{}: {what}", self.origin))
    }

    pub(crate) fn because(&self, cause: Error) -> Error {
        Error::config(format!("{}: {cause}", self.origin))
    }
}

/// Looks a variable up. The process environment has this one door, so that tests can put in their own.
#[derive(Clone)]
pub(crate) struct Env(Arc<LookUp>);

type LookUp = dyn Fn(&str) -> Option<OsString> + Send + Sync;

impl Env {
    pub(crate) fn of_process() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one door to the process environment")]
        Self(Arc::new(|name| std::env::var_os(name)))
    }

    pub(crate) fn of_pairs(pairs: Vec<(String, String)>) -> Self {
        Self(Arc::new(move |name| pairs.iter().rfind(|(key, _)| key == name).map(|(_, value)| value.into())))
    }

    /// The trimmed value; `None` where it is unset or empty, as many a container leaves it.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Setting>> {
        let Some(value) = (self.0)(name) else { return Ok(None) };
        let Ok(value) = value.into_string() else {
            return Err(Error::config(format!("{name} holds bytes that are not UTF-8; set it to plain text")));
        };
        let value = value.trim();
        Ok((!value.is_empty()).then(|| Setting::new(value, name)))
    }

    /// `OTAS_DISABLED`: whether the operator has switched OTAS off.
    pub(crate) fn disabled(&self) -> Result<bool> {
        let Some(given) = self.get("OTAS_DISABLED")? else {
            return Ok(false);
        };
        match given.value.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(Error::config(
                "OTAS_DISABLED is neither true, 1, yes, on nor false, 0, no, off; set it to one of them, or unset it",
            )),
        }
    }
}

/// The three values of a manifest, each with the line that it stands on.
#[derive(Default)]
pub(crate) struct Manifest {
    pub(crate) project_id: Option<Setting>,
    pub(crate) agent_key: Option<Setting>,
    pub(crate) project_domain: Option<Setting>,
}

impl Manifest {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|cause| {
            let what = format!("the manifest `{}` cannot be read; check the path and its rights", path.display());
            Error::with_source(Kind::Config(what), cause)
        })?;
        Self::parse(&text, &path.display().to_string())
    }

    fn parse(text: &str, path: &str) -> Result<Self> {
        let mut manifest = Self::default();
        for (index, line) in text.lines().enumerate() {
            let origin = format!("`{path}`, line {}", index + 1);
            let Some((label, rest)) = labelled(line) else { continue };
            let slot = match label {
                "Project ID" => &mut manifest.project_id,
                "Agent Key" => &mut manifest.agent_key,
                "Project Domain" => &mut manifest.project_domain,
                _ => continue,
            };
            if let Some(first) = slot {
                return Err(Error::config(format!(
                    "{origin}: `{label}` stands a second time, after {}; keep one",
                    first.origin
                )));
            }
            let Some((value, _)) = rest.split_once('`').and_then(|(_, rest)| rest.split_once('`')) else {
                return Err(Error::config(format!(
                    "{origin}: `{label}` has no value between backticks; copy the line from OTAS again"
                )));
            };
            *slot = Some(Setting::new(value.trim(), &origin));
        }
        for (slot, label) in [
            (&manifest.project_id, "Project ID"),
            (&manifest.agent_key, "Agent Key"),
            (&manifest.project_domain, "Project Domain"),
        ] {
            if slot.is_none() {
                return Err(Error::config(format!(
                    "`{path}` has no line `- **{label}:** ...`; copy the manifest from OTAS again"
                )));
            }
        }
        Ok(manifest)
    }
}

/// `- **Label:** rest`, however it is indented.
fn labelled(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start_matches(['\u{feff}', ' ', '\t', '-', '*', '+']);
    let (label, rest) = line.split_once(":**")?;
    Some((label.trim(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\u{feff}# Agent\r\n\r\n- **Project ID:** `11111111-2222-3333-4444-555555555555`\r\n- **Agent Key:** `agent_abcdefghijk_x`\r\n\
                        - **Project Domain:** `https://api.example.com` _(no slash at the end)_\r\n";

    #[test]
    fn the_manifest_gives_its_three_values_with_their_lines() {
        let manifest = Manifest::parse(GOOD, "M.md").unwrap();
        assert_eq!(manifest.project_id.unwrap().value, "11111111-2222-3333-4444-555555555555");
        let key = manifest.agent_key.unwrap();
        assert_eq!((key.value.as_str(), key.origin.as_str()), ("agent_abcdefghijk_x", "`M.md`, line 4"));
        assert_eq!(manifest.project_domain.unwrap().value, "https://api.example.com");
    }

    #[test]
    fn a_mistake_in_the_manifest_names_its_line_and_not_the_key() {
        let refusal = |text: &str| Manifest::parse(text, "M.md").err().unwrap().to_string();
        assert!(refusal(&GOOD.replace("Agent Key", "Agent Kay")).contains("has no line `- **Agent Key:** ...`"));
        let message = refusal(&GOOD.replace("`agent_abcdefghijk_x`", "agent_abcdefghijk_x"));
        assert!(message.contains("line 4") && !message.contains("abcdefghijk"), "{message}");
        assert!(refusal(&format!("{GOOD}{GOOD}")).contains("second time"));
    }

    #[test]
    fn the_switch_takes_eight_words_in_any_case_and_nothing_else() {
        let disabled = |value: &str| Env::of_pairs(vec![("OTAS_DISABLED".into(), value.into())]).disabled();
        for word in ["true", "1", "YES", "On"] {
            assert!(disabled(word).unwrap());
        }
        for word in ["false", "0", "No", "OFF", "", "  "] {
            assert!(!disabled(word).unwrap());
        }
        assert!(disabled("maybe").unwrap_err().to_string().contains("OTAS_DISABLED"));
    }
}
