//! Every relation between a certificate's fields, apart from the proofs themselves and the SRS.

use std::collections::HashMap;

use ark_bn254::Fr;

use super::blame::{part, whole, Relations};
use super::registered::Registered;
use super::relations::{all, context, equal, sentences, sum};
use super::{words, Certificate, CertificateError, Dataset, FileProof, Hex, Shard, FORMAT};
use crate::context::{gradient_ctx, list_hash, optimum_ctx, CoalitionContext};
use crate::digest::Digest;
use crate::id::{DatasetId, ShardDigest, WeightsDigest};
use crate::layout::{Task, MIN_LINK_K};
use crate::link::Link;
use crate::numbers::{
    distance_is_certified, link_error_units, COUNT_LIMIT_BITS, DISTANCE_PARTS, EPSILON_LIMIT_BITS, LAMBDA_LIMIT_BITS,
    NORM_LIMIT_BITS,
};
use crate::schema::Schema;
use crate::statement::{optimum, Statement, CTX};

const AGENT_CHAIN: [&str; 2] = ["chain.chain_id", "chain.agent_registry"];

/// What a certificate's optimum was proven for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// The agent's version.
    Version,
    /// A coalition of some of the version's datasets, for a valuation. Its shares are nobody's: the rules for them, and
    /// the owners' least shares, do not apply.
    Coalition {
        /// The version's weights.
        served: WeightsDigest,
    },
}

/// A shard with the paths of its fields.
struct Leaf<'a> {
    /// Positions of the dataset and of the shard in it.
    position: (usize, usize),
    shard: &'a Shard,
    path: String,
}

impl Leaf<'_> {
    fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.path)
    }
}

impl Certificate {
    /// Checks everything that can be checked without a proof verifier: the agent registry's rules, and that every field
    /// agrees with the proofs' inputs and commitments.
    ///
    /// Not checked here: the proofs, [`Certificate::srs`], [`Certificate::checksum`].
    ///
    /// # Errors
    /// [`CertificateError::Field`] names the suspect fields.
    pub fn check(&self) -> Result<Relations, CertificateError> {
        self.check_as(Purpose::Version)
    }

    /// [`Certificate::check`] of a version, or of a coalition of some of a version's datasets.
    pub(crate) fn check_as(&self, purpose: Purpose) -> Result<Relations, CertificateError> {
        let schema = Schema::from_json(&self.schema).map_err(|e| CertificateError::field("schema", e.to_string()))?;
        self.check_sizes()?;
        let mut relations = Relations::default();
        let r = &mut relations;
        r.relate(self.format == FORMAT, all(["format"]), || format!("`{}`, expected `{FORMAT}`", self.format));
        self.check_words(r);
        self.check_layout(r, &schema);
        let chain = self.chain;
        let contracts = (chain.dataset_registry == Hex::default(), chain.agent_registry == Hex::default());
        r.limit(
            (chain.chain_id == 0, chain.chain_id == 0) == contracts,
            vec!["chain.chain_id".into(), "chain.dataset_registry".into(), "chain.agent_registry".into()],
            || "these must be all zero (off chain) or all non-zero".into(),
        );
        let registered: Vec<Registered<'_>> =
            self.datasets.iter().enumerate().map(|(i, d)| Registered::of(self, i, d, &schema)).collect();
        for leaf in &self.leaves() {
            self.check_shard(r, leaf, &registered[leaf.position.0]);
        }
        registered.iter().for_each(|dataset| dataset.check(r));
        self.check_optimum(r, purpose);
        self.check_sum(r);
        // only within the public limits, otherwise the numbers could overflow
        if !r.failed() {
            self.check_distance(r);
            if matches!(purpose, Purpose::Version) {
                self.check_shares(r);
            }
        }
        relations.verdict()?;
        Ok(relations)
    }

    /// Checks the counts that later code uses as indices, and that every shard occurs once.
    fn check_sizes(&self) -> Result<(), CertificateError> {
        if self.datasets.is_empty() {
            return Err(CertificateError::field("datasets", "an agent is trained on at least one dataset"));
        }
        if let Some(i) = self.datasets.iter().position(|d| d.shards.is_empty()) {
            return Err(CertificateError::field(format!("datasets[{i}].shards"), "a dataset has at least one shard"));
        }
        let leaves = self.leaves();
        let mut seen: HashMap<ShardDigest, &Leaf<'_>> = HashMap::new();
        for leaf in &leaves {
            if let Some(twin) = seen.insert(leaf.shard.digest, leaf) {
                let fields = vec![twin.at("digest"), leaf.at("digest")];
                return Err(CertificateError::Field { fields, reason: "the same shard stands twice".into() });
            }
            self.check_proof(Statement::Dataset, &leaf.shard.dataset_proof, &leaf.at("dataset_proof"))?;
            self.check_proof(Statement::Gradient, &leaf.shard.gradient_proof, &leaf.at("gradient_proof"))?;
        }
        self.check_proof(Statement::Optimum, &self.optimum.proof, "optimum.proof")
    }

    fn check_proof(&self, statement: Statement, proof: &FileProof, path: &str) -> Result<(), CertificateError> {
        proof.check(&self.layout, statement, path, "layout.columns")
    }

    fn leaves(&self) -> Vec<Leaf<'_>> {
        let of = |(i, dataset): (usize, _)| {
            let dataset: &Dataset = dataset;
            dataset.shards.iter().enumerate().map(move |(j, shard)| Leaf {
                position: (i, j),
                shard,
                path: format!("datasets[{i}].shards[{j}]"),
            })
        };
        self.datasets.iter().enumerate().flat_map(of).collect()
    }

    fn group(&self, statement: Statement, proof: &FileProof, group: usize) -> Digest {
        proof.group(&self.layout, statement, group)
    }

    fn check_words(&self, r: &mut Relations) {
        sentences(r, "proven", &self.proven, &words::proven(), |_| None);
        sentences(r, "not_proven", &self.not_proven, &words::not_proven(), |_| None);
    }

    fn check_layout(&self, r: &mut Relations, schema: &Schema) {
        r.limit(schema.canonical() == self.schema, vec!["schema".into()], || "not in canonical form".into());
        let (l, features) = (&self.layout, schema.features().len());
        let same = |r: &mut Relations, holds: bool, field: &str, expected: String| {
            r.relate(holds, vec![whole(field), part("schema")], || format!("the schema's records need {expected}"));
        };
        same(r, l.features() == features, "layout.features", features.to_string());
        same(r, l.classes() == schema.classes(), "layout.classes", schema.classes().to_string());
        same(r, l.task() == schema.task(), "layout.task", format!("{:?}", schema.task()).to_lowercase());
        let fits = l.task() == Task::Classes || self.loss.link == Link::Squared;
        r.limit(fits, vec!["loss.link".into(), "layout.task".into()], || {
            format!("the {} link is for classes", self.loss.link.name())
        });
        let wide = l.k() >= MIN_LINK_K || self.loss.link == Link::Squared;
        r.limit(wide, vec!["loss.link".into(), "layout.k".into()], || {
            format!("the {} link needs k >= {MIN_LINK_K}", self.loss.link.name())
        });
    }

    fn check_shard(&self, r: &mut Relations, leaf: &Leaf<'_>, registered: &Registered<'_>) {
        registered.check_shard(r, leaf.position.1);
        let (shard, gradient) = (leaf.shard, &leaf.shard.gradient_proof);
        let bytes = || part(leaf.at("gradient_proof.bytes"));
        let got = ShardDigest::new(self.group(Statement::Gradient, gradient, 0));
        let fields = vec![whole(leaf.at("digest")), bytes(), whole("layout.columns")];
        r.relate(shard.digest == got, fields, || format!("the proof's records have digest {got}"));
        let weights = WeightsDigest::new(self.group(Statement::Gradient, gradient, 1));
        r.relate(weights == self.agent.weights_digest, vec![whole("agent.weights_digest"), bytes()], || {
            format!("the gradient in {} is of weights {weights}", leaf.path)
        });
        let domain = self.chain.agents();
        let expected = gradient_ctx(&domain, &self.agent.owner.0, &self.agent.weights_digest, &shard.digest);
        let mut fields = vec![
            whole(leaf.at("gradient_proof.inputs[0]")),
            whole("agent.owner"),
            whole("agent.weights_digest"),
            whole(leaf.at("digest")),
        ];
        fields.extend(all(AGENT_CHAIN));
        context(r, &gradient.inputs[CTX], expected, fields);
    }

    fn check_optimum(&self, r: &mut Relations, purpose: Purpose) {
        let (o, inputs) = (&self.optimum, &self.optimum.proof.inputs);
        let at = |i: usize| format!("optimum.proof.inputs[{i}]");
        let weights = WeightsDigest::new(self.group(Statement::Optimum, &o.proof, 0));
        r.relate(
            weights == self.agent.weights_digest,
            vec![whole("agent.weights_digest"), part("optimum.proof.bytes")],
            || format!("the optimum proof is for weights {weights}"),
        );
        let ids: Vec<DatasetId> = self.datasets.iter().map(|d| d.dataset_id).collect();
        let list = list_hash(ids.iter().copied());
        let (agent, domain) = (&self.agent, self.chain.agents());
        let weights = &agent.weights_digest;
        let expected = match purpose {
            Purpose::Version => optimum_ctx(&domain, &agent.id, agent.version, weights, &list),
            Purpose::Coalition { served } => {
                CoalitionContext { domain, agent: agent.id, version: agent.version, served, weights: *weights, list }
                    .optimum()
            }
        };
        let mut fields = vec![whole(at(CTX))];
        fields.extend(all(["agent.id", "agent.version", "agent.weights_digest"]));
        fields.extend((0..ids.len()).map(|i| whole(format!("datasets[{i}].dataset_id"))));
        fields.extend(all(AGENT_CHAIN));
        context(r, &inputs[CTX], expected, fields);

        for (i, value, field) in [
            (optimum::N, o.records, "optimum.records"),
            (optimum::LAMBDA, self.loss.lambda, "loss.lambda"),
            (optimum::EPSILON, o.epsilon, "optimum.epsilon"),
            (optimum::NORM, o.norm, "optimum.norm"),
        ] {
            equal(r, &inputs[i], at(i), Fr::from(value), field.into());
        }
        for (value, bits, field) in [
            (o.records, COUNT_LIMIT_BITS, "optimum.records"),
            (self.loss.lambda, LAMBDA_LIMIT_BITS, "loss.lambda"),
            (o.norm, NORM_LIMIT_BITS, "optimum.norm"),
        ] {
            r.limit(value != 0 && value >> bits == 0, vec![field.into()], || {
                format!("{value} is not between 1 and 2^{bits} - 1")
            });
        }
        r.limit(o.epsilon >> EPSILON_LIMIT_BITS == 0, vec!["optimum.epsilon".into()], || {
            format!("{} is not below 2^{EPSILON_LIMIT_BITS}", o.epsilon)
        });
        let mut fields = all(["optimum.records"]);
        fields.extend((0..self.datasets.len()).map(|i| whole(format!("datasets[{i}].records"))));
        let total = sum(self.datasets.iter().map(|d| d.records));
        r.relate(total == Some(o.records), fields, || "not the sum of the datasets' records".into());

        for (i, dataset) in self.datasets.iter().enumerate() {
            let (links, code) = (dataset.terms.links, self.loss.link.code());
            let fields = vec![format!("datasets[{i}].terms.links"), "loss.link".into()];
            r.limit(links == 0 || (links >> code) & 1 == 1, fields, || {
                format!("its owner's terms do not allow training with the {} link", self.loss.link.name())
            });
        }
    }

    /// Checks the distance to the optimum; all numbers must be within their limits.
    fn check_distance(&self, r: &mut Relations) {
        let (l, o) = (&self.layout, &self.optimum);
        let delta = link_error_units(l.features(), l.classes(), l.intercept_scale());
        let largest = self.loss.link.largest_epsilon(delta);
        r.limit(o.epsilon <= largest, vec!["optimum.epsilon".into(), "loss.link".into()], || {
            format!("{} is above {largest}, the largest that can be certified for this link and shape", o.epsilon)
        });
        let certified = distance_is_certified(o.epsilon, delta, self.loss.lambda, o.norm);
        let fields = ["optimum.epsilon", "loss.lambda", "optimum.norm"].map(str::to_owned).to_vec();
        r.limit(certified, fields, || {
            format!(
                "(epsilon + delta)/(lambda·norm) is above 1/{DISTANCE_PARTS}: epsilon {}, delta {delta}, lambda {}, norm {}",
                o.epsilon, self.loss.lambda, o.norm
            )
        });
    }
}
