// An owner asks for training across nodes: writes the request here, leaves it at each participant's node from that node's own
// page, and follows what they say. Pages talk to no server but their own, so each node is asked from its own page.
import { useEffect, useState, type ReactNode } from "react";
import { parseUnits, zeroHash, type Address, type Hex } from "viem";
import { useWorld } from "../world";
import { RequestState, type TrainingRequest } from "../gen/tribute/v1/training_pb";
import { bytes, hex, isDigest, same, save, utf8 } from "../lib/bytes";
import { LINKS, type Chain } from "../lib/chain";
import { count } from "../lib/format";
import { Problem, problem } from "../lib/problem";
import { allKept, bareSchema, canonical, keep, kept, LAMBDA_UNIT, packed, readRequest, unpacked, type Participant, type Request, usualRounds } from "../lib/request";
import { server } from "../lib/service";
import { Failure, Field, FileInput, Id, Input, Loading, Note, OnChain, Private, Table, Use, useAction, useLoad } from "../parts/basics";
import { Confirm } from "../parts/confirm";
import { Participants, said, Terms } from "../parts/training";

const LIVE_MS = 2_000;
/** Openings of the weights for each shard's proof: one, and some for proofs that break off. */
const OPENINGS = 8;

const isHere = (node: string): boolean => {
  try {
    const url = new URL(node);
    return `${url.hostname}:${url.port || (url.protocol === "https:" ? 443 : 80)}` === server;
  } catch {
    return false;
  }
};

export function Across({ id, query }: { id?: string; query: URLSearchParams }): ReactNode {
  const given = query.get("request");
  const [failure, setFailure] = useState<Problem>();
  useEffect(() => {
    if (!given) return;
    try {
      location.replace(`#/owner/across/${keep(unpacked(given))}`);
    } catch (error) {
      setFailure(problem(error));
    }
  }, [given]);
  if (failure) return <Failure problem={failure} />;
  if (given) return <Loading of="the request" />;
  if (id) return <Asked id={id} />;
  return (
    <>
      <h1>Train across nodes</h1>
      <p className="lead">The records stay on their owners' machines. Each node answers rounds of sums under masks; nobody sees another's part.</p>
      <Kept />
      <h2>A new request</h2>
      <Private what="what you may ask for"><OnChain><Form /></OnChain></Private>
    </>
  );
}

function Kept(): ReactNode {
  const all = allKept();
  if (all.length === 0) return null;
  return (
    <Table
      caption="Requests that you wrote or left here, in this browser"
      rows={all}
      keyOf={(r) => r.id}
      columns={[
        { head: "What for", cell: (r) => <a href={`#/owner/across/${r.id}`}>{r.request.purpose}</a> },
        { head: "Participants", cell: (r) => count(r.request.participants.length), number: true },
        { head: "Request", cell: (r) => <Id of={r.id} name="request" /> },
      ]}
    />
  );
}

interface Registered {
  id: Hex;
  owner: Address;
  schemaId: Hex;
  records: bigint;
  shards: { digest: Hex; records: number }[];
}

/** Datasets on chain with their shards, and the agents of an account. */
async function registered(chain: Chain, account: Address) {
  const [datasets, shards, agents] = await Promise.all([
    chain.events(chain.datasets, "DatasetRegistered"),
    chain.events(chain.datasets, "ShardRegistered"),
    chain.events(chain.agents, "AgentCreated", { owner: account }),
  ]);
  const parts = shards.map((e) => e.args as { datasetId: Hex; index: number; digest: Hex; records: bigint });
  return {
    token: await chain.token(),
    agents: agents.map((e) => (e.args as { agentId: Hex }).agentId),
    datasets: datasets.map((e): Registered => {
      const { datasetId: id, owner, schemaId, records } = e.args as { datasetId: Hex; owner: Address; schemaId: Hex; records: bigint };
      const own = parts.filter((s) => same(s.datasetId, id)).sort((a, b) => a.index - b.index);
      return { id, owner, schemaId, records, shards: own.map((s) => ({ digest: s.digest, records: Number(s.records) })) };
    }),
  };
}

function Form(): ReactNode {
  const world = useWorld();
  const chain = world.chain!;
  const account = world.signer!.account;
  const [nodes, setNodes] = useState<Record<Hex, string>>({});
  const [file, setFile] = useState<string>();
  const [purpose, setPurpose] = useState("");
  const [agent, setAgent] = useState("");
  const [version, setVersion] = useState("1");
  const [attempt, setAttempt] = useState("0");
  const [lambda, setLambda] = useState("0.001");
  const [link, setLink] = useState<(typeof LINKS)[number]>("softmax");
  const [price, setPrice] = useState("0.00001");
  const [part, setPart] = useState("40");
  const action = useAction();
  const { value, failure } = useLoad(() => registered(chain, account), [chain, account], 6_000);
  if (failure && !value) return <Failure problem={failure} />;
  if (!value) return <Loading of="the datasets on chain" />;
  const chosen = value.datasets.filter((d) => d.id in nodes);
  const schemaId = chosen[0]?.schemaId;
  const whole = async (): Promise<string> => {
    const participants: Participant[] = [];
    for (const d of chosen) {
      const node = nodes[d.id]!.trim().replace(/\/$/, "");
      if (!/^https?:\/\/[\w.\-:[\]]+$/.test(node)) throw new Problem(`Say at which node dataset ${d.id.slice(0, 10)}… is: its owner knows the address, such as https://clinic.example:7410.`);
      const lot = { dataset: d.id, shards: d.shards };
      const known = participants.find((p) => same(p.account, d.owner) && p.node === node);
      if (known) known.datasets.push(lot);
      else participants.push({ account: d.owner, node, datasets: [lot] });
    }
    if (new Set(participants.map((p) => p.account)).size < 2) throw new Problem("Choose datasets of two accounts or more: the sum over one is that one's own.");
    if (!file) throw new Problem("Choose the schema that the datasets were committed with.");
    const schema = bareSchema(file, schemaId!);
    // the size of circuits that this server makes for the schema, and the datasets' nodes by default, too
    const circuits = await world.services.circuits.listCircuits({ schemaJson: utf8(schema), link: LINKS.indexOf(link) });
    const profile = (circuits.ready[0]?.shape ?? circuits.missing[0])?.profile;
    if (!profile) throw new Problem("This server does not say how large the circuits for this schema are.");
    return canonical({
      program: world.info.version,
      chain_id: chain.id,
      agent_registry: chain.agents.address,
      owner: account,
      agent: isDigest(agent) ? agent : zeroHash,
      version: Number(version),
      attempt: Number(attempt),
      purpose: purpose.trim(),
      schema,
      k: profile.k,
      columns: profile.columns,
      intercept_scale: profile.interceptScale,
      srs: hex(world.info.srsDigest),
      link,
      lambda: Math.round(Number(lambda) * LAMBDA_UNIT),
      price: parseUnits(price as `${number}`, value.token.decimals).toString(),
      data_bps: Math.round(100 * Number(part)),
      rounds: usualRounds(schema, link),
      openings: OPENINGS,
      participants,
    });
  };
  const write = async (): Promise<void> => {
    location.hash = `#/owner/across/${keep(await whole())}`;
  };
  return (
    <>
      <Table
        caption="Datasets on chain: choose those of two accounts or more"
        rows={value.datasets}
        keyOf={(d) => d.id}
        empty="No dataset is registered on this chain yet."
        columns={[
          {
            head: "Use",
            cell: (d) => (
              <Use
                dataset={d}
                schema={schemaId}
                value={d.id in nodes}
                set={(use) => {
                  const { [d.id]: _, ...rest } = nodes;
                  setNodes(use ? { ...nodes, [d.id]: "" } : rest);
                }}
              />
            ),
          },
          { head: "Dataset", cell: (d) => <Id of={d.id} name="dataset" /> },
          { head: "Owner", cell: (d) => <Id of={d.owner} name="owner" /> },
          { head: "Schema", cell: (d) => <Id of={d.schemaId} name="schema" /> },
          { head: "Records", cell: (d) => count(d.records), number: true },
        ]}
      />
      {chosen.map((d) => (
        <Input key={d.id} label={`Node that holds ${d.id.slice(0, 10)}…`} value={nodes[d.id]!} set={(node) => setNodes({ ...nodes, [d.id]: node })} placeholder="https://clinic.example:7410" />
      ))}
      <FileInput label="Schema file" accept=".json" hint="The one that all chosen datasets were committed with." set={(f) => void f.text().then(setFile)} />
      <Input label="What the agent is for" value={purpose} set={setPurpose} hint="Participants read it before they answer." />
      <Field label="Agent on chain" hint={value.agents.length === 0 ? "You have none yet: the page of any agent of yours creates one, and so does `tribute chain create-agent`." : undefined}>
        {(id, described) => (
          <select id={id} aria-describedby={described} value={agent} onChange={(e) => setAgent(e.target.value)}>
            <option value="">choose one</option>
            {value.agents.map((a) => <option key={a} value={a}>{a.slice(0, 10)}…{a.slice(-4)}</option>)}
          </select>
        )}
      </Field>
      <Input label="Version of it" value={version} set={setVersion} type="number" min={1} />
      <Input label="Requests for this version before" value={attempt} set={setAttempt} type="number" min={0} hint="Every further request needs everybody's approval again." />
      <Field label="Link function">
        {(id) => (
          <select id={id} value={link} onChange={(e) => setLink(e.target.value as typeof link)}>
            {["softmax", "logistic", "squared"].map((l) => <option key={l} value={l}>{l}</option>)}
          </select>
        )}
      </Field>
      <Input label="Regularisation λ" value={lambda} set={setLambda} type="number" min={0} step="0.0001" />
      <Input label="Price of an answer" value={price} set={setPrice} type="number" min={0} unit={value.token.symbol} />
      <Input label="Part of the fees that goes to data" value={part} set={setPart} type="number" min={0} max={100} unit="%" />
      <div className="row"><button disabled={chosen.length === 0 || purpose.trim() === "" || !isDigest(agent) || !(Number(lambda) > 0) || action.busy} onClick={() => void action.run(write)}>Write the request</button></div>
      <Failure problem={action.failure} />
    </>
  );
}

function Asked({ id }: { id: string }): ReactNode {
  const json = kept(id);
  if (!json) return <p>This browser does not know that request: open the link from the page on which you wrote it. <a href="#/owner/across">All requests</a></p>;
  const request = readRequest(json);
  return (
    <>
      <h1>Your request to train across nodes</h1>
      <Terms request={request} />
      <Private what="what its participants say"><Follow json={json} id={id} request={request} /></Private>
    </>
  );
}

/** What the participants at this node have said; `undefined` for those who were not asked yet. */
type Said = Map<string, TrainingRequest | undefined>;

function Follow({ json, id, request }: { json: string; id: string; request: Request }): ReactNode {
  const { services, signer } = useWorld();
  const here = request.participants.filter((p) => isHere(p.node));
  const elsewhere = [...new Set(request.participants.filter((p) => !isHere(p.node)).map((p) => p.node))];
  const { value, failure, again } = useLoad(
    async (): Promise<Said> => {
      const found = await Promise.all(
        here.map((p) =>
          services.trainings.getTrainingRequest({ id: bytes(id), account: bytes(p.account) }).catch((error: unknown) => {
            if (problem(error).reason === "NOT_FOUND") return undefined;
            throw error;
          }),
        ),
      );
      return new Map(here.map((p, i) => [p.account, found[i]]));
    },
    [id, signer?.account],
    LIVE_MS,
  );
  if (failure && !value) return <Failure problem={failure} />;
  if (!value) return <Loading of="the participants' answers" />;
  const waiting = here.filter((p) => !value.get(p.account));
  const approved = here.filter((p) => value.get(p.account)?.state === RequestState.APPROVED).length;
  const declined = here.find((p) => value.get(p.account)?.state === RequestState.DECLINED);
  return (
    <>
      <Participants
        request={request}
        more={[
          { head: "Says", cell: (p) => (isHere(p.node) ? <>{said(value.get(p.account)?.state)}{value.get(p.account)?.reason && <>: {value.get(p.account)!.reason}</>}</> : "see its node's page") },
          { head: "Rounds answered", cell: (p) => (value.get(p.account) ? `${count(value.get(p.account)!.roundsAnswered)} of at most ${count(request.rounds)}` : ""), number: true },
        ]}
      />
      {waiting.length > 0 && (
        <Confirm
          label="Leave the request at this node"
          sign="Your wallet will ask you to sign this call. That costs nothing."
          consequences={[`The machine ${server} shows the request to ${waiting.map((p) => `${p.account.slice(0, 8)}…`).join(", ")}, who approve on their terms or decline.`, "Nothing is computed yet."]}
          run={async () => {
            await services.trainings.askTraining({ requestJson: utf8(json) });
            again();
          }}
        />
      )}
      {elsewhere.length > 0 && (
        <Note title="The other nodes have pages of their own.">
          <p>This page talks to <code>{server}</code> alone. Open each node's page, and leave the request there; it also shows what is answered there.</p>
          <ul>{elsewhere.map((node) => <li key={node}><a href={`${node}/#/owner/across?request=${packed(json)}`} target="_blank" rel="noreferrer">{node}</a></li>)}</ul>
        </Note>
      )}
      {declined && <Note kind="warning" title={`${declined.account.slice(0, 8)}… declined.`}><p>Write another request, without it or on other terms.</p></Note>}
      <h2>Then train</h2>
      <p>
        {approved === here.length && here.length > 0 ? "All participants at this node have approved. " : ""}
        When all have approved, the rounds run from your own machine, which alone talks to all nodes: <code>tribute request train request.json</code>. This page follows
        them, and the agent appears on the server that the command names.
      </p>
      <div className="row"><button className="quiet" onClick={() => save("request.json", utf8(json))}>Save request.json</button></div>
    </>
  );
}
