//! Four verifiers, one answer: halo2's own, the one on arkworks, our EVM code (its pairing deferred too) and snark-verifier's, on
//! random proofs of every circuit, good ones and bad ones.
//!
//! Known pitfalls of snark-verifier's code (it reduces inputs and scalars, ignores trailing bytes, reads zeros past the
//! end) are alterations too, but counted separately: they must fool it, but not the other three. The gate guards
//! against them: `verifier-contract/test/Guards.t.sol`.
//!
//! Counts go to `differential.json` in cargo's folder for tests, for the report of the contracts' tests.

mod alter;
mod subjects;

use alter::{Alteration, Case, Expected};
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use std::{collections::BTreeMap, path::Path};
use subjects::{Subject, Verdict};

/// Alterations per good proof.
const BAD_PER_GOOD: usize = 3;
/// Minimum number of proofs in the test.
const LEAST: usize = 200;

#[derive(Default)]
struct Counts {
    good: usize,
    bad: usize,
    disagree: usize,
    traps: usize,
    kinds: BTreeMap<&'static str, usize>,
}

impl Counts {
    /// Counts one case and reports what is wrong with it.
    fn take(&mut self, name: &str, case: &Case, verdict: Verdict) -> Option<String> {
        let expected = match case.expected {
            Expected::Accepted => Verdict::all(true),
            Expected::Refused => Verdict::all(false),
            Expected::Trap => Verdict { snark: true, ..Verdict::all(false) },
        };
        *self.kinds.entry(case.kind).or_default() += 1;
        match case.expected {
            Expected::Accepted => self.good += 1,
            Expected::Refused => self.bad += 1,
            Expected::Trap => self.traps += 1,
        }
        if verdict == expected {
            return None;
        }
        self.disagree += 1;
        Some(format!(
            "{name}: {} ({}): {verdict:?}, expected {expected:?}; inputs {}; proof {}",
            case.kind,
            case.place,
            hex::encode(case.inputs.concat()),
            hex::encode(&case.proof)
        ))
    }

    fn write(&self) {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("differential.json");
        let value = serde_json::json!({
            "good": self.good, "bad": self.bad, "disagree": self.disagree, "traps": self.traps, "kinds": self.kinds,
        });
        std::fs::write(path, serde_json::to_vec_pretty(&value).unwrap()).unwrap();
    }
}

#[test]
fn four_verifiers_agree() {
    let mut counts = Counts::default();
    let mut wrong = vec![];
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    // cycles through the alterations, over all circuits together
    let mut next = Alteration::ALL.iter().cycle();
    for (shape, proofs) in subjects::all() {
        let subject = Subject::new(shape, proofs);
        let mut before: Option<Case> = None;
        for number in 0..subject.proofs() {
            let good = Case::good(subject.prove(number, rng.next_u64()));
            wrong.extend(counts.take(subject.name(), &good, subject.verdict(&good)));
            for alteration in next.by_ref().take(BAD_PER_GOOD) {
                let bad = alteration.apply(&good, before.as_ref(), &subject.regions(), &mut rng);
                wrong.extend(counts.take(subject.name(), &bad, subject.verdict(&bad)));
            }
            before = Some(good);
        }
        println!("{}: {} good so far, {} bad, {} traps", subject.name(), counts.good, counts.bad, counts.traps);
    }
    counts.write();
    assert!(wrong.is_empty(), "{} disagree:\n{}", wrong.len(), wrong.join("\n"));
    assert!(counts.good >= LEAST / 4 && counts.bad >= LEAST / 2 && counts.good + counts.bad >= LEAST);
    for alteration in Alteration::ALL {
        assert!(counts.kinds.get(alteration.name()).is_some_and(|n| *n > 1), "{}", alteration.name());
    }
}
