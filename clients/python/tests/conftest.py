"""A real service and a real chain, set up as an operator would, shared by all tests."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_account import Account

import tribute

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(os.environ.get("TRIBUTE_PROGRAM", ROOT / "target/release/tribute"))
os.environ["TRIBUTE_PROGRAM"] = str(PROGRAM)
Account.enable_unaudited_hdwallet_features()
MNEMONIC = "test test test test test test test test test test test junk"


def account(index: int):
    """One of the accounts prefunded on local chains."""
    return Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@dataclass
class World:
    """Addresses of the running service and node, and the working folder."""

    service: str
    rpc: str
    folder: Path

    def client(self, index: int) -> tribute.Client:
        return tribute.Client(self.service, account(index), progress=False)

    def command(self, *arguments: str, key: int | None = None) -> str:
        """Runs the command-line program in the folder."""
        environment = {**os.environ, "TRIBUTE_RPC": self.rpc, "TRIBUTE_SERVER": f"http://{self.service}"}
        environment["TRIBUTE_ARTIFACTS"] = str(ROOT / "verifier-contract/out")
        environment["TRIBUTE_ONNXRUNTIME"] = str(ROOT / ".deps/ort/libonnxruntime.so")
        if key is not None:
            environment["KEY"] = account(key).key.hex()
            arguments = (*arguments, "--key-env", "KEY")
        done = subprocess.run(
            [PROGRAM, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("world")
    rpc_port, port = free_port(), free_port()
    world = World(f"127.0.0.1:{port}", f"http://127.0.0.1:{rpc_port}", folder)
    log = open(folder / "log", "w")
    chain = subprocess.Popen(
        [ROOT / "verifier-contract/bin/anvil", "--port", str(rpc_port)], stdout=log, stderr=log
    )
    service = None
    try:
        _answers(rpc_port, chain)
        world.command("chain", "deploy", "--thaw-seconds", "60", key=0)
        environment = {
            **os.environ,
            "TRIBUTE_ARTIFACTS": str(ROOT / "verifier-contract/out"),
            "TRIBUTE_ONNXRUNTIME": str(ROOT / ".deps/ort/libonnxruntime.so"),
        }
        service = subprocess.Popen(
            [PROGRAM, "serve", "--listen", world.service, "--data", "data", "--rpc", world.rpc]
            + ["--contracts", "deployment.json"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
        _answers(port, service)
        yield world
    finally:
        for process in (service, chain):
            if process:
                process.terminate()
                process.wait(30)


def _answers(port: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, "it ended before it answered"
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing answers at port {port}")
