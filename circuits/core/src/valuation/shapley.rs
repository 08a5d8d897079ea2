//! Shapley values in exact integers: of all coalitions, or of the prefixes of drawn permutations.
//!
//! A coalition is a bit mask: bit `i` is player `i`. Its utility is the loss of the uniform answer less its own, so a
//! marginal contribution is the loss without the player less the loss with it. Losses are integers, and so is every
//! value over its common denominator: `k!`, or the number of permutations.

use crate::digest::{keccak, Digest};

/// Largest number of players whose values are computed from every coalition.
pub const EXACT_PLAYERS: usize = 6;
/// Largest number of players.
pub const MAX_PLAYERS: usize = 32;
/// Largest number of permutations.
pub const MAX_PERMUTATIONS: u32 = 4096;

/// The players of a coalition, ascending.
#[must_use]
pub fn members(mask: u32) -> Vec<u32> {
    (0..32).filter(|i| mask >> i & 1 == 1).collect()
}

/// Every non-empty coalition of `players`, by mask.
#[must_use]
pub fn every_coalition(players: usize) -> Vec<u32> {
    (1..1u64 << players).map(|mask| mask as u32).collect()
}

/// The non-empty prefixes of the permutations as sets, each once, by mask.
#[must_use]
pub fn prefixes(permutations: &[Vec<usize>]) -> Vec<u32> {
    let mut all: Vec<u32> = permutations
        .iter()
        .flat_map(|order| {
            order.iter().scan(0u32, |mask, player| {
                *mask |= 1 << player;
                Some(*mask)
            })
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// `count` permutations of the players, drawn from a seed: permutation `j` shuffles the players from the last to the
/// second, swapping each with one of those up to it, chosen by keccak256(seed, j, position, retry).
#[must_use]
pub fn permutations(seed: &Digest, players: usize, count: u32) -> Vec<Vec<usize>> {
    (0..count)
        .map(|j| {
            let mut order: Vec<usize> = (0..players).collect();
            for last in (1..players).rev() {
                order.swap(last, draw(seed, j, last as u32));
            }
            order
        })
        .collect()
}

/// A uniform number from 0 to `last`.
fn draw(seed: &Digest, permutation: u32, last: u32) -> usize {
    let n = u64::from(last) + 1;
    // numbers of the last, incomplete round of n would make the first ones likelier
    let whole = u64::MAX - u64::MAX % n;
    for retry in 0u32.. {
        let mut bytes = seed.to_vec();
        for v in [permutation, last, retry] {
            bytes.extend_from_slice(&v.to_be_bytes());
        }
        let [a, b, c, d, e, f, g, h, ..] = keccak(&bytes);
        let x = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        if x < whole {
            return (x % n) as usize;
        }
    }
    0
}

/// Values over a common denominator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// The common denominator.
    pub denominator: u64,
    /// One numerator per player. They sum to the denominator times the utility of all players.
    pub numerators: Vec<i128>,
    /// Half the width of each player's 95 % confidence interval, in units of the loss, rounded up; 0 for exact values.
    pub half_widths: Vec<u64>,
}

impl Values {
    /// A player's value in units of the loss.
    #[must_use]
    pub fn value(&self, player: usize) -> f64 {
        self.numerators[player] as f64 / self.denominator as f64
    }
}

fn factorial(n: usize) -> u64 {
    (1..=n as u64).product()
}

/// For every player, the sum over all coalitions of the others of `term(without, with)`, times the weight of the player's
/// marginal contribution to the coalition over the denominator `players!`.
pub(super) fn weighted(players: usize, term: &dyn Fn(u32, u32) -> i128) -> Vec<i128> {
    let sum = |player: usize| {
        (0..1u64 << players)
            .map(|mask| mask as u32)
            .filter(|mask| mask >> player & 1 == 0)
            .map(|mask| {
                let size = mask.count_ones() as usize;
                let weight = factorial(size) * factorial(players - 1 - size);
                term(mask, mask | 1 << player) * i128::from(weight)
            })
            .sum()
    };
    (0..players).map(sum).collect()
}

/// For every player, `term(without, with)` in each permutation.
pub(super) fn along(players: usize, orders: &[Vec<usize>], term: &dyn Fn(u32, u32) -> i128) -> Vec<Vec<i128>> {
    let mut terms = vec![Vec::with_capacity(orders.len()); players];
    for order in orders {
        let mut mask = 0;
        for player in order {
            let with = mask | 1 << player;
            terms[*player].push(term(mask, with));
            mask = with;
        }
    }
    terms
}

/// The exact values, from the loss of every coalition, the empty one included.
#[must_use]
pub fn exact(players: usize, loss: &dyn Fn(u32) -> u64) -> Values {
    let numerators = weighted(players, &|without, with| i128::from(loss(without)) - i128::from(loss(with)));
    Values { denominator: factorial(players), numerators, half_widths: vec![0; players] }
}

/// Estimates from permutations: the mean of a player's marginal contributions, with a confidence interval from their
/// variance.
#[must_use]
pub fn sampled(players: usize, permutations: &[Vec<usize>], loss: &dyn Fn(u32) -> u64) -> Values {
    let term = |without, with| i128::from(loss(without)) - i128::from(loss(with));
    let marginals = along(players, permutations, &term);
    Values {
        denominator: permutations.len() as u64,
        numerators: marginals.iter().map(|m| m.iter().sum()).collect(),
        half_widths: marginals.iter().map(|m| half_width(m)).collect(),
    }
}

/// Student's 97.5 % quantile for 1, 2, … degrees of freedom, in thousandths; for more, that of the last.
const STUDENT: [u64; 30] = [
    12_707, 4_303, 3_183, 2_777, 2_571, 2_447, 2_365, 2_307, 2_263, 2_229, 2_201, 2_179, 2_161, 2_145, 2_132, 2_120,
    2_110, 2_101, 2_094, 2_086, 2_080, 2_074, 2_069, 2_064, 2_060, 2_056, 2_052, 2_049, 2_046, 2_043,
];

/// `t·√(s²/m)`, rounded up, s² the sample variance of the m marginals. Of a single one nothing is known.
fn half_width(marginals: &[i128]) -> u64 {
    let m = marginals.len() as i128;
    if m < 2 {
        return u64::MAX >> 11;
    }
    let sum: i128 = marginals.iter().sum();
    // Σ (m·x − Σx)² = m³ times the variance over m; |m·x − Σx| < 2^67
    let squares: f64 = marginals.iter().map(|x| ((m * x - sum) as f64).powi(2)).sum();
    let m = m as f64;
    let variance = squares / (m * m) / (m - 1.0);
    let t = STUDENT[(marginals.len() - 2).min(STUDENT.len() - 1)] as f64 / 1000.0;
    (t * (variance / m).sqrt() * (1.0 + 1e-12)).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_known_game() {
        // one player brings 60; the second 30 only beside the first; the third nothing
        let loss = |mask: u32| 100 - if mask & 1 == 1 { 60 } else { 0 } - if mask & 3 == 3 { 30 } else { 0 };
        let v = exact(3, &loss);
        assert_eq!((v.denominator, v.numerators), (6, vec![6 * 75, 6 * 15, 0]));
        // over all six orders, the estimate is exact
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]].map(|o| o.to_vec());
        let s = sampled(3, &orders, &loss);
        assert_eq!((s.denominator, s.numerators), (6, vec![6 * 75, 6 * 15, 0]));
        assert_eq!(s.half_widths[2], 0);
        // marginals of player 1: 30, 30, 0, 0, 30, 0: s² = 270, t = 2.571
        assert_eq!(s.half_widths[1], (2.571f64 * (270f64 / 6.0).sqrt()).ceil() as u64);
        assert_eq!(every_coalition(3), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(prefixes(&orders[..2]), [1, 3, 5, 7]);
    }

    #[test]
    fn symmetric_players_share_and_the_values_sum_to_the_utility() {
        // players 1 and 2 are copies of each other
        let worth = |mask: u32| 10 * (mask & 1) + 7 * u32::from(mask & 6 != 0);
        let loss = |mask: u32| u64::from(50 - worth(mask));
        let v = exact(3, &loss);
        assert_eq!(v.numerators[1], v.numerators[2]);
        assert_eq!(v.numerators.iter().sum::<i128>(), i128::from(v.denominator) * 17);
        for k in 1..=EXACT_PLAYERS {
            let loss = |mask: u32| u64::from(1000 - mask * mask % 97);
            let v = exact(k, &loss);
            let whole = (1u32 << k) - 1;
            assert_eq!(v.numerators.iter().sum::<i128>(), i128::from(v.denominator) * (1000 - i128::from(loss(whole))));
        }
    }

    #[test]
    fn permutations_are_drawn_evenly_and_from_the_seed_alone() {
        let all = permutations(&[7; 32], 3, 3000);
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let count = all.iter().filter(|o| **o == order).count();
            assert!((400..600).contains(&count), "{order:?}: {count} of 3000");
        }
        assert_eq!(permutations(&[7; 32], 3, 10), all[..10]);
        assert_ne!(permutations(&[8; 32], 3, 10), all[..10]);
        let mut long = permutations(&[1; 32], MAX_PLAYERS, 1).remove(0);
        long.sort_unstable();
        assert_eq!(long, (0..MAX_PLAYERS).collect::<Vec<_>>());
    }
}
