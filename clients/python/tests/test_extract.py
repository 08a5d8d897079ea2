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


def test_a_text_given_twice_is_run_once(model, monkeypatch):
    extractor, ran = tribute.Extractor(model), []
    embed = extractor._embed
    monkeypatch.setattr(extractor, "_embed", lambda record, text: ran.append((record, text)) or embed(record, text))
    features = extractor(["a", "the", "a", "runs"])
    assert ran == [(0, "a"), (1, "the"), (3, "runs")] and np.array_equal(features[0], features[2])


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


FIXTURES = ROOT / "inference/tests/fixtures"
NETWORKS = {
    "torch_hidden": "/fc1/Gemm",
    "torch_transposed": "product1",
    "torch_quantised": "product1",
    "keras_hidden": "sequential/dense_1/MatMul",
    "sk_mlp": "MatMul1",
    "sk_mlp_binary": "MatMul1",
    "sk_kernel_map": "LinearClassifier",
    "sk_kernel_regression": "LinearRegressor",
}
"""Models by name of their fixture, with the name of the last dense layer."""


def scores(model, values):
    """The last output of a model of one input: scores, probabilities or one number, of shape (n, …)."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: values})[-1]
    return np.array([list(row.values()) for row in found] if isinstance(found, list) else found)


def cut_off(network, body):
    """What a split leaves of the network, as a model of the body's features."""
    taken = {node.output[0] for node in body.graph.node}
    rest = [node for node in network.graph.node if node.output[0] not in taken]
    entry = helper.make_tensor_value_info(body.graph.output[0].name, TensorProto.FLOAT, ["batch", None])
    graph = helper.make_graph(rest, "rest", [entry], network.graph.output, network.graph.initializer)
    return helper.make_model(graph, opset_imports=network.opset_import, ir_version=network.ir_version)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_split_at_its_last_dense_layer(tmp_path, name):
    network = FIXTURES / f"{name}.onnx"
    body, again = tmp_path / "body.onnx", tmp_path / "again.onnx"
    assert tribute.split(network, body) == NETWORKS[name] == tribute.split(network, again)
    assert body.read_bytes() == again.read_bytes()
    # what was cut off gives the network's own answers, of the features that the body computes
    whole = onnx.load(network)
    rest = cut_off(whole, onnx.load(body))
    width = whole.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    inputs = np.random.default_rng(2).random((9, width), dtype=np.float32)
    theirs = scores(whole, inputs)
    assert len(theirs) == 9 and np.allclose(scores(rest, tribute.Extractor(body)(inputs)), theirs, atol=1e-5)
    assert not {"Relu", "Scan"}.intersection(node.op_type for node in rest.graph.node)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_program_splits_a_network_and_extracts_alike(world, tmp_path, name):
    network = FIXTURES / f"{name}.onnx"
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
    assert header[-1] == "label" and np.array_equal(tribute.Extractor(ours)(values), there)


def image_model(path, shape):
    """A convolution of numbers of this shape, with three filters of 2 × 2."""
    filters = numpy_helper.from_array(np.random.default_rng(4).normal(size=(3, 1, 2, 2)).astype(np.float32), "filters")
    nodes = [helper.make_node("Conv", ["x", "filters"], ["seen"]), helper.make_node("Flatten", ["seen"], ["features"])]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", None])]
    graph = helper.make_graph(nodes, "image", inputs, outputs, [filters])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize("shape", [["batch", 1, 4, 4], ["batch", 1, 4, "width"]])
def test_rows_become_images(tmp_path, shape):
    extractor = tribute.Extractor(image_model(tmp_path / "image.onnx", shape))
    rows = np.random.default_rng(7).random((5, 16), dtype=np.float32)
    features = extractor(rows)
    assert features.shape == (5, 27) and np.array_equal(features, extractor(rows.reshape(5, 1, 4, 4)))
    with pytest.raises(tribute.errors.BadQuery, match=r"shape \[batch, 1, 4, .*a record has 15"):
        extractor(rows[:, :15])
    with pytest.raises(tribute.errors.BadQuery, match="some of the inputs are masked"):
        extractor(np.ma.masked_less(rows, 0.5))


def test_single_precision_is_not_copied(tmp_path, monkeypatch):
    extractor = tribute.Extractor(image_model(tmp_path / "image.onnx", ["batch", 1, 4, 4]))
    rows = np.random.default_rng(7).random((5, 16), dtype=np.float32)
    features, run, fed = extractor(rows.astype(np.float64)), extractor._run, []
    monkeypatch.setattr(extractor, "_run", lambda record, feeds: fed.extend(feeds.values()) or run(record, feeds))
    assert np.array_equal(extractor(rows), features) and all(np.shares_memory(values, rows) for values in fed)


def test_rows_that_may_be_several_images_are_refused(tmp_path):
    extractor = tribute.Extractor(image_model(tmp_path / "image.onnx", ["batch", 1, "height", "width"]))
    with pytest.raises(tribute.errors.BadQuery, match=r"\[batch, 1, \?, \?\]"):
        extractor(np.ones((5, 16)))
    assert extractor(np.ones((5, 1, 4, 4))).shape == (5, 27)


def test_the_program_takes_rows_as_images(world, tmp_path):
    model = image_model(tmp_path / "image.onnx", ["batch", 1, 4, 4])
    rows = np.random.default_rng(8).random((6, 16)).round(3)
    with open(tmp_path / "rows.csv", "w", newline="") as file:
        csv.writer(file).writerows([[*(f"x{i}" for i in range(16)), "label"], *([*row, "ab"[i % 2]] for i, row in enumerate(rows))])
    command = ["extract", str(tmp_path / "rows.csv"), "--extractor", str(model), "--out", str(tmp_path / "features.csv")]
    world.command(*command)
    with open(tmp_path / "features.csv") as file:
        there = np.array([[float(x) for x in row[:-1]] for row in list(csv.reader(file))[1:]], dtype=np.float32)
    assert np.array_equal(tribute.Extractor(model)(rows), there)
    with pytest.raises(RuntimeError, match=r"shape \[batch, 1, 4, 4\], but a record has 15"):
        world.command(*command, "--drop", "x15")


def test_a_body_of_one_record_takes_many(tmp_path):
    rows = np.random.default_rng(9).random((5, 16), dtype=np.float32)
    extractor = tribute.Extractor(image_model(tmp_path / "one.onnx", [1, 1, 4, 4]))
    assert np.array_equal(extractor(rows), tribute.Extractor(image_model(tmp_path / "any.onnx", ["batch", 1, 4, 4]))(rows))
    with pytest.raises(tribute.errors.BadModel, match="takes 2 at once: export it with an open batch size, or a batch of 1"):
        tribute.Extractor(image_model(tmp_path / "two.onnx", [2, 1, 4, 4]))


def network(path, *between, kind=TensorProto.FLOAT):
    """A layer, a ReLU, the nodes `between` (from `hidden` to `kept`), and another layer."""
    rng = np.random.default_rng(1)
    element = helper.tensor_dtype_to_np_dtype(kind)
    weights = [numpy_helper.from_array(rng.normal(size=(4, 4)).astype(element), name) for name in ("first", "last")]
    kept = between or [helper.make_node("Identity", ["hidden"], ["kept"])]
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["product"]),
        helper.make_node("Relu", ["product"], ["hidden"]),
        *kept,
        helper.make_node("MatMul", ["kept", "last"], ["logits"], name="head"),
    ]
    inputs, outputs = [helper.make_tensor_value_info("x", kind, ["n", 4])], [helper.make_tensor_value_info("logits", kind, ["n", 4])]
    constants = [
        *weights,
        numpy_helper.from_array(np.array(0.5, dtype=np.float32), "ratio"),
        numpy_helper.from_array(np.array(True), "yes"),
        numpy_helper.from_array(np.array(False), "no"),
        numpy_helper.from_array(np.ones(4, dtype=np.float32), "ones"),
    ]
    graph = helper.make_graph(nodes, "network", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    "node, said",
    [
        (
            helper.make_node("Dropout", ["hidden", "ratio", "yes"], ["kept"], name="d"),
            r"node `d` \(Dropout\) is in training mode: export after `model.eval\(\)`",
        ),
        (
            helper.make_node("BatchNormalization", ["hidden", *["ones"] * 4], ["kept"], training_mode=1),
            r"node `kept` \(BatchNormalization\) is in training mode",
        ),
        (
            helper.make_node("BatchNormalization", ["hidden", *["ones"] * 4], ["kept", "m", "v"]),
            r"node `kept` \(BatchNormalization\) is in training mode",
        ),
        (helper.make_node("RandomNormalLike", ["hidden"], ["kept"]), r"\(RandomNormalLike\) draws random numbers"),
    ],
)
def test_features_that_differ_each_time_are_refused(tmp_path, node, said):
    path = network(tmp_path / "network.onnx", node)
    with pytest.raises(tribute.errors.BadModel, match=said):
        tribute.split(path, tmp_path / "body.onnx")
    with pytest.raises(tribute.errors.BadModel, match=said):
        tribute.Extractor(path)
    assert not (tmp_path / "body.onnx").exists()


def test_a_dropout_that_drops_nothing_is_kept(tmp_path):
    for mode in (["ratio"], ["ratio", "no"], []):
        path = network(tmp_path / "network.onnx", helper.make_node("Dropout", ["hidden", *mode], ["kept"]))
        assert tribute.split(path, tmp_path / "body.onnx") == "head"
        assert tribute.Extractor(tmp_path / "body.onnx")(np.ones((2, 4))).shape == (2, 4)


@pytest.mark.parametrize("kind, said", [(TensorProto.DOUBLE, "float64"), (TensorProto.FLOAT16, "float16")])
def test_features_of_other_floats_are_refused(tmp_path, kind, said):
    path = network(tmp_path / "network.onnx", kind=kind)
    with pytest.raises(tribute.errors.BadModel, match=f"layer `head` takes {said}, .*: export the network in float32"):
        tribute.split(path, tmp_path / "body.onnx")
    assert not (tmp_path / "body.onnx").exists()
    with pytest.raises(tribute.errors.BadModel, match="output `logits` of an extractor is of float32"):
        tribute.Extractor(path)


def test_an_extractor_is_one_file_that_gives_numbers(tmp_path):
    path = network(tmp_path / "network.onnx", helper.make_node("Log", ["hidden"], ["kept"]))
    with pytest.raises(tribute.errors.BadModel, match="record 1: the model gives .* for feature e0, which is not a finite number"):
        tribute.Extractor(path, output="logits")(np.array([[1.0] * 4, [0.0] * 4]) @ np.linalg.pinv(onnx_weight(path, "first")))
    with pytest.raises(tribute.errors.BadModel, match="has no output `kept`, only logits"):
        tribute.Extractor(path, output="kept")
    onnx.save_model(onnx.load(path), path, save_as_external_data=True, location="w.data", size_threshold=0)
    with pytest.raises(tribute.errors.BadModel, match=r"tensor `first` keeps its values in another file \(`w.data`\).*external_data=False"):
        tribute.Extractor(path)
    path.write_bytes(b"no model at all")
    with pytest.raises(tribute.errors.BadModel, match="is not an ONNX file"):
        tribute.Extractor(path)


def test_the_program_tells_the_row_of_what_is_no_number(world, tmp_path):
    path = network(tmp_path / "network.onnx", helper.make_node("Log", ["hidden"], ["kept"]))
    (tmp_path / "t.csv").write_text("a,b,c,d,label\n1,,3,4,x\n0,0,0,0,y\n")
    out = ["--out", str(tmp_path / "features.csv")]
    with pytest.raises(RuntimeError, match="t.csv: row 3: .* for feature e0, which is not a finite number"):
        world.command("extract", str(tmp_path / "t.csv"), "--extractor", str(path), "--drop-incomplete", *out)


def onnx_weight(path, name):
    return next(numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer if t.name == name)


@pytest.mark.parametrize("name", ["torch_logits", "sk_softmax", "sk_softmax_minmax", "sk_regression"])
def test_what_has_one_layer_is_not_split(tmp_path, name):
    with pytest.raises(tribute.errors.BadModel, match="import the model itself"):
        tribute.split(FIXTURES / f"{name}.onnx", tmp_path / "body.onnx")


@pytest.mark.parametrize("name", ["sk_one_vs_rest", "sk_calibrated", "sk_tree", "sk_kernel"])
def test_what_ends_in_no_single_dense_layer_is_not_split(tmp_path, name):
    with pytest.raises(tribute.errors.BadModel, match="follows no dense layer that ends the model"):
        tribute.split(FIXTURES / f"{name}.onnx", tmp_path / "body.onnx")


def test_the_program_says_so_too(world, tmp_path):
    (tmp_path / "t.csv").write_text("x,label\n1,a\n")
    model = ["--extractor", str(FIXTURES / "torch_logits.onnx"), "--split", str(tmp_path / "body.onnx")]
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

    # an accuracy on another dataset, whose last label is wrong
    others = [f"the {colour} {thing}" for colour in WORDS[:3] for thing in [*fruit, *verbs]]
    known = ["thing" if text.split()[-1] in fruit else "deed" for text in others[:-1]] + ["thing"]
    right = sum(answer == label for answer, label in zip(tribute.answers(agent, extractor(others)), known))
    with world.client(OWNER) as owner:
        unseen = owner.register((extractor(others), known), schema, intercept_scale=3)
        proven = owner.evaluate(agent, unseen)
    assert (proven.records, proven.correct) == (18, right) and 9 < right < 18
    evaluated = tribute.verify(proven.file, allow_dev_srs=True)
    assert evaluated.accuracy == right / 18 and said in evaluated.text and said in evaluated.report().html

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
