//! Certificates for tests, with real proofs, and forgeries assembled from real proofs.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock};

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
use tribute_testing::threads::on_all_cores;

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

/// Makes certificate parts for one layout. Keys, the commitments of shards, and proofs of one statement about the same
/// columns are made once.
pub(super) struct Maker {
    pub(super) layout: Layout,
    pub(super) link: Link,
    chain: Chain,
    pub(super) srs: Srs,
    keys: Kept<Shape, Arc<Keys>>,
    /// By the records' bytes.
    shards: Kept<Vec<u8>, CommittedGroup>,
    /// By circuit, and by public inputs and commitments.
    proofs: Kept<(Shape, Vec<u8>), FileProof>,
}

/// Values that are made once for each key. Who asks for one that is being made waits for it.
struct Kept<K, V>(Mutex<HashMap<K, Arc<OnceLock<V>>>>);

impl<K: Eq + Hash, V: Clone> Kept<K, V> {
    fn none() -> Self {
        Kept(Mutex::new(HashMap::new()))
    }

    fn get(&self, key: K, make: impl FnOnce() -> V) -> V {
        let value = self.0.lock().unwrap().entry(key).or_default().clone();
        value.get_or_init(make).clone()
    }
}

/// A shard of a certificate's dataset: its proofs, and its gradient.
struct Counted {
    digest: ShardDigest,
    proofs: ShardParts,
    gradient: Vec<I256>,
    committed: CommittedGroup,
}

impl Maker {
    /// The maker for these, the same one for whoever asks.
    pub(super) fn of(layout: Layout, link: Link, chain: Chain) -> &'static Self {
        static MAKERS: Mutex<Vec<&'static Maker>> = Mutex::new(Vec::new());
        let mut makers = MAKERS.lock().unwrap();
        let known = makers.iter().copied().find(|m| (m.layout, m.link, m.chain) == (layout, link, chain));
        known.unwrap_or_else(|| {
            let srs = Srs::development(layout.k());
            let (keys, shards, proofs) = (Kept::none(), Kept::none(), Kept::none());
            let maker: &'static Maker = Box::leak(Box::new(Maker { layout, link, chain, srs, keys, shards, proofs }));
            makers.push(maker);
            maker
        })
    }

    /// Commits to a shard.
    pub(super) fn commit(&self, records: &Records) -> CommittedGroup {
        let commit = || commit_records(&self.srs, &self.layout, &Secret::from_bytes(SECRET), records).unwrap();
        self.shards.get(records.to_bytes(), commit)
    }

    pub(super) fn prove(&self, witness: &dyn StatementWitness, inputs: Vec<Fr>) -> FileProof {
        let shape = witness.shape();
        let mut stated: Vec<u8> = inputs.iter().flat_map(word).collect();
        stated.extend(CommittedGroup { columns: witness.committed() }.points());
        self.proofs.get((shape.clone(), stated), || {
            let keys = self.keys.get(shape.clone(), || Arc::new(Keys::generate(&self.srs, shape).unwrap()));
            let proof = prove::prove(&self.srs, &keys, witness, inputs).unwrap();
            FileProof::new(proof.input_words(), proof.bytes)
        })
    }

    /// Proves that the shard at this position of its dataset is well formed.
    pub(super) fn dataset(&self, (owner, terms): (Address, Terms), shard: usize, xy: &CommittedGroup) -> FileProof {
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
    pub(super) fn make(&self, data: Vec<(Terms, Vec<Records>)>) -> Made {
        self.forge(data, Forgery::default())
    }

    /// The same, with a forgery.
    pub(super) fn forge(&self, data: Vec<(Terms, Vec<Records>)>, forgery: Forgery) -> Made {
        let (layout, link, secret) = (self.layout, self.link, Secret::from_bytes(SECRET));
        let mut trained: Vec<&Records> = data.iter().flat_map(|(_, shards)| shards).collect();
        let n = u64::from(forgery.one_record_more) + trained.iter().map(|r| r.len() as u64).sum::<u64>();
        if let Some(i) = forgery.twice {
            trained[i] = trained[i - 1]; // as many records: the optimum over them is a real one
        }
        let options = LossOptions { link, lambda: LAMBDA, intercept_scale: layout.intercept_scale() };
        let weights = train(&schema(), &trained, &options, |_| {}).unwrap().weights;
        let mut moved = weights.values().to_vec();
        moved[4] += 1;
        let moved = Weights::new(layout.features(), layout.classes(), moved).unwrap();
        let moved = moved.with_intercept_scale(layout.intercept_scale());
        let w = commit_weights(&self.srs, &layout, &secret, &weights);
        let other = commit_weights(&self.srs, &layout, &secret, &moved);
        let of = WeightsDigest::new(w.digest());

        let of_dataset = |(i, (_, shards)): (usize, &(Terms, Vec<Records>))| (0..shards.len()).map(move |j| (i, j));
        let places: Vec<(usize, usize)> = data.iter().enumerate().flat_map(of_dataset).collect();
        let moved_at = forgery.other_weights.map(|at| places[at]);
        let counted = on_all_cores(&places, |place| {
            let (i, j) = *place;
            let (terms, shards) = &data[i];
            let xy = self.commit(&shards[j]);
            // datasets change hands before each extension
            let owner = [(16 * i + j) as u8 + 1; 20];
            let dataset = self.dataset((owner, *terms), j, &xy);
            let (values, group) = if moved_at == Some(*place) { (&moved, &other) } else { (&weights, &w) };
            let g = gradient(&layout, link, values, &shards[j]).unwrap();
            let committed = commit_gradient(&self.srs, &layout, &secret, &[xy.digest(), w.digest()], &g);
            let circuit = GradientCircuit::new(Shape::gradient(layout, link), &xy, group, &committed).unwrap();
            let digest = ShardDigest::new(xy.digest());
            let ctx = gradient_ctx(&self.chain.agents(), &AGENT_OWNER, &of, &digest);
            let proof = self.prove(&circuit, circuit.public_inputs(from_core(&ctx)));
            let proofs = ShardParts { owner, dataset, gradient: proof };
            Counted { digest, proofs, gradient: g, committed }
        });
        let summed = |at: usize| &counted[if forgery.twice == Some(at) { at - 1 } else { at }];
        let mut total = vec![I256::ZERO; layout.weights()];
        for at in 0..counted.len() {
            add(&mut total, &summed(at).gradient);
        }
        let sum = sum_gradients((0..counted.len()).map(|at| &summed(at).committed));

        let (mut ids, mut datasets) = (Vec::<DatasetId>::new(), vec![]);
        let mut counted = counted.into_iter();
        for (terms, shards) in &data {
            let own = counted.by_ref().take(shards.len()).map(|shard| (shard.digest, shard.proofs));
            let (digests, proofs): (Vec<ShardDigest>, Vec<ShardParts>) = own.unzip();
            let count = shards.iter().map(|r| r.len() as u64).sum();
            ids.push(dataset_id(&schema().id(), &layout.hash(), count, &digests));
            datasets.push(DatasetParts { terms: *terms, shards: proofs });
        }
        let numbers = optimum(&layout, &weights, &total, n, LAMBDA).unwrap();
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
