//! Alterations of a valid input.

use rand::seq::SliceRandom as _;
use rand::{Rng, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Maximum number of alterations of one input.
const MOST: usize = 4;
/// Maximum length of a stretch that is moved, duplicated or removed at once.
const STRETCH: usize = 64;
/// Numbers at which limits tend to be.
const NUMBERS: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 62, i64::MAX as u64, u64::MAX];
/// Such numbers as text, and typical pieces of text.
const TEXTS: [&str; 14] = [
    "0",
    "-1",
    "1.5",
    "1e308",
    "255",
    "65536",
    "4294967296",
    "18446744073709551616",
    "null",
    "\"\"",
    "[]",
    "{}",
    "\\u0000",
    "é",
];

/// Case number `case` over `seeds`: always the same bytes, and in all likelihood none of the seeds.
///
/// # Panics
/// If there are no seeds.
#[must_use]
pub fn mutated(seeds: &[Vec<u8>], case: u64) -> Vec<u8> {
    let mut rng = ChaCha8Rng::seed_from_u64(case);
    let mut bytes = seeds.choose(&mut rng).expect("at least one seed").clone();
    for _ in 0..rng.gen_range(1..=MOST) {
        alter(&mut bytes, seeds, &mut rng);
    }
    bytes
}

fn alter(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], rng: &mut ChaCha8Rng) {
    if bytes.is_empty() {
        bytes.extend((0..rng.gen_range(1..STRETCH)).map(|_| rng.gen::<u8>()));
        return;
    }
    let at = rng.gen_range(0..bytes.len());
    let stretch = at..bytes.len().min(at + rng.gen_range(1..=STRETCH));
    match rng.gen_range(0..10) {
        0 => bytes[at] ^= 1 << rng.gen_range(0..8),
        1 => bytes[at] = rng.gen(),
        2 => overwrite(bytes, at, &number(rng)),
        3 => bytes.truncate(at),
        4 => drop(bytes.drain(stretch)),
        5 => {
            let copy = bytes[stretch].to_vec();
            insert(bytes, at, &copy);
        }
        6 => {
            let random: Vec<u8> = (0..stretch.len()).map(|_| rng.gen()).collect();
            insert(bytes, at, &random);
        }
        7 => insert(bytes, at, TEXTS.choose(rng).expect("texts").as_bytes()),
        8 => replace_number(bytes, at, TEXTS.choose(rng).expect("texts").as_bytes()),
        _ => {
            let other = seeds.choose(rng).expect("seeds");
            let from = rng.gen_range(0..=other.len());
            let until = other.len().min(from + rng.gen_range(1..=STRETCH));
            overwrite(bytes, at, &other[from..until]);
        }
    }
}

/// One of [`NUMBERS`], in 1 to 8 bytes of either byte order.
fn number(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let width = rng.gen_range(1..=8);
    let mut bytes = NUMBERS.choose(rng).expect("numbers").to_le_bytes()[..width].to_vec();
    if rng.gen() {
        bytes.reverse();
    }
    bytes
}

fn overwrite(bytes: &mut [u8], at: usize, new: &[u8]) {
    for (old, new) in bytes[at..].iter_mut().zip(new) {
        *old = *new;
    }
}

fn insert(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    bytes.splice(at..at, new.iter().copied());
}

/// Replaces the next run of digits by `text`.
fn replace_number(bytes: &mut Vec<u8>, at: usize, text: &[u8]) {
    let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|i| at + i) else { return };
    let end = bytes[start..].iter().position(|b| !b.is_ascii_digit()).map_or(bytes.len(), |i| start + i);
    bytes.splice(start..end, text.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_the_same_every_time_and_another_case_another_input() {
        let seeds = [b"{\"records\": 1597, \"shares\": [1, 2]}".to_vec(), (0..100).collect()];
        let all: std::collections::BTreeSet<Vec<u8>> = (0..1_000).map(|case| mutated(&seeds, case)).collect();
        assert!((0..1_000).all(|case| all.contains(&mutated(&seeds, case))));
        assert!(all.len() > 900, "{}", all.len());
        let kept = (0..1_000).filter(|case| seeds.contains(&mutated(&seeds, *case))).count();
        assert!(kept < 20, "{kept}");
    }

    #[test]
    fn every_length_can_be_altered() {
        for length in 0..3 {
            for case in 0..500 {
                let _ = mutated(&[vec![b'1'; length]], case);
            }
        }
    }

    #[test]
    fn numbers_in_text_are_replaced_whole() {
        let mut text = b"[1597, 8]".to_vec();
        replace_number(&mut text, 1, b"-1");
        assert_eq!(text, b"[-1, 8]");
    }
}
