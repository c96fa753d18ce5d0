//! Masks secrets in an event: by name, by shape, and those of this process.

mod mask;
mod names;
mod pairs;
mod prefixes;
mod quoted;
mod shapes;

use std::borrow::Cow;

use crate::text;
use crate::wire;
use mask::MASK;
use names::Place;

/// Shorter process secrets are not searched for: they would match ordinary text.
const MIN_SECRET_BYTES: usize = 8;

/// Which names are secret, in addition to the built-in ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redactor {
    /// In the form of [`names::normalized`].
    extra: Vec<String>,
}

impl Redactor {
    /// Adds names of headers, query parameters and JSON keys; case, `-`, `_`, `.` and spaces are
    /// ignored.
    pub(crate) fn with<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Self {
        let names = names.into_iter().map(|name| names::normalized(name.as_ref().trim()));
        Self { extra: names.filter(|name| !name.is_empty()).collect() }
    }

    /// The redaction of one event. `secrets` are those of this process, masked wherever they occur.
    pub(crate) fn for_event<'a>(&'a self, secrets: impl IntoIterator<Item = &'a [u8]>) -> Redaction<'a> {
        let secrets = secrets.into_iter().filter_map(|secret| ProcessSecret::new(std::str::from_utf8(secret).ok()?));
        Redaction { redactor: self, secrets: secrets.collect() }
    }

    fn is_secret(&self, name: &str, place: Place) -> bool {
        names::is_secret(name, place) || (!self.extra.is_empty() && self.extra.contains(&names::normalized(name)))
    }
}

/// The redaction of one event.
pub(crate) struct Redaction<'a> {
    redactor: &'a Redactor,
    secrets: Vec<ProcessSecret<'a>>,
}

impl Redaction<'_> {
    /// Redacts any text: a body, an error, a path.
    pub(crate) fn text(&self, text: &str) -> String {
        if memchr::memchr(b'&', text.as_bytes()).is_some() && (text.contains("&quot;") || text.contains("&#34;")) {
            // JSON embedded in HTML: if it holds a secret, the redacted text comes without the
            // entities.
            let plain = text.replace("&quot;", "\"").replace("&#34;", "\"");
            if matches!(quoted::mask(&plain, &|name| self.redactor.is_secret(name, Place::Key)), Cow::Owned(_)) {
                return self.text(&plain);
            }
        }
        let quoted = quoted::mask(text, &|name| self.redactor.is_secret(name, Place::Key));
        let pairs = pairs::mask(&quoted, &|name, place| self.redactor.is_secret(name, place));
        let shapes = shapes::mask(&pairs);
        self.mask_process_secrets(&shapes).into_owned()
    }

    /// Redacts a header's value (`None` if it is marked sensitive). Returns `None` if the header
    /// must be left out.
    pub(crate) fn header(&self, name: &str, value: Option<&[u8]>) -> Option<String> {
        let prefix = wire::header::PREFIX;
        if name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)) {
            return None;
        }
        let Some(value) = value.filter(|_| !self.redactor.is_secret(name, Place::Header)) else {
            return Some(MASK.to_owned());
        };
        Some(self.text(&text::lossy(value)))
    }

    /// Masks this process's own secrets verbatim, including a prefix cut off at the end of the
    /// text.
    pub(crate) fn mask_process_secrets<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.secrets {
            if !secret.may_be_in(text.as_bytes()) {
                continue;
            }
            if text.contains(secret.secret) {
                text = Cow::Owned(text.replace(secret.secret, MASK));
            }
            if let Some(length) = secret.trailing_prefix(&text) {
                text = Cow::Owned(format!("{}{MASK}", &text[..text.len() - length]));
            }
        }
        text
    }

    /// Whether [`mask_process_secrets`](Self::mask_process_secrets) might change the text: a cheap
    /// check.
    pub(crate) fn may_contain(&self, text: &[u8]) -> bool {
        self.secrets.iter().any(|secret| secret.may_be_in(text))
    }
}

/// A secret of this process, found by its first bytes: a text without them contains neither the
/// secret nor a long enough prefix of it. The search jumps from one occurrence to the next of a
/// byte that is rare in ordinary text.
struct ProcessSecret<'a> {
    secret: &'a str,
    head: &'a [u8; MIN_SECRET_BYTES],
    rare: u8,
    rare_at: usize,
}

impl<'a> ProcessSecret<'a> {
    fn new(secret: &'a str) -> Option<Self> {
        let head = secret.as_bytes().first_chunk().filter(|_| secret.is_ascii())?;
        let is_common = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let rare_at = head.iter().position(|byte| !is_common(byte)).unwrap_or(0);
        Some(Self { secret, head, rare: head[rare_at], rare_at })
    }

    fn may_be_in(&self, text: &[u8]) -> bool {
        let starts_at = |at: usize| text.get(at..).and_then(<[u8]>::first_chunk) == Some(self.head);
        memchr::memchr_iter(self.rare, text).any(|at| at.checked_sub(self.rare_at).is_some_and(starts_at))
    }

    /// The length of the prefix of the secret that the text ends with.
    fn trailing_prefix(&self, text: &str) -> Option<usize> {
        let (text, secret) = (text.as_bytes(), self.secret.as_bytes());
        let tail = &text[text.len().saturating_sub(secret.len() - 1)..];
        let starts_at = |at: &usize| tail[*at..].first_chunk() == Some(self.head) && secret.starts_with(&tail[*at..]);
        (0..tail.len()).find(starts_at).map(|at| tail.len() - at)
    }
}

#[cfg(test)]
mod tests;
