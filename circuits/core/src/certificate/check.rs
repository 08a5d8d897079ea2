//! Every relation between a certificate's fields, short of the proofs themselves and the SRS.

use ark_bn254::Fr;

use super::blame::{part, whole, Relations};
use super::registered::Registered;
use super::relations::{all, context, equal, sentences, sum, word_is};
use super::{words, Certificate, CertificateError, Dataset, Hex, Node, Proof, Shard, FORMAT, TREE_FORMAT};
use crate::context::{gradient_ctx, optimum_ctx, sum_ctx};
use crate::digest::Digest;
use crate::id::{DatasetId, ShardDigest, WeightsDigest};
use crate::layout::{Task, MIN_LINK_K};
use crate::link::Link;
use crate::numbers::{
    distance_is_certified, link_error_units, COUNT_LIMIT_BITS, DISTANCE_PARTS, EPSILON_LIMIT_BITS, LAMBDA_LIMIT_BITS,
    LEAST_SHARE, NORM_LIMIT_BITS, SHARE_BITS, SHARE_LIMIT_BITS,
};
use crate::schema::Schema;
use crate::statement::{optimum, Statement, CTX, OPTIMUM_SLOTS, SUM_PARTS, TREE_SHARDS};

const AGENT_CHAIN: [&str; 2] = ["chain.chain_id", "chain.agent_registry"];
/// The shares of one model sum to 1 up to the proven relative distance, and each is rounded.
const WHOLE_TOLERANCE: i64 = (1 << SHARE_BITS) / DISTANCE_PARTS as i64 + 1 + OPTIMUM_SLOTS as i64;

/// What a slot of a direct certificate holds.
static SHARD: Node = Node::Shard;

/// A shard with the paths of its fields.
struct Leaf<'a> {
    /// Position of the dataset, and of the shard in it.
    position: (usize, usize),
    dataset: &'a Dataset,
    shard: &'a Shard,
    path: String,
}

impl Leaf<'_> {
    /// Whether it is another shard of the dataset of the one before it.
    fn joined(&self) -> bool {
        self.position.1 > 0
    }
    /// Whether it is its dataset's last.
    fn last(&self) -> bool {
        self.position.1 + 1 == self.dataset.shards.len()
    }
    fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.path)
    }
}

/// What a slot of the optimum holds.
struct Slot<'a> {
    node: &'a Node,
    /// Its shards, by their place among all.
    shards: std::ops::Range<usize>,
}

/// A gradient's place in the proof above it.
struct Place {
    held: Digest,
    /// Path of the proof above.
    above: String,
    what: String,
}

impl Certificate {
    /// Checks everything that can be checked without a verifier of proofs: the list of DESIGN's agent registry, and that
    /// every field is the one that the proofs' inputs and commitments were made of.
    ///
    /// Not checked here: the proofs, [`Certificate::srs`], [`Certificate::checksum`].
    ///
    /// # Errors
    /// [`CertificateError::Field`] names the fields.
    pub fn check(&self) -> Result<Relations, CertificateError> {
        let schema = Schema::from_json(&self.schema).map_err(|e| CertificateError::field("schema", e.to_string()))?;
        self.check_sizes()?;
        let mut relations = Relations::default();
        let r = &mut relations;
        let format = if self.tree.is_some() { TREE_FORMAT } else { FORMAT };
        r.relate(self.format == format, all(["format"]), || format!("`{}`, expected `{format}`", self.format));
        self.check_words(r);
        self.check_layout(r, &schema);
        let chain = self.chain;
        let contracts = (chain.dataset_registry == Hex::default(), chain.agent_registry == Hex::default());
        r.limit(
            (chain.chain_id == 0, chain.chain_id == 0) == contracts,
            vec!["chain.chain_id".into(), "chain.dataset_registry".into(), "chain.agent_registry".into()],
            || "off chain all three are 0, on a chain none is".into(),
        );
        let (leaves, slots) = (self.leaves(), self.slots());
        let registered: Vec<Registered<'_>> =
            self.datasets.iter().enumerate().map(|(i, d)| Registered::of(self, i, d, &schema)).collect();
        for leaf in &leaves {
            self.check_shard(r, leaf, &registered[leaf.position.0]);
        }
        for (p, slot) in slots.iter().enumerate() {
            let place = Place {
                held: self.group(Statement::Optimum, 0, &self.optimum.proof, 1 + p),
                above: "optimum.proof".into(),
                what: format!("slot {} of the optimum", p + 1),
            };
            self.check_node(r, slot.node, &format!("tree[{p}]"), &place, &leaves[slot.shards.clone()]);
        }
        registered.iter().for_each(|dataset| dataset.check(r));
        self.check_optimum(r, &leaves, &slots);
        self.check_shares(r, &leaves, &slots);
        relations.verdict()?;
        Ok(relations)
    }

    /// Counts that the rest indexes by; every shard once.
    fn check_sizes(&self) -> Result<(), CertificateError> {
        let count: usize = self.datasets.iter().map(|d| d.shards.len()).sum();
        let (most, kind) = if self.tree.is_some() {
            (TREE_SHARDS, "certificate with a tree")
        } else {
            (OPTIMUM_SLOTS, "direct certificate")
        };
        if !(1..=most).contains(&count) {
            let reason = format!("{count} shards in all; a {kind} has 1 to {most}");
            return Err(CertificateError::field("datasets", reason));
        }
        if let Some(i) = self.datasets.iter().position(|d| d.shards.is_empty()) {
            return Err(CertificateError::field(format!("datasets[{i}].shards"), "a dataset has at least one shard"));
        }
        let leaves = self.leaves();
        for (i, leaf) in leaves.iter().enumerate() {
            if let Some(twin) = leaves[..i].iter().find(|s| s.shard.digest == leaf.shard.digest) {
                let fields = vec![twin.at("digest"), leaf.at("digest")];
                return Err(CertificateError::Field { fields, reason: "the same shard stands twice".into() });
            }
            self.check_proof(Statement::Dataset, 0, &leaf.shard.dataset_proof, &leaf.at("dataset_proof"))?;
            self.check_proof(Statement::Gradient, 0, &leaf.shard.gradient_proof, &leaf.at("gradient_proof"))?;
        }
        if let Some(tree) = &self.tree {
            self.check_tree(tree, &leaves)?;
        }
        self.check_proof(Statement::Optimum, 0, &self.optimum.proof, "optimum.proof")
    }

    /// As many leaves as shards, slots within a dataset, sums of as many parts as there are circuits for.
    fn check_tree(&self, tree: &[Node], leaves: &[Leaf<'_>]) -> Result<(), CertificateError> {
        let refused = |path: &str, reason: String| Err(CertificateError::field(path, reason));
        if !(1..=OPTIMUM_SLOTS).contains(&tree.len()) {
            return refused("tree", format!("{} slots; an optimum has 1 to {OPTIMUM_SLOTS}", tree.len()));
        }
        let under: usize = tree.iter().map(Node::shards).sum();
        if under != leaves.len() {
            return refused("tree", format!("{under} leaves, the datasets have {} shards", leaves.len()));
        }
        if tree.iter().all(|node| *node == Node::Shard) {
            return refused("tree", "no sum in it: a direct certificate has no tree".into());
        }
        for (p, slot) in self.slots().iter().enumerate() {
            let (path, held) = (format!("tree[{p}]"), &leaves[slot.shards.clone()]);
            if held.iter().skip(1).any(|leaf| !leaf.joined()) {
                return refused(&path, "its shards are of several datasets: a share is published for each".into());
            }
            self.check_sums(slot.node, &path)?;
        }
        Ok(())
    }

    fn check_sums(&self, node: &Node, path: &str) -> Result<(), CertificateError> {
        let Node::Sum(sum) = node else { return Ok(()) };
        let parts = sum.parts.len();
        if !SUM_PARTS.contains(&parts) {
            let reason = format!("{parts} parts; a sum has {} to {}", SUM_PARTS.start(), SUM_PARTS.end());
            return Err(CertificateError::field(format!("{path}.sum.parts"), reason));
        }
        self.check_proof(Statement::Sum, parts, &sum.proof, &format!("{path}.sum.proof"))?;
        sum.parts.iter().enumerate().try_for_each(|(i, part)| self.check_sums(part, &format!("{path}.sum.parts[{i}]")))
    }

    fn check_proof(
        &self,
        statement: Statement,
        parts: usize,
        proof: &Proof,
        path: &str,
    ) -> Result<(), CertificateError> {
        proof.check(&self.layout, statement, parts, path, "layout.columns")
    }

    fn leaves(&self) -> Vec<Leaf<'_>> {
        let of = |(i, dataset): (usize, _)| {
            let dataset: &Dataset = dataset;
            dataset.shards.iter().enumerate().map(move |(j, shard)| Leaf {
                position: (i, j),
                dataset,
                shard,
                path: format!("datasets[{i}].shards[{j}]"),
            })
        };
        self.datasets.iter().enumerate().flat_map(of).collect()
    }

    fn slots(&self) -> Vec<Slot<'_>> {
        let nodes: Vec<&Node> = match &self.tree {
            Some(tree) => tree.iter().collect(),
            None => self.datasets.iter().flat_map(|d| &d.shards).map(|_| &SHARD).collect(),
        };
        let mut end = 0;
        let slots = nodes.into_iter().map(|node| {
            let start = end;
            end += node.shards();
            Slot { node, shards: start..end }
        });
        slots.collect()
    }

    fn group(&self, statement: Statement, parts: usize, proof: &Proof, group: usize) -> Digest {
        proof.group(&self.layout, statement, parts, group)
    }

    /// The node's gradient is the one in its place above; a sum's parts are those in theirs.
    fn check_node(&self, r: &mut Relations, node: &Node, path: &str, place: &Place, leaves: &[Leaf<'_>]) {
        let above = part(format!("{}.bytes", place.above));
        let (Node::Sum(sum), Some(first)) = (node, leaves.first()) else {
            for leaf in leaves {
                let proven = self.group(Statement::Gradient, 0, &leaf.shard.gradient_proof, 2);
                r.relate(proven == place.held, vec![part(leaf.at("gradient_proof.bytes")), above.clone()], || {
                    format!("{} holds another gradient than {} proves", place.what, leaf.path)
                });
            }
            return;
        };
        let (parts, at) = (sum.parts.len(), |field: &str| format!("{path}.sum.proof.{field}"));
        let group = |group: usize| self.group(Statement::Sum, parts, &sum.proof, group);
        r.relate(group(0) == place.held, vec![part(at("bytes")), above], || {
            format!("{} holds another gradient than the sum {path} proves", place.what)
        });
        let shards: Vec<ShardDigest> = leaves.iter().map(|leaf| leaf.shard.digest).collect();
        let (owner, weights) = (&self.agent.owner.0, &self.agent.weights_digest);
        let expected = sum_ctx(&self.chain.agents(), owner, weights, &shards);
        let mut fields = vec![whole(at("inputs[0]")), whole("agent.owner"), whole("agent.weights_digest")];
        fields.extend(leaves.iter().map(|leaf| whole(leaf.at("digest"))));
        fields.extend(all(AGENT_CHAIN));
        fields.push(part(format!("datasets[{}].shards", first.position.0)));
        context(r, &sum.proof.inputs[CTX], expected, fields);
        let mut start = 0;
        for (i, child) in sum.parts.iter().enumerate() {
            let end = start + child.shards();
            let place = Place {
                held: group(1 + i),
                above: format!("{path}.sum.proof"),
                what: format!("part {} of the sum {path}", i + 1),
            };
            self.check_node(r, child, &format!("{path}.sum.parts[{i}]"), &place, &leaves[start..end]);
            start = end;
        }
    }

    fn check_words(&self, r: &mut Relations) {
        let tree = self.tree.is_some();
        let lists = [
            ("proven", &self.proven, [words::proven(true, tree), words::proven(false, tree)]),
            ("not_proven", &self.not_proven, [words::not_proven(true), words::not_proven(false)]),
        ];
        for (name, said, [with, without]) in lists {
            let expected = if self.loss.reg_bias { &with } else { &without };
            let told = |i: usize| (with[i] != without[i]).then(|| whole("loss.reg_bias"));
            sentences(r, name, said, expected, told);
        }
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
        let got = ShardDigest::new(self.group(Statement::Gradient, 0, gradient, 0));
        let fields = vec![whole(leaf.at("digest")), bytes(), whole("layout.columns")];
        r.relate(shard.digest == got, fields, || format!("the proof's records have digest {got}"));
        let weights = WeightsDigest::new(self.group(Statement::Gradient, 0, gradient, 1));
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

    fn check_optimum(&self, r: &mut Relations, leaves: &[Leaf<'_>], slots: &[Slot<'_>]) {
        let (o, inputs) = (&self.optimum, &self.optimum.proof.inputs);
        let at = |i: usize| format!("optimum.proof.inputs[{i}]");
        let weights = WeightsDigest::new(self.group(Statement::Optimum, 0, &o.proof, 0));
        r.relate(
            weights == self.agent.weights_digest,
            vec![whole("agent.weights_digest"), part("optimum.proof.bytes")],
            || format!("the optimum is proven of weights {weights}"),
        );
        let ids: Vec<DatasetId> = self.datasets.iter().map(|d| d.dataset_id).collect();
        let expected =
            optimum_ctx(&self.chain.agents(), &self.agent.id, self.agent.version, &self.agent.weights_digest, &ids);
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

        // within the public limits, or the sums could overflow
        if !r.failed() {
            let delta = link_error_units(self.layout.features(), self.layout.classes());
            let largest = self.loss.link.largest_epsilon(delta);
            r.limit(o.epsilon <= largest, vec!["optimum.epsilon".into(), "loss.link".into()], || {
                format!("{} is above {largest}, the largest that is certified for this link and shape", o.epsilon)
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
        for p in 0..OPTIMUM_SLOTS {
            let joined = slots.get(p).is_some_and(|slot| leaves[slot.shards.start].joined());
            let active = p < slots.len();
            for (i, flag, what) in [
                (optimum::ACTIVE + p, active, "stands in a dataset"),
                (optimum::JOIN + p, joined, "is of the dataset of the slot before it"),
            ] {
                let fields = vec![whole(at(i)), part("datasets")];
                r.relate(word_is(&inputs[i], Fr::from(flag)), fields, || {
                    format!("slot {} {}{what}", p + 1, if flag { "" } else { "is not one that " })
                });
            }
        }
    }

    fn check_shares(&self, r: &mut Relations, leaves: &[Leaf<'_>], slots: &[Slot<'_>]) {
        let inputs = &self.optimum.proof.inputs;
        for p in 0..OPTIMUM_SLOTS {
            let input = format!("optimum.proof.inputs[{}]", optimum::SHARE + p);
            let word = &inputs[optimum::SHARE + p];
            let last = slots.get(p).map(|slot| &leaves[slot.shards.end - 1]).filter(|leaf| leaf.last());
            let Some(leaf) = last else {
                r.relate(word_is(word, Fr::from(0u64)), all([input.as_str()]), || {
                    format!("slot {} carries no share", p + 1)
                });
                continue;
            };
            let (share, field) = (leaf.dataset.share, format!("datasets[{}].share", leaf.position.0));
            equal(r, word, input, Fr::from(share), field.clone());
            let small = share.unsigned_abs() >> SHARE_LIMIT_BITS == 0;
            r.limit(small, vec![field.clone()], || format!("{share} is beyond 2^{SHARE_LIMIT_BITS}"));
            r.limit(share >= LEAST_SHARE, vec![field], || {
                format!("{share}: a certificate refuses shares below {LEAST_SHARE} (2^-10)")
            });
        }
        let total: i128 = self.datasets.iter().map(|d| i128::from(d.share)).sum();
        let off = (total - (1 << SHARE_BITS)).unsigned_abs();
        let fields = (0..self.datasets.len()).map(|i| format!("datasets[{i}].share")).collect();
        r.limit(off <= WHOLE_TOLERANCE as u128, fields, || {
            format!("the shares sum to {total}, not to 2^{SHARE_BITS} within {WHOLE_TOLERANCE}")
        });
    }
}
