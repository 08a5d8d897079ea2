#!/usr/bin/env python3
"""Runs the commands of docs/roles/ exactly as printed, in one shell, in a scratch folder.

  run_docs.py [--print]

`sh` blocks run in the order of PAGES; those marked `after-queries` and `after-claim` wait until the other pages have
run, because they depend on the queries and the claim. Ports 8545 and 7410 are replaced by free ones, to avoid conflicts
with other programs. The first command that fails ends the run, and its page and the last output are printed. `--print`
shows all output of the commands.
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROLES = ROOT / "docs" / "roles"
PAGES = ["local", "provider", "owner", "client", "contract-caller", "operator", "auditor"]
# The auditor checks the books at the end.
LAST = "auditor"
STAGES = ["", "after-queries", "after-claim"]
BLOCK = re.compile(r"^```sh ?([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORTS = ["8545", "7410"]
END = "--- end\n"


def blocks(texts):
    """(page, line, commands) in the order in which they run; `texts` is {page: Markdown}, in the order of the pages."""
    found = []
    for order, (page, text) in enumerate(texts.items()):
        for block in BLOCK.finditer(text):
            line = text.count("\n", 0, block.start(2)) + 1
            found.append(((page == LAST, STAGES.index(block[1]), order, line), page, line, block[2]))
    return [entry[1:] for entry in sorted(found)]


def script(texts):
    """Joins all blocks into one script that prints which block it runs and ends with END."""
    lines = ["set -Eeuo pipefail"]
    for page, line, commands in blocks(texts):
        lines += [f"echo '--- docs/roles/{page}.md:{line}'", commands]
    return "\n".join([*lines, f"echo '{END.strip()}'"])


def with_free_ports(text):
    for port in PORTS:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            text = text.replace(port, str(s.getsockname()[1]))
    return text


def run(text, show=False):
    """Runs a script; returns the lines it printed, and whether it reached its end. Kills everything it left running."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TRIBUTE_")}
    output = []
    with tempfile.TemporaryDirectory() as scratch:
        shell = subprocess.Popen(
            ["bash", "-c", text], cwd=ROOT, env={**environment, "TMPDIR": scratch}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        try:
            for line in shell.stdout:
                output.append(line)
                if show:
                    print(line, end="", flush=True)
                if line == END:
                    break
        finally:
            os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    return output, output[-1:] == [END]


def main(show):
    start = time.monotonic()
    output, complete = run(with_free_ports(script({page: (ROLES / f"{page}.md").read_text() for page in PAGES})), show)
    ran = [line[4:].strip() for line in output if line.startswith("--- docs/")]
    if not complete:
        sys.exit("".join([*output[-40:], f"docs: a command of {ran[-1] if ran else 'no page'} failed\n"]))
    print(f"docs: {len(ran)} blocks of commands ran as printed, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    if not set(sys.argv[1:]) <= {"--print"}:
        sys.exit(__doc__)
    main("--print" in sys.argv)
