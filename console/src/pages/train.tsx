// Training: choose datasets on chain, ask their owners for what is missing, say the loss.
import { useState, type ReactNode } from "react";
import type { Address, Hex } from "viem";
import { useWorld } from "../world";
import { Link } from "../gen/tribute/v1/common_pb";
import { bytes, hex, same } from "../lib/bytes";
import { LINKS } from "../lib/chain";
import { bps, count, plural } from "../lib/format";
import { Problem } from "../lib/problem";
import { LAMBDA_UNIT } from "../lib/request";
import { server } from "../lib/service";
import { Failure, Field, Id, Input, Loading, Note, OnChain, Private, Table, Use, useLoad } from "../parts/basics";
import { Confirm } from "../parts/confirm";
import { JobView } from "../parts/job";

export function Train({ query }: { query: URLSearchParams }): ReactNode {
  return (
    <>
      <h1>Train an agent</h1>
      <Private what="what you may train on"><OnChain><Form query={query} /></OnChain></Private>
    </>
  );
}

interface Registered {
  id: Hex;
  owner: Address;
  schemaId: Hex;
  records: bigint;
  terms: { minDataBps: number; minShareBps: number; openTraining: boolean };
  may: boolean;
}

function Form({ query }: { query: URLSearchParams }): ReactNode {
  const world = useWorld();
  const chain = world.chain!;
  const account = world.signer!.account;
  const [chosen, setChosen] = useState<Hex[]>(query.getAll("dataset") as Hex[]);
  const [name, setName] = useState("");
  const [lambda, setLambda] = useState("0.001");
  const [link, setLink] = useState<number>(Link.SOFTMAX);
  const [job, setJob] = useState<string>();
  const [made, setMade] = useState<string>();
  const { value, failure } = useLoad(async () => {
    const events = await chain.events(chain.datasets, "DatasetRegistered");
    return Promise.all(
      events.map(async (e): Promise<Registered> => {
        const { datasetId: id, schemaId, records, terms } = e.args as unknown as Registered & { datasetId: Hex };
        const [owner, may] = await Promise.all([
          chain.client.readContract({ ...chain.datasets, functionName: "datasetOwner", args: [id] }),
          chain.client.readContract({ ...chain.datasets, functionName: "mayTrain", args: [id, account] }),
        ]);
        return { id, owner, schemaId, records, terms, may };
      }),
    );
  }, [chain, account], 4_000);
  if (failure && !value) return <Failure problem={failure} />;
  if (!value) return <Loading of="the datasets on chain" />;
  const schema = value.find((d) => chosen.includes(d.id))?.schemaId;
  const missing = value.filter((d) => chosen.includes(d.id) && !d.may);
  const units = Math.round(Number(lambda) * LAMBDA_UNIT);
  if (made) {
    return <Note kind="good" title="Your agent is trained."><p>Next: certify it.</p><a className="button" href={`#/owner/agent/${made}`}>Open the agent</a></Note>;
  }
  return (
    <>
      <p className="lead">Choose datasets with the same schema. What you may not use yet, you can ask its owner for. Records that stay on their owners' machines are trained on <a href="#/owner/across">across nodes</a>.</p>
      <Table
        caption="Datasets on chain"
        rows={value}
        keyOf={(d) => d.id}
        empty="No dataset is registered on this chain yet."
        columns={[
          {
            head: "Use",
            cell: (d) => (
              <Use
                dataset={d}
                schema={schema}
                value={chosen.includes(d.id)}
                set={(use) => setChosen(use ? [...chosen, d.id] : chosen.filter((id) => id !== d.id))}
              />
            ),
          },
          { head: "Dataset", cell: (d) => <Id of={d.id} name="dataset" /> },
          { head: "Owner", cell: (d) => (same(d.owner, account) ? "you" : <Id of={d.owner} name="owner" />) },
          { head: "Schema", cell: (d) => <Id of={d.schemaId} name="schema" /> },
          { head: "Records", cell: (d) => count(d.records), number: true },
          { head: "Least part for data", cell: (d) => bps(d.terms.minDataBps), number: true },
          { head: "You may train", cell: (d) => (d.may ? "yes" : "not yet") },
        ]}
      />
      {missing.map((d) => (
        <Note key={d.id} title="Ask this dataset's owner">
          <p>
            Send this link to the owner of <Id of={d.id} name="dataset" />, by a way that they trust. They see your account, and
            approve on their terms or decline. This page notices when they have.
          </p>
          <RequestLink dataset={d.id} to={account} link={LINKS[link] ?? ""} />
        </Note>
      ))}
      <h2>The agent</h2>
      <Input label="Name, for you" value={name} set={setName} placeholder="digits" />
      <Field label="Link function" hint="Softmax: exactly one class is right. Logistic: one question for each class. Squared: least squares.">
        {(id, described) => (
          <select id={id} aria-describedby={described} value={link} onChange={(e) => setLink(Number(e.target.value))}>
            {[Link.SOFTMAX, Link.LOGISTIC, Link.SQUARED].map((l) => <option key={l} value={l}>{LINKS[l]}</option>)}
          </select>
        )}
      </Field>
      <Input label="Regularisation λ" value={lambda} set={setLambda} type="number" min={0} step="0.0001" hint="How strongly large weights are held back. Without it there is no optimum to certify." />
      {job ? (
        <JobView id={job} kind="train" done={(j) => j.outcome?.outcome.case === "agent" && setMade(hex(j.outcome.outcome.value.agent!.weightsDigest))} />
      ) : (
        <Confirm
          label="Train"
          disabled={chosen.length === 0 || missing.length > 0 || !(units > 0)}
          sign="Your wallet will ask you to sign this call. That costs nothing."
          consequences={[
            <>The machine <code>{server}</code> trains on {plural(chosen.length, "dataset")} that it holds, and keeps the weights, sealed, for you.</>,
            "It counts as one training under each grant on this server. Nothing is published.",
          ]}
          run={async () => {
            if (missing.length > 0) throw new Problem("Some owners have not granted you training yet.");
            const work = { terms: { datasetIds: chosen.map(bytes), lambda: BigInt(units), link }, name };
            const { job: queued } = await world.services.agents.trainAgent({ work });
            setJob(queued!.id);
          }}
        />
      )}
    </>
  );
}

function RequestLink({ dataset, to, link }: { dataset: string; to: string; link: string }): ReactNode {
  const url = `${location.origin}/#/provider/request?${new URLSearchParams({ dataset, to, uses: "1", link })}`;
  const [copied, setCopied] = useState(false);
  return (
    <>
      <p><code data-request={dataset}>{url}</code></p>
      <button className="small quiet" onClick={() => void navigator.clipboard?.writeText(url).then(() => setCopied(true), () => {})}>{copied ? "Copied" : "Copy the link"}</button>
    </>
  );
}
