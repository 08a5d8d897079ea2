// One measurement of UltraHonk on a dense head: node ultrahonk.mjs FEATURES CLASSES BATCH plain|full FOLDER CRS. Prints one
// line of JSON.
//
// Noir compiles the program, Barretenberg proves it with the Keccak transcript and zero knowledge, for a check on Ethereum.
// `plain` states that the public answers are those of some private weights on some private queries. `full` states what
// Tribute's service proof does: the weights have a public commitment, and each query with its salt and answer extends a
// public transcript.

import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { compile, createFileManager } from "@noir-lang/noir_wasm";
import { Noir } from "@noir-lang/noir_js";
import { head, checkAnswers, differenceBits, FEATURES_PER_ELEMENT, WEIGHTS_PER_ELEMENT, ANSWERS_PER_ELEMENT } from "./head.mjs";
import { timed } from "./timed.mjs";

/** Bits of a logit plus 2^56. */
const LOGIT_BITS = 57;
/** Differences of logits, or a logit, in one field element. */
const DIFFERENCES_PER_ELEMENT = 4;
const MODULUS = 21888242871839275222246405745257275088548364400416034343698204186575808495617n;

/**
 * The Noir program. Signed numbers are field elements; a query's features are bytes.
 *
 * Products of private numbers are what costs most, so logits are hints, absorbed into a sponge together with the queries
 * and the weights; the sponge then yields a random number r, and `Σ_u r^u z_u = Σ_j (Σ_u r^u w_uj) x_j` is checked for
 * every query: d + c products instead of d·c.
 */
export function program(features, classes, batch, full) {
  const packedWeights = Math.ceil((classes * (features + 1)) / WEIGHTS_PER_ELEMENT);
  const packedFeatures = Math.ceil(features / FEATURES_PER_ELEMENT);
  const bits = differenceBits(features);
  const differences = Math.ceil((classes + 1) / DIFFERENCES_PER_ELEMENT);
  return `
global D: u32 = ${features};
global C: u32 = ${classes};
global N: u32 = ${batch};
global PW: u32 = ${packedWeights};
global PX: u32 = ${packedFeatures};
global PZ: u32 = ${differences};

unconstrained fn logits(w: [[Field; D + 1]; C], x: [u8; D]) -> [Field; C] {
    let mut z = [0; C];
    for u in 0..C {
        z[u] = w[u][D] * 256;
        for j in 0..D { z[u] += w[u][j] * x[j] as Field; }
    }
    z
}

unconstrained fn largest(z: [Field; C]) -> [Field; C] {
    let mut best = 0;
    for u in 1..C {
        let (a, b) = ((z[best] + 0x100000000000000) as u64, (z[u] + 0x100000000000000) as u64);
        if b > a { best = u; }
    }
    let mut is = [0; C];
    is[best] = 1;
    is
}

// the largest logit's class, ties to the lower one, and what binds the logits: their differences and the largest, packed
fn answer(z: [Field; C]) -> (Field, [Field; PZ]) {
    // Safety: constrained to be one-hot, and by the differences
    let is = unsafe { largest(z) };
    let (mut top, mut count, mut index) = (0, 0, 0);
    for u in 0..C {
        assert(is[u] * is[u] == is[u]);
        top += is[u] * z[u];
        count += is[u];
        index += is[u] * u as Field;
    }
    assert(count == 1);
    let mut packed = [0; PZ];
    let shifted = top + 0x100000000000000;
    shifted.assert_max_bit_size::<${LOGIT_BITS}>();
    packed[0] = shifted;
    let mut later = 0;
    for i in 0..C {
        let u = C - 1 - i;
        let difference = top - z[u] - later;
        difference.assert_max_bit_size::<${bits}>();
        let at = (i + 1) / ${DIFFERENCES_PER_ELEMENT};
        packed[at] = packed[at] * 0x${(1n << BigInt(bits)).toString(16)} + difference;
        later += is[u];
    }
    (index, packed)
}

fn absorb<let L: u32>(mut state: [Field; 4], input: [Field; L]) -> [Field; 4] {
    for block in 0..(L + 2) / 3 {
        for i in 0..3 { if block * 3 + i < L { state[i] += input[block * 3 + i]; } }
        state = std::hash::poseidon2_permutation(state);
    }
    state
}

fn sponge<let L: u32>(input: [Field; L]) -> Field { absorb([0, 0, 0, L as Field * 0x10000000000000000], input)[0] }

fn main(w: [[Field; D + 1]; C], ${full ? "salt: Field, " : ""}x: [[u8; D]; N], ${full ? "salts: [Field; N], before: pub Field) -> pub [Field; 2]" : `) -> pub [Field; ${Math.ceil(batch / ANSWERS_PER_ELEMENT)}]`} {
    let mut packed: [Field; PW + 1] = [0; PW + 1];
    for u in 0..C {
        for j in 0..D + 1 {
            let shifted = w[u][j] + 0x2000000000;
            shifted.assert_max_bit_size::<38>();
            let i = u * (D + 1) + j;
            packed[i / ${WEIGHTS_PER_ELEMENT}] = packed[i / ${WEIGHTS_PER_ELEMENT}] * 0x4000000000 + shifted;
        }
    }
    ${full ? "packed[PW] = salt;" : ""}
    let weights = sponge(packed);
    let mut state = [weights, 0, 0, 0];
    let mut z = [[0; C]; N];
    ${full ? "let mut h = before;" : `let mut answers: [Field; ${Math.ceil(batch / ANSWERS_PER_ELEMENT)}] = [0; ${Math.ceil(batch / ANSWERS_PER_ELEMENT)}];`}
    for n in 0..N {
        // Safety: checked against weights and query below
        z[n] = unsafe { logits(w, x[n]) };
        let (a, bound) = answer(z[n]);
        let mut query: [Field; PX] = [0; PX];
        for i in 0..D {
            let j = D - 1 - i;
            query[j / ${FEATURES_PER_ELEMENT}] = query[j / ${FEATURES_PER_ELEMENT}] * 256 + x[n][j] as Field;
        }
        ${full ? `let mut message: [Field; PX + 3] = [0; PX + 3];
        message[0] = h;
        for i in 0..PX { message[1 + i] = query[i]; }
        message[PX + 1] = salts[n];
        message[PX + 2] = a;
        h = sponge(message);
        state = absorb(state, bound);` : `answers[n / ${ANSWERS_PER_ELEMENT}] = answers[n / ${ANSWERS_PER_ELEMENT}] * 16 + a;
        let mut message: [Field; PX + PZ] = [0; PX + PZ];
        for i in 0..PX { message[i] = query[i]; }
        for i in 0..PZ { message[PX + i] = bound[i]; }
        state = absorb(state, message);`}
    }
    ${full ? "state = absorb(state, [h]);" : ""}
    let r = state[0];
    let mut combined = [0; D + 1];
    for j in 0..D + 1 {
        for i in 0..C { combined[j] = combined[j] * r + w[C - 1 - i][j]; }
    }
    for n in 0..N {
        let mut left = 0;
        for i in 0..C { left = left * r + z[n][C - 1 - i]; }
        let mut right = combined[D] * 256;
        for j in 0..D { right += combined[j] * x[n][j] as Field; }
        assert(left == right);
    }
    ${full ? "[weights, h]" : "answers"}
}
`;
}

async function main() {
  const [features, classes, batch] = process.argv.slice(2, 5).map(Number);
  const full = process.argv[5] === "full";
  const folder = resolve(process.argv[6]);
  const crs = resolve(process.argv[7]);
  mkdirSync(join(folder, "src"), { recursive: true });
  writeFileSync(join(folder, "Nargo.toml"), `[package]\nname = "head"\ntype = "bin"\nauthors = []\n\n[dependencies]\n`);
  const bb = new URL("./node_modules/@aztec/bb.js/build/amd64-linux/bb", import.meta.url).pathname;
  chmodSync(bb, 0o755);
  const env = { CRS_PATH: crs };
  const [source, compiled, vk] = ["src/main.nr", "head.json", "vk"].map((name) => join(folder, name));
  const text = program(features, classes, batch, full);
  // compiling takes long, and its result stays, with the key
  if (!existsSync(vk) || readFileSync(source, "utf8") !== text) {
    rmSync(vk, { force: true });
    writeFileSync(source, text);
    const { program: artefact } = await compile(createFileManager(folder));
    writeFileSync(compiled, JSON.stringify(artefact));
    timed(bb, ["write_vk", "-b", compiled, "-o", folder, "-t", "evm"], folder, env);
  }
  const artefact = JSON.parse(readFileSync(compiled, "utf8"));

  const { weights, queries, salts } = head(features, classes, batch);
  const inputs = { w: weights.map((row) => row.map((w) => String(w < 0n ? MODULUS + w : w))), x: queries.map((q) => q.map(String)) };
  if (full) Object.assign(inputs, { salt: "7", salts: salts.map(String), before: "5" });
  const before = process.cpuUsage();
  const started = performance.now();
  const { witness, returnValue } = await new Noir(artefact).execute(inputs);
  const witness_seconds = (performance.now() - started) / 1e3;
  const { user, system } = process.cpuUsage(before);
  writeFileSync(join(folder, "witness.gz"), witness);
  if (!full) checkAnswers(returnValue, weights, queries);

  const proof = timed(bb, ["prove", "-b", compiled, "-w", join(folder, "witness.gz"), "-k", vk, "-o", folder, "-t", "evm"], folder, env);
  // it knows one ceremony's [τ]₂ only, so it does everything and then refuses
  const check = timed(bb, ["verify", "-k", vk, "-p", join(folder, "proof"), "-i", join(folder, "public_inputs"), "-t", "evm"], folder, env, 1);
  if (!check.stderr.includes("failed at pairing check")) throw new Error(`Barretenberg's verifier refuses before the pairing: ${check.stderr}`);
  console.log(JSON.stringify({
    who: "UltraHonk", features, classes, count: batch, full, witness_seconds,
    prove_seconds: proof.wall, seconds: witness_seconds + proof.wall, cpu_seconds: (user + system) / 1e6 + proof.cpu,
    peak_rss_mb: proof.peak_mb, proof_bytes: statSync(join(folder, "proof")).size, verify_ms: check.wall * 1e3,
    milliseconds_per_item: (witness_seconds + proof.wall) * 1e3 / batch,
  }));
}

if (process.argv[1] === new URL(import.meta.url).pathname) await main();
