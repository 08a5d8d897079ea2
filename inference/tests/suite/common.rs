//! Shared by the tests: the runtime and example data.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tribute_core::records::Records;
use tribute_core::schema::Schema;
use tribute_inference::Runtime;
use tribute_records::{Options, Predicts, Range, Source};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// onnxruntime, from the path in the environment or from where `make setup` installs it.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::locate_and_init(None).unwrap())
}

/// Reads a CSV of `examples/` with the schema inferred from it.
pub(crate) fn example(file: &str) -> (Schema, Records) {
    let options = Options::default();
    let source = Source::open(&root().join("examples").join(file), &options).unwrap();
    let schema = source.infer(file, Predicts::Classes, Range::MinMax, &options).unwrap().into_schema().unwrap();
    let records = source.records(&schema, &options).unwrap().into_records().unwrap();
    (schema, records)
}
