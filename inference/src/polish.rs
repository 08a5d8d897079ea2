//! How far a model was moved when it was polished: its weights, and what it answers.

use tribute_core::head::{answer, Weights};

/// A model beside what polishing made of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moved {
    /// `‖W − W₀‖/‖W₀‖`.
    pub weights: f64,
    /// Records that both were asked about.
    pub records: usize,
    /// Those that they answer differently.
    pub changed: usize,
    /// Right answers before and after, of records whose class is known.
    pub right: [usize; 2],
    /// Records whose class is known.
    pub known: usize,
}

impl Moved {
    /// Compares the weights of two heads of one shape; no record yet.
    #[must_use]
    pub fn between(before: &Weights, after: &Weights) -> Self {
        let square = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
        let pairs = before.values().iter().zip(after.values());
        let distance = square(&mut pairs.map(|(a, b)| (b - a) as f64));
        let norm = square(&mut before.values().iter().map(|w| *w as f64));
        let weights = if distance == 0.0 { 0.0 } else { distance / norm };
        Moved { weights, records: 0, changed: 0, right: [0; 2], known: 0 }
    }

    /// Counts the two heads' answers to further records: features, with the class if it is known.
    pub fn count<'a>(
        &mut self,
        before: &Weights,
        after: &Weights,
        records: impl Iterator<Item = (&'a [u8], Option<u16>)>,
    ) {
        for (features, class) in records {
            let answers = [before, after].map(|head| answer(&head.logits(features)));
            self.records += 1;
            self.changed += usize::from(answers[0] != answers[1]);
            if let Some(class) = class {
                self.known += 1;
                for (right, answer) in self.right.iter_mut().zip(answers) {
                    *right += usize::from(answer == class);
                }
            }
        }
    }
}

/// Compares two heads of one shape: their weights, and their answers to `records`, features with the class if it is known.
pub fn moved<'a>(before: &Weights, after: &Weights, records: impl Iterator<Item = (&'a [u8], Option<u16>)>) -> Moved {
    let mut moved = Moved::between(before, after);
    moved.count(before, after, records);
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_and_answers_are_counted() {
        let before = Weights::new(1, 2, vec![0, 0, 3, 4]).unwrap();
        let after = Weights::new(1, 2, vec![0, 0, 4, 3]).unwrap();
        let records: [(&[u8], Option<u16>); 4] = [(&[0], Some(0)), (&[1], Some(1)), (&[2], Some(0)), (&[3], None)];
        let m = moved(&before, &after, records.into_iter());
        assert!((m.weights - 2f64.sqrt() / 5.0).abs() < 1e-15);
        // no feature, no difference: class 0 twice
        assert_eq!((m.records, m.changed, m.known, m.right), (4, 3, 3, [2, 2]));
        assert_eq!(moved(&before, &before, [].into_iter()).weights, 0.0);
        assert_eq!(moved(&Weights::zero(1, 2), &after, [].into_iter()).weights, f64::INFINITY);
    }
}
