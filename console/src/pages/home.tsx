import type { ReactNode } from "react";
import { useWorld } from "../world";
import { server } from "../lib/service";

const CARDS: [string, string, string, string][] = [
  ["provider", "I have data", "Commit a dataset, say on which terms agents may learn from it, see which agents use it and what it earns.", "Provider"],
  ["owner", "I have an agent", "Train an agent on datasets that you were granted, get a certificate of what it learnt from, and claim its fees.", "Owner"],
  ["client", "I have a question", "Find a certified agent, pay into escrow, ask, and get back what you did not use.", "Client"],
  ["auditor", "I want to check", "Drop a certificate here. Your browser asks the chain's own verifiers whether it holds.", "Auditor"],
];

export function Home(): ReactNode {
  const { info } = useWorld();
  return (
    <>
      <h1>Know whose data an agent learnt from, and pay for it</h1>
      <p className="lead">
        Tribute proves that an AI agent was trained on the private datasets of several owners, how much of the agent each dataset
        explains, and that the agent itself gave the answers that its clients pay for.
      </p>
      <div className="grid">
        {CARDS.map(([role, title, what, name]) => (
          <section className="card" key={role}>
            <h2>{title}</h2>
            <p>{what}</p>
            <div className="row"><a className="button" href={`#/${role}`}>{name}</a></div>
          </section>
        ))}
      </div>
      <h2>Who sees what</h2>
      <ul>
        <li>The server <code>{server}</code> sees what you send to it: records that you register, queries that you ask, answers.</li>
        <li>{info.chainId === 0n ? "It runs without a chain." : <>The chain (id {String(info.chainId)}) sees digests, proofs, terms and payments. They are public for ever.</>}</li>
        <li>Nobody else sees your records, weights or queries. Proofs do not reveal them.</li>
      </ul>
    </>
  );
}
