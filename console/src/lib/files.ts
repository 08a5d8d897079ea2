// The files that are checked: certificates, evaluations and valuations, and what is said of them.
import type { Hex } from "viem";
import { same } from "./bytes";
import { Problem } from "./problem";

export interface FileProof {
  inputs: Hex[];
  bytes: Hex;
}

interface Shard {
  digest: Hex;
  /** Who owned the dataset when the shard was added. */
  owner: Hex;
  records: number;
  dataset_proof: FileProof;
  gradient_proof: FileProof;
}

export interface CertificateFile {
  format: string;
  proven: string[];
  not_proven: string[];
  chain: { chain_id: number; dataset_registry: Hex; agent_registry: Hex };
  srs: { development: boolean };
  schema: string;
  agent: { id: Hex; version: number; owner: Hex; weights_digest: Hex };
  datasets: { dataset_id: Hex; records: number; contribution: string; share: number; shards: Shard[] }[];
  optimum: { records: number; proof: FileProof };
}

export interface EvaluationFile {
  certificate: CertificateFile;
  proven: string[];
  not_proven: string[];
  dataset: { dataset_id: Hex; records: number; correct: number; shards: { digest: Hex; owner: Hex; dataset_proof: FileProof; evaluation_proof: FileProof }[] };
}

export interface ValuationFile {
  format: string;
  proven: string[];
  not_proven: string[];
  certificate: CertificateFile;
  test: { dataset_id: Hex; records: number; shards: { digest: Hex; owner: Hex }[] };
  owners: Hex[];
  sampling: { beacon: Hex; permutations: number } | null;
  uniform_loss: number;
  coalitions: { owners: number[]; loss: number; correct: number }[];
  denominator: number;
  values: { owner: Hex; numerator: string; half_width: number; ball: number }[];
}

export const isValuation = (file: { format?: unknown }): file is ValuationFile =>
  typeof file.format === "string" && file.format.startsWith("tribute-valuation/");

/** Losses, in files and on chain, are in units of 2^-20. */
export const LOSS_UNIT = 2 ** 20;

/** A file's proof as contracts take it. */
export const filedProof = (proof: FileProof): { inputs: bigint[]; proof: Hex } => ({ inputs: proof.inputs.map(BigInt), proof: proof.bytes });

/** Shares in files are in units of 2^-20. */
export const shareOf = (units: number): number => units / 2 ** 20;

/** The owners of a dataset's shards in their order: several, if it was transferred and then extended. */
export const ownersOf = (shards: { owner: Hex }[]): Hex[] => shards.map((s) => s.owner).filter((owner, j, all) => j === 0 || !same(owner, all[j - 1]!));

export function parse(text: string): { certificate: CertificateFile; evaluation?: EvaluationFile; valuation?: ValuationFile } {
  let read: unknown;
  try {
    read = JSON.parse(text);
  } catch {
    throw new Problem("This file is not JSON, so it is no certificate, evaluation or valuation.");
  }
  const file = read as EvaluationFile & CertificateFile;
  const certificate = (file.certificate ?? file) as CertificateFile;
  if (!Array.isArray(certificate?.datasets) || !certificate.agent || !certificate.optimum || !certificate.chain) {
    throw new Problem("This file is no certificate, evaluation or valuation: `tribute agent certificate` writes one, and so does the owner's page.");
  }
  if (!file.certificate) return { certificate };
  return isValuation(file) ? { certificate, valuation: file } : { certificate, evaluation: file };
}

export interface Finding {
  said: string;
  /** Undefined where nothing was checked here. */
  holds: boolean | undefined;
  why?: string;
}
