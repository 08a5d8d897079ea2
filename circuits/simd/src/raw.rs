//! The vector code's assumptions about the library's types, checked at compile time.
//!
//! `Fr` and `Fq` of halo2curves-axiom are structs of one private field, `[u64; 4]`: the element times `2^256`, below p,
//! lowest word first. A 32-byte struct with one 32-byte field has it at its start; the constants show which words it
//! contains. `G1Affine` is x, then y. The code does not compile with a version of the library that stores them
//! differently.

use core::mem::{align_of, offset_of, size_of, transmute};

use halo2curves::bn256::{Fq, Fr, G1Affine};

const fn same(a: [u64; 4], b: [u64; 4]) -> bool {
    a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3]
}

const _: () = {
    assert!(size_of::<Fr>() == 32 && align_of::<Fr>() == align_of::<u64>());
    assert!(size_of::<Fq>() == 32 && align_of::<Fq>() == align_of::<u64>());
    assert!(size_of::<G1Affine>() == 64 && align_of::<G1Affine>() == align_of::<u64>());
    assert!(offset_of!(G1Affine, x) == 0 && offset_of!(G1Affine, y) == 32);
    // 2^256 mod p, the representation of 1
    // SAFETY: both are 32 bytes, and every value of the words is valid.
    let (r, q) = unsafe { (transmute::<Fr, [u64; 4]>(Fr::one()), transmute::<Fq, [u64; 4]>(Fq::one())) };
    assert!(same(r, [0xac96_341c_4fff_fffb, 0x36fc_7695_9f60_cd29, 0x666e_a36f_7879_462e, 0x0e0a_77c1_9a07_df2f]));
    assert!(same(q, [0xd35d_438d_c58f_0d9d, 0x0a78_eb28_f5c7_0b3d, 0x666e_a36f_7879_462c, 0x0e0a_77c1_9a07_df2f]));
};
