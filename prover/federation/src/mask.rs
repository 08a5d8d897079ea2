//! Pairwise masks. Two nodes derive the same stream from their shared secret; the earlier participant adds it and the later one
//! subtracts it, so that all masks cancel in the sum over all participants, and in no other sum.
//!
//! A stream depends on the request (chain, agent, version, attempt, λ, link and the ordered participants with their shards), on
//! the query (round, kind and weights) and on everybody's keys. Nodes that were told different things get masks that do not
//! cancel, and their sum is noise.

use hkdf::Hkdf;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};
use tribute_core::digest::Digest;
use tribute_core::id::{RequestId, WeightsDigest};
use tribute_core::U256;
use zeroize::Zeroizing;

use crate::consent::{Consent, NodeKeys};
use crate::numbers::Numbers;
use crate::refusal::Refusal;

/// The secrets that one participant shares with the others.
pub struct Masks {
    /// Own position.
    own: usize,
    /// By position; the own one is unused.
    shared: Vec<Zeroizing<[u8; 32]>>,
    request: RequestId,
    /// Hash of all keys.
    keys: Digest,
}

impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Masks").field("own", &self.own).finish_non_exhaustive()
    }
}

/// A mask of a committed column, shared with one other participant.
#[derive(Clone, Debug)]
pub struct ColumnMask {
    /// Position of the other participant.
    pub other: usize,
    /// Whether this participant adds it; the other one subtracts it.
    pub adds: bool,
    /// Seed of the stream from which the column's entries are drawn.
    pub seed: Zeroizing<[u8; 32]>,
}

impl Masks {
    /// The masks of the participant in position `own`. The consents have been checked.
    ///
    /// # Errors
    /// [`Refusal::Consent`] if a participant's key is of small order: the secret shared with it would be known to all.
    pub fn new(request: RequestId, own: usize, keys: &NodeKeys, consents: &[Consent]) -> Result<Self, Refusal> {
        let mut hash = Sha256::new();
        for consent in consents {
            hash.update(consent.mask_key.0);
        }
        let mut shared = Vec::with_capacity(consents.len());
        for (other, consent) in consents.iter().enumerate() {
            let why = "its key for the masks is of small order";
            let refused = Refusal::Consent { account: consent.account, request, why };
            shared.push(if other == own {
                Zeroizing::new([0; 32])
            } else {
                keys.shared(&consent.mask_key).ok_or(refused)?
            });
        }
        Ok(Masks { own, shared, request, keys: hash.finalize().into() })
    }

    /// Adds the masks of a round to its numbers.
    pub fn apply(&self, query: &Digest, numbers: &mut Numbers) {
        for other in self.others() {
            let mut stream = ChaCha20Rng::from_seed(*self.seed(other, b"tribute.mask.round.v1", query));
            let adds = self.own < other;
            for word in &mut numbers.wide {
                let mut bytes = [0; 16];
                stream.fill_bytes(&mut bytes);
                let mask = u128::from_le_bytes(bytes);
                *word = if adds { word.wrapping_add(mask) } else { word.wrapping_sub(mask) };
            }
            for word in &mut numbers.narrow {
                let mask = stream.next_u64();
                *word = if adds { word.wrapping_add(mask) } else { word.wrapping_sub(mask) };
            }
        }
    }

    /// Adds the masks of sums for ranges to their words, modulo 2^256.
    pub fn apply_words(&self, query: &Digest, words: &mut [U256]) {
        for other in self.others() {
            let mut stream = ChaCha20Rng::from_seed(*self.seed(other, b"tribute.mask.ranges.v1", query));
            let adds = self.own < other;
            for word in &mut *words {
                let mut bytes = [0; 32];
                stream.fill_bytes(&mut bytes);
                let mask = U256::from_le_bytes(bytes);
                *word = if adds { word.wrapping_add(mask) } else { word.wrapping_sub(mask) };
            }
        }
    }

    /// The masks of this participant's committed gradient at the final weights.
    #[must_use]
    pub fn columns(&self, weights: &WeightsDigest) -> Vec<ColumnMask> {
        self.others()
            .map(|other| ColumnMask {
                other,
                adds: self.own < other,
                seed: self.seed(other, b"tribute.mask.column.v1", weights.as_bytes()),
            })
            .collect()
    }

    fn others(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.shared.len()).filter(|other| *other != self.own)
    }

    fn seed(&self, other: usize, label: &[u8], about: &Digest) -> Zeroizing<[u8; 32]> {
        let (low, high) = (self.own.min(other) as u32, self.own.max(other) as u32);
        let info =
            [label, self.request.as_bytes(), &self.keys, about, &low.to_be_bytes(), &high.to_be_bytes()].concat();
        let mut seed = Zeroizing::new([0; 32]);
        // 32 bytes is far below HKDF-SHA256's limit of 8,160, the only way this can fail
        Hkdf::<Sha256>::new(None, &*self.shared[other]).expand(&info, &mut *seed).unwrap_or_default();
        seed
    }
}
