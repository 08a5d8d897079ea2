#!/usr/bin/env python3
"""Compares the results of the contracts' tests with what is committed.

  contracts_report.py check FORGE_JSON DIFFERENTIAL_JSON
      writes verifier-contract/report.json; fails if a test failed, if gas or code grew beyond the snapshot, if an ABI
      or docs/gas.md is not current, or if something public has no NatSpec
  contracts_report.py renew FORGE_JSON DIFFERENTIAL_JSON
      the same, but rewrites the snapshot, the ABIs and docs/gas.md

FORGE_JSON is the output of `forge test --json`, DIFFERENTIAL_JSON the file written by `cargo test --test differential`.
"""

import json
import pathlib
import re
import sys

CONTRACTS = pathlib.Path(__file__).resolve().parent.parent / "verifier-contract"
OUT = CONTRACTS / "out"
ABI = CONTRACTS / "abi"
REPORT = CONTRACTS / "report.json"
SNAPSHOT = CONTRACTS / "gas-snapshot.json"
GAS_TABLE = CONTRACTS.parent / "docs" / "gas.md"
RENEW = "make contracts-snapshot"

DEPLOYED = [
    "ProofGate", "CircuitTimelock", "DatasetRegistry", "AgentRegistry", "AgreedWeights", "Evaluations", "SessionEscrow",
    "Tribute", "CertificateValidator", "RecordVerifier", "TestToken",
]
INTERFACES = [
    "IProofGate", "ISignedMessages", "IDatasetOwners", "IDatasetRegistry", "IAgents", "ICertification", "IAgentRegistry",
    "IValuationDraws", "IAgreedWeights", "IEvaluations", "ISessionEscrow", "ITribute", "ICertificateValidator", "IRecordVerifier",
    "ITestToken",
]
MOST_BYTES = 23_500
# What may be spent at most, and what is aimed at, by group and name of a snapshot.
BUDGETS = {
    ("verifiers", "dataset: gas"): ("check of a dataset", 320_000, 300_000),
    ("verifiers", "gradient-softmax: gas"): ("check of a softmax gradient", 455_000, 420_000),
    ("verifiers", "optimum: gas"): ("check of an optimum", 420_000, 350_000),
    ("verifiers", "service: gas"): ("check of a service proof", 520_000, 480_000),
    ("life", "sum"): ("three shards from registration to certificate", 3_900_000, 3_200_000),
}
MOST_GAS_OF_OTHERS = 650_000
MISSED = """\
What it would take where an aim is missed. A committed polynomial costs 6,400 in every check.

- *Dataset*: one column less. The multiplicities of the 256 table rows could share the column of feature sums, whose salt
  rows are idle, from k = 13 on.
- *Optimum*: three columns less: sixteen bits to a limb instead of fourteen, at k of 17 or more.
- *Service*: two columns less. `a` could be in the column of a lookup's helper, on the rows of weights; and with the inputs of
  a slot next to each other, 51 Lagrange polynomials would do instead of 81.
- *Three shards*: checks are about half of it, the rest is calldata, 21,000 for each transaction, and new slots at 22,100
  each: four for a dataset, two for a shard, twelve for a version. A shard's two slots become one if gradients name the
  shard by its digest; a version's three circuits become one slot if the gate numbers its circuits, which takes more code
  than `AgentRegistry` has room for. Both save about 110,000. Far below that only one proof for several shards helps: a
  shard of k = 17 holds more than four times the records of one of k = 15 and costs the same.""".split("\n")
LEAST_RUNS, LEAST_DEPTH = 256, 64
# A proof is random: its zero bytes cost less than others, so gas of the same code differs slightly between runs.
TOLERANCE, ALLOWANCE = 1.005, 300


def fail(problems):
    if problems:
        sys.exit("contracts: " + "\ncontracts: ".join(problems))


def written(value):
    return json.dumps(value, indent=2) + "\n"


# ---- forge's results ---------------------------------------------------------------------------------------------------


def tests_of(forge):
    for suite, content in forge.items():
        for name, result in content["test_results"].items():
            yield suite, name, result


def failures(forge):
    return [
        f"{suite} {name}: {result['reason']}"
        for suite, name, result in tests_of(forge)
        if result["status"] != "Success"
    ]


def measured(forge):
    """Snapshots of all tests, by group and name."""
    groups = {}
    for _, _, result in tests_of(forge):
        for group, values in result["gas_snapshots"].items():
            groups.setdefault(group, {}).update({name: int(value) for name, value in values.items()})
    missing = [group for group in ("calls", "life", "certify", "weights", "checks", "together", "verifiers", "guards") if not groups.get(group)]
    fail([f"no test measured `{group}`" for group in missing])
    return groups


def pairs(values, endings):
    """`{"a: x": 1, "a: y": 2}` as `{"a": (1, 2)}`."""
    names = {name.rsplit(": ", 1)[0] for name in values}
    return {name: tuple(values[f"{name}: {ending}"] for ending in endings) for name in sorted(names)}


def report_of(forge, groups, differential):
    kinds = {"Unit": 0, "Fuzz": 0, "Invariant": 0}
    campaigns = []
    for _, _, result in tests_of(forge):
        (kind, detail), = result["kind"].items()
        kinds[kind] += 1
        if kind == "Invariant":
            campaigns.append((detail["runs"], detail["calls"] // max(detail["runs"], 1)))
    runs, depth = (min(numbers) for numbers in zip(*campaigns)) if campaigns else (0, 0)
    return {
        "tests": {"unit": kinds["Unit"], "fuzz": kinds["Fuzz"], "invariant": kinds["Invariant"]},
        "invariant": {"runs": runs, "depth": depth},
        "contracts": [{"name": name, "bytes": code_bytes(name)} for name in DEPLOYED],
        "verifiers": [
            {"circuit": name, "bytes": size, "gas": gas}
            for name, (size, gas) in pairs(groups["verifiers"], ("bytes", "gas")).items()
        ],
        "differential": {key: differential[key] for key in ("good", "bad", "disagree")},
        "guards": [
            {"name": name, "raw_fooled": bool(fooled), "gate_rejects": bool(rejects)}
            for name, (fooled, rejects) in pairs(groups["guards"], ("raw fooled", "gate rejects")).items()
        ],
    }


def beyond_budget(report, snapshot):
    sizes = [(c["name"], c["bytes"]) for c in report["contracts"]]
    sizes += [(v["circuit"], v["bytes"]) for v in report["verifiers"]]
    for name, size in sizes:
        if not 0 < size <= MOST_BYTES:
            yield f"{name}: {size} bytes of code, at most {MOST_BYTES}"
    for verifier in report["verifiers"]:
        if verifier["gas"] > MOST_GAS_OF_OTHERS:
            yield f"{verifier['circuit']}: {verifier['gas']} gas for a check, at most {MOST_GAS_OF_OTHERS}"
    for (group, name), (what, most, _) in BUDGETS.items():
        if snapshot[group][name] > most:
            yield f"{what}: {snapshot[group][name]} gas, at most {most}"
    if report["invariant"]["runs"] < LEAST_RUNS or report["invariant"]["depth"] < LEAST_DEPTH:
        yield f"invariants at {report['invariant']}, at least {LEAST_RUNS} runs of depth {LEAST_DEPTH}"
    if report["differential"]["disagree"] or report["differential"]["good"] + report["differential"]["bad"] < 200:
        yield f"differential: {report['differential']}"
    yield from (f"guard `{g['name']}`: the gate accepts" for g in report["guards"] if not g["gate_rejects"])


# ---- snapshot ----------------------------------------------------------------------------------------------------------


def snapshot_of(groups):
    gas = {group: dict(sorted(groups[group].items())) for group in ("calls", "life", "certify", "weights", "checks", "together", "verifiers")}
    return {**gas, "contracts": {name: code_bytes(name) for name in DEPLOYED}}


def regressions(now, before):
    for group, values in now.items():
        known = before.get(group, {})
        for name in sorted(values.keys() | known.keys()):
            if name not in values or name not in known:
                yield f"{group}, {name}: {'new' if name in values else 'gone'}; `{RENEW}`"
                continue
            size = group == "contracts" or name.endswith(": bytes")
            most = known[name] if size else known[name] * TOLERANCE + ALLOWANCE
            if values[name] > most:
                yield f"{group}, {name}: {values[name]}, the snapshot has {known[name]}; if this is intended: `{RENEW}`"
            elif values[name] < (known[name] * 0.98):
                print(f"contracts: {group}, {name}: {values[name]}, less than the snapshot's {known[name]}: `{RENEW}`")


# ---- artefacts ---------------------------------------------------------------------------------------------------------


def artefact(name):
    return json.loads((OUT / f"{name}.sol" / f"{name}.json").read_text())


def code_bytes(name):
    return len(artefact(name)["deployedBytecode"]["object"]) // 2 - 1


def abis():
    return {f"{name}.json": written(artefact(name)["abi"]) for name in DEPLOYED}


def signature(entry):
    return f"{entry['name']}({','.join(canonical(i) for i in entry['inputs'])})"


def canonical(parameter):
    if not parameter["type"].startswith("tuple"):
        return parameter["type"]
    inner = ",".join(canonical(c) for c in parameter["components"])
    return f"({inner}){parameter['type'].removeprefix('tuple')}"


def without_natspec():
    """Functions, events and errors of interfaces, and whole contracts, without NatSpec."""
    sections = {"function": "methods", "event": "events", "error": "errors"}
    for name in INTERFACES + DEPLOYED:
        content = artefact(name)
        documentation = json.loads(content["rawMetadata"])["output"]
        user, developer = documentation["userdoc"], documentation["devdoc"]
        if not (user.get("notice") or developer.get("details")) or not developer.get("title"):
            yield f"{name}: no @title or @notice"
        if name not in INTERFACES:
            continue
        for entry in content["abi"]:
            section = sections.get(entry["type"])
            if section is None:
                continue
            known = user.get(section, {}).get(signature(entry))
            known = known[0] if isinstance(known, list) else known
            if not (known or {}).get("notice"):
                yield f"{name}: {entry['type']} {entry['name']} has no @notice"
    for path in sorted((CONTRACTS / "src" / "interfaces").glob("*.sol")):
        yield from bare_fields(path)


def bare_fields(path):
    """Fields of structs without a comment above them."""
    inside, above = False, ""
    for line in map(str.strip, path.read_text().splitlines()):
        if line.startswith("struct "):
            inside = True
        elif inside and line == "}":
            inside = False
        elif inside and line.endswith(";") and not above.startswith("///"):
            yield f"{path.name}: field `{line}` has no comment"
        above = line


# ---- the table ---------------------------------------------------------------------------------------------------------


def gas_table(snapshot):
    calls = snapshot["calls"]
    ten, one = calls["SessionEscrow.claim, ten sessions"], calls["SessionEscrow.claim, one session"]
    lines = [
        "# Gas",
        "",
        "Measured by `make test-contracts` with real verifiers and real proofs (`verifier-contract/test/Gas.t.sol`; k = 15, A = 8,",
        f"64 features, 10 classes, rules of `osaka`); this page and the snapshot behind it are written by `{RENEW}`.",
        "A proof's zero bytes are cheaper than others, so a run differs by some hundred.",
        "",
        "## Transactions, all in",
        "",
        "21,000, calldata, execution and refunds.",
        "",
        "| call | gas |",
        "|---|---:|",
    ]
    lines += [f"| {name} | {gas:,} |" for name, gas in calls.items()]
    lines += [
        "",
        f"A claim over ten sessions costs {ten:,}, that is {ten // 10:,} a session; each session beyond the first adds",
        f"{(ten - one) // 9:,}, up to sixteen to a proof.",
        "",
        "## From registration to certificate",
        "",
        "An agent on three shards of two datasets, in as few transactions as the parties can make of it (`multicall`).",
        "",
        "| transaction | gas |",
        "|---|---:|",
        *(f"| {name} | {gas:,} |" for name, gas in sorted(snapshot["life"].items(), key=lambda entry: entry[0] == "sum")),
        "",
        "## Any number of datasets",
        "",
        "`AgentRegistry.certify` without its calldata and with a stand-in for the verifier: what the registry itself does.",
        "",
        "| version of | gas |",
        "|---|---:|",
        *(f"| {name} | {gas:,} |" for name, gas in sorted(snapshot["certify"].items(), key=lambda entry: entry[1])),
        "",
        "## Agreed weights of many owners",
        "",
        "300 owners, each with a dataset and a signature, in three transactions, and 200 in one. Claims cost the same with agreed weights.",
        "",
        "| transaction | gas |",
        "|---|---:|",
        *(f"| {name} | {gas:,} |" for name, gas in sorted(snapshot["weights"].items(), key=lambda entry: entry[1])),
        "",
        "## Verification",
        "",
        "The verifier alone, then the gate's `check` around it (guards, digests of the committed columns, calldata passed on) as",
        "another contract pays for it.",
        "",
        "| circuit | code, bytes | verifier, gas | `check`, gas |",
        "|---|---:|---:|---:|",
    ]
    for name, (size, gas) in pairs(snapshot["verifiers"], ("bytes", "gas")).items():
        lines.append(f"| {name} | {size:,} | {gas:,} | {snapshot['checks'][name]:,} |")
    together = sorted(snapshot["together"].items(), key=lambda entry: entry[1])
    lines += [
        "",
        "## One pairing for several proofs",
        "",
        "`ProofGate.checkAll`, softmax gradients and an optimum: [how and why](chain.md#several-proofs-one-pairing).",
        "",
        "| proofs | `checkAll`, gas |",
        "|---|---:|",
        *(f"| {name} | {gas:,} |" for name, gas in together),
    ]
    lines += ["", "## Budgets", "", "Beyond a budget the tests fail.", "", "| what | gas | budget | aim |", "|---|---:|---:|---:|"]
    for (group, name), (what, most, aim) in BUDGETS.items():
        lines.append(f"| {what} | {snapshot[group][name]:,} | {most:,} | {aim:,} |")
    lines += ["", *MISSED]
    lines += ["", "## Contracts", "", "| contract | code, bytes |", "|---|---:|"]
    lines += [f"| {name} | {size:,} |" for name, size in snapshot["contracts"].items()]
    return "\n".join(lines) + "\n"


# ---- both modes --------------------------------------------------------------------------------------------------------


def differing(files):
    for path, text in files.items():
        if not path.exists() or path.read_text() != text:
            yield f"{path.relative_to(CONTRACTS.parent)} is not current: `{RENEW}`"


def main(mode, forge_path, differential_path):
    forge = json.loads(pathlib.Path(forge_path).read_text())
    fail(failures(forge))
    differential = json.loads(pathlib.Path(differential_path).read_text())
    groups = measured(forge)
    report = report_of(forge, groups, differential)
    REPORT.write_text(written(report))
    now = snapshot_of(groups)
    if mode == "renew":
        before = now
        SNAPSHOT.write_text(written(now))
    else:
        before = json.loads(SNAPSHOT.read_text())
    # computed from the committed snapshot, so that it is the same in every run
    files = {ABI / name: text for name, text in abis().items()}
    files[GAS_TABLE] = gas_table(before)
    if mode == "renew":
        for path, text in files.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    fail([*beyond_budget(report, now), *regressions(now, before), *differing(files), *without_natspec()])
    total = sum(report["tests"].values())
    guards = sum(guard["raw_fooled"] for guard in report["guards"])
    print(f"contracts: {total} tests, {len(report['guards'])} guards ({guards} with a raw verifier fooled), {REPORT.name} written")


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("check", "renew"):
        sys.exit(re.sub(r"\n+$", "", __doc__))
    main(*sys.argv[1:])
