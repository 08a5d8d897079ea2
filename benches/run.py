"""Measures whole processes and writes benches/RESULTS.md: `make bench`.

Every line of a table is measured in a separate process, so that peak memory is its own. Tribute and EZKL take turns within
one run. Each line is measured twice, unless it took more than two minutes, and the better result counts. EZKL's largest
batch comes last, once: at 784 features it may take longer than all the rest. `--quick` measures only a few small things, to
check that everything works; `--large` measures whole certificates of large shapes and writes only that section (`make
large`); `--peers` does so for UltraHonk and Groth16 (`make bench-peers`).
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "release"
MEASURE = RELEASE / "measure"
EZKL = ROOT / ".deps/ezkl-venv/bin/python"
WORK = ROOT / ".deps/ezkl-work"
TIMEOUT = 1200
# in seconds; anything slower is measured only once
LONG = 120


def run(command):
    started = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, cwd=ROOT)
    except subprocess.TimeoutExpired:
        print(f"  over {TIMEOUT} s: {' '.join(map(str, command))}", file=sys.stderr)
        return None
    if done.returncode != 0:
        print(f"  failed ({done.returncode}): {' '.join(map(str, command))}\n{done.stderr[-2000:]}", file=sys.stderr)
        return None
    result = json.loads(done.stdout.strip().splitlines()[-1])
    print(f"  {time.monotonic() - started:6.1f} s  {' '.join(str(c) for c in command[1:])}", file=sys.stderr)
    return result


def measure(circuit, rounds=2, **options):
    command = [str(MEASURE), circuit] + [w for k, v in options.items() for w in ((f"--{k}", str(v)) if v != "" else (f"--{k}",))]
    results = [r for r in (run(command) for _ in range(rounds)) if r]
    return min(results, key=lambda r: r["seconds"]) if results else None


def better(a, b):
    return min((r for r in (a, b) if r), key=lambda r: r["seconds"], default=None)


def side_by_side(heads, rounds):
    """Measures Tribute and EZKL in turns. After each round, yields all rows by (features, classes, who, batch)."""
    rows = {}
    for batches in rounds:
        for features, classes, ks in heads:
            for k in ks:
                for count in (1, None):
                    options = {"k": k, "features": features, "classes": classes} | ({"count": 1} if count else {})
                    key = (features, classes, f"Tribute, k = {k}", count or 0)
                    rows[key] = better(rows.get(key), measure("service", 1, **options))
            for batch in batches:
                key = (features, classes, "EZKL", batch)
                folder = WORK / f"{features}-{classes}-{batch}"
                command = [str(EZKL), str(ROOT / "benches/ezkl_peer.py"), features, classes, batch, folder]
                if key in rows and (rows[key] is None or rows[key]["seconds"] > LONG):
                    continue
                rows[key] = better(rows.get(key), run([str(c) for c in command]))
        yield rows


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def seconds(value):
    return f"{value:.2f} s" if value >= 0.1 else f"{value * 1e3:.1f} ms"


def machine():
    model = next(
        (l.split(":", 1)[1].strip() for l in Path("/proc/cpuinfo").read_text().splitlines() if l.startswith("model name")),
        platform.processor(),
    )
    memory = next(l for l in Path("/proc/meminfo").read_text().splitlines() if l.startswith("MemTotal"))
    return f"{os.cpu_count()} cores of {model}, {int(memory.split()[1]) // 1024 // 1024} GB"


def comparison(rows):
    """The section, and its lines for the budget table."""
    out, lines, budgets = ["## Side by side with EZKL, answers of a dense head\n", calibration(rows.values())], [], []
    for features, classes in dict.fromkeys(key[:2] for key in rows):
        here = {key: r for key, r in rows.items() if key[:2] == (features, classes)}
        for (_, _, who, count), r in here.items():
            if r is None:
                lines.append((f"{features} → {classes}", who, count, "–", f"nothing within {TIMEOUT} s") + ("",) * 4)
                continue
            lines.append(
                (f"{features} → {classes}", who, r["count"], r["k"], seconds(r["seconds"]),
                 f"{r['milliseconds_per_item']:.2f} ms", f"{r['peak_rss_mb']} MB", f"{r['proof_bytes']:,}",
                 f"{r['verify_ms']:.1f} ms")
            )
        best = lambda tag: min((r["milliseconds_per_item"] for k, r in here.items() if r and k[2].startswith(tag)), default=None)
        ours, theirs = best("Tribute"), best("EZKL")
        if ours and theirs:
            times = f"{theirs / ours:.0f} times"
            out.append(f"{features} → {classes}: **{times}** cheaper per query than EZKL's best batch "
                       f"({ours:.2f} ms against {theirs:.1f} ms).\n")
            wanted = "160 times" if features == 64 else "240 times"
            budgets.append((f"cheaper than EZKL's best batch, per query, {features} → {classes}", wanted, times))
    out.append(table(("head", "who", "queries", "k", "witness and proof", "per query", "peak memory", "proof bytes", "verify"), lines))
    return out, budgets


def calibration(results):
    """How fast the machine was during a section."""
    found = [r["calibration_ms"] for r in results if r and "calibration_ms" in r]
    return f"`calibration_ms` here: {min(found):.0f} to {max(found):.0f}.\n"


def gradient_line(r):
    per_core = r["cells_per_second"] / r["threads"]
    return (r["k"], r["columns"], r["features"], r["count"], r["threads"], seconds(r["seconds"]),
            f"{r['cells_per_second']:,.0f}", f"{per_core:,.0f}", f"{r['peak_rss_mb']} MB", f"{r['proof_bytes']:,}")


GRADIENT = ("k", "A", "d", "records", "threads", "witness and proof", "cells/s", "cells/s and core", "peak memory", "proof bytes")


LARGE = "## Whole certificates of large shapes\n"


def large():
    """The section on whole certificates: from a CSV to a file that is verified offline, in one process each."""
    shapes = [(4_200, 40, 20), (100_000, 64, 10)]
    rows = [run([str(RELEASE / "whole"), "--records", str(n), "--features", str(d), "--classes", str(c)]) for n, d, c in shapes]
    rows = [r for r in rows if r]
    lines = [
        (f"{r['records']:,} × {r['features']} × {r['classes']}", r["shards"], f"{r['lambda']:.1e}", f"{r['norm']:.0f}",
         f"{r['epsilon_in_delta']:.2f} δ", f"{r['relative_distance']:.1e}", seconds(r["fit_seconds"]),
         seconds(r["dataset_seconds"]), seconds(r["gradient_seconds"]), seconds(r["optimum_seconds"]), seconds(r["seconds"]),
         f"{r['peak_rss_mb']} MB", f"{r['certificate_bytes']:,}", seconds(r["verify_seconds"]))
        for r in rows
    ]
    header = ("records × features × classes", "shards", "λ", "‖W‖", "ε", "relative distance", "fit", "dataset proofs",
              "gradient proofs", "optimum", "all", "peak memory", "certificate bytes", "verification offline")
    words = ("scikit-learn's default, C = 1 on standardised features, which is λ = 1/(81 n) on quantised ones "
             "(`schema infer --range standard`), intercept scale 3, softmax, k = 15, fitting data columns: a CSV of pseudo-random values read, "
             "trained on, every shard proven, assembled and verified, in one process (`make large`).\n")
    return [LARGE, words, calibration(rows), table(header, lines)]


PEERS = "## Side by side with UltraHonk and Groth16, answers of a dense head\n"
PEER_WORK = ROOT / "target/bench-peers"


def peer(system, features, classes, batch, statement):
    """One measurement of a peer, and what its proof's check costs on a local chain."""
    folder = PEER_WORK / f"{system}-{features}-{classes}-{batch}-{statement}"
    here, crs = ROOT / "benches/peers", PEER_WORK / "crs"
    words = [str(w) for w in ("node", here / f"{system}.mjs", features, classes, batch, statement, folder, crs)]
    result = run(words)
    checked = result and run(["node", str(here / "gas.mjs"), system, str(folder), str(crs)])
    return checked and result | checked


def peers(quick):
    """The section on UltraHonk and Groth16. All take turns; the better of two results counts."""
    crs = PEER_WORK / "crs"
    points = (1 << (17 if quick else 20)) + 1
    if not (crs / "bn254_g1.dat").exists() or (crs / "bn254_g1.dat").stat().st_size < 64 * points:
        crs.mkdir(parents=True, exist_ok=True)
        subprocess.run([RELEASE / "tribute-bench-peers", "crs", str(points), crs], check=True)
    # the largest batches for 2^18 and 2^19 rows, and for 2^19 constraints at 64 features, 2^20 at 784: there the check of the
    # weights alone takes 359,000
    batches = {
        (64, "ultrahonk", "full"): (500, 1010), (64, "ultrahonk", "plain"): (585, 1190),
        (64, "groth16", "full"): (294,), (64, "groth16", "plain"): (343,),
        (784, "ultrahonk", "full"): (63, 148), (784, "ultrahonk", "plain"): (64, 150),
        (784, "groth16", "full"): (75,), (784, "groth16", "plain"): (50,),
    }
    if quick:
        batches = {(64, "ultrahonk", "full"): (2,), (64, "groth16", "full"): (2,)}
    rows = {}
    for _ in range(1 if quick else 2):
        for features in dict.fromkeys(key[0] for key in batches):
            for k in (15,) if quick else (15, 16 if features == 64 else 17):
                key = (features, f"Tribute, k = {k}", "full", 0)
                rows[key] = better(rows.get(key), measure("service", 1, k=k, features=features, classes=10))
            for (d, system, statement), sizes in batches.items():
                for batch in sizes if d == features else ():
                    key = (features, {"ultrahonk": "UltraHonk", "groth16": "Groth16"}[system], statement, batch)
                    rows[key] = better(rows.get(key), peer(system, features, 10, batch, statement))
    out, lines = [PEERS, calibration(rows.values()), PEER_WORDS], []
    for features in dict.fromkeys(key[0] for key in rows):
        here = {key: r for key, r in rows.items() if key[0] == features and r}
        best = lambda who, what: min((r["milliseconds_per_item"] for k, r in here.items() if k[1].startswith(who) and k[2] == what), default=None)
        ours, theirs = best("Tribute", "full"), [t for t in (best("UltraHonk", "full"), best("Groth16", "full")) if t]
        if ours and theirs:
            times = f"{min(theirs) / ours:.0f} times"
            out.append(f"{features} → 10: **{times}** cheaper per query than the quicker of the two with the same statement "
                       f"({ours:.2f} ms against {min(theirs):.1f} ms).\n")
        for (_, who, statement, _), r in here.items():
            lines.append((f"{features} → 10", who, statement, r["count"], seconds(r["seconds"]),
                          f"{r['milliseconds_per_item']:.2f} ms", seconds(r["cpu_seconds"]) if "cpu_seconds" in r else "–",
                          f"{r['peak_rss_mb']} MB", f"{r['proof_bytes']:,}",
                          f"{r['verify_ms']:.1f} ms" if "verify_ms" in r else "–", f"{r['gas']:,}" if "gas" in r else "[gas](../docs/gas.md)"))
    header = ("head", "who", "statement", "queries", "witness and proof", "per query", "CPU time", "peak memory", "proof bytes", "verify", "gas")
    return out + [table(header, lines)]


PEER_WORDS = (
    "The same integer head, arg max, weights and queries private. `full` states what Tribute's service proof does: the weights "
    "have a public commitment, and each query with its salt and answer extends a public transcript. `plain` leaves both out and "
    "publishes the answers. Both check logits by a random combination, as ours are: for UltraHonk half the gates of products one by one. "
    "UltraHonk: Noir with Poseidon2, Barretenberg's native prover with zero knowledge and Keccak. "
    "Groth16: circom with circomlib's Poseidon, proved by arkworks, its set-up of one circuit and batch. Products one by one, as a first version had "
    "them, took it 11 ms a query (plain, 664 queries): in R1CS they cost no more than the sponge. All on the machine's "
    "two cores; time and CPU time include the witness. Gas is that of a transaction which only checks the proof, with the peer's own contract on a local "
    "chain; altered proofs are refused there. Barretenberg's native verifier knows one ceremony only, so its time is not shown.\n"
)


def with_section(text, section):
    """A results file with this section in place of the one of the same heading, or before the comparison with EZKL."""
    new, heading = "\n".join(section), section[0]
    if heading in text:
        start = text.index(heading)
        end = text.find("\n## ", start + len(heading))
        return text[:start] + new + (text[end:] if end >= 0 else "")
    at = text.find("## Side by side with EZKL")
    at = len(text) if at < 0 else at
    return text[:at] + new + "\n" + text[at:]


def parts(quick):
    """Where the time of a proof goes, on one thread."""
    shapes = [(c, 64) for c in ("dataset", "gradient", "service")] + ([] if quick else [("gradient", 784)])
    backends = ({}, {"portable": ""})
    measured = [r for r in (measure(c, 1, k=15, features=d, parts="", **b) for c, d in shapes for b in backends) if r]
    rows = []
    for r in measured:
        p = r["parts"]
        rest = r["prove_seconds"] - p["witness"] - p["columns"] - p["dense"] - p["interpolations"]
        share = [f"{100 * p[part] / r['prove_seconds']:.0f} %" for part in ("witness", "columns", "dense", "interpolations")]
        rows.append((r["circuit"], 1 if r["portable"] else 8, seconds(r["prove_seconds"]), *share, f"{100 * rest / r['prove_seconds']:.0f} %",
                     seconds(p["floor"]), f"{(p['columns'] + p['dense']) / p['floor']:.1f}", f"{r['prove_seconds'] / p['floor']:.1f}"))
    return [
        "## Where the time goes, on one thread\n", calibration(measured),
        table(("circuit", "elements at a time", "proof", "values of columns", "commitments to columns", "commitments to other polynomials", "columns' FFTs",
               "the quotient, evaluations and openings", "floor", "commitments / floor", "proof / floor"), rows),
        "The floor is the commitments alone: six multiplications for each addition of points, at the speed of a loop that only "
        "multiplies and adds. Eight elements at a time where the CPU has AVX-512 IFMA, and the portable code beside it. Parts are done once more after the proof (`measure --parts`), so the rest is a difference.\n",
    ]


def sections(text):
    """The sections of a results file, by heading."""
    return {part.split("\n", 1)[0]: "## " + part for part in text.split("\n## ")[1:]}


def with_others(text, old):
    """A results file and the sections of the old one that other commands write."""
    kept = [part for heading, part in sections(old).items() if heading not in sections(text)]
    return "\n".join([text.rstrip("\n") + "\n", *kept])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--out", default=ROOT / "benches/RESULTS.md", type=Path)
    arguments = parser.parse_args()
    if arguments.large:
        arguments.out.write_text(with_section(arguments.out.read_text(), large()))
        print(f"wrote {arguments.out}")
        return
    quick = arguments.quick
    if arguments.peers:
        arguments.out.write_text(with_section(arguments.out.read_text(), peers(quick)))
        print(f"wrote {arguments.out}")
        return
    rounds = 1 if quick else 2
    old = arguments.out.read_text() if arguments.out.exists() else ""

    proofs = [measure(c, rounds, k=15) for c in ("dataset", "gradient", "evaluation", "service")]
    digits = measure("gradient", rounds, k=15, count=1797)
    head = [
        "# Measured\n",
        "Written by `make bench` (`benches/run.py`). Every line is a separate process; of lines measured twice, the better "
        "result is shown. Circuits over pseudo-random data, full shards and full batches unless a count is given: "
        "the cost of a proof does not depend on the values.\n",
        f"Machine: {machine()}. `calibration_ms` is a yardstick: the best of three timings, at the start of every process, of "
        "halo2's own sum of 2^15 points by random scalars. Use it to compare lines of different sections.\n",
    ]
    budgets = [
        ("`dataset`, one full shard, k = 15", "3 s", seconds(proofs[0]["seconds"])),
        ("`gradient`, 1,797 records, 64 → 10, softmax, k = 15", "0.6 s", seconds(digits["seconds"])),
        ("`service`, per query, 64 → 10, full batch, k = 15", "0.8 ms", f"{proofs[-1]['milliseconds_per_item']:.2f} ms"),
        ("verification of a proof, the slowest of these", "10 ms", f"{max(r['verify_ms'] for r in proofs):.1f} ms"),
    ]
    lines = [
        (r["circuit"], r["count"], seconds(r["seconds"]), seconds(r["keys_seconds"]), f"{r['peak_rss_mb']} MB",
         f"{r['proof_bytes']:,}", f"{r['verify_ms']:.1f} ms", r["advice_columns"], r["fixed_columns"])
        for r in proofs
    ]
    out = ["## One proof of each, k = 15, 64 → 10\n", calibration(proofs)]
    out.append(table(("circuit", "records or queries", "witness and proof", "keys", "peak memory", "proof bytes",
                      "verify (halo2)", "advice columns", "fixed columns"), lines))

    out.append("## Throughput of `gradient`, softmax, 10 classes, full shards\n")
    # of each pair, the second has the columns that a server chooses
    shapes = [(15, 6, 64)] if quick else [(15, 8, 64), (15, 6, 64), (17, 8, 384), (17, 32, 384), (17, 8, 784), (17, 32, 784)]
    shaped = [measure("gradient", 1, k=k, columns=columns, features=d, threads=threads)
              for k, columns, d in shapes for threads in ((2,) if quick else (1, 2))]
    shaped = [r for r in shaped if r]
    out += [calibration(shaped), table(GRADIENT, map(gradient_line, shaped))]
    out.append("A cell is one feature of one record: n·d of them.\n")
    for d in (384, 784):
        rates = [r["cells_per_second"] / r["threads"] for r in shaped if r["features"] == d]
        if rates:
            budgets.append((f"`gradient`, cells per second and core, d = {d}", "500,000", f"{max(rates):,.0f}"))

    out += parts(quick)

    out.append("## Threads\n")
    cores = os.cpu_count() or 1
    threads = [t for t in (1, 2, 4, 8, 16, 32, 64) if t <= cores]
    scaled = [(c, [measure(c, 1, k=15 if quick else 17, threads=t) for t in threads]) for c in ("gradient", "service")]
    out.append(calibration(r for _, rs in scaled for r in rs))
    rows = [(f"`{c}`", r["threads"], seconds(r["seconds"]), f"{rs[0]['seconds'] / r['seconds']:.2f}")
            for c, rs in scaled for r in rs if r and rs[0]]
    out.append(table(("64 → 10", "threads", "witness and proof", "times as fast as one thread"), rows))

    out.append("## k\n")
    ks = (13, 15) if quick else (13, 14, 15, 16, 17, 18)
    # the tables of softmax need 2^14 rows
    sweep = [measure("gradient", 1, k=k, link="softmax" if k >= 14 else "squared") for k in ks]
    sweep = [r for r in sweep if r]
    out.append(calibration(sweep))
    out.append(table(GRADIENT + ("development SRS",), [gradient_line(r) + (seconds(r["srs_seconds"]),) for r in sweep]))
    out.append("k = 13 with the squared link: the tables of softmax need 2^14 rows.\n")
    for r in sweep:
        if r["k"] == 17:
            budgets.append(("peak memory, k = 17, 64 → 10", "2 GB", f"{r['peak_rss_mb'] / 1024:.2f} GB"))
            budgets.append(("development SRS, k = 17", "5 s", seconds(r["srs_seconds"])))

    out.append("## Growth with records\n")
    out.append("All shards of an agent over 64 features and 10 classes, one after the other in one process, k = 15. Epochs do not "
               "appear: the proof is of the optimum, not of the steps to it.\n")
    grown = [measure("gradient", 1, k=15, records=n) for n in ((1000, 10000) if quick else (1000, 3000, 10000, 30000, 100000))]
    lines = [
        (f"{r['count']:,}", r["proofs"], seconds(r["seconds"]), f"{r['milliseconds_per_item'] * 1e3:.0f} µs",
         f"{r['verify_ms']:.1f} ms", f"{r['peak_rss_mb']} MB")
        for r in grown if r
    ]
    out.append(calibration(grown))
    out.append(table(("records", "gradient proofs", "witness and proofs", "per record", "verification of all", "peak memory"), lines))

    if not quick:
        out += large()

    heads = [(64, 10, [15])] if quick else [(64, 10, [15, 16]), (784, 10, [15, 17])]
    turns = [[1, 16]] if quick else [[1, 16, 64], [1, 16, 64], [256]]
    print("side by side", file=sys.stderr)
    for rows in side_by_side(heads, turns):
        section, compared = comparison(rows)
        table_of_budgets = ["## Budgets\n", table(("what", "budget", "here"), budgets + compared)]
        # after every round, so that an interrupted run leaves a file
        arguments.out.write_text(with_others("\n".join(head + table_of_budgets + out + section), old))
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
