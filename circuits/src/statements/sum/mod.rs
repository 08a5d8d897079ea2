//! # Statement
//!
//! `G = Σ_p G_p` over exactly `m` committed gradients; `m`, from 2 to 8, is part of the circuit.
//!
//! # Public inputs
//!
//! `ctx` only ([`tribute_core::context::sum_ctx`]); no gate uses it, the transcript absorbs it first.
//!
//! # Committed columns
//!
//! `G, G_1 … G_m`, one group each; values in the weights' rows.
//!
//! # Region
//!
//! ```text
//!                 | G  | G_1 … G_m   | q_from | q_until |
//! records' rows   |    |             | 0      | 1       |
//! weights row j   | g  | g_1 … g_m   | 1      | 1       |
//! below           |    |             | 1      | 0       |
//! ```
//!
//! # Soundness
//!
//! One gate on every weights row, `g = Σ_p g_p`, over the field; no challenge, no fresh column. Two selectors stand for
//! one, so that the gate has degree 3 and no piece of the quotient is the zero polynomial, whose commitment cannot stand
//! in a proof.
//!
//! *No unused slots.* A sum of another number of gradients is another circuit with another key and proof length, so there
//! is no slot that would have to be empty, no flag that says so, and nothing to hide in one. It also makes the proof the
//! smallest that commits to its operands: 13 points and 12 scalars for m = 8.
//!
//! *No wrap, at any depth.* An entry of a registered shard's gradient is an integer below `2^8·2^112` in magnitude times
//! the shard's records ([`crate::statements::gradient`]; the squared link is the worst). The verifier counts every shard once and
//! bounds all their records together by `n < 2^26` ([`tribute_core::numbers::COUNT_LIMIT_BITS`]; the optimum's public n
//! is the sum of the registered counts). So every node of a tree over them is an integer below 2^146, whatever the
//! tree's depth: the field sum is the integer sum, and [`crate::statements::optimum`] needs no more of a slot than this bound, which
//! a slot that holds one shard has for the same reason.
//!
//! *What ties a tree to W.* Not this circuit: `Σ G_p` is the same whatever the gradients are of, and a commitment to W
//! beside them would be one more opening of W that no gate needs. What ties it is the leaves: each is a `gradient` proof
//! that holds X, Y, W and G together. Who verifies a tree compares
//!
//! - the W group of *every* leaf and of the optimum with the certified weights;
//! - the X, Y group of every leaf with a registered shard: the leaves in order are all shards of the listed datasets,
//!   each once;
//! - the G group of every node with the group of its slot in the node above it;
//! - `ctx`, which names W's digest, the owner and the shards under the node.
//!
//! A gradient at other weights, or over other records, is then no leaf of the tree, and a sum cannot be carried from one
//! agent version to another. [`tribute_core::certificate::tree`] does this.
//!
//! # Not checked
//!
//! All of the above: what the G_p are, and that G stays in range.

use std::sync::Arc;

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{Column, Error, FirstPhase, Fixed};
use tribute_core::shape::Shape;
use tribute_engine::column::CommittedColumn;
use tribute_engine::plonk::Witness;

use crate::arithmetization::Arithmetization;
use crate::arithmetization::StatementWitness;
use crate::columns::CommittedGroup;
use crate::gadgets::argument::{select, small, Gates, Query};

/// The two selectors whose product is 1 on the weights' rows.
#[derive(Clone, Debug)]
pub struct Config {
    q_from: Column<Fixed>,
    q_until: Column<Fixed>,
}

/// The `sum` circuit with its witness, which is nothing but the committed columns.
#[derive(Clone)]
pub struct SumCircuit {
    shape: Shape,
    committed: Vec<Arc<CommittedColumn>>,
}

impl SumCircuit {
    /// The witness for a sum and its parts.
    ///
    /// # Panics
    /// If there are not as many parts as the shape has: a caller's mistake.
    #[must_use]
    pub fn new(shape: Shape, sum: &CommittedGroup, parts: &[&CommittedGroup]) -> Self {
        assert_eq!(parts.len(), shape.parts, "parts of the sum");
        let committed = std::iter::once(&sum).chain(parts).flat_map(|g| g.columns.iter().cloned()).collect();
        SumCircuit { shape, committed }
    }
}

impl Arithmetization for Config {
    fn configure(gates: &mut Gates<'_>, shape: &Shape) -> Self {
        // committed columns first: their points open the proof
        let sum = gates.meta.advice_column_in(FirstPhase);
        let parts: Vec<_> = (0..shape.parts).map(|_| gates.meta.advice_column_in(FirstPhase)).collect();
        // `ctx` is absorbed by the transcript; no gate queries it
        let _ctx = gates.meta.instance_column();
        let (q_from, q_until) = (gates.meta.fixed_column(), gates.meta.fixed_column());
        gates.add("sum: g = Σ g_p", |c| {
            let total = parts.iter().map(|p| c.cur(*p)).reduce(|a, b| a + b).unwrap_or_else(|| small(0));
            c.fixed(q_from) * c.fixed(q_until) * (c.cur(sum) - total)
        });
        Config { q_from, q_until }
    }

    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error> {
        let layout = shape.layout;
        select(region, self.q_from, layout.weights_start()..layout.gate_rows());
        select(region, self.q_until, 0..layout.weights_end());
        Ok(())
    }
}

impl StatementWitness for SumCircuit {
    fn shape(&self) -> &Shape {
        &self.shape
    }
}

impl Witness for SumCircuit {
    fn committed(&self) -> Vec<Arc<CommittedColumn>> {
        self.committed.clone()
    }

    fn phase(&self, _phase: u8, _challenges: &[Fr]) -> Vec<Vec<Fr>> {
        vec![]
    }
}
