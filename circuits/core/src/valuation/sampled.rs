//! Shapley values estimated from drawn orders of the players.
//!
//! What a player adds as the first or second is large, and what it adds later is small, so the two are separated. Coalitions of
//! one and of two players are all there, and give the first exactly. The other coalitions are the prefixes of the drawn orders,
//! and give the second as a mean. For k players, with the means over all others j, all pairs and all orders:
//!
//! ```text
//! value(i) = [L(∅) − L(i)]/k + mean_j [L(j) − L(i, j)]/k
//!          + mean_order { [what i adds in the order, unless it is one of the first two] − [L(first two) − mean_pair L]/k }
//! ```
//!
//! The last bracket has mean zero: an order whose first two are a better pair than most leaves less to the others. With it
//! the values sum exactly to the utility of all players.
//!
//! The half-width is the same for every player: that of the player whose terms vary most from order to order, `t·√(s²/m)` with
//! Student's quantile at `1 − 0.025/k` (Bonferroni's), so that all intervals together contain their values with 95 %. Each
//! player's own variance would be too small where the orders missed what makes it large. All operations are correctly rounded
//! by IEEE 754, so every machine computes the same.

use super::shapley::{Sums, Values, EXACT_PLAYERS, MAX_PLAYERS};
use crate::digest::{keccak, Digest};

/// Smallest number of orders: with fewer, means are not near enough to normal for the interval.
pub const MIN_PERMUTATIONS: u32 = 30;
/// Largest number of orders.
pub const MAX_PERMUTATIONS: u32 = 4096;

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

/// The coalitions that [`sampled`] needs, each once, by mask: all of one and of two players, and the larger prefixes of the
/// orders, all players included.
#[must_use]
pub fn coalitions(orders: &[Vec<usize>]) -> Vec<u32> {
    let players = orders.first().map_or(0, Vec::len);
    let mut all: Vec<u32> = (0..players).map(|i| 1 << i).chain(pairs(players)).collect();
    all.extend(orders.iter().flat_map(|order| prefixes(order)));
    all.sort_unstable();
    all.dedup();
    all
}

/// Upper bound of the number of [`coalitions`] of 3 to [`MAX_PLAYERS`] players, all players together excluded: reached if no
/// two of `count` orders have a larger prefix in common. It is known before any order is drawn.
#[must_use]
pub fn most_coalitions(players: usize, count: u32) -> u64 {
    let k = players as u64;
    let along = k * (k + 1) / 2 + u64::from(count) * k.saturating_sub(3);
    along.min((1 << k) - 2)
}

/// Every coalition of two players.
fn pairs(players: usize) -> impl Iterator<Item = u32> {
    (0..players).flat_map(|i| (0..i).map(move |j| 1 << i | 1 << j))
}

/// The first one, two, … players of an order as sets.
fn prefixes(order: &[usize]) -> Vec<u32> {
    let longer = |mask: &mut u32, player: &usize| {
        *mask |= 1 << player;
        Some(*mask)
    };
    order.iter().scan(0, longer).collect()
}

/// What an order says of every player, as factors of coalitions' losses, in parts of `1/(k²(k − 1))`; the mean pair's
/// loss, which is the same for all, is left out.
fn terms(order: &[usize]) -> Vec<Vec<(u32, i128)>> {
    let k = order.len() as i128;
    let sets = prefixes(order);
    let mut terms = vec![Vec::new(); order.len()];
    for (position, player) in order.iter().enumerate() {
        terms[*player].push((sets[1], -k * (k - 1)));
        if position >= 2 {
            terms[*player].push((sets[position - 1], k * k * (k - 1)));
            terms[*player].push((sets[position], -k * k * (k - 1)));
        }
    }
    terms
}

/// The estimates as sums of losses, over `m·k²·(k − 1)` for m orders of k players.
pub(super) fn sums(orders: &[Vec<usize>]) -> Sums {
    let players = orders.first().map_or(0, Vec::len);
    let (k, m) = (players as i128, orders.len() as i128);
    let mut sums = Sums::new(players, (m * k * k * (k - 1)) as u64);
    for i in 0..players {
        sums.add(i, 0, m * k * (k - 1));
        sums.add(i, 1 << i, -m * k * (k - 1));
        for j in (0..players).filter(|j| *j != i) {
            sums.add(i, 1 << j, m * k);
            sums.add(i, 1 << i | 1 << j, -m * k);
        }
        // the mean of k(k − 1)/2 pairs
        for pair in pairs(players) {
            sums.add(i, pair, 2 * m);
        }
    }
    for order in orders {
        for (i, terms) in terms(order).into_iter().enumerate() {
            for (mask, factor) in terms {
                sums.add(i, mask, factor);
            }
        }
    }
    sums
}

/// Estimates from orders of at least three players, and from the losses of their [`coalitions`] and of nobody.
#[must_use]
pub fn sampled(orders: &[Vec<usize>], loss: &dyn Fn(u32) -> u64) -> Values {
    let players = orders.first().map_or(0, Vec::len);
    let sums = sums(orders);
    Values {
        denominator: sums.denominator,
        numerators: sums.numerators(loss),
        half_widths: vec![half_width(orders, players, loss); players],
    }
}

/// Of all players, the largest `t·√(s²/m)`, rounded up, with the sample variance s² of a player's terms in the m orders.
fn half_width(orders: &[Vec<usize>], players: usize, loss: &dyn Fn(u32) -> u64) -> u64 {
    let mut found = vec![Vec::new(); players];
    for order in orders {
        for (of_one, terms) in found.iter_mut().zip(terms(order)) {
            of_one.push(terms.into_iter().map(|(mask, factor)| factor * i128::from(loss(mask))).sum::<i128>());
        }
    }
    // Σ (m·x − Σx)² = m³ times the variance over m; |m·x − Σx| < 2^84
    let squares = |of_one: &Vec<i128>| -> f64 {
        let (m, sum) = (of_one.len() as i128, of_one.iter().sum::<i128>());
        let square = |x: &i128| {
            let far = (m * x - sum) as f64;
            far * far
        };
        of_one.iter().map(square).sum()
    };
    let most = found.iter().map(squares).fold(0.0, f64::max);
    let (k, m) = (players as f64, orders.len() as f64);
    let variance = most / (m * m) / (m - 1.0);
    let unit = k * k * (k - 1.0);
    (student(players, m - 1.0) * (variance / m).sqrt() / unit * (1.0 + 1e-12)).ceil() as u64
}

/// The normal distribution's quantile at `1 − 0.025/k` for k = 7, 8, …, 32, in millionths.
const NORMAL: [u32; MAX_PLAYERS - EXACT_PLAYERS] = [
    2_690_110, 2_734_369, 2_772_921, 2_807_034, 2_837_597, 2_865_260, 2_890_512, 2_913_726, 2_935_199, 2_955_167,
    2_973_820, 2_991_316, 3_007_787, 3_023_341, 3_038_074, 3_052_065, 3_065_383, 3_078_088, 3_090_232, 3_101_862,
    3_113_017, 3_123_735, 3_134_046, 3_143_980, 3_153_563, 3_162_818,
];

/// Student's quantile at `1 − 0.025/players` for so many degrees of freedom, by the first terms of its expansion around
/// the normal one (Abramowitz and Stegun, 26.7.5): within 4e-6 from 29 degrees of freedom on. For 7 to 32 players; fewer count
/// as 7.
fn student(players: usize, freedom: f64) -> f64 {
    let z = f64::from(NORMAL[players.saturating_sub(EXACT_PLAYERS + 1).min(NORMAL.len() - 1)]) / 1e6;
    let s = z * z;
    let first = (s + 1.0) / 4.0;
    let second = ((5.0 * s + 16.0) * s + 3.0) / 96.0;
    let third = (((3.0 * s + 19.0) * s + 17.0) * s - 15.0) / 384.0;
    let fourth = ((((79.0 * s + 776.0) * s + 1482.0) * s - 1920.0) * s - 945.0) / 92160.0;
    let by = 1.0 / freedom;
    z + z * by * (first + by * (second + by * (third + by * fourth)))
}

#[cfg(test)]
mod tests {
    use super::super::shapley::exact;
    use super::*;

    fn every_order(players: usize) -> Vec<Vec<usize>> {
        if players == 0 {
            return vec![vec![]];
        }
        let inserted = |order: Vec<usize>| {
            (0..players).map(move |at| {
                let mut order = order.clone();
                order.insert(at, players - 1);
                order
            })
        };
        every_order(players - 1).into_iter().flat_map(inserted).collect()
    }

    fn some_loss(mask: u32) -> u64 {
        let hash = keccak(&mask.to_be_bytes());
        u64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) >> 8)
    }

    #[test]
    fn over_all_orders_the_estimates_are_exact() {
        for players in 3..=5 {
            let orders = every_order(players);
            assert_eq!(coalitions(&orders), super::super::shapley::every_coalition(players));
            let (exact, sampled) = (exact(players, &some_loss), sampled(&orders, &some_loss));
            let scale = i128::from(sampled.denominator / exact.denominator);
            let scaled: Vec<i128> = exact.numerators.iter().map(|n| n * scale).collect();
            assert_eq!((sampled.denominator % exact.denominator, sampled.numerators), (0, scaled));
        }
    }

    #[test]
    fn estimates_of_few_orders_sum_to_the_utility_with_one_half_width() {
        let (players, m) = (9, 30);
        let orders = permutations(&[4; 32], players, m);
        let found = sampled(&orders, &some_loss);
        let utility = i128::from(some_loss(0)) - i128::from(some_loss((1 << players) - 1));
        assert_eq!(found.numerators.iter().sum::<i128>(), i128::from(found.denominator) * utility);
        assert_eq!(found.denominator, u64::from(m) * 81 * 8);

        // the same in real numbers, term by term
        let real = |mask: u32| some_loss(mask) as f64;
        let (k, m) = (players as f64, f64::from(m));
        let mean_pair = pairs(players).map(real).sum::<f64>() / (k * (k - 1.0) / 2.0);
        let mut largest: f64 = 0.0;
        for i in 0..players {
            let others = (0..players).filter(|j| *j != i).map(|j| real(1 << j) - real(1 << i | 1 << j)).sum::<f64>();
            let early = (real(0) - real(1 << i) + others / (k - 1.0)) / k;
            let of = |order: &Vec<usize>| {
                let position = order.iter().position(|player| *player == i).unwrap();
                let set = |first: usize| order[..first].iter().fold(0u32, |mask, player| mask | 1 << player);
                let late = if position < 2 { 0.0 } else { real(set(position)) - real(set(position + 1)) };
                late - (real(set(2)) - mean_pair) / k
            };
            let late: Vec<f64> = orders.iter().map(of).collect();
            let mean = late.iter().sum::<f64>() / m;
            assert!((found.value(i) - early - mean).abs() < 1e-3);
            let variance = late.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (m - 1.0);
            largest = largest.max((variance / m).sqrt());
        }
        // Student's 1 − 0.025/9 quantile for 29 degrees of freedom
        let expected = 2.995912 * largest;
        assert!(found.half_widths.iter().all(|half| (*half as f64 - expected).abs() < 1.0 + 1e-5 * expected));
        // where nobody adds anything late, nothing is uncertain
        assert_eq!(sampled(&orders, &|mask| u64::from(mask == 0)).half_widths, [0; 9]);
    }

    #[test]
    fn quantiles_are_those_of_tables() {
        for (players, freedom, expected) in [
            (7, 29.0, 2.894474),
            (12, 29.0, 3.110450),
            (12, 39.0, 3.044062),
            (12, 99.0, 2.933356),
            (32, 39.0, 3.401004),
            (32, 4095.0, 3.164944),
        ] {
            assert!((student(players, freedom) - expected).abs() < 5e-6, "{players}, {freedom}");
        }
    }

    #[test]
    fn small_coalitions_are_all_there_and_large_ones_are_prefixes() {
        let orders = permutations(&[2; 32], 7, 1);
        let masks = coalitions(&orders);
        assert_eq!(masks.iter().filter(|mask| mask.count_ones() < 3).count(), 7 + 21);
        let mut large: Vec<u32> = masks.into_iter().filter(|mask| mask.count_ones() >= 3).collect();
        large.sort_unstable_by_key(|mask| mask.count_ones());
        assert_eq!(large, prefixes(&orders[0])[2..]);
        // the largest valuation's sums do not overflow
        let orders = permutations(&[3; 32], MAX_PLAYERS, 40);
        let masks = coalitions(&orders);
        assert!(masks.is_sorted() && masks.len() <= 32 + 496 + 40 * 29 + 1, "{}", masks.len());
        let highest = (1 << crate::numbers::LOSS_LIMIT_BITS) - 1;
        let found = sampled(&orders, &|mask| if mask.count_ones() & 1 == 0 { highest } else { 0 });
        assert_eq!(found.numerators.iter().sum::<i128>(), 0);
    }

    #[test]
    fn the_number_of_coalitions_is_bounded_before_they_are_drawn() {
        // besides all players; of one order every larger prefix is another
        let found = |players, count| coalitions(&permutations(&[5; 32], players, count)).len() as u64 - 1;
        for players in 4..=MAX_PLAYERS {
            assert_eq!(found(players, 1), most_coalitions(players, 1), "{players}");
            let (drawn, most) = (found(players, 50), most_coalitions(players, 50));
            assert!(drawn <= most, "{players}: {drawn} of {most}");
        }
        assert_eq!([most_coalitions(7, 24), most_coalitions(7, 25)], [124, 126]);
        assert_eq!([most_coalitions(12, 40), most_coalitions(12, 200)], [438, 1878]);
    }

    #[test]
    fn permutations_are_drawn_evenly_and_from_the_seed_alone() {
        let all = permutations(&[7; 32], 3, 3000);
        for order in every_order(3) {
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
