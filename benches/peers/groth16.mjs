// One measurement of Groth16 on a dense head: node groth16.mjs FEATURES CLASSES BATCH plain|full FOLDER. Prints one line of
// JSON.
//
// circom compiles the circuit and computes the witness, arkworks proves (`src/main.rs`). `plain` and `full` state the same as
// in ultrahonk.mjs, with circomlib's Poseidon, which is cheaper in R1CS than the Poseidon2 of our receipts.

import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { head, checkAnswers, differenceBits, ANSWERS_PER_ELEMENT, FEATURES_PER_ELEMENT, WEIGHTS_PER_ELEMENT } from "./head.mjs";
import { peers, timed } from "./timed.mjs";

const require = createRequire(import.meta.url);

/** Bits of a logit plus 2^56. */
const LOGIT_BITS = 57;
/** Differences of logits, or a logit, in one field element. */
const DIFFERENCES_PER_ELEMENT = 4;
/** Elements that one permutation absorbs. */
const RATE = 15;

/**
 * The circuit. Queries come as bits, so that a feature's range costs nothing beyond them. As in ultrahonk.mjs, logits are
 * hints that a sponge absorbs with weights and queries, and a random combination of them is checked: d + c products a query.
 */
export function circuit(features, classes, batch, full) {
  const elements = Math.ceil(features / FEATURES_PER_ELEMENT);
  const packed = Math.ceil((classes * (features + 1)) / WEIGHTS_PER_ELEMENT);
  const bounds = Math.ceil((classes + 1) / DIFFERENCES_PER_ELEMENT);
  const publics = Math.ceil(batch / ANSWERS_PER_ELEMENT);
  const bits = differenceBits(features);
  return `pragma circom 2.1.6;
include "circomlib/circuits/poseidon.circom";

function largest(z, C) {
    var best = 0;
    for (var u = 1; u < C; u++) { if (z[u] + (1 << ${bits}) > z[best] + (1 << ${bits})) { best = u; } }
    return best;
}

// value in 0..2^BITS
template InRange(BITS) {
    signal input value;
    signal digits[BITS];
    var sum = 0;
    for (var b = 0; b < BITS; b++) {
        digits[b] <-- (value >> b) & 1;
        digits[b] * (digits[b] - 1) === 0;
        sum += digits[b] * (1 << b);
    }
    sum === value;
}

// a chain of permutations over L elements, from a state
template Sponge(L) {
    signal input from;
    signal input elements[L];
    signal output out;
    component absorb[(L + ${RATE - 1}) \\ ${RATE}];
    for (var k = 0; k * ${RATE} < L; k++) {
        var here = L - k * ${RATE} < ${RATE} ? L - k * ${RATE} : ${RATE};
        absorb[k] = Poseidon(here + 1);
        if (k == 0) { absorb[k].inputs[0] <== from; } else { absorb[k].inputs[0] <== absorb[k - 1].out; }
        for (var i = 0; i < here; i++) { absorb[k].inputs[i + 1] <== elements[k * ${RATE} + i]; }
    }
    out <== absorb[(L - 1) \\ ${RATE}].out;
}

// the largest logit's class, ties to the lower one; logits are hints, bound by their differences and the largest, packed
template Answer(D, C) {
    signal input w[C][D + 1];
    signal input bits[D][8];
    signal output query[${elements}];
    signal output z[C];
    signal output index;
    signal output bound[${bounds}];
    var x[D];
    var message[${elements}];
    for (var e = 0; e < ${elements}; e++) { message[e] = 0; }
    for (var i = 0; i < D; i++) {
        var j = D - 1 - i;
        x[j] = 0;
        for (var b = 0; b < 8; b++) { bits[j][b] * (bits[j][b] - 1) === 0; x[j] += bits[j][b] * (1 << b); }
        message[j \\ ${FEATURES_PER_ELEMENT}] = message[j \\ ${FEATURES_PER_ELEMENT}] * 256 + x[j];
    }
    query <== message;
    var hints[C];
    for (var u = 0; u < C; u++) {
        hints[u] = 256 * w[u][D];
        for (var j = 0; j < D; j++) { hints[u] += w[u][j] * x[j]; }
        z[u] <-- hints[u];
    }
    var best = largest(hints, C);
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
    var packed[${bounds}];
    for (var i = 1; i < ${bounds}; i++) { packed[i] = 0; }
    packed[0] = top + (1 << ${LOGIT_BITS - 1});
    component logit = InRange(${LOGIT_BITS});
    logit.value <== packed[0];
    component differences[C];
    var later = 0;
    for (var i = 0; i < C; i++) {
        var u = C - 1 - i;
        differences[u] = InRange(${bits});
        differences[u].value <== top - z[u] - later;
        var to = (i + 1) \\ ${DIFFERENCES_PER_ELEMENT};
        packed[to] = packed[to] * (1 << ${bits}) + top - z[u] - later;
        later += is[u];
    }
    bound <== packed;
    index <== at;
}

template Head(D, C, N) {
    signal input w[C][D + 1];
    signal input bits[N][D][8];
${full ? `    signal input salt;
    signal input salts[N];
    signal input before;
    signal output after;
    signal output commitment;
    signal h[N + 1];
    h[0] <== before;
    component receipt[N];` : `    signal output answers[${publics}];
    var packedAnswers[${publics}];
    for (var i = 0; i < ${publics}; i++) { packedAnswers[i] = 0; }`}
    component range[C][D + 1];
    var packed[${packed}];
    for (var i = 0; i < ${packed}; i++) { packed[i] = 0; }
    for (var u = 0; u < C; u++) {
        for (var j = 0; j <= D; j++) {
            range[u][j] = InRange(38);
            range[u][j].value <== w[u][j] + (1 << 37);
            var i = (u * (D + 1) + j) \\ ${WEIGHTS_PER_ELEMENT};
            packed[i] = packed[i] * (1 << 38) + w[u][j] + (1 << 37);
        }
    }
    component weights = Sponge(${packed + (full ? 1 : 0)});
    weights.from <== 0;
    for (var i = 0; i < ${packed}; i++) { weights.elements[i] <== packed[i]; }
${full ? `    weights.elements[${packed}] <== salt;
    commitment <== weights.out;` : ""}
    // what the random number depends on: weights, queries (in full through the receipts), logits
    component bound = Sponge(N * ${bounds + (full ? 0 : elements)} + ${full ? 1 : 0});
    bound.from <== weights.out;
    component answer[N];
    for (var n = 0; n < N; n++) {
        answer[n] = Answer(D, C);
        answer[n].w <== w;
        answer[n].bits <== bits[n];
        for (var i = 0; i < ${bounds}; i++) { bound.elements[n * ${bounds + (full ? 0 : elements)} + i] <== answer[n].bound[i]; }
${full ? `        // one receipt: h, packed features, salt, answer
        receipt[n] = Sponge(${elements + 2});
        receipt[n].from <== h[n];
        for (var e = 0; e < ${elements}; e++) { receipt[n].elements[e] <== answer[n].query[e]; }
        receipt[n].elements[${elements}] <== salts[n];
        receipt[n].elements[${elements + 1}] <== answer[n].index;
        h[n + 1] <== receipt[n].out;` : `        for (var e = 0; e < ${elements}; e++) { bound.elements[n * ${bounds + elements} + ${bounds} + e] <== answer[n].query[e]; }
        packedAnswers[n \\ ${ANSWERS_PER_ELEMENT}] = packedAnswers[n \\ ${ANSWERS_PER_ELEMENT}] * 16 + answer[n].index;`}
    }
${full ? `    after <== h[N];
    bound.elements[N * ${bounds}] <== h[N];` : "    answers <== packedAnswers;"}
    // Σ_u r^u z_u = Σ_j (Σ_u r^u w_uj) x_j for each query
    signal power[C];
    power[0] <== 1;
    for (var u = 1; u < C; u++) { power[u] <== power[u - 1] * bound.out; }
    signal scaled[C][D + 1];
    var combined[D + 1];
    for (var j = 0; j <= D; j++) {
        combined[j] = 0;
        for (var u = 0; u < C; u++) { scaled[u][j] <== power[u] * w[u][j]; combined[j] += scaled[u][j]; }
    }
    signal row[D + 1];
    row <== combined;
    signal left[N][C];
    signal right[N][D];
    for (var n = 0; n < N; n++) {
        var sum = -256 * row[D];
        for (var u = 0; u < C; u++) { left[n][u] <== power[u] * answer[n].z[u]; sum += left[n][u]; }
        for (var j = 0; j < D; j++) {
            var x = 0;
            for (var b = 0; b < 8; b++) { x += bits[n][j][b] * (1 << b); }
            right[n][j] <== row[j] * x;
            sum -= right[n][j];
        }
        sum === 0;
    }
}

component main ${full ? "{public [before]} " : ""}= Head(${features}, ${classes}, ${batch});
`;
}

async function main() {
  const [features, classes, batch] = process.argv.slice(2, 5).map(Number);
  const full = process.argv[5] === "full";
  const folder = resolve(process.argv[6]);
  mkdirSync(folder, { recursive: true });
  // compiling takes minutes, and its result stays, with the keys
  const r1cs = join(folder, "head.r1cs");
  const source = join(folder, "head.circom");
  const text = circuit(features, classes, batch, full);
  if (!existsSync(join(folder, "compiled")) || readFileSync(source, "utf8") !== text) {
    rmSync(join(folder, "compiled"), { force: true });
    writeFileSync(source, text);
    timed(process.execPath, [require.resolve("circom2/cli.js"), source, "--r1cs", "--wasm", "--O2", "-l", new URL("./node_modules", import.meta.url).pathname, "-o", folder], folder);
    timed(peers, ["setup", r1cs, join(folder, "key")], folder);
    writeFileSync(join(folder, "compiled"), "");
  }

  const { weights, queries, salts } = head(features, classes, batch);
  const bits = queries.map((q) => q.map((x) => Array.from({ length: 8 }, (_, i) => String((x >> BigInt(i)) & 1n))));
  const inputs = { w: weights.map((row) => row.map(String)), bits };
  if (full) Object.assign(inputs, { salt: "7", salts: salts.map(String), before: "5" });
  writeFileSync(join(folder, "input.json"), JSON.stringify(inputs));
  const witness = timed(process.execPath, [join(folder, "head_js/generate_witness.js"), join(folder, "head_js/head.wasm"), join(folder, "input.json"), join(folder, "witness.wtns")], folder);
  const proof = timed(peers, ["prove", r1cs, join(folder, "key"), join(folder, "witness.wtns"), join(folder, "proof.json")], folder);
  const said = JSON.parse(proof.stdout);
  if (!full) checkAnswers(JSON.parse(readFileSync(join(folder, "proof.json"), "utf8")).inputs, weights, queries);
  console.log(JSON.stringify({
    who: "Groth16", features, classes, count: batch, full, constraints: said.constraints,
    witness_seconds: witness.wall, prove_seconds: said.prove_seconds,
    seconds: witness.wall + said.prove_seconds, cpu_seconds: witness.cpu + said.cpu_seconds,
    peak_rss_mb: Math.max(witness.peak_mb, proof.peak_mb), proof_bytes: 256, verify_ms: said.verify_ms,
    milliseconds_per_item: (witness.wall + said.prove_seconds) * 1e3 / batch,
  }));
}

if (process.argv[1] === new URL(import.meta.url).pathname) await main();
