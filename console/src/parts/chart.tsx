// Pictures of numbers, each with the numbers in a table behind it.
import { useId, type ReactNode } from "react";
import { count, percent, seconds, when } from "../lib/format";
import type { Accuracy } from "../lib/reads";

export interface Bar {
  name: string;
  value: number;
  text: string;
}

/** Horizontal bars, the longest over the whole width. `whole` fixes what the whole width means. */
export function Bars({ title, of, whole }: { title: string; of: Bar[]; whole?: number }): ReactNode {
  const id = useId();
  const most = whole ?? Math.max(...of.map((b) => b.value), Number.MIN_VALUE);
  return (
    <figure className="chart" aria-labelledby={id}>
      <figcaption id={id}>{title}</figcaption>
      <div aria-hidden="true">
        {of.map((bar, i) => (
          <div className="bar" key={`${bar.name}-${i}`}>
            <div className="label"><span>{bar.name}</span><span>{bar.text}</span></div>
            <svg viewBox="0 0 100 4" preserveAspectRatio="none">
              <rect className="track" width="100" height="4" />
              <rect className="fill" width={Math.max(0, Math.min(100, (100 * bar.value) / most))} height="4" />
            </svg>
          </div>
        ))}
      </div>
      <Numbers title={title}>
        <tbody>
          {of.map((bar, i) => (
            <tr key={`${bar.name}-${i}`}><th scope="row">{bar.name}</th><td className="number">{bar.text}</td></tr>
          ))}
        </tbody>
      </Numbers>
    </figure>
  );
}

export interface Point {
  at: number;
  value: number;
  text: string;
  when: string;
}

/** Least time shown before the first step, in milliseconds. */
const LEAD_MS = 60_000;

/** A sum that grows in steps. */
export function Growth({ title, of }: { title: string; of: Point[] }): ReactNode {
  const id = useId();
  if (of.length === 0) return null;
  const last = of.at(-1)!.at;
  // a little before the first step, so that it is seen
  const first = of[0]!.at - Math.max((last - of[0]!.at) / 10, LEAD_MS);
  const most = Math.max(...of.map((p) => p.value), Number.MIN_VALUE);
  const x = (at: number): number => 2 + (96 * (at - first)) / (last - first);
  const y = (value: number): number => 38 - (34 * value) / most;
  const line = `M2,38 ${of.map((p, i) => `L${x(p.at)},${y(of[i - 1]?.value ?? 0)} L${x(p.at)},${y(p.value)}`).join(" ")}`;
  return (
    <figure className="chart" aria-labelledby={id}>
      <figcaption id={id}>{title}: {of.at(-1)!.text}</figcaption>
      <svg className="growth" viewBox="0 0 100 40" preserveAspectRatio="none" aria-hidden="true">
        <path className="area" d={`${line} L98,38 Z`} />
        <path className="line" d={line} />
      </svg>
      <div className="ends soft" aria-hidden="true"><span>{of[0]!.when}</span><span>{of.at(-1)!.when}</span></div>
      <Numbers title={title}>
        <thead><tr><th scope="col">When</th><th scope="col" className="number">Total</th></tr></thead>
        <tbody>{of.map((p, i) => <tr key={i}><td>{p.when}</td><td className="number">{p.text}</td></tr>)}</tbody>
      </Numbers>
    </figure>
  );
}

/** What a chart shows, as a table. */
function Numbers({ title, children }: { title: string; children: ReactNode }): ReactNode {
  return (
    <details>
      <summary>The same as a table</summary>
      <table>
        <caption className="hidden">{title}</caption>
        {children}
      </table>
    </details>
  );
}

/** Accuracy on each dataset that it was proven on. */
export function Accuracies({ of }: { of: Accuracy[] }): ReactNode {
  if (of.length === 0) return <p className="soft">No accuracy was proven on chain yet.</p>;
  return (
    <Bars
      title="Right on records that it was not trained on, proven"
      whole={1}
      of={of.map((a) => ({
        name: `dataset ${a.dataset.slice(0, 10)}…, ${when(a.at)}`,
        value: a.correct / a.records,
        text: `${percent(a.correct / a.records)}: ${count(a.correct)} of ${count(a.records)}, mean loss ${a.loss.toFixed(3)}`,
      }))}
    />
  );
}

export interface Spell {
  name: string;
  /** Milliseconds. */
  took: number[];
}

/** How long work took: for each kind a mark for each time, over a bar as long as the mean. */
export function Times({ title, of }: { title: string; of: Spell[] }): ReactNode {
  const id = useId();
  if (of.length === 0) return null;
  const most = Math.max(...of.flatMap((s) => s.took), 1);
  const mean = (s: Spell): number => s.took.reduce((sum, t) => sum + t, 0) / s.took.length;
  return (
    <figure className="chart" aria-labelledby={id}>
      <figcaption id={id}>{title}</figcaption>
      <div aria-hidden="true">
        {of.map((s) => (
          <div className="bar" key={s.name}>
            <div className="label"><span>{s.name}</span><span>{seconds(mean(s))}</span></div>
            <svg viewBox="0 0 100 4" preserveAspectRatio="none">
              <rect className="track" width="100" height="4" />
              <rect className="fill" width={(100 * mean(s)) / most} height="4" opacity=".35" />
              {s.took.map((t, i) => <rect className="fill" key={i} x={Math.min(99.4, (100 * t) / most)} width=".6" height="4" />)}
            </svg>
          </div>
        ))}
        <div className="ends soft"><span>0 s</span><span>{seconds(most)}</span></div>
      </div>
      <Numbers title={title}>
        <thead><tr><th scope="col">Work</th><th scope="col" className="number">Times</th><th scope="col" className="number">Shortest</th><th scope="col" className="number">Mean</th><th scope="col" className="number">Longest</th></tr></thead>
        <tbody>
          {of.map((s) => (
            <tr key={s.name}><th scope="row">{s.name}</th><td className="number">{count(s.took.length)}</td><td className="number">{seconds(Math.min(...s.took))}</td><td className="number">{seconds(mean(s))}</td><td className="number">{seconds(Math.max(...s.took))}</td></tr>
          ))}
        </tbody>
      </Numbers>
    </figure>
  );
}
