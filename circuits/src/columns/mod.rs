//! Committed columns: private columns whose KZG commitments are the same in every proof that uses them.
//!
//! PLONK hides an advice column only by random rows at its end, so a commitment that must not change between proofs
//! needs random rows that do not change. Both the 6 tail rows and the salt rows of a committed column come from
//! ChaCha20 streams seeded by HKDF from the owner's secret, the SRS, the layout, the role, the content and the column's
//! index:
//!
//! - No two contents share a stream, so equal commitments mean equal content. No two SRS share one either, so that no
//!   polynomial has two commitments, each with its own budget.
//! - The salts (1,024 random rows outside every gate; in columns of weights and gradients, most rows above the weights
//!   too) prevent a dictionary attack: without the secret, nobody can recompute the commitment to a guessed dataset.
//! - The commitment is computable without proving, by [`commit_column`]; the prover takes column and commitment
//!   unchanged.

pub mod masked;
pub mod opening;

use std::sync::Arc;

use halo2_proofs::halo2curves::bn256::{Fr, G1};
use halo2_proofs::halo2curves::ff::Field;
use halo2_proofs::halo2curves::group::Curve;
use hkdf::Hkdf;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};
use tribute_core::digest::{group_digest, Digest};
use tribute_core::head::{check_records, target_value, HeadError, Weights};
use tribute_core::layout::{Layout, Task, TAIL_ROWS};
use tribute_core::records::Records;
use tribute_core::I256;
use tribute_engine::column::CommittedColumn;
use tribute_engine::field::{from_i128, from_i256, point_bytes};
use tribute_engine::srs::Srs;

/// An owner's secret, 32 random bytes. Whoever has it can make proofs about the owner's columns.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// A fresh secret from the operating system.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 32];
        rand_core::RngCore::fill_bytes(&mut rand_core::OsRng, &mut bytes);
        Secret(bytes)
    }
    /// Restores a secret from a backup.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Secret(bytes)
    }
    /// The bytes to back up.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }
}

/// What a committed column contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Records: the data columns, then the label column.
    Records,
    /// Weights.
    Weights,
    /// Gradient.
    Gradient,
}

impl Role {
    fn name(self) -> &'static [u8] {
        match self {
            Role::Records => b"records",
            Role::Weights => b"weights",
            Role::Gradient => b"gradient",
        }
    }
}

/// Distinguishes a column from all others with the same secret, SRS and layout.
#[derive(Clone, Copy, Debug)]
pub struct ColumnPlace {
    /// The kind of group.
    pub role: Role,
    /// Hash of the group's content.
    pub content: Digest,
    /// Position in the group.
    pub index: u32,
}

/// Commits to `body` (rows from 0; zero-padded up to the salt rows) with the salts of `place`.
///
/// # Panics
/// If the body overlaps the salt rows.
#[must_use]
pub fn commit_column(
    srs: &Srs,
    layout: &Layout,
    secret: &Secret,
    place: &ColumnPlace,
    body: Vec<Fr>,
) -> CommittedColumn {
    assert!(body.len() <= layout.salt_start(), "{} rows, the salts start at {}", body.len(), layout.salt_start());
    let mut values = body;
    // a column that grew would keep twice its memory
    values.reserve_exact(layout.rows() - values.len());
    values.resize(layout.salt_start(), Fr::zero());
    let mut salts = stream(srs, layout, secret, place, b"salt");
    values.extend((0..layout.salt_rows()).map(|_| Fr::random(&mut salts)));
    commit_rows(srs, layout, secret, place, values)
}

/// Commits to all usable rows unchanged, without adding salts; only for showing what salts prevent.
#[doc(hidden)]
#[must_use]
pub fn commit_rows(
    srs: &Srs,
    layout: &Layout,
    secret: &Secret,
    place: &ColumnPlace,
    mut values: Vec<Fr>,
) -> CommittedColumn {
    assert_eq!(values.len(), layout.usable(), "a committed column fills every usable row");
    let mut tail = stream(srs, layout, secret, place, b"tail");
    values.extend((0..TAIL_ROWS).map(|_| Fr::random(&mut tail)));
    CommittedColumn::new(srs, values)
}

fn stream(srs: &Srs, layout: &Layout, secret: &Secret, place: &ColumnPlace, label: &[u8]) -> ChaCha20Rng {
    ChaCha20Rng::from_seed(seed(srs, layout, secret, place, label))
}

fn seed(srs: &Srs, layout: &Layout, secret: &Secret, place: &ColumnPlace, label: &[u8]) -> [u8; 32] {
    let mut info = Vec::with_capacity(128);
    info.extend_from_slice(b"tribute.column.v1");
    let (srs, layout) = (srs.digest(), layout.hash());
    for part in [label, srs.as_ref(), layout.as_ref(), place.role.name(), &place.content, &place.index.to_be_bytes()] {
        info.extend_from_slice(&(part.len() as u32).to_be_bytes());
        info.extend_from_slice(part);
    }
    let mut seed = [0; 32];
    // 32 bytes is far below HKDF-SHA256's limit of 8,160, the only way this can fail
    Hkdf::<Sha256>::new(None, &secret.0).expand(&info, &mut seed).unwrap_or_default();
    seed
}

/// Seeds of all random rows of one column of weights: with the weights, whoever has them can recompute the commitment and
/// prove statements about it. They tell nothing about other columns of the same secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Blinding([[u8; 32]; 3]);

impl std::fmt::Debug for Blinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Blinding(..)")
    }
}

impl Blinding {
    /// Length of the bytes.
    pub const BYTES: usize = 96;

    fn of(srs: &Srs, layout: &Layout, secret: &Secret, place: &ColumnPlace) -> Self {
        Blinding([&b"upper salt"[..], b"salt", b"tail"].map(|label| seed(srs, layout, secret, place, label)))
    }
    /// Restores the bytes; `None` if their number is wrong.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seeds, rest) = bytes.as_chunks::<32>();
        rest.is_empty().then(|| Some(Blinding(seeds.try_into().ok()?)))?
    }
    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.concat()
    }
}

/// Committed columns that belong together: a shard's data and labels, a weight vector, a gradient.
#[derive(Clone, Debug)]
pub struct CommittedGroup {
    /// In proof order.
    pub columns: Vec<Arc<CommittedColumn>>,
}

impl CommittedGroup {
    /// The uncompressed points, `x‖y` each, in column order.
    #[must_use]
    pub fn points(&self) -> Vec<u8> {
        // salts make the point at infinity impossible in practice
        self.columns.iter().flat_map(|c| point_bytes(&c.point).unwrap_or([0; 64])).collect()
    }
    /// Identity of the group.
    #[must_use]
    pub fn digest(&self) -> Digest {
        group_digest(&self.points())
    }
}

/// Commits to a shard: `A` data columns, then the label column.
///
/// # Errors
/// [`HeadError`] if the records do not fit one shard of the layout.
pub fn commit_records(
    srs: &Srs,
    layout: &Layout,
    secret: &Secret,
    records: &Records,
) -> Result<CommittedGroup, HeadError> {
    check_records(layout, records)?;
    let content = content_hash(&records.to_bytes());
    Ok(commit_bodies(srs, layout, secret, Role::Records, &content, record_bodies(layout, records)))
}

/// Rows of a shard's data columns and label column, up to the salts. Call [`commit_records`] to check that the records
/// fit: records that do not would end up in the wrong rows.
#[must_use]
pub fn record_bodies(layout: &Layout, records: &Records) -> Vec<Vec<Fr>> {
    let (a, r) = (layout.columns(), layout.record_rows());
    let empty = || {
        // with room for the random rows
        let mut body = Vec::with_capacity(layout.rows());
        body.resize(layout.salt_start(), Fr::zero());
        body
    };
    let mut bodies: Vec<Vec<Fr>> = (0..=a).map(|_| empty()).collect();
    let small: Vec<Fr> = (0..256u64).map(Fr::from).collect();
    for (i, (features, target)) in records.iter().enumerate() {
        for (j, q) in features.iter().enumerate() {
            bodies[j % a][i * r + j / a] = small[usize::from(*q)];
        }
        bodies[a][i * r] = Fr::one();
        match layout.task() {
            Task::Classes => bodies[a][i * r + 1 + usize::from(target)] = Fr::one(),
            Task::Real => bodies[a][i * r + 1] = Fr::from(u64::from(target)),
        }
    }
    bodies
}

/// Commits to weights: one column.
///
/// # Panics
/// If their number differs from the layout's.
#[must_use]
pub fn commit_weights(srs: &Srs, layout: &Layout, secret: &Secret, weights: &Weights) -> CommittedGroup {
    commit_weights_blinded(srs, layout, &weights_blinding(srs, layout, secret, weights), weights)
}

/// The seeds of the random rows of [`commit_weights`].
#[must_use]
pub fn weights_blinding(srs: &Srs, layout: &Layout, secret: &Secret, weights: &Weights) -> Blinding {
    let bytes: Vec<u8> = weights.values().iter().flat_map(|w| w.to_be_bytes()).collect();
    let place = ColumnPlace { role: Role::Weights, content: content_hash(&bytes), index: 0 };
    Blinding::of(srs, layout, secret, &place)
}

/// [`commit_weights`] from the seeds instead of the secret.
///
/// # Panics
/// If the number of weights differs from the layout's.
#[must_use]
pub fn commit_weights_blinded(srs: &Srs, layout: &Layout, blinding: &Blinding, weights: &Weights) -> CommittedGroup {
    commit_weight_rows(srs, layout, blinding, weights.values().iter().map(|w| from_i128(i128::from(*w))))
}

/// Commits to a gradient: one column. `about` identifies what it is the gradient of (shard and weights digests), so
/// that two gradients with equal values still get separate streams.
///
/// # Panics
/// If the number of entries differs from the layout's number of weights.
#[must_use]
pub fn commit_gradient(
    srs: &Srs,
    layout: &Layout,
    secret: &Secret,
    about: &[Digest],
    gradient: &[I256],
) -> CommittedGroup {
    let mut bytes = about.concat();
    bytes.extend(gradient.iter().flat_map(|g| g.to_be_bytes()));
    let place = ColumnPlace { role: Role::Gradient, content: content_hash(&bytes), index: 0 };
    commit_weight_rows(srs, layout, &Blinding::of(srs, layout, secret, &place), gradient.iter().map(from_i256))
}

/// The sum of committed gradients: values, salts and tails are added row by row, and the commitments with them. An
/// opening of the sum is a functional of every summand, so it counts against the opening budget of each.
///
/// # Panics
/// If there are none, or if they are not single columns with the same number of rows.
#[must_use]
pub fn sum_gradients<'a>(gradients: impl IntoIterator<Item = &'a CommittedGroup>) -> CommittedGroup {
    let mut sum: Option<(Vec<Fr>, G1)> = None;
    for gradient in gradients {
        let [column] = &gradient.columns[..] else { panic!("a gradient is one column") };
        sum = Some(match sum {
            None => (column.values.clone(), column.point.into()),
            Some((mut values, point)) => {
                assert_eq!(values.len(), column.values.len(), "gradients of one layout");
                values.par_iter_mut().zip(&column.values).for_each(|(sum, value)| *sum += value);
                (values, point + column.point)
            }
        });
    }
    let (values, point) = sum.expect("at least one gradient");
    CommittedGroup { columns: vec![Arc::new(CommittedColumn { values, point: point.to_affine() })] }
}

/// Commits to one column with `values` in the weights' rows, zeros where the upper salts do not reach, and random rows elsewhere.
/// Circuits read these columns only in the weights' rows, and every salt hides one opening.
fn commit_weight_rows(
    srs: &Srs,
    layout: &Layout,
    blinding: &Blinding,
    values: impl Iterator<Item = Fr>,
) -> CommittedGroup {
    let [upper, salt, tail] = blinding.0.map(ChaCha20Rng::from_seed);
    let random = |mut stream: ChaCha20Rng, rows: usize| (0..rows).map(move |_| Fr::random(&mut stream));
    let mut rows = Vec::with_capacity(layout.rows());
    rows.resize(layout.weights_salt_start(), Fr::zero());
    rows.extend(random(upper, layout.weights_start() - layout.weights_salt_start()));
    rows.extend(values);
    assert_eq!(rows.len(), layout.weights_end(), "the layout has {} weights", layout.weights());
    rows.resize(layout.salt_start(), Fr::zero());
    rows.extend(random(salt, layout.salt_rows()));
    rows.extend(random(tail, TAIL_ROWS));
    CommittedGroup { columns: vec![Arc::new(CommittedColumn::new(srs, rows))] }
}

fn content_hash(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

fn commit_bodies(
    srs: &Srs,
    layout: &Layout,
    secret: &Secret,
    role: Role,
    content: &Digest,
    bodies: Vec<Vec<Fr>>,
) -> CommittedGroup {
    let columns = bodies
        .into_par_iter()
        .enumerate()
        .map(|(index, body)| {
            let place = ColumnPlace { role, content: *content, index: index as u32 };
            Arc::new(commit_column(srs, layout, secret, &place, body))
        })
        .collect();
    CommittedGroup { columns }
}

/// A record's target at the gradient's scale, as the circuit multiplies it. See [`target_value`].
#[must_use]
pub fn target_scale(layout: &Layout) -> Fr {
    match layout.task() {
        Task::Classes => from_i256(&target_value(layout, 0, 0)),
        Task::Real => from_i256(&target_value(layout, 1, 0)),
    }
}
