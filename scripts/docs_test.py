#!/usr/bin/env python3
"""Runs the commands of docs/roles/ as they are printed, in one shell, in a scratch folder.

  docs_test.py [--keep]

`sh` blocks run in the book's order; those marked `after-queries` and `after-claim` wait until every page has been read, because
money flows back then. Ports 8545 and 7410 are replaced by free ones, so that nothing else on the machine is in the way. The first
command that fails ends the run, with its page and its output. `--keep` prints everything that the commands print.
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROLES = ROOT / "docs" / "roles"
PAGES = ["local", "provider", "owner", "client", "contract-caller", "operator", "auditor"]
STAGES = ["", "after-queries", "after-claim"]
BLOCK = re.compile(r"^```sh ?([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORTS = ["8545", "7410"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return str(s.getsockname()[1])


def blocks():
    """(page, line, commands), in the order in which they run."""
    found = []
    for order, page in enumerate(PAGES):
        text = (ROLES / f"{page}.md").read_text()
        for block in BLOCK.finditer(text):
            # the line of the block's first command
            line = text.count("\n", 0, block.start(2)) + 1
            found.append((STAGES.index(block[1]), order, line, page, block[2]))
    # the auditor looks at the books when all is done
    found.sort(key=lambda b: (b[3] == "auditor", b[0], b[1], b[2]))
    return [(page, line, commands) for _, _, line, page, commands in found]


def script():
    lines = ["set -Eeuo pipefail", "trap 'echo \"docs: failed: $here\" >&2' ERR"]
    for page, line, commands in blocks():
        lines += [f"here=docs/roles/{page}.md:{line}", 'echo "--- $here"', commands]
    lines.append("echo --- end")
    text = "\n".join(lines)
    for port in PORTS:
        text = text.replace(port, free_port())
    return text


def main(keep):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRIBUTE_")}
    start = time.monotonic()
    shell = subprocess.Popen(
        ["bash", "-c", script()], cwd=ROOT, env=environment, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    output = []
    try:
        for line in shell.stdout:
            output.append(line)
            if keep:
                print(line, end="", flush=True)
            if line.startswith("docs: failed"):
                break
            if line.startswith("--- end"):
                break
        failed = any(line.startswith("docs: failed") for line in output)
    finally:
        os.killpg(shell.pid, signal.SIGKILL)  # chain, service and worker with it
        shell.wait()
    return output, failed, time.monotonic() - start


if __name__ == "__main__":
    if not set(sys.argv[1:]) <= {"--keep"}:
        sys.exit(__doc__)
    output, failed, seconds = main("--keep" in sys.argv)
    if failed:
        sys.exit("".join(output[-40:]))
    print(f"docs: {sum(1 for line in output if line.startswith('--- docs'))} blocks of commands ran as printed, {seconds:.0f} s")
