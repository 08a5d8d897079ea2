//! Points for Barretenberg, and Groth16 over circuits compiled by circom.
//!
//! ```text
//! tribute-bench-peers crs POINTS FOLDER              # bn254_g1.dat, and [τ]₂ for the verifier
//! tribute-bench-peers setup CIRCUIT.r1cs KEY         # with a secret that everybody knows
//! tribute-bench-peers prove CIRCUIT.r1cs KEY WITNESS.wtns PROOF.json
//! ```
//!
//! The secrets are fixed: these keys measure time and are good for nothing else.

mod circom;

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::scalar_mul::BatchMulPreprocessing;
use ark_ec::{CurveGroup, PrimeGroup};
use ark_ff::{BigInteger, Field, PrimeField, UniformRand};
use ark_groth16::{Groth16, ProvingKey};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::json;

use circom::{Circuit, witness};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["crs", points, folder] => crs(points.parse()?, Path::new(folder)),
        ["setup", r1cs, key] => setup(Path::new(r1cs), Path::new(key)),
        ["prove", r1cs, key, wtns, proof] => prove(Path::new(r1cs), Path::new(key), Path::new(wtns), Path::new(proof)),
        _ => Err("usage: tribute-bench-peers crs POINTS FOLDER | setup R1CS KEY | prove R1CS KEY WITNESS PROOF".into()),
    }
}

fn secret() -> Fr {
    Fr::rand(&mut ChaCha20Rng::seed_from_u64(1))
}

fn word(x: &impl PrimeField) -> Vec<u8> {
    x.into_bigint().to_bytes_be()
}

fn hex(x: &impl PrimeField) -> String {
    word(x).iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn g1(p: &G1Affine) -> [String; 2] {
    [hex(&p.x), hex(&p.y)]
}

/// As the precompile of EIP-197 takes it: imaginary parts first.
fn g2(p: &G2Affine) -> [[String; 2]; 2] {
    [[hex(&p.x.c1), hex(&p.x.c0)], [hex(&p.y.c1), hex(&p.y.c0)]]
}

/// Writes `[τ^i]₁` as Barretenberg reads them, x and y big-endian, and `[τ]₂`.
fn crs(points: usize, folder: &Path) -> Result<()> {
    let tau = secret();
    let powers: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |x| Some(*x * tau)).take(points).collect();
    let table = BatchMulPreprocessing::new(G1Projective::generator(), points);
    let mut file = BufWriter::new(File::create(folder.join("bn254_g1.dat"))?);
    for chunk in powers.chunks(1 << 16) {
        for point in table.batch_mul(chunk) {
            file.write_all(&word(&point.x))?;
            file.write_all(&word(&point.y))?;
        }
    }
    file.flush()?;
    let tau_g2 = (G2Projective::generator() * tau).into_affine();
    std::fs::write(folder.join("g2.json"), json!(g2(&tau_g2)).to_string())?;
    Ok(())
}

fn setup(r1cs: &Path, key: &Path) -> Result<()> {
    let circuit = Circuit::read(r1cs)?;
    let mut random = ChaCha20Rng::seed_from_u64(2);
    let mut scalar = || Fr::rand(&mut random);
    let (alpha, beta, gamma, delta) = (scalar(), scalar(), scalar(), scalar());
    let generators = (G1Projective::generator(), G2Projective::generator());
    let made = Groth16::<Bn254>::generate_parameters_with_qap(
        &circuit,
        alpha,
        beta,
        gamma,
        delta,
        generators.0,
        generators.1,
        &mut random,
    )?;
    made.serialize_uncompressed(BufWriter::new(File::create(key)?))?;
    println!("{}", json!({"constraints": circuit.constraints(), "inputs": circuit.inputs()}));
    Ok(())
}

/// Seconds that all threads of this process have computed, in steps of 10 ms: fields 14 and 15 of proc_pid_stat(5), in
/// hundredths of a second.
fn cpu_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // after the program's name, which may contain blanks; the state is field 3
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let field = |number: usize| fields.get(number - 2).and_then(|f| f.parse::<f64>().ok());
    let ticks = field(14).zip(field(15)).ok_or("no times in /proc/self/stat")?;
    Ok((ticks.0 + ticks.1) / 100.0)
}

fn prove(r1cs: &Path, key: &Path, wtns: &Path, out: &Path) -> Result<()> {
    let circuit = Circuit::read(r1cs)?;
    let key = ProvingKey::<Bn254>::deserialize_uncompressed_unchecked(BufReader::new(File::open(key)?))?;
    let cpu_before = cpu_seconds()?;
    let started = Instant::now();
    let assignment = witness(wtns)?;
    let mut random = ChaCha20Rng::seed_from_u64(3);
    let (r, s) = (Fr::rand(&mut random), Fr::rand(&mut random));
    let proof = Groth16::<Bn254>::create_proof_with_reduction_and_matrices(
        &key,
        r,
        s,
        circuit.matrices(),
        circuit.inputs(),
        circuit.constraints(),
        &assignment,
    )?;
    let prove_seconds = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds()? - cpu_before;
    let publics = &assignment[1..circuit.inputs()];
    let started = Instant::now();
    let prepared = ark_groth16::prepare_verifying_key(&key.vk);
    if !Groth16::<Bn254>::verify_proof(&prepared, &proof, publics)? {
        return Err("the proof does not verify".into());
    }
    let verify_ms = started.elapsed().as_secs_f64() * 1e3;
    let vk = &key.vk;
    let bases: Vec<_> = vk.gamma_abc_g1.iter().map(g1).collect();
    let file = json!({
        "proof": [json!(g1(&proof.a)), json!(g2(&proof.b)), json!(g1(&proof.c))],
        "inputs": publics.iter().map(hex).collect::<Vec<_>>(),
        "key": {"alpha": g1(&vk.alpha_g1), "beta": g2(&vk.beta_g2), "gamma": g2(&vk.gamma_g2), "delta": g2(&vk.delta_g2), "bases": bases},
    });
    std::fs::write(out, file.to_string())?;
    println!(
        "{}",
        json!({
            "prove_seconds": prove_seconds, "cpu_seconds": cpu, "verify_ms": verify_ms,
            "constraints": circuit.constraints(),
        })
    );
    Ok(())
}
