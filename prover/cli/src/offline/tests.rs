//! A whole certificate, then everything that can be wrong with one.

use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use rand::{Rng, SeedableRng};
use serde_json::Value;
use tribute_circuits::columns::{
    commit_gradient, commit_records, commit_unused_slot, commit_weights, CommittedGroup, Secret,
};
use tribute_circuits::keys::Keys;
use tribute_circuits::prove;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_circuits::statements::gradient::GradientCircuit;
use tribute_circuits::statements::optimum::{OptimumCircuit, Slot};
use tribute_core::certificate::{
    Certificate, CertificateError, Chain, DatasetParts, Hex, Parts, Proof, ShardParts, SrsName,
};
use tribute_core::context::{gradient_ctx, optimum_ctx, Address, DatasetContext, Terms};
use tribute_core::digest::dataset_id;
use tribute_core::head::{add, gradient, optimum};
use tribute_core::id::{AgentId, ShardDigest, WeightsDigest};
use tribute_core::link::Link;
use tribute_core::records::Records;
use tribute_core::schema::{Feature, Schema, Target};
use tribute_core::shape::Shape;
use tribute_core::I256;
use tribute_engine::field::{from_core, word};
use tribute_engine::srs::Srs;
use tribute_inference::train::{train, LossOptions};

use tribute_verify::Verifier;

use super::alter::{leaf, leaves, others, path_of};
use super::{verify_json, Derived, Options, Refused};

const AGENT: AgentId = AgentId::new([0xa9; 32]);
const AGENT_OWNER: Address = [0xa0; 20];
const LAMBDA: u64 = 1 << 26; // 2^-6

pub(super) fn schema() -> Schema {
    let features = (0..5).map(|i| Feature { name: format!("f{i}"), lo: 0.0, hi: 255.0 }).collect();
    let labels = ["red", "green", "blue"].map(str::to_owned).to_vec();
    Schema::new("colours".into(), features, Target::Classes(labels), None).unwrap()
}

/// Records whose class shows in the first features.
pub(super) fn records(n: usize, seed: u64) -> Records {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(seed);
    let mut records = Records::new(5);
    for _ in 0..n {
        let class = rng.gen_range(0..3u16);
        let features: Vec<u8> = (0..5u16).map(|i| rng.gen_range(0..150u8) + if i == class { 100 } else { 0 }).collect();
        records.push(&features, class);
    }
    records
}

pub(super) fn proof(p: &tribute_engine::proof::Proof) -> Proof {
    Proof::new(p.input_words(), p.bytes.clone())
}

/// That the shard at `shard`, of as many as given, is well formed.
pub(super) fn dataset_proof(
    chain: &Chain,
    (owner, terms): (Address, Terms),
    (shard, shards): (usize, usize),
    xy: &CommittedGroup,
    keys: &Keys,
) -> Proof {
    let (schema, shape) = (schema(), keys.shape());
    let circuit = DatasetCircuit::new(shape.clone(), xy);
    let count = word(&circuit.count());
    let ctx = DatasetContext {
        domain: chain.datasets(),
        owner,
        schema: schema.id(),
        layout: shape.layout.hash(),
        shard: shard as u32,
        shards: shards as u32,
        records: u64::from_be_bytes(count[24..].try_into().unwrap()),
        terms: terms.hash(),
    };
    let inputs = vec![from_core(&ctx.ctx()), circuit.count()];
    proof(&prove::prove(&Srs::development(shape.layout.k()), keys, &circuit, inputs).unwrap())
}

/// Of providers and of the agent's owner.
pub(super) const SECRET: [u8; 32] = [7; 32];

/// Three datasets, the second of two shards; and the weights.
fn parts() -> (Parts, CommittedGroup) {
    let (schema, link) = (schema(), Link::Softmax);
    let layout = schema.layout(14, 4).unwrap();
    let srs = Srs::development(14);
    let secret = Secret::from_bytes(SECRET);
    let chain = Chain { chain_id: 31_337, dataset_registry: Hex([0xd1; 20]), agent_registry: Hex([0xa1; 20]) };
    let sizes: [&[usize]; 3] = [&[40], &[30, 20], &[25]];
    let data: Vec<Vec<Records>> = sizes
        .iter()
        .enumerate()
        .map(|(i, shards)| shards.iter().enumerate().map(|(j, n)| records(*n, (10 * i + j) as u64)).collect())
        .collect();
    let flat: Vec<&Records> = data.iter().flatten().collect();
    let n: u64 = flat.iter().map(|r| r.len() as u64).sum();
    let options = LossOptions { link, lambda: LAMBDA, reg_bias: true };
    let weights = train(&schema, &flat, &options, |_| {}).unwrap().weights;
    let w = commit_weights(&srs, &layout, &secret, &weights);
    let of = WeightsDigest::new(w.digest());

    let dataset_keys = Keys::generate(&srs, &Shape::dataset(layout)).unwrap();
    let gradient_keys = Keys::generate(&srs, &Shape::gradient(layout, link)).unwrap();
    let (mut committed, mut sums, mut ids, mut datasets) = (vec![], vec![], vec![], vec![]);
    for (i, shards) in data.iter().enumerate() {
        let owner = [i as u8 + 1; 20];
        let terms = Terms { min_data_bps: 5000 + i as u16, open_training: i == 0 };
        let (mut digests, mut proofs) = (vec![], vec![]);
        let mut sum = vec![I256::ZERO; layout.weights()];
        for (j, records) in shards.iter().enumerate() {
            let xy = commit_records(&srs, &layout, &secret, records).unwrap();
            let shard = ShardDigest::new(xy.digest());
            let dataset = dataset_proof(&chain, (owner, terms), (j, shards.len()), &xy, &dataset_keys);
            let g = gradient(&layout, link, &weights, records).unwrap();
            let group = commit_gradient(&srs, &layout, &secret, &[xy.digest(), w.digest()], &g);
            let circuit = GradientCircuit::new(Shape::gradient(layout, link), &xy, &w, &group).unwrap();
            let ctx = gradient_ctx(&chain.agents(), &AGENT_OWNER, &of, &shard);
            let gradient = proof(&prove::prove(&srs, &gradient_keys, &circuit, vec![from_core(&ctx)]).unwrap());
            add(&mut sum, &g);
            digests.push(shard);
            committed.push((group, g, j > 0));
            proofs.push(ShardParts { dataset, gradient });
        }
        let count = shards.iter().map(|r| r.len() as u64).sum();
        ids.push(dataset_id(&schema.id(), &layout.hash(), count, &digests));
        sums.push(sum);
        datasets.push(DatasetParts { owner, terms, shards: proofs });
    }
    let numbers = optimum(&layout, true, &weights, &sums, n, LAMBDA).unwrap();
    let slots: Vec<Slot<'_>> =
        committed.iter().map(|(group, g, joined)| Slot { group, gradient: g, joined: *joined }).collect();
    let unused: Vec<CommittedGroup> =
        (slots.len()..8).map(|slot| commit_unused_slot(&srs, &layout, &secret, &w.digest(), slot)).collect();
    let shape = Shape::optimum(layout, true);
    let keys = Keys::generate(&srs, &shape).unwrap();
    let circuit = OptimumCircuit::new(shape, &w, &weights, &slots, &unused, &numbers);
    let ctx = optimum_ctx(&chain.agents(), &AGENT, 1, &of, &ids);
    let optimum = proof(&prove::prove(&srs, &keys, &circuit, circuit.public_inputs(from_core(&ctx))).unwrap());
    let parts = Parts {
        chain,
        srs: SrsName { digest: srs.digest(), development: true },
        schema,
        layout,
        link,
        reg_bias: true,
        agent: AGENT,
        version: 1,
        owner: AGENT_OWNER,
        datasets,
        tree: None,
        optimum,
    };
    (parts, w)
}

fn certificate() -> &'static Certificate {
    &certified().0
}

/// With the weights that it is of.
pub(super) fn certified() -> &'static (Certificate, CommittedGroup) {
    static MADE: OnceLock<(Certificate, CommittedGroup)> = OnceLock::new();
    MADE.get_or_init(|| {
        let (parts, weights) = parts();
        (parts.assemble().unwrap(), weights)
    })
}

pub(super) fn options() -> Options {
    Options { allow_dev_srs: true, srs: None }
}

/// Verifies with keys that all tests share.
fn refusal(json: &str) -> String {
    refusal_of(json.as_bytes())
}

pub(super) fn refusal_of(json: &[u8]) -> String {
    static VERIFIER: OnceLock<Mutex<Verifier<Derived>>> = OnceLock::new();
    let verifier = VERIFIER.get_or_init(|| Mutex::new(Verifier::new(Derived::new(options()))));
    match verifier.lock().unwrap().verify(json) {
        Ok(_) => "accepted".into(),
        Err(e) => e.to_string(),
    }
}

/// The file after a change, its checksum made to fit.
fn changed(change: impl FnOnce(&mut Certificate)) -> String {
    let mut c = certificate().clone();
    change(&mut c);
    c.checksum = Hex(c.expected_checksum());
    c.to_json()
}

#[test]
fn a_certificate_is_accepted_and_says_what_it_proves() {
    let json = certificate().to_json();
    let start = Instant::now();
    let report = verify_json(&json, &options()).unwrap();
    println!("{} bytes, verified in {:?}, keys and SRS derived", json.len(), start.elapsed());
    assert_eq!(report.proofs(), 9);
    assert!(report.relative_distance().unwrap() <= 1e-3);
    let text = report.to_string();
    println!("{text}");
    for part in ["Proven:", "Not proven:", "115 records", "WARNING: development SRS"] {
        assert!(text.contains(part), "{part}");
    }
}

#[test]
fn the_development_srs_needs_leave() {
    let json = certificate().to_json();
    assert!(matches!(verify_json(&json, &Options::default()), Err(Refused::DevelopmentSrs)));
}

#[test]
fn every_leaf_is_bound_and_named() {
    let original = serde_json::to_value(certificate()).unwrap();
    let mut paths = vec![];
    leaves(&original, String::new(), &mut paths);
    let mut precise = 0;
    let mut cases = 0;
    for path in &paths {
        let now = leaf(&mut original.clone(), path).clone();
        let mut values = others(&now);
        values.push(Value::Null);
        for value in values {
            let mut altered = original.clone();
            *leaf(&mut altered, path) = value.clone();
            // a file that still reads gets a checksum that fits
            let json = match serde_json::from_value::<Certificate>(altered.clone()) {
                Ok(mut c) => {
                    if path != "checksum" {
                        c.checksum = Hex(c.expected_checksum());
                    }
                    c.to_json()
                }
                Err(_) => serde_json::to_string_pretty(&altered).unwrap() + "\n",
            };
            let refusal = refusal(&json);
            assert_ne!(refusal, "accepted", "{path} = {value}");
            let (field, _) = refusal.split_once(": ").unwrap();
            // a layout that cannot exist is refused as a whole
            let whole = path.starts_with("layout.") && field == "layout";
            assert!(whole || field.split(", ").any(|f| f == path), "{path} = {value}: {refusal}");
            cases += 1;
            precise += usize::from(field == path);
        }
    }
    println!("{} leaves, {cases} changes, {precise} named alone", paths.len());
}

#[test]
fn random_bytes_are_refused_and_the_field_named() {
    let json = certificate().to_json();
    let names = |path: &str| path.rsplit('.').next().unwrap_or(path).split('[').next().unwrap_or("").to_owned();
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(500);
    for case in 0..1000 {
        let mut bytes = json.clone().into_bytes();
        let at = rng.gen_range(0..bytes.len());
        // half of the changes stay among the characters that stand there: digits for digits
        let byte = if case % 2 == 0 {
            rng.gen::<u8>()
        } else {
            *b"0123456789abcdef \n\",".get(rng.gen_range(0..20usize)).unwrap()
        };
        if bytes[at] == byte {
            continue;
        }
        bytes[at] = byte;
        let expected = path_of(&json, at);
        if let Ok(mut c) = Certificate::from_json(&bytes) {
            if !expected.starts_with("checksum") {
                c.checksum = Hex(c.expected_checksum());
                bytes = c.to_json().into_bytes();
            }
        }
        let refusal = refusal_of(&bytes);
        assert_ne!(refusal, "accepted", "byte {at} ({expected}) = {byte}");
        // where the name itself is damaged: what it stands in, and the line
        let (parent, _) = expected.rsplit_once('.').unwrap_or(("the file", ""));
        let damaged = refusal.contains(parent) && refusal.contains(" at line ");
        assert!(
            refusal.contains(&expected) || refusal.contains(&names(&expected)) || damaged,
            "byte {at} of {expected} = {byte}: {refusal}"
        );
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let other = |path: &str, json: String| {
        let refusal = refusal(&json);
        assert!(refusal.contains(path), "{path}: {refusal}");
    };
    // proofs exchanged between shards, statements and slots
    other(
        "datasets[0].shards[0]",
        changed(|c| {
            let swap = c.datasets[0].shards[0].gradient_proof.clone();
            c.datasets[0].shards[0].gradient_proof =
                std::mem::replace(&mut c.datasets[2].shards[0].gradient_proof, swap);
        }),
    );
    other(
        "dataset_proof.inputs",
        changed(|c| {
            let shard = &mut c.datasets[0].shards[0];
            std::mem::swap(&mut shard.dataset_proof, &mut shard.gradient_proof);
        }),
    );
    // order of datasets, order of shards
    other("optimum.proof", changed(|c| c.datasets.swap(0, 2)));
    other("datasets[1]", changed(|c| c.datasets[1].shards.swap(0, 1)));
    // a shard left out, a dataset left out, a shard twice, a shard more than fits
    other("datasets[1]", changed(|c| drop(c.datasets[1].shards.pop())));
    other("optimum.proof", changed(|c| drop(c.datasets.pop())));
    other(
        "digest",
        changed(|c| {
            let twice = c.datasets[0].shards[0].clone();
            c.datasets[2].shards[0] = twice;
        }),
    );
    other(
        "datasets",
        changed(|c| {
            let more = c.datasets.clone();
            c.datasets.extend(more);
            c.datasets.push(c.datasets[0].clone());
        }),
    );
    other("datasets", changed(|c| c.datasets.clear()));
    other("datasets[0].shards", changed(|c| c.datasets[0].shards.clear()));
    // a proof cut short, one byte more
    other("optimum.proof.bytes", changed(|c| c.optimum.proof.bytes.0.truncate(100 * 32)));
    other("optimum.proof.bytes", changed(|c| c.optimum.proof.bytes.0.push(0)));
    other(
        "datasets[0].shards[0].gradient_proof.bytes",
        changed(|c| {
            c.datasets[0].shards[0].gradient_proof.bytes.0.truncate(10);
        }),
    );
    // an input that names the same element
    other(
        "optimum.proof.inputs[5]",
        changed(|c| {
            // act_1 = 1 written as 1 + r
            let mut word = [0; 32];
            hex::decode_to_slice("30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000002", &mut word)
                .unwrap();
            c.optimum.proof.inputs[5] = Hex(word);
        }),
    );
    // other text of the same content
    let json = certificate().to_json();
    other("format", json.replacen("\"format\": ", "\"format\":  ", 1));
    other("the file", json.clone() + "\n");
    other("unknown field `note`", json.replacen("{\n", "{\n  \"note\": 1,\n", 1));
    other("optimum.epsilon", {
        let epsilon = format!("\"epsilon\": {}", certificate().optimum.epsilon);
        json.replacen(&epsilon, &format!("{epsilon}.0"), 1)
    });
    assert!(refusal("").starts_with("the file"));
    assert!(refusal("{}").contains("missing field"));
}

/// What the proofs cannot state is refused even where numbers and inputs agree.
#[test]
fn limits_are_kept_where_every_number_agrees() {
    let word = |x: u64| {
        let mut word = [0; 32];
        word[24..].copy_from_slice(&x.to_be_bytes());
        Hex(word)
    };
    let refused = |field: &str, change: &dyn Fn(&mut Certificate)| {
        let mut c = certificate().clone();
        change(&mut c);
        let Err(CertificateError::Field { fields, reason }) = c.check().map(|_| ()) else { panic!("{field} accepted") };
        assert!(fields.iter().any(|f| f == field), "{field}: {fields:?}: {reason}");
    };
    for (field, input, value) in [
        ("loss.lambda", 2, 0u64),
        ("loss.lambda", 2, 1 << 32),
        ("optimum.epsilon", 3, 1 << 25),
        ("optimum.norm", 4, 1 << 24),
        ("optimum.norm", 4, 0),
    ] {
        refused(field, &|c| {
            match field {
                "loss.lambda" => c.loss.lambda = value,
                "optimum.epsilon" => c.optimum.epsilon = value,
                _ => c.optimum.norm = value,
            }
            c.optimum.proof.inputs[input] = word(value);
        });
    }
    // a distance just beyond one part in a thousand
    refused("optimum.epsilon", &|c| {
        c.optimum.epsilon = (1 << 25) - 1;
        c.optimum.norm = 1;
        (c.optimum.proof.inputs[3], c.optimum.proof.inputs[4]) = (word(c.optimum.epsilon), word(1));
    });
    // a share below -2^-10, made up for by another
    refused("datasets[0].share", &|c| {
        let moved = c.datasets[0].share + 1025;
        c.datasets[0].share = -1025;
        c.datasets[2].share += moved;
        c.optimum.proof.inputs[21] = Hex(tribute_core::receipt::to_word(&tribute_core::Fr::from(-1025i64)));
        c.optimum.proof.inputs[24] = word(c.datasets[2].share as u64);
    });
    // shares that do not make a whole
    refused("datasets[2].share", &|c| {
        c.datasets[2].share += 2000;
        c.optimum.proof.inputs[24] = word(c.datasets[2].share as u64);
    });
    refused("datasets[0].terms.min_data_bps", &|c| c.datasets[0].terms.min_data_bps = 10_001);
    refused("chain.chain_id", &|c| c.chain.chain_id = 0);
}
