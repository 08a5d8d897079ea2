//! A complete certificate, and everything that can be wrong with one.

use std::sync::OnceLock;
use std::time::Instant;

use rand::{Rng, SeedableRng};
use serde_json::Value;
use tribute_circuits::columns::CommittedGroup;
use tribute_core::certificate::{Certificate, CertificateError, Chain, Contribution, Hex};
use tribute_core::context::Terms;
use tribute_core::link::Link;
use tribute_core::numbers::{link_error_units, EPSILON_LIMIT_BITS, LAMBDA_LIMIT_BITS, NORM_LIMIT_BITS};
use tribute_core::receipt::to_word;
use tribute_core::records::Records;
use tribute_core::Fr;
use tribute_testing::threads::on_all_cores;

use super::alter::{leaf, leaves, others, path_of, with_leaf};
use super::made::{records, schema, Made, Maker};
use super::refusal::refusal_of;
use super::{verify_json, Options, Refused};

/// The records of three datasets, the second with two shards.
pub(super) fn shards() -> Vec<Vec<Records>> {
    let sizes: [&[usize]; 3] = [&[40], &[30, 20], &[25]];
    let of = |(i, shards): (usize, &&[usize])| {
        shards.iter().enumerate().map(|(j, n)| records(*n, (10 * i + j) as u64)).collect()
    };
    sizes.iter().enumerate().map(of).collect()
}

/// Three datasets, the second with two shards, and the weights.
fn made() -> Made {
    let layout = schema().layout(14, 4).unwrap().with_intercept_scale(1).unwrap();
    let chain = Chain { chain_id: 31_337, dataset_registry: Hex([0xd1; 20]), agent_registry: Hex([0xa1; 20]) };
    let data = shards().into_iter().enumerate().map(|(i, shards)| {
        let terms = Terms {
            min_data_bps: 5000 + i as u16,
            open_training: i == 0,
            min_share_bps: 500,
            min_price: 1 << (60 + i),
            links: 1 << Link::Softmax.code() | 1 << i,
        };
        (terms, shards)
    });
    Maker::of(layout, Link::Softmax, chain).make(data.collect())
}

fn certificate() -> &'static Certificate {
    &certified().0
}

/// The certificate with the agent's committed weights.
pub(super) fn certified() -> &'static (Certificate, CommittedGroup) {
    static MADE: OnceLock<(Certificate, CommittedGroup)> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = made();
        (made.parts.assemble().unwrap(), made.weights)
    })
}

pub(crate) fn options() -> Options {
    Options { allow_dev_srs: true, srs: None }
}

/// The file after a change, with its checksum updated.
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
    assert!(report.relative_distance() <= 1e-3);
    let text = report.to_string();
    println!("{text}");
    for part in ["Proven:", "Not proven:", "115 records", "WARNING: development SRS"] {
        assert!(text.contains(part), "{part}");
    }
    // the second dataset changed hands before its second shard was added
    let by = |owner: &str| format!("added by 0x{}", owner.repeat(20));
    let both = format!(", shard 0 {}, shard 1 {}: 50 records", by("11"), by("12"));
    assert!(text.contains(&both), "{text}");
    assert!(text.contains(&format!(" of 0x{}: 40 records", "01".repeat(20))), "{text}");
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
    let named = on_all_cores(&paths, |path| {
        let now = leaf(&mut original.clone(), path).clone();
        let mut values = others(&now);
        values.push(Value::Null);
        let alone = |value: &Value| {
            // update the checksum of a file that still parses
            let json = with_leaf(&original, path, value, |mut c: Certificate| {
                if path != "checksum" {
                    c.checksum = Hex(c.expected_checksum());
                }
                c.to_json()
            });
            let refusal = refusal_of(json.as_bytes());
            assert_ne!(refusal, "accepted", "{path} = {value}");
            let (field, _) = refusal.split_once(": ").unwrap();
            // a layout that cannot exist is refused as a whole
            let whole = path.starts_with("layout.") && field == "layout";
            assert!(whole || field.split(", ").any(|f| f == path), "{path} = {value}: {refusal}");
            field == path
        };
        values.iter().map(alone).collect::<Vec<bool>>()
    })
    .concat();
    let alone = named.iter().filter(|alone| **alone).count();
    println!("{} leaves, {} changes, {alone} named alone", paths.len(), named.len());
}

#[test]
fn random_bytes_are_refused_and_the_field_named() {
    let json = certificate().to_json();
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(500);
    let change = |case: usize| {
        let at = rng.gen_range(0..json.len());
        // half of the changes keep the kind of character: digits for digits
        let byte = if case.is_multiple_of(2) {
            rng.gen::<u8>()
        } else {
            *b"0123456789abcdef \n\",".get(rng.gen_range(0..20usize)).unwrap()
        };
        (at, byte)
    };
    let mut changes: Vec<(usize, u8)> = (0..1000).map(change).collect();
    changes.retain(|(at, byte)| json.as_bytes()[*at] != *byte);
    on_all_cores(&changes, |(at, byte)| {
        let mut bytes = json.clone().into_bytes();
        bytes[*at] = *byte;
        let expected = path_of(&json, *at);
        if let Ok(mut c) = Certificate::from_json(&bytes) {
            if !expected.starts_with("checksum") {
                c.checksum = Hex(c.expected_checksum());
                bytes = c.to_json().into_bytes();
            }
        }
        let refusal = refusal_of(&bytes);
        assert_ne!(refusal, "accepted", "byte {at} ({expected}) = {byte}");
        let names = if expected.is_empty() {
            // on the line of a bracket: no field is wrong, but the encoding is
            refusal.contains(" at line ") || refusal.contains(": not in the canonical encoding")
        } else {
            let name = expected.rsplit('.').next().and_then(|last| last.split('[').next()).unwrap();
            // if the field's name itself is damaged, the error has its parent and the line
            let (parent, _) = expected.rsplit_once('.').unwrap_or(("the file", ""));
            refusal.contains(name) || (refusal.contains(parent) && refusal.contains(" at line "))
        };
        assert!(names, "byte {at} of {expected} = {byte}: {refusal}");
    });
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let other = |path: &str, json: String| {
        let refusal = refusal_of(json.as_bytes());
        assert!(refusal.contains(path), "{path}: {refusal}");
    };
    // proofs exchanged between shards and statements
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
    other("optimum.proof.inputs[0]", changed(|c| c.datasets.swap(0, 2)));
    other("datasets[1].shards: the proof is for something else", changed(|c| c.datasets[1].shards.swap(0, 1)));
    // a shard left out, a dataset left out, a shard twice, all of them twice
    other("datasets[1].shards, optimum.proof.bytes, ", changed(|c| drop(c.datasets[1].shards.pop())));
    other("optimum.proof.inputs[0], ", changed(|c| drop(c.datasets.pop())));
    other(
        "datasets[0].shards[0].digest, datasets[2].shards[0].digest: the same shard stands twice",
        changed(|c| {
            let twice = c.datasets[0].shards[0].clone();
            c.datasets[2].shards[0] = twice;
        }),
    );
    other(
        "datasets[0].shards[0].digest, datasets[3].shards[0].digest: the same shard stands twice",
        changed(|c| {
            let more = c.datasets.clone();
            c.datasets.extend(more);
            c.datasets.push(c.datasets[0].clone());
        }),
    );
    other("datasets: an agent is trained on at least one dataset", changed(|c| c.datasets.clear()));
    other("datasets[0].shards: a dataset has at least one shard", changed(|c| c.datasets[0].shards.clear()));
    // a dataset that changed hands: all shards claimed for one owner, owners exchanged, another one in between
    let of_shard = |j: usize, owner: Hex<20>| changed(|c| c.datasets[1].shards[j].owner = owner);
    let [first, second] = [0, 1].map(|j| certificate().datasets[1].shards[j].owner);
    other("datasets[1].shards[1].owner", of_shard(1, first));
    other("datasets[1].shards[0].owner", of_shard(0, second));
    other("datasets[1].shards[1].owner", of_shard(1, certificate().agent.owner));
    other(
        "datasets[1].shards",
        changed(|c| (c.datasets[1].shards[0].owner, c.datasets[1].shards[1].owner) = (second, first)),
    );
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
        "optimum.proof.inputs[1]",
        changed(|c| {
            // n = 115 written as 115 + r
            let mut word = [0; 32];
            hex::decode_to_slice("30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000074", &mut word)
                .unwrap();
            c.optimum.proof.inputs[1] = Hex(word);
        }),
    );
    // the same content in another encoding
    let json = certificate().to_json();
    other("format", json.replacen("\"format\": ", "\"format\":  ", 1));
    other("the file", json.clone() + "\n");
    other("unknown field `note`", json.replacen("{\n", "{\n  \"note\": 1,\n", 1));
    other("optimum.epsilon", {
        let epsilon = format!("\"epsilon\": {}", certificate().optimum.epsilon);
        json.replacen(&epsilon, &format!("{epsilon}.0"), 1)
    });
    assert!(refusal_of(b"").starts_with("the file"));
    assert!(refusal_of(b"{}").contains("missing field"));
}

/// Values that no proof can state are refused even if numbers and inputs agree.
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
    let delta = {
        let l = &certificate().layout;
        link_error_units(l.features(), l.classes(), l.intercept_scale())
    };
    for (field, input, value) in [
        ("loss.lambda", 2, 0u64),
        ("loss.lambda", 2, 1 << LAMBDA_LIMIT_BITS),
        ("optimum.epsilon", 3, 1 << EPSILON_LIMIT_BITS),
        ("optimum.norm", 4, 1 << NORM_LIMIT_BITS),
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
    // the largest epsilon for the link is accepted; it is far below what the distance allows
    let set_epsilon = |c: &mut Certificate, epsilon: u64| {
        c.optimum.epsilon = epsilon;
        c.optimum.proof.inputs[3] = word(epsilon);
    };
    let mut c = certificate().clone();
    set_epsilon(&mut c, 4 * delta);
    c.check().unwrap();
    refused("loss.link", &|c| set_epsilon(c, 4 * delta + 1));
    // a distance beyond one part in a thousand
    refused("optimum.epsilon", &|c| {
        c.loss.lambda = 1;
        c.optimum.proof.inputs[2] = word(1);
    });
    let contribute = |c: &mut Certificate, dataset: usize, units: i128| {
        let first = &mut c.datasets[dataset].shards[0].gradient_proof.inputs[1];
        *first = Hex(to_word(&(tribute_core::receipt::from_word(&first.0).unwrap() + field_of(units))));
        c.datasets[dataset].contribution.0 += units;
    };
    let sum: i128 = certificate().datasets.iter().map(|d| d.contribution.0).sum();
    // negative contributions beyond 2^-10 of the sum, offset by another dataset's
    refused("datasets[0].contribution", &|c| {
        let moved = c.datasets[0].contribution.0 + sum / 1024 + 1;
        contribute(c, 0, -moved);
        contribute(c, 2, moved);
    });
    // contributions that differ by a hundredth from what the optimum's norm implies
    refused("datasets[2].contribution", &|c| contribute(c, 2, -sum / 50));
    // a contribution that no shard can have
    refused("datasets[0].shards[0].gradient_proof.inputs[1]", &|c| contribute(c, 0, 1 << 112));
    refused("datasets[0].terms.min_data_bps", &|c| c.datasets[0].terms.min_data_bps = 10_001);
    refused("datasets[0].terms.min_share_bps", &|c| c.datasets[0].terms.min_share_bps = 10_001);
    refused("datasets[1].terms.links", &|c| c.datasets[1].terms.links = 1 << Link::Squared.code());
    refused("chain.chain_id", &|c| c.chain.chain_id = 0);
}

fn field_of(units: i128) -> Fr {
    let magnitude = Fr::from(units.unsigned_abs());
    if units < 0 {
        -magnitude
    } else {
        magnitude
    }
}

#[test]
fn shares_follow_from_the_contributions() {
    let c = certificate();
    let positive: i128 = c.datasets.iter().map(|d| d.contribution.0.max(0)).sum();
    for d in &c.datasets {
        assert_eq!(i128::from(d.share), (d.contribution.0 << 20) / positive);
        assert!(d.share > 1 << 17, "{}", d.share);
    }
    let whole: u32 = c.datasets.iter().map(|d| d.share).sum();
    assert!(whole <= 1 << 20 && whole + 3 > 1 << 20, "{whole}");
    let json = c.to_json();
    assert!(json.contains(&format!("\"contribution\": \"{}\"", c.datasets[0].contribution.0)));
    let Contribution(units) = c.datasets[0].contribution;
    let number = json.replacen(&format!("\"{units}\""), &units.to_string(), 1);
    assert!(refusal_of(number.as_bytes()).starts_with("datasets[0].contribution: "), "a number, not a string");
}
