//! What of the structured reference string prover, verifiers and contracts have in common: its name and three of its points,
//! as bytes.

use crate::digest::Digest;

/// Digest of the development SRS of every size. Its secret is public: anyone can forge proofs under it.
pub const DEVELOPMENT_DIGEST: Digest = [0; 32];

/// The points that a verifier needs, as contracts take them: coordinates as big-endian words, in G2 the imaginary part
/// first (EIP-197).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SrsPoints {
    /// `[1]₁`: x, y.
    pub g1: [u8; 64],
    /// `[1]₂`: x, y.
    pub g2: [u8; 128],
    /// `[τ]₂`: x, y.
    pub tau_g2: [u8; 128],
}
