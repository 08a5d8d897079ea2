// What the service's short names mean, for people.
import { JobState } from "../gen/tribute/v1/job_pb";

const KINDS: Record<string, string> = {
  dataset: "Commit to a dataset and prove it well formed",
  shard: "Commit to a part of a dataset",
  train: "Train an agent",
  import: "Import a trained agent",
  gradient: "Prove what a dataset contributes",
  optimum: "Prove that the weights are the optimum",
  evaluation: "Prove an accuracy on other records",
  valuation: "Prove what each owner's data is worth",
  coalition: "Train, prove and evaluate a coalition",
  service: "Prove answers, to claim their fees",
  circuit: "Make a circuit and its verifier",
  calibrate: "Measure this machine's speed",
  home: "Prove contributions for a training across nodes",
  across: "Put together an agent trained across nodes",
};
const PHASES: Record<string, string> = {
  check: "checking",
  coalition: "proving the coalition",
  commit: "committing to the records",
  fit: "training",
  keys: "generating keys",
  mask: "masking the gradients",
  masks: "committing to the masks",
  parts: "parts done",
  prove: "proving",
  read: "reading",
  verifier: "making the verifier contract",
  verify: "verifying the proof",
  witness: "computing the witness",
};
const STATES: Record<number, string> = {
  [JobState.QUEUED]: "waiting",
  [JobState.RUNNING]: "running",
  [JobState.SUCCEEDED]: "done",
  [JobState.FAILED]: "failed",
  [JobState.CANCELLED]: "stopped",
};

/** A name that a later version adds is shown as it is. */
export const kindName = (kind: string): string => KINDS[kind] ?? kind;
export const phaseName = (phase: string): string => PHASES[phase] ?? phase;
export const stateName = (state: JobState): string => STATES[state] ?? "unknown";
