// A provider and the requests to train across nodes that were left at its node: what each would publish and spend, and its
// answer.
import { useState, type ReactNode } from "react";
import { parseUnits, zeroHash, type Hex } from "viem";
import { useWorld } from "../world";
import { RequestState, type TrainingRequest } from "../gen/tribute/v1/training_pb";
import { bytes, hex, isDigest, same, text } from "../lib/bytes";
import { call, LINKS, type Chain } from "../lib/chain";
import { bps, count, plural, seconds, size, when } from "../lib/format";
import { Problem } from "../lib/problem";
import { allRecords, conjugate, consent, GRADIENT_OPENINGS, listHash, readRequest, recordsOf, requestId, type Request } from "../lib/request";
import { server } from "../lib/service";
import { Check, Facts, Failure, Id, Input, Loading, Note, Private, Table, useLoad } from "../parts/basics";
import { Confirm, GasOf, Steps, type Step } from "../parts/confirm";
import { Participants, said, Terms } from "../parts/training";

const LIVE_MS = 2_000;
/** Accounts below which a page advises to decline: with two, each has the other's sums. */
const ADVISED = 3;
const GRANT_DAYS = 30;
/** A grant with least terms, of docs/gas.md. */
const GRANT_GAS = 84_000;

/** The requests at this node, newest first. */
export function Trainings(): ReactNode {
  const { services, signer } = useWorld();
  const { value, failure } = useLoad(() => services.trainings.listTrainingRequests({ pageSize: 50 }), [signer?.account], LIVE_MS);
  if (failure && !value) return <Failure problem={failure} />;
  if (!value) return <Loading of="requests" />;
  const purpose = (r: TrainingRequest): string => (JSON.parse(text(r.requestJson)) as Request).purpose;
  return (
    <>
      <h2>Requests to train across nodes</h2>
      <Table
        caption="What agents' owners left at this node for you. Your records stay here"
        rows={value.requests}
        keyOf={(r) => hex(r.id)}
        empty="No owner has asked you for a training in which your records stay on this machine."
        columns={[
          { head: "What for", cell: (r) => <a href={`#/provider/training/${hex(r.id)}`}>{purpose(r)}</a> },
          { head: "Your answer", cell: (r) => said(r.state) },
          { head: "Rounds answered", cell: (r) => count(r.roundsAnswered), number: true },
          { head: "Asked", cell: (r) => when(r.createdMs) },
        ]}
      />
    </>
  );
}

export function TrainingPage({ id }: { id: string }): ReactNode {
  if (!isDigest(id)) return <p>This link names no request.</p>;
  return (
    <>
      <h1>A request to train across nodes</h1>
      <Private what="requests to you"><Content id={id} /></Private>
    </>
  );
}

function Content({ id }: { id: Hex }): ReactNode {
  const { services, signer } = useWorld();
  const { value, failure, again } = useLoad(
    async () => {
      const message = await services.trainings.getTrainingRequest({ id: bytes(id) });
      const json = text(message.requestJson);
      // what is signed is what is read here, not what the node says it is
      if (!same(requestId(json), id)) throw new Problem(`This node sent another request than ${id}.`);
      return { message, request: readRequest(json) };
    },
    [id, signer?.account],
    LIVE_MS,
  );
  if (failure && !value) return <Failure problem={failure} />;
  if (!value) return <Loading of="the request" />;
  const { message, request } = value;
  const own = request.participants.find((p) => same(p.account, signer!.account));
  if (!own) return <p>This request is not to the connected account.</p>;
  return (
    <>
      <Terms request={request} />
      <Participants request={request} you={signer!.account} />
      <Warnings request={request} own={recordsOf(own)} before={message.answeredBefore.length} />
      <Costs message={message} request={request} />
      <Answer id={id} message={message} request={request} datasets={own.datasets.map((d) => d.dataset)} again={again} />
    </>
  );
}

function Warnings({ request, own, before }: { request: Request; own: number; before: number }): ReactNode {
  return (
    <>
      {request.participants.length === 2 && <Note kind="warning" title="Only two take part."><p>Each of them subtracts its own part from every sum, and has the other's.</p></Note>}
      {2 * own > allRecords(request) && <Note kind="warning" title="More than half of all records are yours."><p>The sums are nearly yours alone.</p></Note>}
      {before > 0 && <Note kind="warning" title={`This node has answered rounds of ${plural(before, "other request")} with your records.`}><p>If one of them differs only in who takes part, the difference of its sums and these tells what the others contribute, or you.</p></Note>}
    </>
  );
}

function Costs({ message: { expenses }, request: r }: { message: TrainingRequest; request: Request }): ReactNode {
  if (!expenses) return null;
  const least = expenses.openingsLeft.reduce((few, n) => (n < few ? n : few), expenses.openingsLeft[0] ?? 0n);
  return (
    <>
      <h2>What becomes known</h2>
      <ul>
        <li>To all nodes and the owner: in every round, at most {count(r.rounds)} times, the sums over all {count(allRecords(r))} records of loss and gradient, and {conjugate(r.schema, r.link) ? "second derivatives at a few points (of each class at two of them, and again where a step to one of these is halved), their products with one direction in most other rounds" : "all second derivatives"}; at the end the weights.</li>
        <li>To everybody: N of {expenses.shards === 1 ? "your shard" : `each of your ${count(expenses.shards)} shards`}, one number that says how much it contributes.</li>
        <li>To nobody: your records, labels, secrets and gradients, unless all others work together.</li>
      </ul>
      <h2>What you spend</h2>
      <Facts
        of={[
          ["Proofs on this machine", count(expenses.shards)],
          ["Proving time, about", expenses.seconds > 0 ? seconds(1000 * expenses.seconds) : "unknown"],
          ["Openings of each shard", `1 of ${count(least)} left`],
          ["Openings of each gradient", count(GRADIENT_OPENINGS)],
          ["Sent in every round", size(Number(expenses.answerBytes))],
        ]}
      />
    </>
  );
}

function Answer({ id, message, request, datasets, again }: { id: Hex; message: TrainingRequest; request: Request; datasets: Hex[]; again(): void }): ReactNode {
  const world = useWorld();
  const [reason, setReason] = useState("");
  const approved = message.state === RequestState.APPROVED;
  if (message.state === RequestState.DECLINED) {
    return <Note title="You declined. This node answers nothing for the request."><p>The owner reads: “{message.reason}”. Another try is a new request.</p></Note>;
  }
  const decline = (
    <>
      <Input label={approved ? "Why you withdraw" : "Why you decline"} value={reason} set={setReason} hint="The owner reads it." />
      <Confirm
        label={approved ? "Withdraw the approval" : "Decline"}
        disabled={reason.trim() === ""}
        sign="Your wallet will ask you to sign this call. That costs nothing."
        consequences={["This is final: this node answers no further round and proves nothing more for this request.", approved ? "What was answered so far is known already." : "Nothing was answered so far."]}
        run={async () => {
          await world.services.trainings.declineTraining({ id: bytes(id), reason: reason.trim() });
          again();
        }}
      />
    </>
  );
  if (approved) {
    return (
      <>
        <Note kind="good" title="You approved: this node takes part by itself.">
          <p role="status">{count(message.roundsAnswered)} of at most {count(request.rounds)} rounds answered.</p>
          <progress max={request.rounds} value={message.roundsAnswered} aria-label="Rounds answered" />
        </Note>
        <details><summary>Withdraw</summary>{decline}</details>
      </>
    );
  }
  return (
    <>
      <h2>Your answer</h2>
      <Approve id={id} request={request} datasets={datasets} again={again} />
      <h3>Or decline</h3>
      {decline}
    </>
  );
}

interface Wishes {
  share: string;
  price: string;
  accounts: string;
  only: boolean;
}

function Approve({ id, request, datasets, again }: { id: Hex; request: Request; datasets: Hex[]; again(): void }): ReactNode {
  const world = useWorld();
  const { chain } = world;
  const [wishes, setWishes] = useState<Wishes>({ share: "10", price: "0", accounts: String(ADVISED), only: true });
  const set = (change: Partial<Wishes>): void => setWishes({ ...wishes, ...change });
  const onChain = request.chain_id !== 0;
  const { value, failure, again: reread } = useLoad(() => granted(onChain ? chain : undefined, request, datasets), [chain, id], LIVE_MS);
  if (onChain && !chain) return <Note title="The request is for a chain: choose a node of it, or connect a wallet that is on it, to grant training there." />;
  if (failure && !value) return <Failure problem={failure} />;
  if (!value) return <Loading of="your grants" />;
  const units = Number(wishes.price) > 0 && value.token ? parseUnits(wishes.price as `${number}`, value.token.decimals) : 0n;
  const few = request.participants.length < Number(wishes.accounts);
  const cheap = BigInt(request.price) < units;
  const waiting = datasets.filter((d) => !value.live.includes(d));
  const grant = (dataset: Hex) =>
    call(chain!.datasets, "grantTraining", dataset, request.owner, {
      uses: 1,
      expiry: BigInt(Math.floor(Date.now() / 1000) + 86_400 * GRANT_DAYS),
      links: 1 << LINKS.indexOf(request.link),
      minShareBps: Math.round(100 * Number(wishes.share)),
      minDataBps: request.data_bps,
      minPricePerQuery: units,
      coversLater: false,
      participants: wishes.only ? listHash(request.participants.flatMap((p) => p.datasets.map((d) => d.dataset))) : zeroHash,
    });
  const steps: Step[] = [];
  if (onChain) {
    steps.push({
      name: "Grant training on chain, on your terms",
      done: waiting.length === 0,
      what: waiting.length === 0
        ? <>The account may train. On which terms is on the page of {datasets.length === 1 ? <a href={`#/provider/dataset/${datasets[0]}`}>your dataset</a> : "each of your datasets"}.</>
        : `${plural(waiting.length, "transaction")}. Below your terms no version can be certified.`,
      cost: { time: "one block of the chain each", gas: <GasOf call={waiting[0] && grant(waiting[0])} usual={GRANT_GAS} /> },
      act: waiting[0] && (
        <Confirm
          label="Grant training"
          disabled={few || cheap || !(Number(wishes.share) >= 0 && Number(wishes.share) <= 100)}
          call={grant(waiting[0])}
          consequences={[
            <>The account <code>{request.owner}</code> may list your dataset <Id of={waiting[0]} name="dataset" /> in one agent version within {GRANT_DAYS} days.</>,
            `It gives you at least ${wishes.share} % of the fees for data, which are at least ${bps(request.data_bps)} of all fees.`,
            ...(wishes.only ? ["It lists exactly the datasets of this request, in its order."] : []),
          ]}
          run={async () => {
            await world.send(grant(waiting[0]!));
            reread();
          }}
        />
      ),
    });
  }
  steps.push({
    name: "Let this node take part",
    done: false,
    what: "From then on the node answers the owner's rounds by itself.",
    cost: {
      time: "three signatures now; the node's proofs take what is said above",
      openings: `1 of each shard and ${GRADIENT_OPENINGS} of each gradient, at the end`,
    },
    act: (
      <Confirm
        label="Approve"
        disabled={few || cheap}
        sign="Your wallet will ask you to sign three times: to prepare the node's keys, to consent, and to hand in the consent. That costs nothing."
        consequences={[
          `The machine ${server} answers up to ${count(request.rounds)} rounds over your records, and proves your gradients at the end.`,
          "Your consent names this request: with another participant, link, price or λ it is void.",
          "You can withdraw at any time; what was answered until then is known.",
        ]}
        run={async () => {
          const { maskKey, answerKey } = await world.services.trainings.prepareConsent({ id: bytes(id) });
          const signature = await world.signer!.signTypedData(consent(id, hex(maskKey), hex(answerKey)));
          await world.services.trainings.approveTraining({ id: bytes(id), signature: bytes(signature) });
          again();
        }}
      />
    ),
  });
  return (
    <>
      {onChain && (
        <>
          <Input label="Your least share of the fees for data" value={wishes.share} set={(share) => set({ share })} type="number" min={0} max={100} unit="%" hint="Below it, the version cannot be certified." />
          <Check label="Only together with exactly these datasets" value={wishes.only} set={(only) => set({ only })} />
        </>
      )}
      <Input label="Your least price of an answer" value={wishes.price} set={(price) => set({ price })} type="number" min={0} unit={value.token?.symbol} />
      <Input label="Fewest accounts that take part" value={wishes.accounts} set={(accounts) => set({ accounts })} type="number" min={2} hint="The owner may hide behind several of them. With two, each learns the other's sums." />
      {few && <Note kind="warning" title={`${request.participants.length} accounts take part, which is fewer than you want.`}><p>Decline, or allow fewer.</p></Note>}
      {cheap && <Note kind="warning" title="An answer costs less than you want."><p>Decline and say so, or ask for less.</p></Note>}
      <Steps of={steps} />
    </>
  );
}

/** The token, and those of the datasets for which the owner holds a grant. */
async function granted(chain: Chain | undefined, request: Request, datasets: Hex[]) {
  if (!chain) return { token: undefined, live: datasets };
  const may = await Promise.all(datasets.map((d) => chain.client.readContract({ ...chain.datasets, functionName: "mayTrain", args: [d, request.owner] })));
  return { token: await chain.token(), live: datasets.filter((_, i) => may[i]) };
}
