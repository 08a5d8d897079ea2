//! Which gates a witness violates: every gate evaluated on every row, with random-looking challenges. It finds what a
//! failed verification does not say.

use rayon::prelude::*;
use tribute_circuits::circuit::constraint_system;
use tribute_circuits::halo2_proofs::halo2curves::bn256::Fr;
use tribute_circuits::plonk::Witness;
use tribute_circuits::prove::Keys;
use tribute_circuits::srs::Srs;

/// Names of the violated gates, each with the first row on which it fails, by name.
pub(crate) fn violated(srs: &Srs, circuit: &dyn Witness, inputs: &[Fr]) -> Vec<(String, usize)> {
    let shape = circuit.shape();
    let layout = shape.layout;
    let rows = layout.rows();
    let key = Keys::generate(srs, shape).unwrap();
    let cs = constraint_system(shape);

    let challenges: Vec<Fr> = (0..cs.num_challenges() as u64).map(|i| -Fr::from(1_234_567 + i * i * 7_919)).collect();
    let phases = cs.advice_column_phase();
    let mut advice: Vec<Vec<Fr>> = vec![vec![]; phases.len()];
    for phase in 0..=phases.iter().copied().max().unwrap_or(0) {
        let committed = if phase == 0 { circuit.committed() } else { vec![] };
        let mut columns: Vec<Vec<Fr>> = committed.iter().map(|c| c.values.clone()).collect();
        columns.extend(circuit.phase(phase, &challenges));
        for (slot, mut column) in (0..phases.len()).filter(|i| phases[*i] == phase).zip(columns) {
            column.resize(column.len().max(layout.gate_rows()), Fr::zero());
            // stands for the random rows at the end
            column.resize(rows, Fr::from(0xdead_beef));
            advice[slot] = column;
        }
    }
    let mut instance = inputs.to_vec();
    instance.resize(rows, Fr::zero());
    let fixed = key.fixed_values();
    let at = |row: usize, rotation: i32| (row as i64 + i64::from(rotation)).rem_euclid(rows as i64) as usize;

    let mut failed: Vec<(String, usize)> = cs
        .gates()
        .par_iter()
        .filter_map(|gate| {
            let row = (0..rows).find(|row| {
                gate.polynomials().iter().any(|p| {
                    let value = p.evaluate(
                        &|x| x,
                        &|_| Fr::zero(),
                        &|q| fixed[q.column_index()][at(*row, q.rotation().0)],
                        &|q| advice[q.column_index()][at(*row, q.rotation().0)],
                        &|q| instance[at(*row, q.rotation().0)],
                        &|c| challenges[c.index()],
                        &|x| -x,
                        &|x, y| x + y,
                        &|x, y| x * y,
                        &|x, s| x * s,
                    );
                    value != Fr::zero()
                })
            })?;
            Some((gate.name().to_owned(), row))
        })
        .collect();
    failed.sort();
    failed.dedup_by(|b, a| a.0 == b.0);
    failed
}
