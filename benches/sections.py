"""Sections of benches/RESULTS.md about Tribute alone. `quick` measures only a few small things."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import results
from processes import RELEASE, ROOT, TIMEOUT, better, by_itself, measure, measured, options, run
from results import ARITHMETIC, Section, calibration, seconds, table

ANVIL = ROOT / "verifier-contract/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
GRADIENT = ("k", "A", "d", "records", "threads", "witness and proof", "cells/s", "cells/s and core", "peak memory", "proof bytes")
PARTS = {
    "values of columns": "witness", "commitments to columns": "columns", "columns' FFTs": "interpolations",
    "other commitments": "commitments", "quotient's FFTs": "quotient_ffts", "gates' rows": "gate_rows",
    "evaluations": "evaluations", "openings": "openings",
}
"""Columns of a table, and what `measure --parts` calls them."""


def cores():
    return os.cpu_count() or 1


def gradient_line(r):
    return (r["k"], r["columns"], r["features"], r["count"], r["threads"], seconds(r["seconds"]), f"{r['cells_per_second']:,.0f}",
            f"{r['cells_per_second'] / r['threads']:,.0f}", f"{r['peak_rss_mb']} MB", f"{r['proof_bytes']:,}")


def proofs(quick):
    jobs = {c: lambda c=c: measure(c, k=15) for c in ("dataset", "gradient", "evaluation", "service")}
    jobs["digits"] = lambda: measure("gradient", k=15, count=1797)
    jobs[784] = lambda: measure("service", k=15, features=784)
    rows = measured(jobs, 1 if quick else 2)
    lines = [
        (r["circuit"], r["count"], seconds(r["seconds"]), seconds(r["cpu_seconds"]), seconds(r["keys_seconds"]), f"{r['peak_rss_mb']} MB",
         f"{r['proof_bytes']:,}", f"{r['verify_ms']:.1f} ms", r["advice_columns"], r["fixed_columns"])
        for r in rows.values() if r
    ]
    header = ("circuit", "records or queries", "witness and proof", "CPU time", "keys", "peak memory", "proof bytes", "verify (halo2)",
              "advice columns", "fixed columns")
    figures = {
        results.DATASET: ("dataset", lambda r: seconds(r["seconds"])),
        results.DIGITS: ("digits", lambda r: seconds(r["seconds"])),
        results.SERVICE[64]: ("service", lambda r: f"{r['milliseconds_per_item']:.2f} ms"),
        results.SERVICE[784]: (784, lambda r: f"{r['milliseconds_per_item']:.2f} ms"),
        results.MEMORY_15: ("gradient", lambda r: f"{r['peak_rss_mb']} MB"),
    }
    here = {budget: figure(rows[key]) for budget, (key, figure) in figures.items() if rows[key]}
    here[results.VERIFICATION] = f"{max((r['verify_ms'] for r in rows.values() if r), default=0):.1f} ms"
    return Section(results.PROOFS, [calibration(rows.values()), table(header, lines)], here)


def cache_misses(command):
    """Cache misses and last-level load misses of a command, or `None` where the machine does not count them."""
    events = ["cache-misses", "LLC-load-misses"]
    with tempfile.NamedTemporaryFile("r") as file:
        try:
            subprocess.run(["perf", "stat", "-x", ",", "-o", file.name, "-e", ",".join(events), *map(str, command)],
                           check=True, capture_output=True, timeout=TIMEOUT, cwd=ROOT)
        except (OSError, subprocess.SubprocessError):
            return None
        counted = {f[2]: f[0] for f in (line.split(",") for line in file) if len(f) > 2}
    # counts of guests without such counters are "<not supported>"; names may end in the mode that was counted
    values = [next((v for name, v in counted.items() if name.startswith(event)), "") for event in events]
    return [int(v) for v in values] if all(v.isdigit() for v in values) else None


def first(quick):
    """From the start of a process to its first proof."""
    shapes = [("dataset", 64, 15), ("gradient", 64, 15), ("service", 64, 15)] + ([] if quick else [("gradient", 384, 17)])
    counted = cache_misses(["true"]) is not None
    lines = []
    for circuit, features, k in shapes:
        with tempfile.TemporaryDirectory() as folder:
            command = lambda **given: [RELEASE / "first", circuit, *options({"features": features, "k": k, "folder": folder} | given)]
            start = lambda **given: run(command(started=time.time(), **given))
            total = lambda r: r["start_seconds"] + r["srs_seconds"] + r["keys_seconds"] + r["proofs"][0]["seconds"]
            start(proofs=0)
            best = {}
            for _ in range(1 if quick else 2):
                for kept in (False, True):
                    if not kept:
                        for file in Path(folder).glob("*.key"):
                            file.unlink()
                    r = start()
                    best[kept] = better(best.get(kept), r and r | {"seconds": total(r)})
            misses = [cache_misses(command(started=time.time(), proofs=n)) for n in (2, 6)] if counted else []
        for r in (r for r in best.values() if r):
            one, two = r["proofs"][:2]
            line = [r["circuit"], "from the disk" if r["keys_kept"] else "generated", seconds(r["start_seconds"]), seconds(r["srs_seconds"]),
                    seconds(r["keys_seconds"]), seconds(one["seconds"]), seconds(r["seconds"]), seconds(two["seconds"])]
            line += [f"{one[what]:,} / {two[what]:,}" for what in ("minor_faults", "major_faults")]
            line += [f"{one['system_seconds']:.2f} / {two['system_seconds']:.2f} s"]
            if counted:
                line += [" / ".join(f"{(many - few) / 4:,.0f}" for few, many in zip(*misses)) if all(misses) else "–"]
            lines.append(line)
    header = ("circuit", "keys", "process starts", "SRS from the disk", "keys ready", "first proof", "start to first proof", "second proof",
              "minor page faults", "major page faults", "time in the kernel") + (("cache misses / of loads, last level",) if counted else ())
    words = (
        "One process on all cores: it starts, reads the SRS, generates keys and stores them or reads them from the disk, and proves a full shard or "
        "batch twice. Each proof's time includes its witness; making the pseudo-random data and committing to it is not counted. Files "
        "are in the system's page cache. A warm process saves the difference of “start to first proof” and “second proof”. Faults and "
        "time in the kernel, in steps of 10 ms, are those of the first and of the second proof. "
    )
    words += ("Cache misses are a later proof's: those of six proofs less those of two, a quarter of it.\n" if counted else
              "This machine shows no hardware counters (`perf stat`), so cache misses are not known: page faults only.\n")
    return Section(results.FIRST, [words, table(header, lines)])


def throughput(quick):
    # of each pair, the second has the columns that a server chooses
    shapes = [(15, 6, 64)] if quick else [(15, 8, 64), (15, 6, 64), (17, 8, 384), (17, 32, 384), (17, 8, 784), (17, 32, 784)]
    jobs = {
        (*shape, threads): lambda s=shape, t=threads: measure("gradient", k=s[0], columns=s[1], features=s[2], threads=t)
        for shape in shapes for threads in dict.fromkeys((1, cores()))
    }
    rows = measured(jobs, 1 if quick else 2)
    here, found = {}, [r for r in rows.values() if r]
    for (features, every), budget in results.CELLS.items():
        threads = cores() if every else 1
        rates = [r["cells_per_second"] / threads for r in found if r["features"] == features and r["threads"] == threads]
        if rates:
            here[budget] = f"{max(rates):,.0f}"
    if widest := rows.get((17, 32, 384, 1)):
        here[results.MEMORY_384] = f"{widest['peak_rss_mb']} MB"
    words = "A cell is one feature of one record: n·d of them.\n"
    return Section(results.THROUGHPUT, [calibration(found), table(GRADIENT, map(gradient_line, found)), words], here)


def parts(quick):
    """Where the time of a proof goes, on one thread."""
    shapes = {
        results.DATASET: ("dataset", {}),
        None: ("gradient", {}),
        results.DIGITS: ("gradient", {"count": 1797}),
        results.SERVICE[64]: ("service", {}),
        results.SERVICE[784]: ("service", {"features": 784}),
        results.CELLS[384, False]: ("gradient", {"features": 384, "k": 17}),
        results.CELLS[784, False]: ("gradient", {"features": 784, "k": 17}),
    }
    if quick:
        shapes = {results.DATASET: shapes[results.DATASET]}
    jobs = {
        (budget, arithmetic): lambda c=circuit, g=given, a=arithmetic: measure(c, a, parts=True, **({"k": 15} | g))
        for budget, (circuit, given) in shapes.items() for arithmetic in (None, *ARITHMETIC)
    }
    # long proofs by portable code once: their shares hardly differ between runs
    rows = measured(jobs, 1 if quick else 2, lambda key, rows: rows[key]["seconds"] < 6)
    lines, floor = [], {}
    for (budget, arithmetic), r in rows.items():
        if not r or (arithmetic and by_itself(r, rows[budget, None])):
            continue
        p, whole = r["parts"], r["prove_seconds"]
        p["columns"] -= p["interpolations"]
        commitments = p["columns"] + p["commitments"]
        lines.append((r["circuit"], r["count"], r["lanes"], seconds(whole), *(f"{100 * p[name] / whole:.0f} %" for name in PARTS.values()),
                      seconds(p["floor"]), f"{commitments / p['floor']:.1f}", f"{whole / p['floor']:.1f}"))
        if budget and not arithmetic:
            floor[budget] = f"{whole / p['floor']:.1f}"
    header = ("circuit", "records or queries", "elements at a time", "proof", *PARTS, "floor", "commitments / floor", "proof / floor")
    words = (
        "A proof reports what each part took; only the columns' FFTs, which take place between the commitments to columns, are done once "
        "more after the proof and subtracted. Values of columns include their random rows, other commitments are those to the "
        "quotient's pieces, the openings and a random polynomial. The floor is the commitments alone: six multiplications for each addition of points, at the "
        "speed of a loop that only multiplies and adds. That loop computes in Fr, sums of points in Fq: primes of the same length, by "
        "the same code. Eight elements at a time where the CPU has AVX-512 IFMA; beside it what CPUs without it do: four at a time with AVX2, or one "
        "(`TRIBUTE_ARITHMETIC=avx2` and `portable`). The better of two proofs; of proofs above six seconds, one. Before vector arithmetic (the "
        "program of commit 24d55a7 at A = 8, about 110 samples of the stack during proofs on one thread, so within 5 %): sums of points 58 % "
        "of a dataset proof, 56 % of a gradient, 52 % of a service proof; FFTs 28, 24 and 25 %; gates' rows 4, 4 and 8 %; the rest 10, 16 and "
        "15 %. All parts have become faster alike.\n"
    )
    return Section(results.PARTS, [calibration(rows.values()), table(header, lines), words], floor=floor)


def threads(quick):
    counts = sorted({2**i for i in range(cores().bit_length())} | {cores()})
    jobs = {(c, t): lambda c=c, t=t: measure(c, k=15 if quick else 17, threads=t) for c in ("gradient", "service") for t in counts}
    rows = measured(jobs, 1 if quick else 2)
    lines = [
        (f"`{c}`", t, seconds(r["seconds"]), f"{rows[c, 1]['seconds'] / r['seconds']:.2f}", seconds(r["cpu_seconds"]), f"{r['peak_rss_mb']} MB")
        for (c, t), r in rows.items() if r and rows[c, 1]
    ]
    header = ("64 → 10", "threads", "witness and proof", "times as fast as one thread", "CPU time", "peak memory")
    words = (
        f"`make bench-threads`, k = {15 if quick else 17}: powers of two up to this machine's {cores()} cores, and all of them. What limits more threads: columns "
        "are shared out, each with its commitment and its FFT, so a phase with few columns keeps few threads busy; within one "
        "sum of points, at most nine windows run in parallel; an FFT is on one thread; the division by a linear polynomial in the openings is serial. "
        "A machine with more cores gains more from several proofs side by side.\n"
    )
    return Section(results.THREADS, [calibration(rows.values()), table(header, lines), words])


def sizes(quick):
    # the tables of softmax need 2^14 rows
    jobs = {k: lambda k=k: measure("gradient", k=k, link="softmax" if k >= 14 else "squared") for k in ((13, 15) if quick else range(13, 19))}
    rows = measured(jobs, 1 if quick else 2)
    lines = [gradient_line(r) + (seconds(r["srs_seconds"]),) for r in rows.values() if r]
    here = {}
    if r := rows.get(17):
        here = {results.MEMORY_17: f"{r['peak_rss_mb'] / 1024:.2f} GB", results.SRS: seconds(r["srs_seconds"])}
    words = "k = 13 with the squared link: the tables of softmax need 2^14 rows.\n"
    return Section(results.SIZES, [calibration(rows.values()), table(GRADIENT + ("development SRS",), lines), words], here)


def growth(quick):
    grown = [measure("gradient", k=15, records=n) for n in ((1000, 10000) if quick else (1000, 3000, 10000, 30000, 100000))]
    lines = [
        (f"{r['count']:,}", r["proofs"], seconds(r["seconds"]), f"{r['milliseconds_per_item'] * 1e3:.0f} µs", f"{r['verify_ms']:.1f} ms",
         f"{r['peak_rss_mb']} MB")
        for r in grown if r
    ]
    words = ("All shards of an agent over 64 features and 10 classes, one after the other in one process, k = 15. Epochs do not "
             "appear: the proof is of the optimum, not of the steps to it.\n")
    header = ("records", "gradient proofs", "witness and proofs", "per record", "verification of all", "peak memory")
    return Section(results.GROWTH, [words, calibration(grown), table(header, lines)])


def large(quick):
    """Whole certificates: from a CSV to a file that is verified offline, in one process each."""
    shapes = [(4_200, 40, 20)] + ([] if quick else [(100_000, 64, 10)])
    rows = [run([RELEASE / "whole", *options({"records": n, "features": d, "classes": c})]) for n, d, c in shapes]
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
    return Section(results.LARGE, [words, calibration(rows), table(header, lines)])


def demo(quick):
    """`make demo` twice, in a folder of its own."""
    program = RELEASE / "tribute"
    missing = [str(p.relative_to(ROOT) if p.is_relative_to(ROOT) else p) for p in (program, ANVIL) if not p.exists()]
    if missing:
        print(f"  the demo is left out: {' and '.join(missing)} missing (`make build`)", file=sys.stderr)
        return None
    folder, times = Path(tempfile.mkdtemp()), []
    try:
        for _ in range(1 if quick else 2):
            started = time.monotonic()
            done = subprocess.run([program, "demo", "--out", folder / "out"], capture_output=True, text=True, timeout=TIMEOUT, cwd=ROOT)
            if done.returncode:
                print(f"  the demo failed:\n{done.stderr[-2000:]}", file=sys.stderr)
                return None
            times.append(time.monotonic() - started)
            print(f"  {times[-1]:6.1f} s  demo", file=sys.stderr)
    finally:
        shutil.rmtree(folder)
    words = "`tribute demo` on digits, a process each: the whole life cycle with a local chain, a service and real proofs.\n"
    lines = [(name, f"{t:.1f} s") for name, t in zip(("first", "second"), times)]
    return Section(results.DEMO, [words, table(("run", "time"), lines)], {results.DEMO_TIME: f"{times[-1]:.1f} s"})
