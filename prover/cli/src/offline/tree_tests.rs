//! Certificates whose slots hold sums of gradients: 12 shards of three datasets, every proof real.

use std::sync::{Mutex, OnceLock};

use halo2_proofs::halo2curves::bn256::Fr;
use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::columns::{
    commit_gradient, commit_records, commit_unused_slot, commit_weights, CommittedGroup, Secret,
};
use tribute_circuits::keys::Keys;
use tribute_circuits::prove;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_circuits::statements::optimum::{OptimumCircuit, Slot};
use tribute_circuits::statements::sum::SumCircuit;
use tribute_core::certificate::{
    Certificate, CertificateError, Chain, DatasetParts, Hex, Node, Parts, Proof, ShardParts, SrsName, Sum, TREE_FORMAT,
};
use tribute_core::context::{gradient_ctx, optimum_ctx, sum_ctx, DatasetContext, Terms};
use tribute_core::digest::{dataset_id, Digest};
use tribute_core::head::{add, gradient, optimum, Weights};
use tribute_core::id::{AgentId, ShardDigest, WeightsDigest};
use tribute_core::layout::Layout;
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::schema::{Feature, Schema, Target};
use tribute_core::shape::Shape;
use tribute_core::I256;
use tribute_engine::field::from_core;
use tribute_engine::srs::Srs;
use tribute_inference::{train, LossOptions};

use super::tests::records;
use tribute_verify::Verifier;

use super::{Derived, Options};

const LAMBDA: u64 = 1 << 27;
const OWNER: [u8; 20] = [0xee; 20];
const AGENT: AgentId = AgentId::new([0xa9; 32]);
/// Shards of each dataset.
const SHARDS: [usize; 3] = [9, 2, 1];
const K: u32 = 10;

fn schema() -> Schema {
    let features = (0..5).map(|i| Feature { name: format!("f{i}"), lo: 0.0, hi: 1.0 }).collect();
    let classes = Target::Classes(["low", "mid", "high"].map(String::from).to_vec());
    Schema::new("tree".into(), features, classes, None).unwrap()
}

fn sum(parts: impl Into<Vec<Node<()>>>) -> Node<()> {
    Node::Sum(Sum { proof: (), parts: parts.into() })
}

fn shards(n: usize) -> Vec<Node<()>> {
    vec![Node::Shard; n]
}

/// Two joined slots for the first dataset, the first of them two sums deep; a sum; a shard.
fn tree() -> Vec<Node<()>> {
    vec![sum([sum(shards(3)), sum(shards(2)), Node::Shard]), sum(shards(3)), sum(shards(2)), Node::Shard]
}

/// What a forger does differently, with proofs that are all real.
#[derive(Clone, Copy, Default)]
struct Forgery {
    /// This shard's gradient is of weights that differ in one unit.
    other_weights: Option<usize>,
    /// This shard's gradient proof, and its place in the tree, are those of the shard before it.
    twice: Option<usize>,
    /// The optimum states one record more.
    one_record_more: bool,
}

type Gradient = (CommittedGroup, Vec<I256>);

struct Maker {
    schema: Schema,
    layout: Layout,
    srs: Srs,
    secret: Secret,
    chain: Chain,
    /// Keys by circuit.
    keys: Vec<Keys>,
}

impl Maker {
    fn new() -> Self {
        let schema = schema();
        let layout = schema.layout(K, 4).unwrap();
        let chain = Chain { chain_id: 0, ..Chain::default() };
        Maker { schema, layout, srs: Srs::development(K), secret: Secret::from_bytes([7; 32]), chain, keys: vec![] }
    }

    fn prove(&mut self, witness: &dyn StatementWitness, inputs: Vec<Fr>) -> Proof {
        let shape = witness.shape();
        let known = self.keys.iter().position(|k| k.shape() == shape);
        let i = known.unwrap_or_else(|| {
            self.keys.push(Keys::generate(&self.srs, shape).unwrap());
            self.keys.len() - 1
        });
        let proof = prove::prove(&self.srs, &self.keys[i], witness, inputs).unwrap();
        Proof::new(proof.input_words(), proof.bytes)
    }

    fn node(
        &mut self,
        node: &Node<()>,
        w: &CommittedGroup,
        leaves: &mut std::vec::IntoIter<(ShardDigest, Gradient)>,
    ) -> (Node, Gradient, Vec<ShardDigest>) {
        let Node::Sum(sum) = node else {
            let (digest, gradient) = leaves.next().unwrap();
            return (Node::Shard, gradient, vec![digest]);
        };
        let (mut parts, mut gradients, mut digests) = (vec![], vec![], vec![]);
        for part in &sum.parts {
            let (node, gradient, under) = self.node(part, w, leaves);
            parts.push(node);
            gradients.push(gradient);
            digests.extend(under);
        }
        let mut total = vec![I256::ZERO; self.layout.weights()];
        gradients.iter().for_each(|(_, g)| add(&mut total, g));
        let mut about: Vec<Digest> = digests.iter().map(|d| *d.as_bytes()).collect();
        about.push(w.digest());
        let group = commit_gradient(&self.srs, &self.layout, &self.secret, &about, &total);
        let groups: Vec<&CommittedGroup> = gradients.iter().map(|(group, _)| group).collect();
        let circuit = SumCircuit::new(Shape::sum(self.layout, groups.len()), &group, &groups);
        let ctx = sum_ctx(&self.chain.agents(), &OWNER, &WeightsDigest::new(w.digest()), &digests);
        let proof = self.prove(&circuit, vec![from_core(&ctx)]);
        (Node::Sum(Sum { proof, parts }), (group, total), digests)
    }

    fn parts(&mut self, tree: &[Node<()>], forgery: Forgery) -> Parts {
        let (layout, link) = (self.layout, Link::Squared);
        let data: Vec<Vec<Records>> = SHARDS
            .iter()
            .enumerate()
            .map(|(i, shards)| (0..*shards).map(|j| records(20, (10 * i + j) as u64)).collect())
            .collect();
        let flat: Vec<&Records> = data.iter().flatten().collect();
        let options = LossOptions { link, lambda: LAMBDA, reg_bias: true };
        let mut counted = flat.clone();
        if let Some(i) = forgery.twice {
            counted[i] = counted[i - 1]; // as many records: the optimum over them is a real one
        }
        let weights = train(&self.schema, &counted, &options, |_| {}).unwrap().weights;
        let mut moved = weights.values().to_vec();
        moved[4] += 1;
        let moved = Weights::new(layout.features(), layout.classes(), moved).unwrap();
        let w = commit_weights(&self.srs, &layout, &self.secret, &weights);
        let other = commit_weights(&self.srs, &layout, &self.secret, &moved);

        let (mut leaves, mut sums, mut ids, mut datasets) = (vec![], vec![], vec![], vec![]);
        let mut last: Option<(Proof, (ShardDigest, Gradient))> = None;
        for (i, shards) in data.iter().enumerate() {
            let (owner, terms) = ([i as u8 + 1; 20], Terms { min_data_bps: 5000, open_training: true });
            let (mut digests, mut proofs) = (vec![], vec![]);
            let mut sum = vec![I256::ZERO; layout.weights()];
            for (j, records) in shards.iter().enumerate() {
                let xy = commit_records(&self.srs, &layout, &self.secret, records).unwrap();
                let shard = ShardDigest::new(xy.digest());
                let ctx = DatasetContext {
                    domain: self.chain.datasets(),
                    owner,
                    schema: self.schema.id(),
                    layout: layout.hash(),
                    shard: j as u32,
                    shards: shards.len() as u32,
                    records: records.len() as u64,
                    terms: terms.hash(),
                };
                let circuit = DatasetCircuit::new(Shape::dataset(layout), &xy);
                let inputs = vec![from_core(&ctx.ctx()), circuit.count()];
                let dataset = self.prove(&circuit, inputs);
                let at = forgery.other_weights == Some(leaves.len());
                let (weights, of) = if at { (&moved, &other) } else { (&weights, &w) };
                let g = gradient(&layout, link, weights, records).unwrap();
                let group = commit_gradient(&self.srs, &layout, &self.secret, &[xy.digest(), w.digest()], &g);
                let circuit = GradientCircuit::new(Shape::gradient(layout, link), &xy, of, &group).unwrap();
                let ctx = gradient_ctx(&self.chain.agents(), &OWNER, &WeightsDigest::new(w.digest()), &shard);
                let mut made = (self.prove(&circuit, vec![from_core(&ctx)]), (shard, (group, g)));
                if forgery.twice == Some(leaves.len()) {
                    made = last.clone().unwrap();
                }
                last = Some(made.clone());
                let (gradient, leaf) = made;
                add(&mut sum, &leaf.1 .1);
                // what the tree is said to be over does not change
                leaves.push((shard, leaf.1));
                digests.push(shard);
                proofs.push(ShardParts { dataset, gradient });
            }
            let count = shards.iter().map(|r| r.len() as u64).sum();
            ids.push(dataset_id(&self.schema.id(), &layout.hash(), count, &digests));
            sums.push(sum);
            datasets.push(DatasetParts { owner, terms, shards: proofs });
        }
        let n = flat.iter().map(|r| r.len() as u64).sum::<u64>() + u64::from(forgery.one_record_more);
        let numbers = optimum(&layout, true, &weights, &sums, n, LAMBDA).unwrap();
        let mut starts = vec![];
        let (mut proven, mut slots, mut at) = (vec![], vec![], 0);
        let mut leaves = leaves.into_iter();
        for node in tree {
            starts.push(at);
            at += node.shards();
            let (node, gradient, _) = self.node(node, &w, &mut leaves);
            proven.push(node);
            slots.push(gradient);
        }
        let firsts = [0, SHARDS[0], SHARDS[0] + SHARDS[1]];
        let active: Vec<Slot<'_>> = slots
            .iter()
            .zip(&starts)
            .map(|((group, gradient), start)| Slot { group, gradient, joined: !firsts.contains(start) })
            .collect();
        let unused: Vec<CommittedGroup> = (slots.len()..8)
            .map(|slot| commit_unused_slot(&self.srs, &layout, &self.secret, &w.digest(), slot))
            .collect();
        let circuit = OptimumCircuit::new(Shape::optimum(layout, true), &w, &weights, &active, &unused, &numbers);
        let ctx = optimum_ctx(&self.chain.agents(), &AGENT, 1, &WeightsDigest::new(w.digest()), &ids);
        let inputs = circuit.public_inputs(from_core(&ctx));
        Parts {
            chain: self.chain,
            srs: SrsName { digest: self.srs.digest(), development: true },
            schema: self.schema.clone(),
            layout,
            link,
            reg_bias: true,
            agent: AGENT,
            version: 1,
            owner: OWNER,
            datasets,
            tree: Some(proven),
            optimum: self.prove(&circuit, inputs),
        }
    }
}

fn maker() -> &'static Mutex<Maker> {
    static MAKER: OnceLock<Mutex<Maker>> = OnceLock::new();
    MAKER.get_or_init(|| Mutex::new(Maker::new()))
}

fn made(forgery: Forgery) -> Parts {
    maker().lock().unwrap_or_else(std::sync::PoisonError::into_inner).parts(&tree(), forgery)
}

fn honest() -> &'static Parts {
    static MADE: OnceLock<Parts> = OnceLock::new();
    MADE.get_or_init(|| made(Forgery::default()))
}

fn certificate() -> Certificate {
    honest().clone().assemble().unwrap()
}

fn refusal(json: &str) -> String {
    static VERIFIER: OnceLock<Mutex<Verifier<Derived>>> = OnceLock::new();
    let options = Options { allow_dev_srs: true, srs: None };
    let verifier = VERIFIER.get_or_init(|| Mutex::new(Verifier::new(Derived::new(options))));
    match verifier.lock().unwrap_or_else(std::sync::PoisonError::into_inner).verify(json.as_bytes()) {
        Ok(_) => "accepted".into(),
        Err(e) => e.to_string(),
    }
}

/// The refusal of the file after a change, its checksum made to fit.
fn changed(change: impl FnOnce(&mut Certificate)) -> String {
    let mut c = certificate();
    change(&mut c);
    c.checksum = Hex(c.expected_checksum());
    refusal(&c.to_json())
}

fn sum_at<'a>(node: &'a mut Node, path: &[usize]) -> &'a mut Sum {
    let Node::Sum(sum) = node else { panic!("a shard") };
    match path {
        [] => sum,
        [first, rest @ ..] => sum_at(&mut sum.parts[*first], rest),
    }
}

fn slot(c: &mut Certificate, p: usize) -> &mut Node {
    &mut c.tree.as_mut().unwrap()[p]
}

#[test]
fn twelve_shards_under_one_optimum() {
    let c = certificate();
    assert_eq!((c.format.as_str(), c.proven.len()), (TREE_FORMAT, 6));
    let json = c.to_json();
    assert_eq!(Certificate::from_json(json.as_bytes()).unwrap(), c);
    let report =
        Verifier::new(Derived::new(Options { allow_dev_srs: true, srs: None })).verify(json.as_bytes()).unwrap();
    assert_eq!(report.proofs(), 2 * 12 + 5 + 1);
    assert!(report.relative_distance().unwrap() <= 1e-3);
    let whole: i64 = report.certificate().datasets.iter().map(|d| d.share).sum();
    assert!((whole - (1 << 20)).abs() < 1100, "{whole}");
    assert!(report.to_string().contains("leaves of the tree"));
}

#[test]
fn gradient_of_other_weights_in_a_tree() {
    // every proof is real, the optimum holds: only the leaf's W group tells
    for leaf in [0, 8, 11] {
        let error = made(Forgery { other_weights: Some(leaf), ..Forgery::default() }).assemble().unwrap_err();
        let CertificateError::Field { fields, reason } = error else { panic!("{error}") };
        let (i, j) = if leaf < 9 { (0, leaf) } else { (2, leaf - 11) };
        let expected = format!("datasets[{i}].shards[{j}].gradient_proof.bytes");
        assert!(fields.contains(&expected) && reason.contains("is of weights"), "{fields:?} {reason}");
    }
}

#[test]
fn shard_twice_in_a_tree() {
    // the second shard's place is taken by the first one's gradient, with its proof
    for leaf in [1, 10] {
        let error = made(Forgery { twice: Some(leaf), ..Forgery::default() }).assemble().unwrap_err().to_string();
        let (i, j) = if leaf < 9 { (0, leaf) } else { (1, leaf - 9) };
        // the leaf's gradient is of another shard than the one listed there
        assert!(error.contains(&format!("datasets[{i}].shards[{j}]")), "{error}");
        assert!(error.contains("the proof's records have digest"), "{error}");
    }
    let refusal = changed(|c| c.datasets[0].shards[1] = c.datasets[0].shards[0].clone());
    assert!(refusal.contains("the same shard stands twice"), "{refusal}");
}

#[test]
fn shard_left_out_of_a_tree() {
    // of the tree
    let refusal = changed(|c| drop(sum_at(slot(c, 1), &[]).parts.pop()));
    assert!(refusal.starts_with("tree: 11 leaves, the datasets have 12 shards"), "{refusal}");
    // of the dataset too
    let refusal = changed(|c| {
        drop(sum_at(slot(c, 1), &[]).parts.pop());
        drop(c.datasets[0].shards.pop());
    });
    assert!(refusal != "accepted" && (refusal.contains("tree[1]") || refusal.contains("datasets[0]")), "{refusal}");
    // a whole slot with its dataset
    let refusal = changed(|c| {
        c.tree.as_mut().unwrap().pop();
        c.datasets.pop();
    });
    assert!(refusal.contains("optimum.proof"), "{refusal}");
}

#[test]
fn junk_beyond_a_sum_s_parts() {
    // a sum has no unused slots: parts that are not listed are of another circuit
    let refusal = changed(|c| {
        let sum = sum_at(slot(c, 0), &[0]);
        let dropped = sum.parts.pop().unwrap();
        sum_at(slot(c, 0), &[]).parts.push(dropped);
    });
    assert!(refusal.contains("tree[0]"), "{refusal}");
    // listed in a place that the proof above does not have
    let refusal = changed(|c| {
        let sum = sum_at(slot(c, 1), &[]);
        sum.parts = vec![Node::Sum(Sum { proof: sum.proof.clone(), parts: sum.parts.clone() })];
    });
    assert!(refusal.contains("tree[1].sum.parts") && refusal.contains("1 parts"), "{refusal}");
    // the optimum's unused slots: its flags are compared
    let refusal = changed(|c| c.optimum.proof.inputs[5 + 4].0[31] = 1);
    assert!(refusal.contains("optimum.proof.inputs[9]"), "{refusal}");
}

#[test]
fn n_off_by_one_in_a_tree() {
    let error = made(Forgery { one_record_more: true, ..Forgery::default() }).assemble().unwrap_err().to_string();
    assert!(error.contains("optimum.records"), "{error}");
}

#[test]
fn sums_in_other_places() {
    // two sums of one size exchanged, two parts exchanged
    let refusal = changed(|c| {
        let deep = sum_at(slot(c, 0), &[0]).proof.clone();
        sum_at(slot(c, 1), &[]).proof = deep;
    });
    assert!(refusal.contains("tree[1]") || refusal.contains("tree[0]"), "{refusal}");
    let refusal = changed(|c| sum_at(slot(c, 0), &[]).parts.swap(0, 1));
    assert!(refusal.contains("tree[0]"), "{refusal}");
    let refusal = changed(|c| c.tree.as_mut().unwrap().swap(0, 1));
    assert!(refusal.contains("tree"), "{refusal}");
    // another agent's sum
    let refusal = changed(|c| sum_at(slot(c, 2), &[]).proof.inputs[0].0[31] ^= 1);
    assert!(refusal.starts_with("tree[2].sum.proof.inputs[0], "), "{refusal}");
    // a slot with shards of two datasets
    let refusal = changed(|c| {
        let tree = c.tree.as_mut().unwrap();
        let last = tree.pop().unwrap();
        sum_at(&mut tree[2], &[]).parts.push(last);
    });
    assert!(refusal.contains("tree[2]") && refusal.contains("several datasets"), "{refusal}");
}

#[test]
fn every_byte_of_a_sum_counts() {
    let length = certificate().tree.unwrap()[0].sums()[0].proof.bytes.0.len();
    for at in (0..length).step_by(31).chain([length - 1]) {
        let refusal = changed(|c| sum_at(slot(c, 0), &[0]).proof.bytes.0[at] ^= 1);
        assert!(refusal.contains("tree[0].sum"), "byte {at}: {refusal}");
    }
    for change in [-1i64, 1] {
        let refusal = changed(|c| {
            let bytes = &mut sum_at(slot(c, 2), &[]).proof.bytes.0;
            bytes.resize((bytes.len() as i64 + change) as usize, 0);
        });
        assert!(refusal.starts_with("tree[2].sum.proof.bytes"), "{refusal}");
    }
}

#[test]
fn direct_and_tree_are_told_apart() {
    let unknown = refusal(&certificate().to_json().replacen("\"shard\"", "\"leaf\"", 1));
    assert!(unknown.starts_with("tree["), "a node of no kind: {unknown}");
    let refusal = changed(|c| c.format = "tribute-certificate/1".into());
    assert!(refusal.starts_with("format: "), "{refusal}");
    let refusal = changed(|c| c.tree = None);
    assert!(refusal.contains("12 shards in all; a direct certificate has 1 to 8"), "{refusal}");
    let refusal = changed(|c| {
        c.datasets.truncate(1);
        c.datasets[0].shards.truncate(2);
        c.tree = Some(vec![Node::Shard, Node::Shard]);
    });
    assert!(refusal.contains("a direct certificate has no tree"), "{refusal}");
}
