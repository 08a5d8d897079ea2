// A certified version, for its owner: shares, certificate, accuracy on other records, what clients read, what it sells.
import { useState, type ReactNode } from "react";
import type { Hex } from "viem";
import { useWorld } from "../world";
import type { Agent } from "../gen/tribute/v1/agent_pb";
import { Statement } from "../gen/tribute/v1/common_pb";
import { filedProof, parse } from "../lib/files";
import { bytes, hex, same, save, text } from "../lib/bytes";
import { call, type Chain, type Token } from "../lib/chain";
import { count, percent, seconds } from "../lib/format";
import { accuracies, shares, type OnChainAgent } from "../lib/reads";
import { server } from "../lib/service";
import { Failure, Field, Input, Loading, useAction, useLoad } from "../parts/basics";
import { Accuracies, Bars } from "../parts/chart";
import { Confirm } from "../parts/confirm";
import { JobView } from "../parts/job";
import { Sales } from "./sales";

export function Certified({ agent, weights, id, version, who, token, again }: { agent: Agent; weights: Hex; id: Hex; version: number; who: OnChainAgent | undefined; token: Token; again(): void }): ReactNode {
  const chain = useWorld().chain!;
  return (
    <>
      <Shares id={id} number={version} chain={chain} />
      <div className="row">
        <Certificate weights={weights} />
        <a className="button quiet" href="#/auditor">Check it</a>
      </div>
      <Accuracy agent={agent} weights={weights} id={id} number={version} chain={chain} />
      <Found id={id} who={who} again={again} />
      <Sales chain={chain} id={id} number={version} weights={weights} token={token} />
    </>
  );
}

function Certificate({ weights }: { weights: Hex }): ReactNode {
  const { services } = useWorld();
  const { failure, run } = useAction();
  return (
    <>
      <button onClick={() => void run(async () => save("certificate.json", (await services.agents.getCertificate({ weightsDigest: bytes(weights) })).certificateJson))}>
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

function Found({ id, who, again }: { id: Hex; who: OnChainAgent | undefined; again(): void }): ReactNode {
  const world = useWorld();
  const [about, setAbout] = useState("");
  const say = call(world.chain!.agents, "setMetadata", id, JSON.stringify({ service: location.origin, about }));
  return (
    <>
      <h2>Be found</h2>
      {who && (who.about || who.service) ? (
        <p>Clients read: “{who.about}”, served at <code>{who.service}</code>.</p>
      ) : (
        <p>Clients find agents on chain, by what their owners say about them.</p>
      )}
      <Input label="What the agent answers, in a sentence" value={about} set={setAbout} placeholder="handwritten digits, 8 by 8" />
      <Confirm label="Publish" disabled={about === ""} call={say} consequences={[<>Public for ever: this sentence, and that <code>{location.origin}</code> serves the agent.</>]} run={async () => { await world.send(say); again(); }} />
    </>
  );
}

/** Datasets of this server that an accuracy can be proven on: the owner's own, with the agent's schema, not trained on. */
async function fitting(world: ReturnType<typeof useWorld>, agent: Agent): Promise<{ id: Hex; records: bigint; registered: boolean }[]> {
  const trained = (agent.terms?.datasetIds ?? []).map(hex);
  const { datasets } = await world.services.datasets.listDatasets({});
  const schema = text(agent.schemaJson);
  const fit = datasets.filter((d) => text(d.schemaJson) === schema && !trained.includes(hex(d.id)));
  const chain = world.chain!;
  return Promise.all(
    fit.map(async (d) => {
      const owner = await chain.client.readContract({ ...chain.datasets, functionName: "datasetOwner", args: [hex(d.id)] }).catch(() => undefined);
      return { id: hex(d.id), records: d.records, registered: owner !== undefined && !/^0x0+$/.test(owner) };
    }),
  );
}

/** Accuracy on records that the agent was not trained on: proven here, then counted by the contract. */
function Accuracy({ agent, weights, id, number, chain }: { agent: Agent; weights: Hex; id: Hex; number: number; chain: Chain }): ReactNode {
  const world = useWorld();
  const [chosen, setChosen] = useState("");
  const [job, setJob] = useState<string>();
  const [made, setMade] = useState<Uint8Array>();
  const file = made && parse(text(made)).evaluation;
  const known = useLoad(() => accuracies(chain, id, number), [id, number, chain]);
  const datasets = useLoad(() => fitting(world, agent), [weights, chain]);
  const circuits = useLoad(() => world.services.circuits.listCircuits({ schemaJson: agent.schemaJson, profile: agent.profile, link: agent.terms?.link, evaluation: true }), [weights]).value;
  const circuit = circuits?.ready.find((c) => c.shape?.statement === Statement.EVALUATION);
  const estimate = useLoad(
    async () => (chosen ? world.services.jobs.estimate({ work: { work: { case: "evaluation", value: { weightsDigest: bytes(weights), datasetId: bytes(chosen) } } } }) : undefined),
    [weights, chosen],
  );
  if (known.failure) return <Failure problem={known.failure} />;
  if (!known.value || !datasets.value) return <Loading of="accuracies" />;
  const open = datasets.value.filter((d) => !known.value!.some((a) => same(a.dataset, d.id)));
  const picked = open.find((d) => d.id === chosen);
  const submit = file && circuit && call(chain.evaluations, "evaluate", id, number, file.dataset.dataset_id, hex(circuit.circuitId), file.dataset.shards.map((s, shard) => ({ shard, ...filedProof(s.evaluation_proof) })));
  const reset = (): void => {
    setJob(undefined);
    setMade(undefined);
    setChosen("");
    known.again();
  };
  return (
    <>
      <h2>Accuracy on other records</h2>
      <Accuracies of={known.value} />
      {file && submit ? (
        <>
          <p>Proven: right on {percent(file.dataset.correct / file.dataset.records)} of {count(file.dataset.records)} records.</p>
          <Confirm label="Publish this accuracy" call={submit} consequences={["The contract checks the proofs and counts. Everybody sees on how many records of that dataset the agent is right."]} run={async () => { await world.send(submit); reset(); }} />
          <button className="quiet" onClick={() => save("evaluation.json", made!)}>Save the evaluation</button>
        </>
      ) : job ? (
        <JobView id={job} kind="evaluation" done={(j) => j.outcome?.outcome.case === "evaluation" && setMade(j.outcome.outcome.value.evaluationJson)} />
      ) : open.length === 0 ? (
        <p className="soft">To prove one, commit to a dataset with the agent's schema on this server that it was not trained on.</p>
      ) : (
        <>
          <Field label="Dataset of yours that it was not trained on">
            {(fieldId) => (
              <select id={fieldId} value={chosen} onChange={(e) => setChosen(e.target.value)}>
                <option value="">choose one</option>
                {open.map((d) => <option key={d.id} value={d.id}>{d.id.slice(0, 10)}…, {count(d.records)} records{d.registered ? "" : ", not on chain"}</option>)}
              </select>
            )}
          </Field>
          <Failure problem={estimate.failure} />
          <Confirm
            label="Prove the accuracy"
            disabled={!picked?.registered || !circuit}
            sign="Your wallet will ask you to sign this call. That costs nothing."
            consequences={[
              `The machine ${server} makes a proof for each shard${estimate.value && estimate.value.seconds > 0 ? `, about ${seconds(1000 * estimate.value.seconds)}` : ""}.`,
              `It uses ${count(estimate.value?.openings ?? 1n)} of the openings of that dataset.`,
              "Nothing is published by this.",
            ]}
            run={async () => {
              const work = { weightsDigest: bytes(weights), datasetId: bytes(chosen) };
              setJob((await world.services.agents.evaluateAgent({ work })).job!.id);
            }}
          />
          {picked && !picked.registered && <p className="soft">Register that dataset on chain first, on its page.</p>}
          {circuits && !circuit && <p className="soft">The circuit for accuracies is not ready for this schema: the operator adds it (tribute circuits add).</p>}
        </>
      )}
    </>
  );
}
