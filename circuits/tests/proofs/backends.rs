//! Keys, committed columns and proofs are the same, byte by byte, with every arithmetic: every statement, every link.
//!
//! A proof can be given a backend. Everything before it takes the process's, so other processes do all of it: one
//! without vector code, and one with AVX2's if this process has AVX-512's.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tribute_circuits::keys::key_digest;
use tribute_circuits::prove::{prove_predictably, prove_with};
use tribute_core::digest::keccak;
use tribute_engine::field::{point_bytes, word};
use tribute_engine::halo2_proofs::halo2curves::bn256::Fr;
use tribute_engine::plonk::{Engine, Part};
use tribute_simd::Backend;

use crate::support::keyed::keyed;
use crate::support::subjects::{subjects, Subject};

/// Set for the other processes, which print their digests: how many elements they compute side by side.
const PRINT: &str = "TRIBUTE_PRINT_DIGESTS";
/// What every digest's line begins with.
const DIGESTS: &str = "digests of ";

/// The keys, committed columns and proof of a circuit, hashed.
fn digests(subject: &Subject, proof: &[u8]) -> String {
    let keys = &keyed(subject.circuit.shape()).keys;
    let fixed: Vec<u8> = keys.fixed_polynomials().iter().flatten().flat_map(word).collect();
    let committed = subject.circuit.committed();
    let columns: Vec<u8> = committed.iter().filter_map(|c| point_bytes(&c.point)).flatten().collect();
    assert_eq!(columns.len(), 64 * committed.len());
    let [fixed, columns, proof] = [&fixed[..], &columns, proof].map(|bytes| hex::encode(keccak(bytes)));
    let key = hex::encode(key_digest(keys.vk()));
    format!("{DIGESTS}{}: key {key}, fixed {fixed}, columns {columns}, proof {proof}", subject.name)
}

#[test]
fn keys_columns_and_proofs_are_the_same_with_every_arithmetic() {
    let subjects = || subjects().into_iter().map(|subject| subject());
    let prove = |backend, subject: &Subject, inputs: &[Fr]| {
        let keyed = keyed(subject.circuit.shape());
        prove_predictably(backend, keyed.srs, &keyed.keys, subject.circuit.as_ref(), inputs.to_vec()).unwrap()
    };
    if let Ok(lanes) = std::env::var(PRINT) {
        assert_eq!(Backend::best().lanes().to_string(), lanes);
        for subject in subjects() {
            println!("{}", digests(&subject, &prove(Backend::best(), &subject, &subject.inputs).bytes));
        }
        return;
    }
    let start = |(arithmetic, lanes): (&'static str, &'static str)| {
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "backends::keys_columns_and_proofs_are_the_same_with_every_arithmetic", "--nocapture"])
            .env(Backend::VARIABLE, arithmetic)
            .env(PRINT, lanes)
            .stdout(Stdio::piped())
            .spawn();
        (arithmetic, process.unwrap())
    };
    let avx2 = Backend::all().into_iter().any(|backend| backend.lanes() == 4 && backend != Backend::best());
    let arithmetics = [Some(("portable", "1")), avx2.then_some(("avx2", "4"))];
    let processes: Vec<_> = arithmetics.into_iter().flatten().map(start).collect();
    let mut expected = Vec::new();
    for subject in subjects() {
        let mut proofs = Backend::all().into_iter().map(|backend| prove(backend, &subject, &subject.inputs));
        let proof = proofs.next().unwrap();
        assert!(keyed(subject.circuit.shape()).native(&proof), "{}", subject.name);
        assert!(proofs.all(|other| other == proof), "{}", subject.name);
        expected.push(digests(&subject, &proof.bytes));
        let mut others = subject.inputs.clone();
        others[0] += Fr::from(1);
        assert!(prove(Backend::best(), &subject, &others).bytes != proof.bytes, "{}: another context", subject.name);
    }
    for (arithmetic, process) in processes {
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success(), "{arithmetic}");
        let output = String::from_utf8(output.stdout).unwrap();
        let printed: Vec<&str> = output.lines().filter_map(|line| Some(&line[line.find(DIGESTS)?..])).collect();
        assert_eq!(printed, expected, "{arithmetic}");
    }
}

/// The engine's report covers the proof, and every part has a share of it.
#[test]
fn the_parts_of_a_proof_add_up_to_its_time() {
    let subject = subjects()[0]();
    let keyed = keyed(subject.circuit.shape());
    let times = || {
        let parts: RefCell<BTreeMap<Part, Duration>> = RefCell::default();
        let report = |part: Part, time: Duration| *parts.borrow_mut().entry(part).or_default() += time;
        let engine = Engine { report: &report, ..Engine::new(Backend::best()) };
        let start = Instant::now();
        prove_with(&engine, keyed.srs, &keyed.keys, subject.circuit.as_ref(), subject.inputs.clone()).unwrap();
        let total = start.elapsed();
        let parts = parts.take();
        assert!(parts.keys().copied().eq(Part::ALL), "{parts:?}");
        let sum: Duration = parts.values().sum();
        assert!(sum <= total, "{sum:?} of {total:?}");
        (sum, total)
    };
    // what else the machine does may fall between two parts, but not every time
    let mut seen = Vec::new();
    let covered = (0..5).any(|_| {
        let (sum, total) = times();
        seen.push((sum, total));
        total - sum < total / 4
    });
    assert!(covered, "{seen:?}");
}
