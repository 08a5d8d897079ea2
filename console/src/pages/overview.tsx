// The whole server, for its operators: what waits, who works, what runs out, what answers.
import type { ReactNode } from "react";
import { useWorld } from "../world";
import type { Overview as State, WorkerStatus } from "../gen/tribute/v1/operator_service_pb";
import { count, percent, plural, seconds, size, when } from "../lib/format";
import { kindName } from "../lib/words";
import { Facts, Failure, Id, Loading, Note, Table, useLoad } from "../parts/basics";

const LIVE_MS = 2_000;
/** Openings below which a commitment is worth a warning: some ten proofs. */
const FEW = 16n;
/** Part of the disk below which it is nearly full. */
const NEARLY_FULL = 0.1;

export function Overview(): ReactNode {
  const { services, signer } = useWorld();
  const { value, failure } = useLoad(() => services.operators.getOverview({}), [signer?.account], LIVE_MS);
  if (failure?.reason === "NOT_ALLOWED") {
    return (
      <Note title="Everybody's queue, the workers and the server's health are shown to its operators alone.">
        <p>Your account is none. Whoever starts the server names them: <code>tribute serve --operator {signer?.account}</code></p>
      </Note>
    );
  }
  if (failure && !value) return <Failure problem={failure} />;
  if (!value) return <Loading of="the server's state" />;
  return (
    <div data-live={String(value.nowMs)}>
      {failure && <Failure problem={failure} />}
      <Health of={value} />
      <Queue of={value} />
      <Workers of={value} />
      <Openings of={value} />
    </div>
  );
}

function Health({ of: { health, storage, nowMs } }: { of: State }): ReactNode {
  const { info } = useWorld();
  if (!health || !storage) return null;
  const free = Number(storage.diskFreeBytes);
  const full = storage.diskBytes > 0n && free / Number(storage.diskBytes) < NEARLY_FULL;
  const answers = (problem: string, well: ReactNode): ReactNode => (problem ? <span className="bad">does not answer</span> : well);
  const block = Number(nowMs) - 1000 * Number(health.blockTime);
  return (
    <>
      <h2>Health</h2>
      <Facts
        of={[
          ["Running for", seconds(Number(nowMs) - Number(health.startedMs))],
          ["Database answers in", `${health.databaseMs.toFixed(1)} ms`],
          ["Artefacts' store", answers(health.artefactsProblem, "answers")],
          ["Chain's node", info.chainId === 0n ? "no chain" : answers(health.chainProblem, `newest block ${seconds(Math.max(0, block))} old`)],
          ["Memory of the server", size(Number(health.residentBytes))],
        ]}
      />
      {[health.artefactsProblem, health.chainProblem].filter(Boolean).map((why) => <Note key={why} kind="warning"><p>{why}</p></Note>)}
      <h2>Storage</h2>
      <Facts
        of={[
          ["Free on the disk", storage.diskBytes === 0n ? "unknown" : <span className={full ? "bad" : undefined}>{size(free)}, {percent(free / Number(storage.diskBytes), 0)}</span>],
          ["Database", size(Number(storage.databaseBytes))],
          ["Artefacts", `${count(storage.artefacts)}, ${size(Number(storage.artefactBytes))}`],
        ]}
      />
      {full && <Note kind="warning" title="The disk is nearly full."><p>Jobs fail when nothing can be stored. Move the data folder to a larger disk, or forget ended jobs earlier (<code>tribute serve --keep-days</code>).</p></Note>}
    </>
  );
}

function Queue({ of }: { of: State }): ReactNode {
  const oldest = of.accounts.reduce((most, a) => (a.oldestMs > most ? a.oldestMs : most), 0n);
  return (
    <>
      <h2>Queue</h2>
      <Facts of={[["Waiting", count(of.queued)], ["Running", count(of.running)], ["Longest wait", oldest === 0n ? "none" : seconds(Number(oldest))]]} />
      <Table
        caption="Accounts with jobs, the longest wait first"
        rows={of.accounts}
        keyOf={(a) => a.account}
        empty="No job waits or runs."
        columns={[
          { head: "Account", cell: (a) => <Id of={a.account} name="account" /> },
          { head: "Waiting", cell: (a) => count(a.queued), number: true },
          { head: "Running", cell: (a) => count(a.running), number: true },
          { head: "Longest wait", cell: (a) => (a.oldestMs === 0n ? "" : seconds(Number(a.oldestMs))), number: true },
        ]}
      />
      <Table
        caption="Jobs that ended within the hour"
        rows={of.ended}
        keyOf={(e) => `${e.kind} ${e.state}`}
        empty="No job ended within the hour."
        columns={[
          { head: "Job", cell: (e) => kindName(e.kind) },
          { head: "How", cell: (e) => <span className={e.state === "failed" ? "bad" : undefined}>{e.state}</span> },
          { head: "Number", cell: (e) => count(e.jobs), number: true },
        ]}
      />
    </>
  );
}

function doing(w: WorkerStatus): ReactNode {
  if (w.silent) return <span className="bad">silent</span>;
  if (w.unfit) return <span className="bad">not fit for work</span>;
  return w.jobs > 0n ? "working" : "idle";
}

function Workers({ of }: { of: State }): ReactNode {
  const silent = of.workers.filter((w) => w.silent).length;
  const unfit = of.workers.filter((w) => w.unfit && !w.silent);
  const able = of.workers.length - silent - unfit.length;
  return (
    <>
      <h2>Workers</h2>
      {able === 0 && <Note kind="warning" title="No worker is there: nothing that waits will run."><p>Start one: <code>tribute worker --data …</code>, or <code>tribute serve --workers 1</code>.</p></Note>}
      {silent > 0 && <Note kind="warning" title={`${plural(silent, "worker")} stopped without a word.`}><p>Their jobs went back to the queue. They are forgotten here an hour after their last heartbeat.</p></Note>}
      {unfit.map((w) => <Note key={w.name} kind="warning" title={`Worker ${w.name} is not fit for work, and runs no jobs.`}><p>{w.unfit}</p></Note>)}
      <Table
        caption="Workers that were heard of within the hour"
        rows={of.workers}
        keyOf={(w) => w.name}
        empty="No worker was heard of within the hour."
        columns={[
          { head: "Worker", cell: (w) => <code>{w.name}</code> },
          { head: "State", cell: doing },
          { head: "Last heartbeat", cell: (w) => `${seconds(Number(w.heardMs))} ago`, number: true },
          { head: "Jobs", cell: (w) => `${count(w.jobs)} of ${count(w.slots)}`, number: true },
          { head: "Longest job", cell: (w) => (w.jobs === 0n ? "" : seconds(Number(w.longestMs))), number: true },
          { head: "Started", cell: (w) => when(w.startedMs) },
        ]}
      />
    </>
  );
}

function Openings({ of }: { of: State }): ReactNode {
  const few = of.openings.filter((o) => o.left < FEW).length;
  return (
    <>
      <h2>Openings left</h2>
      <p className="soft">Every proof opens a commitment. When none of its openings is left, its data has to be committed to anew.</p>
      {few > 0 && <Note kind="warning" title={`${plural(few, "commitment")} can be opened fewer than ${FEW} times.`} />}
      <Table
        caption="Commitments with the fewest openings left"
        rows={of.openings.slice(0, 10)}
        keyOf={(o) => o.commitment}
        empty="Nothing has been opened yet."
        columns={[
          { head: "Commitment", cell: (o) => <Id of={o.commitment} name="commitment" /> },
          { head: "Openings left", cell: (o) => <span className={o.left < FEW ? "bad" : undefined}>{count(o.left)}</span>, number: true },
        ]}
      />
    </>
  );
}
