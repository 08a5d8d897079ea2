//! Trains one head on quantised records and prints one line of JSON: seconds, steps, threads, peak memory. `benches/training.py`
//! runs it beside scikit-learn.
//!
//! A file of records has, for each, one byte a feature and two, big-endian, for its class, as clients upload them.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use serde_json::json;
use tribute_benches::calibration_ms;
use tribute_benches::usage::peak_rss_mb;
use tribute_core::head::lambda_units;
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::schema::{Feature, Schema, Target};
use tribute_inference::train::Pieces;
use tribute_inference::{polish, train, LossOptions, Trained};

type Failure = Box<dyn std::error::Error>;

/// Trains a softmax head.
#[derive(Parser)]
struct Args {
    /// The records.
    file: PathBuf,
    /// Features of a record.
    #[arg(long)]
    features: usize,
    /// Classes.
    #[arg(long)]
    classes: usize,
    /// λ.
    #[arg(long)]
    lambda: f64,
    /// The bias's feature is 2^s.
    #[arg(long, default_value_t = 3)]
    intercept_scale: u32,
    /// Keep no records in memory: read so many at a time, whenever they are needed.
    #[arg(long, value_name = "RECORDS")]
    pieces: Option<usize>,
    /// Train again, from the optimum of twice this λ.
    #[arg(long)]
    warm: bool,
    /// File to write the weights to: `[features + 1][classes]`, bias first, little-endian, in units of 2^-32.
    #[arg(long)]
    weights: Option<PathBuf>,
}

/// Records of a file, of which only a piece at a time is in memory.
struct Stored {
    file: PathBuf,
    width: usize,
    lengths: Vec<usize>,
    most: usize,
}

impl Stored {
    fn read(&self, from: usize, count: usize) -> std::io::Result<Records> {
        let record = self.width + 2;
        let mut file = File::open(&self.file)?;
        file.seek(SeekFrom::Start((from * record) as u64))?;
        let mut bytes = vec![0; count * record];
        file.read_exact(&mut bytes)?;
        let mut records = Records::new(self.width);
        for r in bytes.chunks_exact(record) {
            records.push(&r[..self.width], u16::from_be_bytes([r[self.width], r[self.width + 1]]));
        }
        Ok(records)
    }
}

impl Pieces for Stored {
    fn width(&self) -> usize {
        self.width
    }
    fn lengths(&self) -> Vec<usize> {
        self.lengths.clone()
    }
    fn piece(&self, index: usize) -> Result<Cow<'_, Records>, String> {
        self.read(index * self.most, self.lengths[index]).map(Cow::Owned).map_err(|e| e.to_string())
    }
}

fn main() -> Result<(), Failure> {
    let a = Args::parse();
    let calibration_ms = calibration_ms();
    let features = (0..a.features).map(|i| Feature { name: format!("x{i}"), lo: 0.0, hi: 255.0 }).collect();
    let classes = Target::Classes((0..a.classes).map(|i| i.to_string()).collect());
    let schema = Schema::new("bench".into(), features, classes, None)?;
    let options = |lambda: f64| -> Result<LossOptions, Failure> {
        Ok(LossOptions { link: Link::Softmax, lambda: lambda_units(lambda)?, intercept_scale: a.intercept_scale })
    };
    let count = std::fs::metadata(&a.file)?.len() as usize / (a.features + 2);
    let most = a.pieces.unwrap_or(count).max(1);
    let lengths = (0..count).step_by(most).map(|from| most.min(count - from)).collect();
    let stored = Stored { file: a.file.clone(), width: a.features, lengths, most };
    let here = if a.pieces.is_none() { Some(stored.read(0, count)?) } else { None };
    let fit = |lambda: f64, start: Option<&Trained>| -> Result<(Trained, f64), Failure> {
        let (options, began) = (options(lambda)?, Instant::now());
        let records: &dyn Pieces = match &here {
            Some(records) => records,
            None => &stored,
        };
        let trained = match start {
            None => train(&schema, &[records], &options, |_| ()),
            Some(t) => polish(&schema, &[records], &options, &t.weights, |_| ()),
        }?;
        Ok((trained, began.elapsed().as_secs_f64()))
    };
    let near = if a.warm { Some(fit(2.0 * a.lambda, None)?.0) } else { None };
    let (trained, seconds) = fit(a.lambda, near.as_ref())?;
    if let Some(file) = &a.weights {
        let bytes: Vec<u8> = trained.weights.values().iter().flat_map(|w| w.to_le_bytes()).collect();
        std::fs::write(file, bytes)?;
    }
    let line = json!({
        "records": count,
        "seconds": seconds,
        "steps": trained.steps,
        "loss": trained.loss,
        "gradient": trained.gradient,
        "threads": rayon::current_num_threads(),
        "peak_rss_mb": peak_rss_mb(),
        "calibration_ms": calibration_ms,
    });
    println!("{line}");
    Ok(())
}
