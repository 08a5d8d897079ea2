import { useState, type ReactNode } from "react";
import type { Hex } from "viem";
import { useWorld } from "../world";
import { amount, count, plural } from "../lib/format";
import { offers } from "../lib/reads";
import { keyOf, load } from "../lib/session";
import { Failure, Id, Input, Loading, OnChain, Table, useLoad } from "../parts/basics";

export function Client(): ReactNode {
  return (
    <>
      <h1>Ask a certified agent</h1>
      <p className="lead">You pay into escrow, ask, and sign for each answer. What you do not use, you get back.</p>
      <OnChain>
        <Find />
        <Sessions />
      </OnChain>
    </>
  );
}

function Find(): ReactNode {
  const chain = useWorld().chain!;
  const [wanted, setWanted] = useState("");
  const { value, failure } = useLoad(async () => ({ all: await offers(chain), token: await chain.token() }), [chain], 6_000);
  if (failure && !value) return <Failure problem={failure} />;
  if (!value) return <Loading of="agents" />;
  const text = wanted.toLowerCase();
  const found = value.all.filter((a) => `${a.name} ${a.about}`.toLowerCase().includes(text));
  return (
    <>
      <Input label="What do you want to ask about?" value={wanted} set={setWanted} type="search" placeholder="digits" />
      <p role="status" className="soft">{plural(found.length, "agent")} with a certificate on this chain</p>
      <div className="grid">
        {found.map((a) => (
          <section className="card" key={a.id}>
            <h2>{a.name || "Agent without a name"}</h2>
            <p>{a.about || "Its owner says nothing about it."}</p>
            <p className="soft">
              {amount(a.version.pricePerQuery, value.token)} an answer. Learnt from {plural(a.version.datasets, "dataset")} with {count(a.version.records)} records;{" "}
              {a.version.dataBps / 100} % of the fees go to their owners.
            </p>
            {a.version.status !== "certified" && <p className="bad">A circuit behind its certificate was stopped: it takes no new sessions.</p>}
            <div className="row">
              {a.version.status === "certified" && <a className="button" href={`#/client/agent/${a.id}/${a.version.number}`}>Look closer</a>}
            </div>
          </section>
        ))}
      </div>
    </>
  );
}

function Sessions(): ReactNode {
  const { chain, signer } = useWorld();
  const { value, failure } = useLoad(async () => {
    if (!signer) return undefined;
    const token = await chain!.token();
    const events = await chain!.events(chain!.escrow, "SessionOpened", { client: signer.account });
    const rows = await Promise.all(
      events.map(async (e) => {
        const session = (e.args as { session: Hex }).session;
        return { session, ...(await chain!.client.readContract({ ...chain!.escrow, functionName: "getSession", args: [session] })) };
      }),
    );
    return { token, rows: rows.reverse() };
  }, [chain, signer?.account]);
  if (!signer) return null;
  if (failure) return <Failure problem={failure} />;
  if (!value) return <Loading of="your sessions" />;
  return (
    <>
      <h2>Your sessions</h2>
      <Table
        caption="Sessions that this account opened"
        rows={value.rows}
        keyOf={(s) => s.session}
        empty="You have opened no session yet."
        columns={[
          { head: "Session", cell: (s) => <a href={`#/client/session/${s.session}`}>{s.session.slice(0, 10)}…</a> },
          { head: "Agent", cell: (s) => <Id of={s.agentId} name="agent" /> },
          { head: "Answers here", cell: (s) => count(load(s.session)?.count ?? 0), number: true },
          { head: "Left in escrow", cell: (s) => amount(s.remaining, value.token), number: true },
          { head: "Key", cell: (s) => (keyOf(s.sessionKey) ? "in this browser" : "elsewhere") },
        ]}
      />
    </>
  );
}
