//! From the start of a process to its first proof, and what later proofs in it take: prints one line of JSON. SRS and keys
//! come from a folder, or are made and put there, as `tribute` does.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use serde_json::json;
use tribute_benches::proofs::ProofArgs;
use tribute_benches::usage::{peak_rss_mb, Clock, Usage};
use tribute_circuits::keys::{KeyCache, Origin};
use tribute_circuits::prove::prove_unchecked;
use tribute_engine::srs::SrsStore;

/// Proves full shards or batches of pseudo-random data, one after the other.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    proof: ProofArgs,
    /// Folder that keeps SRS and keys.
    #[arg(long)]
    folder: PathBuf,
    /// When the process was started, in seconds since 1970.
    #[arg(long)]
    started: f64,
    /// Number of proofs.
    #[arg(long, default_value_t = 2)]
    proofs: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let entered = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    let args = Args::parse();
    let shape = args.proof.shape()?;
    let mut clock = Clock::start();
    let srs = SrsStore::open(None, Some(&args.folder))?.get(args.proof.k)?;
    let srs_seconds = clock.lap();
    let (keys, origin) = KeyCache::new(&args.folder).get(&srs, &shape)?;
    let keys_seconds = clock.lap();
    let mut proofs = Vec::new();
    for _ in 0..args.proofs {
        let made = args.proof.made(&srs, &shape, args.proof.capacity(&shape.layout))?;
        clock.lap();
        let before = Usage::now();
        prove_unchecked(&srs, &keys, made.witness.as_ref(), made.inputs)?;
        let prove_seconds = clock.lap();
        let mut usage = before.spent();
        usage += made.usage;
        proofs.push(json!({
            "seconds": made.seconds + prove_seconds, "minor_faults": usage.minor_faults,
            "major_faults": usage.major_faults, "cpu_seconds": usage.cpu(), "system_seconds": usage.system,
        }));
    }
    println!(
        "{}",
        json!({
            "circuit": shape.name(), "start_seconds": entered - args.started, "srs_seconds": srs_seconds,
            "keys_seconds": keys_seconds, "keys_kept": matches!(origin, Origin::Kept), "proofs": proofs,
            "threads": rayon::current_num_threads(), "peak_rss_mb": peak_rss_mb(),
        })
    );
    Ok(())
}
