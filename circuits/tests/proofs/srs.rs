//! An SRS from a public ceremony. The tests hold a real ceremony with snarkjs; altered files are rejected for the right
//! reason; with the unaltered file, all three verifiers accept proofs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tribute_circuits::columns::{commit_records, Secret};
use tribute_circuits::keys::Keys;
use tribute_circuits::prove::prove;
use tribute_circuits::statements::dataset::DatasetCircuit;
use tribute_core::layout::{Layout, Task};
use tribute_core::shape::Shape;
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::halo2_proofs::SerdeFormat;
use tribute_engine::proof;
use tribute_engine::srs::{ceremonies, Flaw, Group, Halo2Params, PointProblem, Ptau, Srs, SrsError, SrsStore};
use tribute_verify::{verify, VerifierSrs};

use crate::support::records;

const POWER: u32 = 11;

/// A folder of this test run.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ceremony-{}", std::process::id()))
}

/// Runs a ceremony.
fn hold(curve: &str, power: u32) -> PathBuf {
    let out = folder().join(format!("{curve}-{power}.ptau"));
    std::fs::create_dir_all(folder()).unwrap();
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ceremony");
    assert!(tool.join("node_modules/snarkjs").exists(), "snarkjs is missing: run scripts/ceremony-tools.sh");
    let mut node = Command::new("node");
    let status = node.arg(tool.join("make.mjs")).args([curve, &power.to_string()]).arg(&out).status().unwrap();
    assert!(status.success(), "snarkjs failed");
    out
}

/// The ceremony of this test run.
fn ceremony() -> &'static [u8] {
    static FILE: OnceLock<Vec<u8>> = OnceLock::new();
    FILE.get_or_init(|| std::fs::read(hold("bn128", POWER)).unwrap())
}

/// A file with these bytes.
fn written(name: &str, bytes: &[u8]) -> PathBuf {
    std::fs::create_dir_all(folder()).unwrap();
    let path = folder().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn honest() -> PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| written("honest.ptau", ceremony())).clone()
}

/// Offset of a section's content.
fn section(bytes: &[u8], wanted: u32) -> usize {
    let mut at = 12;
    loop {
        let kind = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = u64::from_le_bytes(bytes[at + 4..at + 12].try_into().unwrap());
        at += 12;
        if kind == wanted {
            return at;
        }
        at += length as usize;
    }
}

/// The flaw found when opening or importing the altered ceremony.
fn refused(name: &str, k: u32, alter: impl Fn(&mut Vec<u8>)) -> Flaw {
    let mut bytes = ceremony().to_vec();
    alter(&mut bytes);
    let path = written(name, &bytes);
    let SrsError { path: named, flaw } =
        Ptau::open(&path).and_then(|file| file.import(k)).expect_err("an altered ceremony was accepted");
    assert_eq!(named, path.display().to_string());
    flaw
}

fn swap(bytes: &mut [u8], a: usize, b: usize, size: usize) {
    let first = bytes[a..a + size].to_vec();
    bytes.copy_within(b..b + size, a);
    bytes[b..b + size].copy_from_slice(&first);
}

#[test]
fn a_proof_under_a_ceremony_passes_every_verifier() {
    let srs = SrsStore::open(Some(&honest()), None).unwrap().get(10).unwrap();
    assert!(!srs.is_development());
    let layout = Layout::new(10, 3, 16, 3, Task::Classes).unwrap();
    let shape = Shape::dataset(layout);
    let keys = Keys::generate(&srs, &shape).unwrap();
    let group = commit_records(&srs, &layout, &Secret::random(), &records(&layout, 5, 1)).unwrap();
    let circuit = DatasetCircuit::new(shape, &group);
    let proof = prove(&srs, &keys, &circuit, vec![Fr::from(7), circuit.count()]).unwrap();

    assert!(proof::verify(&srs, keys.vk(), &proof));
    let points = VerifierSrs::read(&srs.points()).unwrap();
    verify(keys.vk(), &points, &proof.input_words(), &proof.bytes).unwrap();
    let evm = tribute_evm::direct::generate(srs.params(), keys.vk(), 2).unwrap();
    assert!(tribute_evm::run(&evm.runtime, &proof.calldata()).unwrap().success);

    // and a verifier with another SRS does not accept it
    let development = Srs::development(10);
    let other = Keys::generate(&development, keys.shape()).unwrap();
    assert!(!proof::verify(&development, other.vk(), &proof));
    assert!(!proof::verify(&development, keys.vk(), &proof));
    let points = VerifierSrs::read(&development.points()).unwrap();
    assert!(verify(keys.vk(), &points, &proof.input_words(), &proof.bytes).is_err());
    let evm = tribute_evm::direct::generate(development.params(), keys.vk(), 2).unwrap();
    assert!(!tribute_evm::run(&evm.runtime, &proof.calldata()).unwrap().success);
}

#[test]
fn every_size_is_the_same_secret_and_the_cache_gives_the_same_srs() {
    let cache = folder().join("cache");
    let store = SrsStore::open(Some(&honest()), Some(&cache)).unwrap();
    let (small, large) = (store.get(10).unwrap(), store.get(POWER).unwrap());
    assert_eq!(small.digest(), large.digest());
    assert_eq!(small.digest(), Ptau::open(&honest()).unwrap().digest().unwrap());
    small.check().unwrap();
    let kept = cache.join(SrsStore::file_name(&small.digest(), 10));
    assert_eq!(store.get(10).unwrap().lagrange_basis(), small.lagrange_basis());
    // from the cache, not from the ceremony: the sizes are still listed although the file is gone
    let folder_store = SrsStore::open(Some(&cache), None).unwrap();
    assert_eq!(folder_store.get(10).unwrap().digest(), small.digest());
    assert!(matches!(folder_store.get(12).unwrap_err().flaw, Flaw::Missing { k: 12 }));
    // a damaged cache file is replaced
    let mut bytes = std::fs::read(&kept).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&kept, &bytes).unwrap();
    assert!(matches!(Srs::load(&kept, 10).unwrap_err().flaw, Flaw::Damaged));
    assert!(matches!(folder_store.get(10).unwrap_err().flaw, Flaw::Damaged));
    assert_eq!(store.get(10).unwrap().lagrange_basis(), small.lagrange_basis());
    Srs::load(&kept, 10).unwrap();
    // two ceremonies in one folder
    Srs::development(10).save(&cache.join(SrsStore::file_name(&Srs::development_digest(), 10))).unwrap();
    assert!(matches!(folder_store.get(10).unwrap_err().flaw, Flaw::Mixed { .. }));
}

/// What halo2 writes, raw and compressed, is the same SRS as the ceremony's; what is altered is refused.
#[test]
fn halo2_s_parameter_files_are_read_and_checked() {
    let whole = Ptau::open(&honest()).unwrap().import(POWER).unwrap();
    let n = 1usize << POWER;
    let file = |name: &str, format: SerdeFormat| {
        let mut bytes = Vec::new();
        whole.whole_params().write_custom(&mut bytes, format).unwrap();
        (written(name, &bytes), bytes)
    };
    let flaw = |name: &str, bytes: &[u8]| {
        let path = written(name, bytes);
        SrsStore::open(Some(&path), None).and_then(|store| store.get(POWER)).unwrap_err().flaw
    };
    for (name, format) in [("raw", SerdeFormat::RawBytes), ("compressed", SerdeFormat::Processed)] {
        let (path, bytes) = file(&format!("{name}.srs"), format);
        let params = Halo2Params::open(&path).unwrap().unwrap();
        assert_eq!((params.power(), params.digest().unwrap()), (POWER, whole.digest()), "{name}");
        for k in [10, POWER] {
            let store = SrsStore::open(Some(&path), None).unwrap();
            let srs = store.get(k).unwrap();
            srs.check().unwrap();
            assert_eq!((srs.k(), srs.digest(), store.digest().unwrap()), (k, whole.digest(), whole.digest()));
        }
        assert_eq!(params.import(POWER).unwrap().lagrange_basis(), whole.lagrange_basis());
        let larger = params.import(POWER + 1).unwrap_err().flaw;
        assert!(matches!(larger, Flaw::TooSmall { power: POWER, k: 12 }), "{larger}");

        let size = (bytes.len() - 4) / (2 * n + 4);
        let swapped = {
            let mut bytes = bytes.clone();
            swap(&mut bytes, 4 + 5 * size, 4 + 6 * size, size);
            flaw(&format!("swapped-{name}.srs"), &bytes)
        };
        assert!(matches!(swapped, Flaw::Inconsistent { group: Group::G1, index: 5 }), "{swapped}");
        let broken = {
            let mut bytes = bytes.clone();
            bytes[4 + 7 * size] ^= 1;
            flaw(&format!("broken-{name}.srs"), &bytes)
        };
        // half of all x are those of a point
        let told =
            matches!(broken, Flaw::Point { group: Group::G1, index: 7, .. } | Flaw::Inconsistent { index: 7, .. });
        assert!(told, "{broken}");
        let secret = {
            let (mut bytes, at) = (bytes.clone(), 4 + 2 * n * size);
            bytes.copy_within(at..at + 2 * size, at + 2 * size);
            flaw(&format!("secret-{name}.srs"), &bytes)
        };
        assert!(matches!(secret, Flaw::Inconsistent { group: Group::G1, index: 1 }), "{secret}");
        // a byte less or more is no such file
        for bytes in [&bytes[..bytes.len() - 1], &[&bytes[..], &[0]].concat()[..]] {
            let other = flaw(&format!("length-{name}.srs"), bytes);
            assert!(matches!(other, Flaw::Unknown { .. }), "{other}");
        }
    }
    assert!(Halo2Params::open(&honest()).unwrap().is_none());
    // nobody has published this one
    assert_eq!(ceremonies::named(&ceremonies::blake2b(&honest()).unwrap()), None);
}

/// A file in our own format with a valid checksum and wrong points, as an attacker could make it.
#[test]
fn a_forged_file_with_a_good_checksum_is_refused() {
    use sha2::{Digest as _, Sha256};
    let path = folder().join("own.srs");
    Srs::development(10).save(&path).unwrap();
    let original = std::fs::read(&path).unwrap();
    let n = 1 << 10;
    let forge = |alter: &dyn Fn(&mut [u8])| {
        let mut bytes = original.clone();
        alter(&mut bytes[44..]);
        let checksum = Sha256::digest(&bytes[40..]);
        bytes[8..40].copy_from_slice(&checksum);
        std::fs::write(&path, &bytes).unwrap();
        assert!(Srs::load(&path, 10).is_ok(), "the checksum is right");
        SrsStore::open(Some(&path), None).unwrap().get(10).unwrap_err().flaw
    };
    let lagrange = forge(&|points| swap(points, 64 * (n + 3), 64 * (n + 4), 64));
    assert!(matches!(lagrange, Flaw::Lagrange), "{lagrange}");
    let powers = forge(&|points| swap(points, 64 * 5, 64 * 6, 64));
    assert!(matches!(powers, Flaw::Inconsistent { group: Group::G1, index: 5 }), "{powers}");
    let secret = forge(&|points| points.copy_within(128 * n..128 * n + 128, 128 * n + 128));
    assert!(matches!(secret, Flaw::Inconsistent { group: Group::G1, index: 1 }), "{secret}");
    let outside = forge(&|points| points[64 * (n + 9)] ^= 1);
    let off = PointProblem::OffCurve;
    assert!(
        matches!(outside, Flaw::Point { group: Group::Lagrange, index: 9, problem } if problem == off),
        "{outside}"
    );
}

#[test]
fn files_that_are_cut_short_or_lie_about_their_size_are_refused() {
    let length = ceremony().len() as u64;
    let cut = refused("cut.ptau", 10, |b| b.truncate(40_000));
    assert!(matches!(cut, Flaw::CutShort { got: 40_000, needed, .. } if needed > 40_000), "{cut}");
    for bytes in [0usize, 3, 11, 12, 20, 30] {
        let cut = refused("stump.ptau", 10, |b| b.truncate(bytes));
        assert!(matches!(cut, Flaw::CutShort { got, .. } if got == bytes as u64), "{bytes}: {cut}");
    }
    // invalid numbers: a section of 2^60 bytes, four billion sections, a power of 60, a coordinate of 4 GB
    let at = section(ceremony(), 2) - 8;
    let huge = refused("huge.ptau", 10, |b| b[at..at + 8].copy_from_slice(&(1u64 << 60).to_le_bytes()));
    assert!(matches!(huge, Flaw::CutShort { needed, got, .. } if needed > 1 << 60 && got == length), "{huge}");
    let wrap = refused("wrap.ptau", 10, |b| b[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes()));
    assert!(matches!(wrap, Flaw::CutShort { .. }), "{wrap}");
    let many = refused("many.ptau", 10, |b| b[8..12].copy_from_slice(&u32::MAX.to_le_bytes()));
    assert!(matches!(many, Flaw::Limit { limit: 64, got: 0xffff_ffff, .. }), "{many}");
    let head = section(ceremony(), 1);
    let power = refused("power.ptau", 10, |b| b[head + 36..head + 40].copy_from_slice(&60u32.to_le_bytes()));
    assert!(matches!(power, Flaw::Limit { limit: 28, got: 60, .. }), "{power}");
    let larger = refused("larger.ptau", 10, |b| b[head + 36..head + 40].copy_from_slice(&20u32.to_le_bytes()));
    assert!(
        matches!(larger, Flaw::Length { expected: 134_217_664, got, .. } if got == ((2 << POWER) - 1) * 64),
        "{larger}"
    );
    let wide = refused("wide.ptau", 10, |b| b[head..head + 4].copy_from_slice(&u32::MAX.to_le_bytes()));
    assert!(matches!(wide, Flaw::Limit { limit: 256, .. }), "{wide}");
    let version = refused("version.ptau", 10, |b| b[4] = 2);
    assert!(matches!(version, Flaw::Version { expected: 1, got: 2 }), "{version}");
    let third = section(ceremony(), 3);
    let twice = refused("twice.ptau", 10, |b| b[third - 12] = 2);
    assert!(matches!(twice, Flaw::Sections { section: 2, got: 2 }), "{twice}");
    let small = refused("small.ptau", POWER + 1, |_| {});
    assert!(matches!(small, Flaw::TooSmall { power: POWER, k } if k == POWER + 1), "{small}");
}

#[test]
fn another_curve_and_what_is_no_ceremony_are_refused() {
    let other = Ptau::open(&hold("bls12-381", 2)).unwrap_err();
    let Flaw::Curve { expected, got } = other.flaw else { panic!("{other}") };
    assert!(expected.starts_with("30644e72e131a029") && got.starts_with("1a0111ea397fe69a"), "{expected} {got}");
    let text = written("text.ptau", b"once upon a time there was a secret");
    assert!(matches!(Ptau::open(&text).unwrap_err().flaw, Flaw::Unknown { .. }));
    assert!(matches!(SrsStore::open(Some(&text), None).unwrap_err().flaw, Flaw::Unknown { .. }));
    assert!(matches!(Srs::load(&text, 10).unwrap_err().flaw, Flaw::CutShort { .. }));
    assert!(matches!(SrsStore::open(Some(Path::new("/nowhere")), None).unwrap_err().flaw, Flaw::Io(_)));
}

#[test]
fn powers_of_no_one_secret_are_refused() {
    let (g1, g2) = (section(ceremony(), 2), section(ceremony(), 3));
    let swapped = refused("swapped.ptau", 10, |b| swap(b, g1 + 64 * 500, g1 + 64 * 501, 64));
    assert!(matches!(swapped, Flaw::Inconsistent { group: Group::G1, index: 500 }), "{swapped}");
    // one power replaced by another valid point
    for index in [1, 2, 777, 1023] {
        let altered = refused("altered.ptau", 10, |b| b.copy_within(g1 + 64 * 3..g1 + 64 * 4, g1 + 64 * index));
        assert!(
            matches!(altered, Flaw::Inconsistent { group: Group::G1, index: found } if found == index),
            "{altered}"
        );
    }
    // nothing beyond the requested size is read or used
    let path = written("beyond.ptau", &{
        let mut b = ceremony().to_vec();
        swap(&mut b, g1 + 64 * 1024, g1 + 64 * 1025, 64);
        b
    });
    assert!(Ptau::open(&path).unwrap().import(10).is_ok());
    let flaw = Ptau::open(&path).unwrap().import(11).unwrap_err().flaw;
    assert!(matches!(flaw, Flaw::Inconsistent { group: Group::G1, index: 1024 }), "{flaw}");
    // G2: two powers swapped; a different τ than in G1
    let swapped = refused("swapped2.ptau", 10, |b| swap(b, g2 + 128 * 30, g2 + 128 * 31, 128));
    assert!(matches!(swapped, Flaw::Inconsistent { group: Group::G2, index: 30 }), "{swapped}");
    let other = refused("other2.ptau", 10, |b| b.copy_within(g2 + 128 * 2..g2 + 128 * 3, g2 + 128));
    assert!(matches!(other, Flaw::Inconsistent { group: Group::G1, index: 1 }), "{other}");
    // wrong generators
    let moved = refused("moved.ptau", 10, |b| b.copy_within(g1 + 64..g1 + 128, g1));
    assert!(matches!(moved, Flaw::Generator { group: Group::G1 }), "{moved}");
    let moved = refused("moved2.ptau", 10, |b| b.copy_within(g2 + 128..g2 + 256, g2));
    assert!(matches!(moved, Flaw::Generator { group: Group::G2 }), "{moved}");
}

#[test]
fn points_outside_their_groups_and_trivial_secrets_are_refused() {
    let (g1, g2) = (section(ceremony(), 2), section(ceremony(), 3));
    let refused_point = |name: &str, alter: &dyn Fn(&mut Vec<u8>)| match refused(name, 10, alter) {
        Flaw::Point { group, index, problem } => (group, index, problem),
        other => panic!("{name}: {other}"),
    };
    let off = refused_point("off.ptau", &|b| b[g1 + 64 * 9] ^= 1);
    assert_eq!(off, (Group::G1, 9, PointProblem::OffCurve));
    let off = refused_point("off2.ptau", &|b| b[g2 + 128 * 9] ^= 1);
    assert_eq!(off, (Group::G2, 9, PointProblem::OffCurve));
    let zero = refused_point("zero.ptau", &|b| b[g1 + 64..g1 + 128].fill(0));
    assert_eq!(zero, (Group::G1, 1, PointProblem::Infinity));
    let large = refused_point("large.ptau", &|b| b[g1 + 64..g1 + 96].fill(0xff));
    assert_eq!(large, (Group::G1, 1, PointProblem::NotCanonical));
    // τ = 1: all powers equal
    let one = refused("one.ptau", 10, |b| {
        for i in 1..1024 {
            b.copy_within(g1..g1 + 64, g1 + 64 * i);
            b.copy_within(g2..g2 + 128, g2 + 128 * i);
        }
    });
    assert!(matches!(one, Flaw::Trivial { k: 10 }), "{one}");
}
