//! How small PostgreSQL's own compression would make a text: what decides whether a long path fits into an index.

use std::collections::HashMap;

/// A match reaches back this far, and is this long at most.
const WINDOW: usize = 4095;
const LONGEST: usize = 273;
/// Without any match in the first kilobyte of output it gives up.
const FIRST_MATCH_BY: usize = 1024;

/// The size in bytes; `None` where it would not save a quarter, and the text stays as it is.
///
/// An estimate: greedy, with the newest candidate only, where PostgreSQL weighs several. It errs by a few bytes in a hundred.
pub(super) fn compressed_size(bytes: &[u8]) -> Option<usize> {
    let mut seen: HashMap<[u8; 4], usize> = HashMap::new();
    let (mut at, mut size, mut items, mut matched) = (0, 0, 0, false);
    while at < bytes.len() {
        if !matched && size >= FIRST_MATCH_BY {
            return None;
        }
        let length = longest_match(bytes, at, &seen);
        size += usize::from(items % 8 == 0); // a control byte for each eight items
        size += match length {
            0 => 1,
            3..=17 => 2,
            _ => 3,
        };
        matched |= length > 0;
        items += 1;
        for _ in 0..length.max(1) {
            if let Some(&key) = bytes[at..].first_chunk::<4>() {
                seen.insert(key, at);
            }
            at += 1;
        }
    }
    (size <= bytes.len() * 3 / 4).then_some(size)
}

fn longest_match(bytes: &[u8], at: usize, seen: &HashMap<[u8; 4], usize>) -> usize {
    let from = bytes[at..].first_chunk::<4>().and_then(|key| seen.get(key)).copied();
    match from {
        Some(from) if at - from <= WINDOW => {
            bytes[at..].iter().zip(&bytes[from..]).take(LONGEST).take_while(|(a, b)| a == b).count()
        }
        _ => 0,
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
    }
}
