// What a request to train across nodes says, for both of its sides.
import type { ReactNode } from "react";
import { formatUnits, type Address } from "viem";
import { useWorld } from "../world";
import { RequestState } from "../gen/tribute/v1/training_pb";
import { same } from "../lib/bytes";
import { bps, count, percent, plural, small } from "../lib/format";
import { allRecords, LAMBDA_UNIT, recordsOf, type Participant, type Request } from "../lib/request";
import { classes, parseSchema } from "../lib/schema";
import { Facts, Id, Table, useLoad, type Column } from "./basics";
import { Bars } from "./chart";

const SAID: Record<number, string> = {
  [RequestState.ASKED]: "not answered yet",
  [RequestState.APPROVED]: "approved",
  [RequestState.DECLINED]: "declined",
};
export const said = (state: RequestState | undefined): string => SAID[state ?? 0] ?? "not asked yet";

export function Terms({ request: r }: { request: Request }): ReactNode {
  const { chain } = useWorld();
  const token = useLoad(async () => chain?.token(), [chain]).value;
  const schema = parseSchema(r.schema);
  return (
    <>
      <blockquote>{r.purpose}</blockquote>
      <p>
        Asked by <Id of={r.owner} name="owner" /> for version {r.version} of agent <Id of={r.agent} name="agent" />
        {r.attempt > 0 && <> (request {r.attempt + 1} for it)</>}{r.chain_id === 0 && ", for no chain"}.
      </p>
      <Facts
        of={[
          ["Schema", `${schema.name}: ${plural(schema.features.length, "feature")}, ${classes(schema).length ? `${classes(schema).length} classes` : "a number"}`],
          ["Link", r.link],
          ["Regularisation λ", small(r.lambda / LAMBDA_UNIT)],
          ["Price of an answer", token ? `${formatUnits(BigInt(r.price), token.decimals)} ${token.symbol}` : r.price],
          ["Part of the fees for data", bps(r.data_bps)],
          ["Rounds at most", count(r.rounds)],
        ]}
      />
    </>
  );
}

/** Who takes part. `more` columns say what each has answered. */
export function Participants({ request: r, you, more = [] }: { request: Request; you?: Address; more?: Column<Participant>[] }): ReactNode {
  const all = allRecords(r);
  const mine = (p: Participant): boolean => you !== undefined && same(p.account, you);
  return (
    <>
      <Bars title={`Whose records: ${count(all)} in all`} whole={1} of={r.participants.map((p) => ({ name: mine(p) ? "you" : `account ${p.account.slice(0, 8)}…`, value: recordsOf(p) / all, text: percent(recordsOf(p) / all) }))} />
      <Table
        caption="Who takes part"
        rows={r.participants}
        keyOf={(p) => p.account}
        columns={[
          { head: "Account", cell: (p) => <><Id of={p.account} name="account" />{mine(p) && " you"}</> },
          { head: "Its node", cell: (p) => <code>{p.node}</code> },
          { head: "Records", cell: (p) => count(recordsOf(p)), number: true },
          ...more,
        ]}
      />
    </>
  );
}
