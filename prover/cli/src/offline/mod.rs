//! `tribute verify`: a certificate or an evaluation file checked with no service, no chain and no data.
//!
//! 1. Reading: one encoding, and every relation between the fields ([`tribute_core::certificate`]).
//! 2. The SRS: the caller's own file, whose digest must be the one that the certificate names. All of it is checked each
//!    time, powers and Lagrange basis, because the keys are derived from it and the file may come from anybody; nothing of
//!    it is taken from the certificate. The development SRS only where the caller allows it.
//! 3. The keys: derived here from the layout, the link and the bias's penalty; the file brings none.
//! 4. The proofs: every one, by [`tribute_verify`].
//! 5. The checksum, last, so that a change is reported where it was made.
//!
//! An evaluation holds a certificate: that is checked first, as a file of its own would be.

mod command;
#[cfg(test)]
mod evaluation_tests;
mod report;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tree_tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tribute_circuits::error::ProveError;
use tribute_circuits::keys::verifying_key;
use tribute_core::certificate::blame::{part, whole, Field, Relations};
use tribute_core::certificate::evaluation::Evaluation;
use tribute_core::certificate::{Certificate, CertificateError, Hex, Node, Proof, Sum};
use tribute_core::shape::Shape;
use tribute_engine::srs::{Srs, SrsError, SrsStore};
use tribute_verify::{VerifierSrs, VerifyingKey};

pub use command::{run, VerifyArgs};
pub use report::Report;

/// What the caller trusts.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Accept proofs under the development SRS, which anyone can forge.
    pub allow_dev_srs: bool,
    /// The SRS file or folder for other certificates.
    pub srs: Option<PathBuf>,
}

/// Why a certificate is not accepted.
#[derive(Debug, Error)]
pub enum Refused {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Something in it is wrong; the message starts with the field.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Proofs that anyone can forge.
    #[error("srs.development: the proofs were made under the development SRS, whose secret is public, so anyone can forge them; --allow-dev-srs accepts them nevertheless")]
    DevelopmentSrs,
    /// Which file to take is not said.
    #[error("srs.digest: the proofs were made under the SRS {digest}; give its file with --srs")]
    SrsNeeded {
        /// The SRS's digest.
        digest: Hex<32>,
    },
    /// Another SRS than the proofs'.
    #[error("srs.digest: the proofs were made under the SRS {expected}, {path} holds {got}")]
    OtherSrs {
        /// The certificate's.
        expected: Hex<32>,
        /// The file.
        path: String,
        /// The file's.
        got: Hex<32>,
    },
    /// The SRS file cannot be used.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// The SRS's points are not in their groups.
    #[error("the points of the SRS are not in their groups: import it again")]
    SrsPoints,
    /// No keys for the certificate's shape.
    #[error("layout: {0}")]
    Keys(#[from] ProveError),
}

/// Checks the certificate or the evaluation in a file.
///
/// # Errors
/// [`Refused`] starts with the field that is wrong.
pub fn verify_file(path: &Path, options: &Options) -> Result<Report, Refused> {
    let json = std::fs::read(path).map_err(|source| Refused::File { path: path.display().to_string(), source })?;
    verify_json(json, options)
}

/// Checks a certificate or an evaluation.
///
/// # Errors
/// [`Refused`] starts with the field that is wrong.
pub fn verify_json(json: impl AsRef<[u8]>, options: &Options) -> Result<Report, Refused> {
    Verifier::new(options.clone()).verify(json.as_ref())
}

/// Checks certificates; keeps the SRS and the keys that it derived.
#[derive(Debug, Default)]
pub struct Verifier {
    options: Options,
    srs: HashMap<u32, Srs>,
    keys: HashMap<Shape, VerifyingKey>,
}

impl Verifier {
    /// With nothing derived yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Verifier { options, ..Verifier::default() }
    }

    /// Checks a certificate or an evaluation.
    ///
    /// # Errors
    /// [`Refused`] starts with the field that is wrong.
    pub fn verify(&mut self, json: &[u8]) -> Result<Report, Refused> {
        if !holds_certificate(json) {
            let certificate = Certificate::from_json(json)?;
            self.check_certificate(&certificate)?;
            return Ok(Report::of(certificate));
        }
        let evaluation = Evaluation::from_json(json)?;
        self.check_certificate(&evaluation.certificate).map_err(|refused| match refused {
            Refused::Certificate(e) => Refused::Certificate(e.within("certificate")),
            other => other,
        })?;
        let mut relations = evaluation.check()?;
        self.check_evaluation_proofs(&evaluation, &mut relations)?;
        checksum(evaluation.checksum, evaluation.expected_checksum())?;
        Ok(Report::of_evaluation(evaluation))
    }

    fn check_certificate(&mut self, certificate: &Certificate) -> Result<(), Refused> {
        let mut relations = certificate.check()?;
        self.check_srs(certificate)?;
        self.check_proofs(certificate, &mut relations)?;
        checksum(certificate.checksum, certificate.expected_checksum())
    }

    /// Makes sure that the SRS of the certificate's size is at hand and the one that it names.
    fn check_srs(&mut self, certificate: &Certificate) -> Result<(), Refused> {
        let (k, named) = (certificate.layout.k(), certificate.srs);
        let development = named.digest.0 == Srs::development_digest();
        if development != named.development {
            let (fields, is) =
                (vec!["srs.development".into(), "srs.digest".into()], if development { "" } else { "not " });
            let reason = format!("the digest is {is}that of the development SRS");
            return Err(CertificateError::Field { fields, reason }.into());
        }
        if development && !self.options.allow_dev_srs {
            return Err(Refused::DevelopmentSrs);
        }
        if let Some(srs) = self.srs.get(&k) {
            if srs.digest() == named.digest.0 {
                return Ok(());
            }
        }
        let srs = if development {
            Srs::development(k)
        } else {
            let path = self.options.srs.as_ref().ok_or(Refused::SrsNeeded { digest: named.digest })?;
            let srs = SrsStore::open(Some(path), None)?.get(k)?;
            if srs.digest() != named.digest.0 {
                let (path, got) = (path.display().to_string(), Hex(srs.digest()));
                return Err(Refused::OtherSrs { expected: named.digest, path, got });
            }
            srs
        };
        self.keys.retain(|shape, _| shape.layout.k() != k);
        self.srs.insert(k, srs);
        Ok(())
    }

    /// Checks every proof under its own key.
    fn check_proofs(&mut self, certificate: &Certificate, relations: &mut Relations) -> Result<(), Refused> {
        let (layout, loss) = (certificate.layout, certificate.loss);
        let (data, gradient) = (Shape::dataset(layout), Shape::gradient(layout, loss.link));
        let optimum = Shape::optimum(layout, loss.reg_bias);
        let sums: Vec<_> = certificate.tree.iter().flatten().flat_map(Node::sums).collect();
        let sum = |sum: &Sum| Shape::sum(layout, sum.parts.len());
        for shape in [&data, &gradient, &optimum] {
            self.derive(shape)?;
        }
        for shape in sums.iter().map(|s| sum(s)) {
            self.derive(&shape)?;
        }
        let srs = VerifierSrs::read(&self.srs[&layout.k()].points()).ok_or(Refused::SrsPoints)?;
        let mut check = |shape: &Shape, proof: &Proof, path: String, named: Option<&str>| {
            let named = named.into_iter().map(whole).chain(["layout.k", "srs.digest"].map(part)).collect();
            self.check_proof(&srs, shape, proof, &path, named, relations);
        };
        for (i, dataset) in certificate.datasets.iter().enumerate() {
            for (j, shard) in dataset.shards.iter().enumerate() {
                let path = |proof: &str| format!("datasets[{i}].shards[{j}].{proof}");
                check(&data, &shard.dataset_proof, path("dataset_proof"), None);
                check(&gradient, &shard.gradient_proof, path("gradient_proof"), Some("loss.link"));
            }
        }
        for (p, slot) in certificate.tree.iter().flatten().enumerate() {
            slot.walk(&format!("tree[{p}]"), &mut |path, s| check(&sum(s), &s.proof, format!("{path}.proof"), None));
        }
        check(&optimum, &certificate.optimum.proof, "optimum.proof".into(), Some("loss.reg_bias"));
        Ok(relations.verdict()?)
    }

    /// Checks every proof of an evaluation whose certificate was checked.
    fn check_evaluation_proofs(&mut self, evaluation: &Evaluation, relations: &mut Relations) -> Result<(), Refused> {
        let layout = evaluation.certificate.layout;
        let (data, counts) = (Shape::dataset(layout), Shape::evaluation(layout));
        self.derive(&counts)?;
        let srs = VerifierSrs::read(&self.srs[&layout.k()].points()).ok_or(Refused::SrsPoints)?;
        for (j, shard) in evaluation.dataset.shards.iter().enumerate() {
            for (shape, proof, name) in
                [(&data, &shard.dataset_proof, "dataset_proof"), (&counts, &shard.evaluation_proof, "evaluation_proof")]
            {
                let path = format!("dataset.shards[{j}].{name}");
                self.check_proof(&srs, shape, proof, &path, Vec::new(), relations);
            }
        }
        Ok(relations.verdict()?)
    }

    /// One proof, under a key that was derived; `named`: fields other than its own that decide about it.
    fn check_proof(
        &self,
        srs: &VerifierSrs,
        shape: &Shape,
        proof: &Proof,
        path: &str,
        named: Vec<Field>,
        relations: &mut Relations,
    ) {
        let result = tribute_verify::verify(&self.keys[shape], srs, &proof.words(), &proof.bytes.0);
        let fields = std::iter::once(whole(format!("{path}.bytes"))).chain(named).collect();
        relations.relate(result.is_ok(), fields, || {
            result.err().map_or_else(String::new, |e| format!("the {} proof is refused: {e}", shape.statement.name()))
        });
    }

    fn derive(&mut self, shape: &Shape) -> Result<(), Refused> {
        if self.keys.contains_key(shape) {
            return Ok(());
        }
        let key = verifying_key(&self.srs[&shape.layout.k()], shape)?;
        self.keys.insert(shape.clone(), key);
        Ok(())
    }
}

/// Whether the file is one that holds a certificate rather than being one; damaged files are told apart too. No field of a
/// certificate is called so, and quotes within its texts are escaped.
fn holds_certificate(json: &[u8]) -> bool {
    let key = b"\"certificate\":";
    json.windows(key.len()).any(|part| part == key)
}

fn checksum(stated: Hex<32>, expected: [u8; 32]) -> Result<(), Refused> {
    if stated.0 == expected {
        return Ok(());
    }
    Err(CertificateError::field("checksum", format!("the file's checksum is {}", Hex(expected))).into())
}
