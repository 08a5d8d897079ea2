#!/usr/bin/env python3
"""Training across 1, 3, 10 and 30 nodes as real processes on this machine: time and bytes, for that section of benches/RESULTS.md.

Every node is a `tribute serve` with its own data folder, and so is the owner's. The wine records are divided among them; the one
node of the first line has two accounts. Links from the owner to the nodes go through relays that count bytes. All
processes share this machine's cores, so the seconds are those of all nodes' work together.

    home.py [--nodes 1,3,10,30] [--out FILE]
"""

import argparse
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))
from checkout import PLACES, PROGRAM, ROOT  # noqa: E402

WINE = ROOT / "examples/wine.csv"
LAMBDA = "0.0078125"


class Link:
    """Forwards connections to an address and counts what goes each way."""

    def __init__(self, to):
        self.to, self.bytes = to, {"up": 0, "down": 0}
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            host, port = self.to.rsplit(":", 1)
            far = socket.create_connection((host, int(port)))
            for source, sink, way in ((near, far, "up"), (far, near, "down")):
                threading.Thread(target=self.copy, args=(source, sink, way), daemon=True).start()

    def copy(self, source, sink, way):
        try:
            while piece := source.recv(1 << 16):
                self.bytes[way] += len(piece)
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Node:
    """A server with the keys of its accounts."""

    def __init__(self, folder, accounts=1):
        self.folder = folder
        folder.mkdir()
        self.keys = [secrets.token_hex(32) for _ in range(accounts)]
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{s.getsockname()[1]}"
        self.link = Link(self.address)
        serve = [PROGRAM, "serve", "--listen", self.address, "--data", "data", "--k", "14", "--port-file", "address"]
        serve += ["--name", self.address, "--name", self.link.address]
        self.log = open(folder / "serve.log", "wb")
        environment = {**os.environ, **PLACES}
        self.process = subprocess.Popen(serve, cwd=folder, env=environment, stdout=self.log, stderr=self.log)

    def ready(self):
        for _ in range(1200):
            if (self.folder / "address").exists():
                return
            time.sleep(0.1)
        raise SystemExit(f"no server: {(self.folder / 'serve.log').read_text()}")

    def run(self, *arguments, account=0):
        environment = {**os.environ, "TRIBUTE_KEY": self.keys[account], "TRIBUTE_SERVER": f"http://{self.address}"}
        command = [str(PROGRAM), *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout


def measured(count, work):
    """One line: a training across `count` nodes, from the consents to the agent."""
    header, *rows = WINE.read_text().splitlines()
    nodes = [Node(work / f"node-{i}", 2 if count == 1 else 1) for i in range(count)]
    owner = Node(work / "owner")
    try:
        for node in [*nodes, owner]:
            node.ready()
        owner.run("schema", "infer", WINE, "--name", "wine", "--out", work / "schema.json")
        parties = [(node, account) for node in nodes for account in range(len(node.keys))]
        asked = []
        for i, (node, account) in enumerate(parties):
            # every part has all classes
            part = node.folder / f"part-{account}.csv"
            part.write_text("\n".join([header, *rows[i :: len(parties)]]) + "\n")
            file = f"dataset-{account}.json"
            node.run("dataset", "register", part, "--schema", work / "schema.json", "--out", file, account=account)
            dataset = json.loads((node.folder / file).read_text())["dataset_id"]
            asked += ["--node", f"http://{node.link.address}={dataset}"]
        request = json.loads(owner.run("request", "ask", *asked, "--lambda", LAMBDA, "--purpose", "a measurement"))["request"]
        for node, account in parties:
            node.run("request", "approve", request, "--least-participants", 2, account=account)
        before = [dict(node.link.bytes) for node in nodes]
        start = time.monotonic()
        owner.run("request", "train", "request.json", "--out", "agent.json")
        seconds = time.monotonic() - start
        moved = {way: sum(n.link.bytes[way] - b[way] for n, b in zip(nodes, before)) for way in ("up", "down")}
        agent = json.loads((owner.folder / "agent.json").read_text())
        training = agent["training"]
        return {
            "nodes": count,
            "participants": len(parties),
            "rounds": training["rounds"],
            "training_seconds": round(training["seconds"], 2),
            "seconds": round(seconds, 1),
            "answer_bytes": training["answer_bytes"],
            "to_nodes": moved["up"],
            "from_nodes": moved["down"],
            "relative_distance": agent["relative_distance"],
        }
    finally:
        for node in [*nodes, owner]:
            node.process.terminate()
        for node in [*nodes, owner]:
            node.process.wait()
            node.link.server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", default="1,3,10,30")
    parser.add_argument("--out", type=Path, default=ROOT / "demo-out/home/nodes.json")
    asked = parser.parse_args()
    lines = []
    print("| nodes | participants | rounds | seconds of rounds | seconds with proofs | to the nodes | from the nodes |\n|---|---|---|---|---|---|---|", flush=True)
    for count in map(int, asked.nodes.split(",")):
        work = Path(tempfile.mkdtemp(prefix="tribute-nodes-"))
        try:
            line = measured(count, work)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        lines.append(line)
        print(
            f"| {line['nodes']} | {line['participants']} | {line['rounds']} | {line['training_seconds']} | {line['seconds']} "
            f"| {line['to_nodes']:,} | {line['from_nodes']:,} |",
            flush=True,
        )
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(lines, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
