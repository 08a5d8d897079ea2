//! Proves one circuit in a separate process and prints one line of JSON: seconds per step, sizes in bytes, peak memory.
//! Users run whole processes, and only a whole process has a meaningful peak memory. `benches/run.py` runs many of
//! them.

use std::time::Instant;

use clap::{Parser, ValueEnum};
use serde_json::json;
use tribute_benches::{instance, peak_rss_mb, session};
use tribute_circuits::arithmetization::StatementWitness;
use tribute_circuits::columns::{commit_weights, Secret};
use tribute_circuits::keys::Keys;
use tribute_circuits::prove::{prove_predictably, prove_unchecked};
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::evaluation::EvaluationCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_circuits::statements::service::{capacity, ServiceCircuit};
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::verify;
use tribute_engine::srs::Srs;
use tribute_simd::Backend;

#[derive(Clone, Copy, ValueEnum)]
enum Circuit {
    Dataset,
    Gradient,
    Evaluation,
    Service,
}

/// Proves one circuit over pseudo-random data and prints what it took, as JSON.
#[derive(Parser)]
struct Args {
    /// Circuit to prove.
    circuit: Circuit,
    /// log2 of the number of rows.
    #[arg(long, default_value_t = 15)]
    k: u32,
    /// Number of data columns; by default as many as fit the features and classes best.
    #[arg(long)]
    columns: Option<usize>,
    /// Number of features.
    #[arg(long, default_value_t = 64)]
    features: usize,
    /// Number of classes.
    #[arg(long, default_value_t = 10)]
    classes: usize,
    /// Link function, for `gradient`.
    #[arg(long, value_parser = link, default_value = "softmax")]
    link: Link,
    /// Number of records or queries; by default as many as fit.
    #[arg(long)]
    count: Option<usize>,
    /// Total number of records, split into as many shards as needed, with one proof each, one after the other; instead
    /// of --count.
    #[arg(long, conflicts_with = "count")]
    records: Option<usize>,
    /// Also do the parts of the first proof once more and time each; on one thread.
    #[arg(long, conflicts_with = "records")]
    parts: bool,
    /// Use the portable code, one element at a time, as on a CPU without AVX-512 IFMA.
    #[arg(long)]
    portable: bool,
    /// Number of threads; by default all cores.
    #[arg(long)]
    threads: Option<usize>,
}

fn link(name: &str) -> Result<Link, String> {
    let all = [Link::Squared, Link::Logistic, Link::Softmax];
    all.into_iter().find(|l| l.name() == name).ok_or_else(|| "expected squared, logistic or softmax".into())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    if let Some(threads) = if args.parts { Some(1) } else { args.threads } {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    let columns = args.columns.unwrap_or_else(|| Layout::fitting_columns(args.features, args.classes));
    let layout = Layout::new(args.k, columns, args.features, args.classes, Task::Classes)?;
    let link = args.link;
    let calibration_ms = tribute_benches::calibration_ms();

    let mut clock = Clock::start();
    let srs = Srs::development(args.k);
    let srs_seconds = clock.lap();
    let fits = match args.circuit {
        Circuit::Service => capacity(&layout),
        _ => layout.capacity(),
    };
    let count = args.records.or(args.count).unwrap_or(fits);
    if args.records.is_none() && count > fits {
        return Err(format!("{count} do not fit: this layout holds {fits}; use --records for several shards").into());
    }
    let shape = match args.circuit {
        Circuit::Dataset => Shape::dataset(layout),
        Circuit::Gradient => Shape::gradient(layout, link),
        Circuit::Evaluation => Shape::evaluation(layout, link),
        Circuit::Service => Shape::service(layout),
    };
    clock.lap();
    let keys = Keys::generate(&srs, &shape)?;
    let keys_seconds = clock.lap();

    let (mut witness_seconds, mut prove_seconds, mut verify_seconds) = (0.0, 0.0, 0.0);
    let (mut proofs, mut proof_bytes, mut left) = (0, 0, count);
    let mut parts = None;
    let backend = if args.portable { Backend::PORTABLE } else { Backend::best() };
    while left > 0 {
        let here = left.min(fits);
        let (witness, inputs, seconds) = made(&args.circuit, &srs, &shape, link, here)?;
        witness_seconds += seconds;
        clock.lap();
        let proof = if args.portable {
            prove_predictably(backend, &srs, &keys, witness.as_ref(), inputs)?
        } else {
            prove_unchecked(&srs, &keys, witness.as_ref(), inputs)?
        };
        prove_seconds += clock.lap();
        if !verify(&srs, keys.vk(), &proof) {
            return Err("the proof does not verify".into());
        }
        verify_seconds += clock.lap();
        if args.parts {
            let p = tribute_benches::parts::parts(backend, &srs, &keys, witness.as_ref());
            parts = Some(json!({
                "witness": p.witness, "columns": p.columns, "dense": p.dense, "interpolations": p.interpolations,
                "floor": p.floor,
            }));
        }
        (proofs, proof_bytes, left) = (proofs + 1, proof.bytes.len(), left - here);
    }
    let seconds = witness_seconds + prove_seconds;
    println!(
        "{}",
        json!({
            "circuit": shape.name(), "k": args.k, "columns": columns, "features": args.features,
            "classes": args.classes, "count": count, "capacity": fits, "proofs": proofs,
            "threads": rayon::current_num_threads(), "portable": args.portable, "calibration_ms": calibration_ms, "srs_seconds": srs_seconds,
            "keys_seconds": keys_seconds, "witness_seconds": witness_seconds, "prove_seconds": prove_seconds,
            "seconds": seconds, "verify_ms": verify_seconds * 1e3, "proof_bytes": proof_bytes,
            "peak_rss_mb": peak_rss_mb(), "advice_columns": keys.vk().cs().num_advice_columns(),
            "fixed_columns": keys.vk().cs().num_fixed_columns(),
            "cells_per_second": (count * args.features) as f64 / seconds,
            "milliseconds_per_item": seconds * 1e3 / count as f64, "parts": parts,
        })
    );
    Ok(())
}

/// A witness, its public inputs, and the seconds that computing it took, without commitments.
type Made = (Box<dyn StatementWitness>, Vec<Fr>, f64);

fn made(
    circuit: &Circuit,
    srs: &Srs,
    shape: &Shape,
    link: Link,
    count: usize,
) -> Result<Made, Box<dyn std::error::Error>> {
    let layout = shape.layout;
    if let Circuit::Service = circuit {
        let weights = tribute_benches::weights(&layout)?;
        let group = commit_weights(srs, &layout, &Secret::from_bytes([1; 32]), &weights);
        let batch = session(&layout, &weights, count);
        let mut clock = Clock::start();
        let circuit = ServiceCircuit::new(shape.clone(), &group, &weights, &[batch])?;
        let seconds = clock.lap();
        let inputs = circuit.inputs(Fr::from(1));
        return Ok((Box::new(circuit), inputs, seconds));
    }
    let i = instance(layout, srs, link, count)?;
    let mut clock = Clock::start();
    if let Circuit::Evaluation = circuit {
        let circuit = EvaluationCircuit::new(shape.clone(), &i.shard, &i.weights)?;
        let inputs = circuit.public_inputs(Fr::from(1));
        return Ok((Box::new(circuit), inputs, clock.lap()));
    }
    if let Circuit::Dataset = circuit {
        let circuit = DatasetCircuit::new(shape.clone(), &i.shard);
        return Ok((Box::new(circuit), vec![Fr::from(1), Fr::from(count as u64)], clock.lap()));
    }
    let circuit = GradientCircuit::new(shape.clone(), &i.shard, &i.weights, &i.gradient)?;
    let seconds = clock.lap();
    let inputs = circuit.public_inputs(Fr::from(1));
    Ok((Box::new(circuit), inputs, seconds))
}

struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Clock(Instant::now())
    }
    /// Seconds since the last lap.
    fn lap(&mut self) -> f64 {
        let seconds = self.0.elapsed().as_secs_f64();
        self.0 = Instant::now();
        seconds
    }
}
