// Small parts that every page uses.
import { useCallback, useEffect, useId, useRef, useState, type ReactNode } from "react";
import type { Hex } from "viem";
import { same } from "../lib/bytes";
import { short } from "../lib/format";
import { problem, type Problem } from "../lib/problem";
import { useWorld } from "../world";

export function Note({ kind = "info", title, children }: { kind?: "info" | "warning" | "good"; title?: string; children?: ReactNode }): ReactNode {
  return (
    <div className={`note ${kind}`} role={kind === "warning" ? "alert" : "note"}>
      {title && <p className="title">{title}</p>}
      {children}
    </div>
  );
}

export function Failure({ problem: p }: { problem: Problem | undefined }): ReactNode {
  if (!p) return null;
  const declined = p.reason === "DECLINED";
  return (
    <div className={`note ${declined ? "info" : "warning"}`} role="alert" data-reason={p.reason}>
      <p>{p.message}</p>
    </div>
  );
}

/** Runs something that can fail, one at a time. */
export function useAction(): { busy: boolean; failure: Problem | undefined; run(work: () => Promise<void>): Promise<boolean> } {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Problem>();
  const running = useRef(false);
  const run = useCallback(async (work: () => Promise<void>) => {
    if (running.current) return false;
    running.current = true;
    setBusy(true);
    setFailure(undefined);
    try {
      await work();
      return true;
    } catch (error) {
      setFailure(problem(error));
      return false;
    } finally {
      running.current = false;
      setBusy(false);
    }
  }, []);
  return { busy, failure, run };
}

/** Loads something, and loads it again when `key` changes or `again` is called. */
export function useLoad<T>(load: () => Promise<T>, key: unknown[], everyMs?: number): { value: T | undefined; failure: Problem | undefined; again(): void } {
  const [value, setValue] = useState<T>();
  const [failure, setFailure] = useState<Problem>();
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let left = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const go = (): void => {
      load()
        .then(
          (v) => {
            if (left) return;
            setValue(v);
            setFailure(undefined);
          },
          (e: unknown) => left || setFailure(problem(e)),
        )
        .finally(() => {
          if (everyMs && !left) timer = setTimeout(go, everyMs);
        });
    };
    go();
    return () => {
      left = true;
      clearTimeout(timer);
    };
    // `load` is new at every render; `key` says when it means something else
  }, [...key, turn]);
  const again = useCallback(() => setTurn((n) => n + 1), []);
  return { value, failure, again };
}

export function Loading({ of }: { of: string }): ReactNode {
  return <p className="soft" role="status">Loading {of}…</p>;
}

/** An identifier: shortened to read, whole to copy. */
export function Id({ of, name }: { of: string; name?: string }): ReactNode {
  const [copied, setCopied] = useState(false);
  return (
    <button
      type="button"
      className="id"
      title={`${of}: click to copy`}
      aria-label={`${copied ? "copied" : short(of)}, ${name ?? "identifier"}: copy`}
      onClick={() => void navigator.clipboard?.writeText(of).then(() => (setCopied(true), setTimeout(() => setCopied(false), 1200)), () => {})}
    >
      <code>{copied ? "copied" : short(of)}</code>
    </button>
  );
}

export function Field({ label, hint, children }: { label: string; hint?: ReactNode; children(id: string, described: string | undefined): ReactNode }): ReactNode {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children(id, hint ? `${id}-hint` : undefined)}
      {hint && <p className="hint" id={`${id}-hint`}>{hint}</p>}
    </div>
  );
}

export function Input(props: { label: string; hint?: ReactNode; value: string; set(value: string): void; type?: string; unit?: string; min?: number; max?: number; step?: string; placeholder?: string }): ReactNode {
  return (
    <Field label={props.label} hint={props.hint}>
      {(id, described) => (
        <span className="with-unit">
          <input
            id={id}
            aria-describedby={described}
            type={props.type ?? "text"}
            value={props.value}
            min={props.min}
            max={props.max}
            step={props.step ?? "any"}
            placeholder={props.placeholder}
            autoComplete="off"
            spellCheck={false}
            onChange={(e) => props.set(e.target.value)}
          />
          {props.unit && <span className="unit">{props.unit}</span>}
        </span>
      )}
    </Field>
  );
}

export function FileInput({ label, hint, accept, set }: { label: string; hint?: ReactNode; accept?: string; set(file: File): void }): ReactNode {
  return (
    <Field label={label} hint={hint}>
      {(id, described) => (
        <input id={id} type="file" accept={accept} aria-describedby={described} onChange={(e) => e.target.files?.[0] && set(e.target.files[0])} />
      )}
    </Field>
  );
}

export function Check({ label, value, set }: { label: ReactNode; value: boolean; set(value: boolean): void }): ReactNode {
  return (
    <label className="check">
      <input type="checkbox" checked={value} onChange={(e) => set(e.target.checked)} /> <span>{label}</span>
    </label>
  );
}

/** Chooses a dataset in a table, of those with the schema of what is chosen already. */
export function Use({ dataset, schema, value, set }: { dataset: { id: Hex; schemaId: Hex }; schema: Hex | undefined; value: boolean; set(value: boolean): void }): ReactNode {
  const other = schema !== undefined && !same(schema, dataset.schemaId);
  return <input type="checkbox" aria-label={`Use dataset ${dataset.id}`} checked={value} disabled={other} onChange={(e) => set(e.target.checked)} />;
}

export interface Column<T> {
  head: string;
  cell(row: T): ReactNode;
  number?: boolean;
}

export function Table<T>({ caption, columns, rows, keyOf, empty }: { caption: string; columns: Column<T>[]; rows: T[]; keyOf(row: T): string; empty?: ReactNode }): ReactNode {
  if (rows.length === 0) return <p className="soft">{empty ?? "There is nothing here yet."}</p>;
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>{columns.map((c) => <th key={c.head} scope="col" className={c.number ? "number" : undefined}>{c.head}</th>)}</tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>{columns.map((c) => <td key={c.head} className={c.number ? "number" : undefined}>{c.cell(row)}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Facts({ of }: { of: [string, ReactNode][] }): ReactNode {
  return (
    <dl className="facts">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Shows what is private to an account: asks to connect and to sign in first. */
export function Private({ what, children }: { what: string; children: ReactNode }): ReactNode {
  const world = useWorld();
  const action = useAction();
  if (!world.signer) {
    return (
      <Note title={`Connect your wallet to see ${what}.`}>
        <p>Connecting shows this page your address. Nothing is signed or sent.</p>
        <button onClick={world.connect}>Connect wallet</button>
      </Note>
    );
  }
  if (!world.signedIn) {
    return (
      <Note title={`Sign in to see ${what}.`}>
        <p>
          Your wallet will ask you to sign a text that names this server. The signature lets this page read what is yours for 15
          minutes. It can neither change nor spend anything.
        </p>
        <button disabled={action.busy} onClick={() => void action.run(() => world.services.signIn())}>Sign in</button>
        <Failure problem={action.failure} />
      </Note>
    );
  }
  return children;
}

/** Shows what needs the chain. */
export function OnChain({ children }: { children: ReactNode }): ReactNode {
  const world = useWorld();
  if (world.chain) return children;
  return world.info.chainId === 0n ? (
    <Note title="This server runs without a chain.">Agents can be certified here, but not sold.</Note>
  ) : (
    <Note title="This page needs a node of the chain.">
      <p>Connect a wallet that is on chain {String(world.info.chainId)}, or <a href="#/operator">choose a node</a>.</p>
      {!world.signer && <button onClick={world.connect}>Connect wallet</button>}
    </Note>
  );
}

export function Drop({ label, hint, set }: { label: string; hint: string; set(file: File): void }): ReactNode {
  const [over, setOver] = useState(false);
  const id = useId();
  return (
    <div
      className={over ? "drop over" : "drop"}
      onDragOver={(e) => (e.preventDefault(), setOver(true))}
      onDragLeave={() => setOver(false)}
      onDrop={(e) => {
        e.preventDefault();
        setOver(false);
        if (e.dataTransfer.files[0]) set(e.dataTransfer.files[0]);
      }}
    >
      <label htmlFor={id}>{label}</label>
      <input id={id} type="file" accept=".json,application/json" onChange={(e) => e.target.files?.[0] && set(e.target.files[0])} />
      <p className="hint">{hint}</p>
    </div>
  );
}
