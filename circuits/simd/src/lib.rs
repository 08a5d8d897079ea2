//! Vector arithmetic for BN254: what a prover spends its time on, eight field elements at a time where the CPU can.
//!
//! | file | holds |
//! |---|---|
//! | [`Backend`] | which code computes |
//! | [`Fft`], [`Interpolation`] | from coefficients to values on a coset and back |
//! | [`Points`], [`group_sums`] | sums of points of G1 |
//! | [`Program`] | sums and products of columns, row by row |
//! | [`add_scaled`], [`evaluate`], [`batch_invert`] | arithmetic over slices |
//!
//! Every function takes the [`Backend`] that computes and gives the same result with each, bit for bit: results are
//! canonical, so there is only one way to write them. The portable code is in the files of the functions, that for CPUs with
//! AVX-512 IFMA in `ifma`.
//!
//! # Why `unsafe` is sound here
//!
//! No other crate of the workspace has any. There are four kinds, each with a comment where it stands:
//!
//! - **Calls of functions for other CPUs.** All are in `ifma/mod.rs`, methods of `Cpu`. A `Cpu` is made only after the CPU
//!   was seen to have all features that those functions are compiled for, so whoever has one can call them. Within them
//!   the compiler checks features itself.
//! - **Loads and stores of registers.** All are in `ifma/lanes.rs`. They take references to whole arrays of the register's
//!   size, never a pointer and a length; those that need alignment take a type that has it. Everything else works on
//!   slices, bounds checked.
//! - **Memory of points.** `points.rs` takes an aligned part of a vector of words as points, which any words are.
//! - **The library's elements as words.** `raw.rs` checks at compile time that `Fr`, `Fq` and `G1Affine` are what the loads
//!   take them for. Any words are valid there as far as memory is concerned; that they are below the modulus is a matter of
//!   right results, which the tests compare.

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

pub use backend::Backend;
pub use fft::{Fft, Interpolation};
pub use points::{Points, Term};
pub use program::Program;
pub use slices::{add_scaled, batch_invert, evaluate};
pub use sums::{group_sums, with_images};
