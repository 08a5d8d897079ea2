//! The structured reference string: powers of a secret that nobody may know.
//!
//! | file | contents |
//! |---|---|
//! | [`mod`](self) | the SRS of one size, and its full check |
//! | `ptau` | import of a public ceremony's file |
//! | `params` | import of halo2's parameter files |
//! | `ceremonies` | files of public ceremonies, by their hashes |
//! | `consistency` | check that points are the powers of one secret |
//! | `points` | decoding and checking points |
//! | `file` | this program's own files, ready for proving |
//! | `store` | sources of an SRS, and the cache |
//! | `development` | an SRS whose secret is public |
//!
//! Anyone can forge proofs under [`Srs::development`]; every certificate that uses it says so, and verification rejects
//! it unless explicitly allowed.

pub mod ceremonies;
mod consistency;
mod development;
mod error;
mod file;
mod params;
mod points;
mod ptau;
mod store;

use halo2_proofs::halo2curves::bn256::{Bn256, Fr, G1Affine, G2Affine};
use halo2_proofs::halo2curves::ff::{Field as _, PrimeField as _};
use halo2_proofs::halo2curves::group::GroupEncoding;
use halo2_proofs::halo2curves::serde::SerdeObject;
use halo2_proofs::poly::commitment::{Params, ParamsProver};
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::poly::EvaluationDomain;
use rand_core::OsRng;
use tribute_core::digest::keccak;
use tribute_core::id::SrsDigest;
use tribute_core::srs::{SrsPoints, DEVELOPMENT_DIGEST};
use tribute_simd::{Backend, Interpolation};

use crate::field::point_bytes;
use crate::msm::msm;

pub use error::{Flaw, Group, PointProblem, SrsError};
pub use params::Params as Halo2Params;
pub use ptau::Ptau;
pub use store::SrsStore;

/// An SRS for circuits of exactly `2^k` rows.
#[derive(Clone, Debug)]
pub struct Srs {
    params: ParamsKZG<Bn256>,
    lagrange: Vec<G1Affine>,
    digest: SrsDigest,
}

impl Srs {
    fn new(k: u32, g: Vec<G1Affine>, lagrange: Vec<G1Affine>, g2: G2Affine, s_g2: G2Affine) -> Self {
        // `from_parts` is a method, so it needs a receiver: the smallest parameters
        let params = ParamsKZG::<Bn256>::setup(1, OsRng).from_parts(k, g, Some(vec![]), g2, s_g2);
        let g = params.get_g();
        let digest = digest_of([g[0], g[1]], [g2, s_g2]);
        Srs { params, lagrange, digest }
    }

    /// The development SRS of size `2^k`: deterministic, **insecure**.
    #[must_use]
    pub fn development(k: u32) -> Self {
        let (g, lagrange, g2, s_g2) = development::points(k);
        Srs::new(k, g, lagrange, g2, s_g2)
    }

    /// The digest of [`Srs::development`], the same for every size because the secret is.
    #[must_use]
    pub fn development_digest() -> SrsDigest {
        DEVELOPMENT_DIGEST
    }

    /// The public secret of the development SRS, for tests of what a simulator can do.
    #[doc(hidden)]
    #[must_use]
    pub fn development_secret() -> Fr {
        development::secret()
    }

    /// The points that a verifier needs.
    #[must_use]
    pub fn points(&self) -> SrsPoints {
        let g2 = |p: G2Affine| {
            let mut bytes = [0; 128];
            for (out, c) in bytes.chunks_exact_mut(32).zip([&p.x.c1, &p.x.c0, &p.y.c1, &p.y.c0]) {
                out.copy_from_slice(c.to_repr().as_ref());
                out.reverse();
            }
            bytes
        };
        // neither the generator nor its multiple by τ is the point at infinity: the SRS was checked or made here
        let g1 = point_bytes(&self.params.get_g()[0]).unwrap_or([0; 64]);
        SrsPoints { g1, g2: g2(self.params.g2()), tau_g2: g2(self.params.s_g2()) }
    }

    /// Whether this is the development SRS, of any size.
    #[must_use]
    pub fn is_development(&self) -> bool {
        self.digest == Self::development_digest()
    }

    /// log2 of the number of rows.
    #[must_use]
    pub fn k(&self) -> u32 {
        self.params.k()
    }

    /// The parameters in halo2's form, without the Lagrange basis, which would be in memory twice: verifiers do not read
    /// it, and committing to values with these parameters panics. See [`Self::lagrange_basis`].
    #[must_use]
    pub fn params(&self) -> &ParamsKZG<Bn256> {
        &self.params
    }

    /// The parameters in halo2's form with the Lagrange basis, for comparisons with halo2.
    #[doc(hidden)]
    #[must_use]
    pub fn whole_params(&self) -> ParamsKZG<Bn256> {
        let (g, lagrange) = (self.params.get_g().to_vec(), self.lagrange.clone());
        self.params.from_parts(self.k(), g, Some(lagrange), self.params.g2(), self.params.s_g2())
    }

    /// Identity of the secret behind the SRS: keccak256 of `[1]₁‖[τ]₁‖[1]₂‖[τ]₂`, the same for every size.
    #[must_use]
    pub fn digest(&self) -> SrsDigest {
        self.digest
    }

    /// Commitments to the Lagrange basis of the `2^k` rows.
    #[must_use]
    pub fn lagrange_basis(&self) -> &[G1Affine] {
        &self.lagrange
    }

    /// Checks an SRS from elsewhere as [`Ptau::import`] checks a ceremony's file: every point is on its curve and in
    /// its group, the generators are the fixed ones, all powers are those of one secret, and the Lagrange basis matches
    /// them. An SRS that passes is the one that its digest names; whether somebody knows its secret cannot be computed.
    ///
    /// # Errors
    /// The first flaw found.
    pub fn check(&self) -> Result<(), Flaw> {
        ptau::check_points(&raw(self.params.get_g()), Group::G1, points::g1)?;
        let g2 = ptau::check_points(&raw(&[self.params.g2(), self.params.s_g2()]), Group::G2, points::g2)?;
        ptau::check_points(&raw(&self.lagrange), Group::Lagrange, points::g1)?;
        consistency::check(self.k(), self.params.get_g(), &g2)?;
        self.check_lagrange()
    }

    /// Checks the Lagrange basis against the powers. For random `v_i`, `Σ v_i·[L_i(τ)]` must be the commitment to the
    /// polynomial with the values `v_i`; if one `[L_i(τ)]` is wrong, that holds with probability 1/r.
    fn check_lagrange(&self) -> Result<(), Flaw> {
        let values: Vec<Fr> = (0..self.lagrange.len()).map(|_| Fr::random(OsRng)).collect();
        let by_values = G1Affine::from(msm(&values, &self.lagrange));
        let domain = EvaluationDomain::<Fr>::new(1, self.k());
        let mut coefficients = values;
        Interpolation::new(Backend::best(), self.k(), domain.get_omega(), Fr::ONE).run(&mut coefficients);
        let by_coefficients = G1Affine::from(msm(&coefficients, self.params.get_g()));
        (by_values == by_coefficients).then_some(()).ok_or(Flaw::Lagrange)
    }

    /// Whether both are equal, point by point.
    fn same_as(&self, other: &Srs) -> bool {
        let g2 = |srs: &Srs| [srs.params.g2(), srs.params.s_g2()];
        self.params.get_g() == other.params.get_g() && self.lagrange == other.lagrange && g2(self) == g2(other)
    }
}

/// Raw encodings of points.
fn raw<const N: usize>(points: &[impl SerdeObject]) -> Vec<[u8; N]> {
    points.iter().filter_map(|p| p.to_raw_bytes().try_into().ok()).collect()
}

fn digest_of(g1: [G1Affine; 2], g2: [G2Affine; 2]) -> SrsDigest {
    let mut bytes = b"tribute.srs.v1".to_vec();
    for p in g1 {
        bytes.extend_from_slice(p.to_bytes().as_ref());
    }
    for p in g2 {
        bytes.extend_from_slice(p.to_bytes().as_ref());
    }
    SrsDigest::new(keccak(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_development_srs_passes_the_check_and_is_one_secret_at_every_size() {
        for k in [1, 6, 10] {
            let srs = Srs::development(k);
            srs.check().unwrap();
            assert_eq!(hex::encode(srs.digest()), hex::encode(DEVELOPMENT_DIGEST));
        }
    }
}
