//! Vector arithmetic for BN254: the operations that dominate a prover's time, on eight field elements at a time where
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
//! so they have only one representation. The portable code is in the files of the functions, the code for CPUs with
//! AVX-512 IFMA in `ifma` and `vector`.
//!
//! # Why `unsafe` is sound here
//!
//! No other crate of the workspace contains `unsafe`. There are five kinds, each with a comment in place:
//!
//! - **Calls of functions for other CPUs.** All are in `vector/cpu.rs`, in methods of `Cpu`. A `Cpu` is created only
//!   after checking that the CPU has all features that those functions are compiled for, so whoever has one can call
//!   them. Within them the compiler checks features itself.
//! - **A promise about types.** `unsafe trait Field` in `vector/prime.rs` says that a type is four words for which every
//!   value is valid, as the loads and stores require. It is implemented for the library's two fields, nothing else.
//! - **Loads and stores of registers.** All are in `ifma/lanes.rs`. They take references to whole arrays of the
//!   register's size, never a pointer and a length; those that need alignment take a type that has it. Everything else
//!   works on bounds-checked slices.
//! - **Memory of points.** `points.rs` treats an aligned part of a vector of words as points, for which any words are
//!   valid.
//! - **The library's elements as words.** `raw.rs` checks at compile time that `Fr`, `Fq` and `G1Affine` have the
//!   representation that the loads assume. Any words are memory-safe there; that they are below the modulus matters
//!   only for correct results, which the tests compare.
//!
//! Unit tests compile the vector code without any instruction of such a CPU: `ifma/model.rs` takes their place. So the
//! same source runs on any x86-64 CPU, with checks for overflow of lanes and for the stated bounds of elements. The
//! model's own `unsafe` compares it with the instructions if the CPU has them.

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

// the tests of all backends, with the vector code on a model of the instructions
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
