//! A model of the instructions, for unit tests: in them, the same source of this module computes on any x86-64 CPU.
//!
//! A call does what Intel's documentation says of the instruction, with two differences:
//!
//! - It panics if a lane overflows, that is, if a sum, difference or product is the right number neither for signed nor
//!   for unsigned lanes, or a sum of partial products is not below `2^64`. The code relies on no such result.
//! - If the CPU has the instruction, its result is compared with the model's.
//!
//! The `checks` of `field` add the bounds on elements. The integration tests use the instructions alone.

// names and parameters are Intel's
#![allow(non_camel_case_types, clippy::too_many_arguments)]

use core::arch::x86_64 as cpu;
use core::mem::transmute;
use std::sync::LazyLock;

use super::has_instructions;
use super::prime::MASK;
use crate::backend::REQUIRE_IFMA;

pub(super) use core::arch::x86_64::_MM_HINT_T0;

/// Eight lanes, the lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(super) struct __m512i([u64; 8]);

impl __m512i {
    pub(super) fn lanes(self) -> [u64; 8] {
        self.0
    }
}

/// Eight lanes of half the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(32))]
pub(super) struct __m256i([u32; 8]);

/// A bit per lane, the lowest first.
pub(super) type __mmask8 = u8;

/// What instructions read and return.
trait Operand: Copy {
    /// The CPU's type.
    type Cpu;
    fn to_cpu(self) -> Self::Cpu;
    fn of_cpu(x: Self::Cpu) -> Self;
}

macro_rules! operands {
    ($($type:ty = $cpu:ty),+) => {$(
        impl Operand for $type {
            type Cpu = $cpu;
            #[inline]
            fn to_cpu(self) -> $cpu {
                // SAFETY: both have the same size, and every value is valid.
                unsafe { transmute::<$type, $cpu>(self) }
            }
            #[inline]
            fn of_cpu(x: $cpu) -> $type {
                // SAFETY: as above.
                unsafe { transmute::<$cpu, $type>(x) }
            }
        }
    )+};
}

operands!(__m512i = cpu::__m512i, __m256i = cpu::__m256i);

/// Operands that are the same for the CPU.
macro_rules! scalars {
    ($($type:ty),+) => {$(
        impl Operand for $type {
            type Cpu = $type;
            #[inline]
            fn to_cpu(self) -> $type {
                self
            }
            #[inline]
            fn of_cpu(x: $type) -> $type {
                x
            }
        }
    )+};
}

scalars!(__mmask8, i64);

/// Whether the CPU has the instructions.
static PRESENT: LazyLock<bool> = LazyLock::new(|| {
    let present = has_instructions();
    assert!(
        present || std::env::var_os(REQUIRE_IFMA).is_none(),
        "{REQUIRE_IFMA} is set, but this CPU has no AVX-512 IFMA"
    );
    present
});

fn lanes(lane: impl Fn(usize) -> u64) -> __m512i {
    __m512i(std::array::from_fn(lane))
}

fn mask(bit: impl Fn(usize) -> bool) -> __mmask8 {
    (0..8).fold(0, |mask, i| mask | u8::from(bit(i)) << i)
}

/// The result of lanes read as signed or unsigned numbers, if one of them is right.
fn right(signed: Option<i64>, unsigned: Option<u64>) -> u64 {
    unsigned.or(signed.map(|x| x as u64)).expect("a lane overflows")
}

fn sum(a: u64, b: u64) -> u64 {
    right((a as i64).checked_add(b as i64), a.checked_add(b))
}

fn difference(a: u64, b: u64) -> u64 {
    right((a as i64).checked_sub(b as i64), a.checked_sub(b))
}

fn product(a: u64, b: u64) -> u64 {
    right((a as i64).checked_mul(b as i64), a.checked_mul(b))
}

/// A column with a partial product added to it.
fn column(a: u64, product: u64) -> u64 {
    a.checked_add(product).expect("a column overflows")
}

/// The product of the low 52 bits.
fn product_52(a: u64, b: u64) -> u128 {
    u128::from(a & MASK) * u128::from(b & MASK)
}

macro_rules! instructions {
    ($($name:ident $(<$imm:ident: $kind:ty>)? ($($arg:ident: $type:ty),*) -> $out:ty = $model:expr;)+) => {$(
        pub(super) fn $name $(<const $imm: $kind>)? ($($arg: $type),*) -> $out {
            #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512ifma,avx512vbmi2")]
            fn instruction $(<const $imm: $kind>)? ($($arg: $type),*) -> $out {
                Operand::of_cpu(cpu::$name $(::<$imm>)? ($($arg.to_cpu()),*))
            }
            let model: $out = $model;
            if *PRESENT {
                // SAFETY: the CPU has the features.
                let real: $out = unsafe { instruction $(::<$imm>)? ($($arg),*) };
                assert_eq!(model, real, "{}", stringify!($name));
            }
            model
        }
    )+};
}

instructions! {
    _mm512_setzero_si512() -> __m512i = lanes(|_| 0);
    _mm512_set1_epi64(a: i64) -> __m512i = lanes(|_| a as u64);
    _mm512_set_epi64(h: i64, g: i64, f: i64, e: i64, d: i64, c: i64, b: i64, a: i64) -> __m512i =
        lanes(|i| [a, b, c, d, e, f, g, h][i] as u64);
    _mm512_cvtepu32_epi64(a: __m256i) -> __m512i = lanes(|i| a.0[i].into());
    _mm512_add_epi64(a: __m512i, b: __m512i) -> __m512i = lanes(|i| sum(a.0[i], b.0[i]));
    _mm512_sub_epi64(a: __m512i, b: __m512i) -> __m512i = lanes(|i| difference(a.0[i], b.0[i]));
    _mm512_mullo_epi64(a: __m512i, b: __m512i) -> __m512i = lanes(|i| product(a.0[i], b.0[i]));
    _mm512_madd52lo_epu64(a: __m512i, b: __m512i, c: __m512i) -> __m512i =
        lanes(|i| column(a.0[i], product_52(b.0[i], c.0[i]) as u64 & MASK));
    _mm512_madd52hi_epu64(a: __m512i, b: __m512i, c: __m512i) -> __m512i =
        lanes(|i| column(a.0[i], (product_52(b.0[i], c.0[i]) >> 52) as u64));
    _mm512_and_si512(a: __m512i, b: __m512i) -> __m512i = lanes(|i| a.0[i] & b.0[i]);
    _mm512_or_si512(a: __m512i, b: __m512i) -> __m512i = lanes(|i| a.0[i] | b.0[i]);
    _mm512_slli_epi64<N: u32>(a: __m512i) -> __m512i = lanes(|i| a.0[i].checked_shl(N).unwrap_or(0));
    _mm512_srli_epi64<N: u32>(a: __m512i) -> __m512i = lanes(|i| a.0[i].checked_shr(N).unwrap_or(0));
    _mm512_srai_epi64<N: u32>(a: __m512i) -> __m512i = lanes(|i| (a.0[i] as i64 >> N.min(63)) as u64);
    _mm512_shrdi_epi64<N: i32>(a: __m512i, b: __m512i) -> __m512i =
        lanes(|i| ((u128::from(b.0[i]) << 64 | u128::from(a.0[i])) >> (N & 63)) as u64);
    _mm512_unpacklo_epi64(a: __m512i, b: __m512i) -> __m512i = lanes(|i| if i % 2 == 0 { a.0[i] } else { b.0[i - 1] });
    _mm512_unpackhi_epi64(a: __m512i, b: __m512i) -> __m512i = lanes(|i| if i % 2 == 0 { a.0[i + 1] } else { b.0[i] });
    _mm512_shuffle_i64x2<N: i32>(a: __m512i, b: __m512i) -> __m512i = lanes(|i| {
        let quarter = (N >> (i / 2 * 2)) as usize % 4;
        (if i < 4 { a } else { b }).0[2 * quarter + i % 2]
    });
    _mm512_permutex2var_epi64(a: __m512i, at: __m512i, b: __m512i) -> __m512i = lanes(|i| {
        let at = at.0[i] as usize % 16;
        if at < 8 { a.0[at] } else { b.0[at - 8] }
    });
    _mm512_mask_mov_epi64(src: __m512i, k: __mmask8, a: __m512i) -> __m512i =
        lanes(|i| if k >> i & 1 == 1 { a.0[i] } else { src.0[i] });
    _mm512_movepi64_mask(a: __m512i) -> __mmask8 = mask(|i| (a.0[i] as i64) < 0);
    _mm512_test_epi64_mask(a: __m512i, b: __m512i) -> __mmask8 = mask(|i| a.0[i] & b.0[i] != 0);
}

pub(super) unsafe fn _mm512_loadu_si512(at: *const __m512i) -> __m512i {
    // SAFETY: the instruction requires the same.
    unsafe { at.read_unaligned() }
}

pub(super) unsafe fn _mm512_load_si512(at: *const __m512i) -> __m512i {
    assert!(at.is_aligned());
    // SAFETY: the instruction requires the same.
    unsafe { at.read() }
}

pub(super) unsafe fn _mm512_storeu_si512(at: *mut __m512i, a: __m512i) {
    // SAFETY: the instruction requires the same.
    unsafe { at.write_unaligned(a) }
}

pub(super) unsafe fn _mm512_store_si512(at: *mut __m512i, a: __m512i) {
    assert!(at.is_aligned());
    // SAFETY: the instruction requires the same.
    unsafe { at.write(a) }
}

pub(super) unsafe fn _mm256_loadu_si256(at: *const __m256i) -> __m256i {
    // SAFETY: the instruction requires the same.
    unsafe { at.read_unaligned() }
}

pub(super) fn _mm_prefetch<const HINT: i32>(_: *const i8) {}

mod tests;
