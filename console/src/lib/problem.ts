// Every failure as a sentence: what is wrong, and what to do about it.
import { BinaryReader } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { BaseError, ContractFunctionRevertedError } from "viem";

/** A failure that a person can read. */
export class Problem extends Error {
  constructor(
    message: string,
    /** Stable name of the failure. */
    readonly reason: string = "CONSOLE",
    readonly metadata: Record<string, string> = {},
  ) {
    super(message);
  }
}

/** google.rpc.ErrorInfo: reason, domain, metadata. */
function errorInfo(bytes: Uint8Array): { reason: string; metadata: Record<string, string> } {
  const info = { reason: "", metadata: {} as Record<string, string> };
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1) info.reason = reader.string();
    else if (field === 3) {
      const end = reader.uint32() + reader.pos;
      let key = "";
      while (reader.pos < end) {
        const [part] = reader.tag();
        if (part === 1) key = reader.string();
        else info.metadata[key] = reader.string();
      }
    } else reader.skip(type);
  }
  return info;
}

const CONTRACT_ERRORS: Record<string, string> = {
  TrainingNotGranted: "The data's owner has not granted this account training on the dataset, or the grant is used up or has ended.",
  BelowLeastShare: "A dataset would get less than the least share that its owner asks for: leave it out and train again.",
  DataPartTooLow: "A dataset's owner asks that a larger part of the fees goes to data.",
  PriceTooLow: "A dataset's owner asks for a higher price of an answer.",
  LinkNotAllowed: "A dataset's owner does not allow this link function.",
  GradientsMissing: "Some gradients have not been submitted yet.",
  DigestRegistered: "These records are registered already.",
  NotCertified: "This version is not certified, or a circuit behind its certificate was stopped.",
  NotThawed: "The thaw has not ended yet.",
  NothingToWithdraw: "There is nothing to withdraw.",
  ERC20InsufficientBalance: "Your account does not have enough tokens.",
  ProofRejected: "The chain's verifier rejects this proof.",
  StoppedCircuit: "The circuit of this proof was stopped.",
  UnknownCircuit: "The chain does not know the circuit of this proof: its operator adds circuits (tribute circuits add).",
  EscrowTooSmall: "The escrow must cover at least one answer.",
  PriceBelowVersion: "The price is below what this version asks for.",
  UnknownDataset: "The chain does not know this dataset: register it there first.",
};

function revert(error: ContractFunctionRevertedError): Problem {
  const name = error.data?.errorName ?? error.reason ?? "an unnamed error";
  const known = CONTRACT_ERRORS[name];
  const given = (error.data?.args ?? []).map(String).join(", ");
  return new Problem(known ?? `The contract refuses: ${name}(${given}).`, "REVERTED", { error: name, operands: given });
}

/** Turns whatever was thrown into a {@link Problem}. */
export function problem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof ConnectError) {
    if (error.cause instanceof Problem) return error.cause;
    for (const detail of error.details) {
      if ("type" in detail && detail.type === "google.rpc.ErrorInfo") {
        const { reason, metadata } = errorInfo(detail.value as Uint8Array);
        return new Problem(error.rawMessage, reason, metadata);
      }
    }
    if (error.code === Code.Unavailable || error.code === Code.Unknown) {
      return new Problem("This server does not answer. What you sent may or may not have arrived; look again in a moment.", "LOST");
    }
    return new Problem(error.rawMessage || "The server refused the call.", Code[error.code]);
  }
  if (error instanceof BaseError) {
    const reverted = error.walk((e) => e instanceof ContractFunctionRevertedError);
    if (reverted instanceof ContractFunctionRevertedError) return revert(reverted);
    const rejected = error.walk((e) => (e as { code?: number }).code === 4001);
    if (rejected) return declined();
    return new Problem(error.shortMessage || error.message, "CHAIN");
  }
  const thrown = error as { code?: number; message?: string } | null;
  if (thrown?.code === 4001) return declined();
  return new Problem(thrown?.message ?? String(error), "UNKNOWN");
}

function declined(): Problem {
  return new Problem("You declined in your wallet. Nothing was signed or sent.", "DECLINED");
}
