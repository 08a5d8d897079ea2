"""Extractors: raw inputs become features by a pinned model, the same here and in the command line."""

import csv
import gzip
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

import tribute
from tribute.chain import Chain

from conftest import CLIENT, DEPLOYER, OWNER, PROVIDER, ROOT

WORDS = "red green blue apple pear plum runs walks sits the a".split()
TEXTS = ["the red apple", "a green pear", "the plum", "runs", "a walks a", "the sits", "an unknown thing"]


def text_model(path, width=6):
    """A model of texts: the mean of random word vectors, with its tokenizer in its metadata."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(["[UNK]", *WORDS])}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = np.random.default_rng(5).normal(size=(len(WORDS) + 1, width)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["vectors", "input_ids"], ["words"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "two"], ["column"]),
        helper.make_node("Mul", ["words", "column"], ["kept"]),
        helper.make_node("ReduceMean", ["kept"], ["features"], axes=[1], keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "tokens"]) for n in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", width])]
    constants = [numpy_helper.from_array(vectors, "vectors"), numpy_helper.from_array(np.array([2]), "two")]
    graph = helper.make_graph(nodes, "words", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"tokenizer": tokenizer.to_str(), "tokens": "16"})
    onnx.save(model, path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return text_model(tmp_path_factory.mktemp("model") / "words.onnx")


def test_features_here_are_the_programs_bit_by_bit(world, model, tmp_path):
    with open(tmp_path / "texts.csv", "w", newline="") as file:
        csv.writer(file).writerows([["text", "label"], *([text, "a, b"] for text in TEXTS)])
    out = tmp_path / "features.csv"
    world.command("extract", str(tmp_path / "texts.csv"), "--extractor", str(model), "--out", str(out))
    with open(out) as file:
        header, *rows = csv.reader(file)
    assert header == [*(f"e{i}" for i in range(6)), "label"] and {row[-1] for row in rows} == {"a, b"}
    there = np.array([[float(x) for x in row[:-1]] for row in rows], dtype=np.float32)
    here = tribute.Extractor(model)(TEXTS)
    assert here.dtype == np.float32 and np.array_equal(here, there)


def test_the_program_reads_texts_as_it_reads_any_table(world, model, tmp_path):
    out = tmp_path / "features.csv"
    command = ["extract", str(tmp_path / "texts.csv.gz"), "--extractor", str(model), "--out", str(out)]
    lines = ["# by hand", "text;label", *(f"{text};{'ab'[i % 2]}" for i, text in enumerate(TEXTS)), "NA;a"]
    (tmp_path / "texts.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(RuntimeError, match="row 10, column 1 .*--drop-incomplete"):
        world.command(*command)
    assert not out.exists()
    world.command(*command, "--drop-incomplete")
    with open(out) as file:
        _, *rows = csv.reader(file)
    there = np.array([[float(x) for x in row[:-1]] for row in rows], dtype=np.float32)
    assert np.array_equal(tribute.Extractor(model)(TEXTS), there)
    with pytest.raises(RuntimeError, match="takes texts"):
        world.command(*command, "--inputs", "text")


def test_the_program_pins_the_extractor_in_a_schema(world, model, tmp_path):
    with open(tmp_path / "texts.csv", "w", newline="") as file:
        csv.writer(file).writerows([["label", "text"], *(["ab"[i % 2], text] for i, text in enumerate(TEXTS))])
    out, schema = tmp_path / "features.csv", tmp_path / "schema.json"
    world.command("extract", str(tmp_path / "texts.csv"), "--extractor", str(model), "--out", str(out))
    world.command("schema", "infer", str(out), "--extractor", str(model), "--name", "words", "--out", str(schema))
    made = tribute.Schema(schema.read_text())
    extractor = tribute.Extractor(model)
    assert made == extractor.schema("words", extractor(TEXTS), ["a", "b"])
    with pytest.raises(RuntimeError, match="no column is named `words`; there are `label`, `text`"):
        world.command("extract", str(tmp_path / "texts.csv"), "--text", "words", "--extractor", str(model), "--out", str(out))


def test_the_cache_gives_the_same_features(model, tmp_path):
    fresh = tribute.Extractor(model)(TEXTS)
    for _ in range(2):
        assert np.array_equal(tribute.Extractor(model, cache=tmp_path)(TEXTS[::-1]), fresh[::-1])
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_no_text_or_another_model_is_refused(model):
    extractor = tribute.Extractor(model)
    for wrong in ("one text", [1.0], ["a", None]):
        with pytest.raises(tribute.errors.BadQuery, match="list of texts"):
            extractor(wrong)
    schema = extractor.schema("words", extractor(TEXTS), ["x", "y"])
    assert schema.extractor == extractor.sha256 and np.all(schema.hi == -schema.lo) and len(set(schema.hi)) == 1
    other = tribute.Schema.of("words", ["e0"], [0.0], [1.0], ["x", "y"], bytes(32))
    with pytest.raises(tribute.errors.BadQuery, match="pins the extractor 0000"):
        extractor.query(other, "the red apple")
    plain = tribute.Schema.of("words", ["e0"], [0.0], [1.0], ["x", "y"])
    with pytest.raises(tribute.errors.BadQuery, match="pins no extractor"):
        extractor.query(plain, "the red apple")


@pytest.mark.parametrize("name", ["torch_hidden", "sk_mlp"])
def test_a_network_is_split_at_its_last_dense_layer(tmp_path, name):
    network = ROOT / f"inference/tests/fixtures/{name}.onnx"
    body = tmp_path / "body.onnx"
    layer = tribute.split(network, body)
    again = tmp_path / "again.onnx"
    tribute.split(network, again)
    assert body.read_bytes() == again.read_bytes()
    whole = onnx.load(network)
    node = next(n for n in whole.graph.node if layer in (n.name, n.output[0]))
    values = {t.name: numpy_helper.to_array(t) for t in whole.graph.initializer}
    weight = values[node.input[1]]
    weight = weight.T if any(a.name == "transB" and a.i for a in node.attribute) else weight
    adds = (n.input[1] for n in whole.graph.node if n.op_type == "Add" and n.input[0] == node.output[0])
    bias = values[node.input[2] if len(node.input) > 2 else next(adds)]
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    inputs = np.random.default_rng(2).random((9, session.get_inputs()[0].shape[1]), dtype=np.float32)
    refitted = tribute.Extractor(body)(inputs) @ weight + bias
    probabilities = np.exp(refitted) / np.exp(refitted).sum(axis=1, keepdims=True)
    theirs = session.run(None, {session.get_inputs()[0].name: inputs})[-1]
    theirs = [list(row.values()) for row in theirs] if isinstance(theirs, list) else theirs
    assert np.allclose(probabilities, theirs, atol=1e-5)


@pytest.mark.parametrize("name", ["torch_hidden", "sk_mlp"])
def test_the_program_splits_a_network_and_extracts_alike(world, tmp_path, name):
    network = ROOT / f"inference/tests/fixtures/{name}.onnx"
    theirs, ours = tmp_path / "theirs.onnx", tmp_path / "ours.onnx"
    tribute.split(network, theirs)
    width = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"]).get_inputs()[0].shape[1]
    values = np.random.default_rng(6).random((8, width)).round(3)
    with open(tmp_path / "values.csv", "w", newline="") as file:
        rows = [[*row, "ab"[i % 2]] for i, row in enumerate(values)]
        csv.writer(file).writerows([[*(f"x{i}" for i in range(width)), "label"], *rows])
    out = tmp_path / "features.csv"
    command = ["extract", str(tmp_path / "values.csv"), "--extractor", str(network), "--split", str(ours), "--out", str(out)]
    world.command(*command)
    assert ours.read_bytes() == theirs.read_bytes()
    with open(out) as file:
        header, *rows = csv.reader(file)
    there = np.array([[float(x) for x in row[:-1]] for row in rows], dtype=np.float32)
    here = np.vstack([tribute.Extractor(ours)(values[i : i + 1]) for i in range(len(values))])
    assert header[-1] == "label" and np.array_equal(here, there)


def test_what_has_no_hidden_layer_is_not_split(world, tmp_path):
    with pytest.raises(tribute.errors.BadModel, match="import the model itself"):
        tribute.split(ROOT / "inference/tests/fixtures/torch_logits.onnx", tmp_path / "body.onnx")
    (tmp_path / "t.csv").write_text("x,label\n1,a\n")
    model = ["--extractor", str(ROOT / "inference/tests/fixtures/torch_logits.onnx"), "--split", str(tmp_path / "body.onnx")]
    with pytest.raises(RuntimeError, match="import the model itself"):
        world.command("extract", str(tmp_path / "t.csv"), *model, "--out", str(tmp_path / "f.csv"))


def test_an_agent_of_texts_is_trained_certified_and_asked_in_text(world, model, tmp_path):
    extractor = tribute.Extractor(model)
    rng = np.random.default_rng(3)
    fruit, verbs = WORDS[3:6], WORDS[6:9]
    texts = [f"the {rng.choice(WORDS[:3])} {rng.choice(fruit if i % 2 else verbs)}" for i in range(120)]
    labels = ["thing" if i % 2 else "deed" for i in range(120)]
    features = extractor(texts)
    schema = extractor.schema("words", features, ["deed", "thing"])
    (world.folder / "words.json").write_text(schema.canonical)
    shape = ["--schema", "words.json", "--link", "logistic", "--intercept-scale", "3"]
    world.command("circuits", "add", *shape, key=DEPLOYER)
    with world.client(PROVIDER) as provider:
        dataset = provider.register((features, labels), schema, open_training=True, intercept_scale=3)
    world.register(dataset, PROVIDER)
    with world.client(OWNER) as owner:
        chain = Chain(world.rpc, owner)
        agent_id = chain.create_agent("words")
        agent = owner.train([chain.dataset(dataset.id, schema)], penalty=1e-3, link="logistic", name="words")
        version = chain.propose(agent_id, agent)
        chain.certify(agent_id, version, owner.prove(agent, agent_id=agent_id, version=version))
        verified = tribute.verify(owner.certificate(agent), allow_dev_srs=True)
    said = f"SHA-256, {extractor.sha256.hex()}. Not proven: how that model was trained"
    assert said in verified.text and said in verified.report().html

    with world.client(CLIENT) as client:
        chain = Chain(world.rpc, client)
        chain.send(chain.token.functions.mint(client.account.address, 110))
        session_id = chain.open_session(agent_id, version=version, price=10, escrow=100)
        client.open_session(session_id, agent)
        blind = tribute.Session(client, session_id, tmp_path / "session.json")
        with pytest.raises(tribute.errors.BadQuery, match=f"Extractor of the file with SHA-256 {extractor.sha256.hex()}"):
            blind.ask("the red plum")
        session = tribute.Session(client, session_id, tmp_path / "session.json", extractor=extractor)
        assert [session.ask("the red plum"), session.ask("the blue runs")] == ["thing", "deed"]
        assert bytes.fromhex(session.answers[0]["features"]) == schema.quantise(extractor(["the red plum"])[0]).tobytes()
        session.submit_voucher()
        second = chain.open_session(agent_id, version=version, price=10, escrow=10)
        client.open_session(second, agent)
    ask = ["session", "ask", f"0x{second.hex()}", "the green pear", "--state", str(tmp_path / "own.json"), "--extractor"]
    assert json.loads(world.command(*ask, str(model), key=CLIENT))["answer"] == "thing"
    with pytest.raises(RuntimeError, match="get the model from the agent's owner"):
        world.command(*ask, str(text_model(tmp_path / "other.onnx", width=5)), key=CLIENT)
