//! Files from other tools that once failed: `fixtures/pipelines` by scikit-learn 1.9 and skl2onnx 1.20,
//! `fixtures/exports` in the forms of PyTorch's exporters. Most hold one head, the optimum over `pipelines/multi.csv`
//! with λ = 0.01, a softmax and an unpenalised bias.

use tribute_core::head::{lambda_units, Weights};
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::schema::Schema;
use tribute_inference::{
    check_optimum, external, import, train, ImportError, InputScale, Looks, LossOptions, OptimumError,
};
use tribute_records::{Options, Predicts, Range, Source};

use crate::common;

fn file(name: &str) -> Vec<u8> {
    std::fs::read(common::root().join("inference/tests/fixtures").join(name)).unwrap()
}

fn records() -> (Schema, Records) {
    let text = file("pipelines/multi.csv");
    let options = Options::default();
    let source = Source::from_bytes("multi.csv", text, &options).unwrap();
    let inferred = source.infer("multi", Predicts::Classes, Range::default(), &options).unwrap();
    let schema = inferred.into_schema().unwrap();
    let records = source.records(&schema, &options).unwrap().into_records().unwrap();
    (schema, records)
}

/// The largest intercept scale, which penalises the bias least.
const SCALE: u32 = 4;

fn brought(name: &str) -> Result<Weights, ImportError> {
    let (schema, records) = records();
    import(&file(name), &schema, InputScale::Raw, Link::Softmax, SCALE, &[&records]).map(|i| i.weights)
}

fn checked(weights: &Weights) -> Result<f64, OptimumError> {
    let (schema, records) = records();
    let options = LossOptions { link: Link::Softmax, lambda: lambda_units(0.01).unwrap(), intercept_scale: SCALE };
    let layout = schema.layout(14, 4).unwrap().with_intercept_scale(SCALE).unwrap();
    check_optimum(&schema, &layout, weights, &[&records], &options).map(|report| report.gradient_norm())
}

/// The optimum with an unpenalised bias is close to the certifiable one but not equal; the error says how far it is
/// off.
#[test]
fn an_optimum_is_the_same_however_it_was_written() {
    let first = brought("pipelines/a-optimum-zipmap.onnx").unwrap();
    let (schema, records) = records();
    let options = LossOptions { link: Link::Softmax, lambda: lambda_units(0.01).unwrap(), intercept_scale: SCALE };
    let own = train(&schema, &[&records], &options, |_| ()).unwrap().weights;
    checked(&own).unwrap();
    let distance = |a: &Weights, b: &Weights| {
        let square = |x: f64| x * x;
        let off: f64 = a.values().iter().zip(b.values()).map(|(a, b)| square((a - b) as f64)).sum();
        let norm: f64 = b.values().iter().map(|b| square(*b as f64)).sum();
        (off / norm).sqrt()
    };
    for name in [
        "pipelines/a-optimum-zipmap",
        "pipelines/c-optimum-double",
        "pipelines/k-variance",
        "pipelines/q-one-input-per-column",
        "exports/a-gemm-logits-opset18-ir10",
        "exports/b-softmax-opset23-ir11",
        "exports/d-logits-and-probs",
        "exports/g-batchnorm",
        "exports/h-transpose-matmul",
    ] {
        let weights = brought(&format!("{name}.onnx")).unwrap_or_else(|e| panic!("{name}: {e}"));
        let e = checked(&weights).unwrap_err();
        let OptimumError::NotOptimal { diagnosis, gradient, .. } = &e else { panic!("{name}: {e}") };
        let off = weights.values().iter().zip(first.values()).map(|(a, b)| (a - b).abs()).max().unwrap();
        let apart = distance(&weights, &own);
        println!(
            "{name}: gradient {gradient:.1e}, weights within {off} units of the first, {apart:.1e} from the optimum"
        );
        assert!(off <= 4 << 12, "{name}");
        assert!(apart < 0.05, "{name}: {apart}");
        assert!(diagnosis.free_bias, "{name}: {e}");
    }
}

#[test]
fn what_is_no_optimum_is_imported_and_then_refused() {
    let scaled = Looks::OtherScale { raw_lambda: None };
    let selected = Looks::FeaturesLeftOut(["temp", "sodium", "crea"].map(Into::into).to_vec());
    for (name, looks, best) in [
        ("i-standard-default", scaled, 2.53e-4),
        ("j-selectkbest", selected, 2.54e-4),
        ("t-optimum-of-raw-values", Looks::Close, 0.01),
        ("u-default-tolerance", Looks::Close, 0.01),
    ] {
        let weights = brought(&format!("pipelines/{name}.onnx")).unwrap_or_else(|e| panic!("{name}: {e}"));
        let e = checked(&weights).unwrap_err();
        println!("{name}: {e}");
        let OptimumError::NotOptimal { diagnosis, .. } = &e else { panic!("{name}: {e}") };
        assert_eq!(diagnosis.looks, looks, "{name}");
        assert!((diagnosis.best_lambda.unwrap() / best - 1.0).abs() < 0.01, "{name}: {diagnosis:?}");
        let text = e.to_string();
        for part in ["agent train --lambda 0.01 --link softmax`", "C = 0.666667", "8-bit", "column of 16", "tol"] {
            assert!(text.contains(part), "{name}: {text}");
        }
    }
}

#[test]
fn values_in_a_file_beside_the_model_are_read_where_it_lies() {
    let e = brought("exports/c-external.onnx").unwrap_err().to_string();
    assert!(e.contains("external_data=False") && e.contains("c-external.onnx.data"), "{e}");

    let folder = tempfile::tempdir().unwrap();
    let missing = external::whole(file("exports/c-external.onnx"), folder.path()).unwrap_err().to_string();
    assert!(missing.contains("Put it beside the model"), "{missing}");
    std::fs::write(folder.path().join("c-external.onnx.data"), file("exports/c-external.onnx.data")).unwrap();
    let whole = external::whole(file("exports/c-external.onnx"), folder.path()).unwrap();
    let (schema, records) = records();
    let found = import(&whole, &schema, InputScale::Raw, Link::Softmax, SCALE, &[&records]).unwrap().weights;
    let first = brought("exports/a-gemm-logits-opset18-ir10.onnx").unwrap();
    let off = found.values().iter().zip(first.values()).map(|(a, b)| (a - b).abs()).max().unwrap();
    assert!(off <= 4 << 12, "{off}");
}
