//! Relations between all of a certificate's gradients: their commitments sum to the one in the optimum proof, and their
//! contributions determine the shares.

use ark_bn254::{Fq, Fr, G1Affine, G1Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::PrimeField;

use super::blame::{part, whole, Relations};
use super::{Certificate, Contribution};
use crate::head::{ContributionError, Contributions};
use crate::numbers::{CONTRIBUTION_LIMIT_BITS, SHARE_BITS};
use crate::receipt::{from_word, to_word};
use crate::statement::{gradient, Statement};

/// Decodes a point of a proof: 64 bytes, coordinates below the modulus, on the curve. Rejects the point at infinity.
fn point(bytes: &[u8]) -> Option<G1Affine> {
    let (x, y) = bytes.split_at_checked(32)?;
    let coordinate = |bytes: &[u8]| {
        let value = Fq::from_be_bytes_mod_order(bytes);
        (bytes.len() == 32 && ark_ff::BigInteger::to_bytes_be(&value.into_bigint()) == bytes).then_some(value)
    };
    let point = G1Affine::new_unchecked(coordinate(x)?, coordinate(y)?);
    point.is_on_curve().then_some(point)
}

/// Value of a signed public input, if it is within the limit for contributions.
pub fn contribution(word: &[u8; 32]) -> Option<i128> {
    let value = from_word(word)?;
    let small = |value: Fr| {
        let word = to_word(&value);
        let magnitude = u128::from_be_bytes(word[16..].try_into().ok()?);
        (word[..16].iter().all(|b| *b == 0) && magnitude >> CONTRIBUTION_LIMIT_BITS == 0).then_some(magnitude as i128)
    };
    small(value).or_else(|| small(-value).map(|v| -v))
}

impl Certificate {
    /// `Σ C(G_p) = C(ΣG)`: the optimum's second group is the sum of every shard's gradient commitment, each taken once.
    pub(super) fn check_sum(&self, r: &mut Relations) {
        let mut sum = G1Projective::default();
        let mut fields = vec![part("optimum.proof.bytes")];
        for (i, dataset) in self.datasets.iter().enumerate() {
            for (j, shard) in dataset.shards.iter().enumerate() {
                let bytes = format!("datasets[{i}].shards[{j}].gradient_proof.bytes");
                match point(shard.gradient_proof.points(&self.layout, Statement::Gradient, 2)) {
                    Some(point) => sum += point,
                    None => r.limit(false, vec![bytes.clone()], || {
                        "its gradient commitment is not a point on the curve".into()
                    }),
                }
                fields.push(part(bytes));
            }
        }
        let held = point(self.optimum.proof.points(&self.layout, Statement::Optimum, 1));
        let sum = sum.into_affine();
        // no proof contains the point at infinity, and no verifier accepts it
        r.relate(!sum.is_zero() && held == Some(sum), fields, || {
            "the optimum proof has another gradient than the sum of the shards' gradients".into()
        });
    }

    /// Checks that contributions match the proofs, that shares follow from them, and that the rules hold.
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
            // a share is rounded, so it says little about the contributions
            fields.extend(all_of("contribution").into_iter().map(part));
            r.relate(dataset.share == expected, fields, || {
                format!("by the contributions the share is {expected}, in units of 2^-{SHARE_BITS}")
            });
            let least = dataset.terms.min_share_bps;
            let (share, terms) = (format!("datasets[{i}].share"), format!("datasets[{i}].terms.min_share_bps"));
            r.limit(contributions.reaches(i, least), vec![share, terms], || {
                format!("below {least} basis points, the minimum share in its owner's terms")
            });
        }
    }

    /// The contributions, checked against the rules.
    ///
    /// # Errors
    /// The first rule that is violated.
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

#[cfg(test)]
mod tests {
    use ark_ff::{Field, One};

    use super::*;
    use crate::certificate::{Agent, Chain, Dataset, FileProof, Hex, Loss, Optimum, Shard, SrsName};
    use crate::context::Terms;
    use crate::id::{AgentId, DatasetId, ShardDigest, SrsDigest, WeightsDigest};
    use crate::layout::{Layout, Task};
    use crate::link::Link;

    fn layout() -> Layout {
        Layout::new(14, 1, 16, 3, Task::Classes).unwrap()
    }

    /// `x‖y` of `n·G`.
    fn multiple(n: u64) -> Vec<u8> {
        let point = (G1Affine::generator() * Fr::from(n)).into_affine();
        [point.x, point.y].iter().flat_map(|c| ark_ff::BigInteger::to_bytes_be(&c.into_bigint())).collect()
    }

    fn shard(gradient: u64, contribution: i128) -> Shard {
        // two points for the records and one for the weights come before the gradient
        let bytes = [multiple(1), multiple(2), multiple(3), multiple(gradient)].concat();
        let magnitude = Fr::from(contribution.unsigned_abs());
        let n = if contribution < 0 { -magnitude } else { magnitude };
        Shard {
            digest: ShardDigest::ZERO,
            owner: Hex::default(),
            records: 100,
            dataset_proof: FileProof::new([], vec![]),
            gradient_proof: FileProof::new([[0; 32], to_word(&n)], bytes),
        }
    }

    // nλv² = 400·2^-10·1, in units of 2^-50: 400·2^40
    const UNIT: i128 = 1 << 40;

    /// A certificate of two datasets, with three shards in all, whose commitments are multiples of the generator, and
    /// the optimum of their sum.
    fn certificate() -> Certificate {
        let dataset = |shards: Vec<Shard>, contribution: i128, share: u32| Dataset {
            dataset_id: DatasetId::ZERO,
            terms: Terms::default(),
            records: 0,
            contribution: Contribution(contribution),
            share,
            shards,
        };
        Certificate {
            format: String::new(),
            proven: vec![],
            not_proven: vec![],
            chain: Chain::default(),
            srs: SrsName { digest: SrsDigest::ZERO, development: true },
            schema: String::new(),
            layout: layout(),
            loss: Loss { link: Link::Softmax, lambda: 1 << 34 },
            agent: Agent { id: AgentId::ZERO, version: 1, owner: Hex::default(), weights_digest: WeightsDigest::ZERO },
            datasets: vec![
                dataset(vec![shard(10, 100 * UNIT), shard(20, 200 * UNIT)], 300 * UNIT, 3 << 18),
                dataset(vec![shard(30, 100 * UNIT)], 100 * UNIT, 1 << 18),
            ],
            optimum: Optimum {
                records: 400,
                epsilon: 0,
                norm: 1 << 10,
                proof: FileProof::new([], [multiple(3), multiple(60)].concat()),
            },
            checksum: Hex::default(),
        }
    }

    fn sum_holds(certificate: &Certificate) -> bool {
        let mut r = Relations::default();
        certificate.check_sum(&mut r);
        !r.failed()
    }

    /// The error of the shares, if any.
    fn shares(certificate: &Certificate) -> Result<(), String> {
        let mut r = Relations::default();
        certificate.check_shares(&mut r);
        r.verdict().map_err(|e| e.to_string())
    }

    fn altered(change: impl FnOnce(&mut Certificate)) -> Certificate {
        let mut certificate = certificate();
        change(&mut certificate);
        certificate
    }

    #[test]
    fn the_sum_is_of_every_gradient_once() {
        assert!(sum_holds(&certificate()));
        let held = |c: &mut Certificate, n: u64| c.optimum.proof.bytes.0[64..].copy_from_slice(&multiple(n));
        // one left out, one twice, one from another proof, none at all
        for n in [30, 70, 61, 1] {
            assert!(!sum_holds(&altered(|c| held(c, n))), "{n}");
        }
        assert!(!sum_holds(&altered(|c| drop(c.datasets.pop()))));
        assert!(!sum_holds(&altered(|c| {
            let again = c.datasets[1].clone();
            c.datasets.push(again);
        })));
        assert!(!sum_holds(&altered(|c| c.datasets[0].shards[0] = shard(11, 0))));
        // the sum is the same in another order
        assert!(sum_holds(&altered(|c| c.datasets.reverse())));
        // the weights' commitment in place of the sum, and the sum in place of the weights
        assert!(!sum_holds(&altered(|c| c.optimum.proof.bytes.0.rotate_left(64))));
    }

    #[test]
    fn what_is_no_point_is_in_no_sum() {
        let gradient = 3 * 64;
        let at = |c: &mut Certificate, at: usize, bytes: &[u8]| {
            c.datasets[0].shards[0].gradient_proof.bytes.0[at..at + bytes.len()].copy_from_slice(bytes);
        };
        // the point at infinity, which proofs write as zeros; a point off the curve; a coordinate not below the modulus
        assert!(!sum_holds(&altered(|c| at(c, gradient, &[0; 64]))));
        assert!(!sum_holds(&altered(|c| at(c, gradient + 63, &[1]))));
        assert!(!sum_holds(&altered(|c| at(c, gradient, &[0xff; 32]))));
        // gradients that cancel: the sum is the point at infinity, which no `optimum` proof contains
        let cancelling = |c: &mut Certificate| {
            c.datasets.truncate(1);
            let mut y = Fq::from_be_bytes_mod_order(&multiple(10)[32..]);
            y = -y;
            c.datasets[0].shards[1] = c.datasets[0].shards[0].clone();
            let bytes = ark_ff::BigInteger::to_bytes_be(&y.into_bigint());
            c.datasets[0].shards[1].gradient_proof.bytes.0[gradient + 32..gradient + 64].copy_from_slice(&bytes);
        };
        assert!(!sum_holds(&altered(cancelling)));
        assert!(!sum_holds(&altered(|c| {
            cancelling(c);
            c.optimum.proof.bytes.0[64..].fill(0);
        })));
    }

    #[test]
    fn shares_follow_from_the_proofs() {
        assert_eq!(shares(&certificate()), Ok(()));
        let refused = |change: &dyn Fn(&mut Certificate), words: &str| {
            let error = shares(&altered(|c| change(c))).unwrap_err();
            assert!(error.contains(words), "{error}");
        };
        // a dataset's contribution is the sum over its shards, and its share follows from the contributions
        refused(&|c| c.datasets[0].contribution.0 += 1, "datasets[0].contribution");
        refused(&|c| c.datasets[1].share += 1, "datasets[1].share");
        refused(&|c| c.datasets[1].share -= 1, "datasets[1].share");
        // of several wrong shares all are named, and no contribution
        let several = shares(&altered(|c| c.datasets.iter_mut().for_each(|d| d.share += 1))).unwrap_err();
        assert!(several.starts_with("datasets[0].share, datasets[1].share: "), "{several}");
        refused(&|c| c.datasets[0].shards[1] = shard(20, 200 * UNIT + 1), "contribution");
        // minimum terms
        let at_least = |bps: u16| altered(|c| c.datasets[1].terms.min_share_bps = bps);
        assert_eq!(shares(&at_least(2500)), Ok(()));
        assert!(shares(&at_least(2501)).unwrap_err().contains("2501 basis points"));
        // ΣN ≥ nλv²(1 − 2^-9)
        refused(&|c| c.optimum.norm += 1 << 8, "a gradient is missing");
        refused(
            &|c| {
                c.datasets[0].shards.pop();
                c.datasets[0].contribution.0 = 100 * UNIT;
                c.datasets[0].share = 1 << 19;
                c.datasets[1].share = 1 << 19;
            },
            "a gradient is missing",
        );
        // a negative contribution is not paid, and may not be large
        let with_negative = |n: i128| {
            altered(|c| {
                let mut third = c.datasets[1].clone();
                third.shards = vec![shard(40, -n)];
                (third.contribution.0, third.share) = (-n, 0);
                c.datasets.push(third);
            })
        };
        assert_eq!(shares(&with_negative(UNIT / 4)), Ok(()));
        assert!(shares(&with_negative(UNIT)).unwrap_err().contains("negative contributions"));
        assert!(shares(&with_negative(500 * UNIT)).unwrap_err().contains("none of the datasets"));
    }

    #[test]
    fn contributions_end_at_their_limit() {
        let word = |n: Fr| to_word(&n);
        let limit = Fr::from(2u64).pow([u64::from(CONTRIBUTION_LIMIT_BITS)]);
        let largest = (1i128 << CONTRIBUTION_LIMIT_BITS) - 1;
        for (n, expected) in [
            (Fr::from(0u64), Some(0)),
            (Fr::one(), Some(1)),
            (-Fr::one(), Some(-1)),
            (limit - Fr::one(), Some(largest)),
            (Fr::one() - limit, Some(-largest)),
            (limit, None),
            (-limit, None),
        ] {
            assert_eq!(contribution(&word(n)), expected);
        }
        // a word that is not a field element: 1 + r
        let mut more = [0u8; 32];
        more.copy_from_slice(&ark_ff::BigInteger::to_bytes_be(&Fr::MODULUS));
        more[31] += 1;
        assert_eq!(contribution(&more), None);
    }

    /// `N + x/2^u mod r` is what a prover could publish instead of N, with a remainder smaller by x. It is beyond the
    /// limit on either side of zero, for every x that fits a remainder and for every limb width.
    #[test]
    fn a_contribution_shifted_by_a_fraction_is_no_number() {
        for k in [10, 11, 12, 13, 14, 15] {
            let layout = Layout::new(k, 1, 16, 3, Task::Classes).unwrap();
            let bits = layout.remainder_limbs() as u32 * layout.limb_bits();
            let fraction = Fr::from(2u64).pow([u64::from(bits)]).inverse().unwrap();
            let largest = Fr::from(2u64).pow([u64::from(bits)]) - Fr::one();
            for x in [Fr::one(), Fr::from(3u64), Fr::from(1u64 << 63), largest] {
                for n in [0i64, 1 << 40, -(1 << 40)] {
                    let n = if n < 0 { -Fr::from(n.unsigned_abs()) } else { Fr::from(n as u64) };
                    assert!(contribution(&to_word(&n)).is_some());
                    for shifted in [n + x * fraction, n - x * fraction] {
                        assert_eq!(contribution(&to_word(&shifted)), None, "k = {k}");
                    }
                }
            }
            // and no two numbers within the limit differ by such a fraction: 2^(112 + 1 + u) stays below r
            assert!(CONTRIBUTION_LIMIT_BITS + 1 + bits < 253);
        }
    }
}
