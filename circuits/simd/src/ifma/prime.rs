//! BN254's two primes and the constants of arithmetic modulo them, in 52-bit digits, lowest first.

use halo2curves::bn256::{Fq, Fr};

/// The largest digit.
pub(super) const MASK: u64 = (1 << 52) - 1;

/// The 52-bit digits of a four-word number.
pub(super) const fn digits(words: [u64; 4]) -> [u64; 5] {
    let [a, b, c, d] = words;
    [a & MASK, (a >> 52 | b << 12) & MASK, (b >> 40 | c << 24) & MASK, (c >> 28 | d << 36) & MASK, d >> 16]
}

/// `k·x`, in digits.
pub(super) const fn times(x: [u64; 5], k: u64) -> [u64; 5] {
    let (mut out, mut carry, mut i) = ([0; 5], 0u128, 0);
    while i < 5 {
        carry += x[i] as u128 * k as u128;
        out[i] = carry as u64 & MASK;
        carry >>= 52;
        i += 1;
    }
    out
}

/// `−1/p mod 2^52`, from p's lowest digit.
const fn negative_inverse(p: u64) -> u64 {
    let (mut x, mut i) = (1u64, 0);
    while i < 6 {
        x = x.wrapping_mul(2u64.wrapping_sub(p.wrapping_mul(x)));
        i += 1;
    }
    x.wrapping_neg() & MASK
}

/// `x·2^-52 mod p`, below p for x below p.
const fn divide_by_word(x: [u64; 5], p: [u64; 5]) -> [u64; 5] {
    let m = x[0].wrapping_mul(negative_inverse(p[0])) & MASK;
    let (mut out, mut i) = ([0; 5], 1);
    let mut carry = (x[0] as u128 + m as u128 * p[0] as u128) >> 52;
    while i < 5 {
        carry += x[i] as u128 + m as u128 * p[i] as u128;
        out[i - 1] = carry as u64 & MASK;
        carry >>= 52;
        i += 1;
    }
    out[4] = carry as u64;
    out
}

/// `2^n mod p`.
const fn power_of_two(n: u32, p: [u64; 5]) -> [u64; 5] {
    let (mut x, mut round) = ([1, 0, 0, 0, 0], 0);
    while round < n {
        x = times(x, 2);
        let (mut difference, mut borrow, mut i) = ([0; 5], 0i64, 0);
        while i < 5 {
            let t = x[i] as i64 - p[i] as i64 + borrow;
            difference[i] = t as u64 & MASK;
            borrow = t >> 52;
            i += 1;
        }
        if borrow == 0 {
            x = difference;
        }
        round += 1;
    }
    x
}

/// `−1/p mod 2^260`, in digits: the x with `1 + x·p = 0 mod 2^260`.
const fn negative_inverse_260(p: [u64; 5]) -> [u64; 5] {
    let (mut x, mut rest, mut i) = ([0; 5], [1u64, 0, 0, 0, 0], 0);
    while i < 5 {
        x[i] = rest[i].wrapping_mul(negative_inverse(p[0])) & MASK;
        let (mut carry, mut j) = (0u128, 0);
        while i + j < 5 {
            carry += rest[i + j] as u128 + x[i] as u128 * p[j] as u128;
            rest[i + j] = carry as u64 & MASK;
            carry >>= 52;
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
    const P: [u64; 5] = digits(Self::PRIME);
    /// `−1/p mod 2^52`.
    const NEGATIVE_INVERSE: u64 = negative_inverse(Self::P[0]);
    /// `2^-208`, `2^-156`, `2^-104` and `2^-52 mod p`.
    const BACK: [[u64; 5]; 4] = {
        let one = divide_by_word([1, 0, 0, 0, 0], Self::P);
        let two = divide_by_word(one, Self::P);
        let three = divide_by_word(two, Self::P);
        [divide_by_word(three, Self::P), three, two, one]
    };
    /// `⌊2^52/(p's highest digit + 1)⌋`: 84.
    const QUOTIENT: u64 = (1 << 52) / (Self::P[4] + 1);
    /// `2^260 mod p`: 1 in the form that products have.
    const ONE_260: [u64; 5] = power_of_two(260, Self::P);
    /// `2^256 mod p`: multiplying by it turns `x·2^260` into `x·2^256`.
    const TO_MEMORY: [u64; 5] = power_of_two(256, Self::P);
    /// `−1/p mod 2^260`.
    const NEGATIVE_INVERSE_260: [u64; 5] = negative_inverse_260(Self::P);
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
