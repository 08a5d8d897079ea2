#!/usr/bin/env python3
"""Writes the sentence-embedding model all-MiniLM-L6-v2 as one ONNX file, from its safetensors, without PyTorch.

The graph is `input_ids, attention_mask [batch, tokens] -> embedding [batch, 384]`: a BERT of six layers, the mean over the tokens,
scaled to length 1. The tokenizer's JSON is in the file's metadata, so one digest pins all that turns a text into features. The same
inputs give the same bytes.

    minilm_export.py MODEL_FOLDER OUT.onnx
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

TOKENS = 256
"""Most tokens of a text; longer ones are cut."""


class Graph:
    """Nodes and constants in the order in which they are added."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, op, *inputs, output=None, **attributes):
        name = output or f"{op}_{len(self.nodes) + 1}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name


def export(folder):
    """The model of a folder with `config.json`, `model.safetensors` and `tokenizer.json`."""
    config = json.loads((folder / "config.json").read_text())
    weights = load_file(folder / "model.safetensors")
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    g = Graph()
    floats = {name: g.constant(name, np.float32(value)) for name, value in (("one", 1), ("half", 0.5), ("large", 1e9), ("tiny", 1e-9))}
    root = g.constant("root", np.float32(1 / np.sqrt(2)))
    scale = g.constant("scale", np.float32(1 / np.sqrt(hidden // heads)))
    split = g.constant("split", np.array([0, 0, heads, hidden // heads], np.int64))
    merged = g.constant("merged", np.array([0, 0, hidden], np.int64))
    zero, one, two = (g.constant(f"int{i}", np.array([i], np.int64)) for i in range(3))

    def linear(x, layer):
        product = g.add("MatMul", x, g.constant(f"{layer}.weight", weights[f"{layer}.weight"].T))
        return g.add("Add", product, g.constant(f"{layer}.bias", weights[f"{layer}.bias"]))

    def normalised(x, layer):
        scaled, shift = (g.constant(f"{layer}.{part}", weights[f"{layer}.{part}"]) for part in ("weight", "bias"))
        return g.add("LayerNormalization", x, scaled, shift, axis=-1, epsilon=config["layer_norm_eps"])

    # a text is a single segment, so that segment's embedding is added to the positions'
    places = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    length = g.add("Slice", g.add("Shape", "input_ids"), one, two)
    place = g.add("Slice", g.constant("places", places), zero, length, zero)
    word = g.add("Gather", g.constant("words", weights["embeddings.word_embeddings.weight"]), "input_ids")
    x = normalised(g.add("Add", word, place), "embeddings.LayerNorm")
    mask = g.add("Cast", "attention_mask", to=TensorProto.FLOAT)
    outside = g.add("Sub", g.add("Unsqueeze", mask, g.constant("axes", np.array([1, 2], np.int64))), floats["one"])
    outside = g.add("Mul", outside, floats["large"])
    for layer in range(config["num_hidden_layers"]):
        at = f"encoder.layer.{layer}"

        def head(name, order):
            return g.add("Transpose", g.add("Reshape", linear(x, f"{at}.attention.self.{name}"), split), perm=order)

        query, key, value = head("query", [0, 2, 1, 3]), head("key", [0, 2, 3, 1]), head("value", [0, 2, 1, 3])
        scores = g.add("Add", g.add("Mul", g.add("MatMul", query, key), scale), outside)
        seen = g.add("MatMul", g.add("Softmax", scores, axis=-1), value)
        seen = g.add("Reshape", g.add("Transpose", seen, perm=[0, 2, 1, 3]), merged)
        x = normalised(g.add("Add", linear(seen, f"{at}.attention.output.dense"), x), f"{at}.attention.output.LayerNorm")
        inner = linear(x, f"{at}.intermediate.dense")
        error = g.add("Add", g.add("Erf", g.add("Mul", inner, root)), floats["one"])
        inner = g.add("Mul", g.add("Mul", inner, floats["half"]), error)
        x = normalised(g.add("Add", linear(inner, f"{at}.output.dense"), x), f"{at}.output.LayerNorm")
    summed = g.add("ReduceSum", g.add("Mul", x, g.add("Unsqueeze", mask, two)), one, keepdims=0)
    count = g.add("Max", g.add("ReduceSum", mask, one, keepdims=1), floats["tiny"])
    g.add("LpNormalization", g.add("Div", summed, count), output="embedding", axis=1, p=2)
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["batch", "tokens"]) for n in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", hidden])]
    graph = helper.make_graph(g.nodes, "minilm", inputs, outputs, g.constants)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8, producer_name="minilm-export")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["padding"] = tokenizer["truncation"] = None
    helper.set_model_props(model, {"tokenizer": json.dumps(tokenizer, ensure_ascii=False), "tokens": str(TOKENS)})
    return model


if __name__ == "__main__":
    made = export(Path(sys.argv[1]))
    onnx.checker.check_model(made, full_check=True)
    onnx.save(made, sys.argv[2])
