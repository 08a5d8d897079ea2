"""A real service and a real chain on this machine, set up as an operator would: for tests, measurements and demos in Python."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

for _library in ("OMP", "OPENBLAS"):  # read when numpy is loaded; threads slow small matrices down
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

from eth_account import Account  # noqa: E402

import checkout  # noqa: E402
from checkout import PLACES, ROOT  # noqa: E402

PROGRAM = Path(os.environ.get("TRIBUTE_PROGRAM", checkout.PROGRAM))
os.environ["TRIBUTE_PROGRAM"] = str(PROGRAM)
Account.enable_unaudited_hdwallet_features()
DEPLOYER = 0
"""Index of the account that owns the contracts."""
_MNEMONIC = "test test test test test test test test test test test junk"


def account(index: int):
    """One of the accounts prefunded on local chains."""
    return Account.from_mnemonic(_MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")


@dataclass
class World:
    """Addresses of the running service and node, and the working folder."""

    service: str
    rpc: str
    folder: Path

    def client(self, index: int):
        """A client with the key of an account."""
        import tribute

        return tribute.Client(self.service, account(index), progress=False)

    def environment(self) -> dict[str, str]:
        """What tells the command-line program where everything is."""
        return {**PLACES, "TRIBUTE_RPC": self.rpc, "TRIBUTE_SERVER": f"http://{self.service}"}

    def command(self, *arguments: str, key: int | None = None) -> str:
        """Runs the command-line program in the folder; returns what it prints."""
        environment = {**os.environ, **self.environment()}
        if key is not None:
            environment["KEY"] = account(key).key.hex()
            arguments = (*arguments, "--key-env", "KEY")
        done = subprocess.run(
            [PROGRAM, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=1200
        )
        if done.returncode:
            raise RuntimeError(f"tribute {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def register(self, dataset, key: int) -> None:
        """Registers a proven dataset on the chain."""
        self.command("dataset", "get", f"0x{dataset.id.hex()}", "--out", "dataset.json", key=key)
        self.command("chain", "register-dataset", "dataset.json", key=key)

    @contextmanager
    def node(self, name: str) -> Iterator[World]:
        """Somebody's own service on the same chain, with a folder of its own; stopped in the end."""
        folder = self.folder / name
        folder.mkdir()
        shutil.copy(self.folder / "deployment.json", folder)
        node = World(f"127.0.0.1:{_free_port()}", self.rpc, folder)
        with node._serving():
            yield node

    @contextmanager
    def _serving(self) -> Iterator[None]:
        """Runs the service."""
        command = [PROGRAM, "serve", "--listen", self.service, "--data", "data", "--rpc", self.rpc, "--contracts", "deployment.json"]
        with open(self.folder / "log", "a") as log:
            process = subprocess.Popen(command, cwd=self.folder, env={**os.environ, **PLACES}, stdout=log, stderr=log)
            try:
                _answers(int(self.service.rsplit(":", 1)[1]), process)
                yield
            finally:
                process.terminate()
                process.wait(30)


@contextmanager
def local_world(folder: Path | None = None) -> Iterator[World]:
    """Starts a node, deploys the contracts and starts a service; stops both in the end."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder or Path(temporary)
        rpc_port = _free_port()
        world = World(f"127.0.0.1:{_free_port()}", f"http://127.0.0.1:{rpc_port}", folder)
        with open(folder / "log", "a") as log:
            anvil = [ROOT / "verifier-contract/bin/anvil", "--port", str(rpc_port)]
            chain = subprocess.Popen(anvil, stdout=log, stderr=log)
            try:
                _answers(rpc_port, chain)
                world.command("chain", "deploy", "--thaw-seconds", "60", key=DEPLOYER)
                with world._serving():
                    yield world
            finally:
                chain.terminate()
                chain.wait(30)


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def _answers(port: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended before it answered")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing answers at port {port}")
