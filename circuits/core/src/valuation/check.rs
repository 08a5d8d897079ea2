//! Every relation between a valuation's fields, apart from the proofs themselves, the SRS and the certificate.

use ark_bn254::Fr;

use super::assemble::owners;
use super::sampled::{MAX_PERMUTATIONS, MIN_PERMUTATIONS};
use super::shapley::{members, EXACT_PLAYERS, MAX_PLAYERS};
use super::{words, Coalition, Valuation, FORMAT};
use crate::certificate::blame::{part, whole, Relations};
use crate::certificate::registered::{check_unseen, Registered, RegisteredShard};
use crate::certificate::relations::{all, context, equal, sentences, sum};
use crate::certificate::{CertificateError, Purpose};
use crate::context::{evaluation_ctx, list_hash, CoalitionContext};
use crate::head::uniform_loss;
use crate::id::{ShardDigest, WeightsDigest};
use crate::layout::Task;
use crate::numbers::LOSS_LIMIT_BITS;
use crate::schema::Schema;
use crate::statement::{evaluation, Statement, CTX};

impl Valuation {
    /// Checks everything that can be checked without a proof verifier.
    ///
    /// Not checked here: the certificate (see [`crate::certificate::Certificate::check`] for that), the proofs,
    /// [`Valuation::checksum`].
    ///
    /// # Errors
    /// [`CertificateError::Field`] names the suspect fields.
    pub fn check(&self) -> Result<Relations, CertificateError> {
        let schema = Schema::from_json(&self.certificate.schema)
            .map_err(|e| CertificateError::field("certificate.schema", e.to_string()))?;
        self.check_sizes()?;
        self.check_list()?;
        let mut relations = Relations::default();
        let r = &mut relations;
        r.relate(self.format == FORMAT, all(["format"]), || format!("`{}`, expected `{FORMAT}`", self.format));
        sentences(r, "proven", &self.proven, &words::proven(), |_| None);
        sentences(r, "not_proven", &self.not_proven, &words::not_proven(), |_| None);
        self.check_test_set(r, &schema);
        for position in 0..self.coalitions.len() {
            self.check_coalition(r, position)?;
        }
        // only within the public limits, otherwise the numbers could overflow
        relations.verdict()?;
        self.check_values(&mut relations);
        relations.verdict()?;
        Ok(relations)
    }

    /// Checks the counts that later code uses as indices, and who may own what.
    fn check_sizes(&self) -> Result<(), CertificateError> {
        let (certificate, shards) = (&self.certificate, &self.test.shards);
        if certificate.layout.task() != Task::Classes {
            let reason = "an agent with a real-valued target has no evaluations, so its datasets have no values";
            return Err(CertificateError::field("certificate.layout.task", reason));
        }
        let expected = owners(certificate);
        if self.owners != expected {
            let listed = expected.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let reason = format!("the certificate's datasets are, in order, of {listed}");
            return Err(CertificateError::field("owners", reason));
        }
        self.check_sampling()?;
        let digests: Vec<ShardDigest> = shards.iter().map(|s| s.digest).collect();
        check_unseen(certificate, "test.shards", &digests, "coalitions were trained on this shard")?;
        for (j, shard) in shards.iter().enumerate() {
            let at = |field: &str| format!("test.shards[{j}].{field}");
            for (i, trained) in certificate.datasets.iter().enumerate() {
                if let Some(k) = trained.shards.iter().position(|s| s.owner == shard.owner) {
                    let fields = vec![at("owner"), format!("certificate.datasets[{i}].shards[{k}].owner")];
                    let reason = "the test set's owner has one of the datasets that it would value".into();
                    return Err(CertificateError::Field { fields, reason });
                }
            }
            shard.dataset_proof.check(
                &certificate.layout,
                Statement::Dataset,
                &at("dataset_proof"),
                "certificate.layout.columns",
            )?;
        }
        Ok(())
    }

    /// Checks that coalitions are drawn where there are too many for all of them, and only there, by enough permutations and
    /// by a beacon.
    pub(super) fn check_sampling(&self) -> Result<(), CertificateError> {
        let owners = self.owners.len();
        let Some(sampling) = &self.sampling else {
            return if owners <= EXACT_PLAYERS {
                Ok(())
            } else {
                Err(CertificateError::field("sampling", words::sampling_needed(owners)))
            };
        };
        if owners <= EXACT_PLAYERS {
            return Err(CertificateError::field("sampling", format!("{owners} owners: every coalition is needed")));
        }
        if owners > MAX_PLAYERS {
            return Err(CertificateError::field("sampling", words::sampling_needed(owners)));
        }
        if !(MIN_PERMUTATIONS..=MAX_PERMUTATIONS).contains(&sampling.permutations) {
            let reason = format!("{} is not from {MIN_PERMUTATIONS} to {MAX_PERMUTATIONS}", sampling.permutations);
            return Err(CertificateError::field("sampling.permutations", reason));
        }
        if !sampling.is_drawn() {
            return Err(CertificateError::field("sampling.beacon", words::NO_BEACON));
        }
        Ok(())
    }

    /// Checks that exactly the expected coalitions are there, in order, each with as many proofs as it needs.
    fn check_list(&self) -> Result<(), CertificateError> {
        let expected = self.expected_coalitions();
        for (position, mask) in expected.iter().enumerate() {
            let owners = members(*mask);
            let path = format!("coalitions[{position}].owners");
            let found = self.coalitions.get(position);
            if found.is_some_and(|c| c.owners == owners) {
                continue;
            }
            let reason = match self.coalitions.iter().position(|c| c.owners == owners) {
                Some(elsewhere) => format!("the coalition of owners {owners:?} stands at {elsewhere} instead"),
                None => format!("the coalition of owners {owners:?} is missing"),
            };
            return Err(self.not_expected(path, reason));
        }
        if self.coalitions.len() > expected.len() {
            let reason = format!("{} coalitions, expected {}", self.coalitions.len(), expected.len());
            return Err(self.not_expected(format!("coalitions[{}]", expected.len()), reason));
        }
        let layout = &self.certificate.layout;
        for (position, coalition) in self.coalitions.iter().enumerate() {
            let at = |field: &str| format!("coalitions[{position}].{field}");
            let of_all = coalition.owners.len() == self.owners.len();
            let (got, shards) = (coalition.evaluations.len(), self.test.shards.len());
            if got != shards {
                return Err(CertificateError::field(at("evaluations"), format!("{got} proofs for {shards} shards")));
            }
            for (j, proof) in coalition.evaluations.iter().enumerate() {
                let path = at(&format!("evaluations[{j}]"));
                proof.check(layout, Statement::Evaluation, &path, "certificate.layout.columns")?;
            }
            match &coalition.training {
                Some(_) if of_all => {
                    let reason = "the coalition of all owners is the agent, whose proofs are the certificate's";
                    return Err(CertificateError::field(at("training"), reason));
                }
                None if !of_all => {
                    return Err(CertificateError::field(at("training"), "the optimum is not proven"));
                }
                Some(training) => {
                    let shards: usize = self.listed(coalition).map(|i| self.certificate.datasets[i].shards.len()).sum();
                    if training.gradients.len() != shards {
                        let reason = format!("{} gradients for {shards} shards", training.gradients.len());
                        return Err(CertificateError::field(at("training.gradients"), reason));
                    }
                }
                None => {}
            }
        }
        Ok(())
    }

    /// A coalition that should not be where it is, or is missing. Where coalitions were drawn, what they were drawn from may
    /// be wrong as well.
    fn not_expected(&self, path: String, reason: String) -> CertificateError {
        let seeds = ["sampling.beacon", "sampling.permutations", "test.dataset_id"].map(str::to_owned);
        let drawn_from = self.sampling.iter().flat_map(|_| seeds.clone());
        CertificateError::Field { fields: std::iter::once(path).chain(drawn_from).collect(), reason }
    }

    fn check_test_set(&self, r: &mut Relations, schema: &Schema) {
        let test = &self.test;
        let registered = Registered {
            certificate: &self.certificate,
            within: "certificate.",
            schema,
            path: "test".into(),
            id: test.dataset_id,
            terms: test.terms,
            records: test.records,
            shards: test
                .shards
                .iter()
                .map(|s| RegisteredShard {
                    digest: s.digest,
                    owner: s.owner.0,
                    records: s.records,
                    proof: &s.dataset_proof,
                })
                .collect(),
        };
        for (j, shard) in test.shards.iter().enumerate() {
            registered.check_shard(r, j);
            r.limit(shard.records > 0, vec![format!("test.shards[{j}].records")], || {
                "a shard has at least one record".into()
            });
        }
        registered.check(r);
        let (layout, link) = (&self.certificate.layout, self.certificate.loss.link);
        let uniform = sum(test.shards.iter().map(|s| uniform_loss(layout, link, s.records).unwrap_or(u64::MAX)));
        let mut fields = vec![whole("uniform_loss"), part("certificate.loss.link")];
        fields.extend((0..test.shards.len()).map(|j| part(format!("test.shards[{j}].records"))));
        r.relate(uniform == Some(self.uniform_loss), fields, || {
            format!("the uniform answer's loss on these records is {}", uniform.unwrap_or(u64::MAX))
        });
    }

    fn check_coalition(&self, r: &mut Relations, position: usize) -> Result<(), CertificateError> {
        let coalition = &self.coalitions[position];
        let at = |field: &str| format!("coalitions[{position}].{field}");
        let served = self.certificate.agent.weights_digest;
        match self.coalition_certificate(coalition) {
            Some(certificate) => {
                certificate.check_as(Purpose::Coalition { served }).map_err(|e| match e {
                    CertificateError::Field { fields, reason } => CertificateError::Field {
                        fields: fields.iter().map(|path| self.path_of(position, path)).collect(),
                        reason,
                    },
                    other => other,
                })?;
            }
            None => {
                let fields = all([at("weights_digest"), "certificate.agent.weights_digest".into()]);
                r.relate(coalition.weights_digest == served, fields, || {
                    "the coalition of all owners has the agent's weights".into()
                });
            }
        }
        for (j, proof) in coalition.evaluations.iter().enumerate() {
            let path = |field: &str| at(&format!("evaluations[{j}].{field}"));
            let group = |group| proof.group(&self.certificate.layout, Statement::Evaluation, group);
            let (records, weights) = (ShardDigest::new(group(0)), WeightsDigest::new(group(1)));
            let shard = &self.test.shards[j];
            let fields = vec![whole(format!("test.shards[{j}].digest")), part(path("bytes"))];
            r.relate(records == shard.digest, fields, || format!("the proof's records have digest {records}"));
            r.relate(
                weights == coalition.weights_digest,
                vec![whole(at("weights_digest")), part(path("bytes"))],
                || format!("the evaluation proof is for weights {weights}"),
            );
            let input = |i: usize| path(&format!("inputs[{i}]"));
            let records = format!("test.shards[{j}].records");
            equal(r, &proof.inputs[evaluation::N], input(evaluation::N), Fr::from(shard.records), records);
            let (loss, correct) = super::stated(proof);
            r.limit(loss >> LOSS_LIMIT_BITS == 0, vec![input(evaluation::LOSS)], || {
                format!("the loss is not below 2^{LOSS_LIMIT_BITS}")
            });
            r.limit(correct <= shard.records, vec![input(evaluation::CORRECT)], || {
                "more right answers than records".into()
            });
            // the agent's evaluation, which stands for the coalition of all owners, names the agent's weights
            let named = match &coalition.training {
                Some(_) => at("weights_digest"),
                None => "certificate.agent.weights_digest".into(),
            };
            let mut fields = vec![whole(input(CTX)), whole("test.dataset_id"), whole(named)];
            fields.extend(all(["agent.id", "agent.version", "chain.chain_id", "chain.agent_registry"]
                .map(|field| format!("certificate.{field}"))));
            context(r, &proof.inputs[CTX], self.evaluation_context(coalition, j as u32), fields);
        }
        let stated: Vec<(u64, u64)> = coalition.evaluations.iter().map(super::stated).collect();
        for (field, value, total, offset) in [
            ("loss", coalition.loss, sum(stated.iter().map(|s| s.0)), evaluation::LOSS),
            ("correct", coalition.correct, sum(stated.iter().map(|s| s.1)), evaluation::CORRECT),
        ] {
            let inputs = (0..stated.len()).map(|j| at(&format!("evaluations[{j}].inputs[{offset}]")));
            let fields = all(std::iter::once(at(field)).chain(inputs));
            r.relate(total == Some(value), fields, || "not the sum over the test set's shards".into());
        }
        r.limit(coalition.loss >> LOSS_LIMIT_BITS == 0, vec![at("loss")], || {
            format!("{} is not below 2^{LOSS_LIMIT_BITS}", coalition.loss)
        });
        Ok(())
    }

    /// The context of a coalition's evaluation proof: that of the agent's evaluation for all owners.
    #[must_use]
    pub fn evaluation_context(&self, coalition: &Coalition, shard: u32) -> Fr {
        let (certificate, test) = (&self.certificate, &self.test.dataset_id);
        let (domain, agent) = (certificate.chain.agents(), &certificate.agent);
        if coalition.training.is_none() {
            return evaluation_ctx(&domain, &agent.id, agent.version, &agent.weights_digest, test, shard);
        }
        CoalitionContext {
            domain,
            agent: agent.id,
            version: agent.version,
            served: agent.weights_digest,
            weights: coalition.weights_digest,
            list: list_hash(self.listed(coalition).map(|i| certificate.datasets[i].dataset_id)),
        }
        .evaluation(test, shard)
    }

    /// Checks that the values follow from the losses.
    fn check_values(&self, r: &mut Relations) {
        let expected = self.expected_values();
        r.relate(self.denominator == expected.denominator, all(["denominator"]), || {
            format!("the values' common denominator is {}", expected.denominator)
        });
        r.limit(self.values.len() == self.owners.len(), vec!["values".into()], || {
            format!("{} values for {} owners", self.values.len(), self.owners.len())
        });
        let balls = self.expected_balls();
        for (i, value) in self.values.iter().enumerate().take(self.owners.len()) {
            let at = |field: &str| format!("values[{i}].{field}");
            r.relate(value.owner == self.owners[i], all([at("owner")]), || format!("owner {i} is {}", self.owners[i]));
            r.relate(value.numerator.0 == expected.numerators[i], all([at("numerator")]), || {
                format!("by the losses it is {}", expected.numerators[i])
            });
            r.relate(value.half_width == expected.half_widths[i], all([at("half_width")]), || {
                format!("by the losses it is {}", expected.half_widths[i])
            });
            r.relate(value.ball == balls[i], all([at("ball")]), || format!("by the proofs it is {}", balls[i]));
        }
    }
}
