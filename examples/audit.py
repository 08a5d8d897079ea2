#!/usr/bin/env python3
"""Audits a finished demo with none of Tribute's code.

    audit.py demo-out --data examples/digits.csv.gz [--rpc http://127.0.0.1:8545]

From the CSV, the agent's ONNX file and the chain (a running node, or the state that was dumped when it stopped) it
recomputes: which rows each provider's dataset holds; the gradient of the agent's weights, to the last bit, and their
distance to the true optimum; what each dataset contributes, to the unit, and its share; the accuracies; every session; every
token balance, and that the money adds up; that each fraud was mined and moved nothing. Prints one line per check and exits
with 1 if any differs.
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
TERMS = "(uint16,bool,uint16,uint128,uint8)"
VERSION = "((uint32,uint32,uint32,uint32,uint32,uint32,uint32),uint64,uint8,uint16,uint128,bytes32,bytes32,bytes32,bytes32,bytes32)"
ADMISSION = "(bytes32,bytes32,bytes32,uint32,uint64,uint16,uint32,bytes32)"
CALLS = {
    "dataset": f"register((bytes32,bytes32,{TERMS}),(uint256[],bytes)[])",
    "gradient": "addGradients(bytes32,uint32,(bytes32,uint32,uint256[],bytes)[])",
    "optimum": "certify(bytes32,uint32,uint256[],bytes)",
    "service": "claim((bytes32,uint32,uint256[],bytes,(bytes32,uint64,uint256,bytes)[])[])",
}
# a claim that must not be paid is mined, and an event says why each of its slots was skipped
SKIPPED = {"claim_replayed": ("StaleTranscript", 3), "voucher_overcount": ("OtherCount", 5)}
REVERTED = {"label_changed": "WrongRecords(bytes32,uint32,bytes32,bytes32)"}


class Audit:
    """Collects checks and what came of them."""

    def __init__(self):
        self.checks = self.failed = 0

    def that(self, what, good, detail=""):
        """One check."""
        self.checks += 1
        self.failed += not good
        print(f"{'  ok   ' if good else 'DIFFERS'}  {what}{': ' + detail if detail else ''}")

    def equal(self, what, found, said):
        """Recomputed and published value are the same."""
        same = found == said
        self.that(what, same, str(found) if same else f"recomputed {found}, published {said}")

    def close(self, what, found, said, tolerance):
        """Recomputed and published real value agree."""
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
    for proposed in chain.events(f"VersionProposed(bytes32,uint32,address,{VERSION})"):
        if proposed.data[15 * 32 : 16 * 32] != model_hash:
            continue
        for log in chain.events("VersionCertified(bytes32,uint32,uint64,uint64,uint32,int256,uint256)"):
            if log.topics[1:3] == proposed.topics[1:3]:
                return proposed, log
    raise SystemExit("the chain has no certified version with the SHA-256 of agent.onnx")


def read_params(proposed):
    """λ, link and the rest, as the owner fixed them."""
    return {
        "k": word(proposed.data, 0),
        "features": word(proposed.data, 2),
        "classes": word(proposed.data, 3),
        "scale": word(proposed.data, 6),
        "lambda": word(proposed.data, 7),
        "link": LINKS[word(proposed.data, 8)],
        "data_bps": word(proposed.data, 9),
        "weights": proposed.data[11 * 32 : 12 * 32],
    }


def of_version(logs, version):
    """Those about this agent and version."""
    return [log for log in logs if log.topics[1:3] == version]


def read_datasets(audit, chain, version):
    """The version's datasets in order, each with its shards' record counts; the list's hash is checked."""
    listed = of_version(chain.events(f"DatasetListed(bytes32,uint32,bytes32,{ADMISSION},bytes32)"), version)
    closed = of_version(chain.events("VersionClosed(bytes32,uint32,bytes32,uint32,uint32,uint64)"), version)
    audit.equal("times that the list was closed", len(closed), 1)
    registered = chain.events("ShardRegistered(bytes32,uint32,bytes32,uint64)")
    shards, digest = {}, bytes(32)
    for log in listed:
        dataset = log.topics[3]
        own = sorted((word(s.data, 0), word(s.data, 2)) for s in registered if s.topics[1] == dataset)
        shards[dataset] = [records for _, records in own]
        audit.equal(f"dataset {len(shards) - 1}: shards", len(own), word(log.data, 3))
        digest = keccak(digest + dataset.to_bytes(32, "big"))
    audit.equal("hash of the list", digest.hex(), closed[0].data[:32].hex())
    counts = [len(shards), sum(map(len, shards.values())), sum(map(sum, shards.values()))]
    audit.equal("datasets, shards and records of the list", counts, [word(closed[0].data, i) for i in (1, 2, 3)])
    return shards


def audit_data(audit, chain, summary, header, lines, schema, shards):
    """Rows, owners and schema of the datasets that the version lists. Returns the start of the held-out rows."""
    registered = {
        log.topics[1]: log
        for log in chain.events(f"DatasetRegistered(bytes32,address,bytes32,bytes32,bytes32,uint64,uint32,{TERMS})")
    }
    schema_id = keccak(schema.text.encode())
    if schema_id != keccak(schema.canonical()):
        audit.that("schema.json is canonical", False)
    audit.equal("datasets of the version", [hex32(d) for d in shards], [d["dataset_id"] for d in summary["data"]])
    start = 0
    for position, (dataset, said) in enumerate(zip(shards, summary["data"])):
        log = registered[dataset]
        audit.equal(f"dataset {position}: records on chain", word(log.data, 2), said["rows"])
        audit.equal(f"dataset {position}: records of its shards", sum(shards[dataset]), said["rows"])
        audit.equal(f"dataset {position}: schema on chain", hex32(log.topics[3]), "0x" + schema_id.hex())
        # a provider's file: the header, if there is one, and its own lines
        text = header + "".join(line + "\n" for line in lines[start : start + said["rows"]])
        audit.equal(f"dataset {position}: SHA-256 of its rows", hashlib.sha256(text.encode()).hexdigest(), said["sha256"])
        start += said["rows"]
    audit.that("the CSV holds every dataset's rows", start <= len(lines), f"{start} of {len(lines)}")
    return start


def audit_contributions(audit, chain, head, version, shards, q, y):
    """Every shard's gradient and contribution, to the last bit. Returns (gradients, contributions of the datasets)."""
    added = {
        (log.topics[3], word(log.data, 0)): signed(word(log.data, 1))
        for log in of_version(chain.events("GradientAdded(bytes32,uint32,bytes32,uint32,int256,bytes32)"), version)
    }
    gradients, contributions, start = [], [], 0
    for position, (dataset, counts) in enumerate(shards.items()):
        total = 0
        for shard, records in enumerate(counts):
            rows = slice(start, start + records)
            gradients.append(head.gradient(q[rows], y[rows]))
            own = head.contribution(gradients[-1])
            audit.equal(f"dataset {position}, shard {shard}: contribution", own, added.pop((dataset, shard), None))
            total += own
            start += records
        contributions.append(total)
    audit.equal("gradients added of no listed shard", len(added), 0)
    return gradients, contributions


def audit_certificate(audit, summary, file, head, parts, params, certified, gradients, contributions):
    """Distance, contributions and shares, in exact integers against the chain and the file, in f64 against the true loss."""
    records, epsilon, norm = (word(certified.data, i) for i in range(3))
    total, positive = signed(word(certified.data, 3)), word(certified.data, 4)
    n = sum(len(y) for _, y in parts)
    exact = head.optimum(gradients, n)
    audit.equal("records of the certificate", n, records)
    audit.equal("gradient norm, units of 2^-44", exact["epsilon"], epsilon)
    audit.equal("norm of the weights, units of 2^-10", exact["norm"], norm)
    audit.equal("sum of the contributions", sum(contributions), total)
    audit.equal("sum of the positive contributions", sum(max(c, 0) for c in contributions), positive)

    negative, unit = positive - total, 2**head.contribution_bits
    audit.that("negative contributions are at most a part in 2^10", negative * 1024 <= total, f"{negative} of {total}")
    audit.that("rounding is at most a part in 2^20", len(gradients) << 20 <= total)
    least = n * params["lambda"] * norm**2 * unit * 511
    whole = n * (params["lambda"] / 2**44) * float(np.sum((head.w / 2.0**32) ** 2))
    audit.that("contributions are at least n lambda norm^2, but for a part in 2^9", total << (64 + 9) >= least)
    audit.that("contributions are n lambda |W|^2", abs(total / unit / whole - 1) < 1e-3, f"{total / unit:.6g}, {whole:.6g}")

    audit.equal("certificate.json: records", n, file["optimum"]["records"])
    audit.equal("certificate.json: epsilon", exact["epsilon"], file["optimum"]["epsilon"])
    audit.equal("certificate.json: norm", exact["norm"], file["optimum"]["norm"])
    audit.equal("certificate.json: lambda", params["lambda"], file["loss"]["lambda"])
    audit.equal("certificate.json: link", params["link"], file["loss"]["link"])
    audit.equal("certificate.json: weights", "0x" + params["weights"].hex(), file["agent"]["weights_digest"])
    audit.equal("certificate.json: datasets", [d["dataset_id"] for d in summary["data"]], [d["dataset_id"] for d in file["datasets"]])
    for position, (own, said) in enumerate(zip(contributions, file["datasets"])):
        audit.equal(f"certificate.json: contribution of dataset {position}", str(own), said["contribution"])
        audit.equal(f"certificate.json: share of dataset {position}", (max(own, 0) << 20) // positive, said["share"])
        reached = max(own, 0) * 10_000 >= said["terms"]["min_share_bps"] * positive
        audit.that(f"dataset {position} has the least share that it asks for", reached)

    delta = head.link_error()
    distance = (epsilon + delta) / (params["lambda"] * norm / 1024)
    certificate = summary["certificate"]
    audit.close("lambda", params["lambda"] / 2**44, certificate["lambda"], 2**-44)
    audit.close("epsilon", epsilon / 2**44, certificate["epsilon"], 2**-54)
    audit.close("relative distance", distance, certificate["relative_distance"], 1e-12)
    audit.equal("number of shares", len(contributions), len(certificate["shares"]))
    for position, (own, said) in enumerate(zip(contributions, certificate["shares"])):
        audit.close(f"share of dataset {position}", max(own, 0) / positive, said, 1e-12)
    audit.that("relative distance is at most 1e-3", distance <= 1e-3, f"{distance:.3e}")
    cap = delta * (8 if params["link"] == "squared" else 4)
    audit.that("epsilon is at most what the link allows", epsilon <= cap, f"{epsilon} <= {cap}")

    q, y = np.vstack([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    real, true_distance = head.real(q, y)
    bound = (epsilon + delta) / 2**44
    audit.that("gradient of the real loss is within epsilon + delta", real <= bound, f"{real:.3e} <= {bound:.3e}")
    if true_distance is not None:
        detail = f"{true_distance:.3e} <= {distance:.3e}"
        audit.that("distance to the optimum found by Newton's method is within the bound", true_distance <= distance, detail)


def audit_accuracy(audit, summary, head, parts, heldout):
    """Share of right answers, by exact integer logits."""
    train_q, train_y = np.vstack([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    for name, (q, y) in {"train": (train_q, train_y), "heldout": heldout}.items():
        right = int((head.answers(q) == y).sum())
        audit.close(f"accuracy, {name} ({right} of {len(y)})", right / len(y), summary["accuracy"][name], 1e-9)


def audit_money(audit, chain, summary, params, version, datasets, contributions):
    """Sessions, payments and every token balance."""
    opened = chain.events("SessionOpened(bytes32,address,bytes32,uint32,uint128,uint128,address,uint256)")
    opened = [o for o in opened if [o.topics[3], word(o.data, 0)] == version]
    escrow = opened[0].address
    claims = chain.events("QueriesClaimed(bytes32,bytes32,uint32,uint64,uint256,uint64,uint64,uint256)")
    audit.equal("payments without a proof", len(chain.events("SessionSettled(bytes32,bytes32,uint32,uint64,uint64,uint256)")), 0)
    refunds = chain.events("ThawedWithdrawn(bytes32,address,uint256,uint256)")
    sessions = {}
    for o in opened:
        own = [c for c in claims if c.topics[1] == o.topics[1]]
        count, claimed = max([word(c.data, 0) for c in own], default=0), sum(word(c.data, 4) for c in own)
        name = f"session {hex32(o.topics[1])[:10]}…"
        audit.equal(f"{name}: price times count", word(o.data, 1) * count, claimed)
        audit.equal(f"{name}: queries proven and paid", count, sum(word(c.data, 3) for c in own))
        sessions[hex32(o.topics[1])] = {
            "count": count,
            "escrowed": word(o.data, 2),
            "claimed": claimed,
            "refunded": sum(word(r.data, 0) for r in refunds if r.topics[1] == o.topics[1]),
        }
    said = {s["id"]: {k: s[k] for k in ("count", "escrowed", "claimed", "refunded")} for s in summary["sessions"]}
    audit.equal("sessions", sessions, said)

    accrued = of_version(chain.events("FeesAccrued(bytes32,uint32,uint64,uint256,uint256)"), version)
    to_data, to_owner = sum(word(a.data, 1) for a in accrued), sum(word(a.data, 2) for a in accrued)
    claimed = sum(s["claimed"] for s in sessions.values())
    audit.equal("claimed fees are all accrued", to_data + to_owner, claimed)
    for a in accrued:
        fees = word(a.data, 1) + word(a.data, 2)
        audit.equal("data's part of a claim", word(a.data, 1), fees * params["data_bps"] // 10_000)

    paid = of_version(chain.events("ProviderPaid(bytes32,uint32,bytes32,address,uint256)"), version)
    weights = [max(c, 0) for c in contributions]
    paid_providers = [sum(word(p.data, 1) for p in paid if p.topics[3] == d) for d in datasets]
    due = [to_data * w // sum(weights) for w in weights]
    audit.equal("every provider took its share of the fees, rounded down", paid_providers, due)
    owner = of_version(chain.events("OwnerPaid(bytes32,uint32,address,uint256)"), version)
    paid_owner = sum(word(p.data, 1) for p in owner)
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
    """What every address holds, added up from transfers, against the token's own books."""
    transfers = [t for t in chain.events("Transfer(address,address,uint256)") if len(t.topics) == 3]
    token = next(t.address for t in transfers if address(t.topics[2]) == escrow)
    balances = {}
    for t in (t for t in transfers if t.address == token):
        amount = word(t.data, 0)
        for holder, change in ((t.topics[1], -amount), (t.topics[2], amount)):
            balances[holder] = balances.get(holder, 0) + change
    minted = -balances.pop(0, 0)
    audit.equal("tokens held by all add up to the tokens made", sum(balances.values()), minted)
    for holder, balance in sorted(balances.items()):
        audit.equal(f"balance of {address(holder)}", balance, chain.balance(token, address(holder)))
    held = balances.get(int(escrow, 16), 0)
    audit.equal("the escrow contract holds what sessions and rewards still claim", held, expected)


def audit_frauds(audit, chain, summary):
    """Each fraud is a mined transaction that moved nothing: one failed with the contract's own error, two skipped all slots."""
    audit.equal("frauds", sorted(f["name"] for f in summary["frauds"]), sorted([*SKIPPED, *REVERTED]))
    skips = chain.events("SlotSkipped(bytes32,uint256,uint8)")
    for fraud in summary["frauds"]:
        name, tx = fraud["name"], fraud["tx"]
        logs = [log for log in chain.logs if log.tx == tx.lower()]
        if name in SKIPPED:
            error, code = SKIPPED[name]
            skipped = [log for log in skips if log.tx == tx.lower()]
            status, silent = 1, logs == skipped
            audit.that(f"fraud {name}: skipped every session", len(skipped) == len(summary["sessions"]))
            audit.equal(f"fraud {name}: why", {word(s.data, 1) for s in skipped}, {code})
        else:
            signature = REVERTED[name]
            error, status, silent = signature.split("(")[0], 0, not logs
            output = chain.output(tx)
            if output is not None:
                audit.that(f"fraud {name}: reverts with {error}", output[:4] == selector(signature))
        audit.equal(f"fraud {name}: status of its transaction", chain.status(tx), status)
        audit.equal(f"fraud {name}: status said", int(fraud["status"]), status)
        audit.that(f"fraud {name}: error said", fraud["error"].startswith(error), fraud["error"])
        audit.that(f"fraud {name}: moved nothing", silent and fraud["balances_unchanged"] is True)


def audit_proofs(audit, chain, summary):
    """Every proof that says so was accepted on chain, for the gas it says."""
    for proof in summary["proofs"]:
        if proof.get("tx"):
            name = f"{proof['statement']} proof {proof['tx'][:10]}…"
            audit.equal(f"{name}: status", chain.status(proof["tx"]), 1)
            call = CALLS[proof["statement"]]
            audit.that(f"{name}: brought by {call.split('(')[0]}", chain.calldata(proof["tx"])[:4] == selector(call))
            audit.equal(f"{name}: gas", chain.gas(proof["tx"]), proof["gas_tx"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, help="the demo's folder")
    parser.add_argument("--data", required=True, type=pathlib.Path, help="the CSV that the demo was given")
    parser.add_argument("--holdout", type=int, help="held-out rows at the end of the CSV (default: all that no dataset holds)")
    parser.add_argument("--state", type=pathlib.Path, help="the chain's dumped state (default: state.json in the folder)")
    parser.add_argument("--rpc", help="ask this node instead of the dumped state")
    args = parser.parse_args()

    audit = Audit()
    summary = json.loads((args.out / "summary.json").read_text())
    chain = Rpc(args.rpc) if args.rpc else Dump(args.state or args.out / "state.json")
    schema, (header, lines, rows) = Schema(args.out / "schema.json"), read_rows(args.data)
    weights, metadata, model_hash = read_agent(args.out / "agent.onnx")

    proposed, certified = find_version(chain, model_hash)
    version, params = proposed.topics[1:3], read_params(proposed)
    audit.equal("weights' scale in agent.onnx", metadata.get("weight_fraction_bits"), "32")
    audit.equal("schema in agent.onnx", metadata.get("schema", "").removeprefix("0x"), keccak(schema.text.encode()).hex())
    audit.equal("weights' digest in agent.onnx", metadata.get("certificate", "").removeprefix("0x"), params["weights"].hex())
    audit.equal("shape of the weights", weights.shape, (len(schema.fields["features"]) + 1, params["classes"]))
    head = Head(weights, params["link"], params["k"], params["lambda"], params["scale"])

    shards = read_datasets(audit, chain, version)
    start = audit_data(audit, chain, summary, header, lines, schema, shards)
    q, y = schema.quantise(rows)
    ends = np.cumsum([0] + [d["rows"] for d in summary["data"]])
    parts = [(q[a:b], y[a:b]) for a, b in zip(ends, ends[1:])]
    first = start if args.holdout is None else max(start, len(rows) - args.holdout)

    gradients, contributions = audit_contributions(audit, chain, head, version, shards, q, y)
    file = json.loads((args.out / "certificate.json").read_text())
    audit_certificate(audit, summary, file, head, parts, params, certified, gradients, contributions)
    audit_accuracy(audit, summary, head, parts, (q[first:], y[first:]))
    audit_money(audit, chain, summary, params, version, list(shards), contributions)
    audit_frauds(audit, chain, summary)
    audit_proofs(audit, chain, summary)
    audit.that("the demo calls itself successful", summary["ok"] is True)

    print(f"{audit.checks - audit.failed} of {audit.checks} checks agree")
    sys.exit(1 if audit.failed else 0)


if __name__ == "__main__":
    main()
