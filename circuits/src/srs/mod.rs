//! The structured reference string: powers of a secret that nobody may know.
//!
//! [`Srs::development`] makes one from a secret that everybody knows. Proofs under it can be forged by anyone; every
//! certificate that uses it says so, and verification refuses it unless explicitly allowed.

mod development;

use std::io::{self, Read, Write};
use std::path::Path;

use halo2_proofs::halo2curves::bn256::{Bn256, G1Affine, G2Affine};
use halo2_proofs::halo2curves::serde::SerdeObject;
use halo2_proofs::poly::commitment::{Params, ParamsProver};
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tribute_core::digest::{keccak, Digest};

/// An SRS for circuits of exactly `2^k` rows.
#[derive(Clone, Debug)]
pub struct Srs {
    params: ParamsKZG<Bn256>,
    lagrange: Vec<G1Affine>,
    digest: Digest,
}

/// An SRS file that cannot be used.
#[derive(Debug, Error)]
pub enum SrsError {
    /// Reading or writing failed.
    #[error("SRS file {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The file's checksum does not match its content.
    #[error("SRS file {path} is damaged: its checksum does not match; delete it and it is made again")]
    Damaged {
        /// The file.
        path: String,
    },
    /// The file is for another size.
    #[error("SRS file {path} has k = {got}, expected {expected}")]
    Size {
        /// The file.
        path: String,
        /// Wanted.
        expected: u32,
        /// Found.
        got: u32,
    },
}

impl Srs {
    fn new(k: u32, g: Vec<G1Affine>, lagrange: Vec<G1Affine>, g2: G2Affine, s_g2: G2Affine) -> Self {
        // `from_parts` is a method; the smallest parameters stand in for the receiver
        let params = ParamsKZG::<Bn256>::setup(1, rand_core::OsRng).from_parts(k, g, Some(lagrange.clone()), g2, s_g2);
        let digest = digest(&params);
        Srs { params, lagrange, digest }
    }

    /// The development SRS of size `2^k`: deterministic, **insecure**.
    #[must_use]
    pub fn development(k: u32) -> Self {
        let (g, lagrange, g2, s_g2) = development::points(k);
        Srs::new(k, g, lagrange, g2, s_g2)
    }

    /// The digest that [`Srs::development`] of every size has: they share their secret.
    #[must_use]
    pub fn development_digest() -> Digest {
        development::digest()
    }

    /// Whether this is the development SRS, of whatever size.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.digest == Self::development_digest()
    }

    /// log2 of the number of rows.
    #[must_use]
    pub fn k(&self) -> u32 {
        self.params.k()
    }

    /// What halo2 takes.
    #[must_use]
    pub fn params(&self) -> &ParamsKZG<Bn256> {
        &self.params
    }

    /// Identity of the secret behind the SRS: keccak256 of `[1]₂‖[s]₂` and `[1]₁‖[s]₁`, the same for every size.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Commitments to the Lagrange basis of the `2^k` rows.
    #[must_use]
    pub fn lagrange_basis(&self) -> &[G1Affine] {
        &self.lagrange
    }

    /// Loads the development SRS from `folder`, or makes it and keeps it there.
    ///
    /// # Errors
    /// [`SrsError`]; a damaged file is reported, not silently replaced.
    pub fn development_cached(folder: &Path, k: u32) -> Result<Self, SrsError> {
        let path = folder.join(format!("development-{k}.srs"));
        if path.exists() {
            return Srs::load(&path, k);
        }
        let srs = Srs::development(k);
        srs.save(&path)?;
        Ok(srs)
    }

    /// Writes the SRS with a checksum, atomically.
    pub fn save(&self, path: &Path) -> Result<(), SrsError> {
        let io = |source| SrsError::Io { path: path.display().to_string(), source };
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&self.k().to_le_bytes());
        for p in self.params.get_g().iter().chain(&self.lagrange) {
            p.write_raw(&mut bytes).map_err(io)?;
        }
        for p in [self.params.g2(), self.params.s_g2()] {
            p.write_raw(&mut bytes).map_err(io)?;
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        let part = path.with_extension(format!("part-{}", std::process::id()));
        let mut file = std::fs::File::create(&part).map_err(io)?;
        file.write_all(&Sha256::digest(&bytes))
            .and_then(|()| file.write_all(&bytes))
            .and_then(|()| file.sync_all())
            .map_err(io)?;
        std::fs::rename(&part, path).map_err(io)
    }

    /// Reads what [`Srs::save`] wrote.
    pub fn load(path: &Path, k: u32) -> Result<Self, SrsError> {
        let name = || path.display().to_string();
        let io = |source| SrsError::Io { path: name(), source };
        let mut file = std::fs::File::open(path).map_err(io)?;
        let mut checksum = [0; 32];
        file.read_exact(&mut checksum).map_err(io)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        if <[u8; 32]>::from(Sha256::digest(&bytes)) != checksum {
            return Err(SrsError::Damaged { path: name() });
        }
        let mut rest = bytes.as_slice();
        let mut size = [0; 4];
        rest.read_exact(&mut size).map_err(io)?;
        let got = u32::from_le_bytes(size);
        if got != k {
            return Err(SrsError::Size { path: name(), expected: k, got });
        }
        let mut points =
            |n: usize| -> io::Result<Vec<G1Affine>> { (0..n).map(|_| G1Affine::read_raw(&mut rest)).collect() };
        let (g, lagrange) = (points(1 << k).map_err(io)?, points(1 << k).map_err(io)?);
        let mut point = || G2Affine::read_raw(&mut rest);
        let (g2, s_g2) = (point().map_err(io)?, point().map_err(io)?);
        Ok(Srs::new(k, g, lagrange, g2, s_g2))
    }
}

fn digest(params: &ParamsKZG<Bn256>) -> Digest {
    let g = params.get_g();
    digest_of([g[0], g[1]], [params.g2(), params.s_g2()])
}

fn digest_of(g1: [G1Affine; 2], g2: [G2Affine; 2]) -> Digest {
    use halo2_proofs::halo2curves::group::GroupEncoding;
    let mut bytes = b"tribute.srs.v1".to_vec();
    for p in g1 {
        bytes.extend_from_slice(p.to_bytes().as_ref());
    }
    for p in g2 {
        bytes.extend_from_slice(p.to_bytes().as_ref());
    }
    keccak(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_srs_is_consistent_and_the_same_secret_at_every_size() {
        use halo2_proofs::arithmetic::best_multiexp;
        use halo2_proofs::halo2curves::bn256::Fr;
        use halo2_proofs::poly::EvaluationDomain;
        let srs = Srs::development(6);
        assert!(srs.is_development());
        assert_eq!(srs.digest(), Srs::development(8).digest());
        // the Lagrange basis matches the monomial one
        let values: Vec<Fr> = (0..64).map(|i| Fr::from(i * i + 1)).collect();
        let domain = EvaluationDomain::new(1, 6);
        let coefficients = domain.lagrange_to_coeff(domain.lagrange_from_vec(values.clone())).into_values();
        let a = G1Affine::from(best_multiexp(&values, srs.lagrange_basis()));
        let b = G1Affine::from(best_multiexp(&coefficients, srs.params().get_g()));
        assert_eq!(a, b);
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let dir = std::env::temp_dir().join(format!("tribute-srs-{}", std::process::id()));
        let srs = Srs::development_cached(&dir, 5).unwrap();
        let path = dir.join("development-5.srs");
        assert_eq!(Srs::load(&path, 5).unwrap().digest(), srs.digest());
        assert!(matches!(Srs::load(&path, 6), Err(SrsError::Size { .. })));
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(Srs::load(&path, 5), Err(SrsError::Damaged { .. })));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
