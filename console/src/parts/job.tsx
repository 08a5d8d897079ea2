// A job as it runs, by phase.
import { useEffect, useState, type ReactNode } from "react";
import { useWorld } from "../world";
import { JobState, type Job, type Progress } from "../gen/tribute/v1/job_pb";
import type { Services } from "../lib/service";
import { seconds } from "../lib/format";
import { problem, Problem } from "../lib/problem";
import { kindName, phaseName, stateName } from "../lib/words";

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
            <span>{phaseName(p.phase)}</span>
            {p.total > 0n && <progress max={Number(p.total)} value={Number(p.done)} aria-label={phaseName(p.phase)} />}
          </li>
        ))}
      </ul>
      {failure && <p className="bad" role="alert" data-reason={failure.reason}>{failure.message}</p>}
    </div>
  );
}

export const took = (job: Job): string => (job.startedMs && job.endedMs ? seconds(Number(job.endedMs - job.startedMs)) : "");
