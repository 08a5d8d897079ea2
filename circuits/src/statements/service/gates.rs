//! Columns, gates and fixed values of `service`: data and answers, the chain of receipts, ranges and slots, the random sums.

use halo2_proofs::circuit::Region;
use halo2_proofs::halo2curves::bn256::Fr;
use halo2_proofs::plonk::{
    Advice, Challenge, Column, Error, Expression, FirstPhase, Fixed, Instance, SecondPhase, ThirdPhase, VirtualCells,
};
use halo2_proofs::poly::Rotation;
use tribute_core::layout::Layout;
use tribute_core::shape::Shape;
use tribute_core::statement::SERVICE_SLOTS;

use crate::arithmetization::Arithmetization;
use crate::gadgets::argmax::{ArgMax, Place};
use crate::gadgets::argument::{constant, half, horner, limbs, select, small, Gates, Query};
use crate::gadgets::logup::{Frame, Input, LogUp};
use crate::gadgets::poseidon2::{self, Poseidon2};
use crate::gadgets::product::RunningCheck;

use super::blocks::{Blocks, DATA, FEATURE, LIMBS, RANGE, SLOT};
use super::witness::{pack_factors, table, SlotInputs};

/// Degree of the gates, that of the S-boxes.
const DEGREE: usize = 6;
/// The maximum for a lookup's helper at this degree.
const INPUTS_PER_HELPER: usize = DEGREE - 2;

/// Selectors of rows. Links and weights are on rows without rounds, so their selectors are in columns of round constants.
#[derive(Clone, Copy, Debug)]
struct Rows {
    poseidon: Poseidon2,
    /// 1 on feature rows, 2 on class rows.
    data: Column<Fixed>,
    /// 1 on the last row of every packed element, and on salt rows.
    packed: Column<Fixed>,
}

/// Values of `data`.
const FEATURES: u64 = 1;
const CLASSES: u64 = 2;
/// Columns of round constants by what they select on rows without rounds.
const LINK: usize = 0;
const WEIGHT: usize = 1;
const BLOCK: usize = 2;
const FIRST_WEIGHT: usize = 3;

type Cells<'a, 'b> = &'a mut VirtualCells<'b, Fr>;

impl Rows {
    fn feature(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        c.fixed(self.data) * (small(CLASSES) - c.fixed(self.data))
    }

    fn class(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        c.fixed(self.data) * (c.fixed(self.data) - small(FEATURES)) * half()
    }

    /// Feature rows and class rows.
    fn feature_or_class(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        c.fixed(self.data) * (small(FEATURES + CLASSES) - c.fixed(self.data)) * half()
    }

    /// On feature rows and class rows: whether it is a feature row. Of degree 1, and only to be used on those.
    fn is_feature(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        small(CLASSES) - c.fixed(self.data)
    }

    /// Feature rows that end a packed element.
    fn element(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        c.fixed(self.packed) * c.fixed(self.data)
    }

    fn salt(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        c.fixed(self.packed) * (small(1) - c.fixed(self.data))
    }

    fn start(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        self.poseidon.starts(c)
    }

    fn link(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        self.poseidon.between(c, LINK)
    }

    fn weight(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        self.poseidon.between(c, WEIGHT)
    }

    fn first_weight(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        self.poseidon.between(c, FIRST_WEIGHT)
    }

    /// First row of every block of weights.
    fn block(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        self.poseidon.between(c, BLOCK)
    }

    /// On rows of weights: whether the next row is one too. No row of rounds follows them.
    fn weight_next(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        c.fixed_next(self.poseidon.column_between(WEIGHT))
    }

    /// On rows of weights: whether the next row is the first one of a block.
    fn block_next(&self, c: Cells<'_, '_>) -> Expression<Fr> {
        c.fixed_next(self.poseidon.column_between(BLOCK))
    }
}

/// Columns and challenges of the random sums; `third` is in the order of the module [`super::third`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Sums {
    w: Column<Advice>,
    a: Column<Advice>,
    third: [Column<Advice>; 4],
    pub(super) sigma: Challenge,
    pub(super) rho: Challenge,
    pub(super) kappa: Challenge,
    pub(super) tau: Challenge,
}

/// Selectors, challenges, the permutation and the lookup.
#[derive(Clone, Debug)]
pub struct Config {
    frame: Frame,
    rows: Rows,
    poseidon: Poseidon2,
    pub(super) lookup: LogUp,
    pub(super) sums: Sums,
}

impl Arithmetization for Config {
    fn configure(gates: &mut Gates<'_>, shape: &Shape) -> Self {
        let layout = shape.layout;
        // halo2-axiom only supports a degree above 5 if the circuit requests it
        gates.meta.set_minimum_degree(DEGREE);
        // the committed column first: its point comes first in the proof
        let w = gates.meta.advice_column_in(FirstPhase);
        let instance: Column<Instance> = gates.meta.instance_column();
        let frame = Frame::configure(gates);
        let poseidon = Poseidon2::configure(gates);
        let data: [Column<Advice>; DATA] = std::array::from_fn(|_| gates.meta.advice_column_in(FirstPhase));
        let mut fixed = || gates.meta.fixed_column();
        let rows = Rows { poseidon, data: fixed(), packed: fixed() };
        let table = vec![fixed(), fixed()];

        answers(gates, frame, rows, &arg_max(&data, layout.limb_bits()));
        chain(gates, frame, rows, &poseidon, &Blocks::of(&layout));
        let lookup = lookup(gates, frame, rows, &poseidon, &data, table, instance);

        let sigma = gates.meta.challenge_usable_after(FirstPhase);
        let rho = gates.meta.challenge_usable_after(FirstPhase);
        let a = gates.meta.advice_column_in(SecondPhase);
        let kappa = gates.meta.challenge_usable_after(SecondPhase);
        let tau = gates.meta.challenge_usable_after(SecondPhase);
        let third: [Column<Advice>; 4] = std::array::from_fn(|_| gates.meta.advice_column_in(ThirdPhase));
        let sums = Sums { w, a, third, sigma, rho, kappa, tau };
        random_sums(gates, frame, rows, &poseidon, &data, &sums, &layout);

        Config { frame, rows, poseidon, lookup, sums }
    }

    fn fix(&self, region: &mut Region<'_, Fr>, shape: &Shape) -> Result<(), Error> {
        let layout = shape.layout;
        let blocks = Blocks::of(&layout);
        if blocks.count == 0 {
            return Err(Error::NotEnoughRowsAvailable { current_k: layout.k() });
        }
        let weights = layout.weights_start()..layout.weights_end();
        let rows = &self.rows;
        self.frame.assign(region, layout.gate_rows());
        for i in 0..blocks.count {
            let start = blocks.start(i);
            self.poseidon.assign(region, start, blocks.permutations);
            select(region, self.poseidon.column_between(LINK), [blocks.link(i)]);
            select(region, rows.data, start..start + blocks.features);
            let elements = (0..blocks.features).filter(|f| blocks.ends_element(*f));
            select(region, rows.packed, elements.map(|f| start + f).chain([blocks.salt(i)]));
            for u in 0..blocks.classes {
                region.assign_fixed(rows.data, blocks.class(i, u), Fr::from(CLASSES));
            }
        }
        select(region, self.poseidon.column_between(WEIGHT), weights.clone());
        select(region, self.poseidon.column_between(FIRST_WEIGHT), [weights.start]);
        select(region, self.poseidon.column_between(BLOCK), weights.step_by(layout.classes()));
        let table = table(&layout, &vec![SlotInputs::default(); SERVICE_SLOTS]);
        self.lookup.assign_table(region, &table, layout.gate_rows());
        Ok(())
    }
}

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

/// The arg max's columns, which are among the data columns.
fn arg_max(data: &[Column<Advice>; DATA], limb_bits: u32) -> ArgMax {
    ArgMax { limbs: data[..LIMBS].to_vec(), suffix: data[LIMBS], best: data[LIMBS + 1], limb_bits }
}

/// Gates for the one-hot answer and the largest logit.
fn answers(gates: &mut Gates<'_>, frame: Frame, rows: Rows, arg_max: &ArgMax) {
    arg_max.gates(
        gates,
        &Place {
            class: &|c| rows.class(c),
            above: &|c| rows.salt(c),
            answers: ("exactly one answer: B = 1 on the first class row", &|_| small(1)),
            idle: ("B is 0 outside classes and features", &|c| frame.used(c) - rows.feature_or_class(c)),
            joined: ("the largest logit is one per query: m' = m", &|c| rows.class(c)),
        },
    );
}

/// Gates for the registers: receipts chain within a run, and runs are separate.
fn chain(gates: &mut Gates<'_>, frame: Frame, rows: Rows, poseidon: &Poseidon2, blocks: &Blocks) {
    let [next, _, position, before, last, ..] = poseidon.output;
    let back = Rotation(-(blocks.height as i32));
    let lead = Rotation(-(blocks.lead as i32));
    let message = blocks.message;
    gates.add("end of run is boolean: last(last − 1) = 0", |c| {
        let last = c.cur(last);
        rows.link(c) * last.clone() * (last - small(1))
    });
    // no block reaches the last gate row, so nothing else reads the cell there
    gates.add("the first block starts a run", |c| frame.ends(c) * (c.cur(last) - small(1)));
    gates.add("position: position' = (1 − last)(position + 1)", |c| {
        let inside = small(1) - c.query_advice(last, back);
        rows.link(c) * (c.cur(position) - inside * (c.query_advice(position, back) + small(1)))
    });
    gates.add("before: before' = last ? next : before", |c| {
        let (ended, next, kept) =
            (c.query_advice(last, back), c.query_advice(next, back), c.query_advice(before, back));
        rows.link(c) * (c.cur(before) - kept.clone() - ended * (next - kept))
    });
    gates.add("receipts chain: (1 − last)(next − h') = 0", |c| {
        rows.link(c) * (small(1) - c.cur(last)) * (c.cur(next) - c.cur(poseidon.state[0]))
    });
    gates.add("a receipt starts from next", |c| {
        let [h, ..] = poseidon.start(c);
        rows.start(c) * (h - c.query_advice(next, lead))
    });
    gates.add("the capacity lane starts as the length", |c| {
        let [.., lane] = poseidon.start(c);
        rows.start(c) * (lane - constant(poseidon2::capacity(message)))
    });
}

/// Lookups of the data columns' ranges, and of the ends of runs in the public inputs.
fn lookup(
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
        tag.clone() * (tag - small(1)) * half()
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
        let tag = small(RANGE) + rows.is_feature(c) * small(FEATURE - RANGE);
        let mut inputs: Vec<_> = (0..DATA)
            .map(|i| Input {
                active: if i < LIMBS { rows.feature_or_class(c) } else { rows.feature(c) },
                tuple: vec![tag.clone(), c.cur(data[i])],
            })
            .collect();
        inputs.push(Input {
            active: rows.link(c) * c.cur(last),
            tuple: vec![small(SLOT), c.cur(slot), c.cur(before), c.cur(state), c.cur(position) + small(1)],
        });
        inputs
    };
    let lookup = LogUp::configure_table(gates, frame, table, &tuple, (DATA + 1, INPUTS_PER_HELPER, 0), &build);
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

/// Gates for the product check and the receipts' messages.
fn random_sums(
    gates: &mut Gates<'_>,
    frame: Frame,
    rows: Rows,
    poseidon: &Poseidon2,
    data: &[Column<Advice>; DATA],
    sums: &Sums,
    layout: &Layout,
) {
    let (blocks, arg_max) = (Blocks::of(layout), arg_max(data, layout.limb_bits()));
    let Sums { w, a, third: [head, pack, hash, r], sigma, rho, kappa, tau } = *sums;
    let [inner, end, short] = pack_factors(&blocks);

    gates.add("features under τ, logits and weights under κ: head = Σ τ^a x_a + τ^7·head', z + κ·head'", |c| {
        let (tau, kappa) = (c.challenge(tau), c.challenge(kappa));
        let mut features: Vec<_> = data.iter().map(|v| c.cur(*v)).collect();
        features.push(c.next(head));
        let z = arg_max.logit(c);
        let below = kappa * c.next(head);
        frame.used(c) * c.cur(head)
            - rows.feature(c) * horner(&features, &tau)
            - rows.salt(c) * c.next(head)
            - rows.class(c) * (z + below.clone())
            - rows.weight(c) * (c.cur(w) + (small(1) - rows.block_next(c)) * below)
    });
    gates.add(
        "message as data: pack = Σ 256^a x_a + 2^56·pack' or 2^-168·ρ·pack', salt + ρ(pack' − 1), B + pack'",
        |c| {
            let rho = c.challenge(rho);
            let features: Vec<_> = data.iter().map(|v| c.cur(*v)).collect();
            let (feature, element, below) = (rows.feature(c), rows.element(c), c.next(pack));
            let shift = (feature.clone() - element.clone()) * inner + element * rho.clone() * end;
            let salt = (c.cur(data[0]) + rho * (below.clone() - small(1))) * short;
            (frame.used(c) - rows.weight(c)) * c.cur(pack)
                - feature * limbs(&features, 8)
                - shift * below.clone()
                - rows.salt(c) * salt
                - rows.class(c) * (c.cur(data[LIMBS]) + below)
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
        frame.used(c) * c.cur(hash)
            - poseidon.rounds(c) * below
            - rows.start(c) * (first + more.clone())
            - poseidon.absorbs(c) * (later + more)
    });
    gates.add("the receipt is of this message: hash = ρ·pack", |c| {
        rows.start(c) * (c.cur(hash) - c.challenge(rho) * c.cur(pack))
    });
    gates.add("powers start at 1", |c| rows.first_weight(c) * (c.cur(pack) - small(1)));
    gates.add("powers: τ^j within a block, τ·τ^j in the next", |c| {
        let step = c.next(pack) - c.cur(pack);
        let block = rows.block_next(c) * (c.challenge(tau) - small(1)) * c.cur(pack);
        rows.weight(c) * (rows.weight_next(c) * step - block)
    });
    RunningCheck { frame, a, r }.gates(
        gates,
        "logit check: r' = σr + bias + τ·head on starts, r − a(α·wk + τ^j) on blocks",
        |c| {
            let (sigma, tau) = (c.challenge(sigma), c.challenge(tau));
            rows.start(c) * ((sigma - small(1)) * c.cur(r) + small(layout.bias_feature() as u64) + tau * c.cur(head))
        },
        |c| {
            let (tau, kappa) = (c.challenge(tau), c.challenge(kappa));
            let alpha = power(&tau, blocks.features * DATA + 1) * if layout.classes() == 1 { kappa } else { small(1) };
            rows.block(c) * (alpha * c.cur(head) + c.cur(pack))
        },
    );
}
