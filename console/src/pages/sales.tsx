// What an agent version sells: its sessions, claims and revenue.
import { useState, type ReactNode } from "react";
import type { Address, Hex } from "viem";
import { useWorld } from "../world";
import type { ServiceOutcome } from "../gen/tribute/v1/session_pb";
import { bytes, hex } from "../lib/bytes";
import { call, proofArgs, type Chain, type Token } from "../lib/chain";
import { amount, count, plural, when } from "../lib/format";
import { Facts, Failure, Id, Loading, Table, useLoad } from "../parts/basics";
import { Growth, type Point } from "../parts/chart";
import { Confirm } from "../parts/confirm";
import { JobView } from "../parts/job";

/** Sessions of one service proof. */
const SLOTS = 16;
const LIVE_MS = 4_000;

interface Row {
  session: Hex;
  client: Address;
  remaining: bigint;
  paid: bigint;
  claimed: bigint;
  /** Answers for which this server has a voucher; undefined if it does not serve the session. */
  vouched: bigint | undefined;
  thawEnd: bigint;
}

export function Sales({ chain, id, number, weights, token }: { chain: Chain; id: Hex; number: number; weights: Hex; token: Token }): ReactNode {
  const world = useWorld();
  const [job, setJob] = useState<string>();
  const [claim, setClaim] = useState<ServiceOutcome>();
  const { value, failure, again } = useLoad(
    async () => {
      const opened = await chain.events(chain.escrow, "SessionOpened", { agentId: id });
      const mine = opened.map((e) => e.args as { session: Hex; client: Address; version: number }).filter((e) => e.version === number);
      const sessions = await Promise.all(
        mine.map(async ({ session, client }): Promise<Row> => {
          const [entry, served] = await Promise.all([
            chain.client.readContract({ ...chain.escrow, functionName: "getSession", args: [session] }),
            world.services.sessions.getSession({ session: bytes(session) }).catch(() => undefined),
          ]);
          return {
            session, client, remaining: entry.remaining, paid: entry.paid, claimed: entry.count, thawEnd: entry.thawEnd,
            vouched: served && (served.voucher?.count ?? 0n),
          };
        }),
      );
      const fees = await chain.events(chain.escrow, "FeesAccrued", { agentId: id, version: number });
      const times = await chain.times(fees.map((e) => e.blockNumber));
      let sum = 0n;
      const points = fees.map((e): Point => {
        sum += (e.args as { toOwner: bigint }).toOwner;
        const at = times.get(e.blockNumber) ?? 0;
        return { at, value: Number(sum), text: amount(sum, token), when: when(at) };
      });
      const toData = fees.reduce((all, e) => all + (e.args as { toData: bigint }).toData, 0n);
      const due = await chain.client.readContract({ ...chain.escrow, functionName: "ownerDue", args: [id, number] });
      const price = (await chain.client.readContract({ ...chain.agents, functionName: "getVersion", args: [id, number] })).pricePerQuery;
      return { sessions, points, sum, toData, due, price };
    },
    [chain, id, number],
    LIVE_MS,
  );
  if (failure && !value) return <Failure problem={failure} />;
  if (!value) return <Loading of="sessions and revenue" />;
  const open = value.sessions.filter((s) => (s.vouched ?? 0n) > s.claimed).slice(0, SLOTS);
  const answers = open.reduce((all, s) => all + (s.vouched! - s.claimed), 0n);
  const withdraw = call(chain.escrow, "withdrawOwner", id, number);
  const batch = claim && {
    agentId: hex(claim.agentId),
    version: claim.version,
    ...proofArgs(claim.proof!),
    slots: claim.vouchers.map((v) => ({ session: hex(v.session), count: v.count, transcript: BigInt(hex(v.transcript)), signature: hex(v.signature) })),
  };
  const send = batch && call(chain.escrow, "claim", [batch]);
  return (
    <>
      <h2>Revenue</h2>
      <Facts of={[["To withdraw now", amount(value.due, token)], ["Earned for you", amount(value.sum, token)], ["Earned for data", amount(value.toData, token)], ["Price of an answer", amount(value.price, token)]]} />
      <Growth title="Earned for you over time" of={value.points} />
      {value.due > 0n && (
        <Confirm label={`Withdraw ${amount(value.due, token)}`} call={withdraw} consequences={["The tokens go to the agent's payout address, which is your account unless you chose another."]} run={async () => { await world.send(withdraw); again(); }} />
      )}
      <h2>Sessions</h2>
      <Table
        caption="Sessions of this version"
        rows={value.sessions}
        keyOf={(s) => s.session}
        empty="No client has opened a session yet."
        columns={[
          { head: "Session", cell: (s) => <Id of={s.session} name="session" /> },
          { head: "Client", cell: (s) => <Id of={s.client} name="client" /> },
          { head: "Vouchers for", cell: (s) => (s.vouched === undefined ? "not served here" : `${count(s.vouched)} answers`), number: true },
          { head: "Claimed", cell: (s) => count(s.claimed), number: true },
          { head: "Left in escrow", cell: (s) => amount(s.remaining, token), number: true },
          { head: "Thaw ends", cell: (s) => (s.thawEnd === 0n ? "" : when(s.thawEnd * 1000n)) },
        ]}
      />
      {send ? (
        <Confirm
          label={`Claim ${plural(answers, "answer")}`}
          call={send}
          consequences={["The escrow pays for the proven answers: the part for data to the datasets' owners by their shares, the rest to you.", "The number of answers becomes public. Queries and answers do not."]}
          run={async () => { await world.send(send); setClaim(undefined); setJob(undefined); again(); }}
        />
      ) : job ? (
        <JobView id={job} kind="service" done={(j) => j.outcome?.outcome.case === "service" && setClaim(j.outcome.outcome.value)} />
      ) : (
        open.length > 0 && (
          <Confirm
            label={`Prove ${plural(answers, "answer")} of ${plural(open.length, "session")}`}
            sign="Your wallet will ask you to sign this call. That costs nothing."
            consequences={["One proof on this server, some seconds. It opens the weights once.", "Clients that thaw their escrow take what you have not claimed when the thaw ends."]}
            run={async () => {
              const work = { weightsDigest: bytes(weights), sessions: open.map((s) => bytes(s.session)) };
              setJob((await world.services.sessions.proveService({ work })).job!.id);
            }}
          />
        )
      )}
    </>
  );
}
