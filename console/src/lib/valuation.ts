// What a valuation file says, and what of it a browser checks: exact values from the losses, and what the chain says of
// owners, draws and payment. The proofs that the losses rest on, of coalitions and of the test set, and the values where
// coalitions were drawn, it does not check: the server does, if the file is not too long for it, and `tribute verify`.
import type { Hex } from "viem";
import { registered } from "./audit";
import { same } from "./bytes";
import type { Chain } from "./chain";
import { LOSS_UNIT, type Finding, type ValuationFile } from "./files";
import { plural } from "./format";
import { problem } from "./problem";
import { listed } from "./reads";

/** An owner's value, as mean loss saved for a test record. */
export const meanOf = (file: ValuationFile, numerator: bigint): number =>
  Number(numerator) / file.denominator / LOSS_UNIT / file.test.records;

/** Every owner's part if payment follows the values: negative ones count as zero. */
export function partsOf(file: ValuationFile): number[] {
  const positive = file.values.map((v) => Math.max(0, Number(v.numerator)));
  const sum = positive.reduce((a, b) => a + b, 0);
  return positive.map((v) => (sum > 0 ? v / sum : 0));
}

/** The sum of a version's weights. */
const ONE = 10n ** 18n;

/** `whole` in proportion to values, negative ones as zero; what rounding leaves goes to the largest remainders, on ties to the first. */
function divided(whole: bigint, values: bigint[]): bigint[] | undefined {
  const positive = values.map((v) => (v > 0n ? v : 0n));
  const sum = positive.reduce((a, b) => a + b, 0n);
  if (sum === 0n) return undefined;
  const parts = positive.map((v) => (v * whole) / sum);
  const left = Number(whole - parts.reduce((a, b) => a + b, 0n));
  const remainder = (i: number): bigint => (positive[i]! * whole) % sum;
  const order = parts.map((_, i) => i).sort((a, b) => (remainder(a) === remainder(b) ? a - b : remainder(a) < remainder(b) ? 1 : -1));
  for (const i of order.slice(0, left)) parts[i]! += 1n;
  return parts;
}

/** What each dataset of the version would be paid by, in units of 10^-18; undefined if no value is positive. */
export function weightsOf(file: ValuationFile): bigint[] | undefined {
  const { datasets } = file.certificate;
  const weights = datasets.map(() => 0n);
  const wholes = divided(ONE, file.values.map((v) => BigInt(v.numerator)));
  if (!wholes) return undefined;
  for (const [i, owner] of file.owners.entries()) {
    const own = datasets.flatMap((d, j) => (same(d.shards.at(-1)!.owner, owner) ? [j] : []));
    const parts = divided(wholes[i]!, own.map((j) => BigInt(datasets[j]!.records)));
    own.forEach((j, at) => (weights[j] = parts?.[at] ?? 0n));
  }
  return weights;
}

const factorial = (n: number): bigint => (n < 2 ? 1n : BigInt(n) * factorial(n - 1));

/** The exact Shapley values over k!, from the loss of every coalition; undefined if one is missing. */
export function shapley(owners: number, losses: Map<number, bigint>): bigint[] | undefined {
  if (losses.size !== 2 ** owners || [...losses.keys()].some((mask) => mask < 0 || mask >= 2 ** owners)) return undefined;
  return Array.from({ length: owners }, (_, i) => {
    let sum = 0n;
    for (const [mask, loss] of losses) {
      if ((mask >> i) & 1) continue;
      const size = [...mask.toString(2)].filter((bit) => bit === "1").length;
      sum += (loss - losses.get(mask | (1 << i))!) * factorial(size) * factorial(owners - 1 - size);
    }
    return sum;
  });
}

/** Whether the values follow from the losses; undefined where coalitions were drawn, which is not computed again here. */
export function follows(file: ValuationFile): boolean | undefined {
  if (file.sampling) return undefined;
  const mask = (c: { owners: number[] }): number => c.owners.reduce((bits, i) => bits | (1 << i), 0);
  const losses = new Map([[0, BigInt(file.uniform_loss)], ...file.coalitions.map((c) => [mask(c), BigInt(c.loss)] as [number, bigint])]);
  const values = shapley(file.owners.length, losses);
  return values !== undefined && BigInt(file.denominator) === factorial(file.owners.length) &&
    values.length === file.values.length && values.every((v, i) => v === BigInt(file.values[i]!.numerator));
}

/** The agent's other versions over the same datasets, in whatever order, of which a valuation was committed to. */
async function otherDraws(chain: Chain, file: ValuationFile): Promise<number[]> {
  const { id, version } = file.certificate.agent;
  const set = (ids: Hex[]): string => ids.map((d) => d.toLowerCase()).sort().join();
  const own = set(file.certificate.datasets.map((d) => d.dataset_id));
  const count = await chain.client.readContract({ ...chain.agents, functionName: "versionCount", args: [id] });
  const others: number[] = [];
  for (let other = 1; other <= count; other++) {
    if (other === version) continue;
    const draw = await chain.client.readContract({ ...(await chain.weights()), functionName: "drawOf", args: [id, other] });
    if (draw.attempts > 0 && set(await listed(chain, id, other)) === own) others.push(other);
  }
  return others;
}

/** Whether two datasets are valued as one owner's exactly if they have one owner today; those whose owner is not known count as they are valued. */
function asValued(file: ValuationFile, now: (Hex | undefined)[]): boolean {
  const valued = file.certificate.datasets.map((d) => d.shards.at(-1)!.owner);
  return valued.every((one, i) => valued.slice(0, i).every((other, j) => {
    const [oneNow, otherNow] = [now[i], now[j]];
    return !oneNow || !otherNow || same(one, other) === same(oneNow, otherNow);
  }));
}

/**
 * What can be said of a file after the chain was asked (`asked`: whether it agrees) and the server (`server`: whether it says that all holds).
 * A valuation stays open without the server's yes, because the chain was not asked about the proofs of its coalitions.
 */
export function verdict(asked: boolean | undefined, valuation: boolean, server: boolean | undefined): "asking" | "holds" | "fails" | "open" {
  if (asked === undefined) return "asking";
  if (!asked) return "fails";
  return valuation && !server ? "open" : "holds";
}

/** Whether the chain drew a file's permutations: by one commitment, and the beacon that followed. */
async function drawn(chain: Chain, file: ValuationFile, { beacon, permutations }: NonNullable<ValuationFile["sampling"]>): Promise<Finding[]> {
  const { id, version } = file.certificate.agent;
  const draw = await chain.client.readContract({ ...(await chain.weights()), functionName: "drawOf", args: [id, version] });
  const made = draw.attempts > 0;
  const committed = made && same(draw.testSet, file.test.dataset_id) && draw.permutations === permutations;
  const chosen = "the permutations may have been chosen";
  const none = `nothing was committed to, so ${chosen}`;
  // the contract has zeros until somebody fixes it
  const fixed = BigInt(draw.beacon) !== 0n;
  const lapsed = draw.attempts - 1;
  const others = await otherDraws(chain, file);
  return [
    { said: "The agent’s owner had committed to this test set and number of permutations", holds: committed, why: made ? "it was to others" : none },
    { said: "The beacon is the one that the chain drew", holds: made && fixed && same(draw.beacon, beacon), why: !made ? none : fixed ? chosen : "it is not fixed yet" },
    ...(lapsed > 0 ? [{ said: `${plural(lapsed, "earlier draw")} could be seen before the time to fix a beacon was let pass, so this may be the best of ${draw.attempts}`, holds: true }] : []),
    ...(others.length > 0 ? [{ said: `The agent has other versions over the same datasets with draws of their own (${others.join(", ")}), so this may be the best of ${others.length + 1}`, holds: true }] : []),
  ];
}

/** What can be checked here, after the certificate: `digest` is the SHA-256 of the file. Whether all of that holds; see {@link verdict}. */
export async function checkValuation(chain: Chain, file: ValuationFile, digest: Hex, told: (finding: Finding) => void): Promise<boolean> {
  let all = true;
  const tell = (said: string, holds: boolean | undefined, why?: string): void => {
    all &&= holds !== false;
    told({ said, holds, why });
  };
  const exact = follows(file);
  if (exact !== undefined) tell("The values follow exactly from the losses of all coalitions", exact, "other values follow");
  else tell("The values are estimates from drawn coalitions: this page does not compute them again", undefined);
  tell("The proofs of the coalitions and of the test set, which the losses rest on, were not put to the chain", undefined);
  const { client } = chain;
  await registered(chain, file.test, "The test set", tell);
  // the file names who added each shard; either may have been sold since
  const ownerOf = async (name: string, id: Hex): Promise<Hex | undefined> => {
    try {
      return await client.readContract({ ...chain.datasets, functionName: "datasetOwner", args: [id] });
    } catch (error) {
      tell(`${name} has an owner on chain`, false, problem(error).message);
      return undefined;
    }
  };
  const accounts = (d: { shards: { owner: Hex }[] }, now: Hex | undefined): Hex[] => [...d.shards.map((s) => s.owner), ...(now ? [now] : [])];
  const { datasets } = file.certificate;
  const testers = accounts(file.test, await ownerOf("The test set", file.test.dataset_id));
  const owners = await Promise.all(datasets.map((d, i) => ownerOf(`Dataset ${i + 1}`, d.dataset_id)));
  const valued = datasets.flatMap((d, i) => accounts(d, owners[i]));
  tell("Nobody who owns the test set or added to it owns or added to a dataset that it values", !valued.some((owner) => testers.some((tester) => same(owner, tester))), "somebody does");
  tell("Datasets that are valued as one owner’s belong to one today, and others to others", asValued(file, owners), "some changed hands, so it does not say what each owner’s data is worth");
  const { id, version } = file.certificate.agent;
  if (file.sampling) for (const { said, holds, why } of await drawn(chain, file, file.sampling)) tell(said, holds, why);
  const state = await client.readContract({ ...(await chain.weights()), functionName: "stateOf", args: [id, version] });
  if (state.changes === 0) told({ said: "The version pays by shares: its owners have not agreed on weights", holds: true });
  else if (!same(state.valuation, digest)) told({ said: "The version pays by weights that name another valuation", holds: true });
  else {
    const weights = weightsOf(file);
    const paid = await Promise.all(file.certificate.datasets.map(async (d) => (await client.readContract({ ...(await chain.weights()), functionName: "weightOf", args: [id, version, d.dataset_id] }))[0]));
    tell("The version pays by weights that name this valuation and follow from it", weights !== undefined && weights.every((w, i) => w === paid[i]), "they name it, and do not follow from it");
  }
  return all;
}
