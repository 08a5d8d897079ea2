"""The life cycle of an agent, using only the Python client: records, training, certificate, paid answers."""

import csv
import gzip
import random

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tribute
from tribute.chain import Chain

from conftest import ROOT, account

OWNER, CLIENT, PROVIDER, SECOND = 1, 2, 3, 4


@pytest.fixture(scope="module")
def digits():
    with gzip.open(ROOT / "examples/digits.csv.gz", "rt") as file:
        rows = list(csv.reader(file))
    header = rows.pop(0) if not rows[0][0].replace(".", "").isdigit() else None
    values = np.array([[float(x) for x in row[:-1]] for row in rows])
    return values, np.array([row[-1] for row in rows]), header


@pytest.fixture(scope="module")
def tables(digits, tmp_path_factory):
    """The first 1,000 records, split between two providers, as CSV files."""
    values, labels, _ = digits
    folder = tmp_path_factory.mktemp("tables")
    header = [f"x{i}" for i in range(values.shape[1])] + ["label"]
    paths = []
    for name, rows in (("first", range(600)), ("second", range(600, 1000)), ("all", range(1000))):
        with open(folder / f"{name}.csv", "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(header)
            out.writerows([*values[i], labels[i]] for i in rows)
        paths.append(folder / f"{name}.csv")
    return paths


@pytest.fixture(scope="module")
def certified(world, tables, digits):
    values, labels, _ = digits
    with world.client(OWNER) as owner, world.client(PROVIDER) as first, world.client(SECOND) as second:
        schema = owner.infer_schema(tables[2], name="digits", range="standard")
        (world.folder / "schema.json").write_text(schema.canonical)
        shape = ["--schema", "schema.json", "--link", "softmax", "--intercept-scale", "3"]
        world.command("circuits", "add", *shape, "--out", "circuits.json", key=0)
        with pytest.raises(tribute.errors.BadRecord, match="outside the schema's range"):
            first.register(tables[0], schema)
        with pytest.raises(tribute.errors.BadRecord, match="record .* outside the schema's range"):
            second.register((values[600:1000], labels[600:1000]), schema)
        terms = {"open_training": True, "min_data": 0.3, "intercept_scale": 3, "accept": ["clamped"]}
        datasets = [
            first.register(tables[0], schema, **terms),
            second.register((values[600:1000], labels[600:1000]), schema, **terms),
        ]
        for i, (dataset, key) in enumerate(zip(datasets, (PROVIDER, SECOND))):
            world.command("dataset", "get", f"0x{dataset.id.hex()}", "--out", f"d{i}.json", key=key)
            world.command("chain", "register-dataset", f"d{i}.json", key=key)
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=2000)).fit(values[:1000], labels[:1000])
        chain = Chain(world.rpc, owner)
        listed = [chain.dataset(d.id, schema) for d in datasets]
        assert listed == datasets
        held_out = (values[1000:], labels[1000:])
        result = tribute.certify(
            pipeline, listed, owner, name="digits", compare=held_out, chain=chain, data_part=0.4, price=10
        )
        assert chain.is_certified(result.agent_id, result.version)
        # nobody agreed on other weights, so shares are what is paid
        parts = [chain.paid_part(result.agent_id, result.version, d.id) for d in datasets]
        assert sum(parts) == 1 and min(parts) > 0
        yield result


def test_a_pipeline_is_certified(certified, tmp_path):
    assert certified.mapping.link == "softmax" and certified.mapping.spread < 0.01
    # the pipeline saw the outliers, which were committed clamped to their ranges
    assert certified.moved.answers == 797 and len(certified.moved.differing) <= 7, str(certified.moved)
    assert certified.moved.accuracy_after >= certified.moved.accuracy_before - 0.002
    with pytest.raises(tribute.Refused, match="development SRS"):
        tribute.verify(certified.certificate)
    verified = tribute.verify(certified.certificate, allow_dev_srs=True)
    assert "5 proofs checked" in verified.report and "Not proven" in verified.report
    assert abs(sum(verified.shares.values()) - 1.0) < 1e-4 and len(verified.shares) == 2
    altered = certified.certificate.replace(b'"records": 600', b'"records": 601', 1)
    assert altered != certified.certificate
    with pytest.raises(tribute.Refused, match="records"):
        tribute.verify(altered, allow_dev_srs=True)


def test_answers_here_are_the_services(world, certified, digits, tmp_path):
    values, labels, _ = digits
    asked = random.Random(1).sample(range(1000, 1797), 5)
    with world.client(CLIENT) as client:
        chain = Chain(world.rpc, client)
        chain.send(chain.token.functions.mint(client.account.address, 1000))
        session_id = chain.open_session(certified.agent_id, version=certified.version, price=10, escrow=1000)
        client.open_session(session_id, certified.agent)
        session = tribute.Session(client, session_id, tmp_path / "session.json")
        answers = [session.ask(values[i]) for i in asked]
        assert answers == tribute.answers(certified.agent, values[asked])
        # a restarted client continues where it stopped
        session = tribute.Session(client, session_id, tmp_path / "session.json")
        assert session.count == 5
        session.ask(values[1000])
        session.submit_voucher()
        with pytest.raises(tribute.errors.BadField, match="holds the transcript"):
            tribute.Session(client, session_id, tmp_path / "another.json")
        thaw_end = chain.thaw(session_id)
        with pytest.raises(tribute.errors.Reverted, match="NotThawed"):
            chain.refund(session_id)
        chain.web3.provider.make_request("evm_setNextBlockTimestamp", [thaw_end + 1])
        chain.web3.provider.make_request("evm_mine", [])
        assert chain.refund(session_id) == 1000


def test_a_stranger_is_told_nothing(world, certified):
    with world.client(CLIENT) as stranger:
        with pytest.raises(tribute.errors.NotFound):
            stranger.agent(certified.agent)
        with pytest.raises(tribute.errors.NotFound):
            stranger.dataset(certified.agent.datasets[0])


def test_what_cannot_be_certified_is_named(world, tables):
    with world.client(OWNER) as owner:
        schema = owner.infer_schema(tables[2], name="digits", range="minmax")
        wanted = make_pipeline(StandardScaler(), LogisticRegression(penalty="l1", solver="saga"))
        dataset = tribute.Dataset(bytes(32), "", 1000, schema, 1)
        with pytest.raises(ValueError, match="l2"):
            tribute.certify(wanted, [dataset], owner)


def test_nobody_there():
    with pytest.raises(tribute.errors.Unreachable, match="tribute serve"):
        tribute.Client("127.0.0.1:1", account(1), timeout=5)
