//! The service and offline verification under the SRS of a ceremony, held here by snarkjs.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{Place, Served, PROGRAM};
use halo2_proofs::halo2curves::bn256::Bn256;
use halo2_proofs::poly::kzg::commitment::ParamsKZG;
use halo2_proofs::SerdeFormat;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const WINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/wine.csv");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// The smallest size: a ceremony of 2^11 powers takes seconds.
const PROFILE: &[&str] = &["--k", "11", "--columns", "8"];

struct World {
    place: Place,
    served: Option<Served>,
}

impl World {
    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Runs a command; `@` stands for the folder.
    fn output(&self, arguments: &str) -> Output {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments.split_whitespace().map(|a| a.replace('@', &format!("{}/", self.place.path().display()))))
            .current_dir(ROOT)
            .env("TRIBUTE_KEY", "11".repeat(32))
            .env("TRIBUTE_CACHE", self.file("cache"));
        if let Some(served) = &self.served {
            command.env("TRIBUTE_SERVER", &served.url);
        }
        command.output().unwrap()
    }

    fn run(&self, arguments: &str) -> (Value, String) {
        let output = self.output(arguments);
        assert!(output.status.success(), "tribute {arguments}\n{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (serde_json::from_str(&text).unwrap_or(Value::Null), text)
    }

    fn fails(&self, arguments: &str) -> String {
        let output = self.output(arguments);
        assert!(!output.status.success(), "tribute {arguments} should fail");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.file(name)).unwrap()).unwrap()
    }
}

fn hold_ceremony(out: &Path, power: u32) {
    let tool = Path::new(ROOT).join("circuits/tests/ceremony");
    assert!(tool.join("node_modules/snarkjs").exists(), "snarkjs is missing: scripts/ceremony-tools.sh brings it");
    let mut node = Command::new("node");
    let status = node.arg(tool.join("make.mjs")).args(["bn128", &power.to_string()]).arg(out).status().unwrap();
    assert!(status.success(), "snarkjs failed");
}

/// An SRS of a secret of its own, in the format of `Srs::save`, whose body is halo2's.
fn write_srs(file: &Path, k: u32) {
    let params = ParamsKZG::<Bn256>::setup(k, rand_chacha::ChaCha20Rng::seed_from_u64(7));
    let mut body = Vec::new();
    params.write_custom(&mut body, SerdeFormat::RawBytes).unwrap();
    std::fs::write(file, [b"TRIBSRS2", &Sha256::digest(&body)[..], &body].concat()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_is_done_under_the_srs_of_its_server_and_no_other() {
    let mut w = World { place: Place::new(), served: None };
    write_srs(&w.file("other.srs"), 11);
    let other = w.file("other.srs").display().to_string();
    // a regression: a service circuit does not fit this size
    w.run(&format!("schema infer {WINE} --real --out @schema.json"));
    let ready = |listed: &Value| listed["ready"].as_array().unwrap().len();
    let prepare = "circuits prepare --schema @schema.json --link squared";

    w.served = Some(w.place.serve(PROFILE));
    let (development, _) = w.run(prepare);
    assert_eq!(ready(&development), 3, "{development}");
    w.served = None;

    // the same request to a server with another SRS is other work
    w.served = Some(w.place.serve(&[PROFILE, &["--srs", &other]].concat()));
    let (prepared, _) = w.run(prepare);
    assert_eq!((ready(&prepared), &prepared["missing"]), (3, &serde_json::json!([])), "{prepared}");
    assert_ne!(prepared["ready"][0]["circuit_id"], development["ready"][0]["circuit_id"]);
    w.served = None;

    // and back again: what was made is found
    w.served = Some(w.place.serve(PROFILE));
    assert_eq!(w.run(prepare).0["ready"], development["ready"]);
    w.served = None;

    // a worker with another SRS than the server's refuses, and says why
    let workless = ["--srs", &other, "--workers", "0"];
    w.served = Some(w.place.serve(&[PROFILE, &workless].concat()));
    let mut worker = w.place.worker(&[]);
    let refused = w.fails(&format!("{prepare} --free-bias"));
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert!(refused.contains("NOT_READY") && refused.contains("same --srs"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_under_a_ceremony() {
    let mut w = World { place: Place::new(), served: None };
    hold_ceremony(&w.file("tau.ptau"), 11);
    hold_ceremony(&w.file("other.ptau"), 11);

    // import: what the folder has is what the file has
    let (imported, _) = w.run("srs import @tau.ptau --k 10 --k 11 --out @srs");
    let digest = imported["digest"].as_str().unwrap().to_owned();
    let (shown, _) = w.run("srs show @srs");
    assert_eq!((&shown["digest"], &shown["development"]), (&imported["digest"], &Value::Bool(false)));
    assert_eq!(shown["sizes"].as_array().unwrap().len(), 2);
    assert_eq!(w.run("srs show @tau.ptau --k 11").0["digest"], imported["digest"]);
    assert_eq!(w.run("srs show --k 11").0["development"], Value::Bool(true));
    let (usual, _) = w.run("srs import @tau.ptau --k 11");
    assert!(usual["folder"].as_str().unwrap().starts_with(w.file("cache").to_str().unwrap()));
    assert!(w.fails("srs import @tau.ptau --k 12").contains("up to k = 11, k = 12 was asked for"));
    let refused = w.fails(&format!("serve --data @never --listen 127.0.0.1:0 --srs {WINE}"));
    assert!(refused.contains("neither a powers-of-tau file"), "{refused}");

    // from records to a certificate under it
    let srs = w.file("srs").display().to_string();
    w.served = Some(w.place.serve(&[PROFILE, &["--srs", &srs]].concat()));
    let client = common::connect(&w.served.as_ref().unwrap().url).await;
    assert!(!client.info.development_srs);
    w.run(&format!("schema infer {WINE} --out @schema.json"));
    w.run(&format!("dataset register {WINE} --schema @schema.json --rows 0..90 --out @d.json"));
    let dataset = w.json("d.json")["dataset_id"].as_str().unwrap().to_owned();
    w.run(&format!("agent train --dataset {dataset} --link squared --lambda 0.0078125 --out @agent.json"));
    let weights = w.json("agent.json")["weights_digest"].as_str().unwrap().to_owned();
    w.run(&format!("agent prove-gradients {weights} --out @gradients.json"));
    w.run(&format!("agent prove-optimum {weights} --out @optimum.json"));
    w.run(&format!("agent certificate {weights} --out @certificate.json"));
    let named = &w.json("certificate.json")["srs"];
    assert_eq!((named["digest"].as_str(), &named["development"]), (Some(digest.as_str()), &Value::Bool(false)));

    // whoever verifies brings the ceremony, as it was published or imported
    for source in ["@tau.ptau", "@srs"] {
        let (_, report) = w.run(&format!("verify @certificate.json --srs {source}"));
        assert!(report.contains("The certificate holds") && !report.contains("WARNING"), "{report}");
        assert!(report.contains(&digest), "{report}");
    }
    assert!(w.fails("verify @certificate.json").contains("give its file with --srs"));
    let none = w.fails("verify @certificate.json --allow-dev-srs");
    assert!(none.contains("give its file with --srs"), "{none}");
    let other = w.fails("verify @certificate.json --srs @other.ptau");
    assert!(other.contains(&format!("made under the SRS {digest}")), "{other}");

    // a server that goes on under another SRS no longer calls the old verifiers ready
    let list = "circuits list --schema @schema.json --link squared";
    assert_eq!(w.run(list).0["ready"].as_array().unwrap().len(), 3);
    w.served = None;
    w.served = Some(w.place.serve(PROFILE));
    let (listed, _) = w.run(list);
    assert_eq!(listed["ready"].as_array().unwrap().len(), 0, "{listed}");
    assert!(common::connect(&w.served.as_ref().unwrap().url).await.info.development_srs);
}
