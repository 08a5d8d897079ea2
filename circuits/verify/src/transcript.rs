//! The reading side of the Fiat–Shamir transcript. Everything read is absorbed, word by word. A challenge is the
//! Keccak-256, modulo r, of the previous challenge's digest followed by what was absorbed since. If nothing was
//! absorbed in between, the byte 1 is appended, so that two challenges in a row differ.

use ark_bn254::{Fr, G1Affine};
use ark_ff::PrimeField;
use tribute_core::digest::keccak;

use crate::elements;
use crate::rejected::{Element, Rejected};

pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    absorbed: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(proof: &'a [u8]) -> Self {
        Reader { rest: proof, absorbed: Vec::new() }
    }

    /// Absorbs a value that both sides know.
    pub(crate) fn absorb(&mut self, x: &Fr) {
        self.absorbed.extend_from_slice(&elements::word(x));
    }

    pub(crate) fn challenge(&mut self) -> Fr {
        if self.absorbed.len() == 32 {
            self.absorbed.push(1);
        }
        let digest = keccak(&self.absorbed);
        self.absorbed = digest.to_vec();
        Fr::from_be_bytes_mod_order(&digest)
    }

    pub(crate) fn point(&mut self, element: Element) -> Result<G1Affine, Rejected> {
        let refused = Rejected::Point { element };
        let (bytes, rest) = self.rest.split_first_chunk::<64>().ok_or_else(|| refused.clone())?;
        self.rest = rest;
        self.absorbed.extend_from_slice(bytes);
        elements::point(bytes).ok_or(refused)
    }

    pub(crate) fn scalar(&mut self, element: Element) -> Result<Fr, Rejected> {
        let refused = Rejected::Scalar { element };
        let (bytes, rest) = self.rest.split_first_chunk::<32>().ok_or_else(|| refused.clone())?;
        self.rest = rest;
        self.absorbed.extend_from_slice(bytes);
        elements::scalar(bytes).ok_or(refused)
    }
}
