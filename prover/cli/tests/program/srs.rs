//! The service and offline verification under the SRS of a ceremony, performed here with snarkjs.

use std::path::Path;
use std::process::Command;

use halo2_proofs::halo2curves::bn256::Bn256;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::SerdeFormat;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tribute_testing::calls::connect;
use tribute_testing::data::WINE_FILE;
use tribute_testing::{World, ROOT};

/// The smallest size: a ceremony of 2^11 powers takes seconds.
const PROFILE: &[&str] = &["--k", "11", "--columns", "8"];

/// The account for commands that any account may run.
const ANY: usize = 0;

fn hold_ceremony(out: &Path, power: u32) {
    let tool = Path::new(ROOT).join("circuits/tests/ceremony");
    assert!(tool.join("node_modules/snarkjs").exists(), "snarkjs is missing: scripts/ceremony-tools.sh installs it");
    let mut node = Command::new("node");
    let status = node.arg(tool.join("make.mjs")).args(["bn128", &power.to_string()]).arg(out).status().unwrap();
    assert!(status.success(), "snarkjs failed");
}

/// Writes an SRS with yet another secret in the format of `Srs::save`, whose body is halo2's.
fn write_srs(file: &Path, k: u32) {
    let params = ParamsKZG::<Bn256>::setup(k, rand_chacha::ChaCha20Rng::seed_from_u64(7));
    let mut body = Vec::new();
    params.write_custom(&mut body, SerdeFormat::RawBytes).unwrap();
    std::fs::write(file, [b"TRIBSRS2", &Sha256::digest(&body)[..], &body].concat()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn circuits_are_made_for_the_srs_of_their_server() {
    let mut w = World::new();
    write_srs(&w.file("other.srs"), 11);
    let other = w.file("other.srs").display().to_string();
    // a regression, because a service circuit does not fit this size
    w.run(ANY, &format!("schema infer {WINE_FILE} --real --out @schema.json"));
    let ready = |listed: &Value| listed["ready"].as_array().unwrap().len();
    let prepare = "circuits prepare --schema @schema.json --link squared";

    w.serve(PROFILE);
    let development = w.run(ANY, prepare);
    assert_eq!(ready(&development), 3, "{development}");
    // classes need the service circuit too
    w.run(ANY, &format!("schema infer {WINE_FILE} --out @classes.json"));
    let refused = w.fails(ANY, "circuits prepare --schema @classes.json --link squared");
    assert!(refused.contains("from k = 15 on") && refused.contains("off chain only"), "{refused}");
    let shown = w.says(ANY, "schema show @classes.json --k 11");
    assert!(shown.contains("answers   are provable from k = 15"), "{shown}");
    assert!(w.says(ANY, "schema show @classes.json").contains(" to a proof"));
    w.served = None;

    // under another SRS, the same request is other work
    w.serve(&[PROFILE, &["--srs", &other]].concat());
    let prepared = w.run(ANY, prepare);
    assert_eq!((ready(&prepared), &prepared["missing"]), (3, &serde_json::json!([])), "{prepared}");
    assert_ne!(prepared["ready"][0]["circuit_id"], development["ready"][0]["circuit_id"]);
    w.served = None;

    // back under the first SRS, its circuits are found
    w.serve(PROFILE);
    assert_eq!(w.run(ANY, prepare)["ready"], development["ready"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_under_a_ceremony() {
    let mut w = World::new();
    hold_ceremony(&w.file("tau.ptau"), 11);
    hold_ceremony(&w.file("other.ptau"), 11);

    // the imported folder equals the file
    let imported = w.run(ANY, "srs import @tau.ptau --k 10 --k 11 --out @srs");
    let digest = imported["digest"].as_str().unwrap().to_owned();
    // a new ceremony is not in the list of public ones
    assert_eq!((&imported["ceremony"], imported["blake2b"].as_str().map(str::len)), (&Value::Null, Some(128)));
    let shown = w.run(ANY, "srs show @srs");
    assert_eq!((&shown["digest"], &shown["development"]), (&imported["digest"], &Value::Bool(false)));
    assert_eq!(shown["sizes"].as_array().unwrap().len(), 2);
    assert_eq!(w.run(ANY, "srs show @tau.ptau --k 11")["digest"], imported["digest"]);
    assert_eq!(w.run(ANY, "srs show --k 11")["development"], Value::Bool(true));
    let usual = w.run(ANY, "srs import @tau.ptau --k 11");
    assert!(usual["folder"].as_str().unwrap().starts_with(w.file("cache").to_str().unwrap()));
    assert!(w.fails(ANY, "srs import @tau.ptau --k 12").contains("up to k = 11 but k = 12 was requested"));
    let refused = w.fails(ANY, &format!("serve --data @never --listen 127.0.0.1:0 --srs {WINE_FILE}"));
    assert!(refused.contains("neither a powers-of-tau file"), "{refused}");

    // from records to a certificate under it
    let srs = w.file("srs").display().to_string();
    w.serve(&[PROFILE, &["--srs", &srs]].concat());
    let client = connect(w.url()).await;
    assert!(!client.info.development_srs);
    w.run(ANY, &format!("schema infer {WINE_FILE} --out @schema.json"));
    w.run(ANY, &format!("dataset register {WINE_FILE} --schema @schema.json --rows 0..90 --out @d.json"));
    let dataset = w.json("d.json")["dataset_id"].as_str().unwrap().to_owned();
    w.run(ANY, &format!("agent train --dataset {dataset} --link squared --lambda 0.0078125 --out @agent.json"));
    let weights = w.json("agent.json")["weights_digest"].as_str().unwrap().to_owned();
    w.run(ANY, &format!("agent prove-gradients {weights} --out @gradients.json"));
    w.run(ANY, &format!("agent prove-optimum {weights} --out @optimum.json"));
    w.run(ANY, &format!("agent certificate {weights} --out @certificate.json"));
    let named = &w.json("certificate.json")["srs"];
    assert_eq!((named["digest"].as_str(), &named["development"]), (Some(digest.as_str()), &Value::Bool(false)));

    // the verifier supplies the ceremony, as published or as imported
    for source in ["@tau.ptau", "@srs"] {
        let report = w.says(ANY, &format!("verify @certificate.json --srs {source}"));
        assert!(report.contains("The certificate holds") && !report.contains("WARNING"), "{report}");
        assert!(report.contains(&digest), "{report}");
    }
    assert!(w.fails(ANY, "verify @certificate.json").contains("give its file with --srs"));
    let none = w.fails(ANY, "verify @certificate.json --allow-dev-srs");
    assert!(none.contains("give its file with --srs"), "{none}");
    let other = w.fails(ANY, "verify @certificate.json --srs @other.ptau");
    assert!(other.contains(&format!("made under the SRS {digest}")), "{other}");

    // a server restarted under another SRS no longer lists the old verifiers as ready
    let list = "circuits list --schema @schema.json --link squared";
    assert_eq!(w.run(ANY, list)["ready"].as_array().unwrap().len(), 3);
    w.served = None;
    w.serve(PROFILE);
    let listed = w.run(ANY, list);
    assert_eq!(listed["ready"].as_array().unwrap().len(), 0, "{listed}");
    assert!(connect(w.url()).await.info.development_srs);
}
