#!/usr/bin/env python3
"""Audits a finished demo without any of Tribute's code.

    audit.py demo-out --data examples/digits.csv.gz [--rpc http://127.0.0.1:8545]

From the CSV, the agent's ONNX file and the chain (a running node, or the state dumped when it stopped) it recomputes:
which rows each provider's dataset holds; the gradient of the agent's weights, to the last bit, and their distance to
the true optimum; each shard's contribution, and from them the shares; the accuracies; every session; every token
balance, and that the money adds up; and that each fraud was a transaction that failed. Prints one line per check and
exits with 1 if any differs.
"""

import argparse
import hashlib
import json
import math
import pathlib
import sys

import numpy as np
import onnx
from onnx import numpy_helper

from audit_chain import Dump, Rpc, address, hex32, keccak, selector, signed, word
from audit_head import Head, Schema, read_rows

LINKS = {1: "squared", 2: "logistic", 3: "softmax"}
PROPOSED = (
    "VersionProposed(bytes32,uint32,address,((uint32,uint32,uint32,uint32,uint32,uint32,uint32),uint64,uint8,uint16,uint128,"
    "bytes32,bytes32,bytes32,bytes32,bytes32))"
)
LISTED = "DatasetListed(bytes32,uint32,bytes32,(bytes32,bytes32,bytes32,uint32,uint64,uint16,uint32,bytes32),bytes32)"
REGISTERED = "DatasetRegistered(bytes32,address,bytes32,bytes32,bytes32,uint64,uint32,(uint16,bool,uint16,uint128,uint8))"
CALLS = {
    "dataset": "register((bytes32,bytes32,(uint16,bool,uint16,uint128,uint8)),(uint256[],bytes)[])",
    "gradient": "addGradients(bytes32,uint32,(bytes32,uint32,uint256[],bytes)[])",
    "optimum": "certify(bytes32,uint32,uint256[],bytes)",
    "service": "claim((bytes32,uint32,uint256[],bytes,(bytes32,uint64,uint256,bytes)[])[])",
}
# A fraud's transaction reverts with an error, or every slot of its claim is skipped for a reason.
FRAUD_ERRORS = {
    "label_changed": "WrongRecords(bytes32,uint32,bytes32,bytes32)",
    "shares_diluted": "BelowLeastShare(uint256,uint256)",
}
FRAUD_SKIPS = {"claim_replayed": ("StaleTranscript", 3), "voucher_overcount": ("OtherCount", 5)}


class Audit:
    """Runs checks and counts failures."""

    def __init__(self):
        self.checks = self.failed = 0

    def that(self, what, good, detail=""):
        """Records one check."""
        self.checks += 1
        self.failed += not good
        print(f"{'  ok   ' if good else 'DIFFERS'}  {what}{': ' + detail if detail else ''}")

    def equal(self, what, found, said):
        """Checks that the recomputed and the published value are equal."""
        same = found == said
        self.that(what, same, str(found) if same else f"recomputed {found}, published {said}")

    def close(self, what, found, said, tolerance):
        """Checks that the recomputed and the published real value agree."""
        detail = f"recomputed {found:.9g}, published {said:.9g}"
        self.that(what, math.isfinite(said) and abs(found - said) <= tolerance, detail)


def read_agent(path):
    """(weights [d + 1][c] with the bias last, metadata, SHA-256)."""
    raw = path.read_bytes()
    model = onnx.load_from_string(raw)
    onnx.checker.check_model(model, full_check=True)
    weight = next(t for t in model.graph.initializer if t.name == "weight")
    metadata = {p.key: p.value for p in model.metadata_props}
    return numpy_helper.to_array(weight), metadata, hashlib.sha256(raw).digest()


def find_version(chain, model_hash):
    """The certified version that pins this model file."""
    for proposed in chain.events(PROPOSED):
        if proposed.data[15 * 32 : 16 * 32] != model_hash:
            continue
        for log in chain.events("VersionCertified(bytes32,uint32,uint64,uint64,uint32,int256,uint256)"):
            if log.topics[1:3] == proposed.topics[1:3]:
                return proposed, log
    raise SystemExit("the chain has no certified version with the SHA-256 of agent.onnx")


def read_params(proposed):
    """λ, link and the other parameters of the proposed version."""
    params = proposed.data
    return {
        "k": word(params, 0),
        "features": word(params, 2),
        "classes": word(params, 3),
        "intercept_scale": word(params, 6),
        "lambda": word(params, 7),
        "link": LINKS[word(params, 8)],
        "data_bps": word(params, 9),
    }


def read_list(audit, chain, version_topics):
    """The version's datasets in order, with the minimum share that each requires, in basis points."""
    datasets, hashed = {}, bytes(32)
    for log in chain.events(LISTED):
        if log.topics[1:3] == version_topics:
            datasets[log.topics[3]] = word(log.data, 5)
            hashed = keccak(hashed + log.topics[3].to_bytes(32, "big"))
    closed = chain.events("VersionClosed(bytes32,uint32,bytes32,uint32,uint32,uint64)")
    closed = next(log for log in closed if log.topics[1:3] == version_topics)
    audit.equal("hash of the closed list", "0x" + hashed.hex(), hex32(word(closed.data, 0)))
    return datasets


def audit_data(audit, chain, summary, header, lines, schema, datasets):
    """Checks rows, owners and schema of the version's datasets. Returns the index of the first held-out row."""
    registered = {log.topics[1]: log for log in chain.events(REGISTERED)}
    schema_id = keccak(schema.text.encode())
    if schema_id != keccak(schema.canonical()):
        audit.that("schema.json is canonical", False)
    audit.equal("datasets of the version", [hex32(d) for d in datasets], [d["dataset_id"] for d in summary["data"]])
    start = 0
    for position, (dataset, said) in enumerate(zip(datasets, summary["data"])):
        log = registered[dataset]
        audit.equal(f"dataset {position}: records on chain", word(log.data, 2), said["rows"])
        audit.equal(f"dataset {position}: schema on chain", hex32(log.topics[3]), "0x" + schema_id.hex())
        # a provider's file: the header, if there is one, and the provider's lines
        text = header + "".join(line + "\n" for line in lines[start : start + said["rows"]])
        audit.equal(f"dataset {position}: SHA-256 of its rows", hashlib.sha256(text.encode()).hexdigest(), said["sha256"])
        start += said["rows"]
    audit.that("the CSV holds every dataset's rows", start <= len(lines), f"{start} of {len(lines)}")
    return start


def shards_of(chain, dataset, q, y):
    """A dataset's rows, divided into its registered shards."""
    logs = chain.events("ShardRegistered(bytes32,uint32,bytes32,uint64)")
    counts = [word(log.data, 2) for log in logs if log.topics[1] == dataset]
    ends = np.cumsum([0] + counts)
    return [(q[a:b], y[a:b]) for a, b in zip(ends, ends[1:])]


def audit_certificate(audit, chain, summary, head, parts, params, certified, datasets):
    """Checks gradient, distance and contributions, in exact integers against the chain and in f64 against the true
    loss. Returns the datasets' contributions."""
    version_topics = certified.topics[1:3]
    epsilon, norm = word(certified.data, 1), word(certified.data, 2)
    total, positive = signed(word(certified.data, 3)), word(certified.data, 4)
    exact = head.optimum([shards_of(chain, dataset, q, y) for dataset, (q, y) in zip(datasets, parts)])
    audit.equal("records of the certificate", exact["n"], word(certified.data, 0))
    audit.equal("gradient norm, units of 2^-44", exact["epsilon"], epsilon)
    audit.equal("norm of the weights, units of 2^-10", exact["norm"], norm)

    added = chain.events("GradientAdded(bytes32,uint32,bytes32,uint32,int256,bytes32)")
    added = [log for log in added if log.topics[1:3] == version_topics]
    brought = {(log.topics[3], word(log.data, 0)): signed(word(log.data, 1)) for log in added}
    audit.equal("gradients, each once", len(added), len(brought))
    computed = {(d, i): n for d, shards in zip(datasets, exact["contributions"]) for i, n in enumerate(shards)}
    unit = head.contribution_bits()
    audit.equal("shards with a gradient", sorted(computed), sorted(brought))
    for (dataset, shard), value in computed.items():
        name = f"contribution of {hex32(dataset)[:10]}…, shard {shard}, units of 2^-{unit}"
        audit.equal(name, value, brought.get((dataset, shard)))
    sums = [sum(shards) for shards in exact["contributions"]]
    audit.equal("sum of the contributions", sum(sums), total)
    audit.equal("sum of the positive contributions", sum(max(s, 0) for s in sums), positive)
    audit.that("rounding is at most 2^-20 of the sum", len(added) << 20 <= total)
    audit.that("negative contributions are at most 2^-10 of the sum", (positive - total) << 10 <= total)
    # N has `unit` fractional bits; λ 44, the norm 10
    least = exact["n"] * params["lambda"] * norm * norm * 511
    audit.that("the contributions sum to what the optimum requires", total << (44 + 20 + 9) >= least << unit)
    for (dataset, bps), value in zip(datasets.items(), sums):
        audit.that(f"least share of {hex32(dataset)[:10]}…", max(value, 0) * 10_000 >= positive * bps, f"{bps} basis points")

    cells = 65536 * params["classes"] * (params["features"] + 4 ** params["intercept_scale"])
    delta = math.isqrt(cells) + (math.isqrt(cells) ** 2 < cells) + 1
    distance = (epsilon + delta) / (params["lambda"] * norm / 1024)
    certificate = summary["certificate"]
    audit.close("lambda", params["lambda"] / 2**44, certificate["lambda"], 2**-44)
    audit.close("epsilon", epsilon / 2**44, certificate["epsilon"], 2**-54)
    audit.close("relative distance", distance, certificate["relative_distance"], 1e-15)
    audit.equal("number of shares", len(sums), len(certificate["shares"]))
    for position, (value, said) in enumerate(zip(sums, certificate["shares"])):
        audit.close(f"share of dataset {position}", max(value, 0) / positive, said, 1e-12)
    audit.that("relative distance is at most 1e-3", distance <= 1e-3, f"{distance:.3e}")

    q, y = np.vstack([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    real, true_distance = head.real(q, y)
    bound = (epsilon + delta) / 2**44
    audit.that("gradient of the real loss is within epsilon + delta", real <= bound, f"{real:.3e} <= {bound:.3e}")
    if true_distance is not None:
        detail = f"{true_distance:.3e} <= {distance:.3e}"
        audit.that("distance to the optimum found by Newton's method is within the bound", true_distance <= distance, detail)
    return sums


def audit_accuracy(audit, summary, head, parts, heldout):
    """Checks the share of correct answers, by exact integer logits."""
    train_q, train_y = np.vstack([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    for name, (q, y) in {"train": (train_q, train_y), "heldout": heldout}.items():
        right = int((head.answers(q) == y).sum())
        audit.close(f"accuracy, {name} ({right} of {len(y)})", right / len(y), summary["accuracy"][name], 1e-9)


def audit_money(audit, chain, summary, params, version_topics, datasets, contributions):
    """Checks sessions, payments and every token balance."""
    opened = chain.events("SessionOpened(bytes32,address,bytes32,uint32,uint128,uint128,address,uint256)")
    opened = [o for o in opened if [o.topics[3], word(o.data, 0)] == version_topics]
    escrow = opened[0].address
    claims = chain.events("QueriesClaimed(bytes32,bytes32,uint32,uint64,uint256,uint64,uint64,uint256)")
    refunds = chain.events("ThawedWithdrawn(bytes32,address,uint256,uint256)")
    sessions = {}
    for o in opened:
        own = [c for c in claims if c.topics[1] == o.topics[1]]
        count, claimed = max([word(c.data, 0) for c in own], default=0), sum(word(c.data, 4) for c in own)
        audit.equal(f"session {hex32(o.topics[1])[:10]}…: price times count", word(o.data, 1) * count, claimed)
        sessions[hex32(o.topics[1])] = {
            "count": count,
            "escrowed": word(o.data, 2),
            "claimed": claimed,
            "refunded": sum(word(r.data, 0) for r in refunds if r.topics[1] == o.topics[1]),
        }
    said = {s["id"]: {k: s[k] for k in ("count", "escrowed", "claimed", "refunded")} for s in summary["sessions"]}
    audit.equal("sessions", sessions, said)

    of_version = lambda logs: [log for log in logs if log.topics[1:3] == version_topics]
    accrued = of_version(chain.events("FeesAccrued(bytes32,uint32,uint64,uint256,uint256)"))
    to_data, to_owner = sum(word(a.data, 1) for a in accrued), sum(word(a.data, 2) for a in accrued)
    claimed = sum(s["claimed"] for s in sessions.values())
    audit.equal("claimed fees are all accrued", to_data + to_owner, claimed)
    for a in accrued:
        fees = word(a.data, 1) + word(a.data, 2)
        audit.equal("data's part of a claim", word(a.data, 1), fees * params["data_bps"] // 10_000)

    paid = of_version(chain.events("ProviderPaid(bytes32,uint32,bytes32,address,uint256)"))
    weights = [max(n, 0) for n in contributions]
    paid_providers = [sum(word(p.data, 1) for p in paid if p.topics[3] == d) for d in datasets]
    due = [to_data * w // sum(weights) for w in weights]
    audit.equal("every provider took its share of the fees, rounded down", paid_providers, due)
    paid_owner = sum(word(p.data, 1) for p in of_version(chain.events("OwnerPaid(bytes32,uint32,address,uint256)")))
    audit.equal("the owner took the rest", paid_owner, to_owner)

    escrowed = sum(s["escrowed"] for s in sessions.values())
    ledger = {
        "escrowed": escrowed,
        "paid_owner": paid_owner,
        "paid_providers": paid_providers,
        "refundable": escrowed - claimed,
        "dust": to_data - sum(paid_providers),
    }
    audit.equal("ledger", ledger, {key: summary["ledger"][key] for key in ledger})
    left = ledger["escrowed"] - paid_owner - sum(paid_providers) - ledger["refundable"] - ledger["dust"]
    audit.equal("the ledger sums to", left, 0)

    audit_balances(audit, chain, escrow, escrowed - sum(s["refunded"] for s in sessions.values()) - paid_owner - sum(paid_providers))


def audit_balances(audit, chain, escrow, expected):
    """Checks the balance of every address, computed from transfers, against the token's storage."""
    transfers = [t for t in chain.events("Transfer(address,address,uint256)") if len(t.topics) == 3]
    token = next(t.address for t in transfers if address(t.topics[2]) == escrow)
    balances = {}
    for t in (t for t in transfers if t.address == token):
        amount = word(t.data, 0)
        for holder, change in ((t.topics[1], -amount), (t.topics[2], amount)):
            balances[holder] = balances.get(holder, 0) + change
    minted = -balances.pop(0, 0)
    audit.equal("all balances add up to the tokens minted", sum(balances.values()), minted)
    for holder, balance in sorted(balances.items()):
        audit.equal(f"balance of {address(holder)}", balance, chain.balance(token, address(holder)))
    held = balances.get(int(escrow, 16), 0)
    audit.equal("the escrow contract holds what is still owed to sessions and payees", held, expected)


def audit_frauds(audit, chain, summary):
    """Checks that each fraud is a mined transaction that moved nothing: it reverted with the contract's own error, or
    did nothing but report why a slot of its claim was skipped."""
    # under the squared link there is no diluted version: random rows work against it
    expected = {*FRAUD_ERRORS, *FRAUD_SKIPS} - (set() if summary["consent"] else {"shares_diluted"})
    audit.equal("frauds", sorted(f["name"] for f in summary["frauds"]), sorted(expected))
    skipped = chain.events("SlotSkipped(bytes32,uint256,uint8)")
    for fraud in summary["frauds"]:
        name, tx = f"fraud {fraud['name']}", fraud["tx"].lower()
        logs = [log for log in chain.logs if log.tx == tx]
        reverts = fraud["name"] in FRAUD_ERRORS
        audit.equal(f"{name}: status of its transaction", chain.status(tx), int(not reverts))
        audit.equal(f"{name}: status said", int(fraud["status"]), int(not reverts))
        if reverts:
            signature = FRAUD_ERRORS[fraud["name"]]
            error, output = signature.split("(")[0], chain.output(tx)
            if output is not None:
                audit.that(f"{name}: reverts with {error}", output[:4] == selector(signature))
            moved = logs
        else:
            error, code = FRAUD_SKIPS[fraud["name"]]
            reasons = [word(log.data, 1) for log in skipped if log.tx == tx]
            audit.that(f"{name}: every slot is skipped for {error}", reasons != [] and set(reasons) == {code})
            moved = logs[len(reasons) :]
        audit.that(f"{name}: error said", fraud["error"].startswith(error), fraud["error"])
        audit.that(f"{name}: moved nothing", not moved and fraud["balances_unchanged"] is True)


def audit_consent(audit, chain, summary, version_topics, datasets):
    """What each provider agreed to, and that the version that bounced, of the same agent and under the same grants, would have
    left somebody less: from the contributions that the chain holds for both."""
    added = chain.events("GradientAdded(bytes32,uint32,bytes32,uint32,int256,bytes32)")
    fraud = next(f for f in summary["frauds"] if f["name"] == "shares_diluted")
    agent, version = chain.calldata(fraud["tx"])[4:36], word(chain.calldata(fraud["tx"])[4:], 1)
    audit.equal("diluted version: its agent", hex32(int.from_bytes(agent, "big")), hex32(version_topics[0]))
    logs = {"certified": version_topics, "diluted": [version_topics[0], version]}
    shares = {}
    for name, topics in logs.items():
        values = {}
        for log in added:
            if log.topics[1:3] == topics:
                values[log.topics[3]] = values.get(log.topics[3], 0) + signed(word(log.data, 1))
        positive = sum(max(value, 0) for value in values.values())
        shares[name] = {d: max(value, 0) / positive for d, value in values.items()}
    audit.equal("diluted version: datasets beside the providers'", len(shares["diluted"]), len(datasets) + 1)
    audit.equal("providers' consent", len(datasets), len(summary["consent"]))
    for (dataset, bps), said in zip(datasets.items(), summary["consent"]):
        name = f"consent of {hex32(dataset)[:10]}…"
        audit.equal(f"{name}, basis points", bps, round(said["least_share"] * 10_000))
        for which in ("certified", "diluted"):
            audit.close(f"{name}, {which} share", shares[which][dataset], said[f"{which}_share"], 2e-6)
    audit.that("some provider's least share is broken", any(shares["diluted"][d] * 10_000 < bps for d, bps in datasets.items()))


def audit_proofs(audit, chain, summary):
    """Checks that every proof with a transaction was accepted on chain, for the stated gas."""
    for proof in summary["proofs"]:
        if proof.get("tx"):
            name = f"{proof['statement']} proof {proof['tx'][:10]}…"
            audit.equal(f"{name}: status", chain.status(proof["tx"]), 1)
            call = CALLS[proof["statement"]]
            audit.that(f"{name}: submitted by {call.split('(')[0]}", chain.calldata(proof["tx"])[:4] == selector(call))
            audit.equal(f"{name}: gas", chain.gas(proof["tx"]), proof["gas_tx"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, help="the demo's folder")
    parser.add_argument("--data", required=True, type=pathlib.Path, help="the CSV that the demo was given")
    parser.add_argument("--holdout", type=int, help="held-out rows at the end of the CSV (default: all that are in no dataset)")
    parser.add_argument("--state", type=pathlib.Path, help="the chain's dumped state (default: state.json in the folder)")
    parser.add_argument("--rpc", help="ask this node instead of the dumped state")
    args = parser.parse_args()

    audit = Audit()
    summary = json.loads((args.out / "summary.json").read_text())
    chain = Rpc(args.rpc) if args.rpc else Dump(args.state or args.out / "state.json")
    schema, (header, lines, rows) = Schema(args.out / "schema.json"), read_rows(args.data)
    weights, metadata, model_hash = read_agent(args.out / "agent.onnx")

    proposed, certified = find_version(chain, model_hash)
    version_topics, params = proposed.topics[1:3], read_params(proposed)
    datasets = read_list(audit, chain, version_topics)
    audit.equal("weights' scale in agent.onnx", metadata.get("weight_fraction_bits"), "32")
    audit.equal("schema in agent.onnx", metadata.get("schema", "").removeprefix("0x"), keccak(schema.text.encode()).hex())
    audit.equal("weights' digest in agent.onnx", metadata.get("certificate", "").removeprefix("0x"), hex32(word(proposed.data, 11))[2:])
    audit.equal("shape of the weights", weights.shape, (len(schema.fields["features"]) + 1, params["classes"]))
    head = Head(weights, params["link"], params["k"], params["lambda"], params["intercept_scale"])

    start = audit_data(audit, chain, summary, header, lines, schema, datasets)
    q, y = schema.quantise(rows)
    ends = np.cumsum([0] + [d["rows"] for d in summary["data"]])
    parts = [(q[a:b], y[a:b]) for a, b in zip(ends, ends[1:])]
    first = start if args.holdout is None else max(start, len(rows) - args.holdout)

    contributions = audit_certificate(audit, chain, summary, head, parts, params, certified, datasets)
    audit_accuracy(audit, summary, head, parts, (q[first:], y[first:]))
    audit_money(audit, chain, summary, params, version_topics, list(datasets), contributions)
    audit_frauds(audit, chain, summary)
    if params["link"] != "squared":
        audit_consent(audit, chain, summary, version_topics, datasets)
    audit_proofs(audit, chain, summary)
    audit.that("the demo calls itself successful", summary["ok"] is True)

    print(f"{audit.checks - audit.failed} of {audit.checks} checks agree")
    sys.exit(1 if audit.failed else 0)


if __name__ == "__main__":
    main()
