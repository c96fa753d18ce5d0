//! Which of up to 64 words may begin at a place in a text: one look at its next three bytes.

/// For each of the three bytes, the words that may go on with it, a bit each.
pub(super) struct Begins {
    bytes: [[u64; 256]; 3],
    words: usize,
}

impl Begins {
    /// Of words that have three bytes or more; each has the bit of its place.
    pub(super) const fn of(words: &[&str]) -> Self {
        let mut begins = Self { bytes: [[0; 256]; 3], words: 0 };
        while begins.words < words.len() {
            let (first, rest) = words[begins.words].as_bytes().split_at(1);
            let (second, rest) = rest.split_at(1);
            begins = begins.or([first, second, rest.split_at(1).0]);
        }
        begins
    }

    /// And of a word whose bytes may each be one of several.
    pub(super) const fn or(mut self, word: [&[u8]; 3]) -> Self {
        let mut place = 0;
        while place < 3 {
            let mut at = 0;
            while at < word[place].len() {
                self.bytes[place][word[place][at] as usize] |= 1 << self.words;
                at += 1;
            }
            place += 1;
        }
        self.words += 1;
        self
    }

    /// The words that may begin `rest`, a bit each: those that do, and few others.
    pub(super) fn at(&self, rest: &[u8]) -> u64 {
        let [first, second, third] = &self.bytes;
        match *rest {
            [a, b, c, ..] => first[usize::from(a)] & second[usize::from(b)] & third[usize::from(c)],
            _ => 0,
        }
    }
}

/// The places of the bits that are set, from the lowest.
pub(super) fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = bits.trailing_zeros() as usize;
        let found = (bits != 0).then_some(place);
        bits &= bits.wrapping_sub(1);
        found
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_told_by_its_first_three_bytes() {
        const WORDS: Begins = Begins::of(&["abc", "abd", "xyz1"]).or([b"xX", b"yY", b"zZ"]);

        let found = |text: &str| places(WORDS.at(text.as_bytes())).collect::<Vec<_>>();

        assert_eq!(found("abd"), [1]);
        assert_eq!(found("xyz2"), [2, 3]);
        assert_eq!(found("XyZ"), [3]);
        assert!(found("ab").is_empty() && found("").is_empty() && found("aba").is_empty());
    }
}
