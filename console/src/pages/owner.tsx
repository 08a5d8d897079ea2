import type { ReactNode } from "react";
import { useWorld } from "../world";
import { JobState, type Job } from "../gen/tribute/v1/job_pb";
import { hex, text } from "../lib/bytes";
import { LINKS } from "../lib/chain";
import { count, percent, when } from "../lib/format";
import { classes, parseSchema } from "../lib/schema";
import { kindName, phaseName, stateName } from "../lib/words";
import { Failure, Id, Loading, Private, Table, useLoad } from "../parts/basics";
import { Times, type Spell } from "../parts/chart";
import { Confirm } from "../parts/confirm";
import { ended, took } from "../parts/job";

export function Agents(): ReactNode {
  return (
    <>
      <h1>Your agents</h1>
      <p className="lead">Train an agent on datasets that you were granted, prove what it learnt from, and sell its answers.</p>
      <div className="row"><a className="button" href="#/owner/train">Train an agent</a><a className="button quiet" href="#/owner/across">Train across nodes</a></div>
      <Private what="your agents and jobs">
        <List />
        <Jobs />
      </Private>
    </>
  );
}

function List(): ReactNode {
  const { services, signer } = useWorld();
  const { value, failure } = useLoad(() => services.agents.listAgents({}), [signer?.account]);
  if (failure) return <Failure problem={failure} />;
  if (!value) return <Loading of="your agents" />;
  return (
    <Table
      caption="Agents that this server trained or imported for you, newest first"
      rows={value.agents}
      keyOf={(a) => hex(a.weightsDigest)}
      empty="You have no agent on this server yet."
      columns={[
        { head: "Agent", cell: (a) => <a href={`#/owner/agent/${hex(a.weightsDigest)}`}>{a.name || "without a name"}</a> },
        { head: "Weights", cell: (a) => <Id of={hex(a.weightsDigest)} name="weights" /> },
        { head: "Answers", cell: (a) => classes(parseSchema(text(a.schemaJson))).length || "a number", number: true },
        { head: "Link", cell: (a) => LINKS[a.terms?.link ?? 0] },
        { head: "Trained on", cell: (a) => `${count(a.records)} records`, number: true },
        { head: "Right on them", cell: (a) => percent(a.trainingAccuracy), number: true },
        { head: "Proven", cell: (a) => (a.optimumProven ? "yes" : `${a.gradientsProven} of ${a.shards} gradients`) },
      ]}
    />
  );
}

/** The times of the jobs that succeeded, by kind. */
function spells(jobs: Job[]): Spell[] {
  const all = new Map<string, number[]>();
  for (const j of jobs.filter((job) => job.state === JobState.SUCCEEDED && job.startedMs > 0n)) {
    all.set(j.kind, [...(all.get(j.kind) ?? []), Number(j.endedMs - j.startedMs)]);
  }
  return [...all].map(([kind, took]) => ({ name: kindName(kind), took })).sort((a, b) => Math.max(...b.took) - Math.max(...a.took));
}

export function Jobs(): ReactNode {
  const { services, signer } = useWorld();
  const { value, failure, again } = useLoad(() => services.jobs.listJobs({ pageSize: 30 }), [signer?.account], 2_000);
  if (failure && !value) return <Failure problem={failure} />;
  if (!value) return <Loading of="your jobs" />;
  return (
    <>
      <h2>Jobs</h2>
      <Times title="How long your last jobs took" of={spells(value.jobs)} />
      <Table
        caption="Your last 30 jobs on this server, newest first"
        rows={value.jobs}
        keyOf={(j) => j.id}
        empty="You have had no job here yet."
        columns={[
          { head: "Job", cell: (j) => (j.title ? `${kindName(j.kind)}: ${j.title}` : kindName(j.kind)) },
          { head: "State", cell: (j) => <span className={j.state === JobState.FAILED ? "bad" : undefined}>{stateName(j.state)}{j.state === JobState.RUNNING && j.progress?.phase ? `: ${phaseName(j.progress.phase)}` : ""}{j.error ? `: ${j.error.message}` : ""}</span> },
          { head: "Asked for", cell: (j) => when(j.createdMs) },
          { head: "Took", cell: (j) => took(j), number: true },
          {
            head: "Stop",
            cell: (j) =>
              ended(j.state) ? null : (
                <Confirm
                  label="Stop"
                  sign="Your wallet will ask you to sign this call. That costs nothing."
                  consequences={["The work so far is lost. You can ask for it again."]}
                  run={async () => {
                    await services.jobs.cancelJob({ job: j.id });
                    again();
                  }}
                />
              ),
          },
        ]}
      />
    </>
  );
}
