// A job as it runs, by phase.
import { useEffect, useState, type ReactNode } from "react";
import { useWorld } from "../world";
import { JobState, type Job, type Progress } from "../gen/tribute/v1/job_pb";
import type { Services } from "../lib/service";
import { seconds } from "../lib/format";
import { problem, Problem } from "../lib/problem";

const KINDS: Record<string, string> = {
  dataset: "Commit a dataset",
  train: "Train an agent",
  import: "Import an agent",
  gradient: "Prove a gradient",
  optimum: "Prove the optimum",
  evaluation: "Prove an accuracy",
  coalition: "Value a coalition",
  service: "Prove answers",
  circuit: "Make a circuit",
  calibrate: "Measure speed",
};
const PHASES: Record<string, string> = {
  commit: "committing to the records",
  witness: "computing the witness",
  prove: "proving",
  verify: "verifying the proof",
  train: "training",
  keys: "generating keys",
  coalition: "proving the coalition",
};
export const kindName = (kind: string): string => KINDS[kind] ?? kind;
export const stateName = (state: JobState): string =>
  ({ [JobState.QUEUED]: "waiting", [JobState.RUNNING]: "running", [JobState.SUCCEEDED]: "done", [JobState.FAILED]: "failed", [JobState.CANCELLED]: "stopped" } as Record<number, string>)[state] ?? "unknown";
export const ended = (state: JobState): boolean => state >= JobState.SUCCEEDED;

/** Follows a job to its end; after a lost connection, from where it was. Throws the reason if it fails. */
export async function finish(services: Services, id: string, told?: (state: JobState, progress?: Progress) => void): Promise<Job> {
  let after = 0n;
  let state = JobState.QUEUED;
  for (let failures = 0; ; ) {
    try {
      for await (const event of services.jobs.watchJob({ job: id, after })) {
        after = event.sequence;
        failures = 0;
        if (event.event.case === "state") state = event.event.value;
        told?.(state, event.event.case === "progress" ? event.event.value : undefined);
      }
      const job = await services.jobs.getJob({ job: id });
      if (!ended(job.state)) continue;
      if (job.state === JobState.SUCCEEDED) return job;
      throw new Problem(job.error?.message ?? "The job was stopped.", job.error?.reason ?? "CANCELLED", { ...job.error?.metadata });
    } catch (error) {
      const p = problem(error);
      if (p.reason !== "LOST" || ++failures > 20) throw p;
      await new Promise((again) => setTimeout(again, 500 * failures));
    }
  }
}

/** Watches a job and says when it has ended. */
export function JobView({ id, kind, done }: { id: string; kind: string; done?(job: Job): void }): ReactNode {
  const { services } = useWorld();
  const [state, setState] = useState(JobState.QUEUED);
  const [phases, setPhases] = useState<Progress[]>([]);
  const [failure, setFailure] = useState<Problem>();
  useEffect(() => {
    let left = false;
    finish(services, id, (s, progress) => {
      if (left) return;
      setState(s);
      if (progress) setPhases((known) => [...known.filter((p) => p.phase !== progress.phase), progress]);
    }).then(
      (job) => {
        if (left) return;
        setState(job.state);
        done?.(job);
      },
      (e: unknown) => left || (setState(JobState.FAILED), setFailure(problem(e))),
    );
    return () => {
      left = true;
    };
  }, [id, services]);
  return (
    <div className="job" data-state={stateName(state)}>
      <p role="status">{kindName(kind)}: {stateName(state)}</p>
      <ul className="phases">
        {phases.map((p) => (
          <li key={p.phase}>
            <span>{PHASES[p.phase] ?? p.phase}</span>
            {p.total > 0n && <progress max={Number(p.total)} value={Number(p.done)} aria-label={PHASES[p.phase] ?? p.phase} />}
          </li>
        ))}
      </ul>
      {failure && <p className="bad" role="alert" data-reason={failure.reason}>{failure.message}</p>}
    </div>
  );
}

export const took = (job: Job): string => (job.startedMs && job.endedMs ? seconds(Number(job.endedMs - job.startedMs)) : "");
