// A request to train, as an agent's owner wrote it into a link. The provider approves it on terms of its own, or declines.
import { useState, type ReactNode } from "react";
import { parseUnits, zeroHash, type Hex } from "viem";
import { useWorld } from "../world";
import { isDigest } from "../lib/bytes";
import { call, LINKS, someAddress } from "../lib/chain";
import { bps, plural } from "../lib/format";
import { Check, Failure, Field, Id, Input, Loading, Note, OnChain, useLoad } from "../parts/basics";
import { Confirm } from "../parts/confirm";

export function Request({ query }: { query: URLSearchParams }): ReactNode {
  return (
    <>
      <h1>Who may train on your data</h1>
      <OnChain><Form query={query} /></OnChain>
    </>
  );
}

function Form({ query }: { query: URLSearchParams }): ReactNode {
  const world = useWorld();
  const chain = world.chain!;
  const dataset = query.get("dataset") ?? "";
  const asked = query.get("to") ?? "";
  const [to, setTo] = useState(asked);
  const [uses, setUses] = useState(query.get("uses") ?? "1");
  const [days, setDays] = useState("30");
  const [share, setShare] = useState("10");
  const [part, setPart] = useState("0");
  const [price, setPrice] = useState("0");
  const [later, setLater] = useState(false);
  const [link, setLink] = useState(query.get("link") ?? "");
  const [state, setState] = useState<"open" | "approved" | "declined">("open");
  const { value, failure } = useLoad(async () => {
    if (!isDigest(dataset)) return undefined;
    const [found, token] = await Promise.all([
      chain.client.readContract({ ...chain.datasets, functionName: "dataset", args: [dataset] }),
      chain.token(),
    ]);
    return { found, token };
  }, [dataset, chain]);
  if (!isDigest(dataset)) return <p>This link names no dataset.</p>;
  if (failure) return <Failure problem={failure} />;
  if (!value) return <Loading of="the dataset" />;
  if (state === "approved") return <Note kind="good" title="Granted."><p><a href={`#/provider/dataset/${dataset}`}>Back to the dataset</a></p></Note>;
  if (state === "declined") return <Note title="You declined. Nothing was signed or sent."><p>The owner sees no grant and cannot train. <a href="#/provider">Back to your datasets</a></p></Note>;
  const { found, token } = value;
  const mine = world.signer && found.owner.toLowerCase() === world.signer.account.toLowerCase();
  const hundred = (v: string): number => Math.round(Number(v) * 100);
  const numbers = [uses, days, share, part, price].every((v) => v !== "" && Number(v) >= 0) && Number(uses) >= 1 && Number(share) <= 100 && Number(part) <= 100;
  const grantee = someAddress(to);
  const grant = grantee && numbers
    ? call(chain.datasets, "grantTraining", dataset as Hex, grantee, {
        uses: Math.floor(Number(uses)),
        expiry: BigInt(Math.floor(Date.now() / 1000) + 86_400 * Number(days)),
        links: link ? 1 << LINKS.indexOf(link as "softmax") : 0,
        minShareBps: hundred(share),
        minDataBps: hundred(part),
        minPricePerQuery: parseUnits(price as `${number}`, token.decimals),
        coversLater: later,
        participants: zeroHash,
      })
    : undefined;
  return (
    <>
      {asked && <p className="lead">The account <Id of={asked} name="account" /> asks to train on your dataset <Id of={dataset} name="dataset" />.</p>}
      {!mine && <Note kind="warning" title="The connected account does not own this dataset."><p>Its owner is <code>{found.owner}</code>: connect that account.</p></Note>}
      <Input label="Account that may train" value={to} set={setTo} placeholder="0x…" hint={to && !grantee ? "This is nobody's address: a digit may be wrong." : "Only this account. Ask the person for it by a way that you trust."} />
      <Input label="Number of agent versions" value={uses} set={setUses} type="number" min={1} />
      <Input label="Days until the grant ends" value={days} set={setDays} type="number" min={1} />
      <Input label="Your least share of the fees for data" value={share} set={setShare} type="number" min={0} max={100} unit="%" hint={`Below it, the agent cannot be certified. The dataset's own terms ask for ${bps(found.terms.minShareBps)}; the stricter counts.`} />
      <Input label="Least part of the fees that goes to data" value={part} set={setPart} type="number" min={0} max={100} unit="%" hint={`The dataset's own terms ask for ${bps(found.terms.minDataBps)}; the stricter counts.`} />
      <Input label="Least price of an answer" value={price} set={setPrice} type="number" min={0} unit={token.symbol} />
      <Field label="Link function" hint="How the agent turns sums into answers. Squared has to be named, because under it small changes of the data move shares far.">
        {(fieldId, described) => (
          <select id={fieldId} aria-describedby={described} value={link} onChange={(e) => setLink(e.target.value)}>
            <option value="">logistic or softmax</option>
            {LINKS.slice(1).map((l) => <option key={l} value={l}>only {l}</option>)}
          </select>
        )}
      </Field>
      <Check label="Also for later, larger versions of this dataset" value={later} set={setLater} />
      {hundred(share) === 0 && found.terms.minShareBps === 0 && (
        <Note kind="warning" title="You ask for no least share."><p>Whoever trains can list other datasets beside yours, even made-up ones, and leave you next to nothing.</p></Note>
      )}
      <div className="row">
        <Confirm
          label="Approve"
          disabled={!grant || !mine}
          call={grant}
          consequences={[
            <>{to ? <code>{to}</code> : "The account"} may list your dataset in {plural(Number(uses) || 0, "agent version")} within {days} days.</>,
            `An agent that gives you less than ${share} % of the fees for data is not certified.`,
            "Training uses your records on the server that holds them. The agent's contributions become public.",
            "You can revoke the versions that are left. A version that already lists your dataset keeps it.",
          ]}
          run={async () => {
            await world.send(grant!);
            setState("approved");
          }}
        />
        <button className="quiet" onClick={() => setState("declined")}>Decline</button>
      </div>
    </>
  );
}
