// A client's session in this browser: its key, its own transcript, its latest voucher. An answer that does not extend the
// transcript gets no voucher, so no server can be paid for an answer that it did not give.
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import type { Address, Hex } from "viem";
import { bytes, hex, same } from "./bytes";
import { extend } from "./receipt";
import { Problem } from "./problem";
import type { Services } from "./service";
import { keySigner } from "./wallet";

const KEY = "tribute.key.";
const STATE = "tribute.session.";

interface Query {
  features: Hex;
  salt: Hex;
}

export interface Answer extends Query {
  answer: number;
  label: string;
  transcript: Hex;
  at: number;
}

export interface Saved {
  session: Hex;
  version: number;
  chainId: number;
  escrow: Address;
  count: number;
  transcript: Hex;
  voucher?: { count: number; transcript: Hex; signature: Hex };
  /** Its answer was never received: it is sent again, unchanged, before any other. */
  pending?: Query;
  answers: Answer[];
}

/** A new session key, stored before the session that names it is opened. */
export function newKey(): Address {
  const key = generatePrivateKey();
  const address = privateKeyToAddress(key);
  localStorage.setItem(KEY + address.toLowerCase(), key);
  return address;
}

export const keyOf = (address: string): Hex | undefined =>
  (localStorage.getItem(KEY + address.toLowerCase()) as Hex | null) ?? undefined;

export function load(session: string): Saved | undefined {
  const text = localStorage.getItem(STATE + session.toLowerCase());
  return text ? (JSON.parse(text) as Saved) : undefined;
}

function save(state: Saved): void {
  localStorage.setItem(STATE + state.session.toLowerCase(), JSON.stringify(state));
}

/** Starts a session that has no answers yet; `first` is the transcript in the escrow contract. */
export function start(session: Hex, version: number, chainId: number, escrow: Address, first: bigint): Saved {
  const state: Saved = { session, version, chainId, escrow, count: 0, transcript: word(first), answers: [] };
  save(state);
  return state;
}

const word = (x: bigint): Hex => `0x${x.toString(16).padStart(64, "0")}`;

function voucherMessage(state: Saved) {
  const { voucher, session, version } = state;
  return voucher && {
    session: bytes(session), version, count: BigInt(voucher.count), transcript: bytes(voucher.transcript), signature: bytes(voucher.signature),
  };
}

/**
 * Sends a query, checks that the answer extends this browser's own transcript, and signs a voucher for it with the session
 * key. `calls` must be the session key's; `labels` are those of the schema's classes, by which answers are named whatever the
 * server calls them.
 */
export async function ask(calls: Services, key: Hex, state: Saved, labels: string[], features?: Uint8Array): Promise<Saved> {
  let now = state;
  if (features) {
    if (now.pending) now = await ask(calls, key, now, labels);
    const salt = new Uint8Array(32);
    salt.set(crypto.getRandomValues(new Uint8Array(31)), 1); // below 2^248
    now = { ...now, pending: { features: hex(features), salt: hex(salt) } };
    // before it is sent, so that a lost answer can be asked for again
    save(now);
  }
  const pending = now.pending;
  if (!pending) return now;
  const query = bytes(pending.features);
  const response = await calls.sessions.query({
    session: bytes(now.session),
    query: { case: "quantised", value: query },
    salt: bytes(pending.salt),
    position: BigInt(now.count),
    voucher: voucherMessage(now),
  });
  if (labels.length > 0 && response.answer >= labels.length) {
    throw new Problem(`The server answers class ${response.answer}, and the schema has ${labels.length}. Do not ask it again.`, "INTERNAL");
  }
  const transcript = word(extend(BigInt(now.transcript), query, BigInt(pending.salt), response.answer));
  if (!same(hex(response.transcript), transcript) || response.position !== BigInt(now.count + 1)) {
    throw new Problem("The server's account of this session is not yours. Do not ask it again; what it says here is not paid for.", "FORKED_TRANSCRIPT");
  }
  const count = now.count + 1;
  const signature = await keySigner(key).signTypedData({
    domain: { name: "Tribute", version: "1", chainId: now.chainId, verifyingContract: now.escrow },
    types: {
      Voucher: [
        { name: "session", type: "bytes32" },
        { name: "version", type: "uint32" },
        { name: "count", type: "uint64" },
        { name: "transcript", type: "uint256" },
      ],
    },
    primaryType: "Voucher",
    message: { session: now.session, version: now.version, count: BigInt(count), transcript: BigInt(transcript) },
  });
  const answer: Answer = { ...pending, answer: response.answer, label: labels[response.answer] ?? String(response.answer), transcript, at: Date.now() };
  now = { ...now, pending: undefined, count, transcript, voucher: { count, transcript, signature }, answers: [...now.answers, answer] };
  save(now);
  return now;
}

/** Gives the server the latest voucher, so that the last answer is covered, too. */
export async function settle(calls: Services, state: Saved): Promise<void> {
  const voucher = voucherMessage(state);
  if (voucher) await calls.sessions.submitVoucher({ voucher });
}
