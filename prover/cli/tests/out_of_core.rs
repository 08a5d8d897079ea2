//! Training on records that are not kept in memory: shards are read from storage whenever they are needed.

use tribute_testing::{World, ROOT};

const OWNER: usize = 0;
const PROVIDER: usize = 1;

#[test]
fn an_agent_is_trained_and_polished_on_shards_in_storage() {
    // read by the server that starts below; this file has no other test
    std::env::set_var("TRIBUTE_TRAINING_MB", "0");
    let mut w = World::new();
    w.serve(&["--k", "14"]);
    let digits = format!("{ROOT}/examples/digits.csv.gz");
    w.run(OWNER, &format!("schema infer {digits} --range standard --out @schema.json"));
    // several shards in each
    let register = "--schema @schema.json --open-training --allow-clamped --intercept-scale 3";
    w.run(OWNER, &format!("dataset register {digits} {register} --rows 0..1500 --out @first.json"));
    w.run(PROVIDER, &format!("dataset register {digits} {register} --rows 1500..1797 --out @second.json"));
    let id = |file: &str| w.json(file)["dataset_id"].as_str().unwrap().to_owned();
    let datasets = format!("--dataset {} --dataset {}", id("first.json"), id("second.json"));
    assert!(w.json("first.json")["shards"].as_array().unwrap().len() > 1);
    let agent = w.run(OWNER, &format!("agent train {datasets} --lambda 0.001 --onnx @agent.onnx"));
    assert!(agent["relative_distance"].as_f64().unwrap() < 1e-5, "{agent}");
    assert!(agent["training_accuracy"].as_f64().unwrap() > 0.95, "{agent}");
    assert_eq!(agent["records"], 1797);

    // from weights that are near the optimum, of an agent of one's own with the same schema
    let weights = agent["weights_digest"].as_str().unwrap();
    let from = format!("--lambda 0.0011 --from {weights}");
    let near = w.run(OWNER, &format!("agent train {datasets} {from}"));
    assert!(near["relative_distance"].as_f64().unwrap() < 1e-5, "{near}");
    assert!(near["weights_digest"] != agent["weights_digest"] && near["training_accuracy"].as_f64().unwrap() > 0.95);
    assert!(near["polish"].is_null(), "{near}");
    let refused = w.fails(PROVIDER, &format!("agent train --dataset {} {from}", id("second.json")));
    assert!(refused.contains(&format!("no agent {weights} of yours")), "{refused}");
    w.run(OWNER, &format!("schema infer {digits} --range standard --name other --out @other.json"));
    w.run(
        OWNER,
        &format!("dataset register {digits} --schema @other.json --allow-clamped --rows 0..300 --out @third.json"),
    );
    let refused = w.fails(OWNER, &format!("agent train --dataset {} {from}", id("third.json")));
    assert!(refused.contains("another schema than the datasets"), "{refused}");

    // a model is imported and checked, and polished from nearby
    let again = w.run(OWNER, &format!("agent import @agent.onnx {datasets} --lambda 0.001"));
    assert_eq!(again["weights_digest"], agent["weights_digest"]);
    let moved = w.run(OWNER, &format!("agent import @agent.onnx {datasets} --lambda 0.0011 --polish=0.2"));
    assert!(moved["polish"]["moved"].as_f64().unwrap() > 1e-3, "{moved}");
    assert!(moved["polish"]["training_accuracy_before"] == agent["training_accuracy"], "{moved}");
}
