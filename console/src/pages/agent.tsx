// One agent: what it is, the way to its certificate, then what it sells.
import type { ReactNode } from "react";
import type { Hex } from "viem";
import { useWorld } from "../world";
import { bytes, isDigest } from "../lib/bytes";
import { LINKS } from "../lib/chain";
import { count, percent, small } from "../lib/format";
import { server } from "../lib/service";
import { Facts, Failure, Id, Loading, OnChain, Private, useLoad } from "../parts/basics";
import { Way } from "./certify";

export function AgentPage({ weights }: { weights: string }): ReactNode {
  if (!isDigest(weights)) return <p>This is not a digest of weights.</p>;
  return <Private what="this agent"><Content weights={weights} /></Private>;
}

function Content({ weights }: { weights: Hex }): ReactNode {
  const { services } = useWorld();
  const { value: agent, failure, again } = useLoad(() => services.agents.getAgent({ weightsDigest: bytes(weights) }), [weights]);
  if (failure && !agent) return <Failure problem={failure} />;
  if (!agent) return <Loading of="the agent" />;
  return (
    <>
      <h1>{agent.name || "Agent without a name"}</h1>
      <p>Weights <Id of={weights} name="weights" />. The machine <code>{server}</code> holds them.</p>
      <Facts
        of={[
          ["Trained on", `${count(agent.records)} records`],
          ["Right on those records", percent(agent.trainingAccuracy)],
          ["Distance to the optimum", `at most ${small(agent.relativeDistance)}`],
          ["Link", LINKS[agent.terms?.link ?? 0] ?? ""],
          ["Shards", count(agent.shards)],
        ]}
      />
      <OnChain><Way agent={agent} weights={weights} reread={again} /></OnChain>
    </>
  );
}
