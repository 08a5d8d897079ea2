//! Imports at the limits: many features, many classes, large weights, ranges far from zero.

use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tribute_core::link::Link;
use tribute_core::schema::{Feature, Schema, Target};
use tribute_inference::onnx::DataType;
use tribute_inference::{import, ImportError, InputScale};

use crate::graphs::{int, Graph};

/// Imports a random head of `d` features with range `[lo, lo + 1]` and `c` classes, with weights up to `size`, ending
/// in `op`. Returns the largest error of a weight, relative to `size`, beyond rounding to integers.
fn error(d: usize, c: usize, size: f64, lo: f64, op: &str, link: Link) -> f64 {
    error_of((d * c) as u64, (d, c), size, lo, op, link)
}

/// The same for the head that `seed` gives.
fn error_of(seed: u64, (d, c): (usize, usize), size: f64, lo: f64, op: &str, link: Link) -> f64 {
    let (schema, w, graph) = head(seed, (d, c), size, lo);
    let attributes = if op.ends_with("Softmax") { vec![int("axis", 1)] } else { vec![] };
    let model = graph.with(op, &["z"], &["p"], attributes).output("p", DataType::Float, 2).model();
    let start = Instant::now();
    let found =
        import(&model, &schema, InputScale::Raw, link, 0, &[]).unwrap_or_else(|e| panic!("{d} x {c}, {op}: {e}"));
    let seconds = start.elapsed().as_secs_f64();
    let unit = 32f64.exp2();
    let mut worst = 0.0f64;
    for j in 0..d {
        let mean: f64 = (0..c).map(|u| w[u * d + j]).sum::<f64>() / c as f64;
        for u in 0..c {
            let wanted = (w[u * d + j] - if link == Link::Softmax { mean } else { 0.0 }) * 256.0 / 255.0;
            worst = worst.max((found.weights.at(j + 1, u) as f64 / unit - wanted).abs() - 0.5 / unit);
        }
    }
    println!("{d} x {c}, {op}, weights to {size}, from {lo}: {:.1e} relative, {seconds:.2} s", worst / size);
    worst / size
}

/// Random weights `[c][d]` up to `size` for features with range `[lo, lo + 1]`, and a graph that ends in their logits `z`.
fn head(seed: u64, (d, c): (usize, usize), size: f64, lo: f64) -> (Schema, Vec<f64>, Graph) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let w: Vec<f64> = (0..c * d).map(|_| f64::from(rng.gen_range(-size..size) as f32)).collect();
    let b: Vec<f64> = (0..c)
        .map(|u| {
            // all classes are undecided in the middle of the ranges
            let middle: f64 = w[u * d..(u + 1) * d].iter().map(|w| w * (lo + 0.5)).sum();
            f64::from(-middle as f32)
        })
        .collect();
    let features = (0..d).map(|j| Feature { name: format!("f{j}"), lo, hi: lo + 1.0 }).collect();
    let labels = (0..c).map(|u| u.to_string()).collect();
    let schema = Schema::new("s".into(), features, Target::Classes(labels), None).unwrap();
    let graph = Graph::default()
        .input("x", DataType::Float, &[-1, d as i64])
        .floats("w", &[c, d], &w)
        .floats("b", &[c], &b)
        .with("Gemm", &["x", "w", "b"], &["z"], vec![int("transB", 1)]);
    (schema, w, graph)
}

#[test]
fn weights_are_recovered_to_the_precision_of_the_model() {
    for link in [Link::Softmax, Link::Logistic] {
        let op = if link == Link::Softmax { "Softmax" } else { "Sigmoid" };
        assert!(error(6, 3, 1.0, 0.0, op, link) < 1e-6);
        assert!(error(6, 3, 25.0, 0.0, op, link) < 2e-6, "steep");
        assert!(error(64, 10, 3.0, 0.0, op, link) < 3e-6);
    }
    assert!(error(784, 10, 0.5, 0.0, "Softmax", Link::Softmax) < 1e-5);
    assert!(error(64, 10, 1.0, 0.0, "Identity", Link::Squared) < 1e-6);
    // the offset of the range takes up 20 of the input's 24 bits
    assert!(error(6, 3, 1.0, 1e3, "Softmax", Link::Softmax) < 1e-4);
    assert!(error(128, 100, 0.5, 0.0, "Softmax", Link::Softmax) < 1e-5);
}

/// A few times what rounding explains is refused, wherever it is.
#[test]
fn what_is_affine_only_up_to_more_than_its_rounding_is_refused() {
    let (d, c, lo) = (64, 10, 1.0);
    for seed in 0..3 {
        let (schema, w, graph) = head(seed, (d, c), 0.2, lo);
        // of every class: the bias, and features of size 3 with what moves them into their range
        let sum = w.chunks_exact(d).map(|w| w.iter().map(|w| 1.5 * w + 3.0 * w.abs()).sum::<f64>()).fold(0.0, f64::max);
        let amplitude = 4.0 * sum * (4.0 + 4.0) * (-24f64).exp2();
        let extra = |by: &dyn Fn(Graph) -> Graph| {
            let graph = graph.clone().i64s("third", &[1], &[2]).floats("middle", &[], &[lo + 0.5]);
            let graph = graph.with("Gather", &["x", "third"], &["f"], vec![int("axis", 1)]);
            let graph = by(graph.node("Sub", &["f", "middle"], &["t"])).floats("amplitude", &[], &[amplitude]);
            let graph = graph.node("Mul", &["bump", "amplitude"], &["extra"]).node("Add", &["z", "extra"], &["y"]);
            import(&graph.output("y", DataType::Float, 2).model(), &schema, InputScale::Raw, Link::Softmax, 0, &[])
        };
        let indicator = |graph: Graph| graph.with("Cast", &["on"], &["bump"], vec![int("to", DataType::Float as i64)]);
        assert!(extra(&|g| g.node("Identity", &["t"], &["bump"])).is_ok());
        for (what, by) in [
            (
                "a kink",
                &(|g: Graph| {
                    g.floats("two", &[], &[2.0]).node("Abs", &["t"], &["a"]).node("Mul", &["a", "two"], &["bump"])
                }) as &dyn Fn(Graph) -> Graph,
            ),
            ("a step", &|g| indicator(g.floats("at", &[], &[0.1]).node("Greater", &["t", "at"], &["on"]))),
            ("a band", &|g| {
                let g = g.floats("width", &[], &[0.05]).node("Abs", &["t"], &["a"]);
                indicator(g.node("Less", &["a", "width"], &["on"]))
            }),
            ("a kink beyond the range", &|g| {
                let g = g.floats("end", &[], &[0.75]).floats("four", &[], &[4.0]).node("Sub", &["t", "end"], &["o"]);
                g.node("Relu", &["o"], &["r"]).node("Mul", &["r", "four"], &["bump"])
            }),
        ] {
            let e = extra(by).unwrap_err();
            assert!(matches!(&e, ImportError::NotAffine { .. }), "{what}, {seed}: {e}");
        }
    }
}

/// The errors of single weights do not add up to more than rounding explains.
#[test]
fn every_head_of_single_precision_is_imported() {
    for seed in 0..12 {
        for (shape, lo) in [((64, 10), 1.0), ((64, 10), 4.0), ((100, 3), 1.0), ((30, 3), 3.0)] {
            assert!(error_of(seed, shape, 0.2, lo, "Identity", Link::Squared) < 2e-6 * (1.0 + lo));
        }
        assert!(error_of(seed, (64, 10), 0.2, 4.0, "LogSoftmax", Link::Softmax) < 1e-5);
    }
}

/// Two classes of which one always wins, or none clearly: their probabilities still say how the logits change.
#[test]
fn probabilities_of_two_classes_are_read_where_they_hardly_vary() {
    let d = 100;
    for (seed, size, bias) in
        [(0, 1e-3, 0.0), (1, 0.01, 2.0), (2, 0.01, 7.0), (3, 0.1, 4.0), (4, 0.1, 7.0), (5, 1.0, 7.0)]
    {
        let w = &head(seed, (d, 2), size, 0.0).1[..d];
        let bias = bias - w.iter().sum::<f64>() / 2.0;
        let features = (0..d).map(|j| Feature { name: format!("f{j}"), lo: 0.0, hi: 1.0 }).collect();
        let labels = Target::Classes(vec!["0".into(), "1".into()]);
        let schema = Schema::new("s".into(), features, labels, None).unwrap();
        let layer = |factors: &[f64]| {
            let weights: Vec<f64> = factors.iter().flat_map(|by| w.iter().map(move |w| w * by)).collect();
            let biases: Vec<f64> = factors.iter().map(|by| bias * by).collect();
            Graph::default()
                .input("x", DataType::Float, &[-1, d as i64])
                .floats("w", &[factors.len(), d], &weights)
                .floats("b", &[factors.len()], &biases)
                .with("Gemm", &["x", "w", "b"], &["z"], vec![int("transB", 1)])
        };
        let sigmoid = |to: &str| layer(&[1.0]).node("Sigmoid", &["z"], &[to]);
        let complement = sigmoid("s").floats("one", &[1], &[1.0]).node("Sub", &["one", "s"], &["q"]);
        for (what, graph) in [
            ("softmax", layer(&[-0.5, 0.5]).with("Softmax", &["z"], &["p"], vec![int("axis", 1)])),
            ("one probability", sigmoid("p")),
            ("one and its complement", complement.with("Concat", &["q", "s"], &["p"], vec![int("axis", 1)])),
        ] {
            let model = graph.output("p", DataType::Float, 2).model();
            for (link, by) in [(Link::Logistic, 1.0), (Link::Softmax, 0.5)] {
                let found = import(&model, &schema, InputScale::Raw, link, 0, &[])
                    .unwrap_or_else(|e| panic!("{what}, {size}, {bias}, {}: {e}", link.name()));
                let off = |j: usize| found.weights.at(j + 1, 1) as f64 / 32f64.exp2() - by * w[j] * 256.0 / 255.0;
                let worst = (0..d).map(|j| off(j).abs()).fold(0.0, f64::max);
                println!("{what}, weights to {size}, bias {bias:.1}, {}: {worst:.1e}", link.name());
                assert!(worst < 1e-4, "{what}: {worst}");
            }
        }
    }
}
