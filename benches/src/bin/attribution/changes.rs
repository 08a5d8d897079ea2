//! What parties do with their records, and records that are made up.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tribute_core::head::{answer, Weights};
use tribute_core::records::Records;

pub(crate) fn shuffled(records: &Records, seed: u64) -> Records {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..records.len()).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, rng.gen_range(0..=i));
    }
    mapped(records, order.into_iter(), |q, y| (q.to_vec(), y))
}

/// Records in this order, each changed.
pub(crate) fn mapped(
    records: &Records,
    order: impl Iterator<Item = usize>,
    mut change: impl FnMut(&[u8], u16) -> (Vec<u8>, u16),
) -> Records {
    let mut all = Records::new(records.width());
    for i in order {
        let (features, target) = change(records.features(i), records.target(i));
        all.push(&features, target);
    }
    all
}

pub(crate) fn dimmed(records: &Records, by: f64) -> Records {
    let dim = |q: &[u8]| q.iter().map(|q| (f64::from(*q) * (1.0 - by)).round() as u8).collect();
    mapped(records, 0..records.len(), |q, y| (dim(q), y))
}

/// Redraws a fraction of the labels at random from all classes.
pub(crate) fn relabelled(records: &Records, part: f64, classes: usize) -> Records {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    mapped(records, 0..records.len(), |q, y| {
        (q.to_vec(), if rng.gen_bool(part) { rng.gen_range(0..classes) as u16 } else { y })
    })
}

/// Each record repeated `times` times.
pub(crate) fn repeated(records: &Records, times: usize) -> Records {
    mapped(records, (0..times * records.len()).map(|i| i % records.len()), |q, y| (q.to_vec(), y))
}

/// Random features with the answers of these weights.
pub(crate) fn self_labelled(weights: &Weights, rows: usize) -> Records {
    let mut rng = ChaCha20Rng::seed_from_u64(11);
    let mut records = Records::new(weights.features());
    for _ in 0..rows {
        let features: Vec<u8> = (0..weights.features()).map(|_| rng.gen()).collect();
        let label = answer(&weights.logits(&features));
        records.push(&features, label);
    }
    records
}

/// Records of these in random order, again from the first if there are too few, every feature moved by up to 16 steps, with
/// the answers of these weights.
pub(crate) fn near(records: &Records, weights: &Weights, rows: usize) -> Records {
    let mut rng = ChaCha20Rng::seed_from_u64(13);
    let around = shuffled(records, 17);
    mapped(&around, (0..rows).map(|i| i % around.len()), |q, _| {
        let features: Vec<u8> = q.iter().map(|q| q.saturating_add_signed(rng.gen_range(-16..=16))).collect();
        let label = answer(&weights.logits(&features));
        (features, label)
    })
}

/// The records divided among three parties by class: each has a third of the classes.
pub(crate) fn by_class(records: &Records, classes: usize) -> Vec<Records> {
    let mut divided = vec![Records::new(records.width()); 3];
    for (features, class) in records.iter() {
        divided[3 * usize::from(class) / classes].push(features, class);
    }
    divided
}
