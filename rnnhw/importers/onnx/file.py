"""The bytes of an ONNX file as a model, and its tensors as arrays whose sizes are checked first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError, UsageError, escaped

__all__ = ["Array", "attributes", "decimal", "read_model", "tensor_array"]

Array = NDArray[Any]

_MOST_BYTES = 1 << 31
"""The limit of Protobuf."""


def read_model(path: Path) -> Any:
    """The ``onnx.ModelProto`` of a file; data beside it is not read yet.

    Raises:
        DesignError: it cannot be read, or is no ONNX file.
        UsageError: the package ``onnx`` is not installed.
    """
    onnx = _onnx()
    from google.protobuf.message import DecodeError

    try:
        if path.stat().st_size >= _MOST_BYTES:
            raise DesignError(f"{path}: {path.stat().st_size:,} bytes", "an ONNX file has < 2 GiB")
        content = path.read_bytes()
    except OSError as error:
        reason = str(error.strerror).lower()
        raise DesignError(f"{path}: {reason}", "give the path of an ONNX file") from None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except (DecodeError, ValueError):
        raise DesignError(f"{path}: not an ONNX file (unreadable)", "export it again") from None
    if not model.graph.node:
        raise DesignError(f"{path}: not an ONNX file, or one without nodes", "export it again")
    if not all(isinstance(name, str) for name in _names(model.graph)):
        raise DesignError(f"{path}: a name in it is no text", "export it again")
    if model.functions:
        try:
            model = onnx.inliner.inline_local_functions(model)
        except (RuntimeError, ValueError) as error:
            words = escaped(" ".join(str(error).split()))[:200]
            raise DesignError(f"{path}: its functions: {words}", "export it again") from None
    return model


def _names(graph: Any) -> Iterator[Any]:
    """The names in a graph and those inside of it; protobuf gives bytes where one is no text."""
    yield from (each.name for each in (*graph.initializer, *graph.input, *graph.output))
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        for attribute in node.attribute:
            yield attribute.name
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _names(inner)


def _onnx() -> Any:
    try:
        import onnx
        import onnx.inliner
    except ImportError:
        raise UsageError(
            "reading ONNX files needs the package onnx", 'python -m pip install "rnnhw[onnx]"'
        ) from None
    return onnx


def attributes(node: Any) -> dict[str, Any]:
    """The attributes of a node by name; text as ``str``."""
    from onnx import helper

    found: dict[str, Any] = {}
    for attribute in node.attribute:
        value = helper.get_attribute_value(attribute)
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        elif isinstance(value, list | tuple) or type(value).__name__.startswith("Repeated"):
            value = [v.decode(errors="replace") if isinstance(v, bytes) else v for v in value]
        found[attribute.name] = value
    return found


_LARGEST_DENOMINATOR = 1000
_MOST_DIGITS = 4


def decimal(value: float) -> float:
    """A float32 attribute as the simple number that was rounded to it, such as 1/6 or 1e-5; itself
    where there is none."""
    short = np.float32(value)
    simple = Fraction(value).limit_denominator(_LARGEST_DENOMINATOR)
    if np.float32(simple) == short:
        return float(simple)
    text = str(short)
    digits = text.partition("e")[0].replace(".", "").strip("-0")
    return float(text) if len(digits) <= _MOST_DIGITS else float(value)


_FIELDS = {  # what holds the numbers where there are no raw bytes
    "FLOAT": "float_data", "DOUBLE": "double_data", "INT64": "int64_data",
    "UINT64": "uint64_data", "UINT32": "uint64_data",
    **dict.fromkeys(
        ("INT32", "INT16", "INT8", "UINT16", "UINT8", "BOOL", "FLOAT16", "BFLOAT16"), "int32_data"
    ),
}  # fmt: skip


def tensor_array(name: str, tensor: Any, folder: Path) -> Array:
    """The numbers of a ``TensorProto``.

    Raises:
        DesignError: its size is not what its shape says, its type is not numeric, or it names a
            file outside of ``folder``.
    """
    import onnx

    known = {number: kind for kind, number in onnx.TensorProto.DataType.items()}
    kind = known.get(tensor.data_type, f"type {tensor.data_type}")
    if kind not in _FIELDS:
        raise DesignError(f"tensor {name!r} holds {kind}", "rnnhw reads plain numbers")
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    shape = tuple(int(size) for size in tensor.dims)
    count = math.prod(shape) if all(size >= 0 for size in shape) else -1
    outside = tensor.data_location == onnx.TensorProto.EXTERNAL
    if outside or tensor.HasField("raw_data"):
        raw = _beside(name, tensor, folder, count * dtype.itemsize) if outside else tensor.raw_data
        held = len(raw) // dtype.itemsize if len(raw) % dtype.itemsize == 0 else -1
    else:
        raw = None
        held = len(getattr(tensor, _FIELDS[kind]))
    if held != count:
        raise DesignError(
            f"tensor {name!r} claims to be {list(shape)} and holds {max(held, 0):,} numbers",
            "the file is damaged: export it again",
        )
    if raw is None:
        array = onnx.numpy_helper.to_array(tensor)
    else:
        array = np.frombuffer(raw, dtype.newbyteorder("<")).reshape(shape)
    wide = kind in ("FLOAT16", "BFLOAT16")
    return array.astype(np.float32) if wide else np.asarray(array)


def _beside(name: str, tensor: Any, folder: Path, size: int) -> bytes:
    """The bytes of a tensor that stand in a file beside the model."""
    where: Mapping[str, str] = {entry.key: entry.value for entry in tensor.external_data}
    place = where.get("location", "")
    try:
        file = (folder / place).resolve()
        inside = file.is_relative_to(folder.resolve()) and file.is_file()
        offset = int(where.get("offset", "0"))
        length = int(where.get("length", size))
    except (OSError, ValueError, RuntimeError):
        inside, offset, length = False, 0, 0
    shown = escaped(place[:80])
    if not inside or offset < 0:
        raise DesignError(
            f"tensor {name!r} is in the file {shown!r}, which is not beside the model",
            "put the exporter's data file back beside the .onnx file",
        )
    if length != size or file.stat().st_size < offset + size:
        raise DesignError(
            f"tensor {name!r} claims {size:,} bytes of {shown!r}, which holds others",
            "the data file belongs to another model: export both again",
        )
    with file.open("rb") as stream:
        stream.seek(offset)
        return stream.read(size)
