//! What a certificate's gradients make together: their commitments sum to the one that the optimum holds, their
//! contributions to shares.

use ark_bn254::{Fq, Fr, G1Affine, G1Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::PrimeField;

use super::blame::{part, whole, Relations};
use super::{Certificate, Contribution};
use crate::head::{ContributionError, Contributions};
use crate::numbers::{CONTRIBUTION_LIMIT_BITS, SHARE_BITS};
use crate::receipt::{from_word, to_word};
use crate::statement::{gradient, Statement};

/// A point of a proof: 64 bytes, coordinates below the modulus, on the curve; not the point at infinity.
fn point(bytes: &[u8]) -> Option<G1Affine> {
    let (x, y) = bytes.split_at_checked(32)?;
    let coordinate = |bytes: &[u8]| {
        let value = Fq::from_be_bytes_mod_order(bytes);
        (bytes.len() == 32 && ark_ff::BigInteger::to_bytes_be(&value.into_bigint()) == bytes).then_some(value)
    };
    let point = G1Affine::new_unchecked(coordinate(x)?, coordinate(y)?);
    point.is_on_curve().then_some(point)
}

/// The value of a signed public input, if it is within the limit of contributions.
pub(super) fn contribution(word: &[u8; 32]) -> Option<i128> {
    let value = from_word(word)?;
    let small = |value: Fr| {
        let word = to_word(&value);
        let magnitude = u128::from_be_bytes(word[16..].try_into().ok()?);
        (word[..16].iter().all(|b| *b == 0) && magnitude >> CONTRIBUTION_LIMIT_BITS == 0).then_some(magnitude as i128)
    };
    small(value).or_else(|| small(-value).map(|v| -v))
}

impl Certificate {
    /// `Σ C(G_p) = C(ΣG)`: the optimum's second group is the sum of every shard's gradient, each once.
    pub(super) fn check_sum(&self, r: &mut Relations) {
        let mut sum = G1Projective::default();
        let mut fields = vec![part("optimum.proof.bytes")];
        for (i, dataset) in self.datasets.iter().enumerate() {
            for (j, shard) in dataset.shards.iter().enumerate() {
                let bytes = format!("datasets[{i}].shards[{j}].gradient_proof.bytes");
                match point(shard.gradient_proof.points(&self.layout, Statement::Gradient, 2)) {
                    Some(point) => sum += point,
                    None => r.limit(false, vec![bytes.clone()], || "its gradient is no point of the curve".into()),
                }
                fields.push(part(bytes));
            }
        }
        let held = point(self.optimum.proof.points(&self.layout, Statement::Optimum, 1));
        let sum = sum.into_affine();
        // no proof holds the point at infinity, and no verifier takes it
        r.relate(!sum.is_zero() && held == Some(sum), fields, || {
            "the optimum holds another gradient than the sum of the shards' gradients".into()
        });
    }

    /// Contributions are those of the proofs, shares follow from them, and the rules hold.
    pub(super) fn check_shares(&self, r: &mut Relations) {
        let mut readable = true;
        for (i, dataset) in self.datasets.iter().enumerate() {
            let field = format!("datasets[{i}].contribution");
            let mut fields = vec![whole(field)];
            let mut total = Some(0i128);
            for (j, shard) in dataset.shards.iter().enumerate() {
                let input = format!("datasets[{i}].shards[{j}].gradient_proof.inputs[{}]", gradient::CONTRIBUTION);
                let value = contribution(&shard.gradient_proof.inputs[gradient::CONTRIBUTION].0);
                r.limit(value.is_some(), vec![input.clone()], || {
                    format!("a contribution is below 2^{CONTRIBUTION_LIMIT_BITS} in magnitude")
                });
                total = total.zip(value).and_then(|(a, b)| a.checked_add(b));
                fields.push(whole(input));
            }
            readable &= total.is_some();
            r.relate(total == Some(dataset.contribution.0), fields, || {
                "not the sum of the shards' contributions".into()
            });
        }
        if !readable {
            return;
        }
        let shards = self.datasets.iter().map(|d| d.shards.len() as u64).sum();
        let all_of = |field: &str| -> Vec<String> {
            (0..self.datasets.len()).map(|i| format!("datasets[{i}].{field}")).collect()
        };
        let contributions = match self.contributions(shards) {
            Ok(contributions) => contributions,
            Err(refused) => {
                let fields = match &refused {
                    ContributionError::Range { dataset } | ContributionError::Negative { dataset, .. } => {
                        vec![format!("datasets[{dataset}].contribution")]
                    }
                    ContributionError::Missing { .. } => [
                        all_of("contribution"),
                        ["optimum.records", "loss.lambda", "optimum.norm"].map(str::to_owned).to_vec(),
                    ]
                    .concat(),
                    _ => all_of("contribution"),
                };
                r.limit(false, fields, || refused.to_string());
                return;
            }
        };
        for (i, dataset) in self.datasets.iter().enumerate() {
            let expected = share_units(&contributions, i);
            let mut fields = vec![whole(format!("datasets[{i}].share"))];
            // a share is rounded: it says little of the contributions
            fields.extend(all_of("contribution").into_iter().map(part));
            r.relate(dataset.share == expected, fields, || {
                format!("by the contributions the share is {expected}, in units of 2^-{SHARE_BITS}")
            });
            let least = dataset.terms.min_share_bps;
            let (share, terms) = (format!("datasets[{i}].share"), format!("datasets[{i}].terms.min_share_bps"));
            r.limit(contributions.reaches(i, least), vec![share, terms], || {
                format!("below {least} basis points, the least share under which its owner lets it train")
            });
        }
    }

    /// The contributions under the rules.
    ///
    /// # Errors
    /// The first rule that does not hold.
    pub fn contributions(&self, shards: u64) -> Result<Contributions, ContributionError> {
        let datasets = self.datasets.iter().map(|d| d.contribution.0).collect();
        let o = &self.optimum;
        Contributions::check(&self.layout, datasets, shards, o.records, self.loss.lambda, o.norm)
    }
}

/// A share in units of 2^-20, rounded down.
pub(super) fn share_units(contributions: &Contributions, dataset: usize) -> u32 {
    let own = ethnum::U256::from(contributions.datasets[dataset].max(0) as u128) << SHARE_BITS;
    (own / ethnum::U256::from(contributions.positive as u128)).as_u32()
}

impl From<i128> for Contribution {
    fn from(units: i128) -> Self {
        Contribution(units)
    }
}
