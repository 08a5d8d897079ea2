"""`tribute agent publish`: interrupted after its version was proposed, it continues and certifies that one."""

import json
import os
import subprocess

import pytest

import tribute
from tribute.chain import Chain

from conftest import OWNER, PROGRAM, account


def test_publishing_continues_where_it_was_interrupted(world, market, tmp_path):
    state, certificate = tmp_path / "publish.json", tmp_path / "certificate.json"
    command = ["agent", "publish", "--lambda", "0.001", "--name", "published", "--data-bps", "4000", "--price", "7"]
    command += [argument for d in market.datasets for argument in ("--dataset", f"0x{d.id.hex()}")]
    command += ["--state", str(state), "--certificate", str(certificate)]
    with world.client(OWNER) as owner:
        chain = Chain(world.rpc, owner)
        sent = chain.web3.eth.get_transaction_count(owner.account.address)
        world.command(*command, "--dry-run", key=OWNER)
        assert not state.exists() and chain.web3.eth.get_transaction_count(owner.account.address) == sent

        environment = {**os.environ, **world.environment(), "KEY": account(OWNER).key.hex()}
        first = subprocess.Popen(
            [PROGRAM, *command, "--key-env", "KEY"], cwd=world.folder, env=environment, stderr=subprocess.PIPE, text=True
        )
        said = []
        for line in first.stderr:
            said.append(line)
            if line.startswith("proposed: version 1"):
                break
        first.kill()
        first.wait()
        assert "2 datasets in 2 shards: 3 proofs" in said[0] and "million gas" in said[0] and "Openings" in said[0], said
        begun = json.loads(state.read_text())
        with pytest.raises(RuntimeError, match="other datasets or other terms"):
            world.command(*("5000" if a == "4000" else a for a in command), key=OWNER)

        world.command(*command, key=OWNER)
        agent = begun["agent"]
        assert json.loads(state.read_text()) == begun, "nothing was created twice"
        assert chain.is_certified(agent, 1) and chain.agents.functions.versionCount(bytes.fromhex(agent[2:])).call() == 1
        verified = tribute.verify(certificate, allow_dev_srs=True)
        assert verified.certificate["agent"]["id"] == agent and verified.certificate["optimum"]["records"] == 1000
        sent = chain.web3.eth.get_transaction_count(owner.account.address)
        world.command(*command, key=OWNER)
        assert chain.web3.eth.get_transaction_count(owner.account.address) == sent, "what is certified is left alone"
