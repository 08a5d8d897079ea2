// Checks a certificate against the chain, from this browser: every proof is put to the chain's own verifier by eth_call,
// and what the file says is compared with what the contracts hold. No server takes part.
import type { Hex } from "viem";
import { same } from "./bytes";
import { STATUS, type Chain } from "./chain";
import { problem } from "./problem";
import { listed } from "./reads";
import { parse, type Finding, type FileProof } from "./files";

/** Puts the file's claims to the chain, one by one. `told` gets each finding as it comes. */
export async function check(chain: Chain, file: ReturnType<typeof parse>, told: (finding: Finding) => void): Promise<boolean> {
  const { certificate: c, evaluation } = file;
  const { client } = chain;
  let all = true;
  const tell = (said: string, holds: boolean, why?: string): void => {
    all &&= holds;
    told({ said, holds, why });
  };
  /** Something that the contracts answer, or refuse. */
  const ask = async (said: string, question: () => Promise<boolean>, otherwise = "the chain says otherwise"): Promise<void> => {
    try {
      const holds = await question();
      tell(said, holds, holds ? undefined : otherwise);
    } catch (error) {
      tell(said, false, problem(error).message);
    }
  };
  const at = await client.getChainId();
  if (at !== c.chain.chain_id) {
    tell("The node serves the certificate's chain", false, `the certificate is for chain ${c.chain.chain_id}, the node serves ${at}`);
    return false;
  }
  const ours = same(c.chain.agent_registry, chain.agents.address) && same(c.chain.dataset_registry, chain.datasets.address);
  tell(`The certificate is for the contracts that this page knows on chain ${at}`, ours, ours ? undefined : `it names the agent registry ${c.chain.agent_registry}`);
  if (!ours) return false;
  const { id, version: number, weights_digest: weights } = c.agent;
  const version = await client.readContract({ ...chain.agents, functionName: "getVersion", args: [id, number] }).catch(() => undefined);
  if (!version) {
    tell("The chain knows this version of the agent", false, "it has no such version");
    return false;
  }
  const status = STATUS[version.status] ?? "unknown";
  tell("The chain certified this version", status === "certified" || status === "doubtful", `it is ${status}`);
  if (status === "doubtful") tell("No circuit behind it was stopped", false, "one was: do not rely on this certificate");
  tell("The weights are those that the chain certified", same(version.wDigest, weights), `the chain has ${version.wDigest}`);
  await ask("The owner is the one in the file", async () => same(version.owner, c.agent.owner));
  const ids = await listed(chain, id, number);
  const claimed = c.datasets.map((d) => d.dataset_id);
  tell("The list of datasets is the chain's, in its order", ids.length === claimed.length && ids.every((d, i) => same(d, claimed[i]!)), "it differs");

  const verifies = (circuitId: Hex, proof: FileProof) => async (): Promise<boolean> => {
    await client.readContract({ ...chain.gate, functionName: "check", args: [circuitId, proof.inputs.map(BigInt), proof.bytes] });
    return true;
  };
  for (const [i, d] of c.datasets.entries()) {
    const name = `Dataset ${i + 1}`;
    const found = await registered(chain, d, name, tell);
    if (!found) continue;
    const own = await client.readContract({ ...chain.agents, functionName: "contributionOf", args: [id, number, d.dataset_id] });
    tell(`${name}: the contribution is the one on chain`, own.value === BigInt(d.contribution), `the chain has ${own.value}`);
    for (const [j, shard] of d.shards.entries()) {
      const which = d.shards.length > 1 ? `${name}, shard ${j + 1}` : name;
      await ask(`${which}: the chain's verifier accepts the proof that its records are well formed`, verifies(found.circuitId, shard.dataset_proof));
      await ask(`${which}: the chain's verifier accepts the proof of its gradient`, verifies(version.gradientCircuitId, shard.gradient_proof));
      await ask(`${which}: that proof is for these weights, this owner and this shard`, async () =>
        (await client.readContract({ ...chain.agents, functionName: "gradientContext", args: [id, number, d.dataset_id, j] })) === BigInt(shard.gradient_proof.inputs[0] ?? "0x0"));
    }
  }
  await ask("The chain's verifier accepts the proof of the optimum", verifies(version.optimumCircuitId, c.optimum.proof));
  await ask("That proof is for this agent, this version and this list", async () =>
    (await client.readContract({ ...chain.agents, functionName: "optimumContext", args: [id, number] })) === BigInt(c.optimum.proof.inputs[0] ?? "0x0"));
  if (evaluation) {
    const { dataset } = evaluation;
    await registered(chain, dataset, "The dataset it was tested on", tell);
    try {
      const [correct, records] = await client.readContract({ ...chain.evaluations, functionName: "accuracyOf", args: [id, number, dataset.dataset_id] });
      tell(`The accuracy on chain is ${dataset.correct} of ${dataset.records}, too`, correct === BigInt(dataset.correct) && records === BigInt(dataset.records), `the chain has ${correct} of ${records}`);
    } catch {
      told({ said: "The accuracy was not submitted to the chain, so only the server has checked it", holds: true });
    }
  }
  return all;
}

/** Whether a dataset is registered as a file says, told in findings; undefined if it is not at all. */
export async function registered(
  chain: Chain, dataset: { dataset_id: Hex; records: number; shards: { digest: Hex; owner: Hex }[] }, name: string, tell: (said: string, holds: boolean, why?: string) => void,
): Promise<{ circuitId: Hex } | undefined> {
  const { client } = chain;
  const id = dataset.dataset_id;
  const found = await client.readContract({ ...chain.datasets, functionName: "dataset", args: [id] }).catch(() => undefined);
  if (!found) {
    tell(`${name} is registered`, false, "the chain does not know it");
    return undefined;
  }
  tell(`${name} has ${dataset.records} records on chain, too`, found.records === BigInt(dataset.records), `the chain has ${found.records}`);
  const digests = await client.readContract({ ...chain.datasets, functionName: "shardDigests", args: [id] });
  tell(`${name}: the shards are those registered`, digests.length === dataset.shards.length && digests.every((x, j) => same(x, dataset.shards[j]!.digest)), "they differ");
  const belonged = `${name} belonged to whom each shard names when it was added`;
  try {
    const then = await addedBy(chain, found.root);
    tell(belonged, dataset.shards.every((shard) => same(then.get(shard.digest.toLowerCase()) ?? "0x", shard.owner)), "the chain says otherwise");
  } catch (error) {
    tell(belonged, false, problem(error).message);
  }
  return found;
}

/** Who owned a dataset when each of its shards was added, by digest: from its registration and its transfers, in order. */
async function addedBy(chain: Chain, root: Hex): Promise<Map<string, Hex>> {
  const extended = await chain.events(chain.datasets, "DatasetExtended", { root });
  const versions = [root, ...extended.map((e) => (e.args as { datasetId: Hex }).datasetId)];
  const all = await Promise.all([
    chain.events(chain.datasets, "DatasetRegistered", { datasetId: root }),
    chain.events(chain.datasets, "DatasetTransferred", { root }),
    chain.events(chain.datasets, "ShardRegistered", { datasetId: versions }),
  ]);
  const inOrder = all.flat().sort((a, b) => Number(a.blockNumber - b.blockNumber) || a.logIndex - b.logIndex);
  const owners = new Map<string, Hex>();
  let owner: Hex = "0x";
  for (const event of inOrder) {
    const told = event.args as { digest: Hex; owner: Hex; to: Hex };
    if (event.eventName === "ShardRegistered") owners.set(told.digest.toLowerCase(), owner);
    else owner = event.eventName === "DatasetRegistered" ? told.owner : told.to;
  }
  return owners;
}
