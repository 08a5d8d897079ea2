//! Times of a proof's parts.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// A part of the work of a proof. Parts follow one after another on the thread that proves, so their times add up to that
/// of the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Values of the columns: the fresh ones of all phases with their random rows, and copies of the committed ones.
    Witness,
    /// Commitments to fresh columns and interpolation of all columns, which run side by side, and its table of roots.
    Columns,
    /// Commitments to the random polynomial, the quotient's pieces and the two of the openings.
    Commitments,
    /// The quotient's transforms: columns to each coset, sums of gates back, and joining the cosets.
    QuotientFfts,
    /// Compiling the gates and evaluating them on the rows of each coset.
    GateRows,
    /// Values of all polynomials at the challenge and its rotations.
    Evaluations,
    /// Openings without their commitments.
    Openings,
}

impl Part {
    /// All parts.
    pub const ALL: [Part; 7] = [
        Part::Witness,
        Part::Columns,
        Part::Commitments,
        Part::QuotientFfts,
        Part::GateRows,
        Part::Evaluations,
        Part::Openings,
    ];

    /// The part's name in measurements.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Part::Witness => "witness",
            Part::Columns => "columns",
            Part::Commitments => "commitments",
            Part::QuotientFfts => "quotient_ffts",
            Part::GateRows => "gate_rows",
            Part::Evaluations => "evaluations",
            Part::Openings => "openings",
        }
    }
}

/// Divides the time of a proof among its parts.
pub(super) struct Clock<'a> {
    report: &'a dyn Fn(Part, Duration),
    last: Cell<Instant>,
}

impl<'a> Clock<'a> {
    pub(super) fn start(report: &'a dyn Fn(Part, Duration)) -> Self {
        Clock { report, last: Cell::new(Instant::now()) }
    }

    /// Reports the time since the last call, or since the start, as that of `part`.
    pub(super) fn lap(&self, part: Part) {
        let now = Instant::now();
        (self.report)(part, now - self.last.replace(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    #[test]
    fn laps_cover_the_time_without_gaps() {
        let laps = RefCell::new(Vec::new());
        let report = |part, time| laps.borrow_mut().push((part, time));
        let start = Instant::now();
        let clock = Clock::start(&report);
        for part in Part::ALL {
            std::thread::sleep(Duration::from_millis(1));
            clock.lap(part);
        }
        let (laps, total) = (laps.take(), start.elapsed());
        assert_eq!(laps.iter().map(|(part, _)| *part).collect::<Vec<_>>(), Part::ALL);
        assert!(laps.iter().all(|(_, time)| *time >= Duration::from_millis(1)));
        assert!(laps.iter().map(|(_, time)| *time).sum::<Duration>() <= total);
    }

    #[test]
    fn names_differ() {
        let names: BTreeSet<&str> = Part::ALL.iter().map(|part| part.name()).collect();
        assert_eq!(names.len(), Part::ALL.len());
    }
}
