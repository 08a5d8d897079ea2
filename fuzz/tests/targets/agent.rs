//! ONNX: the canonical agent is read byte for byte or refused; any model's messages and integer tensors are read or refused.

use tribute_inference::{onnx, Agent};

use super::{corpus, fuzz};

/// Models of other tools, from the tests of `tribute-inference`.
const MODELS: [&str; 4] = ["sk_softmax.onnx", "sk_strings.onnx", "torch_logits.onnx", "torch_hidden.onnx"];

#[test]
fn canonical_agents() {
    let good = corpus("agent.onnx");
    assert_eq!(Agent::from_bytes(&good).expect("the corpus is read").to_bytes(), good);
    fuzz("agent", &[good], 20_000, |input| {
        if let Ok(agent) = Agent::from_bytes(input) {
            assert_eq!(agent.to_bytes(), input, "one agent has one file");
        }
    });
}

#[test]
fn tensors_of_any_model() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../inference/tests/fixtures");
    let mut seeds: Vec<Vec<u8>> =
        MODELS.iter().map(|name| std::fs::read(format!("{folder}/{name}")).expect(name)).collect();
    seeds.push(corpus("agent.onnx"));
    // how many of the model's tensors are integers
    let read = |input: &[u8]| -> Option<usize> {
        let (_, graph) = onnx::decode(input).ok()?;
        Some(graph.initializer.iter().filter(|t| onnx::read_i64(t).is_ok()).count())
    };
    assert!(seeds.iter().all(|seed| read(seed).is_some()));
    assert!(seeds.iter().filter_map(|seed| read(seed)).sum::<usize>() > 0, "no tensor of the corpus is read");
    fuzz("model", &seeds, 20_000, |input| {
        let _ = read(input);
    });
}
