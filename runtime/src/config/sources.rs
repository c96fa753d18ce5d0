//! Reads settings from the environment, and from the manifest of an agent.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};

/// An unchecked value and its origin: a variable, a field, or a line of a file.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) value: String,
    pub(crate) origin: String,
}

impl Setting {
    pub(crate) fn new(value: impl Into<String>, origin: impl Into<String>) -> Self {
        Self { value: value.into(), origin: origin.into() }
    }

    pub(crate) fn field(value: impl Into<String>, field: &str) -> Self {
        Self::new(value, format!("`{field}`"))
    }

    pub(crate) fn error(&self, problem: impl fmt::Display, remedy: impl fmt::Display) -> Error {
        Error::config(&self.origin, problem, remedy)
    }
}

/// Looks up variables. This is the only access to the environment, so that tests can replace it.
#[derive(Clone)]
pub(crate) struct Env(Arc<LookUp>);

type LookUp = dyn Fn(&str) -> Option<OsString> + Send + Sync;

impl Env {
    pub(crate) fn from_process() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the only access to the process environment")]
        Self(Arc::new(|name| std::env::var_os(name)))
    }

    pub(crate) fn from_pairs(pairs: Vec<(String, String)>) -> Self {
        Self(Arc::new(move |name| pairs.iter().rfind(|(key, _)| key == name).map(|(_, value)| value.into())))
    }

    /// Returns the trimmed value; `None` if it is unset or empty.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Setting>> {
        let Some(value) = (self.0)(name) else { return Ok(None) };
        let Ok(value) = value.into_string() else {
            return Err(Error::config(name, "the value is not UTF-8", "set it to plain text"));
        };
        let value = value.trim();
        Ok((!value.is_empty()).then(|| Setting::new(value, name)))
    }

    /// Reads `OTAS_DISABLED`.
    pub(crate) fn disabled(&self) -> Result<bool> {
        let Some(given) = self.get("OTAS_DISABLED")? else {
            return Ok(false);
        };
        match given.value.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(given
                .error("the value is neither true, 1, yes, on nor false, 0, no, off", "use one of these, or unset it")),
        }
    }
}

/// The three values of a manifest.
#[derive(Default)]
pub(crate) struct Manifest {
    pub(crate) project_id: Option<Setting>,
    pub(crate) agent_key: Option<Setting>,
    pub(crate) project_domain: Option<Setting>,
}

impl Manifest {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let shown = format!("`{}`", path.display());
        let text = std::fs::read_to_string(path).map_err(|cause| {
            let kind = Kind::config(&shown, "the manifest cannot be read", "check the path and its permissions");
            Error::with_source(kind, cause)
        })?;
        Self::parse(&text, &shown)
    }

    fn parse(text: &str, path: &str) -> Result<Self> {
        let mut manifest = Self::default();
        for (index, line) in text.lines().enumerate() {
            manifest.parse_line(line, &format!("{path}, line {}", index + 1))?;
        }
        for (slot, label) in [
            (&manifest.project_id, "Project ID"),
            (&manifest.agent_key, "Agent Key"),
            (&manifest.project_domain, "Project Domain"),
        ] {
            if slot.is_none() {
                let problem = format!("there is no line `- **{label}:** ...`");
                return Err(Error::config(path, problem, "copy the manifest from OTAS again"));
            }
        }
        Ok(manifest)
    }

    /// Stores the value of a labeled line; ignores other lines.
    fn parse_line(&mut self, line: &str, origin: &str) -> Result<()> {
        let Some((label, rest)) = split_label(line) else { return Ok(()) };
        let slot = match label {
            "Project ID" => &mut self.project_id,
            "Agent Key" => &mut self.agent_key,
            "Project Domain" => &mut self.project_domain,
            _ => return Ok(()),
        };
        if let Some(first) = slot {
            let problem = format!("a second `{label}`, after that of {}", first.origin);
            return Err(Error::config(origin, problem, "keep one"));
        }
        let Some((value, _)) = rest.split_once('`').and_then(|(_, rest)| rest.split_once('`')) else {
            let problem = format!("`{label}` has no value between backticks");
            return Err(Error::config(origin, problem, "copy the line from OTAS again"));
        };
        *slot = Some(Setting::new(value.trim(), origin));
        Ok(())
    }
}

/// Splits `- **Label:** rest`, whatever its indentation and bullet.
fn split_label(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start_matches(['\u{feff}', ' ', '\t', '-', '*', '+']);
    let (label, rest) = line.split_once(":**")?;
    Some((label.trim(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\u{feff}# Agent\r\n\r\n- **Project ID:** `11111111-2222-3333-4444-555555555555`\r\n- **Agent Key:** `agent_abcdefghijk_x`\r\n\
                        - **Project Domain:** `https://api.example.com` _(no slash at the end)_\r\n";

    fn rejection(text: &str) -> String {
        Manifest::parse(text, "`M.md`").err().unwrap().to_string()
    }

    #[test]
    fn a_manifest_yields_three_values_with_their_lines() {
        let manifest = Manifest::parse(GOOD, "`M.md`").unwrap();
        assert_eq!(manifest.project_id.unwrap().value, "11111111-2222-3333-4444-555555555555");
        let key = manifest.agent_key.unwrap();
        assert_eq!((key.value.as_str(), key.origin.as_str()), ("agent_abcdefghijk_x", "`M.md`, line 4"));
        assert_eq!(manifest.project_domain.unwrap().value, "https://api.example.com");
    }

    #[test]
    fn a_mistake_in_a_manifest_names_its_line_but_not_the_key() {
        assert_eq!(
            rejection(&GOOD.replace("Agent Key", "Agent Kay")),
            "`M.md`: there is no line `- **Agent Key:** ...`; copy the manifest from OTAS again"
        );
        assert_eq!(
            rejection(&GOOD.replace("`agent_abcdefghijk_x`", "agent_abcdefghijk_x")),
            "`M.md`, line 4: `Agent Key` has no value between backticks; copy the line from OTAS again"
        );
        assert_eq!(
            rejection(&format!("{GOOD}{GOOD}")),
            "`M.md`, line 8: a second `Project ID`, after that of `M.md`, line 3; keep one"
        );
    }

    #[test]
    fn disabled_accepts_eight_words_in_any_case_and_nothing_else() {
        let disabled = |value: &str| Env::from_pairs(vec![("OTAS_DISABLED".into(), value.into())]).disabled();
        for word in ["true", "1", "YES", "On"] {
            assert!(disabled(word).unwrap());
        }
        for word in ["false", "0", "No", "OFF", "", "  "] {
            assert!(!disabled(word).unwrap());
        }
        assert!(disabled("maybe").unwrap_err().to_string().contains("OTAS_DISABLED"));
    }
}
