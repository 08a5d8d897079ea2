//! A whole certificate over many records, in one process: from a CSV of standardised values to the file that is verified
//! offline. Prints one line of JSON: seconds by step, peak memory. `benches/run.py` runs the largest shapes that are promised.

use std::fmt::Write as _;

use clap::Parser;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde_json::json;
use tribute_benches::calibration_ms;
use tribute_benches::usage::{peak_rss_mb, Clock};
use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::columns::{commit_gradient, commit_records, commit_weights, sum_gradients, Secret};
use tribute_circuits::error::ProveError;
use tribute_circuits::keys::{verifying_key, Keys};
use tribute_circuits::prove::prove;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_circuits::statements::optimum::OptimumCircuit;
use tribute_core::certificate::{Chain, DatasetParts, FileProof, Hex, Parts, ShardParts, SrsName};
use tribute_core::context::{gradient_ctx, list_hash, optimum_ctx, DatasetContext, Terms};
use tribute_core::digest::dataset_id;
use tribute_core::head::{add, gradient, lambda_units, optimum};
use tribute_core::id::{AgentId, ShardDigest, SrsDigest, WeightsDigest};
use tribute_core::link::Link;
use tribute_core::numbers::{real, LAMBDA_BITS, NORM_BITS};
use tribute_core::shape::Shape;
use tribute_core::srs::SrsPoints;
use tribute_core::I256;
use tribute_engine::field::from_core;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::srs::Srs;
use tribute_inference::{check_optimum, train, LossOptions};
use tribute_records::{Options, Predicts, Range, Source};
use tribute_verify::{Trust, Verifier, VerifyingKey};

type Failure = Box<dyn std::error::Error>;

const OFF_CHAIN: Chain = Chain { chain_id: 0, dataset_registry: Hex([0; 20]), agent_registry: Hex([0; 20]) };
const OWNER: [u8; 20] = [1; 20];

/// Makes and verifies a certificate over pseudo-random standardised records, under scikit-learn's default of C = 1.
#[derive(Parser)]
struct Args {
    /// Records.
    #[arg(long)]
    records: usize,
    /// Features.
    #[arg(long)]
    features: usize,
    /// Classes.
    #[arg(long)]
    classes: usize,
    /// 2^k rows.
    #[arg(long, default_value_t = 15)]
    k: u32,
    /// Data columns; by default as many as fit the features and classes best.
    #[arg(long)]
    columns: Option<usize>,
    /// The bias's feature is 2^s.
    #[arg(long, default_value_t = 3)]
    intercept_scale: u32,
    /// scikit-learn's C on standardised features.
    #[arg(long = "c", default_value_t = 1.0)]
    strength: f64,
}

/// Who checks offline: keys are derived, as `tribute verify` does.
struct Derived(Srs);

impl Trust for Derived {
    type Error = ProveError;
    fn accepts_development_srs(&self) -> bool {
        true
    }
    fn srs(&mut self, _: u32, _: &SrsDigest) -> Result<SrsPoints, ProveError> {
        Ok(self.0.points())
    }
    fn verifying_key(&mut self, shape: &Shape, _: &SrsDigest) -> Result<VerifyingKey, ProveError> {
        verifying_key(&self.0, shape)
    }
}

/// Standard normal features; the class is drawn by a softmax of random weights on them.
fn csv(a: &Args) -> String {
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let mut normal = || {
        let (u, v): (f64, f64) = (rng.gen_range(f64::MIN_POSITIVE..1.0), rng.gen());
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos(), v)
    };
    let truth: Vec<f64> = (0..a.features * a.classes).map(|_| 0.5 * normal().0).collect();
    let mut text = String::new();
    for _ in 0..a.records {
        let x: Vec<f64> = (0..a.features).map(|_| normal().0).collect();
        let score = |u: usize, gumbel: f64| {
            let own = truth[u * a.features..(u + 1) * a.features].iter().zip(&x).map(|(w, x)| w * x).sum::<f64>();
            own - (-gumbel.ln()).ln()
        };
        let scores: Vec<f64> = (0..a.classes).map(|u| score(u, normal().1.clamp(1e-12, 1.0 - 1e-12))).collect();
        let class = (0..a.classes).max_by(|i, j| scores[*i].total_cmp(&scores[*j])).unwrap_or(0);
        x.iter().for_each(|x| {
            let _ = write!(text, "{x:.6},");
        });
        let _ = writeln!(text, "{class}");
    }
    text
}

fn main() -> Result<(), Failure> {
    let a = Args::parse();
    let calibration_ms = calibration_ms();
    let mut clock = Clock::start();
    let options = Options { header: Some(false), ..Options::default() };
    let source = Source::from_bytes("standard.csv", csv(&a).into_bytes(), &options)?;
    clock.lap();
    let schema = source.infer("standard", Predicts::Classes, Range::Standard, &options)?.into_schema()?;
    let records = source.records(&schema, &options)?.into_records()?;
    drop(source);
    let read = clock.lap();

    let columns = a.columns.unwrap_or_else(|| schema.fitting_columns());
    let layout = schema.layout(a.k, columns)?.with_intercept_scale(a.intercept_scale)?;
    // a step of 1/256 is 8σ/255: weights are eight times as large, and λ a sixty-fourth
    let lambda = lambda_units(1.0 / ((2.0 * Range::DEVIATIONS).powi(2) * a.strength * a.records as f64))?;
    let loss = LossOptions { link: Link::Softmax, lambda, intercept_scale: a.intercept_scale };
    let trained = train(&schema, &[&records], &loss, |_| ())?;
    let weights = trained.weights;
    let fit = clock.lap();
    let report = check_optimum(&schema, &layout, &weights, &[&records], &loss)?;
    let check = clock.lap();

    let (srs, secret) = (Srs::development(a.k), Secret::from_bytes([1; 32]));
    let shapes = [Shape::dataset(layout), Shape::gradient(layout, loss.link), Shape::optimum(layout)];
    let [data, slope, best] = shapes.map(|shape| Keys::generate(&srs, &shape));
    let (data, slope, best) = (data?, slope?, best?);
    let keys = clock.lap();
    let made = |keys: &Keys, witness: &dyn StatementWitness, inputs: Vec<Fr>| -> Result<FileProof, Failure> {
        let proof = prove(&srs, keys, witness, inputs)?;
        Ok(FileProof::new(proof.input_words(), proof.bytes))
    };
    let terms = Terms::default();
    let w = commit_weights(&srs, &layout, &secret, &weights);
    let of = WeightsDigest::new(w.digest());
    let (mut shards, mut digests, mut gradients) = (Vec::new(), Vec::new(), Vec::new());
    let mut total = vec![I256::ZERO; layout.weights()];
    let (mut dataset_seconds, mut gradient_seconds) = (0.0, 0.0);
    for (j, start) in (0..records.len()).step_by(layout.capacity()).enumerate() {
        let part = records.slice(start..(start + layout.capacity()).min(records.len()));
        let xy = commit_records(&srs, &layout, &secret, &part)?;
        let digest = ShardDigest::new(xy.digest());
        let circuit = DatasetCircuit::new(Shape::dataset(layout), &xy);
        let ctx = DatasetContext {
            domain: OFF_CHAIN.datasets(),
            owner: OWNER,
            schema: schema.id(),
            layout: layout.hash(),
            shard: j as u32,
            records: part.len() as u64,
            terms: terms.hash(),
        };
        let dataset = made(&data, &circuit, vec![from_core(&ctx.ctx()), circuit.count()])?;
        dataset_seconds += clock.lap();
        let g = gradient(&layout, loss.link, &weights, &part)?;
        let committed = commit_gradient(&srs, &layout, &secret, &[xy.digest(), w.digest()], &g);
        let circuit = GradientCircuit::new(Shape::gradient(layout, loss.link), &xy, &w, &committed)?;
        let ctx = gradient_ctx(&OFF_CHAIN.agents(), &OWNER, &of, &digest);
        let gradient = made(&slope, &circuit, circuit.public_inputs(from_core(&ctx)))?;
        gradient_seconds += clock.lap();
        add(&mut total, &g);
        gradients.push(committed);
        digests.push(digest);
        shards.push(ShardParts { owner: OWNER, dataset, gradient });
    }
    let n = records.len() as u64;
    let numbers = optimum(&layout, &weights, &total, n, lambda)?;
    let sum = sum_gradients(&gradients);
    let circuit = OptimumCircuit::new(Shape::optimum(layout), &w, &weights, &sum, &numbers);
    let id = dataset_id(&schema.id(), &layout.hash(), n, &digests);
    let ctx = optimum_ctx(&OFF_CHAIN.agents(), &AgentId::ZERO, 1, &of, &list_hash([id]));
    let proof = made(&best, &circuit, circuit.public_inputs(from_core(&ctx)))?;
    let optimum_seconds = clock.lap();

    let parts = Parts {
        chain: OFF_CHAIN,
        srs: SrsName { digest: srs.digest(), development: true },
        schema,
        layout,
        link: loss.link,
        agent: AgentId::ZERO,
        version: 1,
        owner: OWNER,
        datasets: vec![DatasetParts { terms, shards }],
        optimum: proof,
    };
    let file = parts.assemble()?.to_json();
    let proving_rss_mb = peak_rss_mb();
    clock.lap();
    let verified = Verifier::new(Derived(srs)).verify(file.as_bytes()).map_err(|e| e.to_string())?;
    let verify = clock.lap();
    println!(
        "{}",
        json!({
            "records": a.records, "features": a.features, "classes": a.classes, "k": a.k, "columns": columns,
            "intercept_scale": a.intercept_scale, "calibration_ms": calibration_ms, "shards": digests.len(),
            "lambda": real(lambda, LAMBDA_BITS),
            "norm": numbers.norm as f64 / f64::from(1u32 << NORM_BITS),
            "epsilon_in_delta": numbers.epsilon as f64 / report.link_error as f64,
            "relative_distance": verified.relative_distance(), "newton_steps": trained.steps,
            "proofs": verified.proofs(), "certificate_bytes": file.len(),
            "read_seconds": read, "fit_seconds": fit, "check_seconds": check, "keys_seconds": keys,
            "dataset_seconds": dataset_seconds, "gradient_seconds": gradient_seconds,
            "optimum_seconds": optimum_seconds, "verify_seconds": verify,
            "seconds": read + fit + check + keys + dataset_seconds + gradient_seconds + optimum_seconds,
            "peak_rss_mb": proving_rss_mb, "threads": std::thread::available_parallelism().map_or(0, usize::from),
        })
    );
    Ok(())
}
