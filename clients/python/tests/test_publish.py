"""`tribute agent publish`: interrupted after its version was proposed, it continues and certifies that one, and so does
`certify`; and models of one's own, published and certified."""

import json
import os
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import tribute
from tribute._encoding import model_file
from tribute._proto.tribute.v1 import agent_service_pb2
from tribute.chain import Chain
from tribute.types import LOGIT_UNIT

from conftest import CLIENT, OWNER, PROGRAM, ROOT, account

PENALTY = 0.002


def test_publishing_continues_where_it_was_interrupted(world, market, tmp_path):
    state, certificate = tmp_path / "publish.json", tmp_path / "certificate.json"
    command = ["agent", "publish", "--lambda", "0.001", "--name", "published", "--data-bps", "4000", "--price", "7"]
    command += [argument for d in market.datasets for argument in ("--dataset", f"0x{d.id.hex()}")]
    command += ["--state", str(state), "--certificate", str(certificate)]
    with world.client(OWNER) as owner:
        chain = Chain(world.rpc, owner)
        sent = chain.web3.eth.get_transaction_count(owner.account.address)
        world.command(*command, "--dry-run", key=OWNER)
        with pytest.raises(RuntimeError, match="no `gradient` circuit .* the link logistic"):
            world.command(*command, "--link", "logistic", key=OWNER)
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


def test_certifying_continues_where_another_process_was_interrupted(world, market):
    class Killed(Exception):
        pass

    def mortal():
        """A connection of a process that ends with its first transaction."""
        chain = Chain(world.rpc, owner)
        send = chain.send

        def last(*arguments):
            send(*arguments)
            raise Killed

        chain.send = last
        return chain

    def certify(chain):
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.8))
        terms = {"name": "interrupted", "ranges": "standard", "data_part": 0.4, "price": 10}
        return tribute.certify(pipeline, market.datasets, owner, chain=chain, **terms)

    with world.client(OWNER) as owner:
        chain = Chain(world.rpc, owner)
        agents = chain.agents.functions.agentCount(owner.account.address).call
        sent, before = (lambda: chain.web3.eth.get_transaction_count(owner.account.address)), agents()
        first = sent()
        # the agent, its version, the list of datasets, its end, and all proofs
        for _ in range(5):
            with pytest.raises(Killed):
                certify(mortal())
        assert (sent() - first, agents() - before) == (5, 1)
        # what is certified is left alone
        result = certify(chain)
        assert chain.is_certified(result.agent_id, result.version) and (sent() - first, agents() - before) == (5, 1)
        assert chain.agents.functions.versionCount(result.agent_id).call() == result.version == 1
        assert tribute.verify(result.certificate, allow_dev_srs=True).certificate["agent"]["id"] == f"0x{result.agent_id.hex()}"

        # other terms, another name, other weights and an abandoned version are others
        how = {"data_part": 0.4, "price": 11}
        dearer = chain.publish("interrupted", result.agent, **how)
        assert dearer[0] != result.agent_id and chain.publish("interrupted", result.agent, **how) == dearer
        renamed = chain.publish("renamed", result.agent, **how)
        heavier = chain.publish("interrupted", owner.train(market.datasets, penalty=0.004), **how)
        assert len({result.agent_id, dearer[0], renamed[0], heavier[0]}) == 4 and agents() - before == 4
        chain.send(chain.agents.functions.abandon(*dearer))
        assert chain.publish("interrupted", result.agent, **how)[0] not in (dearer[0], heavier[0])


def test_publishing_goes_on_with_the_furthest_version_of_its_own(world, market):
    with world.client(OWNER) as owner, world.client(CLIENT) as client:
        chain, other = Chain(world.rpc, owner), Chain(world.rpc, client)
        agent = owner.train(market.datasets, penalty=0.004)
        how, f = {"data_part": 0.4, "price": 11}, chain.agents.functions
        params = chain._params(agent, *how.values())

        def handed(sender, agent_id, receiver):
            sender.send(f.offerAgent(agent_id, receiver.account.address))
            receiver.send(f.acceptAgent(agent_id))

        # a draft that was begun later is not as far as a list that is closed; of two drafts the later one counts
        closed = chain.publish("furthest", agent, **how)
        later = chain.create_agent("furthest")
        chain.send(f.propose(later, params))
        assert chain.publish("furthest", agent, **how) == closed
        chain.send(f.abandon(*closed))
        chain.send(f.propose(later, params))
        assert chain.publish("furthest", agent, **how) == (later, 2)

        # an agent that is offered to somebody is not taken, an earlier one whose offer was withdrawn is
        free, offered = chain.create_agent("offered"), chain.create_agent("offered")
        for agent_id in (free, offered):
            chain.send(f.offerAgent(agent_id, other.account.address))
        chain.send(f.offerAgent(free, "0x" + 40 * "0"))
        assert chain.publish("offered", agent, **how) == (free, 1)
        chain.send(f.abandon(free, 1))
        assert chain.publish("offered", agent, **how)[0] not in (free, offered)

        # a draft that another owner proposed in between can be listed in by nobody else
        lent = chain.create_agent("lent")
        handed(chain, lent, other)
        other.send(f.propose(lent, params))
        handed(other, lent, chain)
        found = chain.publish("lent", agent, **how)
        assert found[0] != lent and chain.publish("lent", agent, **how) == found


@pytest.fixture(scope="module")
def brought(world, market, tmp_path_factory):
    """A dense layer in single precision over raw features, near the optimum, with its values in a second file, as PyTorch writes it."""
    with world.client(OWNER) as owner:
        trained = owner.train(market.datasets, penalty=PENALTY, name="trained")
    constants = {t.name: numpy_helper.to_array(t) for t in onnx.load_model_from_string(trained.onnx).graph.initializer}
    weights = constants["weight"].astype(np.float64) * LOGIT_UNIT
    schema = market.schema
    dense = weights[:-1] * (255.0 / (schema.hi - schema.lo))[:, None]
    bias = weights[-1] * float(constants["bias_feature"].ravel()[0]) - schema.lo @ dense
    nodes = [helper.make_node("Gemm", ["x", "dense", "bias"], ["logits"])]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", len(schema.features)])]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(schema.classes)])]
    values = [numpy_helper.from_array(v.astype(np.float32), n) for n, v in (("dense", dense), ("bias", bias))]
    graph = helper.make_graph(nodes, "layer", inputs, outputs, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path = tmp_path_factory.mktemp("model") / "layer.onnx"
    onnx.save_model(model, path, save_as_external_data=True, location="layer.onnx.data", size_threshold=0)
    assert path.with_name("layer.onnx.data").stat().st_size >= dense.size * 4
    return path


@pytest.fixture(scope="module")
def published(world, market, brought, tmp_path_factory):
    """What `agent publish --model` made of it: agent and version on chain, weights; and the certificate's file."""
    folder = tmp_path_factory.mktemp("published")
    command = ["agent", "publish", "--model", str(brought), "--lambda", str(PENALTY), "--name", "brought", "--data-bps", "4000"]
    command += [argument for d in market.datasets for argument in ("--dataset", f"0x{d.id.hex()}")]
    command += ["--price", "10", "--state", str(folder / "publish.json"), "--certificate", str(folder / "certificate.json")]
    with pytest.raises(RuntimeError, match="further than the 0.000000000001 that were allowed"):
        world.command(*command, "--polish", "0.000000000001", key=OWNER)
    return json.loads(world.command(*command, "--json", key=OWNER)), folder / "certificate.json"


def test_a_model_is_published(world, published):
    told, certificate = published
    with world.client(OWNER) as owner:
        assert Chain(world.rpc, owner).is_certified(told["agent_id"], told["version"])
        agent = owner.agent(told["weights_digest"])
        assert 0 < agent.polish.moved < 1e-4 and agent.penalty == pytest.approx(PENALTY)
    verified = tribute.verify(certificate, allow_dev_srs=True)
    assert verified.certificate["agent"]["id"] == told["agent_id"]


def test_another_model_continues_nothing(world, market, brought, published, tmp_path):
    told, certificate = published
    command = ["agent", "publish", "--lambda", str(PENALTY), "--name", "brought", "--data-bps", "4000", "--price", "10"]
    command += [argument for d in market.datasets for argument in ("--dataset", f"0x{d.id.hex()}")]
    command += ["--state", str(certificate.with_name("publish.json")), "--certificate", str(tmp_path / "certificate.json")]
    copy = tmp_path / "layer.onnx"
    copy.write_bytes(brought.read_bytes())
    values = brought.with_name("layer.onnx.data").read_bytes()
    copy.with_name("layer.onnx.data").write_bytes(values)
    again = json.loads(world.command(*command, "--model", str(copy), "--json", key=OWNER))
    assert again["weights_digest"] == told["weights_digest"], "the same model in another place"
    with pytest.raises(RuntimeError, match="another model"):
        world.command(*command, "--model", str(copy), "--polish", "0.02", key=OWNER)
    copy.with_name("layer.onnx.data").write_bytes(bytes([values[0] ^ 1]) + values[1:])
    with pytest.raises(RuntimeError, match="another model"):
        world.command(*command, "--model", str(copy), key=OWNER)


def test_a_running_service_takes_a_new_version_while_it_answers(world, market, published, digits, tmp_path):
    told, _ = published
    values, _ = digits
    rows = values[1000:1040]
    second = ["agent", "publish", "--agent", told["agent_id"], "--lambda", "0.1", "--data-bps", "4000", "--price", "10"]
    second += [argument for d in market.datasets for argument in ("--dataset", f"0x{d.id.hex()}")]
    second += ["--state", str(tmp_path / "publish.json"), "--certificate", str(tmp_path / "certificate.json")]
    with world.client(OWNER) as owner, world.client(CLIENT) as client:
        agent = owner.agent(told["weights_digest"])
        chain = Chain(world.rpc, client)
        chain.send(chain.token.functions.mint(client.account.address, 1000))

        def opened(served, version):
            session = chain.open_session(told["agent_id"], version=version, price=10, escrow=450)
            client.open_session(session, served)
            return tribute.Session(client, session, tmp_path / f"session-{version}.json")

        old = opened(agent, 1)
        with old.stream():
            before = [old.ask(row, clamped=True) for row in rows[:20]]
            newer = json.loads(world.command(*second, "--json", key=OWNER))
            assert newer["version"] == 2
            # the session goes on with the version that it paid for, over the same stream
            after = [old.ask(row, clamped=True) for row in rows[20:]]
        assert before + after == tribute.answers(agent, rows) and old.scores is None
        new_agent = owner.agent(newer["weights_digest"])
        new = opened(new_agent, 2)
        assert [new.ask(row, clamped=True) for row in rows[:5]] == tribute.answers(new_agent, rows[:5])

        # scores, once their owner shows them: those of the agent itself
        with pytest.raises(tribute.errors.NotFound):
            client.show_scores(new_agent)
        owner.show_scores(new_agent)
        listed = owner._call("AgentService/ListAgents", agent_service_pb2.ListAgentsRequest()).agents
        assert [a.weights_digest for a in listed if a.shows_scores] == [new_agent.weights_digest]
        label = new.ask(rows[5])
        assert max(new.scores, key=new.scores.get) == label and sum(new.scores.values()) == pytest.approx(1.0)
        session = onnxruntime.InferenceSession(new_agent.onnx, providers=["CPUExecutionProvider"])
        logits = session.run(["logits"], {"features": market.schema.quantise(rows[5:6])})[0][0] * LOGIT_UNIT
        wanted = np.exp(logits - logits.max())
        assert np.allclose(list(new.scores.values()), wanted / wanted.sum(), rtol=1e-12)
        owner.show_scores(new_agent, False)
        new.ask(rows[6])
        assert new.scores is None


def test_the_file_of_a_model_is_certified(world, market, brought, digits):
    values, labels = digits
    with world.client(OWNER) as owner:
        held_out = (values[1000:], labels[1000:])
        how = {"penalty": PENALTY, "link": "softmax", "name": "of a file", "compare": held_out}
        result = tribute.certify(brought, market.datasets, owner, **how)
        polish, moved = result.agent.polish, result.moved
        assert polish.moved < 1e-4 and result.mapping is None
        assert polish.answers_changed <= 1 and polish.training_accuracy_before == pytest.approx(result.agent.training_accuracy, abs=1e-3)
        assert moved.answers == 797 and moved.clamped > 0 and moved.accuracy_before > 0.9
        assert tribute.verify(result.certificate, allow_dev_srs=True).certificate["optimum"]["records"] == 1000
        with pytest.raises(ValueError, match="needs its penalty"):
            tribute.certify(brought, market.datasets, owner)
        with pytest.raises(tribute.errors.NotTheOptimum):
            owner.import_model(brought, market.datasets, penalty=PENALTY, polish=None)
        with pytest.raises(tribute.errors.BadModel, match="external_data=False"):
            owner.import_model(brought.read_bytes(), market.datasets, penalty=PENALTY)


@pytest.mark.parametrize("quantised", [False, True])
def test_an_import_says_in_what_units_the_model_takes_features(monkeypatch, quantised):
    class Sent(Exception):
        pass

    def send(client, method, request):
        raise Sent(request.work)

    monkeypatch.setattr(tribute.Client, "_upload", lambda client, model: bytes(32))
    monkeypatch.setattr(tribute.Client, "_call", send)
    model = ROOT / "inference/tests/fixtures/torch_logits.onnx"
    with pytest.raises(Sent) as sent:
        object.__new__(tribute.Client).import_model(model, [bytes(32)], penalty=PENALTY, quantised_features=quantised)
    assert sent.value.args[0].quantised_features is quantised


def test_a_file_of_a_model_is_read_with_regular_files_beside_it_only(brought, tmp_path):
    model, values = tmp_path / "layer.onnx", tmp_path / "layer.onnx.data"
    model.write_bytes(b"no model at all")
    with pytest.raises(tribute.errors.BadModel, match="not an ONNX file"):
        model_file(model)
    model.write_bytes(brought.read_bytes())
    with pytest.raises(tribute.errors.BadModel, match="no regular file beside the model"):
        model_file(model)
    values.symlink_to(brought.with_name("layer.onnx.data"))
    with pytest.raises(tribute.errors.BadModel, match="no regular file beside the model"):
        model_file(model)
    values.unlink()
    values.write_bytes(brought.with_name("layer.onnx.data").read_bytes())
    assert model_file(model) == model_file(brought)
