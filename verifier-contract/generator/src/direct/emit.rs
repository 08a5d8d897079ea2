//! Code generation from expressions.
//!
//! A value on the stack may be unreduced: its *bound* b means that it is at most b·r. Since 5r is below 2^256, up to
//! five reduced values can be added without a modular addition.

use super::{
    asm::*,
    dag::{word, Dag, Id, Node},
};
use halo2_proofs::halo2curves::{bn256::Fr, ff::Field};
use std::collections::HashMap;

/// Largest multiple of r that fits into a word.
const MAX_BOUND: usize = 5;
/// Operands that need more stack than this are computed before the modulus is pushed under them.
const DEEP: usize = 7;
/// Gas of keeping an expression in memory.
const KEEP_GAS: usize = 9;
/// Gas of reading a kept expression from memory.
const LOAD_GAS: usize = 6;

/// Allocator of free memory words.
#[derive(Debug)]
pub(super) struct Slots {
    /// First a range that the transcript no longer needs, then the free memory above everything else.
    reused: std::ops::Range<usize>,
    free: usize,
}

impl Slots {
    pub(super) fn new(reused: std::ops::Range<usize>, free: usize) -> Self {
        Self { reused, free }
    }

    /// A word outside of the range that is still in use.
    pub(super) fn take_free(&mut self) -> usize {
        self.free += 32;
        self.free - 32
    }

    /// `size` bytes in one piece.
    pub(super) fn take_block(&mut self, size: usize) -> usize {
        let from = if self.reused.len() >= size { &mut self.reused.start } else { &mut self.free };
        *from += size;
        *from - size
    }

    pub(super) fn take(&mut self) -> usize {
        self.take_block(32)
    }
}

/// Emits the code of expressions, computing each once where that saves gas.
#[derive(Debug)]
pub(super) struct Emitter<'a> {
    pub(super) asm: Asm,
    dag: &'a Dag,
    /// Stack position of r.
    modulus: usize,
    /// Words of memory that are also on the stack: address and position.
    pinned: Vec<(usize, usize)>,
    slots: Slots,
    /// Stack items that an expression needs.
    need: Vec<usize>,
    /// Expressions to keep in memory once they are computed.
    keep: Vec<bool>,
    /// Address at which an expression is kept, and its bound.
    kept: HashMap<Id, (usize, usize)>,
}

impl<'a> Emitter<'a> {
    /// `roots` are all the expressions that [`value`](Self::value) and [`store`](Self::store) will be asked for.
    pub(super) fn new(asm: Asm, dag: &'a Dag, roots: &[Id], modulus: usize, slots: Slots) -> Self {
        let mut uses = vec![0usize; dag.len()];
        roots.iter().for_each(|id| uses[id.index()] += 1);
        for index in (0..dag.len()).rev() {
            match dag.node(Id::from_index(index)) {
                // Negations are never kept: a use of one counts as a use of its operand.
                Node::Negated(a) => uses[a.index()] += uses[index],
                Node::Sum(a, b) | Node::Product(a, b) if uses[index] > 0 => {
                    uses[a.index()] += 1;
                    uses[b.index()] += 1;
                }
                _ => {}
            }
        }
        let mut need: Vec<usize> = vec![];
        let mut gas: Vec<usize> = vec![];
        let mut keep: Vec<bool> = vec![];
        for (index, uses) in uses.iter().enumerate() {
            let (a_need, a_gas): (usize, usize);
            let node = dag.node(Id::from_index(index));
            (a_need, a_gas) = match node {
                Node::Constant(_) => (1, 3),
                Node::Calldata(_) | Node::Memory(_) => (1, 6),
                Node::Negated(a) => (need[a.index()].max(2), gas[a.index()] + 6),
                Node::Sum(a, b) => {
                    let (low, high) = order(need[a.index()], need[b.index()]);
                    (high.max(low + 2), gas[a.index()] + gas[b.index()] + 3)
                }
                Node::Product(a, b) => {
                    let (low, high) = order(need[a.index()], need[b.index()]);
                    let high = if high < DEEP { high + 1 } else { high };
                    (high.max(low + 2), gas[a.index()] + gas[b.index()] + 11)
                }
            };
            let again = uses.saturating_sub(1);
            let kept = match node {
                // A long constant is kept to save code size.
                Node::Constant(value) => again > 0 && word(&value)[..24] != [0; 24],
                Node::Calldata(_) | Node::Memory(_) | Node::Negated(_) => false,
                _ => again * a_gas > KEEP_GAS + again * LOAD_GAS,
            };
            need.push(a_need);
            gas.push(if kept { LOAD_GAS } else { a_gas });
            keep.push(kept);
        }
        Self { asm, dag, modulus, pinned: vec![], slots, need, keep, kept: HashMap::new() }
    }

    /// Declares the top of the stack to be the word at `address`; it has to stay where it is.
    pub(super) fn pin(&mut self, address: usize) {
        self.pinned.push((address, self.asm.height() - 1));
    }

    pub(super) fn push_modulus(&mut self) {
        if self.asm.reaches(self.modulus) {
            return self.asm.dup_at(self.modulus);
        }
        self.asm.push_word(&modulus_word());
    }

    /// Pushes the word at `address`.
    pub(super) fn push_memory(&mut self, address: usize) {
        let position = self.pinned.iter().find(|(pinned, _)| *pinned == address).map(|(_, at)| *at);
        match position {
            Some(position) if self.asm.reaches(position) => self.asm.dup_at(position),
            _ => self.asm.load(address),
        }
    }

    /// Stores an expression at an address, congruent to it but not necessarily reduced.
    pub(super) fn store(&mut self, id: Id, address: usize) {
        self.value(id);
        self.asm.store(address);
    }

    /// Pushes an expression and returns its bound.
    pub(super) fn value(&mut self, id: Id) -> usize {
        if let Some((address, bound)) = self.kept.get(&id) {
            let (address, bound) = (*address, *bound);
            self.push_memory(address);
            return bound;
        }
        let bound = match self.dag.node(id) {
            Node::Constant(value) => {
                self.asm.push_word(&word(&value));
                1
            }
            Node::Calldata(offset) => {
                self.asm.load_calldata(offset);
                1
            }
            Node::Memory(address) => {
                self.push_memory(address);
                1
            }
            Node::Product(a, b) => self.product(a, b),
            Node::Sum(..) | Node::Negated(_) => self.sum(id),
        };
        if self.keep[id.index()] {
            let address = self.slots.take();
            self.asm.dup(1);
            self.asm.store(address);
            self.kept.insert(id, (address, bound));
        }
        bound
    }

    fn product(&mut self, a: Id, b: Id) -> usize {
        let (shallow, deep) = if self.need_now(a) < self.need_now(b) { (a, b) } else { (b, a) };
        if self.need_now(deep) < DEEP {
            self.push_modulus();
            self.value(deep);
        } else {
            self.value(deep);
            self.push_modulus();
            self.asm.swap();
        }
        self.value(shallow);
        self.asm.op(MULMOD);
        1
    }

    fn sum(&mut self, id: Id) -> usize {
        let mut terms = vec![];
        self.terms(id, false, true, &mut terms);
        terms.sort_by_key(|(term, _)| std::cmp::Reverse(self.need_now(*term)));
        let mut total = 0;
        for (index, (term, negated)) in terms.into_iter().enumerate() {
            if total == MAX_BOUND {
                self.reduce();
                total = 1;
            }
            let mut bound = self.value(term);
            if bound > 1 && (negated || total + bound > MAX_BOUND) {
                self.reduce();
                bound = 1;
            }
            if negated {
                self.push_modulus();
                self.asm.op(SUB);
            }
            if index > 0 {
                self.asm.op(ADD);
            }
            total += bound;
        }
        total
    }

    /// The signed terms of a sum, flattening nested sums that are not kept themselves.
    fn terms(&self, id: Id, negated: bool, top: bool, out: &mut Vec<(Id, bool)>) {
        match self.dag.node(id) {
            Node::Negated(a) => self.terms(a, !negated, false, out),
            Node::Sum(a, b) if top || !self.keep[id.index()] => {
                self.terms(a, negated, false, out);
                self.terms(b, negated, false, out);
            }
            _ => out.push((id, negated)),
        }
    }

    fn need_now(&self, id: Id) -> usize {
        if self.kept.contains_key(&id) {
            1
        } else {
            self.need[id.index()]
        }
    }

    /// Reduces the top mod r.
    fn reduce(&mut self) {
        self.push_modulus();
        self.asm.swap();
        self.asm.op(MOD);
    }
}

fn order(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

/// r as a word.
pub(super) fn modulus_word() -> [u8; 32] {
    // r is odd, so r = (r - 1) + 1 does not carry.
    let mut modulus = word(&-Fr::ONE);
    modulus[31] += 1;
    modulus
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{calldata, run};
    use rand_chacha::ChaCha20Rng;
    use rand_core::{RngCore, SeedableRng};

    const ROOTS: usize = 8;
    const OUTPUT: usize = 0x2000;

    /// Runs the code of `roots` and returns their values mod r.
    fn evaluate(dag: &Dag, roots: &[Id], inputs: &[Fr]) -> Vec<[u8; 32]> {
        let mut asm = Asm::default();
        asm.push_word(&modulus_word());
        let mut out = Emitter::new(asm, dag, roots, 0, Slots::new(0..0x40, 0x4000));
        for (index, root) in roots.iter().enumerate() {
            let bound = out.value(*root);
            assert!((1..=MAX_BOUND).contains(&bound));
            out.reduce();
            out.asm.store(OUTPUT + 32 * index);
        }
        assert_eq!(out.asm.height(), 1, "only the modulus is left");
        let mut asm = out.asm;
        asm.push(32 * roots.len());
        asm.push(OUTPUT);
        asm.op(RETURN);
        let report = run(&asm.assemble().unwrap(), &calldata(inputs, &[])).unwrap();
        assert!(report.success);
        report.output.chunks(32).map(|word| word.try_into().unwrap()).collect()
    }

    /// The integer function that the emitted code implements.
    fn expected(dag: &Dag, id: Id, inputs: &[Fr], known: &mut HashMap<Id, Fr>) -> Fr {
        if let Some(value) = known.get(&id) {
            return *value;
        }
        let value = match dag.node(id) {
            Node::Constant(value) => value,
            Node::Calldata(offset) => inputs[offset / 32],
            Node::Memory(_) => unreachable!("not in these tests"),
            Node::Sum(a, b) => expected(dag, a, inputs, known) + expected(dag, b, inputs, known),
            Node::Product(a, b) => expected(dag, a, inputs, known) * expected(dag, b, inputs, known),
            Node::Negated(a) => -expected(dag, a, inputs, known),
        };
        known.insert(id, value);
        value
    }

    #[test]
    fn random_expressions_have_the_value_of_the_field() {
        for seed in 0..200 {
            let mut rng = ChaCha20Rng::seed_from_u64(seed);
            // Zero, small and the largest residues, where unreduced sums might overflow.
            let special = [-Fr::ONE, Fr::ZERO, Fr::ONE, -Fr::from(2)];
            let pick = |rng: &mut ChaCha20Rng| match rng.next_u32() % 8 {
                i @ 0..4 => special[i as usize],
                _ => Fr::random(rng),
            };
            let inputs: Vec<_> = (0..6).map(|_| pick(&mut rng)).collect();
            let mut dag = Dag::default();
            let mut ids: Vec<_> = (0..6).map(|i| dag.calldata(32 * i)).collect();
            ids.extend((0..4).map(|_| dag.constant(pick(&mut rng))));
            for _ in 0..80 {
                // Mostly recent expressions, for depth; sometimes any, for sharing.
                let mut any = || {
                    let recent = rng.next_u32() % 3 > 0;
                    let window = if recent { ids.len().min(4) } else { ids.len() };
                    ids[ids.len() - 1 - rng.next_u32() as usize % window]
                };
                let (a, b) = (any(), any());
                ids.push(match rng.next_u32() % 5 {
                    0 | 1 => dag.add(a, b),
                    2 => dag.sub(a, b),
                    3 => dag.mul(a, b),
                    _ => dag.neg(a),
                });
            }
            let roots = &ids[ids.len() - ROOTS..];
            let mut known = HashMap::new();
            let wanted: Vec<_> = roots.iter().map(|root| word(&expected(&dag, *root, &inputs, &mut known))).collect();
            assert_eq!(evaluate(&dag, roots, &inputs), wanted, "seed {seed}");
        }
    }

    #[test]
    fn long_sums_and_deep_products_fit_into_the_stack() {
        let inputs: Vec<_> = (0..40).map(|i| -Fr::from(i)).collect();
        let mut dag = Dag::default();
        let leaves: Vec<_> = (0..40).map(|i| dag.calldata(32 * i)).collect();
        let sum = dag.sum(leaves.iter().copied());
        let negated = dag.neg(sum);
        let horner = dag.horner(leaves[7], leaves.iter().copied());
        // A balanced product of sums needs the most stack.
        let mut level: Vec<_> = leaves[..32].to_vec();
        while level.len() > 1 {
            let shift = leaves[level.len()];
            let pairs: Vec<_> = level.chunks(2).map(|pair| (pair[0], pair[1])).collect();
            level = pairs
                .into_iter()
                .map(|(a, b)| {
                    let b = dag.add(b, shift);
                    dag.mul(a, b)
                })
                .collect();
        }
        let roots = [sum, negated, horner, level[0]];
        let mut known = HashMap::new();
        let wanted: Vec<_> = roots.iter().map(|root| word(&expected(&dag, *root, &inputs, &mut known))).collect();
        assert_eq!(evaluate(&dag, &roots, &inputs), wanted);
    }

    #[test]
    fn division_by_a_factor_undoes_the_product() {
        let mut dag = Dag::default();
        let [a, b, c] = [0, 32, 64].map(|offset| dag.calldata(offset));
        let minus = dag.neg(b);
        let product = dag.product([a, minus, c]);
        let inputs = [3, 5, 7].map(Fr::from);
        for factor in [a, b, c] {
            assert!(dag.factors(product).contains(&factor));
            let rest = dag.divide(product, factor).unwrap();
            let again = dag.mul(rest, factor);
            let value = expected(&dag, again, &inputs, &mut HashMap::new());
            assert_eq!(value, -Fr::from(3 * 5 * 7));
        }
        let sum = dag.add(a, b);
        assert_eq!(dag.divide(sum, a), None);
    }
}
