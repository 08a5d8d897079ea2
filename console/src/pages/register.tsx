// Committing to a dataset: look at what is in the file first, then say the terms, then sign.
import { useState, type ReactNode } from "react";
import { parseUnits } from "viem";
import { useWorld } from "../world";
import { Link } from "../gen/tribute/v1/common_pb";
import { hex, text, utf8 } from "../lib/bytes";
import { plural, size } from "../lib/format";
import { Problem } from "../lib/problem";
import { parseSchema, classes } from "../lib/schema";
import { server } from "../lib/service";
import { Check, Failure, Facts, FileInput, Input, Note, Private, useAction, useLoad } from "../parts/basics";
import { Confirm } from "../parts/confirm";
import { JobView } from "../parts/job";

interface Uploaded {
  name: string;
  bytes: number;
  upload: Uint8Array<ArrayBuffer>;
}

export function NewDataset(): ReactNode {
  return (
    <>
      <h1>Register a dataset</h1>
      <p className="lead">
        The machine <code>{server}</code> will see every record that you send. It stores them sealed, publishes only digests, and
        makes proofs that reveal nothing else.
      </p>
      <Private what="what you register"><Form /></Private>
    </>
  );
}

function Form(): ReactNode {
  const { services } = useWorld();
  const [file, setFile] = useState<File>();
  const [uploaded, setUploaded] = useState<Uploaded>();
  const [schema, setSchema] = useState<string>();
  const [report, setReport] = useState<string>();
  const [name, setName] = useState("");
  const [label, setLabel] = useState("");
  const action = useAction();
  const csv = uploaded && { file: uploaded.name, upload: uploaded.upload, options: { label: label.trim() } };

  return (
    <>
      <h2>1. The records</h2>
      <FileInput label="A table: CSV, Parquet or Arrow" hint="CSV plain or gzip. Numbers only; a header is welcome." accept=".csv,.gz,.parquet,.arrow,.feather,text/csv" set={(f) => (setFile(f), setUploaded(undefined), setSchema(undefined), setReport(undefined))} />
      {file && !uploaded && (
        <Confirm
          label={`Send ${file.name} (${size(file.size)}) to ${server}`}
          sign="Your wallet will ask you to sign the file's length and SHA-256. That costs nothing."
          consequences={[
            <>The machine <code>{server}</code> sees every record in the file.</>,
            "It keeps the file sealed for you and forgets it after a day, unless you register it below.",
            "Nothing is published by this.",
          ]}
          run={async () => {
            const bytes = new Uint8Array(await file.arrayBuffer());
            setUploaded({ name: file.name, bytes: bytes.length, upload: await services.upload(bytes) });
          }}
        />
      )}
      {uploaded && <Note kind="good" title={`${server} has received ${uploaded.name}.`}><p>SHA-256 <code>{hex(uploaded.upload)}</code></p></Note>}
      {uploaded && csv && (
        <>
          <h2>2. What a record is</h2>
          <p>All datasets of one agent share one schema: the names, ranges and classes of their records. If somebody gave you its file, use it.</p>
          <Input label="The label's column" value={label} set={setLabel} placeholder="label" hint="Its name, or its number from 1. Without it: beside a schema's names the column that is called label, class, target or the like, or that holds the schema's classes as texts, otherwise the last one." />
          <div className="grid">
            <section className="card">
              <h3>I have the schema</h3>
              <FileInput
                label="Schema file"
                accept=".json"
                set={(f) =>
                  void action.run(async () => {
                    const given = (await f.text()).trim();
                    parseSchema(given);
                    setSchema(given);
                    setReport((await services.datasets.checkRecords({ schemaJson: utf8(given), csv })).report);
                  })
                }
              />
            </section>
            <section className="card">
              <h3>Read it off this table</h3>
              <Input label="Name of the schema" value={name} set={setName} placeholder="digits" />
              <div className="row">
                <button
                  className="quiet"
                  disabled={action.busy || name.trim() === ""}
                  onClick={() =>
                    void action.run(async () => {
                      const found = await services.datasets.inferSchema({ csv, name: name.trim() });
                      setReport(found.report);
                      // the same column is the label of the records
                      const { label_name } = JSON.parse(text(found.reportJson)) as { label_name: string | null };
                      if (label_name) setLabel(label_name);
                      if (found.schemaJson.length === 0) throw new Problem("The table leaves a doubt that has to be decided first: see the report.", "BAD_RECORD");
                      setSchema(text(found.schemaJson));
                    })
                  }
                >
                  Read the schema
                </button>
              </div>
            </section>
          </div>
          <Failure problem={action.failure} />
          {report && <><h3>What is in the table</h3><pre>{report}</pre></>}
        </>
      )}
      {schema && csv && <Terms schema={schema} csv={csv} />}
    </>
  );
}

interface Csv {
  file: string;
  upload: Uint8Array<ArrayBuffer>;
  options: { label: string };
}

function Terms({ schema, csv }: { schema: string; csv: Csv }): ReactNode {
  const { services, chain, info } = useWorld();
  const token = useLoad(async () => chain?.token(), [chain]).value;
  const [data, setData] = useState("30");
  const [share, setShare] = useState("0");
  const [price, setPrice] = useState("0");
  const [open, setOpen] = useState(false);
  const [job, setJob] = useState<string>();
  const [made, setMade] = useState<string>();
  const read = parseSchema(schema);
  const hundred = (value: string): number => Math.round(Number(value) * 100);
  const bad = [data, share].some((v) => !(Number(v) >= 0 && Number(v) <= 100)) || !(Number(price) >= 0);

  if (made) {
    return (
      <Note kind="good" title="Your dataset is committed and proven.">
        <p>Next: register it on chain, so that agents which use it can be certified and pay you.</p>
        <a className="button" href={`#/provider/dataset/${made}`}>Open the dataset</a>
      </Note>
    );
  }
  return (
    <>
      <h2>3. Your terms</h2>
      <Facts of={[["Schema", read.name], ["Features", String(read.features.length)], ["Classes", String(classes(read).length || "a number")]]} />
      <p>These terms become part of the proof and can never change. They hold for everybody who trains on the dataset.</p>
      <Input label="Least part of an agent's fees that goes to data" value={data} set={setData} type="number" min={0} max={100} unit="%" hint="With 0, an agent may keep all of its fees." />
      <Input label="Least share of that part for this dataset" value={share} set={setShare} type="number" min={0} max={100} unit="%" hint="With 0, others can list datasets beside yours, even made-up ones, and leave you next to nothing. You can ask for more in each grant." />
      <Input label="Least price of an answer" value={price} set={setPrice} type="number" min={0} unit={token?.symbol ?? "units"} hint="With 0, an agent may answer for next to nothing." />
      <Check label="Anybody may train under these terms, without asking me" value={open} set={setOpen} />
      {job ? (
        <JobView id={job} kind="dataset" done={(j) => j.outcome?.outcome.case === "dataset" && setMade(hex(j.outcome.outcome.value.dataset!.id))} />
      ) : (
        <Confirm
          label="Commit to these records"
          disabled={bad}
          sign="Your wallet will ask you to sign this call. That costs nothing."
          consequences={[
            <>The machine <code>{server}</code> keeps the records, sealed, to prove agents that use them.</>,
            open ? "Anybody may train on them. You cannot take that back." : "Nobody may train on them until you grant it.",
            `At least ${data} % of fees for data, at least ${share} % of that for you, at least ${price} ${token?.symbol ?? "units"} for an answer: for ever.`,
            info.chainId === 0n ? "The proof is for no chain." : `The proof is for chain ${info.chainId}. Registering there is the next step.`,
          ]}
          run={async () => {
            const minPrice = parseUnits(price as `${number}`, token?.decimals ?? 0).toString();
            const { job: queued } = await services.datasets.registerDataset({
              work: {
                schemaJson: utf8(schema),
                records: { case: "csv", value: csv },
                terms: { minDataBps: hundred(data), minShareBps: hundred(share), minPrice, openTraining: open, links: [] as Link[] },
              },
            });
            setJob(queued!.id);
          }}
        />
      )}
      <p className="hint">{plural(read.features.length, "number")} and one label make a record.</p>
    </>
  );
}
