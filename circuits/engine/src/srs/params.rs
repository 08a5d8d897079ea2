//! Parameter files of halo2 (`ParamsKZG::write_custom`), as `kzg_bn254_15.srs` and the like are published.
//!
//! ```text
//! k u32 | 2^k powers in G1 | their Lagrange basis | [1]₂ | [τ]₂           (all little-endian)
//! ```
//!
//! There is no magic and no version. Points are raw, in Montgomery form (halo2's `RawBytes`, what `write` does), or compressed
//! (`Processed`); the file's length says which. The Lagrange basis is not read: it is computed from the powers, so that a
//! larger file serves every smaller `k`.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use halo2_proofs::arithmetic::g_to_lagrange;
use halo2_proofs::halo2curves::bn256::{G1Affine, G2Affine, G1};
use halo2_proofs::halo2curves::group::GroupEncoding;
use halo2_proofs::halo2curves::serde::SerdeObject;
use rayon::prelude::*;
use tribute_core::id::SrsDigest;

use super::error::{Flaw, Group, PointProblem, SrsError};
use super::points::{self, G1_BYTES, G2_BYTES};
use super::ptau::check_points;
use super::{consistency, digest_of, Srs};

/// The field has no larger domain.
const MAX_K: u32 = 28;

/// How points are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Raw,
    Compressed,
}

impl Form {
    fn g1(self) -> usize {
        match self {
            Form::Raw => G1_BYTES,
            Form::Compressed => G1_BYTES / 2,
        }
    }

    fn g2(self) -> usize {
        2 * self.g1()
    }

    fn length(self, k: u32) -> u64 {
        4 + (2u64 << k) * self.g1() as u64 + 2 * self.g2() as u64
    }
}

/// A parameter file whose length fits its size.
#[derive(Debug)]
pub struct Params {
    path: PathBuf,
    file: File,
    k: u32,
    form: Form,
}

/// Points of a file, each checked by itself: for halo2, and those of G2 also as the consistency check takes them.
struct Points {
    g1: Vec<G1Affine>,
    g2: [G2Affine; 2],
    checked_g2: Vec<ark_bn254::G2Affine>,
}

impl Params {
    /// Reads the size; `None` where this is no such file.
    ///
    /// # Errors
    /// [`SrsError`] where the file cannot be read.
    pub fn open(path: &Path) -> Result<Option<Self>, SrsError> {
        let read = || -> Result<Option<Params>, Flaw> {
            let mut file = File::open(path)?;
            let length = file.metadata()?.len();
            if length < 4 {
                return Ok(None);
            }
            let mut k = [0; 4];
            file.read_exact(&mut k)?;
            let k = u32::from_le_bytes(k);
            if k == 0 || k > MAX_K {
                return Ok(None);
            }
            let form = [Form::Raw, Form::Compressed].into_iter().find(|form| form.length(k) == length);
            Ok(form.map(|form| Params { path: path.into(), file, k, form }))
        };
        read().map_err(|flaw| flaw.at(path))
    }

    /// log2 of the powers in the file: the largest `k` it serves.
    #[must_use]
    pub fn power(&self) -> u32 {
        self.k
    }

    /// Identity of the secret, see [`Srs::digest`]. Reads four points and checks each by itself, no more.
    ///
    /// # Errors
    /// [`SrsError`] where they are no points.
    pub fn digest(&self) -> Result<SrsDigest, SrsError> {
        let read = || -> Result<SrsDigest, Flaw> {
            let Points { g1, g2, .. } = self.points(2)?;
            Ok(digest_of([g1[0], g1[1]], g2))
        };
        read().map_err(|flaw| flaw.at(&self.path))
    }

    /// The SRS of size `2^k`, checked as [`super::Ptau::import`] checks it.
    ///
    /// # Errors
    /// [`SrsError`] where the file is too small or a check fails.
    pub fn import(&self, k: u32) -> Result<Srs, SrsError> {
        self.import_points(k).map_err(|flaw| flaw.at(&self.path))
    }

    fn import_points(&self, k: u32) -> Result<Srs, Flaw> {
        if k == 0 || k > self.k {
            return Err(Flaw::TooSmall { power: self.k, k });
        }
        let Points { g1, g2, checked_g2 } = self.points(1 << k)?;
        consistency::check(k, &g1, &checked_g2)?;
        // the library's FFT over points, as in `ptau`
        let lagrange = g_to_lagrange(g1.par_iter().map(|p| G1::from(*p)).collect(), k);
        let srs = Srs::new(k, g1, lagrange, g2[0], g2[1]);
        srs.check_lagrange()?;
        Ok(srs)
    }

    /// The first `count` powers, and both points of G2.
    fn points(&self, count: usize) -> Result<Points, Flaw> {
        let g1 = self.read(4, count, self.form.g1())?;
        let at = 4 + (2u64 << self.k) * self.form.g1() as u64;
        let g2 = self.read(at, 2, self.form.g2())?;
        let (g1, g2) = match self.form {
            Form::Raw => (split::<G1_BYTES>(&g1), split::<G2_BYTES>(&g2)),
            Form::Compressed => {
                (raw::<G1Affine, G1_BYTES>(&g1, self.form.g1())?, raw::<G2Affine, G2_BYTES>(&g2, self.form.g2())?)
            }
        };
        check_points(&g1, Group::G1, points::g1)?;
        let checked_g2 = check_points(&g2, Group::G2, points::g2)?;
        let halo2 = |raw: &[u8; G2_BYTES]| G2Affine::read_raw(&mut raw.as_slice());
        let g2 = [halo2(&g2[0])?, halo2(&g2[1])?];
        let g1 = g1.iter().map(|p| G1Affine::read_raw(&mut p.as_slice())).collect::<Result<_, _>>()?;
        Ok(Points { g1, g2, checked_g2 })
    }

    fn read(&self, at: u64, count: usize, size: usize) -> Result<Vec<u8>, Flaw> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = vec![0; count * size];
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn split<const N: usize>(bytes: &[u8]) -> Vec<[u8; N]> {
    bytes.chunks_exact(N).filter_map(|p| p.try_into().ok()).collect()
}

/// Compressed points, raw.
fn raw<P: GroupEncoding + SerdeObject, const N: usize>(bytes: &[u8], size: usize) -> Result<Vec<[u8; N]>, Flaw> {
    let group = if N == G1_BYTES { Group::G1 } else { Group::G2 };
    bytes
        .par_chunks_exact(size)
        .enumerate()
        .map(|(index, bytes)| {
            let mut repr = P::Repr::default();
            repr.as_mut().copy_from_slice(bytes);
            let point = Option::<P>::from(P::from_bytes(&repr));
            let raw = point.and_then(|p| <[u8; N]>::try_from(p.to_raw_bytes()).ok());
            raw.ok_or(Flaw::Point { group, index, problem: PointProblem::OffCurve })
        })
        .collect()
}
