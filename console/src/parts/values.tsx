// What each owner's data was worth, from a valuation file.
import type { ReactNode } from "react";
import { ownersOf, type ValuationFile } from "../lib/files";
import { count, percent, plural } from "../lib/format";
import { meanOf, partsOf } from "../lib/valuation";
import { Id, Note } from "./basics";
import { Bars } from "./chart";

export function Values({ of }: { of: ValuationFile }): ReactNode {
  const parts = partsOf(of);
  const interval = (i: number): string =>
    of.sampling ? ` ± ${meanOf(of, BigInt(of.values[i]!.half_width) * BigInt(of.denominator)).toFixed(4)}` : "";
  return (
    <section data-what="values">
      <h2>What each owner’s data is worth</h2>
      <p>
        By how much it lowers the agent’s mean loss on {plural(of.test.records, "record")} of the test set{" "}
        <Id of={of.test.dataset_id} name="dataset" />, which {ownersOf(of.test.shards).map((owner) => <Id key={owner} of={owner} name="owner" />)} registered:{" "}
        {of.sampling
          ? `estimates from ${plural(of.sampling.permutations, "order")} of the owners, drawn by a beacon. ± is 95 % for all owners together, by a normal approximation: Student’s quantile times the standard error of the owner whose part varies most from order to order.`
          : `exact Shapley values over ${count(of.coalitions.length)} coalitions.`}
      </p>
      <Bars
        title="Values, as parts of what is positive"
        whole={1}
        of={of.values.map((v, i) => ({
          name: `owner ${v.owner.slice(0, 8)}…`,
          value: parts[i]!,
          text: `${percent(parts[i]!)}, ${meanOf(of, BigInt(v.numerator)).toFixed(4)}${interval(i)} of mean loss saved`,
        }))}
      />
      <Note kind="warning" title="Worth depends on the test set.">
        <p>Whoever chose its records chose what is worth something. Copies share a value: records that two owners list pay each a part.</p>
      </Note>
    </section>
  );
}
