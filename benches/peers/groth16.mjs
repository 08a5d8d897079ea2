// One measurement of Groth16 on a dense head: node groth16.mjs FEATURES CLASSES BATCH plain|full FOLDER. Prints one line of
// JSON.
//
// circom compiles the circuit and computes the witness, arkworks proves (`src/main.rs`). `plain` and `full` state the same as
// in ultrahonk.mjs; `full` hashes with circomlib's Poseidon, which is cheaper in R1CS than the Poseidon2 of our receipts.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { performance } from "node:perf_hooks";
import { head, checkAnswers, differenceBits, ANSWERS_PER_ELEMENT, FEATURES_PER_ELEMENT, WEIGHTS_PER_ELEMENT } from "./head.mjs";
import { peers, timed } from "./timed.mjs";

const require = createRequire(import.meta.url);

/** The circuit. Queries come as bits, so that a feature's range costs nothing beyond them. */
export function circuit(features, classes, batch, full) {
  const elements = Math.ceil(features / FEATURES_PER_ELEMENT);
  const weights = classes * (features + 1);
  const packed = Math.ceil(weights / WEIGHTS_PER_ELEMENT);
  const publics = Math.ceil(batch / ANSWERS_PER_ELEMENT);
  return `pragma circom 2.1.6;
${full ? `include "circomlib/circuits/poseidon.circom";` : ""}

function largest(z, C) {
    var best = 0;
    for (var u = 1; u < C; u++) { if (z[u] + (1 << ${differenceBits(features)}) > z[best] + (1 << ${differenceBits(features)})) { best = u; } }
    return best;
}

// the largest logit's class, ties to the lower one
template Answer(D, C) {
    signal input w[C][D + 1];
    signal input bits[D][8];
    signal output index;
    var x[D];
    for (var j = 0; j < D; j++) {
        x[j] = 0;
        for (var i = 0; i < 8; i++) { bits[j][i] * (bits[j][i] - 1) === 0; x[j] += bits[j][i] * (1 << i); }
    }
    signal product[C][D];
    var z[C];
    for (var u = 0; u < C; u++) {
        z[u] = 256 * w[u][D];
        for (var j = 0; j < D; j++) { product[u][j] <== w[u][j] * x[j]; z[u] += product[u][j]; }
    }
    var best = largest(z, C);
    signal is[C];
    signal chosen[C];
    var top = 0; var count = 0; var at = 0;
    for (var u = 0; u < C; u++) {
        is[u] <-- best == u ? 1 : 0;
        is[u] * (is[u] - 1) === 0;
        chosen[u] <== is[u] * z[u];
        top += chosen[u]; count += is[u]; at += u * is[u];
    }
    count === 1;
    signal digits[C][${differenceBits(features)}];
    var later = 0;
    for (var i = 0; i < C; i++) {
        var u = C - 1 - i;
        var rest = top - z[u] - later;
        var sum = 0;
        for (var b = 0; b < ${differenceBits(features)}; b++) {
            digits[u][b] <-- (rest >> b) & 1;
            digits[u][b] * (digits[u][b] - 1) === 0;
            sum += digits[u][b] * (1 << b);
        }
        sum === rest;
        later += is[u];
    }
    index <== at;
}

template Head(D, C, N) {
    signal input w[C][D + 1];
    signal input bits[N][D][8];
    component answer[N];
    for (var n = 0; n < N; n++) {
        answer[n] = Answer(D, C);
        answer[n].w <== w;
        answer[n].bits <== bits[n];
    }
${full ? `
    signal input salt;
    signal input salts[N];
    signal input before;
    signal output after;
    signal output commitment;
    signal weightBits[C][D + 1][38];
    var packed[${packed + 1}];
    for (var i = 0; i < ${packed}; i++) { packed[i] = 0; }
    for (var u = 0; u < C; u++) {
        for (var j = 0; j <= D; j++) {
            var sum = 0;
            for (var b = 0; b < 38; b++) {
                weightBits[u][j][b] <-- ((w[u][j] + (1 << 37)) >> b) & 1;
                weightBits[u][j][b] * (weightBits[u][j][b] - 1) === 0;
                sum += weightBits[u][j][b] * (1 << b);
            }
            sum === w[u][j] + (1 << 37);
            var i = u * (D + 1) + j;
            packed[i \\ ${WEIGHTS_PER_ELEMENT}] = packed[i \\ ${WEIGHTS_PER_ELEMENT}] * (1 << 38) + sum;
        }
    }
    packed[${packed}] = salt;
    // absorbed 15 elements at a time
    component absorb[${Math.ceil((packed + 1) / 15)}];
    for (var k = 0; k < ${Math.ceil((packed + 1) / 15)}; k++) {
        absorb[k] = Poseidon(16);
        if (k == 0) { absorb[k].inputs[0] <== 0; } else { absorb[k].inputs[0] <== absorb[k - 1].out; }
        for (var i = 0; i < 15; i++) {
            if (k * 15 + i < ${packed + 1}) { absorb[k].inputs[i + 1] <== packed[k * 15 + i]; } else { absorb[k].inputs[i + 1] <== 0; }
        }
    }
    commitment <== absorb[${Math.ceil((packed + 1) / 15) - 1}].out;
    // one receipt: h, packed features, salt, answer
    component receipt[N][${Math.ceil((elements + 2) / 15)}];
    signal h[N + 1];
    h[0] <== before;
    for (var n = 0; n < N; n++) {
        var message[${elements + 2}];
        for (var e = 0; e < ${elements}; e++) { message[e] = 0; }
        for (var i = 0; i < D; i++) {
            var j = D - 1 - i;
            var x = 0;
            for (var b = 0; b < 8; b++) { x += bits[n][j][b] * (1 << b); }
            message[j \\ ${FEATURES_PER_ELEMENT}] = message[j \\ ${FEATURES_PER_ELEMENT}] * 256 + x;
        }
        message[${elements}] = salts[n];
        message[${elements + 1}] = answer[n].index;
        for (var k = 0; k < ${Math.ceil((elements + 2) / 15)}; k++) {
            var here = ${elements + 2} - k * 15 < 15 ? ${elements + 2} - k * 15 : 15;
            receipt[n][k] = Poseidon(here + 1);
            if (k == 0) { receipt[n][k].inputs[0] <== h[n]; } else { receipt[n][k].inputs[0] <== receipt[n][k - 1].out; }
            for (var i = 0; i < here; i++) { receipt[n][k].inputs[i + 1] <== message[k * 15 + i]; }
        }
        h[n + 1] <== receipt[n][${Math.ceil((elements + 2) / 15) - 1}].out;
    }
    after <== h[N];` : `
    signal output answers[${publics}];
    var packed[${publics}];
    for (var i = 0; i < ${publics}; i++) { packed[i] = 0; }
    for (var n = 0; n < N; n++) { packed[n \\ ${ANSWERS_PER_ELEMENT}] = packed[n \\ ${ANSWERS_PER_ELEMENT}] * 16 + answer[n].index; }
    for (var i = 0; i < ${publics}; i++) { answers[i] <== packed[i]; }`}
}

component main ${full ? "{public [before]} " : ""}= Head(${features}, ${classes}, ${batch});
`;
}

async function main() {
  const [features, classes, batch] = process.argv.slice(2, 5).map(Number);
  const full = process.argv[5] === "full";
  const folder = resolve(process.argv[6]);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "head.circom"), circuit(features, classes, batch, full));
  let started = performance.now();
  timed(process.execPath, [require.resolve("circom2/cli.js"), join(folder, "head.circom"), "--r1cs", "--wasm", "--O1", "-l", new URL("./node_modules", import.meta.url).pathname, "-o", folder], folder);
  const compile_seconds = (performance.now() - started) / 1e3;

  const { weights, queries, salts } = head(features, classes, batch);
  const bits = queries.map((q) => q.map((x) => Array.from({ length: 8 }, (_, i) => String((x >> BigInt(i)) & 1n))));
  const inputs = { w: weights.map((row) => row.map(String)), bits };
  if (full) Object.assign(inputs, { salt: "7", salts: salts.map(String), before: "5" });
  writeFileSync(join(folder, "input.json"), JSON.stringify(inputs));
  const r1cs = join(folder, "head.r1cs");
  const key = timed(peers, ["setup", r1cs, join(folder, "key")], folder);
  const witness = timed(process.execPath, [join(folder, "head_js/generate_witness.js"), join(folder, "head_js/head.wasm"), join(folder, "input.json"), join(folder, "witness.wtns")], folder);
  const proof = timed(peers, ["prove", r1cs, join(folder, "key"), join(folder, "witness.wtns"), join(folder, "proof.json")], folder);
  const said = JSON.parse(proof.stdout);
  if (!full) checkAnswers(JSON.parse(readFileSync(join(folder, "proof.json"), "utf8")).inputs, weights, queries);
  console.log(JSON.stringify({
    who: "Groth16", features, classes, count: batch, full, constraints: said.constraints, compile_seconds,
    witness_seconds: witness.wall, keys_seconds: key.wall, prove_seconds: said.prove_seconds,
    seconds: witness.wall + said.prove_seconds, cpu_seconds: witness.cpu + proof.cpu,
    peak_rss_mb: Math.max(witness.peak_mb, proof.peak_mb), proof_bytes: 256, verify_ms: said.verify_ms,
    milliseconds_per_item: (witness.wall + said.prove_seconds) * 1e3 / batch,
  }));
}

if (process.argv[1] === new URL(import.meta.url).pathname) await main();
