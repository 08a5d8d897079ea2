"""The answers of a model in an ONNX file, to compare with an agent's."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tribute._encoding import model_file
from tribute._graph import described
from tribute._model_file import ModelFile, _own
from tribute.errors import BadModel
from tribute.schema import Schema

from conftest import ROOT

FEATURES = ["a", "b"]
THREE = Schema.of("s", FEATURES, [0.0, 0.0], [1.0, 1.0], ["x", "y", "z"])
TWO = Schema.of("s", FEATURES, [0.0, 0.0], [1.0, 1.0], ["x", "y"])
NUMBER = Schema.of("s", FEATURES, [0.0, 0.0], [1.0, 1.0], (0.0, 10.0))
ROWS = [[0.0, 1.0], [1.0, 0.0], [0.2, 0.3]]
"""Features a and b of three records."""
WEIGHT = [[1.0, 0.0, 0.8], [0.0, 1.0, 0.8]]
"""Of three classes: a, b and most of their sum."""


def written(path, weight, *after, kind=TensorProto.FLOAT, outputs=(("scores", TensorProto.FLOAT),), before=(), taken=None):
    """A dense layer with these weights, and the nodes around it. The inputs are called as in `taken`, with their shapes."""
    values = numpy_helper.from_array(np.asarray(weight, dtype=helper.tensor_dtype_to_np_dtype(kind)), "weight")
    nodes = [*before, helper.make_node("MatMul", ["features", "weight"], ["scores"]), *after]
    inputs = [helper.make_tensor_value_info(name, kind, shape) for name, shape in (taken or {"features": ["n", 2]}).items()]
    given = [helper.make_tensor_value_info(name, type, None) for name, type in outputs]
    graph = helper.make_graph(nodes, "m", inputs, given, [values])
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString())
    return path


def of_classes(*classes, features=FEATURES):
    return Schema.of("s", features, [0.0, 0.0], [1.0, 1.0], classes)


def test_the_largest_score_answers(tmp_path):
    model = ModelFile(written(tmp_path / "m.onnx", [[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]]), THREE)
    assert model.predict(ROWS).tolist() == ["y", "x", "y"]
    assert model.decision_function(ROWS)[0].tolist() == [0.0, 1.0, 0.5]


def test_one_score_of_two_classes(tmp_path):
    logits = ModelFile(written(tmp_path / "l.onnx", [[-3.0], [3.0]], kind=TensorProto.DOUBLE, outputs=[("scores", TensorProto.DOUBLE)]), TWO)
    assert logits.predict(ROWS).tolist() == ["y", "x", "y"]
    sigmoid = helper.make_node("Sigmoid", ["scores"], ["p"])
    chances = ModelFile(written(tmp_path / "s.onnx", [[-3.0], [3.0]], sigmoid, outputs=[("p", TensorProto.FLOAT)]), TWO)
    assert chances.predict(ROWS).tolist() == ["y", "x", "y"]
    # where all logits are in [0, 1], they still are logits
    assert logits.predict([[0.4, 0.6], [0.5, 0.6]]).tolist() == ["y", "y"]
    with pytest.raises(BadModel, match="gives 1 scores, the schema has 3 classes"):
        ModelFile(tmp_path / "s.onnx", THREE)


def test_a_logit_beside_its_probability_is_no_score_of_another_class(tmp_path):
    weight = [[-3.0], [3.0]]
    sigmoid = helper.make_node("Sigmoid", ["scores"], ["p"])
    outputs = [("p", TensorProto.FLOAT), ("scores", TensorProto.FLOAT)]
    model = ModelFile(written(tmp_path / "m.onnx", weight, sigmoid, outputs=outputs), TWO)
    assert model.predict(ROWS).tolist() == ["y", "x", "y"] and model.decision_function(ROWS).shape == (3,)
    minus = helper.make_node("Neg", ["scores"], ["other"])
    outputs = [("other", TensorProto.FLOAT), ("scores", TensorProto.FLOAT)]
    model = ModelFile(written(tmp_path / "m.onnx", weight, minus, outputs=outputs), TWO)
    assert model.predict(ROWS).tolist() == ["y", "x", "y"] and model.decision_function(ROWS).shape == (3, 2)


def test_labels_of_its_own_are_taken(tmp_path):
    best = helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0)
    outputs = [("label", TensorProto.INT64), ("scores", TensorProto.FLOAT)]
    path = written(tmp_path / "m.onnx", WEIGHT, best, outputs=outputs)
    assert ModelFile(path, THREE).predict(ROWS).tolist() == ["y", "x", "z"], "numbers of columns"

    def named(*classes):
        return ModelFile(path, of_classes(*classes))

    assert named("2", "1", "0").predict(ROWS).tolist() == ["1", "0", "2"], "labels"
    # whatever is asked: these numbers are two of the labels, too
    shifted = named("1", "2", "3")
    assert shifted.predict(ROWS).tolist() == ["2", "1", "3"] and shifted.predict(ROWS[::2]).tolist() == ["2", "3"]
    more = helper.make_node("Add", ["label", "label"], ["doubled"])
    outputs[0] = ("doubled", TensorProto.INT64)
    path = written(tmp_path / "m.onnx", WEIGHT, best, more, outputs=outputs)
    assert named("0", "2", "4").predict(ROWS).tolist() == ["2", "0", "4"]
    with pytest.raises(BadModel, match="labels of .*, 0, 2, 4, are neither the schema's x, y, z nor"):
        ModelFile(path, THREE)


@pytest.mark.parametrize(
    "kind, labels, classes",
    [
        (TensorProto.FLOAT, [3.0, 1.0, 2.0], ["1", "2", "3"]),
        (TensorProto.FLOAT, [1.5, 0.5, 1.0], ["0.5", "1", "1.5"]),
        (TensorProto.FLOAT, [1.5, 0.5, 1.0], ["0.50", "1.00", "1.50"]),
        (TensorProto.FLOAT, [0.3, 0.1, 0.2], ["0.1", "0.2", "0.3"]),
        (TensorProto.FLOAT16, [0.3, 0.1, 0.2], ["0.1", "0.2", "0.3"]),
        (TensorProto.UINT8, [3, 1, 2], ["1", "2", "3"]),
        (TensorProto.INT16, [2, 0, 1], ["0", "1", "2"]),
        (TensorProto.INT64, [3, 1, 2], ["01", "02", "03"]),
        (TensorProto.STRING, [" z", "x ", "y"], ["x", "y", "z"]),
        (TensorProto.STRING, ["3", "1", "2.50"], ["1", "2.5", "3"]),
    ],
)
def test_labels_are_of_any_type(tmp_path, kind, labels, classes):
    third, first, second = 0, 1, 2
    listed = helper.make_node("Constant", [], ["all"], value=helper.make_tensor("all", kind, [3], labels))
    best = helper.make_node("ArgMax", ["scores"], ["best"], axis=1, keepdims=0)
    said = helper.make_node("Gather", ["all", "best"], ["label"])
    path = written(tmp_path / "m.onnx", WEIGHT, listed, best, said, outputs=[("label", kind), ("scores", TensorProto.FLOAT)])
    model = ModelFile(path, of_classes(*classes))
    assert np.argmax(model.decision_function(ROWS), axis=1).tolist() == [first, third, second]
    assert model.predict(ROWS).tolist() == [classes[0], classes[2], classes[1]]


@pytest.mark.parametrize(
    "label, classes, text",
    [
        (7, ["7", "07"], "7"),
        (7, ["07", "8"], "07"),
        (7, ["07", "007"], "7"),
        (np.float32(0.5), ["0.50", "1"], "0.50"),
        (True, ["0", "1"], "1"),
        (True, ["False", "True"], "True"),
        (10, ["1_0", "x"], "10"),
        (1, ["\u0661", "x"], "1"),
        (2**53 + 1, [f"{2**53}e0", "1"], f"{2**53 + 1}"),
    ],
)
def test_a_label_is_the_only_class_that_is_the_same_number(label, classes, text):
    assert _own(label, {name: place for place, name in enumerate(classes)}) == text


@pytest.mark.parametrize("kind", [TensorProto.BOOL, TensorProto.FLOAT])
@pytest.mark.parametrize(
    "compared, classes, answers",
    [
        ("Greater", ["0", "1"], ["1", "0", "1"]),
        ("Less", ["0", "1"], ["0", "1", "0"]),
        ("Greater", ["1", "0"], ["1", "0", "1"]),
        ("Less", ["1", "0"], ["0", "1", "0"]),
        ("Greater", ["False", "True"], ["True", "False", "True"]),
        ("Greater", ["x", "y"], ["y", "x", "y"]),
        ("Less", ["x", "y"], None),
    ],
)
def test_a_comparison_is_a_label(tmp_path, kind, compared, classes, answers):
    path, schema = thresholded(tmp_path / "m.onnx", compared, kind), of_classes(*classes)
    if answers:
        assert ModelFile(path, schema).predict(ROWS).tolist() == answers
    else:
        with pytest.raises(BadModel, match="labels of .*, 0, 1, are neither the schema's x, y nor the numbers"):
            ModelFile(path, schema)


def test_truth_values_that_are_classes_are_labels(tmp_path):
    path = thresholded(tmp_path / "m.onnx", "Less", TensorProto.BOOL)
    assert ModelFile(path, of_classes("False", "True")).predict(ROWS).tolist() == ["False", "True", "False"]


def thresholded(path, compared, kind):
    """A probability, and how it compares with a half as a label of this type."""
    after = [
        helper.make_node("Sigmoid", ["scores"], ["p"]),
        helper.make_node("Constant", [], ["half"], value=helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])),
        helper.make_node(compared, ["p", "half"], ["above"]),
        helper.make_node("Cast", ["above"], ["label"], to=kind),
    ]
    return written(path, [[-3.0], [3.0]], *after, outputs=[("label", kind), ("p", TensorProto.FLOAT)])


def test_scores_that_look_like_labels_are_scores_if_there_are_no_others(tmp_path):
    steep = helper.make_node("Sigmoid", ["scores"], ["p"])
    path = written(tmp_path / "m.onnx", [[-1e6], [1e6]], steep, outputs=[("p", TensorProto.FLOAT)])
    assert ModelFile(path, TWO).predict(ROWS).tolist() == ["y", "x", "y"]


def test_columns_are_named_by_class_labels(tmp_path):
    head = {"coefficients": [1.0, 0.0, 0.0, 1.0, 0.8, 0.8], "intercepts": [0.0, 0.0, 0.0], "classlabels_strings": ["z", "y", "x"]}
    layer = helper.make_node("LinearClassifier", ["features"], ["label", "scores"], domain="ai.onnx.ml", **head)
    taken, given = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", size]) for n, size in (("features", 2), ("scores", 3)))
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(helper.make_graph([layer], "m", [taken], [given]), opset_imports=opsets, ir_version=10)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert ModelFile(tmp_path / "m.onnx", THREE).predict(ROWS).tolist() == ["y", "z", "x"]
    with pytest.raises(BadModel, match="classes of .*, z, y, x, are not the schema's u, v, w"):
        ModelFile(tmp_path / "m.onnx", Schema.of("s", FEATURES, [0.0, 0.0], [1.0, 1.0], ["u", "v", "w"]))


@pytest.mark.parametrize(
    "listed, answers",
    [
        ([0, 1, 2], ["y", "x", "z"]),
        (["z", "y", "x"], ["y", "z", "x"]),
        (["x", "x", "x"], ["x", "x", "x"]),
    ],
)
def test_a_list_of_the_classes_names_the_columns_and_is_no_label(tmp_path, listed, answers):
    kind = TensorProto.STRING if isinstance(listed[0], str) else TensorProto.INT64
    classes = helper.make_node("Constant", [], ["classes"], value=helper.make_tensor("classes", kind, [3], listed))
    outputs = [("classes", kind), ("scores", TensorProto.FLOAT)]
    model = ModelFile(written(tmp_path / "m.onnx", WEIGHT, classes, outputs=outputs, taken={"features": [3, 2]}), THREE)
    assert model.predict(ROWS).tolist() == answers


@pytest.mark.parametrize(
    "taken, before",
    [
        ({"features": [1, 2]}, None),
        ({"features": [2, 2]}, None),
        ({"features": ["n", "width"]}, None),
        ({"image": ["n", 1, 2, 1]}, helper.make_node("Flatten", ["image"], ["features"])),
        ({"b": ["n", 1], "a": ["n", 1]}, helper.make_node("Concat", ["a", "b"], ["features"], axis=1)),
    ],
)
def test_records_are_laid_out_as_the_inputs_say(tmp_path, taken, before):
    before = [before] if before else []
    model = ModelFile(written(tmp_path / "m.onnx", WEIGHT, before=before, taken=taken), THREE)
    assert model.predict(ROWS).tolist() == ["y", "x", "z"] and model.decision_function(ROWS).shape == (3, 3)


@pytest.mark.parametrize(
    "features, inputs, taken",
    [
        (["1st", "0"], ["_1st", "_0"], True),
        (["income", "age"], ["_income", "age"], True),
        (["a (cm)", "a"], ["a__cm_", "a"], True),
        (["_a", "a"], ["_a", "a"], True),
        (["a b", "a-b"], ["a_b", "a_b1"], False),
        (["a b", "a-b"], ["a_b", "a-b"], False),
    ],
)
def test_inputs_are_called_after_one_feature(tmp_path, features, inputs, taken):
    before = [helper.make_node("Concat", inputs, ["features"], axis=1)]
    # in another order than the schema's
    shapes = {name: ["n", 1] for name in reversed(inputs)}
    path = written(tmp_path / "m.onnx", [[1.0, 0.0], [0.0, 1.0]], before=before, taken=shapes)
    schema = of_classes("x", "y", features=features)
    if taken:
        assert ModelFile(path, schema).predict(ROWS).tolist() == ["y", "x", "y"]
    else:
        with pytest.raises(BadModel, match="takes .*`a_b`: .*, not the schema's 2 features, in one table or each by its name"):
            ModelFile(path, schema)


def test_values_in_a_second_file_are_read(tmp_path):
    path, data = tmp_path / "m.onnx", tmp_path / "m.data"
    bias = helper.make_node("Constant", [], ["bias"], value=numpy_helper.from_array(np.array([0.0, 5.0, 0.0], np.float32), "of a node"))
    added = helper.make_node("Add", ["scores", "bias"], ["moved"])
    model = onnx.load(written(path, WEIGHT, bias, added, outputs=[("moved", TensorProto.FLOAT)]))
    whole = model.SerializeToString()
    onnx.save_model(model, path, save_as_external_data=True, location=data.name, size_threshold=0, convert_attribute=True)
    outside = path.read_bytes()
    assert len(data.read_bytes()) == 9 * 4
    assert model_file(path) == whole
    assert ModelFile(path, THREE).predict(ROWS).tolist() == ["y", "y", "y"]
    with pytest.raises(BadModel, match=r"tensor `of a node` keeps its values in another file \(`m.data`\)"):
        described(outside, "m.onnx")

    data.write_bytes(data.read_bytes()[:10])
    with pytest.raises(BadModel, match="keeps its values in `m.data`, which cannot be used: .*Copy that file again"):
        model_file(path)
    path.write_bytes(outside.replace(b"m.data", b"n.data"))
    with pytest.raises(BadModel, match="in `n.data`, which is no regular file beside the model"):
        model_file(path)


def test_an_output_of_other_columns_is_no_score(tmp_path):
    copied = helper.make_node("Identity", ["features"], ["embedding"])
    outputs = [("embedding", TensorProto.FLOAT), ("scores", TensorProto.FLOAT)]
    model = ModelFile(written(tmp_path / "m.onnx", WEIGHT, copied, outputs=outputs), THREE)
    assert model.predict(ROWS).tolist() == ["y", "x", "z"]


def test_maps_of_scores_and_of_doubles_are_read(tmp_path):
    rows = np.loadtxt(ROOT / "examples/wine.csv", delimiter=",", skiprows=1)
    names = [f"x{i}" for i in range(rows.shape[1] - 1)]
    schema = Schema.of("wine", names, rows[:, :-1].min(axis=0), rows[:, :-1].max(axis=0), ["0", "1", "2"])
    singles, doubles = (ModelFile(ROOT / f"inference/tests/fixtures/{name}.onnx", schema) for name in ("sk_softmax", "sk_double_zipmap"))
    found = singles.predict(rows[:, :-1])
    assert np.mean(found.astype(float) == rows[:, -1]) > 0.98 and np.array_equal(doubles.predict(rows[:, :-1]), found)
    scores = singles.decision_function(rows[:, :-1])
    assert scores.shape == (178, 3) and np.allclose(doubles.decision_function(rows[:, :-1]), scores, atol=1e-5)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.DOUBLE])
def test_the_keys_of_maps_name_the_columns(tmp_path, kind):
    weight = numpy_helper.from_array(np.asarray(WEIGHT, dtype=helper.tensor_dtype_to_np_dtype(kind)), "weight")
    nodes = [
        helper.make_node("MatMul", ["features", "weight"], ["scores"]),
        helper.make_node("ZipMap", ["scores"], ["maps"], domain="ai.onnx.ml", classlabels_strings=["z", "y", "x"]),
    ]
    kept = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, []))
    given = helper.make_value_info("maps", helper.make_sequence_type_proto(kept))
    graph = helper.make_graph(nodes, "m", [helper.make_tensor_value_info("features", kind, ["n", 2])], [given], [weight])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "m.onnx")
    assert ModelFile(tmp_path / "m.onnx", THREE).predict(ROWS).tolist() == ["y", "z", "x"]


@pytest.mark.parametrize("name", ["sk_softmax", "sk_double_zipmap"])
def test_what_is_wrong_with_a_model_of_maps_is_told(tmp_path, name):
    model = onnx.load(ROOT / f"inference/tests/fixtures/{name}.onnx")
    zipped = next(node.input[0] for node in model.graph.node if node.op_type == "ZipMap")
    model.graph.node.append(helper.make_node("Not", [zipped], ["wrong"]))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(BadModel, match=r"onnxruntime rejected .*operator \(Not\)"):
        ModelFile(tmp_path / "m.onnx", THREE)


def test_a_real_value(tmp_path):
    assert ModelFile(written(tmp_path / "m.onnx", [[2.0], [4.0]]), NUMBER).predict(ROWS) == pytest.approx([4.0, 2.0, 1.6])


def test_what_takes_no_table_cannot_be_compared(tmp_path):
    path = written(tmp_path / "m.onnx", [[1, 0], [0, 1]], kind=TensorProto.INT64, outputs=[("scores", TensorProto.INT64)])
    with pytest.raises(BadModel, match="takes `features`: tensor.int64. .*, not the schema's 2 features"):
        ModelFile(path, TWO)
