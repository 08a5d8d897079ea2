//! Behaviour without onnxruntime. A separate process, because the first library loaded stays.

use std::path::Path;

use tribute_inference::runtime::RuntimeError;
use tribute_inference::Runtime;

/// Tries wrong files first, then the right one in the same process.
#[test]
fn a_missing_or_wrong_library_is_an_error_that_says_what_to_do() {
    let missing = Runtime::locate_and_init(Some("/nowhere/libonnxruntime.so".as_ref())).unwrap_err();
    assert!(matches!(&missing, RuntimeError::NotFound { searched } if searched.len() == 1));
    assert!(missing.to_string().contains("/nowhere/libonnxruntime.so"), "{missing}");
    assert!(missing.to_string().contains("make setup") && missing.to_string().contains("TRIBUTE_ONNXRUNTIME"));

    let wrong = Runtime::locate_and_init(Some(&Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))).unwrap_err();
    assert!(matches!(wrong, RuntimeError::Load { .. }), "{wrong}");
    assert!(wrong.to_string().contains("make setup"), "{wrong}");

    let runtime = Runtime::locate_and_init(None).unwrap();
    assert!(runtime.library().is_file());
    // one per process, even after the last handle is dropped
    let library = runtime.library().to_owned();
    drop(runtime);
    assert_eq!(Runtime::locate_and_init(None).unwrap().library(), library);
}
