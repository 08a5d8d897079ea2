//! Checks a certificate, an evaluation or a valuation without a service, a chain or any data.
//!
//! 1. Parsing: the canonical encoding and every relation between the fields ([`tribute_core::certificate`]).
//! 2. The SRS: the caller's own, with the digest that the certificate names; nothing of it is taken from the
//!    certificate. The development SRS is accepted only if the caller allows it.
//! 3. The keys: the caller derives them from the layout and the link; the file contains none.
//! 4. The proofs: all of them, with [`verify`].
//! 5. The checksum, last, so that errors name the changed field rather than the checksum.
//!
//! An evaluation and a valuation contain a certificate, of which everything is checked that is checked of one on its own.
//! Every coalition of a valuation is checked like a certificate of its own, too. Relations cost next to nothing and proofs
//! milliseconds each, so all relations, the certificate's and then the file's own, are checked before the SRS is obtained
//! and the first proof is verified. Then come the certificate's proofs and its checksum, and last the file's own.

use std::collections::HashMap;

use thiserror::Error;
use tribute_core::certificate::blame::{whole, Field, Relations};
use tribute_core::certificate::evaluation::Evaluation;
use tribute_core::certificate::{Certificate, CertificateError, FileProof, Hex};
use tribute_core::id::SrsDigest;
use tribute_core::shape::Shape;
use tribute_core::srs::{SrsPoints, DEVELOPMENT_DIGEST};
use tribute_core::valuation::Valuation;

use crate::proof::{verify, VerifyingKey};
use crate::report::Report;
use crate::srs::VerifierSrs;

/// What a verdict depends on besides the proofs: the SRS and the verifying keys. The verifying party must provide them.
/// If they come from whoever made the file, every proof is worthless.
pub trait Trust {
    /// Why the SRS or a key is unavailable.
    type Error: std::error::Error;

    /// Whether to accept proofs under the development SRS, which anyone can forge.
    fn accepts_development_srs(&self) -> bool;

    /// Points of the SRS for `2^k` rows with this digest.
    ///
    /// # Errors
    /// If there is no such SRS, or the SRS has another digest.
    fn srs(&mut self, k: u32, digest: &SrsDigest) -> Result<SrsPoints, Self::Error>;

    /// The verifying key of a circuit, derived from its shape and the SRS with this digest.
    ///
    /// # Errors
    /// If there is no such SRS, or no circuit of this shape.
    fn verifying_key(&mut self, shape: &Shape, srs: &SrsDigest) -> Result<VerifyingKey, Self::Error>;
}

/// Why a certificate is rejected. The message starts with the field that is wrong.
#[derive(Debug, Error)]
pub enum Refused<E: std::error::Error> {
    /// A field is wrong.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The proofs were made under the development SRS, so anyone could have forged them.
    #[error("srs.development: the proofs were made under the development SRS, whose secret is public, so anyone can forge them; --allow-dev-srs accepts them nevertheless")]
    DevelopmentSrs,
    /// The SRS's points are not in their groups.
    #[error("the points of the SRS are not in their groups: import it again")]
    SrsPoints,
    /// The SRS or a key is unavailable.
    #[error(transparent)]
    Trust(E),
}

/// Checks certificates, evaluations and valuations, and caches the derived keys.
#[derive(Debug)]
pub struct Verifier<T> {
    trust: T,
    srs: HashMap<u32, (SrsDigest, VerifierSrs)>,
    keys: HashMap<Shape, VerifyingKey>,
}

impl<T: Trust> Verifier<T> {
    /// A verifier with an empty cache.
    #[must_use]
    pub fn new(trust: T) -> Self {
        Verifier { trust, srs: HashMap::new(), keys: HashMap::new() }
    }

    /// Checks a certificate, an evaluation or a valuation.
    ///
    /// # Errors
    /// [`Refused`], whose message starts with the field that is wrong.
    pub fn verify(&mut self, json: &[u8]) -> Result<Report, Refused<T::Error>> {
        match File::from_json(json)? {
            File::Certificate(certificate) => {
                let relations = certificate.check()?;
                self.check_certificate(&certificate, relations)?;
                Ok(Report::of(*certificate))
            }
            File::Evaluation(evaluation) => self.verify_evaluation(*evaluation),
            File::Valuation(valuation) => self.verify_valuation(*valuation),
        }
    }

    fn verify_evaluation(&mut self, evaluation: Evaluation) -> Result<Report, Refused<T::Error>> {
        let certified = evaluation.certificate.check().map_err(contained)?;
        let mut relations = evaluation.check()?;
        self.check_contained(&evaluation.certificate, certified)?;
        self.check_evaluation_proofs(&evaluation, &mut relations)?;
        checksum(evaluation.checksum, evaluation.expected_checksum())?;
        Ok(Report::of_evaluation(evaluation))
    }

    fn verify_valuation(&mut self, valuation: Valuation) -> Result<Report, Refused<T::Error>> {
        let certified = valuation.certificate.check().map_err(contained)?;
        let mut relations = valuation.check()?;
        self.check_contained(&valuation.certificate, certified)?;
        self.check_valuation_proofs(&valuation, &mut relations)?;
        checksum(valuation.checksum, valuation.expected_checksum())?;
        Ok(Report::of_valuation(valuation))
    }

    /// Checks what [`Certificate::check`] leaves of the certificate in another file.
    fn check_contained(&mut self, certificate: &Certificate, relations: Relations) -> Result<(), Refused<T::Error>> {
        self.check_certificate(certificate, relations).map_err(|refused| match refused {
            Refused::Certificate(e) => Refused::Certificate(contained(e)),
            other => other,
        })
    }

    /// Checks what [`Certificate::check`] leaves: the SRS, the proofs and the checksum. `relations` are those that it found
    /// to hold.
    fn check_certificate(
        &mut self,
        certificate: &Certificate,
        mut relations: Relations,
    ) -> Result<(), Refused<T::Error>> {
        self.check_srs(certificate)?;
        self.check_proofs(certificate, &mut relations)?;
        Ok(checksum(certificate.checksum, certificate.expected_checksum())?)
    }

    /// Obtains the SRS that the certificate names, at its size, and checks that it is acceptable.
    fn check_srs(&mut self, certificate: &Certificate) -> Result<(), Refused<T::Error>> {
        let (k, named) = (certificate.layout.k(), certificate.srs);
        let development = named.digest == DEVELOPMENT_DIGEST;
        if development != named.development {
            let (fields, is) =
                (vec!["srs.development".into(), "srs.digest".into()], if development { "" } else { "not " });
            let reason = format!("the digest is {is}that of the development SRS");
            return Err(CertificateError::Field { fields, reason }.into());
        }
        if development && !self.trust.accepts_development_srs() {
            return Err(Refused::DevelopmentSrs);
        }
        if self.srs.get(&k).is_some_and(|(digest, _)| *digest == named.digest) {
            return Ok(());
        }
        let points = self.trust.srs(k, &named.digest).map_err(Refused::Trust)?;
        let srs = VerifierSrs::read(&points).ok_or(Refused::SrsPoints)?;
        self.keys.retain(|shape, _| shape.layout.k() != k);
        self.srs.insert(k, (named.digest, srs));
        Ok(())
    }

    /// Checks every proof with its own key.
    fn check_proofs(&mut self, certificate: &Certificate, relations: &mut Relations) -> Result<(), Refused<T::Error>> {
        let (layout, loss) = (certificate.layout, certificate.loss);
        let (data, gradient) = (Shape::dataset(layout), Shape::gradient(layout, loss.link));
        let optimum = Shape::optimum(layout);
        for shape in [&data, &gradient, &optimum] {
            self.derive(shape)?;
        }
        let srs = self.srs[&layout.k()].1.clone();
        let mut check = |shape: &Shape, proof: &FileProof, path: String, named: Option<&str>| {
            let named = named.into_iter().map(whole).chain(["layout.k", "srs.digest"].map(whole)).collect();
            self.check_proof(&srs, shape, proof, &path, named, relations);
        };
        for (i, dataset) in certificate.datasets.iter().enumerate() {
            for (j, shard) in dataset.shards.iter().enumerate() {
                let path = |proof: &str| format!("datasets[{i}].shards[{j}].{proof}");
                check(&data, &shard.dataset_proof, path("dataset_proof"), None);
                check(&gradient, &shard.gradient_proof, path("gradient_proof"), Some("loss.link"));
            }
        }
        check(&optimum, &certificate.optimum.proof, "optimum.proof".into(), None);
        Ok(relations.verdict()?)
    }

    /// Checks every proof of an evaluation whose certificate has been checked.
    fn check_evaluation_proofs(
        &mut self,
        evaluation: &Evaluation,
        relations: &mut Relations,
    ) -> Result<(), Refused<T::Error>> {
        let layout = evaluation.certificate.layout;
        let (data, counts) = (Shape::dataset(layout), Shape::evaluation(layout, evaluation.certificate.loss.link));
        self.derive(&counts)?;
        let srs = self.srs[&layout.k()].1.clone();
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

    /// Checks every proof of a valuation whose certificate has been checked: the test set's, and every coalition's
    /// gradients, optimum and evaluations.
    fn check_valuation_proofs(
        &mut self,
        valuation: &Valuation,
        relations: &mut Relations,
    ) -> Result<(), Refused<T::Error>> {
        let (layout, link) = (valuation.certificate.layout, valuation.certificate.loss.link);
        let (data, gradient) = (Shape::dataset(layout), Shape::gradient(layout, link));
        let (optimum, counts) = (Shape::optimum(layout), Shape::evaluation(layout, link));
        self.derive(&counts)?;
        let srs = self.srs[&layout.k()].1.clone();
        // no other field repeats all of a coalition's inputs
        let mut check = |shape: &Shape, proof: &FileProof, path: String| {
            let inputs = (0..proof.inputs.len()).map(|i| whole(format!("{path}.inputs[{i}]"))).collect();
            self.check_proof(&srs, shape, proof, &path, inputs, relations);
        };
        for (j, shard) in valuation.test.shards.iter().enumerate() {
            check(&data, &shard.dataset_proof, format!("test.shards[{j}].dataset_proof"));
        }
        for (i, coalition) in valuation.coalitions.iter().enumerate() {
            for (j, proof) in coalition.evaluations.iter().enumerate() {
                check(&counts, proof, format!("coalitions[{i}].evaluations[{j}]"));
            }
            let Some(training) = &coalition.training else { continue };
            for (j, proof) in training.gradients.iter().enumerate() {
                check(&gradient, proof, format!("coalitions[{i}].training.gradients[{j}]"));
            }
            check(&optimum, &training.optimum, format!("coalitions[{i}].training.optimum"));
        }
        Ok(relations.verdict()?)
    }

    /// Checks one proof with a derived key. `named` lists fields, other than the proof's own, that affect the outcome.
    fn check_proof(
        &self,
        srs: &VerifierSrs,
        shape: &Shape,
        proof: &FileProof,
        path: &str,
        named: Vec<Field>,
        relations: &mut Relations,
    ) {
        let result = verify(&self.keys[shape], srs, &proof.words(), &proof.bytes.0);
        let fields = std::iter::once(whole(format!("{path}.bytes"))).chain(named).collect();
        relations.relate(result.is_ok(), fields, || {
            result.err().map_or_else(String::new, |e| format!("the {} proof is refused: {e}", shape.statement.name()))
        });
    }

    fn derive(&mut self, shape: &Shape) -> Result<(), Refused<T::Error>> {
        if self.keys.contains_key(shape) {
            return Ok(());
        }
        let key = self.trust.verifying_key(shape, &self.srs[&shape.layout.k()].0).map_err(Refused::Trust)?;
        self.keys.insert(shape.clone(), key);
        Ok(())
    }
}

/// A file of any kind that Tribute writes about an agent, read and not checked.
#[derive(Clone, Debug, PartialEq)]
pub enum File {
    /// A certificate.
    Certificate(Box<Certificate>),
    /// An evaluation.
    Evaluation(Box<Evaluation>),
    /// A valuation.
    Valuation(Box<Valuation>),
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// [`CertificateError`] if it is no such file.
    pub fn from_json(json: &[u8]) -> Result<File, CertificateError> {
        if holds(json, "coalitions") {
            return Ok(File::Valuation(Box::new(Valuation::from_json(json)?)));
        }
        if holds(json, "certificate") {
            return Ok(File::Evaluation(Box::new(Evaluation::from_json(json)?)));
        }
        Certificate::from_json(json).map(Box::new).map(File::Certificate)
    }

    /// The agent's certificate: itself, or that in an evaluation or valuation.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        match self {
            File::Certificate(certificate) => certificate,
            File::Evaluation(evaluation) => &evaluation.certificate,
            File::Valuation(valuation) => &valuation.certificate,
        }
    }
}

/// Whether the file has a field of this name; also works for damaged files. No field of a certificate is called
/// `certificate`, only a valuation has `coalitions`, and quotes within texts are escaped.
fn holds(json: &[u8], field: &str) -> bool {
    let key = format!("\"{field}\":");
    json.windows(key.len()).any(|part| part == key.as_bytes())
}

/// The error with the paths of the file that contains the certificate.
fn contained(error: CertificateError) -> CertificateError {
    error.within("certificate")
}

fn checksum(stated: Hex<32>, expected: [u8; 32]) -> Result<(), CertificateError> {
    if stated.0 == expected {
        return Ok(());
    }
    Err(CertificateError::field("checksum", format!("the file's checksum is {}", Hex(expected))))
}
