//! Our own verifier: EVM code generated directly from the verifying key.
//!
//! In order, the code:
//!
//! 1. checks that calldata has the expected length, every scalar is below r, and no point is infinity;
//! 2. computes the Keccak transcript, hashing in place in one copy of calldata;
//! 3. computes every scalar of the verification: common subexpressions once, constraints with a common selector
//!    multiplied by it once, a single inversion, and values reduced only where they would overflow;
//! 4. computes the multi-scalar multiplication of SHPLONK by Horner's rule over the precompiles, and checks the
//!    pairing.
//!
//! It returns nothing when the proof holds and reverts without data otherwise. The encoding of a proof is unique:
//! coordinates at or above the field's modulus and points off the curve are refused by the precompiles.
//!
//! **Deferred.** With one extra byte of any value after the proof, the end is left to the caller, who can do it once for
//! several proofs: after all other checks, the code *reverts* with 384 bytes `A' ‖ -[1]₂ ‖ B ‖ [τ]₂`, then 96 bytes
//! `K ‖ s` for each point that is the same in every proof of the circuit: the generator and those of the verifying key.
//! The proof holds if and only if `e(A' + Σ s·K, -[1]₂)·e(B, [τ]₂) = 1`. It reverts so that success always means a valid
//! proof, whatever bytes a caller was tricked into passing on; a refusal still reverts without data.

mod algebra;
mod asm;
mod curve;
mod dag;
mod emit;
mod lagrange;
mod layout;
mod quotient;
mod rows;

use crate::{reference::check_shape, runner::CODE_LIMIT, Bytecode, Error};
use algebra::{scalars, Memory};
use asm::*;
use curve::{Curve, Factors, Srs, WORK_SIZE};
use dag::{word, Dag};
use emit::{modulus_word, Emitter, Slots};
use halo2_proofs::{
    halo2curves::bn256::{Bn256, G1Affine},
    plonk::VerifyingKey,
    poly::{commitment::ParamsProver, kzg::commitment::ParamsKZG},
};
use lagrange::Lagrange;
use layout::{Challenge, Layout};
use rows::Table;
use std::collections::HashMap;

/// Memory in which the transcript is hashed: the digest of the key, then all of calldata.
const TRANSCRIPT: usize = WORK_SIZE;
/// Memory for squeezing one challenge right after another: 32 bytes of state and a one.
const STATE: usize = 0;
/// Memory for the arguments of the inversion: three lengths, base, exponent, modulus.
const MODEXP: usize = 0;
const MODEXP_PRECOMPILE: usize = 5;
/// Longest code in which the inputs are evaluated without loops: loops are shorter but cost about 200 gas more per
/// input.
const COMPACT_ABOVE: usize = 23_000;

/// The verifier of proofs for `vk` with one instance column of `num_instance` values.
///
/// # Errors
/// If the key uses halo2's lookup argument, does not have exactly one instance column or the SRS's size, or needs more
/// code than the EVM allows.
pub fn generate(
    params: &ParamsKZG<Bn256>,
    vk: &VerifyingKey<G1Affine>,
    num_instance: usize,
) -> Result<Bytecode, Error> {
    let fast = write(params, vk, num_instance, false)?;
    let runtime = if fast.len() > COMPACT_ABOVE { write(params, vk, num_instance, true)? } else { fast };
    deployable(runtime)
}

/// As [`generate`], but always with loops over the inputs: shorter for circuits with many inputs, at the cost of more
/// gas.
///
/// # Errors
/// As [`generate`].
pub fn generate_compact(
    params: &ParamsKZG<Bn256>,
    vk: &VerifyingKey<G1Affine>,
    num_instance: usize,
) -> Result<Bytecode, Error> {
    deployable(write(params, vk, num_instance, true)?)
}

fn deployable(runtime: Vec<u8>) -> Result<Bytecode, Error> {
    let too_large = Error::TooLarge { size: runtime.len(), limit: CODE_LIMIT };
    if runtime.len() > CODE_LIMIT {
        return Err(too_large);
    }
    let creation = creation(&runtime).ok_or(too_large)?;
    Ok(Bytecode { creation, runtime })
}

fn write(
    params: &ParamsKZG<Bn256>,
    vk: &VerifyingKey<G1Affine>,
    num_instance: usize,
    loops: bool,
) -> Result<Vec<u8>, Error> {
    check_shape(params, vk)?;
    let layout = Layout::new(vk, num_instance)?;
    let srs = Srs { generator: params.get_g()[0], g2: params.g2(), s_g2: params.s_g2() };
    let asm = verifier(vk, &layout, &srs, loops)?;
    let too_large = Error::TooLarge { size: usize::from(u16::MAX), limit: CODE_LIMIT };
    asm.assemble().ok_or(too_large)
}

fn verifier(vk: &VerifyingKey<G1Affine>, layout: &Layout, srs: &Srs, loops: bool) -> Result<Asm, Error> {
    // Memory: the curve's work, the transcript, the challenges; expressions then reuse the transcript's.
    let end = TRANSCRIPT + 32 + layout.size;
    let mut slots = Slots::new(TRANSCRIPT..end, end);
    let mut challenges = HashMap::new();
    for challenge in layout.rounds.iter().flat_map(|round| &round.squeeze) {
        challenges.insert(*challenge, slots.take_free());
    }
    let challenge = |challenge: Challenge| challenges.get(&challenge).copied().unwrap_or(STATE);
    let (x_n, inverse) = (slots.take_free(), slots.take_free());

    let rotations: Vec<_> = vk.cs().instance_queries().iter().map(|(_, r)| r.0).collect();
    let table = (loops && layout.inputs > 0 && !rotations.is_empty())
        .then(|| Table::new(&Lagrange::rows(vk, layout), rotations, &mut slots))
        .flatten();

    let mut dag = Dag::default();
    let memory = Memory { challenge: &challenge, x_n, inverse, table: table.as_ref() };
    let scalars = scalars(&mut dag, vk, layout, &memory)?;
    let roots = scalars.roots();
    let end = slots.take_block(curve::end_size(&scalars));

    let mut asm = Asm::default();
    let fail = asm.label();
    // Number of bytes after the proof: none, or one to defer the pairing. A negative number wraps to a large one.
    asm.push(1);
    asm.push(layout.size);
    asm.ops(&[CALLDATASIZE, SUB, GT]);
    asm.jump_if(fail);
    asm.calldata_copy(TRANSCRIPT + 32, 0, layout.size);
    let modulus = asm.height();
    asm.push_word(&modulus_word());
    transcript(&mut asm, vk, layout, &challenge);

    let mut out = Emitter::new(asm, &dag, &roots, modulus, slots);
    for pinned in [Challenge::Mu, Challenge::Y].map(challenge) {
        out.asm.load(pinned);
        out.pin(pinned);
    }
    out.asm.push(1);
    ranges(&mut out, layout);
    power_of_two(&mut out, challenge(Challenge::X), vk.get_domain().k(), x_n);
    if let Some(table) = &table {
        table.fill(&mut out, vk, challenge(Challenge::X));
    }
    out.store(scalars.denominator, MODEXP + 0x60);
    invert(&mut out, inverse);
    if let (Some(table), Some(id)) = (&table, scalars.table_inverse) {
        out.store(id, table.inverse);
        table.finish(&mut out, layout);
    }

    let factors = Factors { u: challenge(Challenge::U), x_n, scalars: &scalars, end };
    Curve { out: &mut out, layout }.check(factors, srs, fail);
    let mut asm = out.asm;
    asm.place(fail);
    asm.push(0);
    asm.push(0);
    asm.op(REVERT);
    Ok(asm)
}

/// Hashes the transcript and stores the challenges. The top of the stack is r.
///
/// A hash covers the previous hash and what was absorbed since. It is taken in place: the previous hash overwrites the
/// word before, which has been hashed already.
fn transcript(asm: &mut Asm, vk: &VerifyingKey<G1Affine>, layout: &Layout, challenge: &dyn Fn(Challenge) -> usize) {
    let unused = |challenge| match challenge {
        Challenge::Theta => true,
        Challenge::Beta | Challenge::Gamma => layout.products.is_empty(),
        _ => false,
    };
    asm.push_word(&word(&vk.transcript_repr()));
    for round in &layout.rounds {
        // The state is on the stack.
        let mut from = (TRANSCRIPT + round.absorb.start, 32 + round.absorb.len());
        for squeezed in &round.squeeze {
            let (address, size) = match from {
                (_, 32) => (STATE, 33),
                other => other,
            };
            asm.store(address);
            if size == 33 {
                asm.push(1);
                asm.push(address + 32);
                asm.op(MSTORE8);
            }
            asm.push(size);
            asm.push(address);
            asm.op(KECCAK256);
            from = (STATE, 32);
            if !unused(*squeezed) {
                asm.dup(2);
                asm.dup(2);
                asm.op(MOD);
                asm.store(challenge(*squeezed));
            }
        }
    }
    asm.op(POP);
}

/// Checks that every scalar is below r and no point is infinity: only infinity has y = 0, since no point on the curve
/// does.
fn ranges(out: &mut Emitter<'_>, layout: &Layout) {
    for scalar in &layout.scalars {
        out.push_modulus();
        out.asm.load_calldata(*scalar);
        out.asm.ops(&[LT, AND]);
    }
    for point in &layout.points {
        out.asm.push(0);
        out.asm.load_calldata(*point + 32);
        out.asm.ops(&[GT, AND]);
    }
}

/// Stores base^(2^k).
fn power_of_two(out: &mut Emitter<'_>, base: usize, k: u32, to: usize) {
    out.asm.load(base);
    for _ in 0..k {
        out.push_modulus();
        out.asm.swap();
        out.asm.dup(1);
        out.asm.op(MULMOD);
    }
    out.asm.store(to);
}

/// Stores the inverse of the modexp's base. The top of the stack becomes 0 if there is none.
fn invert(out: &mut Emitter<'_>, to: usize) {
    let base = MODEXP + 0x60;
    for length in 0..3 {
        out.asm.push(32);
        out.asm.store(MODEXP + 32 * length);
    }
    out.asm.push(2);
    out.push_modulus();
    out.asm.op(SUB);
    out.asm.store(base + 0x20);
    out.push_modulus();
    out.asm.store(base + 0x40);
    for number in [32, to, 0xc0, MODEXP, MODEXP_PRECOMPILE] {
        out.asm.push(number);
    }
    out.asm.ops(&[GAS, STATICCALL, AND]);
    out.push_modulus();
    out.asm.load(base);
    out.asm.load(to);
    out.asm.op(MULMOD);
    out.asm.push(1);
    out.asm.ops(&[EQ, AND]);
}

const _: () = assert!(MODEXP + 0xc0 <= WORK_SIZE && STATE + 33 <= WORK_SIZE);
