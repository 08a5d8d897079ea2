//! Keys: the same circuit gives the same keys on any machine, and the cache returns what would be generated.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tribute_circuits::columns::{commit_records, Secret};
use tribute_circuits::keys::{fingerprint, key_digest, verifying_key, KeyCache, KeyFlaw, Keys, Origin};
use tribute_circuits::prove::prove;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_core::layout::{Layout, Task};
use tribute_core::link::Link;
use tribute_core::shape::Shape;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::proof::verify;
use tribute_engine::srs::Srs;

use crate::support::records;

fn layout(k: u32, columns: usize, features: usize, classes: usize) -> Layout {
    Layout::new(k, columns, features, classes, Task::Classes).unwrap()
}

/// The circuits whose keys are pinned: every statement, small shapes and those of the default profile.
fn pinned() -> Vec<Shape> {
    let (least, small, usual) = (layout(10, 1, 1, 2), layout(11, 3, 16, 3), layout(15, 8, 64, 10));
    let real = Layout::new(11, 3, 16, 1, Task::Real).unwrap();
    vec![
        Shape::dataset(least),
        Shape::dataset(real),
        Shape::gradient(least, Link::Squared),
        Shape::gradient(real, Link::Squared),
        Shape::gradient(layout(14, 8, 16, 2), Link::Logistic),
        Shape::evaluation(least, Link::Squared),
        Shape::evaluation(layout(14, 8, 16, 2), Link::Logistic),
        Shape::optimum(least),
        Shape::optimum(small),
        Shape::optimum(real),
        Shape::dataset(usual),
        Shape::gradient(usual, Link::Softmax),
        Shape::optimum(usual),
        Shape::evaluation(usual, Link::Softmax),
        Shape::gradient(usual.with_intercept_scale(3).unwrap(), Link::Softmax),
        Shape::service(usual.with_intercept_scale(3).unwrap()),
        Shape::service(usual),
    ]
}

/// The same source gives the same keys. A change here changes the id of every circuit, so nothing on chain or in a
/// certificate that was made under the old keys can be checked with the new ones. Make sure that a change is intended.
#[test]
fn the_verifying_keys_are_the_pinned_ones() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/keys.json");
    let mut sizes: BTreeMap<u32, Srs> = BTreeMap::new();
    let mut digests: BTreeMap<String, String> = BTreeMap::new();
    for shape in pinned() {
        let srs = sizes.entry(shape.layout.k()).or_insert_with(|| Srs::development(shape.layout.k()));
        digests.insert(shape.name(), hex::encode(key_digest(&verifying_key(srs, &shape).unwrap())));
    }
    if std::env::var_os("TRIBUTE_GOLDEN").is_some_and(|v| v == "write") {
        std::fs::write(&file, serde_json::to_string_pretty(&digests).unwrap() + "\n").unwrap();
    }
    let golden: BTreeMap<String, String> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for (name, digest) in &digests {
        assert_eq!(
            golden.get(name),
            Some(digest),
            "the verifying key of {name} under the development SRS differs from the one in {}. If the circuit was meant to \
             change, run `TRIBUTE_GOLDEN=write cargo test --release -p tribute-circuits --test proofs keys` and commit the file",
            file.display()
        );
    }
    assert_eq!(golden.len(), digests.len(), "{} pins a circuit that the test does not build", file.display());
}

/// Fingerprint of the smallest [`Shape::dataset`].
const FINGERPRINT: &str = "1fc38e7c8f4fff1a30ca062e58fec3107429cfae3ea29c8da104246c10890f48";

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("keys-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Makes and verifies a proof with these keys.
fn works(srs: &Srs, keys: &Keys) {
    let layout = keys.shape().layout;
    let group = commit_records(srs, &layout, &Secret::random(), &records(&layout, 3, 1)).unwrap();
    let circuit = DatasetCircuit::new(keys.shape().clone(), &group);
    let proof = prove(srs, keys, &circuit, vec![Fr::from(7), circuit.count()]).unwrap();
    assert!(verify(srs, keys.vk(), &proof));
}

#[test]
fn what_is_kept_is_what_was_made() {
    let (srs, shape) = (Srs::development(10), Shape::dataset(layout(10, 3, 16, 3)));
    let cache = KeyCache::new(&folder("kept"));
    let missing = cache.kept(&srs, &shape).unwrap_err();
    assert!(matches!(missing.flaw, KeyFlaw::Io(_)), "{missing}");
    assert!(!cache.path(&srs, &shape).unwrap().exists(), "reading makes no keys");
    let (made, origin) = cache.get(&srs, &shape).unwrap();
    assert!(matches!(origin, Origin::Made), "{origin:?}");
    let (kept, origin) = cache.get(&srs, &shape).unwrap();
    assert!(matches!(origin, Origin::Kept), "{origin:?}");
    assert_eq!(key_digest(kept.vk()), key_digest(made.vk()));
    assert_eq!(kept.vk().transcript_repr(), made.vk().transcript_repr());
    assert_eq!(kept.fixed_polynomials(), made.fixed_polynomials());
    let read = cache.kept(&srs, &shape).unwrap();
    assert_eq!(key_digest(read.vk()), key_digest(made.vk()));
    works(&srs, &kept);
    works(&srs, &made);
    let path = cache.path(&srs, &shape).unwrap();
    std::fs::write(&path, b"TRIBKEY1").unwrap();
    let damaged = cache.kept(&srs, &shape).unwrap_err();
    assert!(matches!(damaged.flaw, KeyFlaw::Damaged { .. }), "{damaged}");
    assert_eq!(std::fs::read(&path).unwrap(), b"TRIBKEY1", "reading mends no keys");
}

/// Keys of a circuit that has since gained a gate, under the file name of the new keys, with the same columns and fixed
/// values, so that only the circuit's fingerprint differs.
#[test]
fn keys_of_a_circuit_before_its_last_gate_are_not_taken() {
    let (srs, shape) = (Srs::development(10), Shape::dataset(layout(10, 3, 16, 3)));
    let cache = KeyCache::new(&folder("stale"));
    let path = cache.path(&srs, &shape).unwrap();
    let before = Keys::without_gates(&srs, &shape, &["presence is boolean: s(s − 1) = 0"]).unwrap();
    before.save(&srs, &path).unwrap();
    let needed = hex::encode(fingerprint(&shape).unwrap());
    let error = Keys::load(&srs, &shape, &path).unwrap_err();
    assert!(
        matches!(&error.flaw, KeyFlaw::Other { what: "circuit", expected, got } if *expected == needed && *got != needed),
        "{error}"
    );
    let (keys, origin) = cache.get(&srs, &shape).unwrap();
    assert!(matches!(origin, Origin::Remade(_)), "{origin:?}");
    assert_ne!(key_digest(keys.vk()), key_digest(before.vk()));
    assert_eq!(keys.fixed_polynomials(), before.fixed_polynomials());
    works(&srs, &keys);
}

/// Pinned, to show that it depends only on the circuit: changing a comment, a name or a file's location leaves it
/// unchanged.
#[test]
fn the_fingerprint_of_a_circuit_is_the_pinned_one() {
    let of = |shape: &Shape| hex::encode(fingerprint(shape).unwrap());
    let shape = Shape::dataset(layout(10, 1, 1, 2));
    assert_eq!(of(&shape), FINGERPRINT, "if the change is intended, cached keys will be generated again");
    for other in
        [Shape::dataset(layout(11, 1, 1, 2)), Shape::dataset(layout(10, 1, 1, 3)), Shape::optimum(layout(10, 1, 1, 2))]
    {
        assert_ne!(of(&other), FINGERPRINT, "{}", other.name());
    }
}

#[test]
fn files_that_are_not_these_keys_are_refused_and_made_again() {
    let (srs, shape) = (Srs::development(10), Shape::dataset(layout(10, 1, 1, 2)));
    let cache = KeyCache::new(&folder("refused"));
    let digest = key_digest(cache.get(&srs, &shape).unwrap().0.vk());
    let path = cache.path(&srs, &shape).unwrap();
    let good = std::fs::read(&path).unwrap();
    // 8 bytes of magic, 32 of checksum, then circuit, SRS, shape and key
    let sign = |bytes: &mut [u8]| {
        let checksum = Sha256::digest(&bytes[40..]);
        bytes[8..40].copy_from_slice(&checksum);
    };
    type Expected = fn(&KeyFlaw) -> bool;
    type Alter<'a> = &'a dyn Fn(&mut Vec<u8>);
    let cases: [(&str, Alter<'_>, Expected); 12] = [
        ("empty", &|b| b.clear(), |f| matches!(f, KeyFlaw::Unknown { .. })),
        ("text", &|b| b[0] = b'X', |f| matches!(f, KeyFlaw::Unknown { .. })),
        ("format", &|b| b[7] = b'2', |f| matches!(f, KeyFlaw::Version { expected: 1, got: 2 })),
        ("cut in the head", &|b| b.truncate(30), |f| matches!(f, KeyFlaw::Damaged { .. })),
        ("cut", &|b| b.truncate(b.len() / 2), |f| matches!(f, KeyFlaw::Damaged { .. })),
        ("one bit", &|b| b[5_000] ^= 4, |f| matches!(f, KeyFlaw::Damaged { .. })),
        ("the last bit", &|b| *b.last_mut().unwrap() ^= 1, |f| matches!(f, KeyFlaw::Damaged { .. })),
        (
            "another version of the circuit",
            &|b| {
                b[40] ^= 1;
                sign(b);
            },
            |f| matches!(f, KeyFlaw::Other { what: "circuit", expected, got } if got != expected),
        ),
        (
            "another shape",
            &|b| {
                b[104] ^= 1;
                sign(b);
            },
            |f| matches!(f, KeyFlaw::Other { what: "shape", .. }),
        ),
        (
            "another SRS",
            &|b| {
                b[72] ^= 1;
                sign(b);
            },
            |f| matches!(f, KeyFlaw::Other { what: "SRS", .. }),
        ),
        (
            "another commitment",
            &|b| {
                // the first fixed column's commitment is replaced by the second's: a well-formed key for other values
                let first = 40 + 4 * 32 + 8 + 10;
                b.copy_within(first + 64..first + 128, first);
                sign(b);
            },
            |f| matches!(f, KeyFlaw::Other { what: "verifying key", .. }),
        ),
        (
            "a column more",
            &|b| {
                b.extend(vec![0; 32 << 10]);
                sign(b);
            },
            |f| matches!(f, KeyFlaw::Damaged { .. }),
        ),
    ];
    for (name, alter, expected) in cases {
        let mut bytes = good.clone();
        alter(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        let error = Keys::load(&srs, &shape, &path).expect_err(name);
        assert!(expected(&error.flaw), "{name}: {error}");
        let (keys, origin) = cache.get(&srs, &shape).unwrap();
        assert!(matches!(origin, Origin::Remade(_)), "{name}: {origin:?}");
        assert_eq!(key_digest(keys.vk()), digest, "{name}");
        assert_eq!(std::fs::read(&path).unwrap(), good, "{name}: the file is not regenerated");
    }
    // another circuit's file under this name, and a circuit without keys
    let other = Shape::dataset(layout(10, 1, 1, 3));
    let error = Keys::load(&srs, &other, &path).unwrap_err();
    assert!(matches!(error.flaw, KeyFlaw::Other { what: "circuit", .. }), "{error}");
    assert!(cache.get(&srs, &Shape::gradient(layout(10, 1, 1, 2), Link::Softmax)).is_err());
    assert!(cache.get(&Srs::development(11), &shape).is_err());
}
