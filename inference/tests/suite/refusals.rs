//! Models that are not a head over their input are rejected, with an input that shows it and what the model is.

use half::{bf16, f16};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use tribute_core::link::Link;
use tribute_core::schema::{Categories, Feature, Schema, Target};
use tribute_inference::onnx::DataType;
use tribute_inference::runtime::RuntimeError;
use tribute_inference::{import, ImportError, InputScale};

use crate::graphs::{floats, int, text, Graph};

const D: usize = 6;
const C: usize = 3;

fn weights() -> Vec<f64> {
    use rand::Rng;
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    (0..C * D).map(|_| rng.gen_range(-2.0..2.0)).collect()
}

/// Features in 0..=10, where no whole number but the ends lies on the grid of 8-bit steps.
fn schema() -> Schema {
    let features = (0..D).map(|j| Feature { name: format!("f{j}"), lo: 0.0, hi: 10.0 }).collect();
    Schema::new("s".into(), features, Target::Classes(vec!["0".into(), "1".into(), "2".into()]), None).unwrap()
}

fn refused(model: &[u8]) -> ImportError {
    import(model, &schema(), InputScale::Raw, Link::Softmax, 0, &[]).unwrap_err()
}

/// Input `x [batch, 6]`, and the weights of a layer that takes `v`.
fn begin() -> Graph {
    let w: Vec<f64> = weights().iter().map(|w| w / 10.0).collect();
    Graph::default().input("x", DataType::Float, &[-1, D as i64]).floats("w", &[C, D], &w).floats(
        "b",
        &[C],
        &[0.1, 0.0, -0.1],
    )
}

/// Adds the layer over `v`, ending in probabilities.
fn end(graph: Graph) -> Vec<u8> {
    layer(graph).with("Softmax", &["z"], &["p"], vec![int("axis", 1)]).output("p", DataType::Float, 2).model()
}

/// Adds the layer over `v`, ending in logits.
fn logits(graph: Graph) -> Vec<u8> {
    layer(graph).output("z", DataType::Float, 2).model()
}

fn layer(graph: Graph) -> Graph {
    graph.with("Gemm", &["v", "w", "b"], &["z"], vec![int("transB", 1)])
}

fn assert_not_affine(what: &str, model: &[u8], kind: &str) {
    let e = refused(model);
    let text = e.to_string();
    println!("{what}: {text}");
    assert!(matches!(e, ImportError::NotAffine { .. }), "{what}: {text}");
    assert!(text.contains("at f0 = ") && text.contains(kind), "{what}: {text}");
}

#[test]
fn what_changes_its_input_is_refused_wherever_the_change_is() {
    let cast = |g: Graph, x: &str, v: &str| {
        g.with("Cast", &[x], &["whole"], vec![int("to", DataType::Int64 as i64)]).with(
            "Cast",
            &["whole"],
            &[v],
            vec![int("to", DataType::Float as i64)],
        )
    };
    // one feature out of six, the others unchanged
    let split =
        || begin().i64s("at", &[2], &[5, 1]).with("Split", &["x", "at"], &["rest", "one"], vec![int("axis", 1)]);
    let join = |g: Graph| g.with("Concat", &["rest", "changed"], &["v"], vec![int("axis", 1)]);
    let bounds = || begin().floats("lo", &[], &[0.0]).floats("hi", &[], &[10.0]);
    let quantised = begin()
        .floats("scale", &[], &[10.0 / 255.0])
        .raw("zero", DataType::Uint8, &[], vec![0])
        .node("QuantizeLinear", &["x", "scale", "zero"], &["q"])
        .node("DequantizeLinear", &["q", "scale", "zero"], &["v"]);
    for (what, graph, kind) in [
        ("integer cast", cast(begin(), "x", "v"), "rounding"),
        ("integer cast of one feature", join(cast(split(), "one", "changed")), "rounding"),
        ("round", begin().node("Round", &["x"], &["v"]), "rounding"),
        ("quantised activations", quantised, "rounding"),
        ("clip at the ranges", bounds().node("Clip", &["x", "lo", "hi"], &["v"]), "clip"),
        ("clip of one feature", join(bounds_of(split()).node("Clip", &["one", "lo", "hi"], &["changed"])), "clip"),
        ("hidden layer", begin().node("Relu", &["x"], &["r"]).node("Tanh", &["r"], &["v"]), "extractor"),
        (
            "each record by its size",
            begin().with("Normalizer", &["x"], &["v"], vec![text("norm", "L2")]),
            "its own size",
        ),
        ("product", begin().node("Mul", &["x", "x"], &["v"]), "product"),
        ("power", begin().floats("two", &[], &[2.0]).node("Pow", &["x", "two"], &["v"]), "product"),
        (
            "logarithm",
            begin().floats("one", &[], &[6.0]).node("Add", &["x", "one"], &["a"]).node("Log", &["a"], &["v"]),
            "transformation",
        ),
    ] {
        assert_not_affine(what, &end(graph.clone()), kind);
        assert_not_affine(what, &logits(graph), kind);
    }
}

/// Steps of a thousandth of the range, which computing in half precision would explain.
#[test]
fn what_is_only_kept_in_half_precision_explains_no_rounding() {
    let to = |element: DataType| vec![int("to", element as i64)];
    let stepped = |g: Graph| {
        g.floats("many", &[], &[100.0])
            .node("Mul", &["x", "many"], &["m"])
            .with("Cast", &["m"], &["whole"], to(DataType::Int64))
            .with("Cast", &["whole"], &["n"], to(DataType::Float))
            .node("Div", &["n", "many"], &["v"])
    };
    let kept = |element: DataType, bytes: &dyn Fn(f64) -> [u8; 2]| {
        let w: Vec<u8> = weights().iter().flat_map(|w| bytes(w / 10.0)).collect();
        let graph = Graph::default().input("x", DataType::Float, &[-1, D as i64]).floats("b", &[C], &[0.1, 0.0, -0.1]);
        graph.raw("kept", element, &[C, D], w).with("Cast", &["kept"], &["w"], to(DataType::Float))
    };
    let half = |w: f64| f16::from_f64(w).to_le_bytes();
    let brain = |w: f64| bf16::from_f64(w).to_le_bytes();
    for (what, graph) in [
        ("weights in float16", kept(DataType::Float16, &half)),
        ("weights in bfloat16", kept(DataType::Bfloat16, &brain)),
        ("a constant that nothing takes", begin().raw("unused", DataType::Float16, &[1], half(1.0).to_vec())),
    ] {
        let plain = logits(graph.clone().node("Identity", &["x"], &["v"]));
        assert!(import(&plain, &schema(), InputScale::Raw, Link::Softmax, 0, &[]).is_ok(), "{what}");
        assert_not_affine(what, &logits(stepped(graph)), "rounding");
    }
    let rough = |graph: Graph| layer(graph).with("Cast", &["z"], &["half"], to(DataType::Float16));
    let both = |graph: Graph, outputs: [(&str, DataType); 2]| {
        let graph = outputs.iter().fold(rough(graph), |g, (name, element)| g.output(name, *element, 2));
        graph.model()
    };
    let outputs = [("half", DataType::Float16), ("z", DataType::Float)];
    for outputs in [outputs, [outputs[1], outputs[0]]] {
        let plain = both(begin().node("Identity", &["x"], &["v"]), outputs);
        let found = import(&plain, &schema(), InputScale::Raw, Link::Softmax, 0, &[]).unwrap();
        assert_eq!(found.output, "z", "the output with the most digits");
        assert_not_affine("an output in float16", &both(stepped(begin()), outputs), "rounding");
    }
}

fn bounds_of(graph: Graph) -> Graph {
    graph.floats("lo", &[], &[2.0]).floats("hi", &[], &[9.9])
}

/// What depends on chance or on the batch is named before anything is evaluated.
#[test]
fn what_is_in_training_mode_is_refused() {
    let dropout = |mode: u8| {
        let graph = begin().floats("ratio", &[], &[0.5]).raw("mode", DataType::Bool, &[], vec![mode]);
        logits(graph.node("Dropout", &["x", "ratio", "mode"], &["v"]))
    };
    let normalised = |outputs: &[&str], attributes| {
        let graph = ["scale", "shift", "mean", "var"].iter().fold(begin(), |g, n| g.floats(n, &[D], &[1.0; D]));
        logits(graph.with("BatchNormalization", &["x", "scale", "shift", "mean", "var"], outputs, attributes))
    };
    let noisy = begin().node("RandomNormalLike", &["x"], &["noise"]).node("Add", &["x", "noise"], &["v"]);
    for (model, wanted) in [
        (dropout(1), "node `Dropout_0` (Dropout) is in training mode: export after `model.eval()`"),
        (
            normalised(&["v"], vec![int("training_mode", 1)]),
            "node `BatchNormalization_0` (BatchNormalization) is in training mode",
        ),
        (normalised(&["v", "m", "s"], vec![]), "node `BatchNormalization_0` (BatchNormalization) is in training mode"),
        (logits(noisy), "node `RandomNormalLike_0` (RandomNormalLike) draws random numbers"),
    ] {
        let e = refused(&model);
        assert!(matches!(&e, ImportError::Runtime(RuntimeError::Unsteady(_))), "{e}");
        assert!(e.to_string().starts_with(wanted), "{e}");
    }
    assert!(import(&dropout(0), &schema(), InputScale::Raw, Link::Softmax, 0, &[]).is_ok());
}

/// A model that ends in maps is not refused for the forms in which it was tried.
#[test]
fn what_is_wrong_with_a_model_of_maps_is_told() {
    let maps = layer(begin().node("Identity", &["x"], &["v"]))
        .node("Softmax", &["z"], &["p"])
        .node("ZipMap", &["p"], &["maps"])
        .node("Not", &["p"], &["wrong"])
        .output("maps", DataType::Float, 2);
    let e = refused(&maps.model());
    assert!(e.to_string().contains("operator (Not)"), "{e}");
}

/// A column that the schema encodes is not to be encoded by the model.
#[test]
fn what_to_export_instead_of_an_encoder_is_told() {
    let column = |name: &str, hi| Feature { name: name.into(), lo: 0.0, hi };
    let features = vec![column("age", 90.0), column("sex=f", 1.0), column("sex=m", 1.0)];
    let categories = Categories { column: "sex".into(), first: 1, values: vec!["f".into(), "m".into()] };
    let schema = Schema::new("s".into(), features, Target::Real { lo: 0.0, hi: 1.0 }, None).unwrap();
    let schema = schema.with_categories(vec![categories]).unwrap();
    let graph = Graph::default().input("x", DataType::Float, &[-1, 2]).floats("w", &[2, 1], &[1.0, 2.0]);
    let model = graph.node("MatMul", &["x", "w"], &["z"]).output("z", DataType::Float, 2).model();
    let e = import(&model, &schema, InputScale::Raw, Link::Squared, 0, &[]).unwrap_err();
    assert!(matches!(&e, ImportError::Input { features: 3, .. }), "{e}");
    assert!(e.to_string().contains("after its encoder, trained on the columns sex=f, sex=m (pandas"), "{e}");
}

/// A kink that only few inputs reach.
#[test]
fn thresholds_somewhere_are_found() {
    let plus = |g: Graph| {
        layer(g.node("Identity", &["x"], &["v"]))
            .node("Add", &["z", "extra"], &["y"])
            .output("y", DataType::Float, 2)
            .model()
    };
    // a band that covers a hundredth of one feature's range
    let band = begin()
        .i64s("third", &[1], &[2])
        .floats("from", &[], &[7.3])
        .floats("to", &[], &[7.4])
        .floats("bump", &[], &[0.01])
        .with("Gather", &["x", "third"], &["f"], vec![int("axis", 1)])
        .node("Greater", &["f", "from"], &["above"])
        .node("Less", &["f", "to"], &["below"])
        .node("And", &["above", "below"], &["inside"])
        .with("Cast", &["inside"], &["one"], vec![int("to", DataType::Float as i64)])
        .node("Mul", &["one", "bump"], &["extra"]);
    assert_not_affine("band", &plus(band), "threshold");
    // the sum of all features, at nine tenths of its maximum and at a twentieth
    for (sign, at) in [(1.0, 54.0), (-1.0, -3.0)] {
        let corner = begin()
            .i64s("axis", &[1], &[1])
            .floats("sign", &[], &[sign])
            .floats("at", &[], &[at])
            .node("ReduceSum", &["x", "axis"], &["sum"])
            .node("Mul", &["sum", "sign"], &["signed"])
            .node("Sub", &["signed", "at"], &["over"])
            .node("Relu", &["over"], &["extra"]);
        assert_not_affine("corner", &plus(corner), "Relu");
    }
    // logits clipped where a class is most certain
    let cut = layer(begin().node("Identity", &["x"], &["v"])).floats("lo", &[], &[-4.0]).floats("hi", &[], &[4.0]);
    assert_not_affine(
        "cut",
        &cut.node("Clip", &["z", "lo", "hi"], &["y"]).output("y", DataType::Float, 2).model(),
        "node `Clip_2` (Clip) makes it a function of its scores",
    );
}

/// What is advised depends on where the dense layers are, and names a node that is not affine.
#[test]
fn the_advice_can_be_followed() {
    const EXTRACTOR: &str = "tribute extract --split BODY";
    const BEHIND: &str = "a function of its scores that is neither a softmax nor a logistic function";
    let square: Vec<f64> = (0..D * D).map(|i| ((i * 7 + 3) % 11) as f64 / 10.0 - 0.5).collect();
    let hidden = || begin().floats("a", &[D, D], &square).node("MatMul", &["x", "a"], &["h"]);
    let bounds = |g: Graph| g.floats("lo", &[], &[0.0]).floats("hi", &[], &[6.0]);
    let to_logits = |g: Graph| logits(g);
    for (what, model, node, advice) in [
        ("ReLU6", to_logits(bounds(hidden()).node("Clip", &["h", "lo", "hi"], &["v"])), "(Clip)", EXTRACTOR),
        ("a shrunk layer", to_logits(hidden().node("Shrink", &["h"], &["v"])), "(Shrink)", EXTRACTOR),
        ("softsign", to_logits(hidden().node("Softsign", &["h"], &["v"])), "(Softsign)", EXTRACTOR),
        (
            "each record by its size, inside",
            to_logits(hidden().floats("one", &[D], &[1.0; D]).node("LayerNormalization", &["h", "one"], &["v"])),
            "(LayerNormalization)",
            EXTRACTOR,
        ),
        (
            "einsum before",
            to_logits(
                begin()
                    .floats("a", &[D, D], &square)
                    .with("Einsum", &["x", "a"], &["h"], vec![text("equation", "bi,oi->bo")])
                    .node("Relu", &["h"], &["v"]),
            ),
            "(Relu)",
            EXTRACTOR,
        ),
        (
            "an exponential behind",
            layer(begin().node("Identity", &["x"], &["v"]))
                .node("Exp", &["z"], &["y"])
                .output("y", DataType::Float, 2)
                .model(),
            "(Exp)",
            BEHIND,
        ),
        ("a clip behind a softmax", behind("Clip", &["p", "lo", "hi"]), "(Clip)", BEHIND),
        ("percents", behind("Mul", &["p", "hundred"]), "(Mul)", BEHIND),
        ("a negative logarithm", behind("Log", &["p"]), "(Log)", BEHIND),
    ] {
        assert_not_affine(what, &model, advice);
        let told = refused(&model).to_string();
        assert!(told.contains(node), "{what}: {told}");
    }
}

/// A softmax with one operator behind it.
fn behind(op: &str, inputs: &[&str]) -> Vec<u8> {
    layer(begin().node("Identity", &["x"], &["v"]))
        .floats("lo", &[], &[0.05])
        .floats("hi", &[], &[0.95])
        .floats("hundred", &[], &[100.0])
        .with("Softmax", &["z"], &["p"], vec![int("axis", 1)])
        .node(op, inputs, &["y"])
        .node("Neg", &["y"], &["n"])
        .output("n", DataType::Float, 2)
        .model()
}

/// What gives no number is told, and what to look for.
#[test]
fn a_model_without_numbers_is_refused_for_that() {
    let weights = |w: f64| {
        let graph = Graph::default().input("x", DataType::Float, &[-1, D as i64]).floats("b", &[C], &[0.0; C]);
        logits(graph.floats("w", &[C, D], &[w; C * D]).node("Identity", &["x"], &["v"]))
    };
    for w in [f64::NAN, f64::INFINITY] {
        assert_not_affine("weights", &weights(w), "which is no finite number: the model has weights that are infinite");
    }
    // its exponentials overflow
    let steep: Vec<f64> = self::weights().iter().map(|w| w * 50.0).collect();
    let written_out = Graph::default()
        .input("x", DataType::Float, &[-1, D as i64])
        .floats("w", &[C, D], &steep)
        .floats("b", &[C], &[0.0; C])
        .i64s("axis", &[1], &[1])
        .with("Gemm", &["x", "w", "b"], &["z"], vec![int("transB", 1)])
        .node("Exp", &["z"], &["e"])
        .node("ReduceSum", &["e", "axis"], &["s"])
        .node("Div", &["e", "s"], &["p"])
        .output("p", DataType::Float, 2)
        .model();
    assert_not_affine("a softmax written out", &written_out, "a value on the way is too large for its floats");
}

#[test]
fn what_has_other_inputs_or_outputs_is_refused_by_name() {
    let plain = || layer(begin().node("Identity", &["x"], &["v"]));
    let whole = |element, width: usize| {
        let graph = Graph::default()
            .input("x", element, &[-1, width as i64])
            .floats("w", &[C, width], &weights()[..C * width])
            .floats("b", &[C], &[0.0; 3]);
        logits(graph.with("Cast", &["x"], &["v"], vec![int("to", DataType::Float as i64)]))
    };
    let e = refused(&whole(DataType::Int64, 6));
    assert!(
        matches!(&e, ImportError::InputType { input, .. } if input == "x") && e.to_string().contains("float32"),
        "{e}"
    );
    let e = refused(&whole(DataType::Float, 5));
    assert!(matches!(&e, ImportError::Input { features: 6, .. }) && e.to_string().contains("[batch, 6]"), "{e}");

    let named = |last: &str| {
        let names = ["f0", "f1", "f2", "f3", "f4", last];
        let graph = names.iter().fold(Graph::default(), |g, n| g.input(n, DataType::Float, &[-1, 1]));
        let graph = graph.floats("w", &[C, D], &weights()).floats("b", &[C], &[0.0; 3]);
        logits(graph.with("Concat", &names, &["v"], vec![int("axis", 1)]))
    };
    assert!(import(&named("f5"), &schema(), InputScale::Raw, Link::Softmax, 0, &[]).is_ok());
    assert!(matches!(refused(&named("age")), ImportError::Column { input } if input == "age"));

    let sum = plain().i64s("axis", &[1], &[1]).node("ReduceSum", &["z", "axis"], &["y"]);
    let e = refused(&sum.output("y", DataType::Float, 2).model());
    assert!(matches!(&e, ImportError::Regression { classes: 3, .. }), "{e}");
    // the largest score beside the label is no regression
    let largest = plain().with("ReduceMax", &["z"], &["y"], vec![int("keepdims", 0)]).with(
        "ArgMax",
        &["z"],
        &["label"],
        vec![int("axis", 1), int("keepdims", 0)],
    );
    let e = refused(&largest.output("y", DataType::Float, 1).output("label", DataType::Int64, 1).versions(13, 8));
    assert!(matches!(&e, ImportError::NoScores { .. }) && e.to_string().contains("of all classes"), "{e}");
    let regressor = Graph::default().input("x", DataType::Float, &[-1, 6]).with(
        "LinearRegressor",
        &["x"],
        &["y"],
        vec![floats("coefficients", &weights()[..6]), floats("intercepts", &[1.0])],
    );
    let model = regressor.output("y", DataType::Float, 2).model();
    let two =
        Schema::new("s".into(), schema().features().to_vec(), Target::Classes(vec!["0".into(), "1".into()]), None)
            .unwrap();
    for schema in [schema(), two.clone()] {
        let e = import(&model, &schema, InputScale::Raw, Link::Logistic, 0, &[]).unwrap_err();
        assert!(matches!(&e, ImportError::Regression { .. }), "{e}");
    }
    let steep: Vec<f64> = (0..D).map(|j| if j % 2 == 0 { 1e9 } else { -1.1e9 }).collect();
    let certain = Graph::default().input("x", DataType::Float, &[-1, 6]).floats("w", &[6, 1], &steep);
    let certain =
        certain.floats("b", &[1], &[-3.3e9]).node("Gemm", &["x", "w", "b"], &["z"]).node("Sigmoid", &["z"], &["p"]);
    let e = import(&certain.output("p", DataType::Float, 2).model(), &two, InputScale::Raw, Link::Logistic, 0, &[]);
    let e = e.unwrap_err();
    assert!(matches!(&e, ImportError::Extreme { .. }) && e.to_string().contains("other units"), "{e}");
    let real =
        Schema::new("s".into(), schema().features().to_vec(), Target::Real { lo: -50.0, hi: 50.0 }, None).unwrap();
    let e = import(&logits(begin().node("Identity", &["x"], &["v"])), &real, InputScale::Raw, Link::Squared, 0, &[])
        .unwrap_err();
    assert!(matches!(&e, ImportError::Classes { expected: 1, got: 3, .. }), "{e}");
    assert!(e.to_string().contains("the schema one real target"), "{e}");

    // a logistic output is not a value of the target, whatever its range
    let one =
        plain().i64s("axis", &[1], &[1]).node("ReduceSum", &["z", "axis"], &["s"]).node("Sigmoid", &["s"], &["y"]);
    let model = one.output("y", DataType::Float, 2).model();
    let e = import(&model, &real, InputScale::Raw, Link::Squared, 0, &[]).unwrap_err();
    assert!(matches!(&e, ImportError::Link { got: "logistic", expected: "squared", .. }), "{e}");
    assert!(import(&model, &real, InputScale::Raw, Link::Logistic, 0, &[]).is_ok());

    let e = refused(&plain().output("z", DataType::Float, 2).versions(99, 10));
    assert!(matches!(&e, ImportError::Runtime(_)) && e.to_string().contains("onnxruntime rejected the model"), "{e}");
    assert!(e.to_string().contains("`opset_version`"), "{e}");
    let e = refused(&plain().output("z", DataType::Float, 2).versions(1, 10));
    assert!(e.to_string().contains("`opset_version`") && !e.to_string().contains("float32"), "{e}");
    let halves =
        Graph::default().input("x", DataType::Bfloat16, &[-1, 6]).raw("w", DataType::Bfloat16, &[6, 3], vec![0; 36]);
    let e = refused(&halves.node("Gemm", &["x", "w"], &["z"]).output("z", DataType::Bfloat16, 2).model());
    assert!(matches!(&e, ImportError::Runtime(_)) && e.to_string().contains("Export it in float32"), "{e}");
    let e = refused(&plain().node("Frobnicate", &["z"], &["y"]).output("y", DataType::Float, 2).model());
    assert!(matches!(&e, ImportError::Runtime(_)), "{e}");
    assert!(matches!(refused(b"not a model"), ImportError::Onnx(_)));
}
