//! Proves one circuit as a process of its own and prints one line of JSON: seconds by step, bytes, peak memory. Whole
//! processes are what users run, and only they tell peak memory. `benches/run.py` runs many of them.

use std::time::Instant;

use clap::{Parser, ValueEnum};
use serde_json::json;
use tribute_benches::{instance, peak_rss_mb, session};
use tribute_circuits::columns::commit_weights;
use tribute_circuits::columns::Secret;
use tribute_circuits::dataset::DatasetCircuit;
use tribute_circuits::gradient::GradientCircuit;
use tribute_circuits::halo2_proofs::halo2curves::bn256::Fr;
use tribute_circuits::plonk::Witness;
use tribute_circuits::prove::{prove_unchecked, verify, Keys, Proof};
use tribute_circuits::service::{capacity, ServiceCircuit};
use tribute_circuits::shape::Shape;
use tribute_circuits::srs::Srs;
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;

#[derive(Clone, Copy, ValueEnum)]
enum Circuit {
    Dataset,
    Gradient,
    Service,
}

/// Proves one circuit over pseudo-random data and prints what it took, as JSON.
#[derive(Parser)]
struct Args {
    /// Which circuit.
    circuit: Circuit,
    /// 2^k rows.
    #[arg(long, default_value_t = 15)]
    k: u32,
    /// Data columns.
    #[arg(long, default_value_t = 8)]
    columns: usize,
    /// Features.
    #[arg(long, default_value_t = 64)]
    features: usize,
    /// Classes.
    #[arg(long, default_value_t = 10)]
    classes: usize,
    /// Records or queries; as many as fit if not given.
    #[arg(long)]
    count: Option<usize>,
    /// Threads; all cores if not given.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    let layout = Layout::new(args.k, args.columns, args.features, args.classes, Task::Classes)?;
    let link = Link::Softmax;
    let calibration_ms = tribute_benches::calibration_ms();

    let mut clock = Clock::start();
    let srs = Srs::development(args.k);
    let srs_seconds = clock.lap();
    let fits = match args.circuit {
        Circuit::Service => capacity(&layout),
        _ => layout.capacity(),
    };
    let count = args.count.unwrap_or(fits);
    if count > fits {
        return Err(format!("{count} do not fit: this layout holds {fits}").into());
    }
    let shape = match args.circuit {
        Circuit::Dataset => Shape::dataset(layout),
        Circuit::Gradient => Shape::gradient(layout, link),
        Circuit::Service => Shape::service(layout),
    };
    let (witness, inputs, witness_seconds): (Box<dyn Witness>, Vec<Fr>, f64) = if let Circuit::Service = args.circuit {
        let weights = tribute_benches::weights(&layout)?;
        let group = commit_weights(&srs, &layout, &Secret::from_bytes([1; 32]), &weights);
        let batch = session(&layout, &weights, count);
        clock.lap();
        let circuit = ServiceCircuit::new(shape.clone(), &group, &weights, &[batch])?;
        let seconds = clock.lap();
        let inputs = circuit.inputs(Fr::from(1));
        (Box::new(circuit), inputs, seconds)
    } else {
        let i = instance(layout, srs.clone(), link, count)?;
        clock.lap();
        if let Circuit::Dataset = args.circuit {
            let circuit = DatasetCircuit::new(shape.clone(), &i.shard);
            (Box::new(circuit), vec![Fr::from(1), Fr::from(count as u64)], clock.lap())
        } else {
            let circuit = GradientCircuit::new(shape.clone(), &i.shard, &i.weights, &i.gradient)?;
            (Box::new(circuit), vec![Fr::from(1)], clock.lap())
        }
    };
    clock.lap();
    let keys = Keys::generate(&srs, &shape)?;
    let keys_seconds = clock.lap();
    let proof: Proof = prove_unchecked(&srs, &keys, witness.as_ref(), inputs)?;
    let prove_seconds = clock.lap();
    let ok = verify(&srs, keys.vk(), &proof);
    let verify_ms = clock.lap() * 1e3;
    if !ok {
        return Err("the proof does not verify".into());
    }
    let seconds = witness_seconds + prove_seconds;
    println!(
        "{}",
        json!({
            "circuit": shape.name(), "k": args.k, "columns": args.columns, "features": args.features,
            "classes": args.classes, "count": count, "capacity": fits, "threads": rayon::current_num_threads(),
            "calibration_ms": calibration_ms, "srs_seconds": srs_seconds, "keys_seconds": keys_seconds,
            "witness_seconds": witness_seconds, "prove_seconds": prove_seconds, "seconds": seconds,
            "verify_ms": verify_ms, "proof_bytes": proof.bytes.len(), "peak_rss_mb": peak_rss_mb(),
            "advice_columns": keys.vk().cs().num_advice_columns(), "fixed_columns": keys.vk().cs().num_fixed_columns(),
            "cells_per_second": (count * args.features) as f64 / seconds,
            "milliseconds_per_item": seconds * 1e3 / count as f64,
        })
    );
    Ok(())
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
