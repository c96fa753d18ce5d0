//! What is taken out of an event before anybody sees it: names, shapes, and the process's own secrets.

mod names;
mod pairs;
mod prefixes;
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
    pub(crate) fn pass<'a>(&'a self, known: impl IntoIterator<Item = &'a [u8]>) -> Redaction<'a> {
        let known = known.into_iter().filter_map(|secret| Known::new(std::str::from_utf8(secret).ok()?));
        Redaction { redactor: self, known: known.collect() }
    }

    fn is_secret(&self, name: &str, place: Place) -> bool {
        names::is_secret(name, place) || (!self.more.is_empty() && self.more.contains(&names::normal(name)))
    }
}

/// The redaction of one event.
pub(crate) struct Redaction<'a> {
    redactor: &'a Redactor,
    known: Vec<Known<'a>>,
}

/// A secret of the process, known by its beginning: without that, neither the secret nor a part that ends a text is there. The search runs
/// from one byte of the beginning to the next that is rare in other text.
struct Known<'a> {
    secret: &'a str,
    head: &'a [u8; SHORTEST],
    rare: u8,
    rare_at: usize,
}

impl<'a> Known<'a> {
    fn new(secret: &'a str) -> Option<Self> {
        let head = secret.as_bytes().first_chunk().filter(|_| secret.is_ascii())?;
        let is_usual = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let rare_at = head.iter().position(|byte| !is_usual(byte)).unwrap_or(0);
        Some(Self { secret, head, rare: head[rare_at], rare_at })
    }

    fn may_be_in(&self, text: &[u8]) -> bool {
        let begins = |at: usize| text.get(at..).and_then(<[u8]>::first_chunk) == Some(self.head);
        memchr::memchr_iter(self.rare, text).any(|at| at.checked_sub(self.rare_at).is_some_and(begins))
    }

    /// How much of the secret a text ends with, where it ends within the secret.
    fn begun(&self, text: &str) -> Option<usize> {
        let (text, secret) = (text.as_bytes(), self.secret.as_bytes());
        let tail = &text[text.len().saturating_sub(secret.len() - 1)..];
        let begins = |at: &usize| tail[*at..].first_chunk() == Some(self.head) && secret.starts_with(&tail[*at..]);
        (0..tail.len()).find(begins).map(|at| tail.len() - at)
    }
}

impl Redaction<'_> {
    /// Any text: a body, an error, a path.
    pub(crate) fn text(&self, text: &str) -> String {
        if memchr::memchr(b'&', text.as_bytes()).is_some() && (text.contains("&quot;") || text.contains("&#34;")) {
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
        let prefix = wire::header::PREFIX;
        if name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)) {
            return None;
        }
        let Some(value) = value.filter(|_| !self.redactor.is_secret(name, Place::Header)) else {
            return Some(MASK.to_owned());
        };
        Some(self.text(&crate::text::lossy(value)))
    }

    /// The process's own secrets, masked literally; also the beginning of one where the text ends within it.
    pub(crate) fn known<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.known {
            if !secret.may_be_in(text.as_bytes()) {
                continue;
            }
            if text.contains(secret.secret) {
                text = Cow::Owned(text.replace(secret.secret, MASK));
            }
            if let Some(length) = secret.begun(&text) {
                text = Cow::Owned(format!("{}{MASK}", &text[..text.len() - length]));
            }
        }
        text
    }

    /// Whether [`known`](Self::known) may change a text: no more than a look at it.
    pub(crate) fn may_know(&self, text: &[u8]) -> bool {
        self.known.iter().any(|secret| secret.may_be_in(text))
    }
}

#[cfg(test)]
mod tests;
