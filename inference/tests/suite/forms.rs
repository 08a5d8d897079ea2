//! One dense layer in every form that exporters use: all are imported with the same weights.

use half::f16;
use tribute_core::link::Link;
use tribute_core::schema::{Feature, Schema, Target};
use tribute_inference::onnx::DataType;
use tribute_inference::{import, ImportError, Imported, InputScale};

use crate::graphs::{float, floats, int, ints, text, texts, Graph};

const D: usize = 4;
const C: usize = 3;
/// Shape `[C][D]`, as in PyTorch.
const W: [f64; 12] = [0.5, -1.25, 0.125, 0.02, -0.75, 2.0, 0.25, -0.01, 0.25, -0.75, -0.375, -0.03];
const B: [f64; 3] = [0.5, -0.25, 1.0];

fn schema_of(labels: &[&str]) -> Schema {
    let ranges = [("a", -3.0, 3.0), ("b", 0.0, 1.0), ("c", -1.0, 7.0), ("d", 20.0, 45.0)];
    let features = ranges.map(|(name, lo, hi)| Feature { name: name.into(), lo, hi }).to_vec();
    Schema::new("s".into(), features, Target::Classes(labels.iter().map(|l| (*l).into()).collect()), None).unwrap()
}

fn schema() -> Schema {
    schema_of(&["0", "1", "2"])
}

/// Real weights `[D + 1][classes]` on `f = q/256` for `x ↦ W·x + b` on raw features.
fn expected(w: &[f64], b: &[f64]) -> Vec<f64> {
    let features = schema().features().to_vec();
    let mut weights = b.to_vec();
    for (u, bias) in weights.iter_mut().enumerate() {
        *bias += features.iter().enumerate().map(|(j, f)| w[u * D + j] * f.lo).sum::<f64>();
    }
    for (j, f) in features.iter().enumerate() {
        weights.extend((0..b.len()).map(|u| w[u * D + j] * (f.hi - f.lo) * 256.0 / 255.0));
    }
    weights
}

/// Weights that a softmax determines: the mean over classes is arbitrary, so it is removed.
fn centred(weights: &[f64]) -> Vec<f64> {
    weights.chunks_exact(C).flat_map(|w| w.iter().map(|v| v - w.iter().sum::<f64>() / C as f64)).collect()
}

fn brought(model: &[u8], link: Link) -> Result<Imported, ImportError> {
    import(model, &schema(), InputScale::Raw, link, 0, &[])
}

fn assert_weights(what: &str, found: &Imported, wanted: &[f64], within: f64) {
    let real: Vec<f64> = found.weights.values().iter().map(|w| *w as f64 / 32f64.exp2()).collect();
    let off = real.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("{what}: weights within {off:.1e}, residual {:.1e}", found.residual);
    assert!(off < within && real.len() == wanted.len(), "{what}: {real:?} {wanted:?}");
}

/// Tolerance: half a unit of rounding, and the error of `f32` on weights of up to 6.
const F32: f64 = 2e-6;

/// Input `x [batch, 4]` with constants W and b.
fn layer() -> Graph {
    Graph::default().input("x", DataType::Float, &[-1, 4]).floats("w", &[C, D], &W).floats("bias", &[C], &B)
}

fn gemm(graph: Graph, x: &str, z: &str) -> Graph {
    graph.with("Gemm", &[x, "w", "bias"], &[z], vec![int("transB", 1)])
}

fn ends(graph: Graph) -> Vec<u8> {
    graph.output("z", DataType::Float, 2).model()
}

#[test]
fn logits_in_every_form_give_the_same_weights() {
    let transposed: Vec<f64> = (0..D).flat_map(|j| (0..C).map(move |u| W[u * D + j])).collect();
    let half: Vec<f64> = W.iter().map(|w| w * 0.5).collect();
    let doubles = |v: &[f64]| v.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let columns =
        ["d", "a", "c", "b"].iter().fold(layer_without_input(), |g, name| g.input(name, DataType::Float, &[-1, 1]));
    let forms: Vec<(&str, Vec<u8>)> = vec![
        ("gemm", ends(gemm(layer(), "x", "z"))),
        ("newest versions", gemm(layer(), "x", "z").output("z", DataType::Float, 2).versions(28, 14)),
        ("old versions", gemm(layer(), "x", "z").output("z", DataType::Float, 2).versions(11, 6)),
        (
            "gemm with alpha and beta",
            ends(layer_without_weights().floats("w", &[C, D], &half).floats("bias", &[C], &B.map(|b| b * 4.0)).with(
                "Gemm",
                &["x", "w", "bias"],
                &["z"],
                vec![int("transB", 1), float("alpha", 2.0), float("beta", 0.25)],
            )),
        ),
        (
            "matmul and add",
            ends(
                layer_without_weights()
                    .floats("w", &[D, C], &transposed)
                    .floats("bias", &[C], &B)
                    .node("MatMul", &["x", "w"], &["m"])
                    .node("Add", &["bias", "m"], &["z"]),
            ),
        ),
        (
            "transposed in the graph",
            ends(
                layer()
                    .with("Transpose", &["w"], &["t"], vec![ints("perm", &[1, 0])])
                    .node("MatMul", &["x", "t"], &["m"])
                    .node("Add", &["m", "bias"], &["z"]),
            ),
        ),
        (
            "constants computed in the graph",
            ends(
                layer_without_weights()
                    .floats("half", &[C, D], &half)
                    .floats("bias", &[C], &B)
                    .node("Add", &["half", "half"], &["w"])
                    .with("Gemm", &["x", "w", "bias"], &["z"], vec![int("transB", 1)]),
            ),
        ),
        (
            "batch normalisation",
            ends(gemm(
                layer()
                    .floats("scale", &[D], &[2.0; 4])
                    .floats("shift", &[D], &[0.0, 1.0, -3.0, 30.0])
                    .floats("mean", &[D], &[0.0, 1.0, -3.0, 30.0])
                    .floats("var", &[D], &[4.0; 4])
                    .with(
                        "BatchNormalization",
                        &["x", "scale", "shift", "mean", "var"],
                        &["n"],
                        vec![float("epsilon", 0.0)],
                    ),
                "n",
                "z",
            )),
        ),
        (
            "scaler and its inverse",
            ends(gemm(
                layer()
                    .with("Scaler", &["x"], &["s"], vec![floats("offset", &[0.5; 4]), floats("scale", &[0.25; 4])])
                    .floats("four", &[1], &[4.0])
                    .floats("offset", &[1, D], &[0.5; 4])
                    .node("Mul", &["s", "four"], &["m"])
                    .node("Add", &["m", "offset"], &["n"]),
                "n",
                "z",
            )),
        ),
        ("a batch of one", ends(gemm(layer_without_input().input("x", DataType::Float, &[1, 4]), "x", "z"))),
        ("a batch of five", ends(gemm(layer_without_input().input("x", DataType::Float, &[5, 4]), "x", "z"))),
        ("open shapes", ends(gemm(layer_without_input().input("x", DataType::Float, &[-1, -1]), "x", "z"))),
        (
            "a batch of one that the input does not show",
            ends(gemm(layer().i64s("shape", &[2], &[1, -1]).node("Reshape", &["x", "shape"], &["r"]), "r", "z")),
        ),
        (
            "a single record",
            gemm(
                layer_without_input().input("x", DataType::Float, &[4]).i64s("zero", &[1], &[0]).node(
                    "Unsqueeze",
                    &["x", "zero"],
                    &["r"],
                ),
                "r",
                "z",
            )
            .i64s("none", &[1], &[0])
            .node("Squeeze", &["z", "none"], &["y"])
            .output("y", DataType::Float, 1)
            .model(),
        ),
        (
            "an image",
            ends(gemm(
                layer_without_input().input("x", DataType::Float, &[-1, 1, 2, 2]).node("Flatten", &["x"], &["f"]),
                "f",
                "z",
            )),
        ),
        (
            "an input for each column",
            ends(gemm(columns.with("Concat", &["a", "b", "c", "d"], &["x"], vec![int("axis", 1)]), "x", "z")),
        ),
        (
            "columns chosen and put back",
            ends(gemm(
                layer()
                    .i64s("some", &[3], &[0, 1, 2])
                    .i64s("last", &[1], &[3])
                    .node("ArrayFeatureExtractor", &["x", "some"], &["p"])
                    .with("Gather", &["x", "last"], &["q"], vec![int("axis", 1)])
                    .with("Concat", &["p", "q"], &["r"], vec![int("axis", 1)]),
                "r",
                "z",
            )),
        ),
        (
            "doubles",
            Graph::default()
                .input("x", DataType::Double, &[-1, 4])
                .raw("w", DataType::Double, &[C, D], doubles(&W))
                .raw("bias", DataType::Double, &[C], doubles(&B))
                .with("Gemm", &["x", "w", "bias"], &["z"], vec![int("transB", 1)])
                .output("z", DataType::Double, 2)
                .model(),
        ),
    ];
    for (what, model) in forms {
        let found = brought(&model, Link::Softmax).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_weights(what, &found, &expected(&W, &B), F32);
        assert!(what != "doubles" || found.residual < 1e-12);
    }
}

fn layer_without_weights() -> Graph {
    Graph::default().input("x", DataType::Float, &[-1, 4])
}

fn layer_without_input() -> Graph {
    Graph::default().floats("w", &[C, D], &W).floats("bias", &[C], &B)
}

#[test]
fn low_precision_is_recovered_within_its_own() {
    // int8 weights with one scale per class: exactly these are recovered
    let scales = [0.02, 0.04, 0.02];
    let steps: Vec<i8> = W.iter().enumerate().map(|(i, w)| (w / scales[i / D]).round() as i8).collect();
    let kept: Vec<f64> =
        steps.iter().enumerate().map(|(i, q)| f64::from(*q) * f64::from(scales[i / D] as f32)).collect();
    let quantised = layer_without_weights()
        .raw("q", DataType::Int8, &[C, D], steps.iter().map(|q| *q as u8).collect())
        .floats("scale", &[C], &scales)
        .raw("zero", DataType::Int8, &[C], vec![0; C])
        .floats("bias", &[C], &B)
        .with("DequantizeLinear", &["q", "scale", "zero"], &["w"], vec![int("axis", 0)]);
    let found = brought(&ends(gemm(quantised, "x", "z")), Link::Softmax).unwrap();
    assert_weights("int8 weights", &found, &expected(&kept, &B), F32);
    // as [features, classes] with one scale: onnxruntime could quantise what they are multiplied with, too
    let step = 2.0 / 127.0;
    let steps: Vec<i8> = (0..D).flat_map(|j| (0..C).map(move |u| (W[u * D + j] / step).round() as i8)).collect();
    let kept: Vec<f64> =
        (0..C).flat_map(|u| steps[u..].iter().step_by(C)).map(|q| f64::from(*q) * f64::from(step as f32)).collect();
    let quantised = layer_without_weights()
        .raw("q", DataType::Int8, &[D, C], steps.iter().map(|q| *q as u8).collect())
        .floats("scale", &[], &[step])
        .raw("zero", DataType::Int8, &[], vec![0])
        .floats("bias", &[C], &B)
        .node("DequantizeLinear", &["q", "scale", "zero"], &["w"])
        .node("MatMul", &["x", "w"], &["m"])
        .node("Add", &["m", "bias"], &["z"]);
    let found = brought(&ends(quantised), Link::Softmax).unwrap();
    assert_weights("int8 weights of a product", &found, &expected(&kept, &B), F32);

    let halves = |v: &[f64]| v.iter().flat_map(|v| f16::from_f64(*v).to_le_bytes()).collect::<Vec<u8>>();
    let half = |input, output| {
        let graph = Graph::default()
            .input("x", input, &[-1, 4])
            .raw("w", DataType::Float16, &[C, D], halves(&W))
            .raw("bias", DataType::Float16, &[C], halves(&B))
            .with("Cast", &["x"], &["h"], vec![int("to", DataType::Float16 as i64)]);
        gemm(graph, "h", "y")
            .with("Cast", &["y"], &["z"], vec![int("to", output as i64)])
            .output("z", output, 2)
            .model()
    };
    let found = brought(&half(DataType::Float16, DataType::Float16), Link::Softmax).unwrap();
    assert_weights("float16", &found, &expected(&W, &B), 0.02);
    let found = brought(&half(DataType::Float, DataType::Float), Link::Softmax).unwrap();
    assert_weights("float16 inside", &found, &expected(&W, &B), 0.02);
}

#[test]
fn probabilities_are_read_through_their_link() {
    let written_out = gemm(layer(), "x", "l")
        .i64s("axis", &[1], &[1])
        .node("Exp", &["l"], &["e"])
        .node("ReduceSum", &["e", "axis"], &["s"])
        .node("Div", &["e", "s"], &["z"]);
    let softmax = |axis| gemm(layer(), "x", "l").with("Softmax", &["l"], &["z"], vec![int("axis", axis)]);
    for (what, model) in [
        ("softmax", ends(softmax(1))),
        ("softmax, newest versions", softmax(-1).output("z", DataType::Float, 2).versions(28, 14)),
        ("softmax written out", ends(written_out)),
        ("log softmax", ends(gemm(layer(), "x", "l").with("LogSoftmax", &["l"], &["z"], vec![int("axis", 1)]))),
    ] {
        let found = brought(&model, Link::Softmax).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_weights(what, &found, &centred(&expected(&W, &B)), 2.0 * F32);
        let e = brought(&model, Link::Logistic).unwrap_err();
        assert!(matches!(e, ImportError::Link { got: "softmax", expected: "logistic", .. }), "{what}: {e}");
        assert!(matches!(brought(&model, Link::Squared), Err(ImportError::Link { .. })), "{what}");
    }
    let sigmoid = ends(gemm(layer(), "x", "l").node("Sigmoid", &["l"], &["z"]));
    assert_weights("sigmoid", &brought(&sigmoid, Link::Logistic).unwrap(), &expected(&W, &B), 1e-5);
    assert!(matches!(brought(&sigmoid, Link::Softmax), Err(ImportError::Link { got: "logistic", .. })));

    let e = brought(&ends(softmax(0)), Link::Softmax).unwrap_err();
    assert!(matches!(&e, ImportError::NotAffine { .. }), "{e}");
}

#[test]
fn outputs_of_one_head_may_be_many_but_not_contradict_each_other() {
    let both = |graph: Graph| graph.output("l", DataType::Float, 2).output("z", DataType::Float, 2).model();
    let head = || gemm(layer(), "x", "l");
    let softmax = vec![int("axis", 1)];
    let two = both(head().with("Softmax", &["l"], &["z"], softmax.clone()));
    let found = brought(&two, Link::Softmax).unwrap();
    assert_eq!(found.output, "l", "logits lose the least precision");
    assert_weights("logits and probabilities", &found, &expected(&W, &B), F32);
    assert!(matches!(brought(&two, Link::Logistic), Err(ImportError::Link { got: "softmax", .. })));
    let logistic = both(head().node("Sigmoid", &["l"], &["z"]));
    assert!(brought(&logistic, Link::Logistic).is_ok());
    assert!(matches!(brought(&logistic, Link::Softmax), Err(ImportError::Link { got: "logistic", .. })));

    let other = head().floats("two", &[1], &[2.0]).node("Mul", &["l", "two"], &["z"]);
    let e = brought(&both(other), Link::Softmax).unwrap_err();
    assert!(matches!(&e, ImportError::Disagree { .. }), "{e}");

    // a class output next to the scores: of the largest score, or the smallest
    let answer = |op| {
        let graph = head().with(op, &["l"], &["y"], vec![int("axis", 1), int("keepdims", 0)]);
        graph.output("l", DataType::Float, 2).output("y", DataType::Int64, 1).model()
    };
    assert_weights("arg max", &brought(&answer("ArgMax"), Link::Softmax).unwrap(), &expected(&W, &B), F32);
    let e = brought(&answer("ArgMin"), Link::Softmax).unwrap_err();
    assert!(matches!(&e, ImportError::Disagree { .. } | ImportError::Labels { .. }), "{e}");

    // a list of the classes, in batches of as many records
    let listed =
        gemm(layer_without_input().input("x", DataType::Float, &[3, 4]).i64s("list", &[3], &[0, 1, 2]), "x", "z")
            .node("Identity", &["list"], &["classes"])
            .output("z", DataType::Float, 2)
            .output("classes", DataType::Int64, 1);
    assert_weights("listed", &brought(&listed.model(), Link::Softmax).unwrap(), &expected(&W, &B), F32);

    let only = head().with("ArgMax", &["l"], &["y"], vec![int("axis", 1)]).output("y", DataType::Int64, 2).model();
    assert!(matches!(brought(&only, Link::Softmax), Err(ImportError::NoScores { .. })));
}

fn classifier(transform: &str) -> Graph {
    layer_without_weights().with(
        "LinearClassifier",
        &["x"],
        &["label", "p"],
        vec![
            floats("coefficients", &W),
            floats("intercepts", &B),
            int("multi_class", 1),
            text("post_transform", transform),
            texts("classlabels_strings", &["mid", "low", "high"]),
        ],
    )
}

#[test]
fn labels_name_the_columns() {
    let sorted = schema_of(&["high", "low", "mid"]);
    let in_order = |w: Vec<f64>| -> Vec<f64> { w.chunks_exact(C).flat_map(|w| [w[2], w[1], w[0]]).collect() };
    let labelled = |graph: Graph| graph.output("label", DataType::String, 1).output("p", DataType::Float, 2).model();
    let scores = import(&labelled(classifier("NONE")), &sorted, InputScale::Raw, Link::Logistic, 0, &[]).unwrap();
    assert_weights("scores", &scores, &in_order(expected(&W, &B)), F32);
    let softmax = labelled(classifier("SOFTMAX"));
    let found = import(&softmax, &sorted, InputScale::Raw, Link::Softmax, 0, &[]).unwrap();
    assert_weights("softmax", &found, &in_order(centred(&expected(&W, &B))), 2.0 * F32);
    let one_vs_rest = labelled(classifier("LOGISTIC"));
    let found = import(&one_vs_rest, &sorted, InputScale::Raw, Link::Logistic, 0, &[]).unwrap();
    assert_weights("logistic", &found, &in_order(expected(&W, &B)), 1e-5);
    // normalised by its sum, as in scikit-learn, it is no longer affine
    let normalised = one_vs_rest_normalised();
    let e = import(&normalised, &sorted, InputScale::Raw, Link::Logistic, 0, &[]).unwrap_err();
    assert!(matches!(&e, ImportError::NotAffine { .. }) && e.to_string().contains("one-vs-rest"), "{e}");

    for labels in [&["high", "low", "middle"][..], &["1", "2", "3"]] {
        let e = import(&softmax, &schema_of(labels), InputScale::Raw, Link::Softmax, 0, &[]).unwrap_err();
        assert!(matches!(&e, ImportError::Labels { .. }), "{e}");
    }
    let e = import(&softmax, &schema_of(&["high", "low"]), InputScale::Raw, Link::Softmax, 0, &[]).unwrap_err();
    assert!(matches!(&e, ImportError::Classes { expected: 2, got: 3, .. }), "{e}");

    // one output per class, in a different order: the class output tells which is which
    let columns = [("p2", 2), ("p0", 0), ("p1", 1)].into_iter().fold(classifier("SOFTMAX"), |g, (name, u)| {
        let at = format!("at{u}");
        g.i64s(&at, &[], &[u]).with("Gather", &["p", &at], &[name], vec![int("axis", 1)]).output(
            name,
            DataType::Float,
            1,
        )
    });
    let apart = columns.output("label", DataType::String, 1).model();
    let found = import(&apart, &sorted, InputScale::Raw, Link::Softmax, 0, &[]).unwrap();
    assert_weights("an output for each class", &found, &in_order(centred(&expected(&W, &B))), 2.0 * F32);

    // without labels, the schema's order is used if it is ascending
    let bare = ends(gemm(layer(), "x", "z"));
    assert!(import(&bare, &sorted, InputScale::Raw, Link::Softmax, 0, &[]).is_ok());
    let e = import(&bare, &schema_of(&["low", "mid", "high"]), InputScale::Raw, Link::Softmax, 0, &[]).unwrap_err();
    assert!(matches!(&e, ImportError::Order { .. }), "{e}");
}

/// A label of the column with the largest score, in each type that a graph may have it in.
#[test]
fn labels_of_every_type_name_the_columns() {
    fn bytes<T, const N: usize>(values: &[T], to: fn(&T) -> [u8; N]) -> Vec<u8> {
        values.iter().flat_map(to).collect()
    }
    let whole = &["1", "2", "3"][..];
    let (halves, tenths) = (&["0.5", "1", "1.5"][..], &["0.1", "0.2", "0.3"][..]);
    for (element, values, classes) in [
        (DataType::Uint8, vec![3, 1, 2], whole),
        (DataType::Int8, vec![3, 1, 2], whole),
        (DataType::Uint16, bytes(&[3u16, 1, 2], |x| x.to_le_bytes()), whole),
        (DataType::Int16, bytes(&[3i16, 1, 2], |x| x.to_le_bytes()), whole),
        (DataType::Uint32, bytes(&[3u32, 1, 2], |x| x.to_le_bytes()), whole),
        (DataType::Int32, bytes(&[3i32, 1, 2], |x| x.to_le_bytes()), whole),
        (DataType::Uint64, bytes(&[3u64, 1, 2], |x| x.to_le_bytes()), whole),
        (DataType::Int64, bytes(&[3i64, 1, 2], |x| x.to_le_bytes()), whole),
        (DataType::Float, bytes(&[3f32, 1.0, 2.0], |x| x.to_le_bytes()), whole),
        (DataType::Float16, bytes(&[1.5, 0.5, 1.0].map(f16::from_f64), |x| x.to_le_bytes()), halves),
        (DataType::Float, bytes(&[1.5f32, 0.5, 1.0], |x| x.to_le_bytes()), halves),
        (DataType::Float, bytes(&[0.3f32, 0.1, 0.2], |x| x.to_le_bytes()), tenths),
        (DataType::Double, bytes(&[0.3f64, 0.1, 0.2], |x| x.to_le_bytes()), tenths),
    ] {
        let model = gemm(layer(), "x", "z")
            .raw("labels", element, &[C], values)
            .with("ArgMax", &["z"], &["best"], vec![int("axis", 1), int("keepdims", 0)])
            .node("Gather", &["labels", "best"], &["label"])
            .output("z", DataType::Float, 2)
            .output("label", element, 1)
            .model();
        let found = import(&model, &schema_of(classes), InputScale::Raw, Link::Softmax, 0, &[]);
        let what = format!("{element:?}");
        let found = found.unwrap_or_else(|e| panic!("{what}: {e}"));
        let wanted = expected(&W, &B).chunks_exact(C).flat_map(|w| [w[1], w[2], w[0]]).collect::<Vec<f64>>();
        assert_weights(&what, &found, &wanted, F32);
    }
}

fn one_vs_rest_normalised() -> Vec<u8> {
    let graph = classifier("LOGISTIC").with("Normalizer", &["p"], &["n"], vec![text("norm", "L1")]);
    graph.output("label", DataType::String, 1).output("n", DataType::Float, 2).model()
}

#[test]
fn one_logit_of_two_classes_is_the_seconds() {
    let yes = schema_of(&["no", "yes"]);
    let (w, b) = (&W[..D], &B[..1]);
    let graph = layer_without_weights().floats("w", &[1, D], w).floats("bias", &[1], b);
    let logit = || gemm(graph.clone(), "x", "z");
    let mirrored = |by: f64| expected(w, b).iter().flat_map(|w| [-w * by, w * by]).collect::<Vec<f64>>();
    let found = |model: &[u8], link| import(model, &yes, InputScale::Raw, link, 0, &[]);
    let sigmoid = || logit().node("Sigmoid", &["z"], &["p"]);
    let probability = sigmoid().output("p", DataType::Float, 2).model();
    let pair = sigmoid()
        .floats("one", &[1], &[1.0])
        .node("Sub", &["one", "p"], &["q"])
        .with("Concat", &["q", "p"], &["both"], vec![int("axis", 1)])
        .output("both", DataType::Float, 2)
        .model();
    for (what, model) in [("a logit", ends(logit())), ("a probability", probability.clone()), ("both", pair)] {
        assert_weights(what, &found(&model, Link::Logistic).unwrap(), &mirrored(1.0), 1e-5);
        // a softmax of two gives the same probabilities with half the weights
        assert_weights(what, &found(&model, Link::Softmax).unwrap(), &mirrored(0.5), 1e-5);
        let e = found(&model, Link::Squared).unwrap_err();
        let told = e.to_string().contains("`--link logistic`") || matches!(e, ImportError::Link { .. });
        assert!(told && (what == "both" || matches!(e, ImportError::OneScore { .. })), "{what}: {e}");
    }
    let two = |graph: Graph, other: &str| {
        let model = graph.output("z", DataType::Float, 2).output(other, DataType::Float, 2).model();
        (found(&model, Link::Logistic), found(&model, Link::Softmax))
    };
    let (logistic, softmax) = two(sigmoid(), "p");
    assert_weights("a logit and its probability", &logistic.unwrap(), &mirrored(1.0), F32);
    assert_weights("a logit and its probability", &softmax.unwrap(), &mirrored(0.5), F32);
    // a column for each class is told by what the columns are
    let negated = logit().node("Neg", &["z"], &["n"]);
    assert_weights("both logits", &two(negated, "n").0.unwrap(), &mirrored(-1.0), F32);
    let twice = logit().node("Identity", &["z"], &["n"]);
    let e = two(twice, "n").0.unwrap_err();
    assert!(matches!(&e, ImportError::Twofold { outputs } if outputs == "z`, `n"), "{e}");
    let opposite = || sigmoid().floats("one", &[1], &[1.0]).node("Sub", &["one", "p"], &["q"]);
    let e = two(opposite(), "q").0.unwrap_err();
    assert!(matches!(&e, ImportError::Disagree { .. }), "{e}");
    let each = opposite().output("q", DataType::Float, 2).output("p", DataType::Float, 2).model();
    assert_weights("an output for each class", &found(&each, Link::Logistic).unwrap(), &mirrored(1.0), 1e-5);

    // the class output tells which class the probability belongs to
    let compared = |op: &str, threshold: f64| {
        let graph = sigmoid().floats("half", &[1], &[threshold]).node(op, &["p", "half"], &["y"]);
        graph.output("p", DataType::Float, 2)
    };
    let answering = |op: &str, threshold: f64| compared(op, threshold).output("y", DataType::Bool, 2).model();
    let zero_one = |model: &[u8]| import(model, &schema_of(&["0", "1"]), InputScale::Raw, Link::Logistic, 0, &[]);
    assert_weights("greater", &zero_one(&answering("Greater", 0.5)).unwrap(), &mirrored(1.0), 1e-5);
    assert_weights("less", &zero_one(&answering("Less", 0.5)).unwrap(), &mirrored(-1.0), 1e-5);
    let e = zero_one(&answering("Greater", 0.7)).unwrap_err();
    assert!(matches!(&e, ImportError::Disagree { .. }), "{e}");
    // the same as a float
    let as_float = |op: &str, threshold: f64| {
        let cast = vec![int("to", DataType::Float as i64)];
        compared(op, threshold).with("Cast", &["y"], &["f"], cast).output("f", DataType::Float, 2).model()
    };
    assert_weights("greater", &zero_one(&as_float("Greater", 0.5)).unwrap(), &mirrored(1.0), 1e-5);
    assert_weights("less", &zero_one(&as_float("Less", 0.5)).unwrap(), &mirrored(-1.0), 1e-5);
    assert!(matches!(zero_one(&as_float("Greater", 0.7)), Err(ImportError::Disagree { .. })));
}
