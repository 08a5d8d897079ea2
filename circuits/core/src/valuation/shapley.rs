//! Shapley values in exact integers, from the losses of all coalitions.
//!
//! A coalition is a bit mask: bit `i` is player `i`. Its utility is the loss of the uniform answer less its own, so a
//! marginal contribution is the loss without the player less the loss with it. Losses are integers, and so is every
//! value over its common denominator: `k!`, or that of [`sampled`](super::sampled).

use std::collections::BTreeMap;

/// Largest number of players whose values are computed from every coalition.
pub const EXACT_PLAYERS: usize = 6;
/// Largest number of players.
pub const MAX_PLAYERS: usize = 32;

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

/// Values over a common denominator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    /// The common denominator.
    pub denominator: u64,
    /// One numerator per player. They sum to the denominator times the utility of all players.
    pub numerators: Vec<i128>,
    /// Half the width of each player's confidence interval, in units of the loss, rounded up: the intervals contain all
    /// players' values at once with 95 %. 0 for exact values.
    pub half_widths: Vec<u64>,
}

impl Values {
    /// A player's value in units of the loss.
    #[must_use]
    pub fn value(&self, player: usize) -> f64 {
        self.numerators[player] as f64 / self.denominator as f64
    }
}

/// Values as sums of losses with integer factors, over a common denominator.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    pub(super) denominator: u64,
    /// For every player, the factor of each coalition's loss.
    factors: Vec<BTreeMap<u32, i128>>,
}

impl Sums {
    pub(super) fn new(players: usize, denominator: u64) -> Self {
        Sums { denominator, factors: vec![BTreeMap::new(); players] }
    }

    /// Adds `factor` times a coalition's loss to a player's value.
    pub(super) fn add(&mut self, player: usize, coalition: u32, factor: i128) {
        *self.factors[player].entry(coalition).or_default() += factor;
    }

    /// Every player's numerator.
    pub(super) fn numerators(&self, loss: &dyn Fn(u32) -> u64) -> Vec<i128> {
        let of = |factors: &BTreeMap<u32, i128>| -> i128 {
            factors.iter().map(|(mask, f)| f * i128::from(loss(*mask))).sum()
        };
        self.factors.iter().map(of).collect()
    }

    /// How far every player's value can be moved, in units of the loss, rounded up, if each coalition's loss can be moved by
    /// `by`.
    pub(super) fn moved(&self, by: &dyn Fn(u32) -> u64) -> Vec<u64> {
        let denominator = u128::from(self.denominator.max(1));
        let of = |factors: &BTreeMap<u32, i128>| -> u128 {
            factors.iter().map(|(mask, f)| f.unsigned_abs() * u128::from(by(*mask))).sum()
        };
        let up = |sum: u128| u64::try_from(sum.div_ceil(denominator)).unwrap_or(u64::MAX);
        self.factors.iter().map(of).map(up).collect()
    }
}

fn factorial(n: usize) -> u64 {
    (1..=n as u64).product()
}

/// The exact values as sums of the losses of every coalition, the empty one included.
pub(super) fn sums(players: usize) -> Sums {
    let mut sums = Sums::new(players, factorial(players));
    for player in 0..players {
        for without in (0..1u64 << players).map(|mask| mask as u32).filter(|mask| mask >> player & 1 == 0) {
            let size = without.count_ones() as usize;
            let weight = i128::from(factorial(size) * factorial(players - 1 - size));
            sums.add(player, without, weight);
            sums.add(player, without | 1 << player, -weight);
        }
    }
    sums
}

/// The exact values, from the loss of every coalition, the empty one included.
#[must_use]
pub fn exact(players: usize, loss: &dyn Fn(u32) -> u64) -> Values {
    let sums = sums(players);
    let numerators = sums.numerators(loss);
    Values { denominator: sums.denominator, numerators, half_widths: vec![0; players] }
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
        assert_eq!(every_coalition(3), [1, 2, 3, 4, 5, 6, 7]);
        // every marginal contribution moves by up to both its losses' errors
        assert_eq!(sums(3).moved(&|_| 4), [8, 8, 8]);
        // by 6 with player 0 alone: a third of it for that player, a sixth for the others, rounded up
        assert_eq!(sums(3).moved(&|mask| if mask == 1 { 6 } else { 0 }), [2, 1, 1]);
        assert_eq!(sums(3).moved(&|mask| u64::from(mask == 1)), [1, 1, 1]);
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
}
