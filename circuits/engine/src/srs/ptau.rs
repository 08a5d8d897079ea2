//! Powers-of-tau files of public ceremonies (`.ptau`, the format that snarkjs and ceremonies based on it publish).
//!
//! ```text
//! "ptau" | version 1 | number of sections | sections: type u32, length u64, content            (all little-endian)
//! section 1   bytes of a coordinate n8 u32 | the prime | power u32 | power of the whole ceremony u32
//! section 2   τ^i·G1, i < 2^(power+1) − 1
//! section 3   τ^i·G2, i < 2^power
//! ```
//!
//! Other sections (α, β, contributions, Lagrange bases) are not read. Only the requested number of points is read, so
//! that a ceremony's largest file can be used without fitting into memory. No number in a header is used before it has
//! been checked against the file's length.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use ark_bn254::Fq;
use ark_ff::PrimeField as _;
use halo2_proofs::arithmetic::g_to_lagrange;
use halo2_proofs::halo2curves::bn256::{G1Affine, G2Affine, G1};
use halo2_proofs::halo2curves::serde::SerdeObject;
use rayon::prelude::*;
use tribute_core::id::SrsDigest;

use super::error::{Flaw, Group, PointProblem, SrsError};
use super::points::{self, G1_BYTES, G2_BYTES};
use super::{consistency, digest_of, Srs};

/// First bytes of the format.
pub(super) const MAGIC: [u8; 4] = *b"ptau";
const VERSION: u32 = 1;
/// Real files have 7 to 11 sections.
const MAX_SECTIONS: u32 = 64;
/// The field has no larger power-of-two domain.
const MAX_POWER: u32 = 28;
/// Length in bytes of a section's type and length fields.
const SECTION_HEAD: u64 = 12;

/// A powers-of-tau file whose header has been read and matches the file's length.
#[derive(Debug)]
pub struct Ptau {
    path: PathBuf,
    file: File,
    power: u32,
    g1: Section,
    g2: Section,
}

#[derive(Clone, Copy, Debug)]
struct Section {
    at: u64,
    length: u64,
}

impl Ptau {
    /// Reads the header.
    ///
    /// # Errors
    /// [`SrsError`] if the file is not a `.ptau` file, is cut short, has another version, or is for another curve.
    pub fn open(path: &Path) -> Result<Self, SrsError> {
        Self::read_header(path).map_err(|flaw| flaw.at(path))
    }

    fn read_header(path: &Path) -> Result<Self, Flaw> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut start = [0; 12];
        read(&mut file, 0, length, "the header", &mut start)?;
        if start[..4] != MAGIC {
            return Err(Flaw::Unknown { found: hex::encode(&start[..4]) });
        }
        let (version, count) = (word(&start[4..8]), word(&start[8..12]));
        if version != VERSION {
            return Err(Flaw::Version { expected: VERSION, got: version });
        }
        if count > MAX_SECTIONS {
            let (limit, got) = (MAX_SECTIONS.into(), count.into());
            return Err(Flaw::Limit { what: "the number of sections", limit, got });
        }
        let mut sections = Vec::new();
        let mut at = 12;
        for i in 0..count {
            let mut head = [0; SECTION_HEAD as usize];
            read(&mut file, at, length, &format!("the head of section {i}"), &mut head)?;
            let (kind, size) = (word(&head[..4]), long(&head[4..]));
            at += SECTION_HEAD;
            let end = at.saturating_add(size);
            if end > length {
                return Err(Flaw::CutShort { what: format!("section {kind}"), needed: end, got: length });
            }
            sections.push((kind, Section { at, length: size }));
            at = end;
        }
        let only = |kind: u32| {
            let found: Vec<Section> = sections.iter().filter(|(k, _)| *k == kind).map(|(_, s)| *s).collect();
            match found[..] {
                [section] => Ok(section),
                _ => Err(Flaw::Sections { section: kind, got: found.len() }),
            }
        };
        let power = read_curve(&mut file, length, only(1)?)?;
        let (g1, g2) = (only(2)?, only(3)?);
        let lengths = [("section 2", g1, ((2u64 << power) - 1) * 64), ("section 3", g2, (1u64 << power) * 128)];
        for (what, section, expected) in lengths {
            if section.length != expected {
                return Err(Flaw::Length { what: what.into(), expected, got: section.length });
            }
        }
        Ok(Ptau { path: path.into(), file, power, g1, g2 })
    }

    /// log2 of the number of powers in the file: the largest `k` it supports.
    #[must_use]
    pub fn power(&self) -> u32 {
        self.power
    }

    /// Identity of the secret, see [`Srs::digest`]. Reads only four points and checks each on its own.
    pub fn digest(&self) -> Result<SrsDigest, SrsError> {
        let read = || -> Result<SrsDigest, Flaw> {
            let (g1, g2) = (self.raw::<G1_BYTES>(self.g1, 2)?, self.raw::<G2_BYTES>(self.g2, 2)?);
            check_points(&g1, Group::G1, points::g1)?;
            check_points(&g2, Group::G2, points::g2)?;
            let (g1, g2) = (to_halo2::<G1Affine>(&g1)?, to_halo2::<G2Affine>(&g2)?);
            Ok(digest_of([g1[0], g1[1]], [g2[0], g2[1]]))
        };
        read().map_err(|flaw| flaw.at(&self.path))
    }

    /// The SRS of size `2^k`: the file's first `2^k` powers, all checked, and their Lagrange basis.
    ///
    /// Checks that every point is on its curve and in its group, that the generators are the fixed ones, and that all
    /// points are powers of one secret (see `consistency.rs`).
    ///
    /// # Errors
    /// [`SrsError`] if the file is too small or a check fails.
    pub fn import(&self, k: u32) -> Result<Srs, SrsError> {
        self.import_points(k).map_err(|flaw| flaw.at(&self.path))
    }

    fn import_points(&self, k: u32) -> Result<Srs, Flaw> {
        if k == 0 || k > self.power {
            return Err(Flaw::TooSmall { power: self.power, k });
        }
        let n = 1usize << k;
        let (g1, g2) = (self.raw::<G1_BYTES>(self.g1, n)?, self.raw::<G2_BYTES>(self.g2, n)?);
        check_points(&g1, Group::G1, points::g1)?;
        let checked_g2 = check_points(&g2, Group::G2, points::g2)?;
        let (g1, g2) = (to_halo2::<G1Affine>(&g1)?, to_halo2::<G2Affine>(&g2[..2])?);
        consistency::check(k, &g1, &checked_g2)?;
        drop(checked_g2);
        // the library's FFT over points: needed nowhere else, and once per import
        let lagrange = g_to_lagrange(g1.iter().map(|p| G1::from(*p)).collect(), k);
        let srs = Srs::new(k, g1, lagrange, g2[0], g2[1]);
        srs.check_lagrange()?;
        Ok(srs)
    }

    /// The first `count` points of a section.
    fn raw<const N: usize>(&self, section: Section, count: usize) -> Result<Vec<[u8; N]>, Flaw> {
        debug_assert!((count * N) as u64 <= section.length);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(section.at))?;
        let mut bytes = vec![0; count * N];
        file.read_exact(&mut bytes)?;
        Ok(bytes.chunks_exact(N).filter_map(|p| p.try_into().ok()).collect())
    }
}

/// Reads section 1, checks the curve and returns the power.
fn read_curve(file: &mut File, length: u64, header: Section) -> Result<u32, Flaw> {
    let mut size = [0; 4];
    let end = header.at + header.length;
    read(file, header.at, end.min(length), "section 1", &mut size)?;
    let size = word(&size);
    // the largest prime of any curve in use has 96 bytes
    if size > 256 {
        return Err(Flaw::Limit { what: "the bytes of a coordinate", limit: 256, got: size.into() });
    }
    let mut rest = vec![0; size as usize + 8];
    read(file, header.at + 4, end.min(length), "section 1", &mut rest)?;
    let (prime, rest) = rest.split_at(size as usize);
    let expected: Vec<u8> = Fq::MODULUS.0.iter().flat_map(|limb| limb.to_le_bytes()).collect();
    if prime != expected {
        let big_endian = |le: &[u8]| hex::encode(le.iter().rev().copied().collect::<Vec<u8>>());
        return Err(Flaw::Curve { expected: big_endian(&expected), got: big_endian(prime) });
    }
    let power = word(&rest[..4]);
    if power > MAX_POWER {
        return Err(Flaw::Limit { what: "the power", limit: MAX_POWER.into(), got: power.into() });
    }
    Ok(power)
}

/// Fills `out` from offset `at`; `end` is where the file, or the section, ends.
fn read(file: &mut File, at: u64, end: u64, what: &str, out: &mut [u8]) -> Result<(), Flaw> {
    let needed = at.saturating_add(out.len() as u64);
    if needed > end {
        return Err(Flaw::CutShort { what: what.into(), needed, got: end });
    }
    file.seek(SeekFrom::Start(at))?;
    Ok(file.read_exact(out)?)
}

fn word(le: &[u8]) -> u32 {
    le.iter().rev().fold(0, |x, b| (x << 8) | u32::from(*b))
}

fn long(le: &[u8]) -> u64 {
    le.iter().rev().fold(0, |x, b| (x << 8) | u64::from(*b))
}

/// Checks every point on its own.
pub(super) fn check_points<const N: usize, P: Send>(
    raw: &[[u8; N]],
    group: Group,
    check: impl Fn(&[u8; N]) -> Result<P, PointProblem> + Sync,
) -> Result<Vec<P>, Flaw> {
    raw.par_iter()
        .enumerate()
        .map(|(index, raw)| check(raw).map_err(|problem| Flaw::Point { group, index, problem }))
        .collect()
}

/// Converts checked points to halo2's type.
fn to_halo2<P: SerdeObject>(raw: &[impl AsRef<[u8]>]) -> Result<Vec<P>, Flaw> {
    raw.iter().map(|p| Ok(P::read_raw(&mut p.as_ref())?)).collect()
}
