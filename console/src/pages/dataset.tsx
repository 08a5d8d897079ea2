// One dataset: what was committed, who may train on it, which agents use it, what it earns.
import type { ReactNode } from "react";
import { zeroHash, type Address, type Hex } from "viem";
import { useWorld } from "../world";
import type { Dataset } from "../gen/tribute/v1/dataset_pb";
import { bytes, hex, isDigest, same, text } from "../lib/bytes";
import { call, LINKS, proofArgs, type Chain, type Token } from "../lib/chain";
import { amount, bps, count, percent, plural, when } from "../lib/format";
import { nodeEntry } from "../lib/node";
import { agent, shares, version } from "../lib/reads";
import { classes, parseSchema } from "../lib/schema";
import { Facts, Failure, Id, Loading, Note, OnChain, Private, Table, useAction, useLoad } from "../parts/basics";
import { Bars, Growth, type Point } from "../parts/chart";
import { Confirm } from "../parts/confirm";

/** How often earnings are read anew. */
const LIVE_MS = 4_000;

export function DatasetPage({ id }: { id: string }): ReactNode {
  if (!isDigest(id)) return <p>This is not the identifier of a dataset.</p>;
  return <Private what="this dataset"><Content id={id} /></Private>;
}

function Content({ id }: { id: Hex }): ReactNode {
  const { services } = useWorld();
  const { value: dataset, failure } = useLoad(() => services.datasets.getDataset({ id: bytes(id) }), [id]);
  if (failure) return <Failure problem={failure} />;
  if (!dataset) return <Loading of="the dataset" />;
  const schema = parseSchema(text(dataset.schemaJson));
  const terms = dataset.terms;
  const seconds = dataset.shards.reduce((sum, s) => sum + (s.proof?.stats?.seconds ?? 0), 0);
  return (
    <>
      <h1>{schema.name}</h1>
      <p>Dataset <Id of={id} name="dataset" />, committed {when(dataset.createdMs)}.</p>
      <Facts
        of={[
          ["Records", count(dataset.records)],
          ["Features", String(schema.features.length)],
          ["Classes", String(classes(schema).length || "a number")],
          ["Least part of fees for data", bps(terms?.minDataBps ?? 0)],
          ["Least share for you", bps(terms?.minShareBps ?? 0)],
          ["Proven in", `${seconds.toFixed(1)} s`],
        ]}
      />
      <details>
        <summary>The report of what was committed</summary>
        <Table
          caption="Shards: what is public about your records"
          rows={dataset.shards}
          keyOf={(s) => hex(s.digest)}
          columns={[
            { head: "Digest", cell: (s) => <Id of={hex(s.digest)} name="shard" /> },
            { head: "Records", cell: (s) => count(s.records), number: true },
            { head: "Proof", cell: (s) => `${count(Number(s.proof?.stats?.bytes ?? 0n))} bytes`, number: true },
            { head: "Proving time", cell: (s) => `${(s.proof?.stats?.seconds ?? 0).toFixed(1)} s`, number: true },
          ]}
        />
        <p>Labels: {classes(schema).join(", ") || "a number"}</p>
      </details>
      <OnChain><Chained dataset={dataset} id={id} /></OnChain>
    </>
  );
}

function Chained({ dataset, id }: { dataset: Dataset; id: Hex }): ReactNode {
  const world = useWorld();
  const chain = world.chain!;
  const registered = useLoad(async () => {
    const found = await chain.client.readContract({ ...chain.datasets, functionName: "datasetOwner", args: [id] }).catch(() => undefined);
    if (!found || /^0x0+$/.test(found)) return { owner: undefined, node: undefined };
    const node = await chain.client.readContract({ ...chain.datasets, functionName: "nodeOf", args: [id] });
    return { owner: found, node: nodeEntry(node) };
  }, [id, chain]);
  if (registered.failure) return <Failure problem={registered.failure} />;
  if (!registered.value) return <Loading of="the chain" />;
  const terms = dataset.terms;
  const { owner, node } = registered.value;
  if (!owner) {
    const first = dataset.shards[0]?.proof;
    const register = call(
      chain.datasets, "register",
      {
        schemaId: hex(dataset.schemaId),
        circuitId: hex(first?.circuitId ?? new Uint8Array(32)),
        terms: {
          minDataBps: terms?.minDataBps ?? 0,
          openTraining: terms?.openTraining ?? false,
          minShareBps: terms?.minShareBps ?? 0,
          minPricePerQuery: BigInt(terms?.minPrice || "0"),
          links: (terms?.links ?? []).reduce((bits, link) => bits | (1 << link), 0),
        },
      },
      dataset.shards.map((s) => proofArgs(s.proof!)),
    );
    return (
      <>
        <h2>On chain</h2>
        <p>The chain does not know this dataset yet. Until it does, no agent that uses it can be certified there.</p>
        <Confirm
          label="Register on chain"
          call={register}
          consequences={[
            "Public for ever: your address, the number of records, the digests of the shards, and your terms.",
            "Not public: the records, their features and their labels.",
          ]}
          run={async () => {
            await world.send(register);
            registered.again();
          }}
        />
      </>
    );
  }
  return (
    <>
      <Note kind="good"><p>Registered on chain {chain.id}. Owner: <Id of={owner} name="owner" /></p></Note>
      {node?.url && <p>Its node, where agents' owners can ask for it: <a href={node.url} target="_blank" rel="noreferrer">{node.text}</a></p>}
      {node && !node.url && <Note kind="warning"><p>Its entry should name the node where agents' owners can ask for it, but this is no URL of a node: {node.text}</p></Note>}
      <Uses id={id} chain={chain} />
      <Grants id={id} chain={chain} />
    </>
  );
}

interface Use {
  agent: Hex;
  version: number;
  name: string;
  status: string;
  share: number | undefined;
  due: bigint;
}

async function uses(chain: Chain, id: Hex): Promise<Use[]> {
  const events = await chain.events(chain.agents, "DatasetListed", { datasetId: id });
  return Promise.all(
    events.map(async (e) => {
      const { agentId, version: number } = e.args as { agentId: Hex; version: number };
      const [who, v, all] = await Promise.all([agent(chain, agentId), version(chain, agentId, number), shares(chain, agentId, number)]);
      const own = all.find((s) => same(s.dataset, id));
      return { agent: agentId, version: number, name: who.name, status: v.status, share: own?.share, due: own?.due ?? 0n };
    }),
  );
}

interface Weighing {
  /** Sum of fees for data from which it counts. */
  from: bigint;
  weight: bigint;
  total: bigint;
}

/** How the fees of a version were divided for a dataset: by contribution, then by each set of weights that came into force. */
async function weighings(chain: Chain, id: Hex, use: Use): Promise<Weighing[]> {
  const weights = await chain.weights();
  const args = [use.agent, use.version, id] as const;
  const [first, latest, changes, placed] = await Promise.all([
    chain.client.readContract({ ...chain.agents, functionName: "rewardWeight", args }),
    chain.client.readContract({ ...weights, functionName: "weightOf", args }),
    chain.events(weights, "WeightsInForce", { agentId: use.agent, version: use.version }),
    chain.events(weights, "WeightPlaced", { agentId: use.agent, version: use.version, datasetId: id }),
  ]);
  const agreed = changes.map((e): Weighing => {
    const { proposal, since } = e.args as { proposal: Hex; since: bigint };
    const own = placed.map((p) => p.args as { proposal: Hex; weight: bigint }).find((p) => same(p.proposal, proposal));
    return { from: since, weight: own?.weight ?? 0n, total: latest[1] };
  });
  return [{ from: 0n, weight: first[0], total: first[1] }, ...agreed];
}

/** What a dataset has of the first `accrued` units of fees for data, as the escrow contract computes it. */
function earnedOf(accrued: bigint, all: Weighing[]): bigint {
  const counted = all.filter((w) => w.from <= accrued);
  return counted.reduce((sum, w, i) => sum + (((counted[i + 1]?.from ?? accrued) - w.from) * w.weight) / w.total, 0n);
}

/** What the dataset has earned, by block. */
async function earned(chain: Chain, token: Token, id: Hex, all: Use[]): Promise<Point[]> {
  const steps: { block: bigint; units: bigint }[] = [];
  for (const use of all.filter((u) => u.share !== undefined)) {
    const [fees, weighed] = await Promise.all([
      chain.events(chain.escrow, "FeesAccrued", { agentId: use.agent, version: use.version }), weighings(chain, id, use),
    ]);
    let accrued = 0n;
    let before = 0n;
    for (const e of fees) {
      accrued += (e.args as { toData: bigint }).toData;
      const now = earnedOf(accrued, weighed);
      steps.push({ block: e.blockNumber, units: now - before });
      before = now;
    }
  }
  steps.sort((a, b) => Number(a.block - b.block));
  const times = await chain.times(steps.map((s) => s.block));
  let sum = 0n;
  return steps.map((s) => {
    sum += s.units;
    const at = times.get(s.block) ?? 0;
    return { at, value: Number(sum), text: amount(sum, token), when: when(at) };
  });
}

function Uses({ id, chain }: { id: Hex; chain: Chain }): ReactNode {
  const world = useWorld();
  const action = useAction();
  const { value, failure, again } = useLoad(
    async () => {
      const token = await chain.token();
      const all = await uses(chain, id);
      const points = await earned(chain, token, id, all);
      const paid = await chain.events(chain.escrow, "ProviderPaid", { datasetId: id });
      const withdrawn = paid.reduce((sum, e) => sum + (e.args as { amount: bigint }).amount, 0n);
      return { token, all, points, withdrawn };
    },
    [id, chain],
    LIVE_MS,
  );
  if (failure && !value) return <Failure problem={failure} />;
  if (!value) return <Loading of="agents and earnings" />;
  const { token, all, points, withdrawn } = value;
  const due = all.reduce((sum, u) => sum + u.due, 0n);
  const certified = all.filter((u) => u.share !== undefined);
  return (
    <>
      <h2>Earnings</h2>
      <Facts of={[["To withdraw now", amount(due, token)], ["Withdrawn so far", amount(withdrawn, token)], ["Agents that use it", count(all.length)]]} />
      <Growth title="Earned over time" of={points} />
      {all.filter((u) => u.due > 0n).map((u) => {
        const withdraw = call(chain.escrow, "withdrawProvider", u.agent, u.version, id);
        return (
          <Confirm
            key={`${u.agent}-${u.version}`}
            label={`Withdraw ${amount(u.due, token)} from ${u.name || "an agent"}, version ${u.version}`}
            call={withdraw}
            consequences={["The tokens go to your payout address, which is your account unless you chose another."]}
            run={async () => {
              await world.send(withdraw);
              again();
            }}
          />
        );
      })}
      <Failure problem={action.failure} />
      <h2>Agents that use it</h2>
      {certified.length > 0 && (
        <Bars title="Your share of the fees for data" whole={1} of={certified.map((u) => ({ name: `${u.name || "agent"}, version ${u.version}`, value: u.share!, text: percent(u.share!) }))} />
      )}
      <Table
        caption="Versions of agents that list this dataset"
        rows={all}
        keyOf={(u) => `${u.agent}-${u.version}`}
        empty="No agent lists this dataset yet."
        columns={[
          { head: "Agent", cell: (u) => <>{u.name || "without a name"} <Id of={u.agent} name="agent" /></> },
          { head: "Version", cell: (u) => u.version, number: true },
          { head: "Status", cell: (u) => u.status },
          { head: "Your share", cell: (u) => (u.share === undefined ? "not certified" : percent(u.share)), number: true },
          { head: "Due to you", cell: (u) => amount(u.due, token), number: true },
        ]}
      />
    </>
  );
}

function Grants({ id, chain }: { id: Hex; chain: Chain }): ReactNode {
  const world = useWorld();
  const { value, failure, again } = useLoad(async () => {
    const { 0: root } = await chain.client.readContract({ ...chain.datasets, functionName: "versionOf", args: [id] });
    const events = await chain.events(chain.datasets, "TrainingGranted", { root });
    const grantees = [...new Set(events.map((e) => (e.args as { grantee: Address }).grantee))];
    return Promise.all(
      grantees.map(async (grantee) => ({
        grantee,
        grant: await chain.client.readContract({ ...chain.datasets, functionName: "trainingGrant", args: [id, grantee] }),
      })),
    );
  }, [id, chain]);
  if (failure) return <Failure problem={failure} />;
  const now = Date.now() / 1000;
  const live = (value ?? []).filter((g) => g.grant.terms.uses > 0 && Number(g.grant.terms.expiry) >= now);
  const none = { uses: 0, expiry: 0n, links: 0, minShareBps: 0, minDataBps: 0, minPricePerQuery: 0n, coversLater: false, participants: zeroHash };
  return (
    <>
      <h2>Who may train on it</h2>
      <Table
        caption="Grants in force"
        rows={live}
        keyOf={(g) => g.grantee}
        empty="Nobody may train on it now. An agent's owner sends you a request as a link; or grant by hand."
        columns={[
          { head: "Account", cell: (g) => <Id of={g.grantee} name="account" /> },
          { head: "Versions left", cell: (g) => g.grant.terms.uses, number: true },
          { head: "Until", cell: (g) => when(g.grant.terms.expiry * 1000n) },
          { head: "Least share", cell: (g) => bps(g.grant.terms.minShareBps), number: true },
          { head: "Links", cell: (g) => LINKS.filter((name, i) => name && (g.grant.terms.links >> i) & 1).join(", ") || "any but squared" },
          {
            head: "Take back",
            cell: (g) => (
              <Confirm
                label="Revoke"
                call={call(chain.datasets, "grantTraining", id, g.grantee, none)}
                consequences={[`${plural(g.grant.terms.uses, "version")} can no longer list your dataset. Versions that already do keep it.`]}
                run={async () => {
                  await world.send(call(chain.datasets, "grantTraining", id, g.grantee, none));
                  again();
                }}
              />
            ),
          },
        ]}
      />
      <div className="row"><a className="button quiet" href={`#/provider/request?dataset=${id}`}>Grant training</a></div>
    </>
  );
}
