"""What readers are told to run is run: the lines of the README and the notebooks."""

import json
import os
import re
import subprocess
import sys

import nbformat
from nbclient import NotebookClient

import tribute
from tribute.chain import Chain, _fields

from conftest import CLIENT, OWNER, ROOT, account

NOTEBOOKS = ROOT / "clients/python/notebooks"


def executed(name, folder, **environment):
    """The outputs of a notebook, executed in a fresh kernel."""
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "notebooks are committed without outputs"
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        runner = NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
        done = runner.execute()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return json.dumps([cell.outputs for cell in done.cells if cell.cell_type == "code"])


def test_the_readmes_lines_certify_a_pipeline(world, market, tmp_path):
    readme = (ROOT / "README.md").read_text()
    # a virtual environment with nothing but what the README installs, in the versions of the day; pip itself stays outside
    [told] = re.findall(r"`pip install '(.*?)'` needs no Rust", readme)
    fresh = tmp_path / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    install = [sys.executable, "-m", "pip", "--python", fresh, "install", "--quiet", "--disable-pip-version-check", told]
    subprocess.run(install, cwd=ROOT, check=True)
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    lines = [line for line in blocks[0].splitlines() if line.strip()]
    assert len(lines) <= 10, "a certificate takes at most ten lines"
    said = "\n".join(lines)
    for told, real in (
        ("https://tribute.example:7410", world.service),
        ("https://rpc.example", world.rpc),
        ("0x87f9…", f"0x{market.datasets[0].id.hex()}"),
        ("0x7cbe…", f"0x{market.datasets[1].id.hex()}"),
    ):
        assert told in said, told
        said = said.replace(told, real)
    (tmp_path / "schema.json").write_text(market.schema.canonical)
    (tmp_path / "keystore.json").write_text(json.dumps(account(OWNER).encrypt("open sesame", kdf="pbkdf2", iterations=1000)))
    # neither Rust nor this repository's programs: only what pip installed
    environment = {"PATH": os.defpath, "TRIBUTE_KEYSTORE_PASSWORD": "open sesame", "HOME": str(tmp_path)}
    done = subprocess.run([fresh, "-c", said], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    verified = tribute.verify(tmp_path / "certificate.json", allow_dev_srs=True)
    assert len(verified.shares) == 2 and verified.certificate["optimum"]["records"] == 1000


def test_both_notebooks(world, market, tmp_path):
    (tmp_path / "schema.json").write_text(market.schema.canonical)
    places = {"TRIBUTE_SERVICE": world.service, "TRIBUTE_RPC": world.rpc}
    shown = executed(
        "certify.ipynb",
        tmp_path,
        **places,
        OWNER_KEY=account(OWNER).key.hex(),
        TRIBUTE_SCHEMA="schema.json",
        TRIBUTE_DATASETS=",".join(f"0x{d.id.hex()}" for d in market.datasets),
    )
    assert "of 797 answers differ" in shown and "<iframe srcdoc=" in shown
    assert "Certificate: digits" in (tmp_path / "certificate.html").read_text()
    with world.client(OWNER) as owner:
        chain = Chain(world.rpc, owner)
        created = chain.agents.events.AgentCreated.get_logs(from_block=0)[-1]["args"]["agentId"]
        weights = _fields("AgentRegistry", "getVersion", chain.agents.functions.getVersion(created, 1).call())["wDigest"]
    shown = executed(
        "ask.ipynb",
        tmp_path,
        **places,
        CLIENT_KEY=account(CLIENT).key.hex(),
        TRIBUTE_AGENT=f"0x{created.hex()}",
        TRIBUTE_VERSION="1",
        TRIBUTE_WEIGHTS=f"0x{weights.hex()}",
    )
    assert "6 answers for 60 of 200" in shown and "NotThawed" in shown
