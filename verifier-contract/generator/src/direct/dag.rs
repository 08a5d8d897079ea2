//! Field expressions as a DAG in which equal expressions share a node.

use halo2_proofs::halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField},
};
use std::collections::HashMap;

/// An expression in a [`Dag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(usize);

impl Id {
    pub(super) fn from_index(index: usize) -> Self {
        Self(index)
    }

    pub(super) fn index(self) -> usize {
        self.0
    }
}

/// A node of the graph. Constants are at most (r - 1)/2; larger ones are represented as negations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Constant(Fr),
    /// A word of calldata, below r.
    Calldata(usize),
    /// A word of memory, at most r.
    Memory(usize),
    Sum(Id, Id),
    Product(Id, Id),
    Negated(Id),
}

/// Hash-consed expressions: equal ones have equal ids. Negations are pulled out of products.
#[derive(Debug, Default)]
pub(super) struct Dag {
    nodes: Vec<Node>,
    ids: HashMap<Node, Id>,
}

impl Dag {
    pub(super) fn node(&self, id: Id) -> Node {
        self.nodes[id.0]
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    fn intern(&mut self, node: Node) -> Id {
        let next = Id(self.nodes.len());
        let id = *self.ids.entry(node).or_insert(next);
        if id == next {
            self.nodes.push(node);
        }
        id
    }

    pub(super) fn constant(&mut self, value: Fr) -> Id {
        if word(&-value) < word(&value) {
            let positive = self.intern(Node::Constant(-value));
            return self.intern(Node::Negated(positive));
        }
        self.intern(Node::Constant(value))
    }

    pub(super) fn one(&mut self) -> Id {
        self.constant(Fr::ONE)
    }

    pub(super) fn calldata(&mut self, offset: usize) -> Id {
        self.intern(Node::Calldata(offset))
    }

    pub(super) fn memory(&mut self, address: usize) -> Id {
        self.intern(Node::Memory(address))
    }

    /// The value of a constant expression.
    fn value(&self, id: Id) -> Option<Fr> {
        match self.node(id) {
            Node::Constant(value) => Some(value),
            Node::Negated(inner) => self.value(inner).map(|value| -value),
            _ => None,
        }
    }

    pub(super) fn neg(&mut self, a: Id) -> Id {
        match (self.node(a), self.value(a)) {
            (_, Some(value)) => self.constant(-value),
            (Node::Negated(inner), _) => inner,
            _ => self.intern(Node::Negated(a)),
        }
    }

    pub(super) fn add(&mut self, a: Id, b: Id) -> Id {
        match (self.value(a), self.value(b)) {
            (Some(a), Some(b)) => return self.constant(a + b),
            (Some(zero), None) if zero == Fr::ZERO => return b,
            (None, Some(zero)) if zero == Fr::ZERO => return a,
            _ => {}
        }
        self.intern(Node::Sum(a.min(b), a.max(b)))
    }

    pub(super) fn sub(&mut self, a: Id, b: Id) -> Id {
        let b = self.neg(b);
        self.add(a, b)
    }

    pub(super) fn mul(&mut self, a: Id, b: Id) -> Id {
        match (self.value(a), self.value(b)) {
            (Some(a), Some(b)) => return self.constant(a * b),
            (Some(zero), None) | (None, Some(zero)) if zero == Fr::ZERO => return self.constant(zero),
            (Some(one), None) if one == Fr::ONE => return b,
            (None, Some(one)) if one == Fr::ONE => return a,
            _ => {}
        }
        let (a, minus_a) = self.sign(a);
        let (b, minus_b) = self.sign(b);
        let product = match (self.value(a), self.value(b)) {
            (Some(one), _) if one == Fr::ONE => b,
            (_, Some(one)) if one == Fr::ONE => a,
            _ => self.intern(Node::Product(a.min(b), a.max(b))),
        };
        if minus_a != minus_b {
            self.neg(product)
        } else {
            product
        }
    }

    /// Splits an expression into its unsigned part and whether it is negated.
    pub(super) fn sign(&self, id: Id) -> (Id, bool) {
        match self.node(id) {
            Node::Negated(inner) => (inner, true),
            _ => (id, false),
        }
    }

    pub(super) fn product(&mut self, factors: impl IntoIterator<Item = Id>) -> Id {
        let one = self.one();
        factors.into_iter().fold(one, |a, b| self.mul(a, b))
    }

    pub(super) fn sum(&mut self, terms: impl IntoIterator<Item = Id>) -> Id {
        let zero = self.constant(Fr::ZERO);
        terms.into_iter().fold(zero, |a, b| self.add(a, b))
    }

    /// `Σ at^(m-1-i) · terms[i]`: the last term is free of `at`.
    pub(super) fn horner(&mut self, at: Id, terms: impl IntoIterator<Item = Id>) -> Id {
        let zero = self.constant(Fr::ZERO);
        terms.into_iter().fold(zero, |acc, term| {
            let scaled = self.mul(acc, at);
            self.add(scaled, term)
        })
    }

    pub(super) fn pow(&mut self, base: Id, exponent: usize) -> Id {
        match exponent {
            0 => self.one(),
            1 => base,
            _ => {
                let low = self.pow(base, exponent / 2);
                let high = self.pow(base, exponent - exponent / 2);
                self.mul(low, high)
            }
        }
    }

    /// The factors of a product, excluding signs and constants.
    pub(super) fn factors(&self, id: Id) -> Vec<Id> {
        match self.node(id) {
            Node::Product(a, b) => {
                let mut factors = self.factors(a);
                factors.extend(self.factors(b));
                factors
            }
            Node::Negated(inner) => self.factors(inner),
            Node::Constant(_) => vec![],
            _ => vec![id],
        }
    }

    /// `id / factor` where `factor` is one of its [`factors`](Self::factors).
    pub(super) fn divide(&mut self, id: Id, factor: Id) -> Option<Id> {
        if id == factor {
            return Some(self.one());
        }
        match self.node(id) {
            Node::Product(a, b) => {
                if let Some(a) = self.divide(a, factor) {
                    return Some(self.mul(a, b));
                }
                let b = self.divide(b, factor)?;
                Some(self.mul(a, b))
            }
            Node::Negated(inner) => {
                let inner = self.divide(inner, factor)?;
                Some(self.neg(inner))
            }
            _ => None,
        }
    }
}

/// A field element as a big-endian word.
pub(super) fn word<F: PrimeField<Repr = [u8; 32]>>(value: &F) -> [u8; 32] {
    let mut bytes = value.to_repr();
    bytes.reverse();
    bytes
}
