#!/usr/bin/env python3
"""`make demo-home`: three providers and an agent's owner, each with a node of its own, train and certify one agent together.

Each node is a real `tribute serve` with its own data folder, where the machine allows it in a network namespace of its own, with its
own address. Everything between them, and to the chain, goes through a relay that keeps every byte. Afterwards all of it, and
every node's database, logs and artefacts, is searched for private data that is not its own. Writes demo-out/home/summary.json.

  demo_home.py [--plain] [--keep]

`--plain` uses processes on the loopback interface although namespaces are allowed; `--keep` keeps the nodes' folders.
"""

import argparse
import hmac
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from hashlib import sha256

import numpy as np
from Crypto.Cipher import ChaCha20_Poly1305
from eth_account import Account

from checkout import PLACES, PROGRAM, ROOT

sys.path.insert(0, str(ROOT / "examples"))
from audit_head import Head, Schema, read_rows  # noqa: E402
from home_leaks import Data, Searcher, messages, plants  # noqa: E402

DIGITS = ROOT / "examples/digits.csv.gz"
ROWS = [(0, 900), (900, 1400), (1400, 1597)]
LAMBDA = "0.001"
# The well-known keys of every local chain.
KEYS = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
]
OPERATOR, OWNER, PROVIDERS = KEYS[0], KEYS[1], KEYS[2:5]
PREFIX = "tribute"


class Relay:
    """Forwards TCP connections and keeps all bytes of both directions."""

    def __init__(self, host, to):
        self.to, self.streams = to, []
        self.server = socket.create_server((host, 0))
        self.address = f"{host}:{self.server.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.server.accept()
                host, port = self.to.rsplit(":", 1)
                far = socket.create_connection((host, int(port)))
            except OSError:
                continue
            for source, sink in ((near, far), (far, near)):
                stream = bytearray()
                self.streams.append(stream)
                threading.Thread(target=self.copy, args=(source, sink, stream), daemon=True).start()

    @staticmethod
    def copy(source, sink, stream):
        try:
            while piece := source.recv(1 << 16):
                stream.extend(piece)
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def bytes(self):
        return sum(len(s) for s in self.streams)

    def contents(self):
        """What crossed the link: the messages, joined over frames, and everything around them."""
        return [m for s in self.streams for m in messages(bytes(s))]


class Network:
    """Namespaces joined by a bridge, or the loopback interface."""

    def __init__(self, count, plain):
        self.namespaces = not plain and self.make(count)

    def make(self, count):
        try:
            ip = lambda *a: subprocess.run(["ip", *a], check=True, capture_output=True)  # noqa: E731
            ip("link", "add", f"{PREFIX}-br", "type", "bridge")
            ip("addr", "add", "10.77.0.1/24", "dev", f"{PREFIX}-br")
            ip("link", "set", f"{PREFIX}-br", "up")
            for i in range(count):
                name = f"{PREFIX}-{i}"
                ip("netns", "add", name)
                ip("link", "add", f"{name}-h", "type", "veth", "peer", "name", "eth0", "netns", name)
                ip("link", "set", f"{name}-h", "master", f"{PREFIX}-br", "up")
                ip("-n", name, "addr", "add", f"10.77.0.{10 + i}/24", "dev", "eth0")
                ip("-n", name, "link", "set", "eth0", "up")
                ip("-n", name, "link", "set", "lo", "up")
            return True
        except (OSError, subprocess.CalledProcessError) as e:
            self.namespaces = True
            self.close(count)
            print(f"no network namespaces here ({e}): the nodes are plain processes")
            return False

    def close(self, count):
        if self.namespaces:
            for i in range(count):
                subprocess.run(["ip", "netns", "del", f"{PREFIX}-{i}"], capture_output=True)
            subprocess.run(["ip", "link", "del", f"{PREFIX}-br"], capture_output=True)

    def host(self):
        return "10.77.0.1" if self.namespaces else "127.0.0.1"

    def address(self, i):
        if self.namespaces:
            return f"10.77.0.{10 + i}:7410"
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            return f"127.0.0.1:{s.getsockname()[1]}"

    def within(self, i):
        return ["ip", "netns", "exec", f"{PREFIX}-{i}"] if self.namespaces else []


class Node:
    """Somebody's node, with the command line of its account."""

    def __init__(self, demo, i, name, key, extra=()):
        self.demo, self.i, self.name, self.key = demo, i, name, key
        self.folder = demo.work / name
        self.folder.mkdir()
        self.address = demo.network.address(i)
        self.link = Relay(demo.network.host(), self.address)
        self.chain = Relay(demo.network.host(), demo.anvil) if demo.anvil else None
        self.environment = {**os.environ, "TRIBUTE_KEY": key, "TRIBUTE_SERVER": f"http://{self.address}"}
        self.environment |= {**PLACES, "TRIBUTE_CACHE": str(self.folder / "cache")}
        serve = ["serve", "--listen", self.address, "--data", "data", "--name", self.address, "--name", self.link.address]
        if self.chain:
            deployment = str(demo.work / "deployment.json")
            self.environment |= {"TRIBUTE_RPC": f"http://{self.chain.address}", "TRIBUTE_CONTRACTS": deployment}
            serve += ["--rpc", f"http://{self.chain.address}", "--contracts", deployment]
        self.log = open(self.folder / "serve.log", "wb")
        command = [*demo.network.within(i), str(PROGRAM), *serve, *extra]
        self.process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdout=self.log, stderr=self.log)
        demo.processes.append(self.process)
        for _ in range(600):
            if b"listening" in (self.folder / "serve.log").read_bytes():
                return
            time.sleep(0.1)
        raise SystemExit(f"{name} does not start: {(self.folder / 'serve.log').read_text()}")

    def run(self, *arguments, key=None):
        """Runs a command of this account in its namespace; returns its standard output."""
        environment = {**self.environment, **({"TRIBUTE_KEY": key} if key else {})}
        command = [*self.demo.network.within(self.i), str(PROGRAM), *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        with open(self.folder / "commands.log", "a") as log:
            log.write(f"$ tribute {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")
        if done.returncode:
            raise SystemExit(f"{self.name}: tribute {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")
        return done.stdout

    def json(self, file):
        return json.loads((self.folder / file).read_text())

    def secrets(self):
        """The tenants' secrets, and the keys derived from them."""
        master = bytes.fromhex((self.folder / "data/master.key").read_text().strip())
        found = [master]
        with sqlite3.connect(self.folder / "data/tribute.db") as db:
            for address, sealed in db.execute("SELECT address, sealed_secret FROM tenants"):
                raw = bytes.fromhex(sealed)
                cipher = ChaCha20_Poly1305.new(key=hkdf(master, b"tribute.tenants.v1"), nonce=raw[:24])
                cipher.update(f"secret\n{address}".encode())
                secret = cipher.decrypt_and_verify(raw[24:-16], raw[-16:])
                found += [secret, hkdf(secret, b"tribute.columns.v1"), hkdf(secret, b"tribute.data.v1")]
        return found


def hkdf(secret, label):
    """HKDF-SHA256 to 32 bytes, without salt."""
    prk = hmac.new(bytes(32), secret, sha256).digest()
    return hmac.new(prk, label + b"\x01", sha256).digest()


class Demo:
    def __init__(self, plain):
        self.start = time.time()
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="tribute-home-"))
        self.processes, self.anvil = [], None
        self.count = 4
        self.network = Network(self.count, plain)

    def say(self, text):
        print(f"{time.time() - self.start:6.1f} s  {text}", flush=True)

    def deploy(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        anvil = [str(ROOT / "verifier-contract/bin/anvil"), "--port", str(port), "--host", "127.0.0.1"]
        self.processes.append(subprocess.Popen(anvil, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        self.anvil = f"127.0.0.1:{port}"
        environment = {**os.environ, "TRIBUTE_KEY": OPERATOR, "TRIBUTE_RPC": f"http://{self.anvil}"}
        environment |= PLACES
        for attempt in range(100):
            done = subprocess.run([PROGRAM, "chain", "deploy"], cwd=self.work, env=environment, capture_output=True, text=True)
            if done.returncode == 0:
                return
            time.sleep(0.2)
        raise SystemExit(done.stderr)

    def play(self):
        self.deploy()
        self.say(f"contracts deployed; {self.count} nodes, {'in namespaces' if self.network.namespaces else 'plain processes'}")
        providers = [Node(self, i, f"provider-{i + 1}", key) for i, key in enumerate(PROVIDERS)]
        owner = Node(self, 3, "owner", OWNER)
        owner.run("schema", "infer", DIGITS, "--name", "digits", "--out", self.work / "schema.json")
        owner.run("circuits", "add", "--schema", self.work / "schema.json", "--link", "softmax", "--out", "circuits.json", key=OPERATOR)
        self.say("circuits registered")
        wallet = json.loads(owner.run("chain", "create-agent", "--name", "digits", "--json"))
        agent, address = wallet["agent_id"], Account.from_key(OWNER).address
        for provider, (first, last) in zip(providers, ROWS):
            provider.run("dataset", "register", DIGITS, "--rows", f"{first}..{last}", "--schema", self.work / "schema.json",
                         "--min-data-bps", 3000, "--out", "dataset.json")
            provider.run("chain", "register-dataset", "dataset.json")
            provider.run("chain", "grant", provider.json("dataset.json")["dataset_id"], "--to", address, "--uses", 2, "--link", "softmax")
        self.say("datasets committed at home, registered and granted on chain")

        nodes = [a for p in providers for a in ("--node", f"http://{p.link.address}={p.json('dataset.json')['dataset_id']}")]
        asked = json.loads(owner.run("request", "ask", *nodes, "--lambda", LAMBDA, "--agent-id", agent, "--version", 1, "--price", 10,
                                     "--data-part", 0.4, "--purpose", "recognises digits"))
        for provider in providers:
            provider.run("request", "approve", asked["request"])
        self.say("asked, and approved by all")
        before = sum(p.link.bytes() for p in providers)
        owner.run("request", "train", "request.json", "--out", "agent.json", "--gradients", "gradients.json")
        trained = owner.json("agent.json")
        self.say(f"trained in {trained['training']['rounds']} rounds, gradients proven at home")
        crossed = sum(p.link.bytes() for p in providers) - before
        weights = trained["weights_digest"]
        owner.run("chain", "propose-version", agent, "--trained", "agent.json", "--circuits", "circuits.json", "--data-bps", 4000, "--price", 10)
        owner.run("chain", "submit-gradients", agent, "--version", 1, "--gradients", "gradients.json")
        owner.run("agent", "prove-optimum", weights, "--agent-id", agent, "--version", 1, "--out", "optimum.json")
        owner.run("chain", "certify", agent, "--version", 1, "--optimum", "optimum.json")
        owner.run("agent", "certificate", weights, "--out", "certificate.json")
        owner.run("verify", "certificate.json", "--allow-dev-srs")
        owner.run("agent", "get", weights, "--onnx", "agent.onnx")
        self.say("certified by the contracts and by `tribute verify`")
        links = [(p.name, "owner", p.link) for p in providers] + [(n.name, "chain", n.chain) for n in [*providers, owner]]
        leaks, planted = self.search(providers, owner, links)
        same = self.hosted(trained, owner)
        out = ROOT / "demo-out/home"
        out.mkdir(parents=True, exist_ok=True)
        shutil.copy(owner.folder / "certificate.json", out / "certificate.json")
        summary = {
            "ok": not any(leaks.values()) and planted["found"] == planted["planted"] and same["ok"],
            "nodes": self.count,
            "namespaces": self.network.namespaces,
            "rounds": trained["training"]["rounds"],
            "seconds": round(time.time() - self.start, 1),
            "training_seconds": trained["training"]["seconds"],
            "certificate": {key: trained[key] for key in ("epsilon", "norm", "relative_distance", "shares", "records")} | {"on_chain": True, "verified": True},
            "bytes": {"per_link": [{"from": a, "to": b, "bytes": link.bytes()} for a, b, link in links],
                      "per_round": crossed // trained["training"]["rounds"]},
            "leaks": leaks,
            "planted": planted,
            "same_as_hosted": same,
        }
        (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
        print(json.dumps(summary, indent=2))
        return summary["ok"]

    def search(self, providers, owner, links):
        """Finds of each kind in all that crossed a link and in what every node stores that is not its own."""
        schema = Schema(self.work / "schema.json")
        _, lines, rows = read_rows(DIGITS)
        weights = onnx_weights(owner.folder / "agent.onnx")
        head = Head(weights, "softmax", 15, 0, 0)
        datasets = []
        for provider, (first, last) in zip(providers, ROWS):
            q, y = schema.quantise(rows[first:last])
            raw = np.array([[int(float(v)) for v in row[:-1]] for row in rows[first:last]])
            gradient = head.gradient(q, y)
            datasets.append(Data(lines[first:last], q, raw, y, gradient, head.gradient_bits, provider.secrets()))
        self.say("searching everything that crossed a link, and every node's folder")
        total = {"records": 0, "labels": 0, "secrets": 0, "gradients": 0}
        places = [("a link", datasets, [m for _, _, link in links for m in link.contents()])]
        for node in [*providers, owner]:
            others = [d for p, d in zip(providers, datasets) if p is not node]
            places.append((node.name, others, stored(node.folder)))
        for name, others, contents in places:
            found = Searcher(others).find_all(contents)
            self.say(f"searched {name}")
            if any(found.values()):
                print(f"FOUND in {name}: {found}")
            total = {kind: total[kind] + found[kind] for kind in total}
        searcher, planted, found = Searcher(datasets), 0, 0
        noise = os.urandom(1 << 12)
        for kind, _, leak in plants(datasets[1]):
            planted += 1
            found += searcher.find(noise + leak + noise)[kind] > 0
        self.say(f"found {total}; of {planted} planted leaks {found}")
        return total, {"planted": planted, "found": found}

    def hosted(self, trained, owner):
        """Trains on the same records in one place and compares."""
        node, ids = owner, []
        for i, (first, last) in enumerate(ROWS):
            node.run("dataset", "register", DIGITS, "--rows", f"{first}..{last}", "--schema", self.work / "schema.json",
                     "--min-data-bps", 3000, "--out", f"hosted-{i}.json")
            ids.append(node.json(f"hosted-{i}.json"))
        node.run("agent", "train", *[a for d in ids for a in ("--dataset", d["dataset_id"])], "--lambda", LAMBDA, "--out", "hosted.json")
        hosted = node.json("hosted.json")
        node.run("agent", "prove-gradients", hosted["weights_digest"], "--out", "hosted-gradients.json")
        circuit = lambda file: {p["circuit_id"] for p in owner.json(file)["gradients"]}  # noqa: E731
        same_circuits = circuit("gradients.json") == {p["circuit_id"] for p in node.json("hosted-gradients.json")["gradients"]}
        bound = 8 * (hosted["relative_distance"] + trained["relative_distance"])
        difference = max(abs(a - b) for a, b in zip(hosted["shares"], trained["shares"]))
        ratio = trained["relative_distance"] / hosted["relative_distance"]
        return {
            "ok": same_circuits and difference <= bound and ratio < 4,
            "circuits": same_circuits,
            "largest_difference_of_shares": difference,
            "bound": bound,
            "relative_distance": [trained["relative_distance"], hosted["relative_distance"]],
        }

    def close(self, keep):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait()
        self.network.close(self.count)
        if keep:
            print(f"kept {self.work}")
        else:
            shutil.rmtree(self.work, ignore_errors=True)


def onnx_weights(path):
    """Weights of an agent's file, integers [d + 1][c] with the bias last."""

    def fields(data):
        """(number, value) of a protobuf message: integers, and bytes of everything longer."""
        at = 0

        def varint():
            nonlocal at
            value = shift = 0
            while True:
                byte = data[at]
                at += 1
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return value

        while at < len(data):
            tag = varint()
            if tag & 7 == 0:
                yield tag >> 3, varint()
            else:
                length = varint() if tag & 7 == 2 else {1: 8, 5: 4}[tag & 7]
                yield tag >> 3, data[at : at + length]
                at += length

    graph = dict(fields(path.read_bytes()))[7]
    for tensor in (dict_of(fields(t)) for number, t in fields(graph) if number == 5):
        if tensor[8] == [b"weight"]:
            dims = [d for part in tensor[1] for d in (part if isinstance(part, bytes) else [part])]
            return np.frombuffer(tensor[9][0], "<i8").reshape(dims)
    raise SystemExit(f"{path} has no tensor `weight`")


def dict_of(pairs):
    all_of = {}
    for number, value in pairs:
        all_of.setdefault(number, []).append(value)
    return all_of


def stored(folder):
    """Everything in a node's folder: database, logs, artefacts, journal."""
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "cache" not in file.parts:
            yield file.read_bytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    # an end from outside closes everything, too
    def ended(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(1)

    signal.signal(signal.SIGTERM, ended)
    demo = Demo(arguments.plain)
    try:
        ok = demo.play()
    finally:
        demo.close(arguments.keep)
    raise SystemExit(0 if ok else 1)


if __name__ == "__main__":
    main()
