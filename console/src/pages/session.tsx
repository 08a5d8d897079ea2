// A client's session: ask by form, text or table, see answers and receipts, get back what is left.
import { useState, type ReactNode } from "react";
import { keccak256, type Hex } from "viem";
import { useWorld } from "../world";
import type { Session } from "../gen/tribute/v1/session_pb";
import { bytes, hex, isDigest, same, text } from "../lib/bytes";
import { call, type Chain, type Token } from "../lib/chain";
import { queries } from "../lib/csv";
import { amount, count, plural, when } from "../lib/format";
import { problem, Problem } from "../lib/problem";
import { classes, inputs, parseSchema, quantise, type Schema } from "../lib/schema";
import { server, services } from "../lib/service";
import { ask, keyOf, load, settle, start, type Saved } from "../lib/session";
import { keySigner } from "../lib/wallet";
import { Check, Facts, Failure, Field, FileInput, Id, Input, Loading, Note, OnChain, Table, useAction, useLoad } from "../parts/basics";
import { Confirm } from "../parts/confirm";

/** Features up to which a form is of use. */
const FORM = 80;
/** Answers shown. */
const SHOWN = 20;
const LIVE_MS = 4_000;

export function SessionPage({ id }: { id: string }): ReactNode {
  if (!isDigest(id)) return <p>This is not a session.</p>;
  return <OnChain><Content id={id} /></OnChain>;
}

function Content({ id }: { id: Hex }): ReactNode {
  const world = useWorld();
  const chain = world.chain!;
  const [turn, setTurn] = useState(0);
  const onChain = useLoad(async () => {
    const [entry, token, block] = await Promise.all([
      chain.client.readContract({ ...chain.escrow, functionName: "getSession", args: [id] }),
      chain.token(),
      chain.client.getBlock(),
    ]);
    return { entry, token, now: block.timestamp };
  }, [chain, id, turn], LIVE_MS);
  const entry = onChain.value?.entry;
  const key = entry && keyOf(entry.sessionKey);
  const served = useLoad(async () => {
    if (!entry || !key) return undefined;
    const calls = services(world.info, keySigner(key));
    const version = await chain.client.readContract({ ...chain.agents, functionName: "getVersion", args: [entry.agentId, entry.version] });
    // a session that is served already stays as it is
    const session = await calls.sessions
      .getSession({ session: bytes(id) })
      .catch(() => calls.sessions.openSession({ session: bytes(id), weightsDigest: bytes(version.wDigest) }));
    if (!same(hex(session.id), id) || !same(keccak256(session.schemaJson), version.schemaId)) {
      throw new Problem("The server speaks of another session, or has another schema than this agent has on the chain. Do not ask it.", "CHAIN_DIFFERS");
    }
    return { calls, session };
  }, [id, key]);
  if (onChain.failure && !onChain.value) return <Failure problem={onChain.failure} />;
  if (!entry || !onChain.value) return <Loading of="the session" />;
  if (/^0x0+$/.test(entry.client)) return <p>The escrow contract has no such session.</p>;
  const { token, now } = onChain.value;
  return (
    <>
      <h1>Session</h1>
      <p><Id of={id} name="session" /> with agent <Id of={entry.agentId} name="agent" />, version {entry.version}. <a href="#/client">All sessions</a></p>
      {!key ? (
        <Note kind="warning" title="The key of this session is not in this browser.">
          <p>Only the browser that opened the session can ask. The client <code>{entry.client}</code> can still get the money back.</p>
        </Note>
      ) : served.failure ? (
        <><Failure problem={served.failure} /><button onClick={served.again}>Try again</button></>
      ) : !served.value ? (
        <Loading of="the session from the server" />
      ) : (
        <Asking id={id} sessionKey={key} calls={served.value.calls} session={served.value.session} entry={entry} token={token} chain={chain} told={() => setTurn((n) => n + 1)} />
      )}
      <Refund id={id} entry={entry} token={token} now={now} chain={chain} told={() => setTurn((n) => n + 1)} />
    </>
  );
}

type Entry = Awaited<ReturnType<typeof entryOf>>;
const entryOf = (chain: Chain, id: Hex) => chain.client.readContract({ ...chain.escrow, functionName: "getSession", args: [id] });

function Asking({ id, sessionKey, calls, session, entry, token, chain, told }: {
  id: Hex; sessionKey: Hex; calls: ReturnType<typeof services>; session: Session; entry: Entry; token: Token; chain: Chain; told(): void;
}): ReactNode {
  const schema = parseSchema(text(session.schemaJson));
  const columns = inputs(schema);
  const [state, setState] = useState<Saved | undefined>(() => load(id) ?? (session.count === 0n && entry.count === 0n ? start(id, entry.version, chain.id, chain.escrow.address, entry.transcript) : undefined));
  const [values, setValues] = useState<string[]>(() => schema.features.map(() => ""));
  const [pasted, setPasted] = useState("");
  const [way, setWay] = useState<"form" | "text">(schema.features.length <= FORM ? "form" : "text");
  const [clamp, setClamp] = useState(false);
  const action = useAction();
  if (!state) {
    return <Note kind="warning" title="This browser has no account of the session's answers."><p>It cannot sign for answers that it does not know. Get the rest of your money back below, and open another session.</p></Note>;
  }
  const unpaid = BigInt(state.count) - entry.paid;
  const left = entry.pricePerQuery > 0n ? entry.remaining / entry.pricePerQuery - unpaid : 0n;
  const rows = (): number[][] => (way === "form" ? [values.map((v) => (v.trim() === "" ? NaN : Number(v)))] : queries(pasted, schema));
  const send = (): Promise<boolean> =>
    action.run(async () => {
      let known = state;
      const wanted = rows().map((row) => quantise(schema, row, clamp));
      if (BigInt(wanted.length) > left) throw new Problem(`The escrow covers ${count(left)} more answers; you ask for ${wanted.length}.`, "ESCROW_SHORT");
      try {
        for (const query of wanted) {
          known = await ask(calls, sessionKey, known, classes(schema), query);
          setState(known);
        }
        await settle(calls, known);
      } catch (error) {
        setState(load(id) ?? known);
        throw problem(error);
      }
      told();
    });
  const last = state.answers.at(-1);
  return (
    <>
      <Facts of={[["Answers so far", count(state.count)], ["Answers left", count(left < 0n ? 0n : left)], ["Price of an answer", amount(entry.pricePerQuery, token)], ["Left in escrow", amount(entry.remaining, token)], ["Claimed by the owner", count(entry.paid)]]} />
      <h2>Ask</h2>
      <Note title={`The machine ${server} and the agent's owner will see your query.`}><p>For each answer this browser signs a voucher with the session key. The key can spend this session's escrow, {amount(entry.pricePerQuery, token)} at a time, and nothing else.</p></Note>
      <div className="row" role="group" aria-label="How to ask">
        <button className={way === "form" ? "small" : "small quiet"} aria-pressed={way === "form"} onClick={() => setWay("form")}>One by form</button>
        <button className={way === "text" ? "small" : "small quiet"} aria-pressed={way === "text"} onClick={() => setWay("text")}>As text or CSV</button>
      </div>
      {way === "form" ? <Form schema={schema} values={values} set={setValues} /> : (
        <>
          <FileInput label="A CSV file of queries" accept=".csv,text/csv,text/plain" set={(f) => void f.text().then(setPasted)} />
          <Field label="Queries, one a line" hint={`${plural(columns.length, "value")} a line, in the schema's order: ${columns.slice(0, 4).map((c) => c.name).join(", ")}${columns.length > 4 ? ", …" : ""}`}>
            {(fieldId, described) => <textarea id={fieldId} aria-describedby={described} value={pasted} onChange={(e) => setPasted(e.target.value)} />}
          </Field>
        </>
      )}
      <Check label="Accept values outside the schema's ranges; they count as the nearest end" value={clamp} set={setClamp} />
      <div className="row">
        <button disabled={action.busy || left <= 0n} onClick={() => void send()}>{action.busy ? "Asking…" : "Ask"}</button>
        {state.pending && !action.busy && <span className="soft">An answer was lost on the way; it will be asked for again, and is paid once.</span>}
      </div>
      <Failure problem={action.failure} />
      {last && (
        <div className="card" aria-live="polite">
          <p className="soft">The last answer</p>
          <p className="answer">{last.label}</p>
        </div>
      )}
      <h2>Answers and receipts</h2>
      <Table
        caption="The latest, newest first. Each receipt extends the one before; this browser computed it itself and signed for it."
        rows={[...state.answers].map((a, i) => ({ ...a, n: i + 1 })).reverse().slice(0, SHOWN)}
        keyOf={(a) => String(a.n)}
        empty="You have asked nothing yet."
        columns={[
          { head: "No.", cell: (a) => a.n, number: true },
          { head: "Answer", cell: (a) => a.label },
          { head: "Receipt", cell: (a) => <Id of={a.transcript} name="receipt" /> },
          { head: "When", cell: (a) => when(a.at) },
        ]}
      />
    </>
  );
}

function Form({ schema, values, set }: { schema: Schema; values: string[]; set(values: string[]): void }): ReactNode {
  const at = (i: number, value: string): void => set(values.map((v, j) => (j === i ? value : v)));
  const grouped = new Set(schema.categories.flatMap((c) => c.values.map((_, j) => c.first + j)));
  return (
    <fieldset>
      <legend>One record</legend>
      {schema.categories.map((c) => (
        <Field key={c.column} label={c.column}>
          {(id) => (
            <select
              id={id}
              value={c.values.findIndex((_, j) => values[c.first + j] === "1")}
              onChange={(e) => set(values.map((v, i) => (i >= c.first && i < c.first + c.values.length ? (i - c.first === Number(e.target.value) ? "1" : "0") : v)))}
            >
              <option value={-1}>choose</option>
              {c.values.map((v, j) => <option key={v} value={j}>{v}</option>)}
            </select>
          )}
        </Field>
      ))}
      <div className="features">
        {schema.features.map((f, i) => grouped.has(i) ? null : (
          <Input key={f.name} label={f.name} value={values[i] ?? ""} set={(v) => at(i, v)} type="number" hint={`${f.lo} to ${f.hi}`} />
        ))}
      </div>
    </fieldset>
  );
}

function Refund({ id, entry, token, now, chain, told }: { id: Hex; entry: Entry; token: Token; now: bigint; chain: Chain; told(): void }): ReactNode {
  const world = useWorld();
  const mine = world.signer && same(world.signer.account, entry.client);
  const thaw = call(chain.escrow, "requestThaw", id, 2n ** 128n - 1n);
  const cancel = call(chain.escrow, "cancelThaw", id);
  const withdraw = call(chain.escrow, "withdrawThawed", id);
  const thawing = entry.thawEnd > 0n;
  const over = thawing && now >= entry.thawEnd;
  return (
    <>
      <h2>Get the rest back</h2>
      {entry.remaining === 0n ? <p>Nothing is left in escrow.</p> : !mine ? (
        <p>The client's account <code>{entry.client}</code> can get back what is left.</p>
      ) : !thawing ? (
        <Confirm
          label={`Ask for what is left, up to ${amount(entry.remaining, token)}`}
          call={thaw}
          consequences={["The server answers no more queries of this session.", "The owner has the thaw period to claim the answers that you signed for. The rest is yours after that."]}
          run={async () => { await world.send(thaw); told(); }}
        />
      ) : (
        <>
          <p role="status">{over ? "The thaw has ended." : `The thaw ends in ${count(entry.thawEnd - now)} seconds, by the chain's clock.`}</p>
          <div className="row">
            <Confirm label="Take it back" disabled={!over} call={withdraw} consequences={[`Up to ${amount(entry.remaining, token)} move to your account.`]} run={async () => { await world.send(withdraw); told(); }} />
            <Confirm label="Keep the session instead" call={cancel} consequences={["The session goes on as before."]} run={async () => { await world.send(cancel); told(); }} />
          </div>
        </>
      )}
    </>
  );
}
