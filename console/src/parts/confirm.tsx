// What happens, before it is signed.
import { useState, type ReactNode } from "react";
import { useWorld } from "../world";
import { gasOf, type Call } from "../lib/chain";
import { count } from "../lib/format";
import { Failure, useAction, useLoad } from "./basics";

/**
 * A button that first says what it will do. `call` is estimated, so that its gas and its refusals are known before the
 * wallet asks.
 */
export function Confirm({ label, consequences, call, run, disabled, sign }: {
  label: string;
  consequences: ReactNode[];
  call?: Call;
  /** What the wallet will ask for. */
  sign?: string;
  disabled?: boolean;
  run(): Promise<void>;
}): ReactNode {
  const world = useWorld();
  const [open, setOpen] = useState(false);
  const action = useAction();
  if (!world.signer) return <button onClick={world.connect}>Connect wallet</button>;
  if (!open) {
    return (
      <>
        <button disabled={disabled} onClick={() => setOpen(true)}>{label}</button>
        <Failure problem={action.failure} />
      </>
    );
  }
  return (
    <div className="confirm" role="group" aria-label={label}>
      <p className="title">{label}</p>
      <ul>
        {consequences.map((line, i) => <li key={i}>{line}</li>)}
        {call && <Gas call={call} />}
        <li className="soft">{sign ?? "Your wallet will ask you to send one transaction. You pay its gas."}</li>
      </ul>
      <div className="row">
        <button
          disabled={action.busy}
          onClick={() => void action.run(run).then((done) => done && setOpen(false))}
        >
          {action.busy ? "Waiting…" : "Go on"}
        </button>
        <button className="quiet" disabled={action.busy} onClick={() => setOpen(false)}>Not now</button>
      </div>
      <Failure problem={action.failure} />
    </div>
  );
}

/** What a call would take now, by the node's own estimate; `usual` where it cannot be sent yet. */
export function GasOf({ call, usual }: { call?: Call; usual: number }): ReactNode {
  const { chain, signer } = useWorld();
  const { value } = useLoad(
    async () => (call && chain && signer ? gasOf(chain, signer.account, call).catch(() => undefined) : undefined),
    [call?.functionName, signer?.account],
  );
  return value === undefined ? `usually some ${count(usual)}` : `about ${count(value)}`;
}

function Gas({ call }: { call: Call }): ReactNode {
  const { chain, signer } = useWorld();
  const { value, failure } = useLoad(
    async () => (chain && signer ? gasOf(chain, signer.account, call) : undefined),
    [call.functionName, signer?.account],
  );
  if (failure) return <li className="bad">The contract would refuse this now: {failure.message}</li>;
  return <li>{value === undefined ? "Estimating the gas…" : `About ${count(value)} gas.`}</li>;
}

export interface Step {
  name: string;
  /** Undefined while it is unknown. */
  done: boolean | undefined;
  what: ReactNode;
  /** What it takes, before it is asked for. */
  cost?: Cost;
  act?: ReactNode;
}

/** What a step takes. A transaction takes no openings, a proof no gas. */
export interface Cost {
  time: ReactNode;
  gas?: ReactNode;
  openings?: ReactNode;
}

function Takes({ of }: { of: Cost }): ReactNode {
  return (
    <dl className="takes">
      <div><dt>Time</dt><dd>{of.time}</dd></div>
      <div><dt>Gas</dt><dd>{of.gas ?? "none"}</dd></div>
      <div><dt>Openings</dt><dd>{of.openings ?? "none"}</dd></div>
    </dl>
  );
}

/** A checklist: what is done, what is next, what comes after. */
export function Steps({ of }: { of: Step[] }): ReactNode {
  const next = of.findIndex((step) => !step.done);
  return (
    <ol className="steps">
      {of.map((step, i) => {
        const state = step.done ? "done" : i === next ? "next" : "later";
        return (
          <li key={step.name} data-state={state} aria-current={state === "next" ? "step" : undefined}>
            <p className="name">
              {step.name} <span className="state">{state === "done" ? "done" : state === "next" ? "next" : "later"}</span>
            </p>
            <div className="what">{step.what}</div>
            {step.cost && state !== "done" && <Takes of={step.cost} />}
            {state === "next" && step.act}
          </li>
        );
      })}
    </ol>
  );
}
