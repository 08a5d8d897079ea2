//! Certificates for tests, with real proofs, and forgeries assembled from real proofs.

use halo2_proofs::halo2curves::bn256::Fr;
use rand::{Rng, SeedableRng};
use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::columns::{
    commit_gradient, commit_records, commit_weights, sum_gradients, CommittedGroup, Secret,
};
use tribute_circuits::keys::Keys;
use tribute_circuits::prove;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_circuits::statements::optimum::OptimumCircuit;
use tribute_core::certificate::{Chain, DatasetParts, FileProof, Parts, ShardParts, SrsName};
use tribute_core::context::{gradient_ctx, list_hash, optimum_ctx, Address, DatasetContext, Terms};
use tribute_core::digest::dataset_id;
use tribute_core::head::{add, gradient, optimum, Weights};
use tribute_core::id::{AgentId, DatasetId, ShardDigest, WeightsDigest};
use tribute_core::layout::Layout;
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::schema::{Feature, Schema, Target};
use tribute_core::shape::Shape;
use tribute_core::I256;
use tribute_engine::field::{from_core, word};
use tribute_engine::srs::Srs;
use tribute_inference::train::{train, LossOptions};

const AGENT: AgentId = AgentId::new([0xa9; 32]);
const AGENT_OWNER: Address = [0xa0; 20];
pub(super) const LAMBDA: u64 = 1 << 38; // 2^-6
/// Column secret shared by the providers and the agent's owner.
pub(super) const SECRET: [u8; 32] = [7; 32];

/// A schema whose name and labels attempt an HTML injection, as a hostile provider's would.
pub(crate) fn schema() -> Schema {
    let features = (0..5).map(|i| Feature { name: format!("f{i}"), lo: 0.0, hi: 255.0 }).collect();
    let labels = ["red", "</td><img src=x onerror=alert(1)>", "blue & \"grey\""].map(str::to_owned).to_vec();
    Schema::new("colours<script>alert(1)</script>".into(), features, Target::Classes(labels), None).unwrap()
}

/// Records whose first features reveal their class.
pub(super) fn records(n: usize, seed: u64) -> Records {
    labelled(n, seed, |class| class)
}

/// Records with a label other than the one that their features reveal.
pub(super) fn mislabelled(n: usize, seed: u64) -> Records {
    labelled(n, seed, |class| (class + 1) % 3)
}

fn labelled(n: usize, seed: u64, label: impl Fn(u16) -> u16) -> Records {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(seed);
    let mut records = Records::new(5);
    for _ in 0..n {
        let class = rng.gen_range(0..3u16);
        let features: Vec<u8> = (0..5u16).map(|i| rng.gen_range(0..150u8) + if i == class { 100 } else { 0 }).collect();
        records.push(&features, label(class));
    }
    records
}

/// A forgery made of real proofs. Shards are numbered across all datasets.
#[derive(Clone, Copy, Default)]
pub(super) struct Forgery {
    /// This shard's gradient is at weights that differ by one unit.
    pub(super) other_weights: Option<usize>,
    /// The optimum counts the previous shard's gradient twice, and this shard's not at all.
    pub(super) twice: Option<usize>,
    /// The optimum states one record too many.
    pub(super) one_record_more: bool,
}

/// The parts of a certificate, and the agent's committed weights.
pub(super) struct Made {
    pub(super) parts: Parts,
    pub(super) weights: CommittedGroup,
}

/// Makes certificate parts for one layout.
pub(super) struct Maker {
    pub(super) layout: Layout,
    pub(super) link: Link,
    chain: Chain,
    pub(super) srs: Srs,
    /// Keys generated so far, one for each shape.
    keys: Vec<Keys>,
}

impl Maker {
    pub(super) fn new(layout: Layout, link: Link, chain: Chain) -> Self {
        Maker { layout, link, chain, srs: Srs::development(layout.k()), keys: vec![] }
    }

    pub(super) fn prove(&mut self, witness: &dyn StatementWitness, inputs: Vec<Fr>) -> FileProof {
        let shape = witness.shape();
        let known = self.keys.iter().position(|k| k.shape() == shape);
        let i = known.unwrap_or_else(|| {
            self.keys.push(Keys::generate(&self.srs, shape).unwrap());
            self.keys.len() - 1
        });
        let proof = prove::prove(&self.srs, &self.keys[i], witness, inputs).unwrap();
        FileProof::new(proof.input_words(), proof.bytes)
    }

    /// Proves that the shard at this position of its dataset is well formed.
    pub(super) fn dataset(&mut self, (owner, terms): (Address, Terms), shard: usize, xy: &CommittedGroup) -> FileProof {
        let circuit = DatasetCircuit::new(Shape::dataset(self.layout), xy);
        let count = word(&circuit.count());
        let ctx = DatasetContext {
            domain: self.chain.datasets(),
            owner,
            schema: schema().id(),
            layout: self.layout.hash(),
            shard: shard as u32,
            records: u64::from_be_bytes(count[24..].try_into().unwrap()),
            terms: terms.hash(),
        };
        let inputs = vec![from_core(&ctx.ctx()), circuit.count()];
        self.prove(&circuit, inputs)
    }

    /// Trains on datasets, given as shards, and proves everything.
    pub(super) fn make(&mut self, data: Vec<(Terms, Vec<Records>)>) -> Made {
        self.forge(data, Forgery::default())
    }

    /// The same, with a forgery.
    pub(super) fn forge(&mut self, data: Vec<(Terms, Vec<Records>)>, forgery: Forgery) -> Made {
        let (layout, link, secret) = (self.layout, self.link, Secret::from_bytes(SECRET));
        let mut counted: Vec<&Records> = data.iter().flat_map(|(_, shards)| shards).collect();
        if let Some(i) = forgery.twice {
            counted[i] = counted[i - 1]; // as many records: the optimum over them is a real one
        }
        let options = LossOptions { link, lambda: LAMBDA, intercept_scale: layout.intercept_scale() };
        let weights = train(&schema(), &counted, &options, |_| {}).unwrap().weights;
        let mut moved = weights.values().to_vec();
        moved[4] += 1;
        let moved = Weights::new(layout.features(), layout.classes(), moved).unwrap();
        let moved = moved.with_intercept_scale(layout.intercept_scale());
        let w = commit_weights(&self.srs, &layout, &secret, &weights);
        let other = commit_weights(&self.srs, &layout, &secret, &moved);
        let of = WeightsDigest::new(w.digest());

        let (mut gradients, mut ids, mut datasets) = (vec![], Vec::<DatasetId>::new(), vec![]);
        let mut total = vec![I256::ZERO; layout.weights()];
        let mut n = u64::from(forgery.one_record_more);
        let mut last: Option<(CommittedGroup, Vec<I256>)> = None;
        for (i, (terms, shards)) in data.iter().enumerate() {
            let (mut digests, mut proofs) = (vec![], vec![]);
            for (j, records) in shards.iter().enumerate() {
                let xy = commit_records(&self.srs, &layout, &secret, records).unwrap();
                let shard = ShardDigest::new(xy.digest());
                // datasets change hands before each extension
                let owner = [(16 * i + j) as u8 + 1; 20];
                let dataset = self.dataset((owner, *terms), j, &xy);
                let at = gradients.len();
                let (values, group) = if forgery.other_weights == Some(at) { (&moved, &other) } else { (&weights, &w) };
                let g = gradient(&layout, link, values, records).unwrap();
                let committed = commit_gradient(&self.srs, &layout, &secret, &[xy.digest(), w.digest()], &g);
                let circuit = GradientCircuit::new(Shape::gradient(layout, link), &xy, group, &committed).unwrap();
                let ctx = gradient_ctx(&self.chain.agents(), &AGENT_OWNER, &of, &shard);
                let gradient = self.prove(&circuit, circuit.public_inputs(from_core(&ctx)));
                let own = (committed, g);
                let (committed, g) = match (forgery.twice == Some(at), &last) {
                    (true, Some(last)) => last.clone(),
                    _ => own.clone(),
                };
                last = Some(own);
                add(&mut total, &g);
                gradients.push(committed);
                n += records.len() as u64;
                digests.push(shard);
                proofs.push(ShardParts { owner, dataset, gradient });
            }
            let count = shards.iter().map(|r| r.len() as u64).sum();
            ids.push(dataset_id(&schema().id(), &layout.hash(), count, &digests));
            datasets.push(DatasetParts { terms: *terms, shards: proofs });
        }
        let numbers = optimum(&layout, &weights, &total, n, LAMBDA).unwrap();
        let sum = sum_gradients(&gradients);
        let circuit = OptimumCircuit::new(Shape::optimum(layout), &w, &weights, &sum, &numbers);
        let ctx = optimum_ctx(&self.chain.agents(), &AGENT, 1, &of, &list_hash(ids));
        let optimum = self.prove(&circuit, circuit.public_inputs(from_core(&ctx)));
        let parts = Parts {
            chain: self.chain,
            srs: SrsName { digest: self.srs.digest(), development: true },
            schema: schema(),
            layout,
            link,
            agent: AGENT,
            version: 1,
            owner: AGENT_OWNER,
            datasets,
            optimum,
        };
        Made { parts, weights: w }
    }
}
