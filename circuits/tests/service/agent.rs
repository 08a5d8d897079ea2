//! An agent with committed weights, its sessions, and steps as a basis for forgeries.
#![allow(dead_code)]

use tribute_circuits::columns::{commit_weights, CommittedGroup, Secret};
use tribute_circuits::keys::Keys;
use tribute_circuits::statements::service::{
    column, AnsweredQuery, Blocks, ServiceCircuit, SessionBatch, SlotInputs, Step, LIMBS,
};
use tribute_core::head::{answer, Weights};
use tribute_core::layout::{Layout, Task};
use tribute_core::receipt;
use tribute_core::shape::Shape;
use tribute_core::statement::SERVICE_SLOTS;
use tribute_engine::field::{from_core, from_i128, to_core};
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::srs::Srs;

use crate::support::keyed::srs;
use crate::support::{records, weights};

pub(crate) fn layout(k: u32, d: usize, c: usize) -> Layout {
    Layout::new(k, 8, d, c, Task::Classes).unwrap()
}

pub(crate) fn small_srs() -> &'static Srs {
    srs(15)
}

/// An agent with its committed weights.
pub(crate) struct Agent {
    pub(crate) layout: Layout,
    pub(crate) weights: Weights,
    pub(crate) group: CommittedGroup,
}

impl Agent {
    pub(crate) fn new(srs: &Srs, layout: Layout, weights: Weights) -> Self {
        let group = commit_weights(srs, &layout, &Secret::from_bytes([7; 32]), &weights);
        Agent { layout, weights, group }
    }

    /// 20 features, 5 classes, k = 15, the smallest whose limbs are wide enough. Classes 1 and 3 have the same weights,
    /// so they tie on every query.
    pub(crate) fn tying() -> Self {
        let layout = layout(15, 20, 5);
        let mut values = weights(&layout, 3).values().to_vec();
        for block in values.chunks_mut(5) {
            block[1] = block[0].abs().max(block[1]).max(block[2]).max(block[4]);
            block[3] = block[1];
        }
        Agent::new(small_srs(), layout, Weights::new(20, 5, values).unwrap())
    }

    pub(crate) fn plain() -> Self {
        let layout = layout(15, 20, 5);
        Agent::new(small_srs(), layout, weights(&layout, 3))
    }

    pub(crate) fn blocks(&self) -> Blocks {
        Blocks::of(&self.layout)
    }

    pub(crate) fn shape(&self) -> Shape {
        Shape::service(self.layout)
    }

    pub(crate) fn keys(&self, srs: &Srs) -> Keys {
        Keys::generate(srs, &self.shape()).unwrap()
    }

    pub(crate) fn answered(&self, features: &[u8], salt: u64) -> AnsweredQuery {
        let answer = answer(&self.weights.logits(features));
        AnsweredQuery { features: features.to_vec(), salt: -tribute_core::Fr::from(salt), answer }
    }

    /// A session of `n` queries; the first two are all 255 and all 0.
    pub(crate) fn session(&self, before: u64, n: usize) -> SessionBatch {
        let queries = records(&self.layout, n, before + 1)
            .iter()
            .enumerate()
            .map(|(i, (features, _))| self.answered(features, before * 1000 + i as u64))
            .collect();
        SessionBatch { before: tribute_core::Fr::from(before), queries }
    }

    pub(crate) fn circuit(&self, sessions: &[SessionBatch]) -> ServiceCircuit {
        ServiceCircuit::new(self.shape(), &self.group, &self.weights, sessions).unwrap()
    }

    /// Honest steps of one slot.
    pub(crate) fn steps(&self, slot: u64, session: &SessionBatch) -> Vec<Step> {
        let mut h = session.before;
        let last = session.queries.len() - 1;
        (session.queries.iter().enumerate())
            .map(|(i, q)| {
                let (step, after) = Step::new(&self.layout, &self.weights, h, q);
                h = after;
                Step { slot, position: i as u64, before: from_core(&session.before), last: i == last, ..step }
            })
            .collect()
    }

    pub(crate) fn prove_steps(&self, shape: Shape, steps: Vec<Step>, slots: Vec<SlotInputs>) -> ServiceCircuit {
        ServiceCircuit::from_steps(shape, &self.group, &self.weights, steps, slots)
    }

    /// Rewrites a block's class rows for the answer `chosen`, with `best` as the claimed largest logit.
    pub(crate) fn set_answer(
        &self,
        circuit: &mut ServiceCircuit,
        block: usize,
        logits: &[i64],
        chosen: usize,
        best: i64,
    ) {
        let (blocks, bits) = (self.blocks(), self.layout.limb_bits());
        for (u, z) in logits.iter().enumerate() {
            let row = blocks.class(block, u);
            let gap = best - z - i64::from(u < chosen);
            for i in 0..LIMBS {
                let limb =
                    if gap >= 0 { Fr::from((gap as u64 >> (bits * i as u32)) & ((1 << bits) - 1)) } else { Fr::zero() };
                circuit.columns[column::DATA + i][row] = limb;
            }
            if gap < 0 {
                circuit.columns[column::DATA][row] = from_i128(i128::from(gap));
            }
            circuit.columns[column::ANSWER][row] = Fr::from(u64::from(u <= chosen));
            circuit.columns[column::BEST][row] = from_i128(i128::from(best));
        }
        let below = blocks.class(block, blocks.classes - 1) + 1;
        circuit.columns[column::BEST][below] = from_i128(i128::from(best));
    }
}

pub(crate) fn slots(of: &[(usize, u64, Fr, u64)]) -> Vec<SlotInputs> {
    let mut slots = vec![SlotInputs::default(); SERVICE_SLOTS];
    for (slot, before, after, count) in of {
        slots[*slot] = SlotInputs { before: Fr::from(*before), after: *after, count: Fr::from(*count) };
    }
    slots
}

/// Transcript after a session, computed by tribute-core alone.
pub(crate) fn after(layout: &Layout, session: &SessionBatch) -> Fr {
    let extend = |h, q: &AnsweredQuery| receipt::extend(h, layout.features(), &q.features, q.salt, q.answer);
    from_core(&session.queries.iter().fold(session.before, extend))
}

/// The receipt of a message.
pub(crate) fn receipt_of(message: &[Fr]) -> Fr {
    let core: Vec<_> = message.iter().map(to_core).collect();
    from_core(&receipt::sponge(&core))
}
