//! SRS files written by this program: an SRS of one size, ready for proving.
//!
//! ```text
//! "TRIBSRS2" | SHA-256 of the rest | k u32 | powers in G1 | their Lagrange basis | [1]₂ | [τ]₂      (points raw)
//! ```

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use halo2_proofs::halo2curves::bn256::{G1Affine, G2Affine};
use halo2_proofs::halo2curves::serde::SerdeObject;
use halo2_proofs::poly::commitment::ParamsProver;
use sha2::{Digest as _, Sha256};

use super::error::{Flaw, SrsError};
use super::points::{G1_BYTES, G2_BYTES};
use super::Srs;
use crate::checksummed;

/// First bytes of the format; the last one is its version.
pub(super) const MAGIC: [u8; 8] = *b"TRIBSRS2";
const HEAD: usize = 8 + 32 + 4;
/// The field has no larger power-of-two domain.
const MAX_K: u32 = 28;

impl Srs {
    /// Writes the SRS with a checksum, atomically.
    ///
    /// # Errors
    /// [`SrsError`] if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), SrsError> {
        self.write(path).map_err(|flaw| flaw.at(path))
    }

    fn write(&self, path: &Path) -> Result<(), Flaw> {
        let mut bytes = Vec::with_capacity(length(self.k()) as usize);
        bytes.extend_from_slice(&self.k().to_le_bytes());
        for p in self.params.get_g().iter().chain(&self.lagrange) {
            p.write_raw(&mut bytes)?;
        }
        for p in [self.params.g2(), self.params.s_g2()] {
            p.write_raw(&mut bytes)?;
        }
        Ok(checksummed::write(path, &MAGIC, &bytes)?)
    }

    /// Reads a file written by [`Srs::save`]. The checksum detects damage, not forgery: see [`Srs::check`].
    ///
    /// # Errors
    /// [`SrsError`] if the file is not an SRS, is damaged, or has another size.
    pub fn load(path: &Path, k: u32) -> Result<Self, SrsError> {
        Self::read(path, Some(k)).map_err(|flaw| flaw.at(path))
    }

    /// [`Srs::load`] for a file of any size.
    ///
    /// # Errors
    /// [`SrsError`] if the file is not an SRS or is damaged.
    pub fn open(path: &Path) -> Result<Self, SrsError> {
        Self::read(path, None).map_err(|flaw| flaw.at(path))
    }

    fn read(path: &Path, wanted: Option<u32>) -> Result<Self, Flaw> {
        let mut file = File::open(path)?;
        let got = file.metadata()?.len();
        let mut head = [0; HEAD];
        if got < HEAD as u64 {
            return Err(Flaw::CutShort { what: "the header".into(), needed: HEAD as u64, got });
        }
        file.read_exact(&mut head)?;
        if head[..7] != MAGIC[..7] {
            return Err(Flaw::Unknown { found: hex::encode(&head[..8]) });
        }
        if head[7] != MAGIC[7] {
            return Err(Flaw::Version {
                expected: u32::from(MAGIC[7] - b'0'),
                got: u32::from(head[7].saturating_sub(b'0')),
            });
        }
        let k = u32::from_le_bytes([head[40], head[41], head[42], head[43]]);
        if k == 0 || k > MAX_K {
            return Err(Flaw::Limit { what: "k", limit: MAX_K.into(), got: k.into() });
        }
        if let Some(expected) = wanted.filter(|w| *w != k) {
            return Err(Flaw::Size { expected, got: k });
        }
        let expected = length(k);
        if got < expected {
            return Err(Flaw::CutShort { what: format!("an SRS of k = {k}"), needed: expected, got });
        }
        if got > expected {
            return Err(Flaw::Length { what: "the file".into(), expected, got });
        }
        let mut bytes = vec![0; expected as usize - HEAD];
        file.read_exact(&mut bytes)?;
        let checksum: [u8; 32] = Sha256::new().chain_update(&head[40..]).chain_update(&bytes).finalize().into();
        if head[8..40] != checksum {
            return Err(Flaw::Damaged);
        }
        let mut rest = bytes.as_slice();
        let mut points = || -> Result<Vec<G1Affine>, Flaw> {
            Ok((0..1usize << k).map(|_| G1Affine::read_raw(&mut rest)).collect::<Result<_, _>>()?)
        };
        let (g, lagrange) = (points()?, points()?);
        let (g2, s_g2) = (G2Affine::read_raw(&mut rest)?, G2Affine::read_raw(&mut rest)?);
        Ok(Srs::new(k, g, lagrange, g2, s_g2))
    }
}

/// Length in bytes of a file of this size.
fn length(k: u32) -> u64 {
    HEAD as u64 + (2u64 << k) * G1_BYTES as u64 + 2 * G2_BYTES as u64
}
