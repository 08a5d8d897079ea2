//! What several tests need: the runtime and the digits.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tribute_core::records::{infer_schema, read_csv, Records};
use tribute_core::schema::Schema;
use tribute_inference::Runtime;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// onnxruntime, from where `make setup` puts it or where the environment says.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::locate_and_init(None).unwrap())
}

/// A CSV of `examples/`, with the schema inferred from it.
pub(crate) fn example(file: &str) -> (Schema, Records) {
    let bytes = std::fs::read(root().join("examples").join(file)).unwrap();
    let mut text = Vec::new();
    if file.ends_with(".gz") {
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text).unwrap();
    } else {
        text = bytes;
    }
    let schema = infer_schema(file, file, &text).unwrap();
    let records = read_csv(file, &text, &schema).unwrap();
    (schema, records)
}
