//! Importing a model in single precision: the refusal names the command that polishes it, and that command reports what
//! changed.

use serde_json::Value;
use tribute_testing::{World, ROOT};

const OWNER: usize = 0;

#[test]
fn a_model_in_single_precision_is_finished_by_the_command_that_its_refusal_names() {
    let mut w = World::new();
    w.serve(&["--k", "15"]);
    let digits = format!("{ROOT}/examples/digits.csv.gz");
    w.run(OWNER, &format!("schema infer {digits} --out @schema.json"));
    w.run(OWNER, &format!("dataset register {digits} --schema @schema.json --rows 0..1597 --out @d.json"));
    let dataset = w.json("d.json")["dataset_id"].as_str().unwrap().to_owned();
    let model = format!("{ROOT}/inference/tests/fixtures/optimum_digits_single.onnx");
    let import = format!("agent import {model} --quantised-features --dataset {dataset} --lambda 0.001");

    let refused = w.fails(OWNER, &import);
    assert!(
        refused.contains("It looks like single precision") && refused.contains("agent import --polish"),
        "{refused}"
    );
    let refused = w.fails(OWNER, &format!("{import} --polish=0.000000001"));
    assert!(refused.contains("would move the weights by") && refused.contains("`--polish=FRACTION`"), "{refused}");
    assert!(w.fails(OWNER, &format!("{import} --polish=2")).contains("above 0 and at most 1"));
    assert!(w.fails(OWNER, &format!("{import} --held-out {digits}")).contains("--polish"));

    let polish = format!("{import} --polish --held-out {digits} --rows 1597..1797 --onnx @agent.onnx");
    let output = w.output(OWNER, &polish);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("polished: weights moved by") && said.contains("0 of 1597 answers"), "{said}");
    assert!(said.contains("0 of 200 on held-out records, accuracy 0.9"), "{said}");
    let agent: Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = &agent["polish"];
    let moved = told["moved"].as_f64().unwrap();
    assert!(moved > 1e-9 && moved < 1e-5, "{told}");
    assert_eq!(told["training_accuracy_before"], agent["training_accuracy"]);
    let held_out = &told["held_out"];
    assert_eq!((&held_out["records"], &held_out["answers_changed"]), (&200.into(), &0.into()));
    assert_eq!(held_out["accuracy"], held_out["accuracy_before"]);

    // the polished model is the optimum itself: importing it again changes nothing and reports no polish
    let again = format!("agent import @agent.onnx --dataset {dataset} --lambda 0.001");
    let agent_again = w.run(OWNER, &again);
    assert_eq!(agent_again["weights_digest"], agent["weights_digest"]);
}
