// The way of one agent to its certificate: a checklist that says before each step what it takes.
import { useState, type ReactNode } from "react";
import { parseUnits, stringToHex, type Hex } from "viem";
import { useWorld } from "../world";
import type { Agent } from "../gen/tribute/v1/agent_pb";
import { Statement } from "../gen/tribute/v1/common_pb";
import type { EstimateResponse } from "../gen/tribute/v1/job_service_pb";
import { filedProof, parse, type CertificateFile } from "../lib/files";
import { bytes, hex, same, text } from "../lib/bytes";
import { call, type Chain } from "../lib/chain";
import { count, plural, seconds } from "../lib/format";
import { agent as agentOf, listed, proposed, version as versionOf } from "../lib/reads";
import { classes, parseSchema } from "../lib/schema";
import { server, type Services } from "../lib/service";
import { Failure, Input, Loading, Note, useLoad } from "../parts/basics";
import { Confirm, GasOf, Steps, type Cost, type Step } from "../parts/confirm";
import { JobView } from "../parts/job";
import { Certified } from "./certified";

/** Gradient proofs of one transaction: each takes about half a million gas. */
const BATCH = 16;
const LIST_BATCH = 64;
const LIVE_MS = 4_000;
const JOBS = "tribute.gradients.";
/** What transactions usually take, of docs/gas.md; around a proof's verification in those that carry one. */
const USUAL = { create: 94_000, propose: 260_000, list: 124_000, close: 37_000, gradient: 55_000, certify: 155_000 };
/** Verification of a proof whose circuit the server does not tell. */
const VERIFY = 400_000;
const BLOCKS = "one block of the chain";

/** Where an agent stands on chain. */
async function state(chain: Chain, agent: Agent, weights: Hex) {
  const owner = hex(agent.owner);
  const place = await proposed(chain, owner, weights);
  const created = await chain.events(chain.agents, "AgentCreated", { owner });
  const own = created.map((e) => (e.args as { agentId: Hex }).agentId);
  if (!place) {
    // an agent that this page created for these weights and did not get to propose a version of
    const empty = await Promise.all(own.map((id) => chain.client.readContract({ ...chain.agents, functionName: "versionCount", args: [id] })));
    const at = empty.lastIndexOf(0);
    return { id: at >= 0 ? own[at] : undefined, version: undefined, listed: [] as Hex[], who: undefined };
  }
  const [version, ids, who] = await Promise.all([
    versionOf(chain, place.agent, place.version), listed(chain, place.agent, place.version), agentOf(chain, place.agent),
  ]);
  return { id: place.agent, version, listed: ids, who };
}

/** What the server expects of its proofs. Of an optimum only once the gradients are proven. */
async function expected(services: Services, weights: Hex, id: Hex | undefined, version: number | undefined) {
  const weightsDigest = bytes(weights);
  const ask = (work: Parameters<typeof services.jobs.estimate>[0]["work"]): Promise<EstimateResponse | undefined> =>
    services.jobs.estimate({ work }).catch(() => undefined);
  const [gradient, optimum] = await Promise.all([
    ask({ work: { case: "gradient", value: { weightsDigest, slot: 0 } } }),
    id && version ? ask({ work: { case: "optimum", value: { weightsDigest, agentId: bytes(id), version } } }) : undefined,
  ]);
  return { gradient, optimum };
}

const took = (estimate: EstimateResponse | undefined, times = 1): string =>
  estimate && estimate.seconds > 0 ? `about ${seconds(1000 * estimate.seconds * times)} on one worker` : "some seconds a proof; this server has made none of this size yet";

export function Way({ agent, weights, reread }: { agent: Agent; weights: Hex; reread(): void }): ReactNode {
  const world = useWorld();
  const chain = world.chain!;
  const [name, setName] = useState(agent.name);
  const [part, setPart] = useState("40");
  const [price, setPrice] = useState("0.00001");
  const [jobs, setJobs] = useState<string[]>(() => JSON.parse(localStorage.getItem(JOBS + weights) ?? "[]") as string[]);
  const [optimumJob, setOptimumJob] = useState<string>();
  const schema = parseSchema(text(agent.schemaJson));
  const reading = useLoad(() => state(chain, agent, weights), [chain, weights], LIVE_MS);
  const token = useLoad(() => chain.token(), [chain]).value;
  const circuits = useLoad(
    () => world.services.circuits.listCircuits({ schemaJson: agent.schemaJson, profile: agent.profile, link: agent.terms?.link }),
    [weights],
  ).value;
  const { id, version, listed: ids, who } = reading.value ?? {};
  const estimates = useLoad(() => expected(world.services, weights, id, version?.number), [weights, id, version?.number, agent.gradientsProven]).value;
  // all proofs of the agent, once the optimum is proven
  const file = useLoad(
    async () => (agent.optimumProven ? parse(text((await world.services.agents.getCertificate({ weightsDigest: bytes(weights) })).certificateJson)).certificate : undefined),
    [weights, agent.optimumProven],
  ).value;
  if (reading.failure && !reading.value) return <Failure problem={reading.failure} />;
  if (!reading.value || !token) return <Loading of="the chain" />;
  const again = (): void => {
    reading.again();
    reread();
  };
  const wanted = (agent.terms?.datasetIds ?? []).map(hex);
  const rest = wanted.filter((d) => !ids?.some((found) => same(found, d)));
  const circuit = (statement: Statement) => circuits?.ready.find((c) => c.shape?.statement === statement);
  const verify = (statement: Statement): number => Number(circuit(statement)?.gasVerify ?? 0n) || VERIFY;
  const certified = version?.status === "certified" || version?.status === "doubtful";
  const closed = version !== undefined && version.status !== "draft";
  const profile = agent.profile;
  const missing = circuits && [Statement.GRADIENT, Statement.OPTIMUM, Statement.SERVICE].filter((s) => !circuit(s));
  // proven for this version, not for another agent or version with the same weights
  const proofs: CertificateFile | undefined = file && id && version && same(file.agent.id, id) && file.agent.version === version.number ? file : undefined;

  const propose = id && profile && circuits && missing?.length === 0
    ? call(chain.agents, "propose", id, {
        dims: {
          k: profile.k, columns: profile.columns, features: schema.features.length, classes: classes(schema).length || 1,
          task: classes(schema).length ? 0 : 1, saltRows: profile.k < 13 ? 64 : 1024, interceptScale: profile.interceptScale,
        },
        lambda: agent.terms!.lambda,
        link: agent.terms!.link,
        dataBps: Math.round(Number(part) * 100),
        pricePerQuery: parseUnits(price as `${number}`, token.decimals),
        wDigest: weights,
        gradientCircuitId: hex(circuit(Statement.GRADIENT)!.circuitId),
        optimumCircuitId: hex(circuit(Statement.OPTIMUM)!.circuitId),
        serviceCircuitId: hex(circuit(Statement.SERVICE)!.circuitId),
        modelHash: hex(agent.modelSha256),
      })
    : undefined;
  const create = call(chain.agents, "createAgent", stringToHex(name.slice(0, 32), { size: 32 }), "");
  const list = version && call(chain.agents, "addDatasets", id, version.number, rest.slice(0, LIST_BATCH));
  const close = version && call(chain.agents, "close", id, version.number);
  const optimum = proofs && filedProof(proofs.optimum.proof);
  const certify = version && optimum && call(chain.agents, "certify", id, version.number, optimum.inputs, optimum.proof);
  const allProven = agent.gradientsProven >= agent.shards;
  const sent = version !== undefined && closed && version.shardsDone >= version.shards && version.shards > 0;

  const prove = async (): Promise<void> => {
    const { jobs: queued } = await world.services.agents.proveGradients({ weightsDigest: bytes(weights) });
    const found = queued.map((j) => j.id);
    localStorage.setItem(JOBS + weights, JSON.stringify(found));
    setJobs(found);
  };

  const submit = async (): Promise<void> => {
    const pending = [];
    for (const dataset of proofs!.datasets) {
      for (const [shard, { gradient_proof: proof }] of dataset.shards.entries()) {
        const args = [id!, version!.number, dataset.dataset_id, shard] as const;
        if (!(await chain.client.readContract({ ...chain.agents, functionName: "gradientAdded", args }))) {
          pending.push({ datasetId: dataset.dataset_id, shard, ...filedProof(proof) });
        }
      }
    }
    for (let start = 0; start < pending.length; start += BATCH) {
      await world.send(call(chain.agents, "addGradients", id!, version!.number, pending.slice(start, start + BATCH)));
    }
    again();
  };

  const left = agent.shards - (version?.shardsDone ?? 0);
  const cost = (usual: number, now?: ReturnType<typeof call>): Cost => ({ time: BLOCKS, gas: <GasOf call={now} usual={usual} /> });
  const steps: Step[] = [
    {
      name: "Give the agent a name on chain",
      done: id !== undefined,
      what: "An agent can have many versions.",
      cost: cost(USUAL.create, name ? create : undefined),
      act: (
        <>
          <Input label="Name, up to 32 letters" value={name} set={setName} />
          <Confirm label="Create the agent" disabled={name === ""} call={create} consequences={["Public for ever: your address and this name."]} run={async () => { await world.send(create); again(); }} />
        </>
      ),
    },
    {
      name: "Propose a version with its terms",
      done: version !== undefined,
      what: version ? <>Version {version.number}: {version.dataBps / 100} % of the fees go to data.</> : "It fixes weights, circuits, price and the part for data.",
      cost: cost(USUAL.propose, propose),
      act: (
        <>
          {missing && missing.length > 0 && <Note kind="warning" title="The circuits for this schema are not ready."><p>The operator of this server adds them (tribute circuits add).</p></Note>}
          <Input label="Part of the fees that goes to data" value={part} set={setPart} type="number" min={0} max={100} unit="%" hint="At least what every dataset and grant asks for." />
          <Input label="Least price of an answer" value={price} set={setPrice} type="number" min={0} unit={token.symbol} hint="No session can be opened below it." />
          <Confirm label="Propose the version" disabled={!propose} call={propose} consequences={["Part and price can never change in this version.", "The digest of the weights becomes public. The weights do not."]} run={async () => { await world.send(propose!); again(); }} />
        </>
      ),
    },
    {
      name: "List the datasets",
      done: version !== undefined && (rest.length === 0 || closed),
      what: `${plural(wanted.length, "dataset")}. Each listing uses one version of that dataset's grant.`,
      cost: cost(USUAL.list * wanted.length, list && rest.length > 0 && rest.length <= LIST_BATCH ? list : undefined),
      act: list && (
        <Confirm
          label="List the datasets"
          call={list}
          consequences={["The list is public: everybody sees which datasets the agent learnt from.", "If you abandon the version before any contribution is public, the uses return."]}
          run={async () => {
            for (let start = 0; start < rest.length; start += LIST_BATCH) {
              await world.send(call(chain.agents, "addDatasets", id, version.number, rest.slice(start, start + LIST_BATCH)));
            }
            again();
          }}
        />
      ),
    },
    {
      name: "Close the list",
      done: closed,
      what: "After it no dataset can be added.",
      cost: cost(USUAL.close, version && rest.length === 0 && !closed ? close : undefined),
      act: close && (
        <Confirm label="Close the list" call={close} consequences={[`The list of ${plural(wanted.length, "dataset")} becomes final.`]} run={async () => { await world.send(close); again(); }} />
      ),
    },
    {
      name: "Prove the gradients",
      done: allProven,
      what: `${plural(agent.shards, "proof")} on ${server}: how much each shard contributes.`,
      cost: { time: took(estimates?.gradient, agent.shards), openings: `${count(estimates?.gradient?.openings ?? 1n)} of each shard, of a limited number, and one of the weights` },
      act: jobs.length > 0 ? (
        <>
          {jobs.map((job) => <JobView key={job} id={job} kind="gradient" done={() => reread()} />)}
          <button className="quiet" onClick={() => { localStorage.removeItem(JOBS + weights); setJobs([]); }}>Ask again</button>
        </>
      ) : (
        <Confirm label="Prove the gradients" sign="Your wallet will ask you to sign this call. That costs nothing." consequences={[`The machine ${server} makes ${plural(agent.shards, "proof")}.`, "One opening of every dataset's budget is used.", "Nothing is published by this."]} run={prove} />
      ),
    },
    {
      name: "Prove the optimum",
      done: certified || proofs !== undefined,
      what: `One proof on ${server}, whatever the number of datasets.`,
      cost: { time: took(estimates?.optimum), openings: "one of the weights and one of the sum of the gradients; none of the datasets" },
      act: optimumJob ? (
        <JobView id={optimumJob} kind="optimum" done={() => reread()} />
      ) : (
        version && (
          <Confirm
            label="Prove the optimum"
            sign="Your wallet will ask you to sign this call. That costs nothing."
            consequences={["Nothing is published by this."]}
            run={async () => {
              const work = { weightsDigest: bytes(weights), agentId: bytes(id!), version: version.number };
              setOptimumJob((await world.services.agents.proveOptimum({ work })).job!.id);
            }}
          />
        )
      ),
    },
    {
      name: "Submit the gradients",
      done: sent || certified,
      what: `${version && version.shardsDone > 0 ? `${version.shardsDone} of ${version.shards} are on chain. ` : ""}Up to ${BATCH} in a transaction.`,
      cost: cost((verify(Statement.GRADIENT) + USUAL.gradient) * left),
      act: (
        <Confirm
          label="Submit the gradients"
          consequences={["Every dataset's contribution becomes public, and with it its share.", "From then on the uses of the grants do not return."]}
          run={submit}
        />
      ),
    },
    {
      name: "Certify",
      done: certified,
      what: "The contract checks the last proof, and that every dataset gets what its owner asked for.",
      cost: cost(verify(Statement.OPTIMUM) + USUAL.certify, sent && !certified ? certify : undefined),
      act: certify && (
        <Confirm
          label="Certify"
          call={certify}
          consequences={["Clients can open sessions from then on.", "Fees are divided by the shares for as long as the version sells answers."]}
          run={async () => {
            await world.send(certify);
            again();
          }}
        />
      ),
    },
  ];

  return (
    <>
      <h2>{certified ? "Certified" : "The way to a certificate"}</h2>
      {version?.status === "doubtful" && <Note kind="warning" title="A circuit behind this certificate was stopped."><p>No session can be opened with this version any more.</p></Note>}
      {certified && version && id ? (
        <>
          <details><summary>How it was certified</summary><Steps of={steps} /></details>
          <Certified agent={agent} weights={weights} id={id} version={version.number} who={who} token={token} again={again} />
        </>
      ) : (
        <Steps of={steps} />
      )}
    </>
  );
}
