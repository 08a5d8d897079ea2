// One agent: the way to its certificate as a checklist, then what it sells.
import { useState, type ReactNode } from "react";
import { parseUnits, stringToHex, type Hex } from "viem";
import { useWorld } from "../world";
import type { Agent } from "../gen/tribute/v1/agent_pb";
import { Statement, type Proof } from "../gen/tribute/v1/common_pb";
import { bytes, hex, isDigest, same, save, text } from "../lib/bytes";
import { call, LINKS, proofArgs, type Chain } from "../lib/chain";
import { count, percent, plural, small } from "../lib/format";
import { Problem } from "../lib/problem";
import { agent as agentOf, listed, proposed, shares, version as versionOf } from "../lib/reads";
import { classes, parseSchema } from "../lib/schema";
import { server } from "../lib/service";
import { Facts, Failure, Id, Input, Loading, Note, OnChain, Private, useLoad } from "../parts/basics";
import { Bars } from "../parts/chart";
import { Confirm, Steps, type Step } from "../parts/confirm";
import { JobView, finish } from "../parts/job";
import { Sales } from "./sales";

/** Gradient proofs of one transaction: each takes about half a million gas. */
const BATCH = 16;
const LIST_BATCH = 64;
const LIVE_MS = 4_000;
const JOBS = "tribute.gradients.";

export function AgentPage({ weights }: { weights: string }): ReactNode {
  if (!isDigest(weights)) return <p>This is not a digest of weights.</p>;
  return <Private what="this agent"><Content weights={weights} /></Private>;
}

function Content({ weights }: { weights: Hex }): ReactNode {
  const { services } = useWorld();
  const { value: agent, failure, again } = useLoad(() => services.agents.getAgent({ weightsDigest: bytes(weights) }), [weights]);
  if (failure && !agent) return <Failure problem={failure} />;
  if (!agent) return <Loading of="the agent" />;
  return (
    <>
      <h1>{agent.name || "Agent without a name"}</h1>
      <p>Weights <Id of={weights} name="weights" />. The machine <code>{server}</code> holds them.</p>
      <Facts
        of={[
          ["Trained on", `${count(agent.records)} records`],
          ["Right on those records", percent(agent.trainingAccuracy)],
          ["Distance to the optimum", `at most ${small(agent.relativeDistance)}`],
          ["Link", LINKS[agent.terms?.link ?? 0] ?? ""],
          ["Shards", count(agent.shards)],
        ]}
      />
      <OnChain><Way agent={agent} weights={weights} reread={again} /></OnChain>
    </>
  );
}

async function state(chain: Chain, agent: Agent, weights: Hex) {
  const owner = hex(agent.owner);
  const place = await proposed(chain, owner, weights);
  const created = await chain.events(chain.agents, "AgentCreated", { owner });
  const own = created.map((e) => (e.args as { agentId: Hex }).agentId);
  if (!place) {
    // an agent that this page created for these weights and did not get to propose a version of
    const empty = await Promise.all(own.map((id) => chain.client.readContract({ ...chain.agents, functionName: "versionCount", args: [id] })));
    const at = empty.lastIndexOf(0);
    return { id: at >= 0 ? own[at] : undefined, others: own, version: undefined, listed: [] as Hex[], who: undefined };
  }
  const [version, ids, who] = await Promise.all([
    versionOf(chain, place.agent, place.version), listed(chain, place.agent, place.version), agentOf(chain, place.agent),
  ]);
  return { id: place.agent, others: own, version, listed: ids, who };
}

function Way({ agent, weights, reread }: { agent: Agent; weights: Hex; reread(): void }): ReactNode {
  const world = useWorld();
  const chain = world.chain!;
  const [name, setName] = useState(agent.name);
  const [part, setPart] = useState("40");
  const [price, setPrice] = useState("0.00001");
  const [about, setAbout] = useState("");
  const [jobs, setJobs] = useState<string[]>(() => JSON.parse(localStorage.getItem(JOBS + weights) ?? "[]") as string[]);
  const [proofs, setProofs] = useState<Proof[]>();
  const [optimumJob, setOptimumJob] = useState<string>();
  const [optimum, setOptimum] = useState<Proof>();
  const schema = parseSchema(text(agent.schemaJson));
  const reading = useLoad(() => state(chain, agent, weights), [chain, weights], LIVE_MS);
  const token = useLoad(() => chain.token(), [chain]).value;
  const circuits = useLoad(
    () => world.services.circuits.listCircuits({ schemaJson: agent.schemaJson, profile: agent.profile, link: agent.terms?.link }),
    [weights],
  ).value;
  const { id, version, listed: ids, who } = reading.value ?? {};
  if (reading.failure && !reading.value) return <Failure problem={reading.failure} />;
  if (!reading.value || !token) return <Loading of="the chain" />;
  const again = (): void => {
    reading.again();
    reread();
  };
  const wanted = (agent.terms?.datasetIds ?? []).map(hex);
  const rest = wanted.filter((d) => !ids?.some((found) => same(found, d)));
  const circuit = (statement: Statement) => circuits?.ready.find((c) => c.shape?.statement === statement);
  const gas = (statement: Statement): string => (circuit(statement)?.gasVerify ? `${count(circuit(statement)!.gasVerify)} gas to verify` : "some 0.4 million gas to verify");
  const certified = version?.status === "certified" || version?.status === "doubtful";
  const closed = version !== undefined && version.status !== "draft";
  const profile = agent.profile;
  const missing = circuits && [Statement.GRADIENT, Statement.OPTIMUM, Statement.SERVICE].filter((s) => !circuit(s));

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

  const prove = async (): Promise<void> => {
    const { jobs: queued } = await world.services.agents.proveGradients({ weightsDigest: bytes(weights) });
    const found = queued.map((j) => j.id);
    localStorage.setItem(JOBS + weights, JSON.stringify(found));
    setJobs(found);
  };
  const allProven = agent.gradientsProven >= agent.shards;

  const submit = async (): Promise<void> => {
    let known = proofs;
    if (!known) {
      // the same work is the same job: nothing is proven twice
      if (jobs.length === 0) await prove();
      const ended = await Promise.all((JSON.parse(localStorage.getItem(JOBS + weights) ?? "[]") as string[]).map((job) => finish(world.services, job)));
      known = ended.map((job) => {
        if (job.outcome?.outcome.case !== "proof") throw new Problem("A job came back without its proof.");
        return job.outcome.outcome.value;
      });
      setProofs(known);
    }
    const places = new Map<string, { dataset: Hex; shard: number }>();
    for (const dataset of ids ?? []) {
      const digests = await chain.client.readContract({ ...chain.datasets, functionName: "shardDigests", args: [dataset] });
      digests.forEach((digest, shard) => places.set(digest.toLowerCase(), { dataset, shard }));
    }
    const pending = [];
    for (const proof of known) {
      const place = places.get(hex(proof.groups[0] ?? new Uint8Array()).toLowerCase());
      if (!place) throw new Problem("A proof is over a shard that no dataset of this version has.");
      const args = [id!, version!.number, place.dataset, place.shard] as const;
      if (!(await chain.client.readContract({ ...chain.agents, functionName: "gradientAdded", args }))) {
        pending.push({ datasetId: place.dataset, shard: place.shard, ...proofArgs(proof) });
      }
    }
    for (let start = 0; start < pending.length; start += BATCH) {
      await world.send(call(chain.agents, "addGradients", id!, version!.number, pending.slice(start, start + BATCH)));
    }
    again();
  };

  const steps: Step[] = [
    {
      name: "Give the agent a name on chain",
      done: id !== undefined,
      what: "One transaction, about 0.1 million gas. An agent can have many versions.",
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
      what: version ? <>Version {version.number}: {version.dataBps / 100} % of the fees go to data.</> : "One transaction, about 0.4 million gas. It fixes weights, circuits, price and the part for data.",
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
      what: `${plural(wanted.length, "dataset")}, about 0.1 million gas each. Each listing uses one version of that dataset's grant.`,
      act: version && (
        <Confirm
          label="List the datasets"
          call={call(chain.agents, "addDatasets", id, version.number, rest.slice(0, LIST_BATCH))}
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
      what: "One transaction, about 0.1 million gas. After it no dataset can be added.",
      act: version && (
        <Confirm label="Close the list" call={call(chain.agents, "close", id, version.number)} consequences={[`The list of ${plural(wanted.length, "dataset")} becomes final.`]} run={async () => { await world.send(call(chain.agents, "close", id, version.number)); again(); }} />
      ),
    },
    {
      name: "Prove the gradients",
      done: allProven,
      what: `${plural(agent.shards, "proof")} on ${server}, a few seconds each. Each proof opens the shard's committed columns once, and the weights'; the server counts openings against their budget.`,
      act: jobs.length > 0 ? (
        <>
          {jobs.map((job) => <JobView key={job} id={job} kind="gradient" done={() => reread()} />)}
          <button className="quiet" onClick={() => { localStorage.removeItem(JOBS + weights); setJobs([]); }}>Ask again</button>
        </>
      ) : (
        <Confirm label="Prove the gradients" sign="Your wallet will ask you to sign this call. That costs nothing." consequences={[`The machine ${server} makes ${plural(agent.shards, "proof")}.`, `One opening of every dataset's budget is used.`]} run={prove} />
      ),
    },
    {
      name: "Submit the gradients",
      done: version !== undefined && closed && version.shardsDone >= version.shards && version.shards > 0,
      what: `${version ? `${version.shardsDone} of ${version.shards} are on chain. ` : ""}Up to ${BATCH} in a transaction; ${gas(Statement.GRADIENT)}, each.`,
      act: (
        <Confirm
          label="Submit the gradients"
          consequences={["Every dataset's contribution becomes public, and with it its share.", "From then on the uses of the grants do not return."]}
          run={submit}
        />
      ),
    },
    {
      name: "Prove the optimum",
      done: certified || optimum !== undefined,
      what: `One proof on ${server}, some seconds, whatever the number of datasets. It opens the weights and the sum of the gradients once.`,
      act: optimumJob ? (
        <JobView id={optimumJob} kind="optimum" done={(j) => j.outcome?.outcome.case === "proof" && setOptimum(j.outcome.outcome.value)} />
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
      name: "Certify",
      done: certified,
      what: `One transaction; ${gas(Statement.OPTIMUM)}, and some 0.1 million more.`,
      act: version && optimum && (
        <Confirm
          label="Certify"
          call={call(chain.agents, "certify", id, version.number, proofArgs(optimum).inputs, proofArgs(optimum).proof)}
          consequences={["Clients can open sessions from then on.", "Fees are divided by the shares for as long as the version sells answers."]}
          run={async () => {
            await world.send(call(chain.agents, "certify", id, version.number, proofArgs(optimum).inputs, proofArgs(optimum).proof));
            again();
          }}
        />
      ),
    },
  ];

  const say = id && call(chain.agents, "setMetadata", id, JSON.stringify({ service: location.origin, about }));
  return (
    <>
      <h2>{certified ? "Certified" : "The way to a certificate"}</h2>
      {version?.status === "doubtful" && <Note kind="warning" title="A circuit behind this certificate was stopped."><p>No session can be opened with this version any more.</p></Note>}
      {certified && version ? (
        <>
          <details><summary>How it was certified</summary><Steps of={steps} /></details>
          <Shares id={id!} number={version.number} chain={chain} />
          <div className="row">
            <Certificate weights={weights} />
            <a className="button quiet" href="#/auditor">Check it</a>
          </div>
          <h2>Be found</h2>
          {who && (who.about || who.service) ? (
            <p>Clients read: “{who.about}”, served at <code>{who.service}</code>.</p>
          ) : (
            <p>Clients find agents on chain, by what their owners say about them.</p>
          )}
          <Input label="What the agent answers, in a sentence" value={about} set={setAbout} placeholder="handwritten digits, 8 by 8" />
          <Confirm label="Publish" disabled={about === ""} call={say} consequences={[<>Public for ever: this sentence, and that <code>{location.origin}</code> serves the agent.</>]} run={async () => { await world.send(say!); again(); }} />
          <Sales chain={chain} id={id!} number={version.number} weights={weights} token={token} />
        </>
      ) : (
        <Steps of={steps} />
      )}
    </>
  );
}

function Certificate({ weights }: { weights: Hex }): ReactNode {
  const { services } = useWorld();
  const [failure, setFailure] = useState<Problem>();
  return (
    <>
      <button
        onClick={() =>
          void services.agents.getCertificate({ weightsDigest: bytes(weights) }).then(
            (c) => save("certificate.json", c.certificateJson),
            (e: unknown) => setFailure(new Problem(String(e))),
          )
        }
      >
        Download the certificate
      </button>
      <Failure problem={failure} />
    </>
  );
}

function Shares({ id, number, chain }: { id: Hex; number: number; chain: Chain }): ReactNode {
  const { value, failure } = useLoad(() => shares(chain, id, number), [id, number, chain]);
  if (failure) return <Failure problem={failure} />;
  if (!value) return <Loading of="the shares" />;
  return <Bars title="Shares of the fees for data" whole={1} of={value.map((s) => ({ name: `dataset ${s.dataset.slice(0, 10)}…`, value: s.share ?? 0, text: percent(s.share ?? 0) }))} />;
}

