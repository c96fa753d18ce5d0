//! A 3-byte prefix filter: three table lookups show which of up to 64 words a text may begin with.
//!
//! This is the technique of the Teddy string matcher, without SIMD.

/// For each of the first three bytes, a bit set of the words that have it there.
pub(super) struct PrefixFilter {
    bytes: [[u64; 256]; 3],
    words: usize,
}

impl PrefixFilter {
    /// A filter for words of at least three bytes; a word's bit is its index.
    pub(super) const fn new(words: &[&str]) -> Self {
        let mut filter = Self { bytes: [[0; 256]; 3], words: 0 };
        while filter.words < words.len() {
            let (first, rest) = words[filter.words].as_bytes().split_at(1);
            let (second, rest) = rest.split_at(1);
            filter = filter.with_classes([first, second, rest.split_at(1).0]);
        }
        filter
    }

    /// Adds a word given by the bytes that each of its first three positions accepts.
    pub(super) const fn with_classes(mut self, word: [&[u8]; 3]) -> Self {
        let mut position = 0;
        while position < 3 {
            let mut at = 0;
            while at < word[position].len() {
                self.bytes[position][word[position][at] as usize] |= 1 << self.words;
                at += 1;
            }
            position += 1;
        }
        self.words += 1;
        self
    }

    /// A bit set of the words that may begin `text`: no false negatives, few false positives.
    pub(super) fn candidates(&self, text: &[u8]) -> u64 {
        let [first, second, third] = &self.bytes;
        match *text {
            [a, b, c, ..] => first[usize::from(a)] & second[usize::from(b)] & third[usize::from(c)],
            _ => 0,
        }
    }
}

/// The indices of the set bits, lowest first.
pub(super) fn set_bits(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let index = bits.trailing_zeros() as usize;
        let found = (bits != 0).then_some(index);
        bits &= bits.wrapping_sub(1);
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_recognised_by_their_first_three_bytes() {
        const WORDS: PrefixFilter = PrefixFilter::new(&["abc", "abd", "xyz1"]).with_classes([b"xX", b"yY", b"zZ"]);

        let found = |text: &str| set_bits(WORDS.candidates(text.as_bytes())).collect::<Vec<_>>();

        assert_eq!(found("abd"), [1]);
        assert_eq!(found("xyz2"), [2, 3]);
        assert_eq!(found("XyZ"), [3]);
        assert!(found("ab").is_empty() && found("").is_empty() && found("aba").is_empty());
    }
}
