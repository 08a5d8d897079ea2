//! Measures the preparation that a proof needs, in milliseconds: the SRS, the keys, the EVM verifier.
//!
//! ```text
//! cargo run --release -p tribute-circuits --example preparation [K]
//! ```

use std::time::Instant;

use tribute_circuits::keys::Keys;
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_engine::srs::{Srs, SrsStore};

fn timed<T>(what: &str, f: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let value = f();
    println!("{what:<40} {:>9.1} ms", start.elapsed().as_secs_f64() * 1e3);
    value
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let k = std::env::args().nth(1).map_or(Ok(15), |a| a.parse())?;
    let layout = Layout::new(k, 8, 64, 10, Task::Classes)?;
    let folder = std::env::temp_dir().join(format!("tribute-preparation-{}", std::process::id()));
    timed("SRS generated", || Srs::development(k));
    timed("SRS generated and stored", || SrsStore::open(None, Some(&folder))?.get(k))?;
    let srs = timed("SRS loaded", || SrsStore::open(None, Some(&folder))?.get(k))?;
    for shape in
        [Shape::dataset(layout), Shape::gradient(layout, Link::Softmax), Shape::optimum(layout), Shape::service(layout)]
    {
        let keys = timed(&format!("{}: keys", shape.name()), || Keys::generate(&srs, &shape))?;
        let path = folder.join("keys");
        timed(&format!("{}: keys written", shape.name()), || keys.save(&srs, &path))?;
        timed(&format!("{}: keys read", shape.name()), || Keys::load(&srs, &shape, &path))?;
        let code = timed(&format!("{}: verifier", shape.name()), || {
            tribute_evm::direct::generate(srs.params(), keys.vk(), shape.statement.inputs())
        })?;
        println!("{} fixed columns, {} bytes of code", keys.fixed_polynomials().len(), code.runtime.len());
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}
