//! Human-readable summary of a checked file.

use std::fmt;
use std::ops::Range;

use tribute_core::certificate::evaluation::Evaluation;
use tribute_core::certificate::{Certificate, Hex};
use tribute_core::numbers::{
    excess_loss, link_error_units, real, relative_distance, LAMBDA_BITS, NORM_BITS, SHARE_BITS,
};
use tribute_core::schema::Schema;
use tribute_core::valuation::Valuation;

/// A checked certificate, or a checked evaluation or valuation with its certificate. Its `Display` says what is proven and what is
/// not.
#[derive(Clone, Debug)]
pub struct Report(File);

#[derive(Clone, Debug)]
enum File {
    Certificate(Box<Certificate>),
    Evaluation(Box<Evaluation>),
    Valuation(Box<Valuation>),
}

impl Report {
    /// The report on a certificate, which must have passed every check.
    pub(crate) fn of(certificate: Certificate) -> Self {
        Report(File::Certificate(Box::new(certificate)))
    }

    /// The report on an evaluation, which must have passed every check.
    pub(crate) fn of_evaluation(evaluation: Evaluation) -> Self {
        Report(File::Evaluation(Box::new(evaluation)))
    }

    /// The report on a valuation, which must have passed every check.
    pub(crate) fn of_valuation(valuation: Valuation) -> Self {
        Report(File::Valuation(Box::new(valuation)))
    }

    /// The agent's certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        match &self.0 {
            File::Certificate(certificate) => certificate,
            File::Evaluation(evaluation) => &evaluation.certificate,
            File::Valuation(valuation) => &valuation.certificate,
        }
    }

    /// The evaluation, if the file is one.
    #[must_use]
    pub fn evaluation(&self) -> Option<&Evaluation> {
        match &self.0 {
            File::Evaluation(evaluation) => Some(evaluation),
            File::Certificate(_) | File::Valuation(_) => None,
        }
    }

    /// The valuation, if the file is one.
    #[must_use]
    pub fn valuation(&self) -> Option<&Valuation> {
        match &self.0 {
            File::Valuation(valuation) => Some(valuation),
            File::Certificate(_) | File::Evaluation(_) => None,
        }
    }

    /// Bound on the error of the link tables and of rounding, units of 2^-44.
    #[must_use]
    pub fn delta(&self) -> u64 {
        let layout = &self.certificate().layout;
        link_error_units(layout.features(), layout.classes(), layout.intercept_scale())
    }

    /// Proven bound on the weights' distance to the optimum, relative to their norm.
    #[must_use]
    pub fn relative_distance(&self) -> f64 {
        let (loss, o) = (&self.certificate().loss, &self.certificate().optimum);
        relative_distance(o.epsilon, self.delta(), loss.lambda, o.norm)
    }

    /// Proven bound on the excess of the weights' loss over the optimum's.
    #[must_use]
    pub fn excess_loss(&self) -> f64 {
        let (loss, o) = (&self.certificate().loss, &self.certificate().optimum);
        excess_loss(o.epsilon, self.delta(), loss.lambda)
    }

    /// SHA-256, in hex, of the model that computed the features, if the schema names one.
    #[must_use]
    pub fn extractor(&self) -> Option<String> {
        let schema = Schema::from_json(&self.certificate().schema).ok()?;
        schema.extractor().map(str::to_owned)
    }

    /// Number of proofs that were checked.
    #[must_use]
    pub fn proofs(&self) -> usize {
        self.certificate_proofs() + self.evaluation_proofs() + self.valuation_proofs()
    }

    /// Number of proofs in the certificate.
    #[must_use]
    pub fn certificate_proofs(&self) -> usize {
        1 + 2 * self.certificate().datasets.iter().map(|d| d.shards.len()).sum::<usize>()
    }

    /// Number of proofs in the evaluation besides its certificate's; 0 if the file is a certificate.
    #[must_use]
    pub fn evaluation_proofs(&self) -> usize {
        2 * self.evaluation().map_or(0, |e| e.dataset.shards.len())
    }

    /// Number of proofs in the valuation besides its certificate's; 0 if the file is another.
    #[must_use]
    pub fn valuation_proofs(&self) -> usize {
        self.valuation().map_or(0, |v| v.proofs() - self.certificate_proofs())
    }
}

/// Writes a list under a heading.
fn list(f: &mut fmt::Formatter<'_>, heading: &str, sentences: &[String]) -> fmt::Result {
    writeln!(f, "{heading}:")?;
    sentences.iter().try_for_each(|sentence| writeln!(f, "  - {sentence}"))
}

impl Report {
    fn write_certificate(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Certificate { agent, loss, optimum, datasets, chain, .. } = self.certificate();
        let place = match chain.chain_id {
            0 => "off chain".to_owned(),
            id => format!("for chain {id}, agent registry {}", chain.agent_registry),
        };
        writeln!(f, "Agent {}, version {}, of {}, {place}.", agent.id, agent.version, agent.owner)?;
        writeln!(f)?;
        list(f, "Proven", &self.certificate().proven)?;
        writeln!(f, "Here:")?;
        for d in datasets {
            let (records, share) = (d.records, 100.0 * real(d.share.into(), SHARE_BITS));
            let owners = owned(&d.owners());
            writeln!(f, "  - dataset {}{owners}: {records} records, share {share:.4} %", d.dataset_id)?;
        }
        writeln!(
            f,
            "  - {} loss over {} records, lambda {:.4e}, epsilon {:.3e}, delta {:.3e}, norm of the weights at least {:.3}",
            loss.link.name(),
            optimum.records,
            real(loss.lambda, LAMBDA_BITS),
            real(optimum.epsilon, LAMBDA_BITS),
            real(self.delta(), LAMBDA_BITS),
            real(optimum.norm, NORM_BITS),
        )?;
        writeln!(f, "  - distance to the optimum: at most {:.3e} of the weights' norm", self.relative_distance())?;
        writeln!(f, "  - loss above the optimum's: at most {:.3e}", self.excess_loss())?;
        writeln!(f)?;
        list(f, "Not proven", &self.certificate().not_proven)?;
        match self.extractor() {
            Some(digest) => writeln!(f, "{}", extracted(&digest)),
            None => Ok(()),
        }
    }
}

/// Whose a dataset was when its shards were added, in words that follow its id.
fn owned(owners: &[(Hex<20>, Range<usize>)]) -> String {
    if let [(owner, _)] = owners {
        return format!(" of {owner}");
    }
    let part = |(owner, shards): &(Hex<20>, Range<usize>)| match shards.len() {
        1 => format!(", shard {} added by {owner}", shards.start),
        _ => format!(", shards {} to {} added by {owner}", shards.start, shards.end - 1),
    };
    owners.iter().map(part).collect()
}

/// What a certificate says of a model that computed the features: in the report and on the page.
#[must_use]
pub fn extracted(digest: &str) -> String {
    format!(
        "The features were computed by a model, the extractor, of which the schema states the file's SHA-256, {digest}. Not \
         proven: how that model was trained, on whose data, or that the features are its results. Whoever has the file can run it."
    )
}

fn write_evaluation(f: &mut fmt::Formatter<'_>, evaluation: &Evaluation) -> fmt::Result {
    let d = &evaluation.dataset;
    writeln!(
        f,
        "Accuracy {:.4} %: {} of {} records of dataset {}{}.",
        100.0 * evaluation.accuracy(),
        d.correct,
        d.records,
        d.dataset_id,
        owned(&d.owners())
    )?;
    let link = evaluation.certificate.loss.link.name();
    writeln!(f, "Mean {link} loss of a record: {:.6}.", evaluation.mean_loss())?;
    writeln!(f)?;
    list(f, "Proven", &evaluation.proven)?;
    writeln!(f)?;
    list(f, "Not proven", &evaluation.not_proven)?;
    writeln!(f)?;
    writeln!(f, "The agent's certificate:")
}

fn write_valuation(f: &mut fmt::Formatter<'_>, v: &Valuation) -> fmt::Result {
    let (test, link) = (&v.test, v.certificate.loss.link.name());
    writeln!(
        f,
        "What each owner's data is worth to the agent, measured on dataset {}{}: {} records.",
        test.dataset_id,
        owned(&test.owners()),
        test.records
    )?;
    let agents = v.coalitions.last().map_or(0, |c| c.loss);
    writeln!(
        f,
        "Mean {link} loss of a record: {:.6} by the agent, {:.6} by the uniform answer.",
        v.per_record(agents),
        v.per_record(v.uniform_loss)
    )?;
    match &v.sampling {
        None => writeln!(f, "Exact Shapley values over {} coalitions, as mean loss saved:", v.coalitions.len())?,
        Some(s) => writeln!(
            f,
            "Estimated from {} orders of the owners, drawn by {}, {} coalitions, as mean loss saved; ± is 95 % for all owners \
             together, by a normal approximation over the orders:",
            s.permutations,
            s.beacon,
            v.coalitions.len()
        )?,
    }
    for (i, (value, part)) in v.values.iter().zip(v.parts()).enumerate() {
        let interval = match v.sampling {
            None => String::new(),
            Some(_) => format!(" ± {:.6}", v.per_record(value.half_width)),
        };
        writeln!(
            f,
            "  - {}: {:.6}{interval}, {:.2} % of what is paid by value; the exact optima's is within {:.1e}",
            value.owner,
            v.value_per_record(i),
            100.0 * part,
            v.per_record(value.ball)
        )?;
    }
    writeln!(f, "Digest of this file, which signatures on weights name: {}", Hex(v.digest()))?;
    writeln!(f)?;
    list(f, "Proven", &v.proven)?;
    writeln!(f)?;
    list(f, "Not proven", &v.not_proven)?;
    writeln!(f)?;
    writeln!(f, "The agent's certificate:")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = match &self.0 {
            File::Certificate(_) => "certificate",
            File::Evaluation(_) => "evaluation",
            File::Valuation(_) => "valuation",
        };
        writeln!(f, "The {file} holds: {} proofs checked.", self.proofs())?;
        if let Some(evaluation) = self.evaluation() {
            write_evaluation(f, evaluation)?;
        }
        if let Some(valuation) = self.valuation() {
            write_valuation(f, valuation)?;
        }
        self.write_certificate(f)?;
        let srs = &self.certificate().srs;
        writeln!(f)?;
        if srs.development {
            writeln!(f, "WARNING: development SRS. Its secret is public: anyone could have forged these proofs.")
        } else {
            let digest = srs.digest;
            writeln!(f, "SRS {digest}: checked point by point. That nobody knows its secret is its ceremony's word.")
        }
    }
}
