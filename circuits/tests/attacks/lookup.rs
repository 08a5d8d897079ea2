//! The lookup's helpers, one by one, in every circuit: a helper must contain what is looked up on its row.

use std::sync::Arc;

use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::halo2curves::ff::Field;

use crate::harness::alone;
use crate::support::subjects::subjects;

const HELPER: &str = "logUp helper: h·d₁d₂d₃ = s₁d₂d₃ + s₂d₁d₃ + s₃d₁d₂";

/// A helper gains on an idle row what it loses on the next, so that the sum still ends at 0.
#[test]
fn every_helper_counts() {
    for subject in subjects() {
        let subject = subject();
        let names: Vec<String> = subject.honest.cs.gates().iter().map(|g| g.name().to_owned()).collect();
        let helpers: Vec<&String> = names.iter().filter(|name| name.starts_with(HELPER)).collect();
        let (sum, row) = (helpers.len(), subject.layout.gate_rows() - 4);
        for (helper, gate) in helpers.into_iter().enumerate() {
            let mut circuit = subject.circuit.boxed();
            *circuit.forge_mut() = Some(Arc::new(move |phase, columns, _| {
                if phase == 1 {
                    columns[helper][row] += Fr::ONE;
                    columns[helper][row + 1] -= Fr::ONE;
                    columns[sum][row + 1] += Fr::ONE;
                }
            }));
            alone(&format!("{}: helper {}", subject.name, helper + 1), circuit.as_ref(), &subject.inputs, gate);
        }
    }
}
