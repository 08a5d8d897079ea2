//! Compressed length under FastLZ (level 1), from which the OP stack estimates a transaction's size.
//!
//! The format: runs of at most 32 literals cost a byte each and one for the run; a match of 3 to 8 bytes within the last 8,191
//! costs two bytes, a longer one three for every 264 (<https://github.com/ariya/FastLZ>). Matches are found greedily by a table
//! of the last place of each hash of three bytes, as the reference does.

/// Entries of the hash table.
const SLOTS: usize = 1 << 13;
/// Largest distance of a match.
const FAR: usize = 8_191;
/// Longest match of one instruction.
const LONGEST: usize = 264;
/// This many bytes at the end are always literals.
const TAIL: usize = 13;

fn hash(three: &[u8]) -> usize {
    let value = u32::from(three[0]) | u32::from(three[1]) << 8 | u32::from(three[2]) << 16;
    (value.wrapping_mul(2_654_435_769) >> 19) as usize % SLOTS
}

fn literals(count: usize) -> usize {
    count + count.div_ceil(32)
}

fn matched(mut length: usize) -> usize {
    let mut bytes = 0;
    while length > LONGEST {
        (bytes, length) = (bytes + 3, length - LONGEST + 2);
    }
    bytes + if length >= 9 { 3 } else { 2 }
}

/// The compressed length.
pub(super) fn length(bytes: &[u8]) -> usize {
    let mut last = vec![None::<usize>; SLOTS];
    let (mut total, mut pending, mut at) = (0, 0, 2);
    while at + TAIL < bytes.len() {
        let slot = hash(&bytes[at..at + 3]);
        let before = last[slot].replace(at).filter(|b| at - b <= FAR && bytes[*b..b + 3] == bytes[at..at + 3]);
        let Some(before) = before else {
            at += 1;
            continue;
        };
        let most = bytes.len() - at - 4;
        let same = (3..=most).take_while(|n| bytes[before + n - 1] == bytes[at + n - 1]).last().unwrap_or(3);
        total += literals(at - pending) + matched(same);
        at += same;
        pending = at;
    }
    total + literals(bytes.len() - pending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_grows_a_little_and_repetition_shrinks() {
        let noise: Vec<u8> = (0..64_u8).flat_map(|i| tribute_core::digest::keccak(&[i])).collect();
        assert_eq!(length(&noise), 2_048 + 64, "one byte for 32 literals");
        let zeros = vec![0; 2_048];
        assert!(length(&zeros) < 60, "{}", length(&zeros));
        let twice = [noise.clone(), noise.clone()].concat();
        assert!((2_112..2_250).contains(&length(&twice)), "{}", length(&twice));
        let far = [noise.clone(), tribute_core::digest::keccak(b"").repeat(300), noise].concat();
        assert!(length(&far) > 2 * 2_100, "beyond 8,191 bytes nothing is found: {}", length(&far));
        assert_eq!((length(&[]), length(&[7]), length(&[7; 12])), (0, 2, 13));
    }
}
