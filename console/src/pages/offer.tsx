// An agent before a client pays: whose data it learnt from, who sees the queries, what it costs.
import { useState, type ReactNode } from "react";
import { parseUnits, type Hex } from "viem";
import { useWorld } from "../world";
import { bytes, isDigest } from "../lib/bytes";
import { call, eventOf } from "../lib/chain";
import { testTokenAbi } from "../gen/abi";
import { amount, count, percent } from "../lib/format";
import { accuracies, agent, shares, version as versionOf } from "../lib/reads";
import { server, services } from "../lib/service";
import { keyOf, newKey, start } from "../lib/session";
import { keySigner } from "../lib/wallet";
import { Facts, Failure, Id, Input, Loading, Note, OnChain, useLoad } from "../parts/basics";
import { Accuracies, Bars } from "../parts/chart";
import { Confirm, Steps } from "../parts/confirm";

export function Offer({ id, version }: { id: string; version: number }): ReactNode {
  if (!isDigest(id) || !(version > 0)) return <p>This link names no agent.</p>;
  return <OnChain><Content id={id} number={version} /></OnChain>;
}

function Content({ id, number }: { id: Hex; number: number }): ReactNode {
  const world = useWorld();
  const chain = world.chain!;
  const account = world.signer?.account;
  const [escrow, setEscrow] = useState("0.001");
  const { value, failure, again } = useLoad(async () => {
    const token = await chain.token();
    const [who, v, parts, right] = await Promise.all([agent(chain, id), versionOf(chain, id, number), shares(chain, id, number), accuracies(chain, id, number)]);
    const read = { address: token.address, abi: testTokenAbi } as const;
    const [balance, allowance] = account
      ? await Promise.all([
          chain.client.readContract({ ...read, functionName: "balanceOf", args: [account] }),
          chain.client.readContract({ ...read, functionName: "allowance", args: [account, chain.escrow.address] }),
        ])
      : [0n, 0n];
    const thaw = await chain.client.readContract({ ...chain.escrow, functionName: "thawPeriod" });
    return { token, who, v, parts, right, balance, allowance, thaw };
  }, [chain, id, number, account]);
  if (failure && !value) return <Failure problem={failure} />;
  if (!value) return <Loading of="the agent" />;
  const { token, who, v, parts, right, balance, allowance, thaw } = value;
  const units = Number(escrow) > 0 ? parseUnits(escrow as `${number}`, token.decimals) : 0n;
  const answers = v.pricePerQuery > 0n ? units / v.pricePerQuery : 0n;
  const elsewhere = who.service !== "" && new URL(who.service, location.href).host !== location.host;
  const approve = { to: token.address, abi: testTokenAbi, functionName: "approve", args: [chain.escrow.address, units] };
  const mint = { to: token.address, abi: testTokenAbi, functionName: "mint", args: [account, parseUnits("1", token.decimals)] };
  const open = (key: Hex) => call(chain.escrow, "open", { agentId: id, version: number, pricePerQuery: v.pricePerQuery, escrow: units, sessionKey: key });

  return (
    <>
      <h1>{who.name || "Agent without a name"}</h1>
      <p className="lead">{who.about || "Its owner says nothing about it."}</p>
      <Note title={`Who sees what you ask: the machine ${server} and the agent's owner.`}>
        <p>The machine sees every query and every answer, and keeps them sealed for the owner <Id of={who.owner} name="owner" />. The chain sees only their number and a hash. The data's owners see nothing.</p>
      </Note>
      {elsewhere && <Note kind="warning" title="Its owner says that another server answers for it."><p>Open <code>{who.service}</code> by hand if you trust it.</p></Note>}
      <Facts
        of={[
          ["Price of an answer", amount(v.pricePerQuery, token)],
          ["Learnt from", `${count(v.records)} records`],
          ["Part of the fees for data", `${v.dataBps / 100} %`],
          ["Version", String(number)],
          ["Status", v.status],
        ]}
      />
      <Bars title="Whose data explains it, and shares the fees for data" whole={1} of={parts.map((s) => ({ name: `dataset ${s.dataset.slice(0, 10)}… of ${s.owner.slice(0, 8)}…`, value: s.share ?? 0, text: percent(s.share ?? 0) }))} />
      <Accuracies of={right} />
      <h2>Open a session</h2>
      <Input label="Put into escrow" value={escrow} set={setEscrow} type="number" min={0} unit={token.symbol} hint={`Enough for ${count(answers)} answers. You have ${amount(balance, token)}.`} />
      {!account ? (
        <button onClick={world.connect}>Connect wallet</button>
      ) : (
        <>
          {balance < units && (
            <Note kind="warning" title={`You have ${amount(balance, token)}, which is less.`}>
              {token.symbol === "TTT" && (
                <Confirm label={`Make ${amount(parseUnits("1", token.decimals), token)} for testing`} call={mint} consequences={["This is the test token of a local chain: it has no value, and anybody can make it."]} run={async () => { await world.send(mint); again(); }} />
              )}
            </Note>
          )}
          <Steps
            of={[
              {
                name: "Let the escrow contract take the amount",
                done: units > 0n && allowance >= units,
                what: `Exactly ${amount(units, token)}, about 50,000 gas.`,
                act: <Confirm label="Allow" disabled={units === 0n || answers === 0n || balance < units} call={approve} consequences={[<>The contract <code>{chain.escrow.address}</code> may take {amount(units, token)} from your account, and no more.</>]} run={async () => { await world.send(approve); again(); }} />,
              },
              {
                name: "Pay into escrow and start",
                done: false,
                what: "About 0.2 million gas. This browser makes a session key, which can sign for answers of this session and nothing else.",
                act: (
                  <Confirm
                    label="Open the session"
                    disabled={answers === 0n}
                    consequences={[
                      `${amount(units, token)} move from your account into escrow.`,
                      `You are charged ${amount(v.pricePerQuery, token)} for each answer that you sign for, and the owner can claim only answers that the certified agent gives.`,
                      `You get the rest back ${count(thaw)} seconds after you ask for it.`,
                      "The session key stays in this browser. If you clear its data you cannot ask any more, but you still get your money back.",
                    ]}
                    run={async () => {
                      const address = newKey();
                      const receipt = await world.send(open(address));
                      const event = eventOf(receipt, chain.escrow, "SessionOpened") as unknown as { session: Hex; transcript: bigint };
                      start(event.session, number, chain.id, chain.escrow.address, event.transcript);
                      const calls = services(world.info, keySigner(keyOf(address)!));
                      location.hash = `#/client/session/${event.session}`;
                      await calls.sessions.openSession({ session: bytes(event.session), weightsDigest: bytes(v.wDigest) });
                    }}
                  />
                ),
              },
            ]}
          />
        </>
      )}
    </>
  );
}
