"""The answers of a model in an ONNX file, to compare with an agent's."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tribute._model_file import ModelFile
from tribute.errors import BadModel
from tribute.schema import Schema

FEATURES = ["a", "b"]
THREE = Schema.of("s", FEATURES, [0.0, 0.0], [1.0, 1.0], ["x", "y", "z"])
TWO = Schema.of("s", FEATURES, [0.0, 0.0], [1.0, 1.0], ["x", "y"])
NUMBER = Schema.of("s", FEATURES, [0.0, 0.0], [1.0, 1.0], (0.0, 10.0))
ROWS = [[0.0, 1.0], [1.0, 0.0], [0.2, 0.3]]
"""Features a and b of three records."""


def written(path, weight, *after, kind=TensorProto.FLOAT, outputs=(("scores", TensorProto.FLOAT),)):
    """A dense layer with these weights, and the nodes after it."""
    values = numpy_helper.from_array(np.asarray(weight, dtype=helper.tensor_dtype_to_np_dtype(kind)), "weight")
    nodes = [helper.make_node("MatMul", ["features", "weight"], ["scores"]), *after]
    taken = [helper.make_tensor_value_info("features", kind, ["n", 2])]
    given = [helper.make_tensor_value_info(name, type, None) for name, type in outputs]
    graph = helper.make_graph(nodes, "m", taken, given, [values])
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString())
    return path


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
    with pytest.raises(BadModel, match="gives 1 scores, the schema has 3 classes"):
        ModelFile(tmp_path / "s.onnx", THREE).predict(ROWS)


def test_labels_of_its_own_are_taken(tmp_path):
    best = helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0)
    outputs = [("label", TensorProto.INT64), ("scores", TensorProto.FLOAT)]
    path = written(tmp_path / "m.onnx", [[1.0, 0.0, 0.5], [0.0, 1.0, 0.5]], best, outputs=outputs)
    assert ModelFile(path, THREE).predict(ROWS).tolist() == ["y", "x", "y"], "numbers of classes"
    named = Schema.of("s", FEATURES, [0.0, 0.0], [1.0, 1.0], ["2", "1", "0"])
    assert ModelFile(path, named).predict(ROWS).tolist() == [1, 0, 1], "labels"


def test_a_real_value(tmp_path):
    assert ModelFile(written(tmp_path / "m.onnx", [[2.0], [4.0]]), NUMBER).predict(ROWS) == pytest.approx([4.0, 2.0, 1.6])


def test_what_takes_no_table_cannot_be_compared(tmp_path):
    path = written(tmp_path / "m.onnx", [[1, 0], [0, 1]], kind=TensorProto.INT64, outputs=[("scores", TensorProto.INT64)])
    with pytest.raises(BadModel, match="takes tensor.int64., not one table of features"):
        ModelFile(path, TWO)
