// Questions to the contracts that several pages ask.
import { hexToString, type Address, type Hex } from "viem";
import { same } from "./bytes";
import { STATUS, type Chain } from "./chain";
import { LOSS_UNIT } from "./files";

export interface OnChainAgent {
  id: Hex;
  name: string;
  owner: Address;
  about: string;
  service: string;
}

/** What an agent's owner says about it; anybody can write anything there. */
export function metadata(text: string): { about: string; service: string } {
  try {
    const value = JSON.parse(text) as { about?: unknown; service?: unknown };
    return { about: String(value.about ?? ""), service: String(value.service ?? "") };
  } catch {
    return { about: text, service: "" };
  }
}

const name = (word: Hex): string => hexToString(word, { size: 32 }).replace(/\0+$/, "");

export async function agent(chain: Chain, id: Hex): Promise<OnChainAgent> {
  const read = (functionName: "agentOwner" | "agentName" | "agentMetadata") =>
    chain.client.readContract({ ...chain.agents, functionName, args: [id] }) as Promise<string>;
  const [owner, raw, said] = await Promise.all([read("agentOwner"), read("agentName"), read("agentMetadata")]);
  return { id, owner: owner as Address, name: name(raw as Hex), ...metadata(said) };
}

export async function version(chain: Chain, id: Hex, number: number) {
  const found = await chain.client.readContract({ ...chain.agents, functionName: "getVersion", args: [id, number] });
  const status = await chain.client.readContract({ ...chain.agents, functionName: "status", args: [id, number] });
  return { ...found, number, status: STATUS[status] ?? "unknown" };
}
export type Version = Awaited<ReturnType<typeof version>>;

/** Datasets that a version lists, in order. */
export async function listed(chain: Chain, id: Hex, number: number): Promise<Hex[]> {
  const events = await chain.events(chain.agents, "DatasetListed", { agentId: id, version: number });
  return events.map((e) => (e.args as { datasetId: Hex }).datasetId);
}

export interface Share {
  dataset: Hex;
  owner: Address;
  /** Of the fees for data, 0 to 1; undefined until the version is certified. */
  share: number | undefined;
  due: bigint;
}

const SCALE = 10n ** 12n;

export async function shares(chain: Chain, id: Hex, number: number): Promise<Share[]> {
  const [ids, weights] = await Promise.all([listed(chain, id, number), chain.weights()]);
  return Promise.all(
    ids.map(async (dataset) => {
      const owner = await chain.client.readContract({ ...chain.datasets, functionName: "datasetOwner", args: [dataset] });
      const args = [id, number, dataset] as const;
      const weight = await chain.client.readContract({ ...weights, functionName: "weightOf", args }).catch(() => undefined);
      const due = await chain.client.readContract({ ...chain.escrow, functionName: "providerDue", args }).catch(() => 0n);
      const share = weight && weight[1] > 0n ? Number((weight[0] * SCALE) / weight[1]) / Number(SCALE) : undefined;
      return { dataset, owner, share, due };
    }),
  );
}

/** The version on chain with these weights, if its owner proposed one; the latest that was not abandoned. */
export async function proposed(chain: Chain, owner: Address, weights: string): Promise<{ agent: Hex; version: number } | undefined> {
  const events = await chain.events(chain.agents, "VersionProposed", { owner });
  const all = events
    .map((e) => e.args as { agentId: Hex; version: number; params: { wDigest: Hex } })
    .filter((e) => same(e.params.wDigest, weights))
    .reverse();
  for (const { agentId, version: number } of all) {
    const status = await chain.client.readContract({ ...chain.agents, functionName: "status", args: [agentId, number] });
    if (STATUS[status] !== "abandoned") return { agent: agentId, version: number };
  }
  return undefined;
}

export interface Accuracy {
  dataset: Hex;
  correct: number;
  records: number;
  /** Mean loss of a record. */
  loss: number;
  /** Unix milliseconds of the latest proof. */
  at: number;
}

/** How often a version is right on whole datasets that it was not trained on, as the contract counted by proofs; oldest first. */
export async function accuracies(chain: Chain, id: Hex, number: number): Promise<Accuracy[]> {
  const events = await chain.events(chain.evaluations, "VersionEvaluated", { agentId: id, version: number });
  const latest = new Map(events.map((e) => [(e.args as { datasetId: Hex }).datasetId, e]));
  const times = await chain.times([...latest.values()].map((e) => e.blockNumber));
  const found = await Promise.all(
    [...latest].map(async ([dataset, e]): Promise<Accuracy[]> => {
      const args = [id, number, dataset] as const;
      // not what was counted by a circuit that was stopped since
      const found = await Promise.all([
        chain.client.readContract({ ...chain.evaluations, functionName: "accuracyOf", args }),
        chain.client.readContract({ ...chain.evaluations, functionName: "lossOf", args }),
      ]).catch(() => undefined);
      if (!found) return [];
      const [[correct, records], [loss]] = found;
      return [{ dataset, correct: Number(correct), records: Number(records), loss: Number(loss) / LOSS_UNIT / Number(records), at: times.get(e.blockNumber) ?? 0 }];
    }),
  );
  return found.flat().sort((a, b) => a.at - b.at);
}

export interface Offered extends OnChainAgent {
  version: Version;
}

/** Agents with a certified version, by name. */
export async function offers(chain: Chain): Promise<Offered[]> {
  const created = await chain.events(chain.agents, "AgentCreated");
  const all = await Promise.all(
    created.map(async (e) => {
      const id = (e.args as { agentId: Hex }).agentId;
      const latest = await chain.client.readContract({ ...chain.agents, functionName: "latestCertified", args: [id] });
      return latest === 0 ? undefined : { ...(await agent(chain, id)), version: await version(chain, id, latest) };
    }),
  );
  return all.filter((a) => a !== undefined).sort((a, b) => a.name.localeCompare(b.name));
}
