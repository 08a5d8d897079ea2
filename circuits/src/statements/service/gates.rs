//! The gates of `service`: data and answers, the chain of receipts, ranges and slots, the random sums.

use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::plonk::{Advice, Column, Expression, Fixed, Instance, VirtualCells};
use halo2_proofs::poly::Rotation;
use tribute_core::layout::Layout;
use tribute_core::numbers::BIAS_FEATURE;
use tribute_core::statement::SERVICE_SLOTS;

use super::{witness, Blocks, Rows, Sums, DATA, FEATURE, INPUTS_PER_HELPER, LIMBS, RANGE, SLOT};
use crate::gadgets::argument::{constant, horner, limbs, small, Gates, Query};
use crate::gadgets::logup::{Frame, Input, LogUp};
use crate::gadgets::poseidon2::{self, Poseidon2};

fn power(base: &Expression<Fr>, exponent: usize) -> Expression<Fr> {
    let mut result = small(1);
    for bit in (0..usize::BITS - exponent.leading_zeros()).rev() {
        result = result.clone() * result;
        if exponent >> bit & 1 == 1 {
            result = result * base.clone();
        }
    }
    result
}

/// `z_u` of a class row: `m − t_u`.
fn logit(c: &mut VirtualCells<'_, Fr>, data: &[Column<Advice>; DATA], limb_bits: u32) -> Expression<Fr> {
    c.cur(data[LIMBS + 1]) - gap(c, data, limb_bits) - c.next(data[LIMBS])
}

/// `t_u − B_{u+1}` of a class row, as its limbs say.
fn gap(c: &mut VirtualCells<'_, Fr>, data: &[Column<Advice>; DATA], limb_bits: u32) -> Expression<Fr> {
    let cells: Vec<_> = data[..LIMBS].iter().map(|v| c.cur(*v)).collect();
    limbs(&cells, limb_bits)
}

/// One-hot and largest logit.
pub(super) fn answers(gates: &mut Gates<'_>, frame: Frame, rows: Rows, data: &[Column<Advice>; DATA], limb_bits: u32) {
    let (answer, best) = (data[LIMBS], data[LIMBS + 1]);
    gates.add("one-hot: b(b − 1) = 0 with b = B − B'", |c| {
        let b = c.cur(answer) - c.next(answer);
        c.fixed(rows.q_class) * b.clone() * (b - small(1))
    });
    gates.add("exactly one answer: B = 1 on the first class row", |c| {
        c.fixed(rows.q_salt) * (c.next(answer) - small(1))
    });
    gates.add("B is 0 outside classes and features", |c| {
        (c.fixed(frame.q_use) - c.fixed(rows.q_feature) - c.fixed(rows.q_class)) * c.cur(answer)
    });
    gates.add("the largest logit is one per query: m' = m", |c| c.fixed(rows.q_class) * (c.next(best) - c.cur(best)));
    gates.add("the answer has the largest logit: b·t = 0", |c| {
        let b = c.cur(answer) - c.next(answer);
        c.fixed(rows.q_class) * b * gap(c, data, limb_bits)
    });
}

/// Registers: receipts chain within a run, runs are apart.
pub(super) fn chain(gates: &mut Gates<'_>, frame: Frame, rows: Rows, poseidon: &Poseidon2, blocks: &Blocks) {
    let [next, _, position, before, last, ..] = poseidon.output;
    let back = Rotation(-(blocks.height as i32));
    let lead = Rotation(-(blocks.lead as i32));
    let message = blocks.message;
    gates.add("end of run is boolean: last(last − 1) = 0", |c| {
        let last = c.cur(last);
        c.fixed(rows.q_link) * last.clone() * (last - small(1))
    });
    gates.add("the first block starts a run", |c| c.fixed(frame.q_first) * (c.cur(last) - small(1)));
    gates.add("position: position' = (1 − last)(position + 1)", |c| {
        let inside = small(1) - c.query_advice(last, back);
        c.fixed(rows.q_link) * (c.cur(position) - inside * (c.query_advice(position, back) + small(1)))
    });
    gates.add("before: before' = last ? next : before", |c| {
        let (ended, next, kept) =
            (c.query_advice(last, back), c.query_advice(next, back), c.query_advice(before, back));
        c.fixed(rows.q_link) * (c.cur(before) - kept.clone() - ended * (next - kept))
    });
    gates.add("receipts chain: (1 − last)(next − h') = 0", |c| {
        c.fixed(rows.q_link) * (small(1) - c.cur(last)) * (c.cur(next) - c.cur(poseidon.state[0]))
    });
    gates.add("a receipt starts from next", |c| {
        let [h, ..] = poseidon.start(c);
        c.fixed(rows.q_start) * (h - c.query_advice(next, lead))
    });
    gates.add("the capacity lane starts as the length", |c| {
        let [.., lane] = poseidon.start(c);
        c.fixed(rows.q_start) * (lane - constant(poseidon2::capacity(message)))
    });
}

/// Ranges of the data columns, and ends of runs against the public inputs.
pub(super) fn lookup(
    gates: &mut Gates<'_>,
    frame: Frame,
    rows: Rows,
    poseidon: &Poseidon2,
    data: &[Column<Advice>; DATA],
    table: Vec<Column<Fixed>>,
    instance: Column<Instance>,
) -> LogUp {
    let [_, slot, position, before, last, ..] = poseidon.output;
    let state = poseidon.state[0];
    let tag = table[0];
    // 1 on slot rows: tag(tag − 1)/2
    let is_slot = move |c: &mut VirtualCells<'_, Fr>| {
        let tag = c.fixed(tag);
        tag.clone() * (tag - small(1)) * tribute_engine::field::two_to(1).invert().unwrap_or(Fr::ZERO)
    };
    let input = move |c: &mut VirtualCells<'_, Fr>, group: usize| {
        c.query_instance(instance, Rotation((group * SERVICE_SLOTS) as i32))
    };
    let value = table[1];
    let tuple = move |c: &mut VirtualCells<'_, Fr>| {
        let slot = is_slot(c);
        let mut tuple = vec![c.fixed(tag), c.fixed(value)];
        tuple.extend((0..3).map(|group| slot.clone() * input(c, group)));
        tuple
    };
    let build = |c: &mut VirtualCells<'_, Fr>| {
        let (feature, class) = (c.fixed(rows.q_feature), c.fixed(rows.q_class));
        let mut inputs: Vec<_> = (0..DATA)
            .map(|i| Input {
                active: if i < LIMBS { feature.clone() + class.clone() } else { feature.clone() },
                tuple: vec![feature.clone() * small(FEATURE) + small(RANGE), c.cur(data[i])],
            })
            .collect();
        inputs.push(Input {
            active: c.fixed(rows.q_link) * c.cur(last),
            tuple: vec![small(SLOT), c.cur(slot), c.cur(before), c.cur(state), c.cur(position) + small(1)],
        });
        inputs
    };
    let lookup = LogUp::configure_table(gates, frame, table, &tuple, DATA + 1, INPUTS_PER_HELPER, &build);
    let multiplicity = lookup.multiplicity();
    gates.add("a slot ends at most one run: m(m − 1) = 0", |c| {
        let m = c.cur(multiplicity);
        is_slot(c) * m.clone() * (m - small(1))
    });
    gates.add("an unused slot has no queries: (1 − m)·count = 0", |c| {
        is_slot(c) * (small(1) - c.cur(multiplicity)) * input(c, 2)
    });
    gates.add("an unused slot does not move: (1 − m)(after − before) = 0", |c| {
        is_slot(c) * (small(1) - c.cur(multiplicity)) * (input(c, 1) - input(c, 0))
    });
    lookup
}

/// The product check and the receipts' messages.
pub(super) fn sums(
    gates: &mut Gates<'_>,
    frame: Frame,
    rows: Rows,
    poseidon: &Poseidon2,
    data: &[Column<Advice>; DATA],
    sums: &Sums,
    layout: &Layout,
) {
    let (blocks, limb_bits) = (Blocks::of(layout), layout.limb_bits());
    let Sums { w, a, third: [head, pack, hash, r], sigma, rho, kappa, tau } = *sums;
    let [inner, end, short] = witness::pack_factors(&blocks);

    gates.add("features under τ, logits and weights under κ: head = Σ τ^a x_a + τ^7·head', z + κ·head'", |c| {
        let (tau, kappa) = (c.challenge(tau), c.challenge(kappa));
        let mut features: Vec<_> = data.iter().map(|v| c.cur(*v)).collect();
        features.push(c.next(head));
        let z = logit(c, data, limb_bits);
        let below = kappa * c.next(head);
        c.fixed(frame.q_use) * c.cur(head)
            - c.fixed(rows.q_feature) * horner(&features, &tau)
            - c.fixed(rows.q_salt) * c.next(head)
            - c.fixed(rows.q_class) * (z + below.clone())
            - c.fixed(rows.q_w) * (c.cur(w) + (small(1) - c.fixed_next(rows.q_block)) * below)
    });
    gates.add(
        "message as data: pack = Σ 256^a x_a + 2^56·pack' or 2^-168·ρ·pack', salt + ρ(pack' − 1), B + pack'",
        |c| {
            let rho = c.challenge(rho);
            let features: Vec<_> = data.iter().map(|v| c.cur(*v)).collect();
            let (feature, element, below) = (c.fixed(rows.q_feature), c.fixed(rows.q_element), c.next(pack));
            let shift = (feature.clone() - element.clone()) * inner + element * rho.clone() * end;
            let salt = (c.cur(data[0]) + rho * (below.clone() - small(1))) * short;
            (c.fixed(frame.q_use) - c.fixed(rows.q_w)) * c.cur(pack)
                - feature * limbs(&features, 8)
                - shift * below.clone()
                - c.fixed(rows.q_salt) * salt
                - c.fixed(rows.q_class) * (c.cur(data[LIMBS]) + below)
        },
    );
    gates.add("message as absorbed: hash = b_0 + ρ·b_1 + ρ²·b_2 + ρ³·hash'", |c| {
        let rho = c.challenge(rho);
        let cube = rho.clone() * rho.clone() * rho.clone();
        let below = c.next(hash);
        let [_, b1, b2, _] = poseidon.start(c);
        let first = horner(&[small(0), b1, b2], &rho);
        let [b0, b1, b2, _] = poseidon.absorbed(c);
        let later = horner(&[b0, b1, b2], &rho);
        let more = (cube - small(1)) * below.clone();
        c.fixed(frame.q_use) * c.cur(hash)
            - (c.fixed(poseidon.q_full) + c.fixed(poseidon.q_partial)) * below
            - c.fixed(rows.q_start) * (first + more.clone())
            - c.fixed(poseidon.q_absorb) * (later + more)
    });
    gates.add("the receipt is of this message: hash = ρ·pack", |c| {
        c.fixed(rows.q_start) * (c.cur(hash) - c.challenge(rho) * c.cur(pack))
    });
    gates.add("powers start at 1", |c| c.fixed(rows.q_w_first) * (c.cur(pack) - small(1)));
    gates.add("powers: τ^j within a block, τ·τ^j in the next", |c| {
        let step = c.next(pack) - c.cur(pack);
        let block = c.fixed_next(rows.q_block) * (c.challenge(tau) - small(1)) * c.cur(pack);
        c.fixed(rows.q_w) * (c.fixed_next(rows.q_w) * step - block)
    });
    gates.add("logit check: r' = σr + 256 + τ·head on starts, r − a(α·wk + τ^j) on blocks", |c| {
        let (sigma, tau, kappa) = (c.challenge(sigma), c.challenge(tau), c.challenge(kappa));
        let alpha = power(&tau, blocks.features * DATA + 1) * if layout.classes() == 1 { kappa } else { small(1) };
        let record = (sigma - small(1)) * c.cur(r) + small(BIAS_FEATURE as u64) + tau * c.cur(head);
        let weight = c.cur(a) * (alpha * c.cur(head) + c.cur(pack));
        c.fixed(frame.q_use) * (c.next(r) - c.cur(r)) - c.fixed(rows.q_start) * record + c.fixed(rows.q_block) * weight
    });
    gates.add("logit check starts at 0", |c| c.fixed(frame.q_first) * c.cur(r));
    gates.add("logit check ends at 0", |c| c.fixed(frame.q_last) * c.cur(r));
}
