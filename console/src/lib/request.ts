// Requests to train across nodes, as `tribute-federation` reads them: canonical JSON, whose keccak256 names the request and is
// what a participant's consent signs.
import { encodeAbiParameters, isAddress, keccak256, toBytes, zeroHash, type Address, type Hex } from "viem";
import { isDigest, utf8 } from "./bytes";
import { LINKS } from "./chain";
import { Problem } from "./problem";
import { classes, parseSchema } from "./schema";

/** λ is in units of 2^-44. */
export const LAMBDA_UNIT = 2 ** 44;
/** Openings of each gradient that a node counts: one for its proof, and those of the sum of all. */
export const GRADIENT_OPENINGS = 9;
const KEPT = "tribute.request.";

export interface Participant {
  account: Address;
  node: string;
  datasets: { dataset: Hex; shards: { digest: Hex; records: number }[] }[];
}

/** In the order of the canonical JSON. */
export interface Request {
  /** Version of the program that trains: the server's. */
  program: string;
  chain_id: number;
  agent_registry: Address;
  owner: Address;
  agent: Hex;
  version: number;
  attempt: number;
  purpose: string;
  schema: string;
  k: number;
  columns: number;
  intercept_scale: number;
  srs: Hex;
  link: (typeof LINKS)[number];
  lambda: number;
  price: string;
  data_bps: number;
  rounds: number;
  openings: number;
  participants: Participant[];
}

/** Canonical JSON: the fields in their order, hex in lower case, no spaces. */
export function canonical(r: Request): string {
  const low = <T extends string>(hex: T): T => hex.toLowerCase() as T;
  const participants = r.participants.map((p) => ({
    account: low(p.account),
    node: p.node,
    datasets: p.datasets.map((d) => ({
      dataset: low(d.dataset),
      shards: d.shards.map((s) => ({ digest: low(s.digest), records: s.records })),
    })),
  }));
  const { program, chain_id, version, attempt, purpose, schema, k, columns, intercept_scale, link, lambda, price, data_bps, rounds, openings } = r;
  return JSON.stringify({
    program, chain_id, agent_registry: low(r.agent_registry), owner: low(r.owner), agent: low(r.agent), version, attempt, purpose, schema, k,
    columns, intercept_scale, srs: low(r.srs), link, lambda, price, data_bps, rounds, openings, participants,
  });
}

/** Whether steps are found by conjugate gradients: the second derivatives that couple all weights are too many to be summed. */
export function conjugate(json: string, link: Request["link"]): boolean {
  const schema = parseSchema(json);
  return link === "softmax" && (schema.features.length + 1) * (classes(schema).length || 1) > 2_000;
}

/** Rounds that are plenty. */
export const usualRounds = (schema: string, link: Request["link"]): number => (conjugate(schema, link) ? 200 : 40);

export const requestId = (json: string): Hex => keccak256(toBytes(json));

/** Reads a request. The node that it is for checks it as a whole; this finds what no page could show. */
export function readRequest(json: string): Request {
  const wrong = (): Problem => new Problem("This is not a request to train across nodes: `tribute request ask` writes one, and so does the owner's page.");
  let r: Request;
  try {
    r = JSON.parse(json) as Request;
  } catch {
    throw wrong();
  }
  if (r && "template" in r) {
    throw new Problem(`This is a request for a schema's ranges, which are found from your table. Approve it with the command line: tribute request schema approve ${requestId(json)} TABLE.csv`);
  }
  const fits =
    r && isAddress(r.owner, { strict: false }) && isDigest(r.agent) && typeof r.purpose === "string" && typeof r.schema === "string" &&
    LINKS.includes(r.link) && Array.isArray(r.participants) &&
    r.participants.every((p) => isAddress(p.account, { strict: false }) && typeof p.node === "string" && Array.isArray(p.datasets));
  if (!fits || canonical(r) !== json) throw wrong();
  return r;
}

export const recordsOf = (p: Participant): number => p.datasets.reduce((sum, d) => sum + d.shards.reduce((all, s) => all + s.records, 0), 0);
export const allRecords = (r: Request): number => r.participants.reduce((sum, p) => sum + recordsOf(p), 0);

/** Hash of a version's list of datasets, as the registry computes it. */
export const listHash = (datasets: Hex[]): Hex =>
  datasets.reduce((hash, dataset) => keccak256(encodeAbiParameters([{ type: "bytes32" }, { type: "bytes32" }], [hash, dataset])), zeroHash as Hex);

/**
 * A schema file without the spaces between its parts: the canonical JSON, if the file was written by `tribute` or by this
 * page. `id` is what the registry knows it by.
 */
export function bareSchema(file: string, id: Hex): string {
  let inside = false;
  let bare = "";
  for (let i = 0; i < file.length; i++) {
    const c = file[i]!;
    if (inside && c === "\\") bare += c + (file[++i] ?? "");
    else if (c === '"' || inside || !/\s/.test(c)) bare += c;
    if (c === '"') inside = !inside;
  }
  if (keccak256(utf8(bare)) !== id) throw new Problem("This is not the schema of the chosen datasets: ask their owners for the file that they committed with.");
  return bare;
}

/** The typed data that an account signs to consent. */
export const consent = (request: Hex, maskKey: Hex, answerKey: Address) => ({
  domain: { name: "Tribute Training", version: "1" },
  types: {
    Consent: [
      { name: "request", type: "bytes32" },
      { name: "maskKey", type: "bytes32" },
      { name: "answerKey", type: "address" },
    ],
  },
  primaryType: "Consent" as const,
  message: { request, maskKey, answerKey },
});

/** Remembers a request in this browser, for this server's pages. */
export function keep(json: string): Hex {
  readRequest(json);
  const id = requestId(json);
  localStorage.setItem(KEPT + id, json);
  return id;
}

export const kept = (id: string): string | undefined => localStorage.getItem(KEPT + id) ?? undefined;

export function allKept(): { id: Hex; request: Request }[] {
  const ids = Object.keys(localStorage).filter((key) => key.startsWith(KEPT));
  return ids.flatMap((key) => {
    try {
      return [{ id: key.slice(KEPT.length) as Hex, request: readRequest(localStorage.getItem(key) ?? "") }];
    } catch {
      return [];
    }
  });
}

/** A request in a link. */
export const packed = (json: string): string => btoa(String.fromCharCode(...utf8(json))).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

export function unpacked(text: string): string {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0)));
  } catch {
    throw new Problem("This link is damaged: ask for it again.");
  }
}
