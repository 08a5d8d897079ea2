// One measurement of UltraHonk on a dense head: node ultrahonk.mjs FEATURES CLASSES BATCH plain|full FOLDER CRS. Prints one
// line of JSON.
//
// Noir compiles the program, Barretenberg proves it with the Keccak transcript and zero knowledge, for a check on Ethereum.
// `plain` states that the public answers are those of some private weights on some private queries. `full` states what
// Tribute's service proof does: the weights have a public commitment, and each query with its salt and answer extends a
// public transcript.

import { chmodSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { compile, createFileManager } from "@noir-lang/noir_wasm";
import { Noir } from "@noir-lang/noir_js";
import { head, checkAnswers, differenceBits, FEATURES_PER_ELEMENT, WEIGHTS_PER_ELEMENT, ANSWERS_PER_ELEMENT } from "./head.mjs";
import { timed } from "./timed.mjs";

const MODULUS = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

/** The Noir program. Signed numbers are field elements; a query's features are bytes. */
export function program(features, classes, batch, full) {
  const weights = classes * (features + 1);
  return `
global D: u32 = ${features};
global C: u32 = ${classes};
global N: u32 = ${batch};

unconstrained fn largest(z: [Field; C]) -> u32 {
    let mut best = 0;
    for u in 1..C {
        let (a, b) = ((z[best] + 0x100000000000000) as u64, (z[u] + 0x100000000000000) as u64);
        if b > a { best = u; }
    }
    best
}

// the largest logit's class, ties to the lower one
fn answer(w: [[Field; D + 1]; C], x: [u8; D]) -> Field {
    let mut z = [0; C];
    for u in 0..C {
        let mut sum = w[u][D] * 256;
        for j in 0..D { sum += w[u][j] * x[j] as Field; }
        z[u] = sum;
    }
    // Safety: its one-hot form and the differences are constrained below
    let hint = unsafe { largest(z) };
    let (mut top, mut count, mut index) = (0, 0, 0);
    let mut is = [0; C];
    for u in 0..C {
        is[u] = (hint == u) as Field;
        top += is[u] * z[u];
        count += is[u];
        index += is[u] * u as Field;
    }
    assert(count == 1);
    let mut later = 0;
    for i in 0..C {
        let u = C - 1 - i;
        (top - z[u] - later).assert_max_bit_size::<${differenceBits(features)}>();
        later += is[u];
    }
    index
}
${full ? `
fn sponge<let L: u32>(input: [Field; L]) -> Field {
    let mut state = [0, 0, 0, L as Field * 0x10000000000000000];
    for block in 0..(L + 2) / 3 {
        for i in 0..3 { if block * 3 + i < L { state[i] += input[block * 3 + i]; } }
        state = std::hash::poseidon2_permutation(state);
    }
    state[0]
}

fn main(w: [[Field; D + 1]; C], salt: Field, x: [[u8; D]; N], salts: [Field; N], before: pub Field) -> pub [Field; 2] {
    let mut packed: [Field; ${Math.ceil(weights / WEIGHTS_PER_ELEMENT) + 1}] = [0; ${Math.ceil(weights / WEIGHTS_PER_ELEMENT) + 1}];
    for u in 0..C {
        for j in 0..D + 1 {
            let shifted = w[u][j] + 0x2000000000;
            shifted.assert_max_bit_size::<38>();
            let i = u * (D + 1) + j;
            packed[i / ${WEIGHTS_PER_ELEMENT}] = packed[i / ${WEIGHTS_PER_ELEMENT}] * 0x4000000000 + shifted;
        }
    }
    packed[${Math.ceil(weights / WEIGHTS_PER_ELEMENT)}] = salt;
    let mut h = before;
    for n in 0..N {
        let a = answer(w, x[n]);
        let mut message: [Field; ${Math.ceil(features / FEATURES_PER_ELEMENT) + 3}] = [0; ${Math.ceil(features / FEATURES_PER_ELEMENT) + 3}];
        message[0] = h;
        for i in 0..D {
            let j = D - 1 - i;
            message[1 + j / ${FEATURES_PER_ELEMENT}] = message[1 + j / ${FEATURES_PER_ELEMENT}] * 256 + x[n][j] as Field;
        }
        message[${Math.ceil(features / FEATURES_PER_ELEMENT) + 1}] = salts[n];
        message[${Math.ceil(features / FEATURES_PER_ELEMENT) + 2}] = a;
        h = sponge(message);
    }
    [sponge(packed), h]
}` : `
fn main(w: [[Field; D + 1]; C], x: [[u8; D]; N]) -> pub [Field; ${Math.ceil(batch / ANSWERS_PER_ELEMENT)}] {
    let mut answers: [Field; ${Math.ceil(batch / ANSWERS_PER_ELEMENT)}] = [0; ${Math.ceil(batch / ANSWERS_PER_ELEMENT)}];
    for n in 0..N { answers[n / ${ANSWERS_PER_ELEMENT}] = answers[n / ${ANSWERS_PER_ELEMENT}] * 16 + answer(w, x[n]); }
    answers
}`}
`;
}

async function main() {
  const [features, classes, batch] = process.argv.slice(2, 5).map(Number);
  const full = process.argv[5] === "full";
  const folder = resolve(process.argv[6]);
  const crs = resolve(process.argv[7]);
  mkdirSync(join(folder, "src"), { recursive: true });
  writeFileSync(join(folder, "Nargo.toml"), `[package]\nname = "head"\ntype = "bin"\nauthors = []\n\n[dependencies]\n`);
  writeFileSync(join(folder, "src/main.nr"), program(features, classes, batch, full));
  const compiled = join(folder, "head.json");
  let started = performance.now();
  const { program: artefact } = await compile(createFileManager(folder));
  const compile_seconds = (performance.now() - started) / 1e3;
  writeFileSync(compiled, JSON.stringify(artefact));

  const { weights, queries, salts } = head(features, classes, batch);
  const inputs = { w: weights.map((row) => row.map((w) => String(w < 0n ? MODULUS + w : w))), x: queries.map((q) => q.map(String)) };
  if (full) Object.assign(inputs, { salt: "7", salts: salts.map(String), before: "5" });
  started = performance.now();
  const { witness, returnValue } = await new Noir(artefact).execute(inputs);
  const witness_seconds = (performance.now() - started) / 1e3;
  writeFileSync(join(folder, "witness.gz"), witness);
  if (!full) checkAnswers(returnValue, weights, queries);

  const bb = new URL("./node_modules/@aztec/bb.js/build/amd64-linux/bb", import.meta.url).pathname;
  chmodSync(bb, 0o755);
  const env = { CRS_PATH: crs };
  const key = timed(bb, ["write_vk", "-b", compiled, "-o", folder, "-t", "evm"], folder, env);
  const proof = timed(bb, ["prove", "-b", compiled, "-w", join(folder, "witness.gz"), "-k", join(folder, "vk"), "-o", folder, "-t", "evm"], folder, env);
  console.log(JSON.stringify({
    who: "UltraHonk", features, classes, count: batch, full, compile_seconds, witness_seconds, keys_seconds: key.wall,
    prove_seconds: proof.wall, seconds: witness_seconds + proof.wall, cpu_seconds: witness_seconds + proof.cpu,
    peak_rss_mb: proof.peak_mb, proof_bytes: statSync(join(folder, "proof")).size,
    milliseconds_per_item: (witness_seconds + proof.wall) * 1e3 / batch,
  }));
}

if (process.argv[1] === new URL(import.meta.url).pathname) await main();
