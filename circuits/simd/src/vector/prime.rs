//! BN254's two primes and the constants of arithmetic modulo them, in digits of [`BITS`] bits, lowest first.
//!
//! Products divide by `R = 2^(BITS·LIMBS)`, which is [`SHIFT`] times the library's `2^256`.

use halo2curves::bn256::{Fq, Fr};

use super::{BITS, LIMBS};

/// A number in digits.
pub(super) type Number = [u64; LIMBS];

/// The largest digit.
pub(super) const MASK: u64 = (1 << BITS) - 1;

/// `R/2^256`.
pub(super) const SHIFT: u64 = 1 << (BITS * LIMBS - 256);

/// The digits of a four-word number.
pub(super) const fn digits(words: [u64; 4]) -> Number {
    let (mut out, mut i) = ([0; LIMBS], 0);
    while i < LIMBS {
        let (word, bit) = (i * BITS / 64, i * BITS % 64);
        let next = if word < 3 { words[word + 1] } else { 0 };
        out[i] = ((words[word] as u128 | (next as u128) << 64) >> bit) as u64 & MASK;
        i += 1;
    }
    out
}

/// `k·x modulo R`, in digits.
pub(super) const fn times(x: Number, k: u64) -> Number {
    let (mut out, mut carry, mut i) = ([0; LIMBS], 0u128, 0);
    while i < LIMBS {
        carry += x[i] as u128 * k as u128;
        out[i] = carry as u64 & MASK;
        carry >>= BITS;
        i += 1;
    }
    out
}

/// `−1/p modulo 2^BITS`, from p's lowest digit.
const fn negative_inverse(p: u64) -> u64 {
    let (mut x, mut i) = (1u64, 0);
    while i < 6 {
        x = x.wrapping_mul(2u64.wrapping_sub(p.wrapping_mul(x)));
        i += 1;
    }
    x.wrapping_neg() & MASK
}

/// `x·2^-BITS mod p`, below p for x below p.
const fn divide_by_word(x: Number, p: Number) -> Number {
    let m = x[0].wrapping_mul(negative_inverse(p[0])) & MASK;
    let (mut out, mut i) = ([0; LIMBS], 1);
    let mut carry = (x[0] as u128 + m as u128 * p[0] as u128) >> BITS;
    while i < LIMBS {
        carry += x[i] as u128 + m as u128 * p[i] as u128;
        out[i - 1] = carry as u64 & MASK;
        carry >>= BITS;
        i += 1;
    }
    out[LIMBS - 1] = carry as u64;
    out
}

/// `2^(-BITS·i) mod p` for i from LIMBS − 1 down to 1.
const fn powers_back(p: Number) -> [Number; LIMBS - 1] {
    let (mut out, mut x, mut i) = ([[0; LIMBS]; LIMBS - 1], [0; LIMBS], LIMBS - 1);
    x[0] = 1;
    while i > 0 {
        x = divide_by_word(x, p);
        i -= 1;
        out[i] = x;
    }
    out
}

/// `2^n mod p`.
const fn power_of_two(n: usize, p: Number) -> Number {
    let (mut x, mut round) = ([0; LIMBS], 0);
    x[0] = 1;
    while round < n {
        x = times(x, 2);
        let (mut difference, mut borrow, mut i) = ([0; LIMBS], 0i64, 0);
        while i < LIMBS {
            let t = x[i] as i64 - p[i] as i64 + borrow;
            difference[i] = t as u64 & MASK;
            borrow = t >> BITS;
            i += 1;
        }
        if borrow == 0 {
            x = difference;
        }
        round += 1;
    }
    x
}

/// `−1/p modulo R`, in digits: the x with `1 + x·p = 0 modulo R`.
const fn negative_inverse_r(p: Number) -> Number {
    let (mut x, mut rest, mut i) = ([0u64; LIMBS], [0u64; LIMBS], 0);
    rest[0] = 1;
    while i < LIMBS {
        x[i] = rest[i].wrapping_mul(negative_inverse(p[0])) & MASK;
        let (mut carry, mut j) = (0u128, 0);
        while i + j < LIMBS {
            carry += rest[i + j] as u128 + x[i] as u128 * p[j] as u128;
            rest[i + j] = carry as u64 & MASK;
            carry >>= BITS;
            j += 1;
        }
        i += 1;
    }
    x
}

/// One of BN254's two prime fields.
///
/// # Safety
/// The type must be four 64-bit words in memory, for which every value is valid: the element times `2^256`, below p.
pub(super) unsafe trait Field: Copy {
    /// The prime, in four words.
    const PRIME: [u64; 4];
    /// The prime, in digits.
    const P: Number = digits(Self::PRIME);
    /// `−1/p modulo 2^BITS`.
    const NEGATIVE_INVERSE: u64 = negative_inverse(Self::P[0]);
    /// `2^(-BITS·i) mod p` for i from LIMBS − 1 down to 1.
    const BACK: [Number; LIMBS - 1] = powers_back(Self::P);
    /// `R mod p`: 1 in the form that products have.
    const ONE_R: Number = power_of_two(BITS * LIMBS, Self::P);
    /// `2^256 mod p`: multiplying by it turns `x·R` into `x·2^256`.
    const TO_MEMORY: Number = power_of_two(256, Self::P);
    /// `−1/p modulo R`.
    const NEGATIVE_INVERSE_R: Number = negative_inverse_r(Self::P);
}

// SAFETY: raw.rs checks the words' size, alignment and meaning at compile time.
unsafe impl Field for Fr {
    const PRIME: [u64; 4] =
        [0x43e1_f593_f000_0001, 0x2833_e848_79b9_7091, 0xb850_45b6_8181_585d, 0x3064_4e72_e131_a029];
}

// SAFETY: as above.
unsafe impl Field for Fq {
    const PRIME: [u64; 4] =
        [0x3c20_8c16_d87c_fd47, 0x9781_6a91_6871_ca8d, 0xb850_45b6_8181_585d, 0x3064_4e72_e131_a029];
}
