import type { ReactNode } from "react";
import { useWorld } from "../world";
import { hex, text } from "../lib/bytes";
import { bps, count, when } from "../lib/format";
import { parseSchema } from "../lib/schema";
import { Failure, Id, Loading, Private, Table, useLoad } from "../parts/basics";
import { Trainings } from "./training";

export function Provider(): ReactNode {
  return (
    <>
      <h1>Your datasets</h1>
      <p className="lead">Commit records once. Agents are trained on them only if you grant it, and pay you for every answer that they sell.</p>
      <div className="row"><a className="button" href="#/provider/register">Register a dataset</a></div>
      <Private what="your datasets, and requests to you">
        <List />
        <Trainings />
      </Private>
    </>
  );
}

function List(): ReactNode {
  const { services, signer } = useWorld();
  const { value, failure } = useLoad(() => services.datasets.listDatasets({}), [signer?.account]);
  if (failure) return <Failure problem={failure} />;
  if (!value) return <Loading of="your datasets" />;
  return (
    <Table
      caption="Datasets that this server committed for you, newest first"
      rows={value.datasets}
      keyOf={(d) => hex(d.id)}
      empty="You have no dataset on this server yet."
      columns={[
        { head: "Dataset", cell: (d) => <a href={`#/provider/dataset/${hex(d.id)}`}>{parseSchema(text(d.schemaJson)).name}</a> },
        { head: "Identifier", cell: (d) => <Id of={hex(d.id)} name="dataset" /> },
        { head: "Records", cell: (d) => count(d.records), number: true },
        { head: "Least part for data", cell: (d) => bps(d.terms?.minDataBps ?? 0), number: true },
        { head: "Committed", cell: (d) => when(d.createdMs) },
      ]}
    />
  );
}
