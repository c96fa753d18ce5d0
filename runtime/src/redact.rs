//! What is taken out of an event before anybody sees it: names, shapes, and the process's own secrets.

mod names;
mod pairs;
mod quoted;
mod shapes;

use std::borrow::Cow;

use crate::wire;
use names::Place;

/// What stands where a secret stood.
pub(crate) const MASK: &str = "[redacted]";

/// Shorter secrets of the process are not searched for: they would be found everywhere.
const SHORTEST: usize = 8;

/// Which names are secret, besides those that always are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redactor {
    more: Vec<String>,
}

impl Redactor {
    /// Adds names: of headers, query parameters and JSON keys alike, in any case, `-` and `_` being equal.
    pub(crate) fn with<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let more = names.into_iter().map(|name| names::normal(name.as_ref().trim())).filter(|name| !name.is_empty());
        Self { more: more.collect() }
    }

    /// One event's redaction, with the secrets that the process holds: they are masked wherever they stand.
    pub(crate) fn pass<'a>(&'a self, known: impl IntoIterator<Item = &'a [u8]>) -> Pass<'a> {
        let known = known.into_iter().filter_map(|secret| std::str::from_utf8(secret).ok());
        Pass { redactor: self, known: known.filter(|secret| secret.is_ascii() && secret.len() >= SHORTEST).collect() }
    }

    fn is_secret(&self, name: &str, place: Place) -> bool {
        names::is_secret(name, place) || (!self.more.is_empty() && self.more.contains(&names::normal(name)))
    }
}

/// The redaction of one event.
pub(crate) struct Pass<'a> {
    redactor: &'a Redactor,
    known: Vec<&'a str>,
}

impl Pass<'_> {
    /// Any text: a body, an error, a path.
    pub(crate) fn text(&self, text: &str) -> String {
        if text.contains("&quot;") || text.contains("&#34;") {
            // JSON within HTML: told without the entities where it holds a secret.
            let plain = text.replace("&quot;", "\"").replace("&#34;", "\"");
            if matches!(quoted::mask(&plain, &|name| self.redactor.is_secret(name, Place::Key)), Cow::Owned(_)) {
                return self.text(&plain);
            }
        }
        let quoted = quoted::mask(text, &|name| self.redactor.is_secret(name, Place::Key));
        let pairs = pairs::mask(&quoted, &|name, place| self.redactor.is_secret(name, place));
        let shapes = shapes::mask(&pairs);
        self.known(&shapes).into_owned()
    }

    /// A header's value; none where the header is not told at all.
    pub(crate) fn header(&self, name: &str, value: Option<&[u8]>) -> Option<String> {
        if name.to_ascii_lowercase().starts_with(wire::header::PREFIX) {
            return None;
        }
        let Some(value) = value.filter(|_| !self.redactor.is_secret(name, Place::Header)) else {
            return Some(MASK.to_owned());
        };
        Some(self.text(&String::from_utf8_lossy(value)))
    }

    /// The process's own secrets, masked literally; also the beginning of one where the text ends within it.
    pub(crate) fn known<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.known {
            if text.contains(secret) {
                text = Cow::Owned(text.replace(secret, MASK));
            }
            if let Some(length) = begun(text.as_bytes(), secret.as_bytes()) {
                text = Cow::Owned(format!("{}{MASK}", &text[..text.len() - length]));
            }
        }
        text
    }
}

/// How much of a secret a text ends with, where it ends within the secret.
fn begun(text: &[u8], secret: &[u8]) -> Option<usize> {
    let last = *text.last()?;
    // The last byte first: this is asked for every text of an event.
    (SHORTEST..secret.len()).rev().find(|&length| secret[length - 1] == last && text.ends_with(&secret[..length]))
}

#[cfg(test)]
mod tests;
