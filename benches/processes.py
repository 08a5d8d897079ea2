"""Whole processes, each measured on its own: `measure` and the peers beside it. Times are in seconds."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "release"
MEASURE = RELEASE / "measure"
EZKL = ROOT / ".deps/ezkl-venv/bin/python"
EZKL_WORK = ROOT / ".deps/ezkl-work"
PEERS = ROOT / "benches/peers"
PEER_WORK = ROOT / "target/bench-peers"
CRS = PEER_WORK / "crs"
TIMEOUT = 1200
LONG = 120
"""What takes longer is measured only once."""


def run(command, **environment):
    """The last line that a command prints, parsed as JSON; `None` if it fails or takes longer than `TIMEOUT`."""
    words = [str(c) for c in command]
    started = time.monotonic()
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, cwd=ROOT, env={**os.environ, **environment})
    except (subprocess.TimeoutExpired, OSError) as e:
        print(f"  {e}", file=sys.stderr)
        return None
    if done.returncode != 0:
        print(f"  failed ({done.returncode}): {' '.join(words)}\n{done.stderr[-2000:]}", file=sys.stderr)
        return None
    print(f"  {time.monotonic() - started:6.1f} s  {' '.join(words[1:])}{''.join(f'  {value}' for value in environment.values())}", file=sys.stderr)
    return json.loads(done.stdout.strip().splitlines()[-1])


def options(given):
    """Words of a command line: `--name value`, or `--name` for `True`."""
    return [w for name, value in given.items() for w in ((f"--{name}",) if value is True else (f"--{name}", value))]


def measure(circuit, arithmetic=None, program=MEASURE, **given):
    """One proof, or several. `arithmetic`: one of `results.ARITHMETIC`, as on a CPU that has no better."""
    environment = {"TRIBUTE_ARITHMETIC": arithmetic} if arithmetic else {}
    return run([program, circuit, *options(given)], **environment)


def by_itself(told, best):
    """Whether a process that was told its arithmetic did what this CPU does by itself."""
    return best and told["lanes"] == best["lanes"]


def better(a, b):
    return min((r for r in (a, b) if r), key=lambda r: r["seconds"], default=None)


def measured(jobs, rounds=2, again=lambda key, rows: True):
    """The best result of each job, in their order. All take turns, so that a slow minute of the machine meets all of them. A
    later round leaves out what failed, what took long, and keys that are not to be measured `again`."""
    rows = {}
    for turn in range(rounds):
        for key, job in jobs.items():
            if turn and (not rows[key] or rows[key]["seconds"] > LONG or not again(key, rows)):
                continue
            rows[key] = better(rows.get(key), job())
    return rows


def ezkl(features, classes, batch, folder, *contract):
    """EZKL; its files stay in `folder`, with `--contract` a verifier for the EVM too."""
    return run([EZKL, ROOT / "benches/ezkl_peer.py", features, classes, batch, folder, *contract])


def peer(system, features, classes, batch, statement, folder):
    """UltraHonk or Groth16; its files stay in `folder`."""
    return run(["node", PEERS / f"{system}.mjs", features, classes, batch, statement, folder, CRS])


def with_gas(system, folder, result):
    """A result, with the gas of a transaction that checks its proof."""
    return result and (checked := run(["node", PEERS / "gas.mjs", system, folder, CRS])) and result | checked
