#!/usr/bin/env python3
"""Load on a service: writes that section of benches/RESULTS.md (`make load`).

Runs the tests `scale`, `queries` and `load` of the command line at their full sizes, one after the other, and puts what they
measured into tables. `--small` takes the sizes of `make test` and only prints the section: it shows that everything works.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import results

MARK = "load: "
TESTS = {
    "scale": ["watchers", "a_lease"],
    "queries": [],
    "load": ["large"],
}


def measured(small):
    """What the tests printed, one dictionary for each line, as they ran."""
    environment = {**os.environ, "TRIBUTE_REQUIRE_POSTGRES": "1"}
    if not small:
        environment["TRIBUTE_LOAD"] = "1"
    found = []
    for test, names in TESTS.items():
        command = ["cargo", "test", "--release", "--locked", "-p", "tribute", "--test", test, "--", "--nocapture",
                   "--test-threads", "1", *names]
        with subprocess.Popen(command, cwd=results.ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                print(line, end="", file=sys.stderr, flush=True)
                # libtest prints a test's name without a line break before the test's own output
                if MARK in line:
                    found.append(json.loads(line.split(MARK, 1)[1]))
        if process.returncode:
            sys.exit(f"load: the test {test} failed")
    return found


def section(found):
    """The section."""
    of = lambda what: [line for line in found if line["what"] == what]
    queries = [(q["clients"], q["way"], f"{q['p50_ms']:.1f} ms", f"{q['p99_ms']:.1f} ms", f"{q['rate']:.0f}") for q in of("queries")]
    leases = [(q["database"], f"{q['queued']:,}", f"{q['p50_ms']:.2f} ms", f"{q['p99_ms']:.2f} ms") for q in of("lease")]
    watchers = [(q["database"], f"{q['watchers']:,}", f"{100 * q['core']:.2f} %") for q in of("watchers")]
    files = [
        (q["file"], f"{q['mb']:,} MB", f"{q['values']:,}", f"{q['upload_seconds']:.1f} s", f"{q['read_seconds']:.1f} s",
         f"{q['uploaded_mb']} MB", f"{q['read_mb']} MB")
        for q in of("file")
    ]
    parts = [
        f"`make load`; server, clients and database share {results.machine()}.\n",
        "Queries to an agent over 13 features and 3 classes, with a voucher for each, from clients that ask one after the "
        "other, each in a session of its own:\n",
        results.table(("clients", "way", "p50", "p99", "queries/s"), queries),
        "Lease of a job, with jobs of 100 accounts waiting, and its completion before the next lease:\n",
        results.table(("database", "jobs waiting", "p50", "p99"), leases),
        "Watchers of jobs that do not change:\n",
        results.table(("database", "watchers", "of a core"), watchers),
        "A file that is uploaded, and the report on its records; memory is the most that the server's process had resident:\n",
        results.table(("file", "size", "values", "upload", "reading", "memory after the upload", "memory after reading"), files),
    ]
    return results.Section(results.LOAD, parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--out", type=Path, default=results.RESULTS)
    asked = parser.parse_args()
    written = section(measured(asked.small))
    if asked.small:
        print(written.text())
    else:
        results.write(asked.out, written)


if __name__ == "__main__":
    main()
