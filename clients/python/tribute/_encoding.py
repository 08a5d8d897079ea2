"""Arguments of the client's methods as the service's messages have them."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import numpy.typing as npt
from eth_utils.address import is_checksum_address

from . import errors
from ._graph import parsed, tensors, values_file
from ._proto.tribute.v1 import agent_pb2
from .schema import Schema
from .types import LAMBDA_UNIT, Agent, Dataset

PACKED = (b"\x1f\x8b", b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")
"""How files of gzip, Parquet, and Arrow's file and stream formats begin."""


def packed(table: bytes) -> bytes:
    """A table's file as it is uploaded: text compressed, what is compressed or columnar as it is."""
    return table if table.startswith(PACKED) else gzip.compress(table, mtime=0)


def quantised(schema: Schema, features: npt.ArrayLike, targets: npt.ArrayLike) -> bytes:
    """Encodes records for the service: for each record, one byte per feature and two for its target."""
    numbers = schema.quantise_target(targets).astype(">u2").view(np.uint8).reshape(-1, 2)
    return np.hstack([schema.quantise(features), numbers]).tobytes()


def training_terms(datasets: Sequence[Any], penalty: float, link: str) -> agent_pb2.TrainingTerms:
    units = round(penalty / LAMBDA_UNIT)
    if units < 1:
        raise ValueError(f"a penalty of {penalty} is below the smallest there is, {LAMBDA_UNIT}")
    terms = agent_pb2.TrainingTerms(dataset_ids=[id_of(d) for d in datasets], link=f"LINK_{link.upper()}")
    setattr(terms, "lambda", units)  # a word of Python's own
    return terms


def basis_points(name: str, part: float) -> int:
    points = round(part * 10_000)
    if not 0 <= points <= 10_000:
        raise ValueError(f"{name} is {part}: it is a part of the whole, 0 to 1")
    return points


def bytes_of(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else bytes.fromhex(value.removeprefix("0x"))


def address_of(value: bytes | str) -> bytes:
    """An account's address.

    Raises
    ------
    ValueError
        It is not 20 bytes in hex, has a wrong checksum of EIP-55, or is zero, whose key nobody has. Without capital letters, or without
        small ones, it has no checksum.
    """
    digits = value.hex() if isinstance(value, bytes) else re.sub("^0[xX]", "", value)
    if not re.fullmatch("[0-9a-fA-F]{40}", digits):
        raise ValueError(f"an address is 0x and 40 hex digits, not {len(digits)} characters of another form")
    if digits not in (digits.lower(), digits.upper()) and not is_checksum_address(f"0x{digits}"):
        raise ValueError(f"the address 0x{digits} has a wrong checksum: a character was mistyped, copy it again")
    address = bytes.fromhex(digits)
    if not any(address):
        raise ValueError("the address is zero, which belongs to nobody")
    return address


def id_of(dataset: Dataset | bytes | str) -> bytes:
    return dataset.id if isinstance(dataset, Dataset) else bytes_of(dataset)


def weights_of(agent: Agent | bytes | str) -> bytes:
    return agent.weights_digest if isinstance(agent, Agent) else bytes_of(agent)


def model_file(source: str | os.PathLike[str] | bytes) -> bytes:
    """An ONNX model in one file, with tensors that lie in a file beside it.

    Raises
    ------
    errors.BadModel
        It is no ONNX file, or its tensors are not in regular files of its folder, or not whole.
    """
    if isinstance(source, bytes):
        return source
    content = Path(source).read_bytes()
    try:
        import onnx
    except ImportError:
        return content  # one with tensors outside is refused by the service, which says what to do
    described = parsed(content, os.fspath(source))
    outside = [tensor for tensor in tensors(described) if onnx.external_data_helper.uses_external_data(tensor)]
    if not outside:
        return content
    folder = Path(source).parent.resolve()
    for tensor in outside:
        location = values_file(tensor)
        file = (folder / location).resolve()
        if not file.is_relative_to(folder) or not file.is_file():
            raise errors.BadModel(f"tensor `{tensor.name}` keeps its values in `{location}`, which is no regular file beside the model")
        try:
            onnx.external_data_helper.load_external_data_for_tensor(tensor, os.fspath(folder))
        except (OSError, ValueError, onnx.checker.ValidationError) as failed:
            reason = str(failed).rstrip(".")
            raise errors.BadModel(
                f"tensor `{tensor.name}` keeps its values in `{location}`, which cannot be used: {reason}. Copy that file again, or "
                "export the model in one file, in PyTorch by torch.onnx.export(…, external_data=False)"
            ) from failed
        # some versions of onnx leave it to the caller
        tensor.ClearField("data_location")
        tensor.ClearField("external_data")
    return described.SerializeToString()
