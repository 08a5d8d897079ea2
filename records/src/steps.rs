//! How much of a feature's information survives quantisation to 256 steps.

use tribute_core::schema::Feature;

/// Statistics of a feature's values and the steps they fall on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Resolution {
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// Number of values below and above the range.
    pub(crate) below: usize,
    pub(crate) above: usize,
    /// Number of values more than the range's width outside it.
    pub(crate) far: usize,
    /// Number of distinct values, and of distinct steps they fall on.
    pub(crate) distinct: usize,
    pub(crate) steps: usize,
    /// Whether nearly all values in the range fall on so few steps that they can hardly be told apart.
    pub(crate) coarse: bool,
    /// Whether the middle nine tenths of the distinct values take up only a few of the range's steps, because others lie far off.
    pub(crate) crowded: bool,
}

/// A feature is coarse if at most this many steps hold nine tenths of its values and twice as many distinct values.
const FEW: usize = 3;
/// A feature is crowded if the middle nine tenths of at least twice as many distinct values lie within so many steps.
const CROWD: f64 = 16.0;

impl Resolution {
    /// Statistics of `values`, which must be finite; in any order.
    pub(crate) fn of(feature: &Feature, mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        let (Some(&min), Some(&max)) = (values.first(), values.last()) else { return Resolution::default() };
        let width = feature.hi - feature.lo;
        let count = |beyond: &dyn Fn(f64) -> bool| values.iter().filter(|x| beyond(**x)).count();
        let mut found = Resolution {
            min,
            max,
            below: count(&|x| x < feature.lo),
            above: count(&|x| x > feature.hi),
            far: count(&|x| x < feature.lo - width || x > feature.hi + width),
            ..Resolution::default()
        };
        // (records, distinct values) of each step, for values in the range, without the records of the commonest value
        let (mut inner, mut held) = ([(0, 0); 256], [false; 256]);
        let (mut commonest, mut on, mut within) = (0, 0, 0);
        for same in values.chunk_by(|a, b| a == b) {
            let step = usize::from(feature.quantise(same[0]).unwrap_or(0));
            held[step] = true;
            found.distinct += 1;
            if same[0] < feature.lo || same[0] > feature.hi {
                continue;
            }
            inner[step].0 += same.len();
            inner[step].1 += 1;
            within += same.len();
            if same.len() > commonest {
                (commonest, on) = (same.len(), step);
            }
        }
        found.steps = held.iter().filter(|held| **held).count();
        inner[on].0 -= commonest;
        inner.sort_unstable_by(|a, b| b.cmp(a));
        let (mut covered, mut used, mut merged) = (0, 0, 0);
        while 10 * covered < 9 * (within - commonest) {
            covered += inner[used].0;
            merged += inner[used].1;
            used += 1;
        }
        if found.distinct as f64 >= 2.0 * CROWD {
            let aside = found.distinct / 20;
            let mut distinct = values.chunk_by(|a, b| a == b).map(|same| same[0]);
            if let (Some(first), Some(last)) = (distinct.nth(aside), distinct.nth_back(aside)) {
                found.crowded = last - first < width * CROWD / 255.0;
            }
        }
        found.coarse = used > 0 && used <= FEW && merged >= 2 * used;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lo: f64, hi: f64, values: Vec<f64>) -> Resolution {
        Resolution::of(&Feature { name: "a".into(), lo, hi }, values)
    }

    /// 100 different values from 0 to just below 1.
    fn spread() -> Vec<f64> {
        (0..100).map(|i| f64::from(i) / 100.0).collect()
    }

    #[test]
    fn an_outlier_or_a_sentinel_makes_a_feature_coarse() {
        assert!(!of(0.0, 1.0, spread()).coarse);
        assert!(of(0.0, 1e9, [spread(), vec![1e9]].concat()).coarse);
        assert!(of(-999.0, 1.0, [spread(), vec![-999.0; 5]].concat()).coarse);
        // zeros and ones, and one outlier
        assert!(of(0.0, 1e9, [vec![0.0; 60], vec![1.0; 40], vec![1e9]].concat()).coarse);
    }

    #[test]
    fn three_steps_are_coarse_and_four_are_not() {
        // values from 0 to 1 on a range so wide that they fall on few steps
        let on = |steps: f64| of(0.0, 255.0 / steps, spread());
        assert_eq!((on(2.0).steps, on(2.0).coarse), (3, true));
        assert_eq!((on(3.6).steps, on(3.6).coarse), (5, false));
    }

    #[test]
    fn a_value_far_off_crowds_the_others() {
        assert!(!of(0.0, 0.99, spread()).crowded);
        assert!(of(0.0, 20.0, [spread(), vec![20.0]].concat()).crowded);
        assert!(of(-20.0, 0.99, [spread(), vec![-20.0; 4]].concat()).crowded);
        assert!(!of(0.0, 10.0, [spread(), vec![10.0]].concat()).crowded);
        // few values, however far apart
        assert!(!of(0.0, 20.0, vec![0.0, 0.1, 0.2, 20.0]).crowded);
    }

    #[test]
    fn few_values_and_many_zeros_are_not_coarse() {
        assert!(!of(0.0, 1.0, vec![0.0, 1.0, 1.0]).coarse);
        assert!(!of(0.0, 16.0, [vec![0.0; 1000], vec![3.0, 7.0]].concat()).coarse);
        assert!(!of(0.0, 1.0, [vec![0.0; 2000], spread()].concat()).coarse);
        assert!(!of(5.0, 6.0, vec![5.0; 10]).coarse);
        assert_eq!(of(0.0, 1.0, Vec::new()), Resolution::default());
    }

    #[test]
    fn what_is_beyond_the_range_does_not_make_it_coarse() {
        let beyond: Vec<f64> = (2..500).map(f64::from).collect();
        assert!(!of(0.0, 1.0, [spread(), beyond.clone()].concat()).coarse);
        assert!(!of(0.0, 1.0, beyond).coarse);
    }

    #[test]
    fn values_beyond_the_range_are_counted() {
        let r = of(0.0, 1.0, vec![-1.1, -1.0, -0.1, 0.0, 0.5, 1.0, 1.5, 2.0, 2.1]);
        assert_eq!((r.below, r.above, r.far, r.distinct, r.steps), (3, 3, 2, 9, 3));
        assert_eq!((r.min, r.max), (-1.1, 2.1));
    }
}
