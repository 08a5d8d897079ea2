//! Proves one circuit in a separate process and prints one line of JSON: seconds per step, sizes in bytes, peak memory.
//! Users run whole processes, and only a whole process has a meaningful peak memory. `benches/processes.py` runs many of
//! them.
//!
//! With `TRIBUTE_ARITHMETIC` in the environment it computes as on another CPU: `portable`, without vector code; `avx2`,
//! without AVX-512 IFMA.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;
use serde_json::json;
use tribute_benches::parts::{beside, Times};
use tribute_benches::proofs::ProofArgs;
use tribute_benches::usage::{peak_rss_mb, Clock, Usage};
use tribute_circuits::keys::Keys;
use tribute_circuits::prove::prove_with;
use tribute_engine::plonk::{Engine, Part};
use tribute_engine::proof::{verify, Proof};
use tribute_engine::srs::Srs;
use tribute_simd::Backend;

/// Proves one circuit over pseudo-random data and prints what it took, as JSON.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    proof: ProofArgs,
    /// Number of records or queries; by default as many as fit.
    #[arg(long)]
    count: Option<usize>,
    /// Total number of records, split into as many shards as needed, with one proof each, one after the other; instead
    /// of --count.
    #[arg(long, conflicts_with = "count")]
    records: Option<usize>,
    /// Also measure what stands beside the times of the proof's parts; on one thread.
    #[arg(long, conflicts_with = "records")]
    parts: bool,
    /// Folder for the circuit's EVM verifier (`verifier`, creation code) and a call that checks the proof (`call`).
    #[arg(long, value_name = "FOLDER", conflicts_with = "records")]
    evm: Option<PathBuf>,
    /// Number of threads; by default all cores.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    if let Some(threads) = if args.parts { Some(1) } else { args.threads } {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    let (k, features) = (args.proof.k, args.proof.features);
    let shape = args.proof.shape()?;
    let fits = args.proof.capacity(&shape.layout);
    let count = args.records.or(args.count).unwrap_or(fits);
    if args.records.is_none() && count > fits {
        return Err(format!("{count} do not fit: this layout holds {fits}; use --records for several shards").into());
    }
    let calibration_ms = tribute_benches::calibration_ms();

    let mut clock = Clock::start();
    let srs = Srs::development(k);
    let srs_seconds = clock.lap();
    let keys = Keys::generate(&srs, &shape)?;
    let keys_seconds = clock.lap();

    let (mut witness_seconds, mut prove_seconds, mut verify_seconds) = (0.0, 0.0, 0.0);
    let (mut proofs, mut proof_bytes, mut left) = (0, 0, count);
    let mut usage = Usage::default();
    let times = Times::default();
    let report = |part: Part, time: Duration| times.add(part, time);
    let engine = Engine { report: &report, ..Engine::new(Backend::best()) };
    let mut parts = None;
    while left > 0 {
        let here = left.min(fits);
        let made = args.proof.made(&srs, &shape, here)?;
        witness_seconds += made.seconds;
        usage += made.usage;
        clock.lap();
        let before = Usage::now();
        let proof = prove_with(&engine, &srs, &keys, made.witness.as_ref(), made.inputs)?;
        prove_seconds += clock.lap();
        usage += before.spent();
        clock.lap();
        if !verify(&srs, keys.vk(), &proof) {
            return Err("the proof does not verify".into());
        }
        verify_seconds += clock.lap();
        if args.parts {
            let beside = beside(&keys, made.witness.as_ref());
            let mut seconds = json!({"interpolations": beside.interpolations, "floor": beside.floor});
            for part in Part::ALL {
                seconds[part.name()] = json!(times.of(part));
            }
            parts = Some(seconds);
        }
        if let Some(folder) = &args.evm {
            write_evm(folder, &srs, &keys, &proof)?;
        }
        (proofs, proof_bytes, left) = (proofs + 1, proof.bytes.len(), left - here);
    }
    let seconds = witness_seconds + prove_seconds;
    println!(
        "{}",
        json!({
            "circuit": shape.name(), "k": k, "columns": shape.layout.columns(), "features": features,
            "classes": args.proof.classes, "count": count, "capacity": fits, "proofs": proofs,
            "threads": rayon::current_num_threads(), "lanes": Backend::best().lanes(),
            "calibration_ms": calibration_ms, "srs_seconds": srs_seconds, "keys_seconds": keys_seconds,
            "witness_seconds": witness_seconds, "prove_seconds": prove_seconds, "seconds": seconds,
            "cpu_seconds": usage.cpu(), "verify_ms": verify_seconds * 1e3, "proof_bytes": proof_bytes,
            "peak_rss_mb": peak_rss_mb(), "advice_columns": keys.vk().cs().num_advice_columns(),
            "fixed_columns": keys.vk().cs().num_fixed_columns(),
            "cells_per_second": (count * features) as f64 / seconds,
            "milliseconds_per_item": seconds * 1e3 / count as f64, "parts": parts,
        })
    );
    Ok(())
}

/// Writes the circuit's EVM verifier and a call with the proof into a folder.
fn write_evm(folder: &Path, srs: &Srs, keys: &Keys, proof: &Proof) -> Result<(), Box<dyn std::error::Error>> {
    let code = tribute_evm::generate_verifier(srs.params(), keys.vk(), proof.inputs.len())?;
    fs::create_dir_all(folder)?;
    fs::write(folder.join("verifier"), code.creation)?;
    fs::write(folder.join("call"), proof.calldata())?;
    Ok(())
}
