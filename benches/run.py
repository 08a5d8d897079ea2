"""Measures whole processes and writes benches/RESULTS.md: `make bench`.

Every line of a table is measured in a separate process, so that peak memory is its own. Lines of a section take turns, and
the better of two results counts. The file is written after every section, so that an interrupted run leaves what it has.

    run.py                         all sections of `make bench`, EZKL last
    run.py --only NAME …           these sections; their budgets change with them
    run.py --against MEASURE       beside an older program `measure`
    run.py --quick                 a few small things, to see that everything works; writes target/bench-quick.md
"""

import argparse
import sys
import time
from pathlib import Path

import results
import sections
from against import against
from beside import beside_ezkl, beside_peers
from results import machine

# in the order of `make bench`
ALL = {
    "proofs": sections.proofs, "first": sections.first, "throughput": sections.throughput, "parts": sections.parts,
    "threads": sections.threads, "sizes": sections.sizes, "growth": sections.growth, "large": sections.large, "demo": sections.demo,
    "ezkl": beside_ezkl,
}
ALONE = {"peers": beside_peers}
"""Sections of other commands: `make bench-peers`."""
HEAD = (
    "# Measured\n\n"
    "Written by `make bench` (`benches/run.py`) in {minutes:.0f} minutes; `make bench-peers`, `make training`, `make load` and others write their own sections. "
    "Every line is a separate process; of lines measured twice, the better "
    "result is shown. Circuits over pseudo-random data, full shards and full batches unless a count is given: "
    "the cost of a proof does not depend on the values.\n\n"
    "Machine: {machine}. `calibration_ms` is a yardstick: the best of three timings, at the start of every process, of "
    "halo2's own sum of 2^15 points by random scalars. Use it to compare lines of different sections.\n"
)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=[*ALL, *ALONE], metavar="NAME", help=", ".join([*ALL, *ALONE]))
    parser.add_argument("--against", type=Path, metavar="MEASURE")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    out = asked.out or (results.ROOT / "target/bench-quick.md" if asked.quick else results.RESULTS)
    if asked.against:
        program = asked.against.absolute()
        chosen = {"against": lambda quick: against(program, quick)}
    else:
        chosen = {name: (ALL | ALONE)[name] for name in asked.only or ALL}
    whole, began = not asked.only and not asked.against, time.monotonic()
    for name, section in chosen.items():
        print(name, file=sys.stderr)
        started = time.monotonic()
        made = section(asked.quick)
        print(f"  {name}: {(time.monotonic() - started) / 60:.1f} minutes", file=sys.stderr)
        if made:
            results.write(out, made)
    if whole:
        results.write_head(out, HEAD.format(machine=machine(), minutes=(time.monotonic() - began) / 60))
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
