//! Vector arithmetic for BN254: the operations that dominate a prover's time, on several field elements at a time where
//! the CPU supports it.
//!
//! | item | contents |
//! |---|---|
//! | [`Backend`] | which code does the arithmetic |
//! | [`Fft`], [`Interpolation`] | transforms between coefficients and values on a coset |
//! | [`Points`], [`group_sums`] | sums of points of G1 |
//! | [`Program`] | sums and products of columns, row by row |
//! | [`add_scaled`], [`evaluate`], [`batch_invert`] | arithmetic over slices |
//!
//! Every function takes the [`Backend`] to use and gives the same result with each, bit for bit: results are canonical,
//! so they have only one representation.
//!
//! | CPU | elements at a time | code |
//! |---|---|---|
//! | any | 1 | the files of the functions |
//! | x86-64 with AVX2 | 4, in nine 29-bit digits | `avx2` and `vector` |
//! | x86-64 with AVX-512 IFMA | 8, in five 52-bit digits | `ifma` and `vector` |
//!
//! All items have vector code for both. Left to the portable code are transforms of fewer than 16 or 64 values or of
//! more than 2^27, sums that meet the point at infinity or equal or opposite points, and what remains of a slice or of
//! a program's rows after the last whole step: fewer than 4, 8, 16 or 32 elements. `avx2` and `ifma` have the
//! arithmetic of their instructions and the loads and stores. Everything that is built from these is in `vector`, whose
//! files are compiled once for each of the two, as modules of both.
//!
//! # Why `unsafe` is sound here
//!
//! No other crate of the workspace contains `unsafe`. There are five kinds, each with a comment in place:
//!
//! - **Calls of functions for other CPUs.** All are in `vector/cpu.rs`, in methods of `Cpu`. A `Cpu` is created only
//!   after checking that the CPU has all features that those functions are compiled for, so whoever has one can call
//!   them. Within them the compiler checks features itself. `{avx2,ifma}/mod.rs` have the features beside the check.
//! - **A promise about types.** `unsafe trait Field` in `vector/prime.rs` says that a type is four words, for which any
//!   value is valid, as the loads and stores require. It is implemented for the library's two fields, nothing else.
//! - **Loads and stores of registers.** All are in `{avx2,ifma}/lanes.rs`. They take references to whole arrays of a
//!   register's size or several, never a pointer and a length; those that need alignment take a type that has it.
//!   Everything else works on bounds-checked slices. `avx2/registers.rs` makes registers of constants, of equal size.
//! - **Memory of points.** `points.rs` treats an aligned part of a vector of words as points, for which any words are
//!   valid.
//! - **The library's elements as words.** `raw.rs` checks at compile time that `Fr`, `Fq` and `G1Affine` have the
//!   representation that the loads assume. Any words are memory-safe there; that they are below the modulus matters
//!   only for correct results, which the tests compare.
//!
//! Unit tests compile the vector code with checks that no lane overflows and that elements keep to the stated bounds.
//! They run AVX2's instructions if the CPU has them, but none of AVX-512: `ifma/model.rs` takes their place, so that
//! source runs on any x86-64 CPU. The model's own `unsafe` compares it with the instructions if the CPU has them.

// the files of `vector` are compiled for each instruction set
#![allow(clippy::duplicate_mod)]

#[cfg(target_arch = "x86_64")]
mod avx2;
mod backend;
mod fft;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod points;
mod portable_sums;
pub mod program;
#[cfg(target_arch = "x86_64")]
mod raw;
mod rows;
mod slices;
mod sums;

// the tests of all backends, with checks, and a model of AVX-512
#[cfg(test)]
#[path = "../tests/backends/main.rs"]
mod modelled;

// the tests name the crate as its users do
#[cfg(test)]
extern crate self as tribute_simd;

pub use backend::Backend;
pub use fft::{Fft, Interpolation};
pub use points::{Points, Term};
pub use program::Program;
pub use slices::{add_scaled, batch_invert, evaluate};
pub use sums::{group_sums, with_images};
