//! How small PostgreSQL's own compression (pglz) makes a text: what decides whether a long path fits into an index.

/// A match reaches back less than this, and is this long at most.
const WINDOW: usize = 0x0FFF;
const LONGEST: usize = 273;
/// Without any match in the first kilobyte of output it gives up.
const FIRST_MATCH_BY: usize = 1024;
/// A match of this length is good enough to end the search; less and less is, the longer the search takes.
const GOOD_MATCH: usize = 128;

/// The size in bytes; `None` where it would not save a quarter, and the text stays as it is.
pub(super) fn compressed_size(bytes: &[u8]) -> Option<usize> {
    let limit = bytes.len() * 3 / 4;
    let mut history = History::new(bytes);
    let (mut at, mut size, mut items, mut matched) = (0, 0, 0, false);
    while at < bytes.len() {
        if size >= limit || (!matched && size >= FIRST_MATCH_BY) {
            return None;
        }
        let length = history.longest_match(at);
        size += usize::from(items % 8 == 0); // a control byte for each eight items
        size += match length {
            0 => 1,
            3..=17 => 2,
            _ => 3,
        };
        matched |= length > 0;
        items += 1;
        for _ in 0..length.max(1) {
            history.add(at);
            at += 1;
        }
    }
    (size < limit).then_some(size)
}

/// Where each hash was seen, as chains from the newest place to the oldest.
struct History<'a> {
    bytes: &'a [u8],
    newest: Vec<Option<usize>>,
    before: Vec<Option<usize>>,
}

impl<'a> History<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let buckets = match bytes.len() {
            0..128 => 512,
            128..256 => 1024,
            256..512 => 2048,
            512..1024 => 4096,
            _ => 8192,
        };
        Self { bytes, newest: vec![None; buckets], before: vec![None; bytes.len()] }
    }

    /// The bucket of the four bytes from here; PostgreSQL's bytes are signed.
    fn bucket(&self, at: usize) -> usize {
        let byte = |offset: usize| i32::from(i8::from_ne_bytes([self.bytes[at + offset]]));
        let hash = match self.bytes.len() - at {
            0..4 => byte(0),
            _ => (byte(0) << 6) ^ (byte(1) << 4) ^ (byte(2) << 2) ^ byte(3),
        };
        usize::try_from(hash & 0x1FFF).unwrap_or(0) & (self.newest.len() - 1)
    }

    fn add(&mut self, at: usize) {
        let bucket = self.bucket(at);
        self.before[at] = self.newest[bucket].replace(at);
    }

    /// The length of the match that pglz takes; 0 where it takes none.
    fn longest_match(&self, at: usize) -> usize {
        let (mut longest, mut good) = (0, GOOD_MATCH);
        let mut candidate = self.newest[self.bucket(at)];
        while let Some(from) = candidate.filter(|from| at - from < WINDOW) {
            let (here, there) = (&self.bytes[at..], &self.bytes[from..]);
            let length = here.iter().zip(there).take(LONGEST).take_while(|(a, b)| a == b).count();
            longest = longest.max(length);
            candidate = self.before[from];
            if longest >= good {
                break;
            }
            good -= good * 10 / 100;
        }
        if longest > 2 { longest } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::compressed_size;

    #[test]
    fn repetition_shrinks_and_noise_does_not() {
        assert!(compressed_size(&[b'a'; 3000]).is_some_and(|size| size < 100));
        let mut random = fastrand::Rng::with_seed(1);
        let noise: Vec<u8> = (0..3000).map(|_| random.u8(..)).collect();
        assert_eq!(compressed_size(&noise), None);
        assert_eq!(compressed_size(b""), None);
    }
}
