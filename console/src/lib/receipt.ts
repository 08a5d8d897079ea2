// A session's transcript: what client and agent extend together with every answer. The same as `tribute-core`'s `receipt`.
import { DIAGONAL, FULL, PARTIAL } from "../gen/poseidon2";

export const MODULUS = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001n;
const FEATURES_PER_ELEMENT = 28;
const RATE = 3;

type State = [bigint, bigint, bigint, bigint];

function power5(x: bigint): bigint {
  const square = (x * x) % MODULUS;
  return (((square * square) % MODULUS) * x) % MODULUS;
}

/** The external matrix of the full rounds. */
function external([a, b, c, d]: State): State {
  const t0 = a + b;
  const t1 = c + d;
  const t2 = 2n * b + t1;
  const t3 = 2n * d + t0;
  const t4 = 4n * t1 + t3;
  const t5 = 4n * t0 + t2;
  return [(t3 + t5) % MODULUS, t5 % MODULUS, (t2 + t4) % MODULUS, t4 % MODULUS];
}

function full(state: State, round: number): State {
  return external(state.map((x, i) => power5(x + FULL[4 * round + i]!)) as State);
}

/** The Poseidon2 permutation of four field elements. */
function permutation(start: State): State {
  let state = external(start);
  for (let i = 0; i < 4; i++) state = full(state, i);
  for (const k of PARTIAL) {
    state[0] = power5(state[0] + k);
    const total = state[0] + state[1] + state[2] + state[3];
    state = state.map((x, i) => (x * DIAGONAL[i]! + total) % MODULUS) as State;
  }
  for (let i = 4; i < 8; i++) state = full(state, i);
  return state;
}

function sponge(elements: bigint[]): bigint {
  let state: State = [0n, 0n, 0n, BigInt(elements.length) << 64n];
  for (let start = 0; start < elements.length; start += RATE) {
    elements.slice(start, start + RATE).forEach((x, i) => (state[i] = (state[i]! + x) % MODULUS));
    state = permutation(state);
  }
  return state[0];
}

/** Extends a transcript by one answered query: quantised features, the client's salt, the answered class. */
export function extend(before: bigint, query: Uint8Array, salt: bigint, answer: number): bigint {
  const packed: bigint[] = [];
  for (let start = 0; start < query.length; start += FEATURES_PER_ELEMENT) {
    const part = query.subarray(start, start + FEATURES_PER_ELEMENT);
    packed.push(part.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n));
  }
  return sponge([before, ...packed, salt, BigInt(answer)]);
}
