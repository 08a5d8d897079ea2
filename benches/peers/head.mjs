// A dense head of pseudo-random integer weights, queries and salts, and how circuits pack them.

/** Features of 8 bits in one field element, as in Tribute's receipts. */
export const FEATURES_PER_ELEMENT = 28;
/** Weights of 38 bits, sign included, in one field element. */
export const WEIGHTS_PER_ELEMENT = 6;
/** Answers of 4 bits in one public input. */
export const ANSWERS_PER_ELEMENT = 60;

function random(seed) {
  let state = BigInt(seed);
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
    return state >> 33n;
  };
}

/** Weights: classes × (features + 1), below 2^31 in absolute value; queries: batch × features bytes; salts: batch. */
export function head(features, classes, batch) {
  const next = random(1);
  const rows = (n, m, value) => Array.from({ length: n }, () => Array.from({ length: m }, value));
  return {
    weights: rows(classes, features + 1, () => next() - (1n << 30n)),
    queries: rows(batch, features, () => next() & 255n),
    salts: Array.from({ length: batch }, () => next()),
  };
}

/** The class of the largest logit, ties to the lower one. */
export function answer(weights, query) {
  const logits = weights.map((w) => query.reduce((sum, x, j) => sum + x * w[j], 256n * w[w.length - 1]));
  return logits.reduce((best, z, u) => (z > logits[best] ? u : best), 0);
}

/** Bits of the difference of two logits: weights below 2^37, features below 2^8. */
export function differenceBits(features) {
  return 37 + 8 + Math.ceil(Math.log2(features + 1)) + 1;
}

/** Throws if these public answers, as the circuits pack them, are not the head's. */
export function checkAnswers(packed, weights, queries) {
  queries.forEach((query, n) => {
    const i = Math.floor(n / ANSWERS_PER_ELEMENT);
    const after = Math.min(queries.length, (i + 1) * ANSWERS_PER_ELEMENT) - 1 - n;
    const found = Number((BigInt(packed[i]) >> BigInt(4 * after)) & 15n);
    const right = answer(weights, query);
    if (found !== right) throw new Error(`query ${n}: the proof says ${found}, the head ${right}`);
  });
}
