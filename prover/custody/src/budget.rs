//! Limits how often a commitment may be opened, across backups and restores.
//!
//! A commitment with `s` salts may be opened `B = s − 1` times in total, in all stores together: its columns follow
//! from the tenant's secret and the content, so a live store and one restored from a backup open the *same* commitment.
//! Openings are therefore numbered `0 … B − 1`, and every store owns an interval of them.
//!
//! ```text
//!              0                                          ¾B          B
//!  no backup   [──────────────── live ──────────────────────────────────)
//!  1st backup  [──────────────── live ─────────────────────)[─ reserve ─)
//!  restored                                                  [─ restored ─)    divided again by its first backup
//! ```
//!
//! - The first backup of a store reserves the last quarter of its interval, for every commitment, *existing or future*.
//!   Later backups carry the same reserve.
//! - A restored store owns the reserve, also of commitments that the backup does not contain, because the live store
//!   may have made them since.
//! - An opening is counted before the proof starts and never given back, even if the proof fails. A retry counts again.
//!   Registering the same data again gives the same commitment, with the same counter.
//! - Whoever a dataset is lent to leaves its owner the last quarter of the store's openings, and opens it no oftener than the
//!   uses allow that were granted.
//! - Restoring a backup into a store that already owns the reserve changes nothing.
//!
//! A store's [`Lineage`] records how its interval was derived. As long as each reserve is restored only once, no two
//! stores of a family own the same opening; a property test looks for counterexamples.

use std::ops::Range;

/// Which side of a division, made by a first backup, a store is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Branch {
    /// It made the backup and kept the lower three quarters.
    Live,
    /// It was restored from the backup and has the last quarter.
    Restored,
}

/// Which part of every budget a store owns, as the divisions from the first store to this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage(Vec<Branch>);

/// Openings of one commitment in one store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Number of the next opening. Everything below is spent or belongs to another store.
    pub used: u64,
    /// End of the store's openings, exclusive.
    pub end: u64,
    /// Openings from `end` up to here are reserved for a restored store.
    pub reserved_to: u64,
}

impl Lineage {
    /// Parses the output of [`Lineage::text`]; `None` if it contains another letter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let branch = |c| match c {
            'L' => Some(Branch::Live),
            'R' => Some(Branch::Restored),
            _ => None,
        };
        text.chars().map(branch).collect::<Option<_>>().map(Lineage)
    }

    /// One letter for each division: `L` for live, `R` for restored.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.iter().map(|b| if *b == Branch::Live { 'L' } else { 'R' }).collect()
    }

    /// The lineage of this store after it has made a backup.
    #[must_use]
    pub fn backed_up(&self) -> Self {
        let mut branches = self.0.clone();
        if branches.last() != Some(&Branch::Live) {
            branches.push(Branch::Live);
        }
        Lineage(branches)
    }

    /// The lineage of a store restored from a backup of this one.
    #[must_use]
    pub fn restored(&self) -> Self {
        let mut branches = self.backed_up().0;
        branches.pop();
        branches.push(Branch::Restored);
        Lineage(branches)
    }

    /// Whether this lineage equals `other` or descends from it.
    #[must_use]
    pub fn descends_from(&self, other: &Lineage) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The openings that the store owns of a commitment with this budget.
    #[must_use]
    pub fn interval(&self, budget: u64) -> Range<u64> {
        self.0.iter().fold(0..budget, |Range { start, end }, branch| {
            let division = end - (end - start) / 4;
            match branch {
                Branch::Live => start..division,
                Branch::Restored => division..end,
            }
        })
    }

    /// The last openings of a commitment that only its owner may use: a quarter of the store's.
    #[must_use]
    pub fn reserve(&self, budget: u64) -> u64 {
        let Range { start, end } = self.interval(budget);
        (end - start) / 4
    }

    /// The initial counter of a commitment that the store has not opened before.
    #[must_use]
    pub fn counter(&self, budget: u64) -> Counter {
        let Range { start, end } = self.interval(budget);
        let reserved_to = match self.0.split_last() {
            Some((Branch::Live, before)) => Lineage(before.to_vec()).interval(budget).end,
            _ => end,
        };
        Counter { used: start, end, reserved_to }
    }
}

impl Counter {
    /// The counter after one more opening, or `None` if none is left.
    #[must_use]
    pub fn spend(self) -> Option<Self> {
        (self.used < self.end).then_some(Counter { used: self.used + 1, ..self })
    }

    /// The counter after the first backup of a store with this `lineage`: the unspent part of the last quarter is
    /// reserved.
    #[must_use]
    pub fn set_aside(self, lineage: &Lineage, budget: u64) -> Self {
        let end = lineage.backed_up().interval(budget).end;
        Counter { end: self.used.max(end).min(self.end), ..self }
    }

    /// The counter in a store that takes over the reserve `from..to` of the commitment. What was spent here stays
    /// spent.
    #[must_use]
    pub fn take_over(self, reserve: Range<u64>) -> Self {
        Counter { used: self.used.max(reserve.start), end: reserve.end, reserved_to: reserve.end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lineage(text: &str) -> Lineage {
        Lineage::parse(text).unwrap()
    }

    #[test]
    fn a_store_and_its_backup_divide_what_the_store_had() {
        let fresh = Lineage::default();
        assert_eq!(fresh.interval(1023), 0..1023);
        assert_eq!((fresh.backed_up().interval(1023), fresh.restored().interval(1023)), (0..768, 768..1023));
        let restored = fresh.restored();
        assert_eq!((restored.backed_up().interval(1023), restored.restored().interval(1023)), (768..960, 960..1023));
        // small budgets get an empty reserve rather than an overlap
        assert_eq!((fresh.backed_up().interval(3), fresh.restored().interval(3)), (0..3, 3..3));
    }

    #[test]
    fn only_the_first_backup_divides() {
        let once = Lineage::default().backed_up();
        assert_eq!(once.backed_up(), once);
        assert_eq!(once.restored(), Lineage::default().restored());
        assert_eq!(lineage("RL").restored(), lineage("RR"));
        assert!(Lineage::parse("LX").is_none());
        assert_eq!(lineage("RLR").text(), "RLR");
    }

    #[test]
    fn what_is_spent_of_a_reserve_is_not_set_aside() {
        let fresh = Lineage::default();
        let mut counter = fresh.counter(8);
        for _ in 0..7 {
            counter = counter.spend().unwrap();
        }
        let kept = counter.set_aside(&fresh, 8);
        assert_eq!(kept, Counter { used: 7, end: 7, reserved_to: 8 });
        assert_eq!(kept.spend(), None);
        assert_eq!(fresh.restored().counter(8).take_over(7..8), Counter { used: 7, end: 8, reserved_to: 8 });
    }

    #[test]
    fn a_new_commitment_of_a_backed_up_store_has_its_reserve_from_the_start() {
        assert_eq!(lineage("L").counter(8), Counter { used: 0, end: 6, reserved_to: 8 });
        assert_eq!(lineage("R").counter(8), Counter { used: 6, end: 8, reserved_to: 8 });
        assert_eq!(lineage("RL").counter(64), Counter { used: 48, end: 60, reserved_to: 64 });
    }
}
