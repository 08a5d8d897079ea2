//! ONNX: the canonical agent must round-trip byte for byte or be rejected; the messages and integer tensors of any
//! model are read or rejected.

use tribute_inference::{onnx, Agent};

use super::{corpus, fuzz};

/// Models from other tools, taken from the tests of `tribute-inference`.
const MODELS: [&str; 4] = ["sk_softmax.onnx", "sk_strings.onnx", "torch_logits.onnx", "torch_hidden.onnx"];

#[test]
fn canonical_agents() {
    let good = corpus("agent.onnx");
    assert_eq!(Agent::from_bytes(&good).expect("the corpus is valid").to_bytes(), good);
    fuzz("agent", &[good], 20_000, |input| {
        if let Ok(agent) = Agent::from_bytes(input) {
            assert_eq!(agent.to_bytes(), input, "an agent has exactly one encoding");
        }
    });
}

#[test]
fn tensors_of_any_model() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../inference/tests/fixtures");
    let mut seeds: Vec<Vec<u8>> =
        MODELS.iter().map(|name| std::fs::read(format!("{folder}/{name}")).expect(name)).collect();
    seeds.push(corpus("agent.onnx"));
    // number of the model's tensors that are integers
    let read = |input: &[u8]| -> Option<usize> {
        let (_, graph) = onnx::decode(input).ok()?;
        Some(graph.initializer.iter().filter(|t| onnx::read_i64(t).is_ok()).count())
    };
    assert!(seeds.iter().all(|seed| read(seed).is_some()));
    assert!(seeds.iter().filter_map(|seed| read(seed)).sum::<usize>() > 0, "no tensor of the corpus was read");
    fuzz("model", &seeds, 20_000, |input| {
        let _ = read(input);
    });
}
