//! Imports at the limits: many features, many classes, large weights, ranges far from zero.

use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tribute_core::link::Link;
use tribute_core::schema::{Feature, Schema, Target};
use tribute_inference::onnx::DataType;
use tribute_inference::{import, InputScale};

use crate::graphs::{int, Graph};

/// Imports a random head of `d` features with range `[lo, lo + 1]` and `c` classes, with weights up to `size`, ending
/// in `op`. Returns the largest error of a weight, relative to `size`, beyond rounding to integers.
fn error(d: usize, c: usize, size: f64, lo: f64, op: &str, link: Link) -> f64 {
    let mut rng = ChaCha20Rng::seed_from_u64((d * c) as u64);
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
    let attributes = if op == "Softmax" { vec![int("axis", 1)] } else { vec![] };
    let model = Graph::default()
        .input("x", DataType::Float, &[-1, d as i64])
        .floats("w", &[c, d], &w)
        .floats("b", &[c], &b)
        .with("Gemm", &["x", "w", "b"], &["z"], vec![int("transB", 1)])
        .with(op, &["z"], &["p"], attributes)
        .output("p", DataType::Float, 2)
        .model();
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
