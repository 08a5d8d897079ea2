"""The life cycle of an agent, using only the Python client: records, training, certificate, paid answers."""

import csv
import json
import random

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tribute
from tribute.chain import Chain
from tribute.sklearn import TributeClassifier, TributeRegressor
from tribute.types import LOGIT_UNIT

from conftest import CLIENT, OWNER, PROVIDER, SECOND, account


@pytest.fixture(scope="module")
def certified(world, market, digits):
    values, labels = digits
    with world.client(OWNER) as owner:
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=2000)).fit(values[:1000], labels[:1000])
        chain = Chain(world.rpc, owner)
        datasets = market.datasets
        listed = [chain.dataset(d.id, market.schema) for d in datasets]
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


def test_doubtful_records_are_refused(world, market, tables, digits):
    values, labels = digits
    with world.client(PROVIDER) as provider:
        # the advice is that of the command line, in this package's terms
        with pytest.raises(tribute.errors.BadRecord, match=r"outside the schema's range.*accept=\['clamped'\]") as refused:
            provider.register(tables[0], market.schema)
        assert "--allow" not in str(refused.value) and refused.value.metadata["doubts"] == "clamped"
        with pytest.raises(tribute.errors.BadRecord, match="record .* outside the schema's range"):
            provider.register((values[600:1000], labels[600:1000]), market.schema)


def test_a_dataset_grows(world, market, digits):
    values, labels = digits
    with world.client(PROVIDER) as provider:
        first = provider.register((values[:120], labels[:120]), market.schema, accept=["clamped"])
        second = provider.extend(first, (values[120:200], labels[120:200]), accept=["clamped"])
        assert (second.records, second.shards, second.schema) == (200, first.shards + 1, first.schema)
        assert provider.dataset(first.id) == first
        with pytest.raises(tribute.errors.BadField, match="already extended by"):
            provider.extend(first, (values[200:210], labels[200:210]), accept=["clamped"])
        with pytest.raises(tribute.errors.BadRecord, match="already has"):
            provider.extend(second, (values[:220], labels[:220]), accept=["clamped"])


def test_a_pipeline_is_certified(certified, tmp_path):
    assert certified.mapping.link == "softmax" and certified.mapping.spread < 0.01
    # the pipeline saw the outliers, which were committed clamped to their ranges
    assert certified.moved.answers == 797 and len(certified.moved.differing) <= 7, str(certified.moved)
    assert len(certified.moved.margins) == len(certified.moved.differing)
    assert certified.moved.accuracy_after >= certified.moved.accuracy_before - 0.002
    with pytest.raises(tribute.Refused, match="development SRS"):
        tribute.verify(certified.certificate)
    verified = tribute.verify(certified.certificate, allow_dev_srs=True)
    assert "5 proofs checked" in verified.text and "Not proven" in verified.text
    page = certified.report(tmp_path / "page.html", allow_dev_srs=True)
    assert (tmp_path / "page.html").read_text() == page.html and page.html.startswith("<!DOCTYPE html>")
    assert "<iframe srcdoc=" in page._repr_html_() and "<script" not in page.html
    assert abs(sum(verified.shares.values()) - 1.0) < 1e-4 and len(verified.shares) == 2
    altered = certified.certificate.replace(b'"records": 600', b'"records": 601', 1)
    assert altered != certified.certificate
    with pytest.raises(tribute.Refused, match=r"^datasets\[0\].records"):
        tribute.verify(altered, allow_dev_srs=True)


def test_answers_here_are_the_services_and_are_paid(world, market, certified, digits, tmp_path):
    values, labels = digits
    asked = random.Random(1).sample(range(1000, 1797), 5)
    with world.client(CLIENT) as client:
        chain = Chain(world.rpc, client)
        chain.send(chain.token.functions.mint(client.account.address, 1000))
        session_id = chain.open_session(certified.agent_id, version=certified.version, price=10, escrow=1000)
        client.open_session(session_id, certified.agent)
        with pytest.warns(UserWarning, match="compared with nothing"):
            tribute.Session(client, session_id, tmp_path / "session.json")
        # a server that names answers otherwise than the schema that is known
        swapped = json.loads(certified.agent.schema.canonical)
        swapped["target"]["classes"].reverse()
        with pytest.raises(tribute.errors.ChainDiffers, match="session's schema"):
            other = tribute.Schema(json.dumps(swapped))
            tribute.Session(client, session_id, tmp_path / "session.json", chain=chain, schema=other)
        compared = {"chain": chain, "certificate": certified.certificate, "schema": certified.agent.schema}
        session = tribute.Session(client, session_id, tmp_path / "session.json", **compared)
        answers = [session.ask(values[i]) for i in asked]
        assert answers == tribute.answers(certified.agent, values[asked])
        # units that may be other ones are not asked about, nor paid for
        with pytest.raises(tribute.errors.BadQuery, match=r"outside the schema's range .*clamped=True"):
            session.ask(values[asked[0]] * 50)
        assert session.count == 5 and session.resume() is None
        # a restarted client continues where it stopped
        session = tribute.Session(client, session_id, tmp_path / "session.json", chain=chain)
        assert session.count == 5
        with session.stream():
            more = [session.ask(values[i], clamped=True) for i in (1000, 1001, 1002)]
        assert more == tribute.answers(certified.agent, values[[1000, 1001, 1002]])
        session.submit_voucher()
        with pytest.raises(tribute.errors.BadField, match="holds the transcript"):
            tribute.Session(client, session_id, tmp_path / "another.json")
        with world.client(OWNER) as owner:
            claim = owner.prove_answers(certified.agent, [session_id])
            assert Chain(world.rpc, owner).claim(claim) == 80
            with pytest.raises(tribute.errors.TransactionFailed, match="already claimed"):
                Chain(world.rpc, owner).claim(claim)
            earned = Chain(world.rpc, owner).withdraw(certified.agent_id, certified.version)
        for dataset, key in zip(market.datasets, (PROVIDER, SECOND)):
            with world.client(key) as provider:
                part = Chain(world.rpc, provider).withdraw(certified.agent_id, certified.version, dataset.id)
                assert part > 0
                earned += part
        assert 78 <= earned <= 80
        thaw_end = chain.thaw(session_id)
        with pytest.raises(tribute.errors.Reverted, match="NotThawed"):
            chain.refund(session_id)
        chain.web3.provider.make_request("evm_setNextBlockTimestamp", [thaw_end + 1])
        chain.web3.provider.make_request("evm_mine", [])
        assert chain.refund(session_id) == 920


def test_stock_onnxruntime_gives_the_integers_of_the_circuits(certified):
    weights = {t.name: numpy_helper.to_array(t) for t in onnx.load_model_from_string(certified.agent.onnx).graph.initializer}
    queries = np.random.default_rng(4).integers(0, 256, (100_000, 64), dtype=np.uint8)
    bias = np.full((len(queries), 1), weights["bias_feature"])
    logits = np.hstack([queries.astype(np.int64), bias]) @ weights["weight"]
    session = onnxruntime.InferenceSession(certified.agent.onnx, providers=["CPUExecutionProvider"])
    theirs, answers = session.run(["logits", "answer"], {"features": queries})
    assert np.array_equal(theirs, logits) and np.array_equal(answers, np.argmax(logits, axis=1))


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
        # the README's pipeline on a schema of which nobody says how its ranges were inferred, and on one of another rule
        usual = make_pipeline(StandardScaler(), LogisticRegression())
        for ranges in (None, "minmax"):
            with pytest.raises(ValueError, match="is not fitted"):
                tribute.certify(usual, [dataset], owner, ranges=ranges)
        penalised = tribute.Dataset(bytes(32), "", 1000, schema, 1, intercept_scale=0)
        with pytest.raises(ValueError, match="register them with intercept_scale=3"):
            tribute.certify(usual, [penalised], owner, ranges="standard")


def test_a_penalty_too_weak_is_refused_with_the_weakest(world, tables):
    with world.client(OWNER) as owner:
        schema = owner.infer_schema(tables[2], name="digits", range="standard")
        dataset = owner.register(tables[0], schema, intercept_scale=3, accept=["clamped"])
        wanted = make_pipeline(StandardScaler(), LogisticRegression(C=1e6))
        with pytest.raises(ValueError, match="C=1000000.0 cannot be certified: C=[0-9.e+]+ is the weakest") as refused:
            tribute.certify(wanted, [dataset], owner, ranges="standard")
        weakest = float(str(refused.value).split("certified: C=")[1].split()[0])
        assert 1.0 < weakest < 1e6


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_an_estimator_trains_on_a_service_what_it_trains_here(world, digits, kind):
    values, labels = digits
    inner = values[:300, [10, 12, 20, 26, 30, 42, 53, 60]]
    with world.client(OWNER) as owner:
        if kind == "classes":
            here, there = TributeClassifier(C=2.0), TributeClassifier(C=2.0, client=owner)
            targets = np.where(labels[:300].astype(int) < 5, "low", "high")
        else:
            here, there = TributeRegressor(alpha=2.0), TributeRegressor(alpha=2.0, client=owner)
            targets = labels[:300].astype(float)
        here.fit(inner, targets)
        clone(there).fit(inner, targets)
        there.fit(inner, targets)
        assert there.dataset_.schema == here.schema_, "the service reads the schema as it was written"
        apart = np.abs(here._logits(inner) - there._logits(inner)).max() * LOGIT_UNIT
        assert apart < 1e-6, apart
        assert np.mean(here.predict(inner) == there.predict(inner)) == 1.0 or kind == "numbers"
        assert there.score(inner, targets) == pytest.approx(here.score(inner, targets), abs=1e-6)
        page = there.report(allow_dev_srs=True)
        assert "300" in page.html
        with pytest.raises(tribute.Refused, match="trained on this machine"):
            here.report()


def test_a_long_report_arrives_whole(world, tmp_path):
    rng = np.random.default_rng(1)
    wide = rng.normal(size=(50, 60))
    names = [f"measurement_{i}" for i in range(60)]
    for name, scale in (("narrow", 1.0), ("wide", 50.0)):
        with open(tmp_path / f"{name}.csv", "w", newline="") as file:
            out = csv.writer(file)
            out.writerow([*names, "label"])
            out.writerows([*row, "ab"[i % 2]] for i, row in enumerate(wide * scale))
    with world.client(PROVIDER) as provider:
        schema = provider.infer_schema(tmp_path / "narrow.csv", name="narrow")
        with pytest.raises(tribute.errors.BadRecord) as refused:
            provider.register(tmp_path / "wide.csv", schema)
        assert all(name in str(refused.value) for name in names) and "(cut)" not in str(refused.value)


def test_nobody_there():
    with pytest.raises(tribute.errors.Unreachable, match="tribute serve"):
        tribute.Client("127.0.0.1:1", account(1), timeout=5)
