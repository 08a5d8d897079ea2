//! The parts of the structured reference string that provers, verifiers and contracts share: its name and three of its
//! points, as bytes.

use crate::id::SrsDigest;

/// Digest of the development SRS of every size. Its secret is public, so anyone can forge proofs under it.
pub const DEVELOPMENT_DIGEST: SrsDigest = SrsDigest::new([
    0x09, 0x96, 0x2f, 0x41, 0x76, 0x05, 0xef, 0x7b, 0xe9, 0x60, 0xeb, 0xa2, 0xc1, 0xfc, 0x42, 0xfa, 0xb6, 0x9a, 0x6f,
    0x03, 0x1b, 0x3a, 0x2b, 0xec, 0x8c, 0x42, 0x49, 0xb4, 0x88, 0xca, 0xd0, 0x95,
]);

/// The points that a verifier needs, in the form contracts use: coordinates as big-endian words, in G2 the imaginary
/// part first (EIP-197).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrsPoints {
    /// `[1]₁`: x, y.
    pub g1: [u8; 64],
    /// `[1]₂`: x, y.
    pub g2: [u8; 128],
    /// `[τ]₂`: x, y.
    pub tau_g2: [u8; 128],
}
