"""The section of benches/RESULTS.md that compares this prover with the one before vector arithmetic, in one run."""

import results
from processes import by_itself, measure, measured
from results import ARITHMETIC, Section, calibration, seconds, table

CIRCUITS = ("dataset", "gradient", "service")
COLUMNS = 8
"""Data columns: what the old program took unless told otherwise."""


def against(old, quick):
    """`old` is the program `measure` of that commit. It takes the same options, and none for the arithmetic."""
    given = {"k": 15, "columns": COLUMNS, "features": 64, "classes": 10, "threads": 1}
    jobs = {}
    for circuit in CIRCUITS:
        jobs[circuit, "before"] = lambda c=circuit: measure(c, program=old, **given)
        for arithmetic in (*reversed(ARITHMETIC), None):
            jobs[circuit, arithmetic] = lambda c=circuit, a=arithmetic: measure(c, a, **given)
    rows = measured(jobs, 1 if quick else 3)
    here, lines = {}, []
    for circuit in CIRCUITS:
        before = rows[circuit, "before"]
        times = lambda r: before["milliseconds_per_item"] / r["milliseconds_per_item"]
        for (name, arithmetic), r in rows.items():
            if name != circuit or not r or not before:
                continue
            if arithmetic in ARITHMETIC and by_itself(r, rows[circuit, None]):
                continue
            who = "before" if arithmetic == "before" else f"now, {r['lanes']} at a time"
            lines.append((f"`{circuit}`", who, r["count"], seconds(r["seconds"]), f"{r['milliseconds_per_item']:.3f} ms", f"{times(r):.2f}",
                          seconds(r["keys_seconds"]), f"{r['peak_rss_mb']} MB", f"{r['verify_ms']:.1f} ms", f"{r['proof_bytes']:,}"))
        for other in ARITHMETIC:
            if before and (r := rows[circuit, other]):
                here[results.OTHER_CPUS[circuit, other]] = f"{times(r):.2f}"
    header = ("circuit", "program", "records or queries", "witness and proof", "per record or query", "times as fast", "keys", "peak memory", "verify (halo2)",
              "proof bytes")
    words = (
        f"`benches/run.py --against MEASURE`, where MEASURE is the program `measure` of commit 24d55a7, the last without vector arithmetic. k = 15, A = {COLUMNS}, "
        "64 → 10, full shards and batches, one thread; all take turns, the best of three. Circuits have changed since, too, so this compares what a "
        "record or a query costs, not the arithmetic alone. One element at a time is what a CPU without vector code does.\n"
    )
    return Section(results.AGAINST, [words, calibration(rows.values()), table(header, lines)], here)
