//! Models are cut off at their last dense layer, in whatever form exporters write it; what remains computes that layer's input.

use half::f16;
use tribute_inference::extract::Extractor;
use tribute_inference::onnx::DataType;
use tribute_inference::split::{split, SplitError};

use crate::common;
use crate::graphs::{floats, int, ints, text, texts, Graph};

const W: [f64; 6] = [0.5, -1.25, 0.125, 2.0, -0.75, 0.25];

/// A hidden layer of three features over two inputs; the rest is to take `v`.
fn begin() -> Graph {
    Graph::default()
        .input("x", DataType::Float, &[-1, 2])
        .floats("h", &[2, 3], &[1.0, -1.0, 0.5, 2.0, 1.0, -0.5])
        .node("MatMul", &["x", "h"], &["m"])
        .node("Relu", &["m"], &["v"])
}

fn logits(graph: Graph) -> Vec<u8> {
    graph.output("z", DataType::Float, 2).model()
}

fn classifier() -> Graph {
    let attributes = vec![
        floats("coefficients", &W),
        floats("intercepts", &[0.5, -0.5]),
        text("post_transform", "SOFTMAX"),
        texts("classlabels_strings", &["no", "yes"]),
    ];
    begin().with("LinearClassifier", &["v"], &["label", "p"], attributes)
}

#[test]
fn every_form_of_the_last_layer_leaves_the_same_body() {
    let weights = || begin().floats("w", &[2, 3], &W);
    let transposed = || weights().with("Transpose", &["w"], &["t"], vec![ints("perm", &[1, 0])]);
    let quantised = begin()
        .raw("q", DataType::Int8, &[2, 3], vec![1, 2, 3, 4, 5, 6])
        .floats("scale", &[], &[0.5])
        .raw("zero", DataType::Int8, &[], vec![0])
        .node("DequantizeLinear", &["q", "scale", "zero"], &["w"]);
    let gemm = |graph: Graph| graph.with("Gemm", &["v", "w"], &["z"], vec![int("transB", 1)]);
    let rounded = gemm(weights())
        .floats("step", &[], &[0.25])
        .raw("middle", DataType::Uint8, &[], vec![128])
        .node("QuantizeLinear", &["z", "step", "middle"], &["zq"])
        .node("DequantizeLinear", &["zq", "step", "middle"], &["y"]);
    // both classes' probabilities from one logit
    let two = begin()
        .floats("w", &[3, 1], &W[..3])
        .floats("one", &[1], &[1.0])
        .node("MatMul", &["v", "w"], &["l"])
        .node("Sigmoid", &["l"], &["p"])
        .node("Sub", &["one", "p"], &["q"])
        .with("Concat", &["q", "p"], &["both"], vec![int("axis", 1)])
        .with("ArgMax", &["both"], &["y"], vec![int("axis", 1)]);
    let regressor = vec![floats("coefficients", &W[..3]), floats("intercepts", &[1.0])];
    let shared = classifier().with("Normalizer", &["p"], &["n"], vec![text("norm", "L1")]);
    let forms = [
        ("Gemm_2", logits(gemm(weights()))),
        ("MatMul_3", logits(transposed().node("MatMul", &["v", "t"], &["z"]))),
        ("Gemm_3", logits(gemm(quantised))),
        ("Gemm_2", rounded.output("y", DataType::Float, 2).model()),
        ("MatMul_2", two.output("y", DataType::Int64, 2).model()),
        (
            "LinearClassifier_2",
            classifier().output("label", DataType::String, 1).output("p", DataType::Float, 2).model(),
        ),
        ("LinearClassifier_2", shared.output("n", DataType::Float, 2).model()),
        ("LinearRegressor_2", logits(begin().with("LinearRegressor", &["v"], &["z"], regressor))),
    ];
    let body = split(&forms[0].1).unwrap().model;
    for (layer, model) in &forms {
        let found = split(model).unwrap_or_else(|e| panic!("{layer}: {e}"));
        assert_eq!(found.layer, *layer);
        assert!(found.model == body, "{layer}: another body");
    }
    let features =
        Extractor::new(common::runtime(), &body, None).unwrap().run(&[2, 2], &[1.0, 1.0, -2.0, 1.0]).unwrap();
    assert_eq!(features, [3.0, 0.0, 0.0, 0.0, 3.0, 0.0]);
}

#[test]
fn what_no_single_dense_layer_ends_is_refused() {
    let weights = || begin().floats("w", &[3, 3], &[W, W].concat()[..9]);
    let layer = || weights().node("MatMul", &["v", "w"], &["l"]);
    let operator = |graph: Graph| match split(&logits(graph)).unwrap_err() {
        SplitError::NoLayer { operator, .. } => operator,
        other => panic!("{other}"),
    };
    assert_eq!(operator(layer().node("Relu", &["l"], &["z"])), "Relu");
    // what skips the layer, and two layers side by side
    assert_eq!(operator(layer().node("Add", &["l", "v"], &["z"])), "MatMul");
    let beside = layer().node("MatMul", &["v", "w"], &["k"]).with("Concat", &["l", "k"], &["z"], vec![int("axis", 1)]);
    assert_eq!(operator(beside), "MatMul");
    // weights that depend on the input
    assert_eq!(operator(begin().node("Transpose", &["v"], &["t"]).node("MatMul", &["v", "t"], &["z"])), "MatMul");
}

/// Features are `f32`, and the same in every run.
#[test]
fn what_cannot_be_an_extractor_is_refused() {
    let network = |element, weights: fn(&[f64]) -> Vec<u8>| {
        Graph::default()
            .input("x", element, &[-1, 2])
            .raw("h", element, &[2, 3], weights(&W))
            .raw("w", element, &[3, 2], weights(&W))
            .node("MatMul", &["x", "h"], &["m"])
            .node("Relu", &["m"], &["v"])
    };
    let doubles = || network(DataType::Double, |w| w.iter().flat_map(|w| w.to_le_bytes()).collect());
    let halves = network(DataType::Float16, |w| w.iter().flat_map(|w| f16::from_f64(*w).to_le_bytes()).collect());
    let attributes = vec![floats("coefficients", &W), floats("intercepts", &[0.5, -0.5])];
    let classified = doubles().with("LinearClassifier", &["v"], &["label", "z"], attributes);
    for (graph, layer, found) in [
        (doubles().node("MatMul", &["v", "w"], &["z"]), "MatMul_2", "float64"),
        (halves.node("MatMul", &["v", "w"], &["z"]), "MatMul_2", "float16"),
        (classified, "LinearClassifier_2", "float64"),
    ] {
        let e = split(&logits(graph)).unwrap_err();
        assert_eq!(e, SplitError::Precision { layer: layer.into(), found });
        assert!(e.to_string().ends_with("export the network in float32"), "{e}");
    }

    let weights = |g: Graph| g.floats("w", &[3, 2], &W).node("MatMul", &["d", "w"], &["z"]);
    let dropout = |mode| {
        let graph = begin().floats("ratio", &[], &[0.5]).raw("mode", DataType::Bool, &[], vec![mode]);
        split(&logits(weights(graph.node("Dropout", &["v", "ratio", "mode"], &["d"]))))
    };
    assert!(matches!(dropout(1), Err(SplitError::Unsteady(_))));
    assert!(dropout(0).is_ok());
}

/// A linear model is imported itself, whatever scales its inputs.
#[test]
fn what_has_nothing_to_cut_off_is_refused() {
    let plain =
        || Graph::default().input("x", DataType::Float, &[-1, 3]).floats("w", &[3, 2], &W).floats("s", &[3], &W[..3]);
    let scaler = vec![floats("offset", &W[..3]), floats("scale", &W[3..])];
    for graph in [
        plain().node("MatMul", &["x", "w"], &["z"]),
        plain().with("Scaler", &["x"], &["v"], scaler).node("MatMul", &["v", "w"], &["z"]),
        plain().node("Sub", &["x", "s"], &["d"]).node("Div", &["d", "s"], &["v"]).node("MatMul", &["v", "w"], &["z"]),
        plain().node("Identity", &["x"], &["z"]),
    ] {
        assert_eq!(split(&logits(graph)).unwrap_err(), SplitError::NoBody);
    }
    let normalised = ["a", "b", "c", "d"].iter().fold(plain(), |g, n| g.floats(n, &[3], &[1.0; 3]));
    let normalised =
        normalised.node("BatchNormalization", &["x", "a", "b", "c", "d"], &["v"]).node("MatMul", &["v", "w"], &["z"]);
    assert_eq!(split(&logits(normalised)).unwrap_err(), SplitError::NoBody);
    // a product of the inputs is no scaling
    let square = plain().node("Mul", &["x", "x"], &["v"]).node("MatMul", &["v", "w"], &["z"]);
    assert!(split(&logits(square)).is_ok());
}
