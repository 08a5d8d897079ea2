//! What a checked certificate says, for people.

use std::fmt;

use tribute_core::certificate::Certificate;
use tribute_core::numbers::{link_error_units, relative_distance, LAMBDA_BITS, NORM_BITS, SHARE_BITS};

/// A certificate that was checked; printing it says what is proven and what is not.
#[derive(Clone, Debug)]
pub struct Report {
    certificate: Certificate,
}

impl Report {
    /// Only for certificates that passed every check.
    pub(super) fn of(certificate: Certificate) -> Self {
        Report { certificate }
    }

    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Worst case of the link tables, units of 2^-32.
    #[must_use]
    pub fn delta(&self) -> u64 {
        link_error_units(self.certificate.layout.features(), self.certificate.layout.classes())
    }

    /// Proven bound of the weights' distance to the optimum, relative to their norm; `None` where the bias is not
    /// penalised.
    #[must_use]
    pub fn relative_distance(&self) -> Option<f64> {
        let (loss, o) = (&self.certificate.loss, &self.certificate.optimum);
        loss.reg_bias.then(|| relative_distance(o.epsilon, self.delta(), loss.lambda, o.norm))
    }

    /// Proofs that were checked.
    #[must_use]
    pub fn proofs(&self) -> usize {
        let sums: usize = self.certificate.tree.iter().flatten().map(|node| node.sums().len()).sum();
        1 + sums + 2 * self.certificate.datasets.iter().map(|d| d.shards.len()).sum::<usize>()
    }
}

/// A value with this many fractional bits.
fn real(units: f64, bits: u32) -> f64 {
    units / f64::from(bits as i32).exp2()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Certificate { agent, loss, optimum, datasets, chain, srs, .. } = &self.certificate;
        let place = match chain.chain_id {
            0 => "off chain".to_owned(),
            id => format!("for chain {id}, agent registry {}", chain.agent_registry),
        };
        writeln!(f, "The certificate holds: {} proofs checked.", self.proofs())?;
        writeln!(f, "Agent {}, version {}, of {}, {place}.", agent.id, agent.version, agent.owner)?;
        writeln!(f)?;
        writeln!(f, "Proven:")?;
        for sentence in &self.certificate.proven {
            writeln!(f, "  - {sentence}")?;
        }
        writeln!(f, "Here:")?;
        for d in datasets {
            let (records, share) = (d.records, 100.0 * real(d.share as f64, SHARE_BITS));
            writeln!(f, "  - dataset {} of {}: {records} records, share {share:.4} %", d.dataset_id, d.owner)?;
        }
        writeln!(
            f,
            "  - {} loss over {} records, lambda {:.4e}, epsilon {:.3e}, delta {:.3e}, norm of the weights at least {:.3}",
            loss.link.name(),
            optimum.records,
            real(loss.lambda as f64, LAMBDA_BITS),
            real(optimum.epsilon as f64, LAMBDA_BITS),
            real(self.delta() as f64, LAMBDA_BITS),
            real(optimum.norm as f64, NORM_BITS),
        )?;
        if let Some(distance) = self.relative_distance() {
            writeln!(f, "  - distance to the optimum: at most {distance:.3e} of the weights' norm")?;
        }
        writeln!(f)?;
        writeln!(f, "Not proven:")?;
        for sentence in &self.certificate.not_proven {
            writeln!(f, "  - {sentence}")?;
        }
        if !srs.development {
            writeln!(f)?;
            writeln!(
                f,
                "SRS {}: checked point by point. That nobody knows its secret is its ceremony's word.",
                srs.digest
            )?;
        }
        if srs.development {
            writeln!(f)?;
            writeln!(f, "WARNING: development SRS. Its secret is public: anyone could have forged these proofs.")?;
        }
        Ok(())
    }
}
