//! A text in which ranges are masked, copied only if there are any.

use std::borrow::Cow;
use std::ops::Range;

/// What replaces a secret.
pub(super) const MASK: &str = "[redacted]";

/// The copy being made: everything up to `end` is in `out`, with the secrets masked.
pub(super) struct Masked<'t> {
    text: &'t str,
    out: String,
    end: usize,
}

impl<'t> Masked<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, out: String::new(), end: 0 }
    }

    /// The end of the last masked range; the next one must not begin before it.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Masks a range, with `quote` on both sides of the mask.
    pub(super) fn mask(&mut self, range: Range<usize>, quote: &str) {
        self.out.push_str(&self.text[self.end..range.start]);
        self.out.extend([quote, MASK, quote]);
        self.end = range.end;
    }

    /// The finished copy, or the text itself if nothing was masked.
    pub(super) fn finish(mut self) -> Cow<'t, str> {
        if self.out.is_empty() {
            return Cow::Borrowed(self.text);
        }
        self.out.push_str(&self.text[self.end..]);
        Cow::Owned(self.out)
    }
}
