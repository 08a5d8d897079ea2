"""Extractors: ONNX models that turn raw inputs into features, pinned by digest in a schema.

A certificate starts from the features. It pins the extractor by the SHA-256 of its file and proves nothing about how the extractor
was trained. Floating-point results may differ in their last bits between machines, which can move a feature by a step.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import numpy.typing as npt

from ._encoding import model_file
from ._graph import described, filled, node_name
from .errors import BadModel, BadQuery
from .schema import Schema, _numbers, _unmasked

HEAD_OPERATORS = {
    *("Add", "ArgMax", "ArrayFeatureExtractor", "Cast", "Concat", "DequantizeLinear", "Flatten", "Identity", "LogSoftmax"),
    *("Normalizer", "QuantizeLinear", "Reshape", "Sigmoid", "Softmax", "Squeeze", "Sub", "ZipMap"),
}
"""Operators that may follow the last dense layer."""
PLAIN_OPERATORS = {
    *("Add", "BatchNormalization", "Cast", "Concat", "Div", "Flatten", "Identity", "Mul", "Reshape", "Scaler", "Squeeze", "Sub"),
}
"""Operators that only scale or arrange the inputs. A model with nothing else before its dense layer can be imported itself."""
SPARE = 1.05
"""The one range of all features is wider than what was seen by this factor."""


class Extractor:
    """An ONNX model that computes features, of texts or of numbers.

    A model of texts has its tokenizer in its metadata, as `tokenizer` (the JSON of Hugging Face's `tokenizers`) and `tokens` (the most
    that a text may have), and the inputs `input_ids` and `attention_mask`. Any other model has one input of shape [batch, …].

    Parameters
    ----------
    model : path
        The ONNX file.
    output : str, optional
        The output to use; by default the first.
    cache : path, optional
        Folder that keeps the features of texts, by the digests of model and text.

    Raises
    ------
    BadModel
        It is no such model of float32 in one file, takes several records at once only, or gives other features each time.
    """

    def __init__(self, model: str | os.PathLike[str], *, output: str | None = None, cache: str | os.PathLike[str] | None = None):
        import onnxruntime

        content = Path(model).read_bytes()
        self.sha256 = hashlib.sha256(content).digest()
        described(content, os.fspath(model))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # sums in one order, whatever the machine
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as failed:  # onnxruntime's have no common class of their own
            raise BadModel(f"onnxruntime rejected the model: {failed}") from failed
        inputs = {i.name: i for i in self._session.get_inputs()}
        outputs = {o.name: o for o in self._session.get_outputs()}
        found = self._session.get_modelmeta().custom_metadata_map
        self._tokenizer = _tokenizer(found) if "tokenizer" in found else None
        self._cache = Path(cache) / f"{self.sha256.hex()[:16]}.npz" if cache else None
        self._output = next(iter(outputs)) if output is None else output
        if self._output not in outputs:
            raise BadModel(f"the model has no output `{self._output}`, only {', '.join(outputs)}")
        _of_floats("output", outputs[self._output])
        if self._tokenizer is not None:
            if inputs.keys() != {"input_ids", "attention_mask"}:
                raise BadModel(f"a model of texts has the inputs input_ids and attention_mask, but this one has {', '.join(inputs)}")
            return
        if len(inputs) != 1:
            raise BadModel(f"an extractor has one input, or a tokenizer in its metadata, but this model has {len(inputs)} inputs")
        ((self._input, taken),) = inputs.items()
        _of_floats("input", taken)
        shape = taken.shape or []
        if len(shape) > 1 and isinstance(shape[0], int) and shape[0] != 1:
            raise BadModel(
                f"an extractor computes each record by itself, but this model takes {shape[0]} at once: export it with an open batch size, "
                "or a batch of 1"
            )
        self._sizes = shape[1:]

    @property
    def takes_text(self) -> bool:
        """Whether it takes texts."""
        return self._tokenizer is not None

    def __call__(self, inputs: Sequence[str] | npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Features of shape (n, features) of n texts, or of numbers of the shape that the model declares, or as rows: (n, numbers).

        Records run alone: in a batch, the others would change the last bits.
        """
        if self._tokenizer is None:
            values = self._shaped(_floats(inputs))
            return np.stack([self._run(i, {self._input: values[i : i + 1]}) for i in range(len(values))])
        given: list[Any] = [None] if isinstance(inputs, str) else list(inputs)  # type: ignore[arg-type]
        texts = [text for text in given if isinstance(text, str)]
        if len(texts) < len(given):
            wrong = inputs if isinstance(inputs, str) else next(text for text in given if not isinstance(text, str))
            raise BadQuery(f"the extractor takes a list of texts, not {wrong!r}")
        keys = [hashlib.sha256(text.encode()).digest() for text in texts]
        known = self._load()
        missing: dict[bytes, tuple[int, str]] = {}
        for record, (key, text) in enumerate(zip(keys, texts)):
            if key not in known:
                missing.setdefault(key, (record, text))
        known.update((key, self._embed(record, text)) for key, (record, text) in missing.items())
        if missing and self._cache:
            self._store(known)
        return np.stack([known[key] for key in keys])

    def _shaped(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Rows in the shape that the model declares, of which one size after the batch's may be unknown."""
        if values.ndim != 2 or not self._sizes:
            return values
        width = values.shape[1]
        sizes = filled(self._sizes, width)
        if sizes is None:
            shape = ", ".join(str(size) if isinstance(size, int) else "?" for size in self._sizes)
            raise BadQuery(f"the model takes numbers of shape [batch, {shape}], but a record has {width}: give it one for each place")
        return values.reshape(len(values), *sizes)

    def _embed(self, record: int, text: str) -> npt.NDArray[np.float32]:
        """Features of one text."""
        assert self._tokenizer is not None
        tokens = self._tokenizer.encode(text)
        feeds = {
            "input_ids": np.array([tokens.ids], dtype=np.int64),
            "attention_mask": np.array([tokens.attention_mask], dtype=np.int64),
        }
        return self._run(record, feeds)

    def _run(self, record: int, feeds: dict[str, npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """Features of one record."""
        try:
            found = np.ravel(self._session.run([self._output], feeds)[0])
        except Exception as failed:
            raise BadModel(f"record {record}: onnxruntime failed to run the model: {failed}") from failed
        wrong = np.flatnonzero(~np.isfinite(found))
        if wrong.size:
            raise BadModel(
                f"record {record}: the model gives {found[wrong[0]]} for feature e{wrong[0]}, which is not a finite number: leave this "
                "record out, or export a model that is defined for it"
            )
        return found

    def _load(self) -> dict[bytes, npt.NDArray[np.float32]]:
        if self._cache is None or not self._cache.exists():
            return {}
        with np.load(self._cache) as file:
            return {key.tobytes(): row for key, row in zip(file["keys"], file["features"])}

    def _store(self, known: dict[bytes, npt.NDArray[np.float32]]) -> None:
        assert self._cache is not None
        self._cache.parent.mkdir(parents=True, exist_ok=True)
        part = self._cache.with_suffix(".part.npz")
        keys = np.frombuffer(b"".join(known), dtype=np.uint8).reshape(-1, 32)
        np.savez(part, keys=keys, features=np.stack(list(known.values())))
        os.replace(part, self._cache)

    def schema(self, name: str, features: npt.ArrayLike, target: Sequence[str] | tuple[float, float]) -> Schema:
        """A schema that pins this extractor, with one range for all features.

        Embeddings have dimensions that hardly vary. A range of their own would blow up their last bits, in which machines differ.

        Parameters
        ----------
        features : array_like of shape (n, features)
            Features that are typical.
        target : sequence of str, or (lo, hi)
            Class labels, or the range of a real value.
        """
        seen = np.asarray(features)
        end = float(np.abs(seen).max()) * SPARE
        width = seen.shape[1]
        names = [f"e{i}" for i in range(width)]
        return Schema.of(name, names, np.full(width, -end), np.full(width, end), target, self.sha256)

    def query(self, schema: Schema, raw: Any) -> npt.NDArray[np.float32]:
        """Features of one raw input, for an agent of `schema`.

        Raises
        ------
        BadQuery
            The schema pins another extractor, or none.
        """
        if schema.extractor != self.sha256:
            pinned = f"the extractor {schema.extractor.hex()}" if schema.extractor else "no extractor"
            raise BadQuery(f"the agent's schema pins {pinned}; this one is {self.sha256.hex()}: get the model from the agent's owner")
        return self([raw])[0]


def split(model: str | os.PathLike[str], body: str | os.PathLike[str]) -> str:
    """Writes the part of a model before its last dense layer, to be used as an extractor.

    A network with hidden layers, or a linear model over a kernel map, has no head that can be proven as it is. Its last dense layer
    does: refit it, by :func:`tribute.certify`, on the features that this part computes. The certificate then says that the body's
    own training is not proven.

    Parameters
    ----------
    model : path
        An ONNX file.
    body : path
        ONNX file to write. Equal models give equal files.

    Returns
    -------
    str
        Name of the layer's node.

    Raises
    ------
    BadModel
        Its first output does not come from a dense layer, nothing but a scaling of the inputs precedes that layer, or what precedes it
        does not compute in float32 or gives other features each time.
    """
    import onnx

    whole = described(model_file(model), os.fspath(model))
    graph = whole.graph
    constants = _constants(graph)
    layer = _last_layer(graph, constants)
    needed: list[Any] = []
    wanted = {layer.input[0]} if layer else set()
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            needed.insert(0, node)
            wanted.update(node.input)
    if layer is None or all(_is_plain(node, constants) for node in needed):
        raise BadModel("no layers precede the last dense one: import the model itself (`tribute agent import`)")
    other = _other_floats(whole, layer)
    if other:
        raise BadModel(
            f"layer `{node_name(layer)}` takes {other}, but an extractor's features are float32: export the network in float32"
        )
    del graph.node[:]
    graph.node.extend(needed)
    kept = [t for t in graph.initializer if t.name in wanted]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    del graph.output[:]
    graph.output.append(onnx.helper.make_tensor_value_info(layer.input[0], onnx.TensorProto.FLOAT, None))
    del graph.value_info[:]
    Path(body).write_bytes(whole.SerializeToString(deterministic=True))
    return node_name(layer)


def _other_floats(model: Any, layer: Any) -> str | None:
    """The floats that a layer takes, if they are known to be others than float32."""
    import onnx

    graph = onnx.shape_inference.infer_shapes(model).graph
    found = {value.name: value.type.tensor_type.elem_type for value in [*graph.input, *graph.value_info, *graph.output]}
    weights = {tensor.name: tensor.data_type for tensor in graph.initializer}
    # weights are of the type of the features
    element = found.get(layer.input[0]) or next((weights[i] for i in layer.input[1:] if i in weights), 0)
    kind = onnx.TensorProto.DataType.Name(element)
    return {"DOUBLE": "float64", "FLOAT16": "float16", "BFLOAT16": "bfloat16"}.get(kind)


def _constants(graph: Any) -> set[str]:
    """The tensors that do not depend on the input."""
    known = {tensor.name for tensor in graph.initializer}
    for node in graph.node:
        if all(not i or i in known for i in node.input) if node.input else node.op_type == "Constant":
            known.update(node.output)
    return known


def _varying(node: Any, constants: set[str]) -> list[str]:
    return [i for i in node.input if i and i not in constants]


def _last_layer(graph: Any, constants: set[str]) -> Any:
    """The one dense layer that the first output depends on through `HEAD_OPERATORS` only; None if there is no layer at all."""
    open_tensors = {graph.output[0].name}
    for node in reversed(graph.node):
        if not open_tensors.intersection(node.output):
            continue
        open_tensors.difference_update(node.output)
        weighted = node.op_type in ("Gemm", "MatMul") and node.input[1] in constants
        if not open_tensors and (weighted or node.op_type in ("LinearClassifier", "LinearRegressor")):
            return node
        if node.op_type not in HEAD_OPERATORS:
            raise BadModel(
                f"node `{node_name(node)}` ({node.op_type}) follows no dense layer that ends the model: export it with the logits "
                "as its first output"
            )
        open_tensors.update(_varying(node, constants))
    return None


def _is_plain(node: Any, constants: set[str]) -> bool:
    count = len(_varying(node, constants))
    return count == 0 or node.op_type == "Concat" or (count == 1 and node.op_type in PLAIN_OPERATORS)


def _floats(inputs: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Inputs in single precision; those that are already are not copied."""
    given = _unmasked(inputs, "inputs", BadQuery)
    if isinstance(given, np.ndarray) and given.dtype == np.float32:
        return np.asarray(given)
    return _numbers(given, "inputs").astype(np.float32)


def _of_floats(what: str, found: Any) -> None:
    """Refuses an input or output that is not a tensor of float32."""
    if found.type != "tensor(float)":
        raise BadModel(
            f"the {what} `{found.name}` of an extractor is of float32, but in this model it is {found.type}: export it in float32, with "
            "the features as its first output"
        )


def _tokenizer(metadata: dict[str, str]) -> Any:
    from tokenizers import Tokenizer

    try:
        made = Tokenizer.from_str(metadata["tokenizer"])
        made.no_padding()
        made.enable_truncation(int(metadata.get("tokens", 512)))
    except Exception as failed:  # tokenizers' errors are of no class of their own
        raise BadModel(f"the tokenizer in its metadata is unusable: {failed}") from failed
    return made
