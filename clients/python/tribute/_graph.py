"""What an ONNX file says of a model before it is run."""

from __future__ import annotations

import math
from typing import Any, Iterator, Sequence

from .errors import BadModel

TRAINING = "is in training mode: export after `model.eval()`"
RANDOM = "draws random numbers: export the model without it"
RANDOM_OPERATORS = {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}


def parsed(content: bytes, name: str) -> Any:
    """The model in `content`, which is called `name` in messages; raises BadModel if it is no ONNX file."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load_from_string(content)
    except DecodeError as broken:
        raise BadModel(f"{name} is not an ONNX file: {broken}") from broken


def described(content: bytes, name: str) -> Any:
    """The model in `content`, which is called `name` in messages: in one file, and with the same outputs for a record every time.

    Raises
    ------
    BadModel
        It is no ONNX file, it keeps tensors in another file, or a node is in training mode or draws random numbers.
    """
    import onnx

    model = parsed(content, name)
    for tensor in tensors(model):
        if onnx.external_data_helper.uses_external_data(tensor):
            raise BadModel(
                f"tensor `{tensor.name}` keeps its values in another file (`{values_file(tensor)}`), which is not read here: save the "
                "model in one file, in PyTorch by torch.onnx.export(…, external_data=False), otherwise by "
                "onnx.save_model(onnx.load(FILE), FILE)"
            )
    for nodes, constants in _parts(model):
        for node in nodes:
            fault = _fault(node, nodes, constants)
            if fault:
                raise BadModel(f"node `{node_name(node)}` ({node.op_type}) {fault}")
    return model


def tensors(message: Any) -> Iterator[Any]:
    """All tensors of a model or a part of it: initializers and those in attributes, also of inner graphs and functions."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                if field.message_type.full_name == "onnx.TensorProto":
                    yield part
                else:
                    yield from tensors(part)


def values_file(tensor: Any) -> str:
    """Where a tensor keeps its values, from the folder of its model; empty if it does not say."""
    return next((entry.value for entry in tensor.external_data if entry.key == "location"), "")


def filled(sizes: Sequence[int | str | None], numbers: int) -> tuple[int, ...] | None:
    """The shape of these declared sizes, of which one may be unknown, that has so many numbers; None if there is none."""
    known = math.prod(size for size in sizes if isinstance(size, int))
    unknown = sum(not isinstance(size, int) for size in sizes)
    if unknown > 1 or known == 0 or numbers % known or (unknown == 0 and known != numbers):
        return None
    return tuple(size if isinstance(size, int) else numbers // known for size in sizes)


def node_name(node: Any) -> str:
    """A node's name; one without a name is called by its output."""
    return node.name or node.output[0]


def _parts(model: Any) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
    """Nodes and constants of the model's graph, those in its nodes, and its functions."""

    def inside(nodes: Sequence[Any], constants: Sequence[Any]) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
        yield nodes, constants
        for node in nodes:
            for attribute in node.attribute:
                for graph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                    yield from inside(graph.node, graph.initializer)

    yield from inside(model.graph.node, model.graph.initializer)
    for function in model.functions:
        yield from inside(function.node, [])


def _fault(node: Any, nodes: Sequence[Any], constants: Sequence[Any]) -> str | None:
    """Why a node does not give the same output for the same record every time."""
    if node.op_type in RANDOM_OPERATORS:
        return RANDOM
    if node.op_type == "Dropout" and len(node.input) > 2:
        mode = node.input[2]
        made = [attribute.t for n in nodes if n.op_type == "Constant" and mode in n.output for attribute in n.attribute]
        held = [*made, *(tensor for tensor in constants if tensor.name == mode)]
        return TRAINING if any(any(tensor.raw_data) or any(tensor.int32_data) for tensor in held) else None
    if node.op_type == "BatchNormalization":
        # before opset 14, further outputs instead of the attribute
        marked = any(attribute.name == "training_mode" and attribute.i for attribute in node.attribute)
        return TRAINING if marked or any(node.output[1:]) else None
    return None
