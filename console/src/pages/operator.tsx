import type { ReactNode } from "react";
import { useWorld } from "../world";
import { hex } from "../lib/bytes";
import { count } from "../lib/format";
import { server } from "../lib/service";
import { Facts, Failure, Id, Loading, OnChain, Private, Table, useLoad } from "../parts/basics";
import { Node } from "./auditor";
import { Overview } from "./overview";
import { Jobs } from "./owner";

const STATEMENTS = ["", "dataset", "gradient", "optimum", "evaluation", "service"];

export function Operator(): ReactNode {
  const { info } = useWorld();
  return (
    <>
      <h1>This server</h1>
      <Facts
        of={[
          ["Known to you as", server],
          ["Version", info.version],
          ["Chain", info.chainId === 0n ? "none" : String(info.chainId)],
          ["Circuits", `2^${info.defaultProfile?.k ?? 0} rows, ${info.defaultProfile?.columns || "as many data columns as fit the schema"}`],
          ["Parameters", info.developmentSrs ? "development: anybody can forge" : "a ceremony's"],
        ]}
      />
      <p>Instance <Id of={hex(info.instance)} name="instance" />: what you sign for this server is worth nothing at another.</p>
      <Node />
      <Private what="its queue, workers and health, and your jobs here">
        <Overview />
        <Jobs />
      </Private>
      <OnChain><Circuits /></OnChain>
    </>
  );
}

function Circuits(): ReactNode {
  const chain = useWorld().chain!;
  const { value, failure } = useLoad(async () => {
    const number = Number(await chain.client.readContract({ ...chain.gate, functionName: "circuitCount" }));
    return Promise.all(
      Array.from({ length: number }, async (_, i) => {
        const id = await chain.client.readContract({ ...chain.gate, functionName: "circuitAt", args: [BigInt(i)] });
        const [info, stopped] = await Promise.all([
          chain.client.readContract({ ...chain.gate, functionName: "circuit", args: [id] }),
          chain.client.readContract({ ...chain.gate, functionName: "isStopped", args: [id] }),
        ]);
        return { id, info, stopped };
      }),
    );
  }, [chain]);
  if (failure) return <Failure problem={failure} />;
  if (!value) return <Loading of="the circuits on chain" />;
  return (
    <>
      <h2>Circuits on chain</h2>
      <Table
        caption="What the proof gate accepts"
        rows={value}
        keyOf={(c) => c.id}
        empty="No circuit is registered yet: `tribute circuits add` does it."
        columns={[
          { head: "Statement", cell: (c) => STATEMENTS[c.info.statement] ?? String(c.info.statement) },
          { head: "Circuit", cell: (c) => <Id of={c.id} name="circuit" /> },
          { head: "Verifier", cell: (c) => <Id of={c.info.verifier} name="verifier" /> },
          { head: "Gas cap", cell: (c) => count(c.info.gasCap), number: true },
          { head: "State", cell: (c) => (c.stopped ? <span className="bad">stopped</span> : "in force") },
        ]}
      />
    </>
  );
}
