// A certificate, checked twice: by this server, and by the chain's own verifiers from this browser.
import { useState, type ReactNode } from "react";
import { useWorld } from "../world";
import type { CheckFileResponse } from "../gen/tribute/v1/audit_service_pb";
import { check } from "../lib/audit";
import { ownersOf, parse, shareOf, type Finding } from "../lib/files";
import { chooseNode } from "../lib/chain";
import { count, percent, plural } from "../lib/format";
import { hex, sha256 } from "../lib/bytes";
import { problem, type Problem } from "../lib/problem";
import { server } from "../lib/service";
import { checkValuation, verdict } from "../lib/valuation";
import { Drop, Facts, Failure, Id, Input, Note, useAction } from "../parts/basics";
import { Bars } from "../parts/chart";
import { Values } from "../parts/values";

type File_ = ReturnType<typeof parse>;

export function Auditor(): ReactNode {
  const { services, chain, info } = useWorld();
  const [name, setName] = useState("");
  const [file, setFile] = useState<File_>();
  const [failure, setFailure] = useState<Problem>();
  const [said, setSaid] = useState<CheckFileResponse>();
  const [refused, setRefused] = useState<Problem>();
  const [findings, setFindings] = useState<Finding[]>([]);
  const [agrees, setAgrees] = useState<boolean>();

  const take = async (given: File): Promise<void> => {
    setName(given.name);
    setFile(undefined); setFailure(undefined); setSaid(undefined); setRefused(undefined); setFindings([]); setAgrees(undefined);
    const data = new Uint8Array(await given.arrayBuffer());
    let read: File_;
    try {
      read = parse(new TextDecoder().decode(data));
      setFile(read);
    } catch (error) {
      setFailure(problem(error));
      return;
    }
    services.audit.checkFile({ fileJson: data }).then(setSaid, (e: unknown) => setRefused(problem(e)));
    if (chain && read.certificate.chain.chain_id !== 0) {
      try {
        const tell = (finding: Finding): void => setFindings((known) => [...known, finding]);
        const certified = await check(chain, read, tell);
        setAgrees(certified && (!read.valuation || (await checkValuation(chain, read.valuation, hex(await sha256(data)), tell))));
      } catch (error) {
        setFindings((known) => [...known, { said: "The node answers", holds: false, why: problem(error).message }]);
        setAgrees(false);
      }
    }
  };

  const c = file?.certificate;
  return (
    <>
      <h1>Check a certificate</h1>
      <p className="lead">
        Drop a certificate, an evaluation or a valuation here. Your browser puts the certificate's proofs to the chain's own verifiers; for
        that you need to trust no server, only the node that you chose. Proofs of an evaluation or a valuation are checked by the server
        and by <code>tribute verify</code>; the chain says what it counted and drew itself.
      </p>
      <Drop label="A certificate, evaluation or valuation file" hint={`The machine ${server} sees the file, which holds nothing private. The questions to the chain do not pass through it.`} set={(f) => void take(f)} />
      <Node />
      <Failure problem={failure} />
      {c && (
        <>
          <h2>{name}</h2>
          <p>Version {c.agent.version} of agent <Id of={c.agent.id} name="agent" />, owned by <Id of={c.agent.owner} name="owner" />{c.chain.chain_id ? `, for chain ${c.chain.chain_id}` : ", for no chain"}.</p>
          <Facts
            of={[
              ["Datasets", count(c.datasets.length)],
              ["Records", count(c.optimum.records)],
              ...(file?.evaluation ? [["Right on other records", `${percent(file.evaluation.dataset.correct / file.evaluation.dataset.records)} of ${count(file.evaluation.dataset.records)}`] as [string, ReactNode]] : []),
            ]}
          />
          {c.srs.development && <Note kind="warning" title="These proofs convince nobody."><p>They were made under development parameters whose secret is public: anybody could have forged them.</p></Note>}
          <div className="grid">
            <section className="card" data-by="chain" aria-live="polite">
              <h3>By the chain</h3>
              {c.chain.chain_id === 0 ? <p>This certificate is for no chain.</p> : !chain ? <p>Choose a node, or connect a wallet that is on chain {String(info.chainId)}, and drop the file again.</p> : <Verdict is={verdict(agrees, !!file?.valuation, said?.holds)} valuation={!!file?.valuation} node={chain.node} />}
              <ul className="marks">
                {findings.map((f, i) => <li key={i} className={f.holds === undefined ? "wait" : f.holds ? "yes" : "no"}>{f.said}{f.holds === false && f.why ? `: ${f.why}` : ""}</li>)}
              </ul>
            </section>
            <section className="card" data-by="server" aria-live="polite">
              <h3>By {server}</h3>
              {said ? (said.holds ? <p className="good"><strong>It holds.</strong> {plural(said.proofs, "proof")} checked with keys that the server derived itself.</p> : <p className="bad"><strong>It does not hold.</strong> {said.refusal}</p>) : refused ? <p className="bad">{refused.reason === "TOO_LARGE" ? "The file is too long for this server." : refused.message} Run <code>tribute verify</code>, which checks files of any length.</p> : <p>Asking…</p>}
              {said?.holds && <details><summary>The server's report</summary><pre>{said.report}</pre></details>}
            </section>
          </div>
          <Bars title="Whose data explains the agent" whole={1} of={c.datasets.map((d) => ({ name: `dataset ${d.dataset_id.slice(0, 10)}… of ${ownersOf(d.shards).map((owner) => `${owner.slice(0, 8)}…`).join(", then ")}, ${count(d.records)} records`, value: shareOf(d.share), text: percent(shareOf(d.share)) }))} />
          {file?.valuation && <Values of={file.valuation} />}
          <h2>What this proves</h2>
          <ul className="marks">{[...c.proven, ...((file?.evaluation ?? file?.valuation)?.proven ?? [])].map((line) => <li key={line} className="yes">{line}</li>)}</ul>
          <h2>What it does not prove</h2>
          <ul className="marks">{[...c.not_proven, ...((file?.evaluation ?? file?.valuation)?.not_proven ?? [])].map((line) => <li key={line} className="no">{line}</li>)}</ul>
        </>
      )}
    </>
  );
}

/** What the chain's answers, and of a valuation the server's, come to. */
function Verdict({ is, valuation, node }: { is: ReturnType<typeof verdict>; valuation: boolean; node: string }): ReactNode {
  switch (is) {
    case "asking":
      return <p>Asking…</p>;
    case "fails":
      return <p className="bad"><strong>It does not hold.</strong></p>;
    case "open":
      return <p><strong>Open.</strong> What is ticked below was asked of <code>{node}</code> and holds. The proofs that the losses rest on were not: the server has to check them, or <code>tribute verify</code>.</p>;
    case "holds":
      return <p className="good"><strong>It holds.</strong> {valuation ? "What is ticked below" : "Everything below"} was asked of <code>{node}</code>{valuation ? `; the rest was checked by ${server} alone` : ""}.</p>;
  }
}

/** The node that pages read the chain from. */
export function Node(): ReactNode {
  const { chain, info } = useWorld();
  const [url, setUrl] = useState(chain && chain.node !== "wallet" ? chain.node : "");
  const action = useAction();
  return (
    <details>
      <summary>{chain ? <>The chain is read from {chain.node === "wallet" ? "your wallet's node" : chain.node}</> : "No node is chosen"}: change</summary>
      <Input label="JSON-RPC address of a node that you trust" value={url} set={setUrl} placeholder="https://…" hint={`It must serve chain ${info.chainId} and answer browsers (CORS). This page may connect to it and to this server, and to nothing else.`} />
      <div className="row">
        <button className="small" onClick={() => void action.run(async () => chooseNode(url.trim()))}>Use it</button>
        <button className="small quiet" onClick={() => chooseNode("")}>Use {info.publicRpc ? "the operator's" : "my wallet's"}</button>
      </div>
      <Failure problem={action.failure} />
    </details>
  );
}
