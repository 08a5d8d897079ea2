//! Imports models of scikit-learn (converted by skl2onnx) and in PyTorch's form, see `tests/fixtures/make.py`: the
//! imported integers predict the same as the original in onnxruntime, or the error says what the model is.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tribute_core::head::{answer, lambda_units, real_logit};
use tribute_core::link::{self, Link};
use tribute_core::records::Records;
use tribute_core::schema::{Feature, Schema, Target};
use tribute_inference::extract::Extractor;
use tribute_inference::{
    check_optimum, import, moved, polish, train, Agent, ImportError, Imported, InputScale, Looks, LossOptions,
    OptimumError,
};

use crate::common;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(common::root().join("inference/tests/fixtures").join(name)).unwrap()
}

fn wine() -> (Schema, Records) {
    common::example("wine.csv")
}

/// The wine schema with different labels.
fn with_labels(labels: &[&str]) -> Schema {
    let labels = labels.iter().map(|l| (*l).to_owned()).collect();
    Schema::new("wine".into(), wine().0.features().to_vec(), Target::Classes(labels), None).unwrap()
}

/// Compares predictions of the original in onnxruntime with those of the head imported for `link`, on every wine; `end`
/// is the link that the original applies to its logits.
fn assert_same_predictions(
    model: &str,
    output: &str,
    schema: &Schema,
    scale: InputScale,
    (link, end): (Link, Link),
) -> Imported {
    let bytes = fixture(model);
    let imported = import(&bytes, schema, scale, link, 0, &[&wine().1]).unwrap();
    let original = Extractor::new(common::runtime(), &bytes, Some(output)).unwrap();
    let records = wine().1;
    for (q, _) in records.iter() {
        let raw: Vec<f32> = q
            .iter()
            .zip(schema.features())
            .map(|(q, f)| match scale {
                InputScale::Raw => (f.lo + f64::from(*q) / 255.0 * (f.hi - f.lo)) as f32,
                InputScale::Quantised => f32::from(*q) / 256.0,
            })
            .collect();
        let want = original.run(&[1, q.len()], &raw).unwrap();
        let mut got: Vec<f64> = imported.weights.logits(q).into_iter().map(real_logit).collect();
        link::real(end, &mut got);
        // a single probability of two classes is that of the second
        let got = if want.len() == 1 { &got[1..] } else { &got[..] };
        assert_eq!(got.len(), want.len());
        for (g, w) in got.iter().zip(&want) {
            assert!((g - f64::from(*w)).abs() < 1e-4, "{model}: {got:?} {want:?}");
        }
    }
    imported
}

#[test]
fn scikit_learn_pipelines_predict_the_same() {
    let (schema, records) = wine();
    let softmax = (Link::Softmax, Link::Softmax);
    let ranged = assert_same_predictions("sk_softmax_minmax.onnx", "probabilities", &schema, InputScale::Raw, softmax);
    assert_eq!(ranged.output, "probabilities");

    // Scaler, Cast, Normalizer and ZipMap surround the head
    let scaled = import(&fixture("sk_softmax.onnx"), &schema, InputScale::Raw, Link::Softmax, 0, &[]).unwrap();
    let right = records.iter().filter(|(q, y)| answer(&scaled.weights.logits(q)) == *y).count();
    assert!(right >= 174, "{right} of 178");

    // the same of doubles, in a form that onnxruntime refuses
    let doubles = import(&fixture("sk_double_zipmap.onnx"), &schema, InputScale::Raw, Link::Softmax, 0, &[]).unwrap();
    let off = doubles.weights.values().iter().zip(scaled.weights.values()).map(|(a, b)| (a - b).abs()).max().unwrap();
    assert!(off < 1 << 14, "{off} units of 2^-32");

    // with two classes, a logistic function and a softmax give the same probabilities
    let two = with_labels(&["0", "1"]);
    for link in [Link::Logistic, Link::Softmax] {
        assert_same_predictions("sk_binary.onnx", "probabilities", &two, InputScale::Raw, (link, link));
    }
}

#[test]
fn labels_decide_the_order_of_classes() {
    // the model's own class order is a, b, c
    let alphabetic = with_labels(&["a", "b", "c"]);
    let softmax = (Link::Softmax, Link::Softmax);
    assert_same_predictions("sk_strings.onnx", "probabilities", &alphabetic, InputScale::Raw, softmax);
    let a = import(&fixture("sk_strings.onnx"), &alphabetic, InputScale::Raw, Link::Softmax, 0, &[]).unwrap().weights;
    let b = import(&fixture("sk_strings.onnx"), &with_labels(&["c", "a", "b"]), InputScale::Raw, Link::Softmax, 0, &[])
        .unwrap()
        .weights;
    for (x, y) in a.values().chunks_exact(3).zip(b.values().chunks_exact(3)) {
        assert_eq!([x[2], x[0], x[1]], [y[0], y[1], y[2]]);
    }
    // 0.0 and 0 are the same label
    assert!(import(
        &fixture("sk_softmax.onnx"),
        &with_labels(&["0.0", "1.0", "2.0"]),
        InputScale::Raw,
        Link::Softmax,
        0,
        &[]
    )
    .is_ok());
    for labels in [&["a", "b", "d"][..], &["a", "b", "c", "d"], &["a", "b"]] {
        let e = import(&fixture("sk_strings.onnx"), &with_labels(labels), InputScale::Raw, Link::Softmax, 0, &[])
            .unwrap_err();
        assert!(matches!(e, ImportError::Labels { .. } | ImportError::Classes { .. }), "{e}");
    }
}

#[test]
fn pytorch_layers_predict_the_same() {
    let schema = wine().0;
    let same = |model, schema, links| {
        assert_same_predictions(model, "output", schema, InputScale::Quantised, links).output == "output"
    };
    assert!(same("torch_softmax.onnx", &schema, (Link::Softmax, Link::Softmax)));
    // plain logits can be used with any link
    for link in [Link::Squared, Link::Softmax, Link::Logistic] {
        assert!(same("torch_logits.onnx", &schema, (link, Link::Squared)));
    }
    let two = with_labels(&["no", "yes"]);
    for link in [Link::Logistic, Link::Softmax] {
        assert!(same("torch_sigmoid.onnx", &two, (link, link)));
    }
}

#[test]
fn a_regression_is_rescaled_to_the_targets_range() {
    let (lo, hi) = (11.0, 15.0);
    let features: Vec<Feature> = wine().0.features()[1..].to_vec();
    let schema = Schema::new("alcohol".into(), features, Target::Real { lo, hi }, None).unwrap();
    let bytes = fixture("sk_regression.onnx");
    let imported = import(&bytes, &schema, InputScale::Raw, Link::Squared, 0, &[]).unwrap();
    let original = Extractor::new(common::runtime(), &bytes, None).unwrap();
    for (q, _) in wine().1.iter() {
        let q = &q[1..];
        let raw: Vec<f32> = q
            .iter()
            .zip(schema.features())
            .map(|(q, f)| (f.lo + f64::from(*q) / 255.0 * (f.hi - f.lo)) as f32)
            .collect();
        let want = f64::from(original.run(&[1, 12], &raw).unwrap()[0]);
        let got = lo + real_logit(imported.weights.logits(q)[0]) * 65536.0 / 65535.0 * (hi - lo);
        assert!((got - want).abs() < 1e-3, "{got} {want}");
    }
}

/// scikit-learn finds the same optimum, up to the precision of its export: in double precision it can be certified.
#[test]
fn an_optimum_found_elsewhere_is_certifiable_in_double_precision() {
    let (schema, records) = common::example("digits.csv.gz");
    let (link, datasets) = (Link::Softmax, [&records.slice(0..1597)]);
    let options = LossOptions { link, lambda: lambda_units(1e-3).unwrap(), intercept_scale: 0 };
    let layout = schema.layout(15, 8).unwrap();
    let checked = |file: &str| {
        let weights = import(&fixture(file), &schema, InputScale::Quantised, link, 0, &datasets).unwrap().weights;
        check_optimum(&schema, &layout, &weights, &datasets, &options)
    };
    let report = checked("optimum_digits.onnx").unwrap();
    println!("imported: gradient {:.2e}, relative distance {:.2e}", report.gradient_norm(), report.relative_distance);
    assert!(report.relative_distance <= 1e-6);

    // single precision leaves a gradient a hundred times too large
    let e = checked("optimum_digits_single.onnx").unwrap_err();
    let OptimumError::NotOptimal { gradient, allowed, diagnosis, .. } = &e else { panic!("{e}") };
    assert!(*gradient < 1e-6 && *gradient > 10.0 * allowed, "{e}");
    assert_eq!(diagnosis.looks, Looks::SinglePrecision, "{e}");
    let told = e.to_string();
    assert!(told.contains("single precision") && told.contains("`tribute agent import --polish`"), "{told}");
}

/// What single precision left is fitted away, and next to nothing changes: weights, answers, accuracy.
#[test]
fn a_model_in_single_precision_is_polished_to_the_optimum() {
    let (schema, all) = common::example("digits.csv.gz");
    let (records, heldout) = (all.slice(0..1597), all.slice(1597..1797));
    let datasets = [&records];
    let options = LossOptions { link: Link::Softmax, lambda: lambda_units(1e-3).unwrap(), intercept_scale: 0 };
    let layout = schema.layout(15, 8).unwrap();
    let file = fixture("optimum_digits_single.onnx");
    let rough = import(&file, &schema, InputScale::Quantised, Link::Softmax, 0, &datasets).unwrap().weights;
    let mut gradients = Vec::new();
    let polished = polish(&schema, &datasets, &options, &rough, |p| gradients.push(p.gradient)).unwrap();
    let report = check_optimum(&schema, &layout, &polished.weights, &datasets, &options).unwrap();
    assert!(report.relative_distance <= 1e-6);
    // from where it was, not from zero
    assert!(gradients[0] < 1e-6 && polished.steps <= 3, "{gradients:?}");

    let known = heldout.iter().map(|(q, y)| (q, Some(y)));
    let m = moved(&rough, &polished.weights, known);
    println!("polished in {} steps: {m:?}", polished.steps);
    assert!(m.weights > 1e-9 && m.weights < 1e-5, "{m:?}");
    assert_eq!((m.records, m.changed, m.known), (200, 0, 200));
    assert_eq!(m.right[0], m.right[1]);

    // where it started does not show: the optimum is one
    let fresh = train(&schema, &datasets, &options, |_| ()).unwrap().weights;
    assert!(moved(&fresh, &polished.weights, [].into_iter()).weights < 1e-9);
}

/// The model is the same at every intercept scale: the weight of the bias shrinks as its feature grows.
#[test]
fn an_intercept_scale_changes_the_bias_s_weight_and_no_prediction() {
    let (schema, records) = wine();
    let at = |scale: u32| {
        let datasets = [&records];
        import(&fixture("sk_softmax.onnx"), &schema, InputScale::Raw, Link::Softmax, scale, &datasets).unwrap().weights
    };
    let (flat, steep) = (at(0), at(4));
    assert_eq!((flat.intercept_scale(), steep.intercept_scale()), (0, 4));
    for (j, (a, b)) in flat.values().iter().zip(steep.values()).enumerate() {
        let expected = if j < 3 { *a as f64 / 16.0 } else { *a as f64 };
        assert!((*b as f64 - expected).abs() <= 1.0, "{j}: {a} {b}");
    }
    for (q, _) in records.iter() {
        for (a, b) in flat.logits(q).iter().zip(steep.logits(q)) {
            // rounding of the bias: half a unit of 2^-32 at each scale, times a feature of 256 or 4096
            assert!((a - b).abs() <= 128 + 2048 + 13 * 255, "{a} {b}");
        }
    }
}

#[test]
fn a_canonical_agent_is_taken_as_it_is() {
    let schema = wine().0;
    let weights =
        import(&fixture("torch_softmax.onnx"), &schema, InputScale::Quantised, Link::Softmax, 0, &[]).unwrap().weights;
    let bytes = Agent { weights: weights.clone(), schema: "ab".into(), certificate: String::new() }.to_bytes();
    assert_eq!(import(&bytes, &schema, InputScale::Quantised, Link::Softmax, 0, &[]).unwrap().weights, weights);
    // its weights are for features scaled by its own schema
    let e = import(&bytes, &schema, InputScale::Raw, Link::Softmax, 0, &[]).unwrap_err();
    assert!(matches!(&e, ImportError::Schema { made, .. } if made == "0xab"), "{e}");
    let id = schema.id().to_string()[2..].to_owned();
    let own = Agent { weights: weights.clone(), schema: id, certificate: String::new() }.to_bytes();
    assert_eq!(import(&own, &schema, InputScale::Raw, Link::Softmax, 0, &[]).unwrap().weights, weights);
    let e = import(&bytes, &with_labels(&["a", "b"]), InputScale::Raw, Link::Softmax, 0, &[]).unwrap_err();
    assert!(matches!(e, ImportError::Classes { expected: 2, got: 3, .. }));
}

#[test]
fn what_is_no_single_dense_layer_is_refused_by_name() {
    let schema = wine().0;
    let refused = |model: &str| import(&fixture(model), &schema, InputScale::Raw, Link::Softmax, 0, &[]).unwrap_err();
    for (model, node, kind) in [
        ("torch_hidden.onnx", "node `/relu1/Relu` (Relu)", "extractor"),
        ("keras_hidden.onnx", "(Relu)", "extractor"),
        ("sk_mlp.onnx", "(Relu)", "extractor"),
        ("sk_kernel_map.onnx", "(Scan)", "extractor"),
        ("sk_one_vs_rest.onnx", "(LinearClassifier)", "one-vs-rest"),
        ("sk_calibrated.onnx", "(LinearClassifier)", "calibrated"),
        ("sk_sgd.onnx", "(Exp)", "SGDClassifier"),
        ("sk_clip.onnx", "(Clip)", "clip=False"),
        ("sk_tree.onnx", "(TreeEnsembleClassifier)", "decision trees"),
        ("sk_kernel.onnx", "(SVMClassifier)", "support-vector"),
    ] {
        let e = refused(model);
        assert!(
            matches!(&e, ImportError::NotAffine(n) if n.culprit.as_ref().is_some_and(|c| c.node.contains(node))),
            "{model}: {e}"
        );
        assert!(e.to_string().contains(kind) && e.to_string().contains("alcohol = "), "{model}: {e}");
    }

    let narrow = Schema::new("narrow".into(), schema.features()[..12].to_vec(), schema.target().clone(), None).unwrap();
    let e = import(&fixture("sk_softmax.onnx"), &narrow, InputScale::Raw, Link::Softmax, 0, &[]).unwrap_err();
    assert!(matches!(&e, ImportError::Input { features: 12, .. }), "{e}");
    assert!(e.to_string().contains("13"), "{e}");

    // a quantised model imported as raw: the weights absorb the scale and become too large
    let wide = with_ranges(&schema, 1e5);
    let unscaled = import(&fixture("torch_softmax.onnx"), &wide, InputScale::Raw, Link::Softmax, 0, &[]).unwrap_err();
    assert!(matches!(unscaled, ImportError::Weight { .. }), "{unscaled}");
}

fn with_ranges(schema: &Schema, range: f64) -> Schema {
    let features = schema.features().iter().map(|f| Feature { name: f.name.clone(), lo: 0.0, hi: range }).collect();
    Schema::new("wide".into(), features, schema.target().clone(), None).unwrap()
}

/// Reading any file gives a head or an error.
#[test]
fn broken_files_never_panic() {
    let schema = wine().0;
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let (mut taken, mut refused) = (0, 0);
    for model in
        ["sk_softmax.onnx", "sk_one_vs_rest.onnx", "torch_softmax.onnx", "torch_hidden.onnx", "sk_regression.onnx"]
    {
        let good = fixture(model);
        for _ in 0..4_000 {
            let mut bytes = good.clone();
            for _ in 0..rng.gen_range(1..4) {
                let at = rng.gen_range(0..bytes.len());
                bytes[at] = rng.gen();
            }
            bytes.truncate(if rng.gen_ratio(1, 4) { rng.gen_range(0..bytes.len()) } else { bytes.len() });
            match import(&bytes, &schema, InputScale::Raw, Link::Softmax, 0, &[]) {
                Ok(_) => taken += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(taken > 100 && refused > 1_000, "{taken} taken, {refused} refused");
}
