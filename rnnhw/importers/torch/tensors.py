"""Tensors of checkpoints and safetensors, read when they are asked for; nothing is executed.

A checkpoint of torch is a zip file: `data.pkl` names the tensors and `data/0`, `data/1`... hold
their bytes. A pickle is a program, so its instructions are looked at first, and of what it may
call there are stand-ins of our own alone (:class:`_Reader`). Any other name in it is an error.
"""

from __future__ import annotations

import collections
import io
import math
import pickle
import pickletools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError, escaped, few
from rnnhw.files import read_json
from rnnhw.importers.archive import opened_zip
from rnnhw.importers.network import FloatArray, checked_tensor

__all__ = ["Stored", "numbers", "opened_checkpoint", "opened_safetensors"]

_AGAIN = "the file is damaged: save it again"
_MOST_PICKLE = 1 << 26
_MOST_HEADER = 1 << 26
_DEEPEST = 8


@dataclass(frozen=True)
class Stored:
    """A tensor whose numbers are not read yet."""

    shape: tuple[int, ...]
    read: Callable[[], FloatArray]


def numbers(place: str, raw: bytes, dtype: str, shape: tuple[int, ...]) -> FloatArray:
    """Bytes as numbers of one of numpy's types or ``bfloat16``, as float64.

    Raises:
        DesignError: one is infinite or NaN.
    """
    values: NDArray[Any]
    if dtype == "bfloat16":  # the upper half of a float32
        values = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
    else:
        values = np.frombuffer(raw, np.dtype(dtype).newbyteorder("<"))
    return checked_tensor(place, values.reshape(shape).astype(np.float64))


def item_bytes(dtype: str) -> int:
    """The bytes of one number."""
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


# --- safetensors ----------------------------------------------------------------------------------
_SAFE_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64",
    "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


@contextmanager
def opened_safetensors(path: Path) -> Iterator[Mapping[str, Stored]]:
    """The tensors of a safetensors file: 8 bytes of length, JSON, then their bytes.

    Raises:
        DesignError: it cannot be read, or a tensor is not of the size that it claims.
    """
    try:
        file = path.open("rb")
        size = path.stat().st_size
    except OSError as error:
        reason = str(error.strerror).lower()
        raise DesignError(f"{path}: {reason}", "give the path of a safetensors file") from None
    with file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _MOST_HEADER):
            raise DesignError(f"{path}: not a safetensors file (its header has no end)", _AGAIN)
        try:
            header = read_json(file.read(length))
        except ValueError as error:
            raise DesignError(f"{path}: its header: {error}", _AGAIN) from None
        if not isinstance(header, dict):
            raise DesignError(f"{path}: its header is no list of tensors", _AGAIN)
        yield {
            name: _safe_tensor(path, file, name, entry, 8 + length, size)
            for name, entry in header.items()
            if name != "__metadata__"
        }


def _safe_tensor(path: Path, file: Any, name: str, entry: Any, start: int, size: int) -> Stored:
    place = f"{path}: tensor {escaped(name[:80])!r}"
    match entry:
        case {"dtype": str(kind), "shape": list(dims), "data_offsets": [int(first), int(end)]}:
            shape = tuple(dims)
        case _:
            raise DesignError(f"{place} is not described", _AGAIN)
    if kind not in _SAFE_TYPES or not all(type(d) is int and d >= 0 for d in shape):
        raise DesignError(f"{place} holds {escaped(kind[:20])} {str(dims)[:40]}", "save as float32")
    dtype = _SAFE_TYPES[kind]
    if end - first != math.prod(shape) * item_bytes(dtype) or first < 0 or start + end > size:
        raise DesignError(f"{place} claims {list(shape)}, and the file holds less", _AGAIN)

    def read() -> FloatArray:
        file.seek(start + first)
        return numbers(place, file.read(end - first), dtype, shape)

    return Stored(shape, read)


# --- checkpoints ----------------------------------------------------------------------------------
@contextmanager
def opened_checkpoint(path: Path, key: str | None = None) -> Iterator[Mapping[str, Stored]]:
    """The tensors of a state dict in a file of ``torch.save``; ``key`` names the part that holds
    them where there are several.

    Raises:
        DesignError: it cannot be read, holds Python objects, or no state dict.
    """
    place = str(path)
    if _is_old(path):
        value, storages = _old(place, path.read_bytes())
        yield _described(place, _state_dict(place, value, key), storages.get)
        return
    with opened_zip(path, "checkpoint of torch") as archive:
        roots = [name for name in archive.names if name.endswith("/data.pkl")]
        if any("/code/" in name or name.endswith("/constants.pkl") for name in archive.names):
            raise DesignError(f"{path}: TorchScript, which is code", _STATE_DICT)
        if len(roots) != 1:
            raise DesignError(f"{path}: no data.pkl in it", _STATE_DICT)
        root = roots[0].removesuffix("data.pkl")
        order = f"{root}byteorder"
        if order in archive.names and archive.read(order, 16) != b"little":
            raise DesignError(f"{path}: numbers of another byte order", _STATE_DICT)
        value = _unpickled(place, archive.read(roots[0], _MOST_PICKLE))

        def bytes_of(name: str) -> _Bytes | None:
            member = f"{root}data/{name}"
            if member not in archive.names:
                return None
            return _Bytes(archive.size(member), lambda: archive.read(member))

        yield _described(place, _state_dict(place, value, key), bytes_of)


@dataclass(frozen=True)
class _Bytes:
    """The bytes of a storage, read when they are asked for."""

    size: int
    read: Callable[[], bytes]


def _described(
    place: str, found: Mapping[str, _Tensor], bytes_of: Callable[[str], _Bytes | None]
) -> dict[str, Stored]:
    return {
        name: tensor.stored(f"{place}: tensor {escaped(name[:80])!r}", bytes_of)
        for name, tensor in found.items()
    }


_OLD_MAGIC = 0x1950A86A20F9469CFC6C
_OLD_START = b"\x80\x02\x8a\x0a"
"""Protocol 2, and a long number of ten bytes: the magic number."""


def _is_old(path: Path) -> bool:
    """Whether the file is of torch before 1.6: pickles, one behind the other, then numbers."""
    try:
        with path.open("rb") as file:
            return file.read(len(_OLD_START)) == _OLD_START
    except OSError:
        return False  # told by what reads it


def _old(place: str, content: bytes) -> tuple[Any, dict[str, _Bytes]]:
    """The value of an old file, and its storages: a count of 8 bytes, then the numbers."""
    values, at = [], 0
    for _ in range(5):
        value, at = _unpickled_part(place, content, at)
        values.append(value)
    magic, _, system, value, keys = values
    if magic != _OLD_MAGIC or not isinstance(system, dict) or not isinstance(keys, list):
        raise DesignError(f"{place}: not a checkpoint of torch", _AGAIN)
    if system.get("little_endian") is not True:
        raise DesignError(f"{place}: numbers of another byte order", _STATE_DICT)
    widths = {each.key: item_bytes(each.dtype) for each in _storages(value)}
    found: dict[str, _Bytes] = {}
    for key in keys:
        count = int.from_bytes(content[at : at + 8], "little")
        start = at + 8
        at = start + count * widths.get(key, 1)
        if at > len(content) or key not in widths:
            raise DesignError(f"{place}: it ends before its numbers do", _AGAIN)
        found[key] = _Bytes(at - start, lambda a=start, b=at: content[a:b])  # type: ignore[misc]
    return value, found


def _storages(value: Any) -> Iterator[_Storage]:
    """The storages of all tensors in a value."""
    pending, seen = [value], set()
    while pending:
        each = pending.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        match each:
            case _Tensor(storage=_Storage() as storage):
                yield storage
            case dict():
                pending += each.values()
            case list() | tuple():
                pending += each


_STATE_DICT = "save the weights alone: torch.save(model.state_dict(), 'weights.pt')"


@dataclass(frozen=True)
class _Storage:
    dtype: str
    key: str
    count: int


@dataclass(frozen=True)
class _Tensor:
    """The description of a tensor in a pickle; ``stored`` checks it against the archive."""

    storage: Any
    offset: Any
    shape: Any
    strides: Any

    def stored(self, place: str, bytes_of: Callable[[str], _Bytes | None]) -> Stored:
        """The tensor of the bytes that the file holds."""
        storage, shape, strides = self.storage, self.shape, self.strides
        whole = (self.offset, *shape, *strides) if _tuples(shape, strides) else (-1,)
        if (
            not isinstance(storage, _Storage)
            or not all(type(each) is int and each >= 0 for each in whole)
            or len(shape) != len(strides)
        ):
            raise DesignError(f"{place} is not described", _AGAIN)
        width, source = item_bytes(storage.dtype), bytes_of(storage.key)
        if source is None:
            raise DesignError(f"{place}: its numbers are not in the file", _AGAIN)
        held = source.size // width
        reach = self.offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        count = math.prod(shape)
        if count > held or (count and reach >= held):
            raise DesignError(f"{place} claims {list(shape)}, and the file holds less", _AGAIN)

        def read() -> FloatArray:
            flat = numbers(place, source.read()[: held * width], storage.dtype, (held,))
            steps = [s * flat.itemsize for s in strides]
            return np.lib.stride_tricks.as_strided(flat[self.offset :], shape, steps).copy()

        return Stored(tuple(shape), read)


def _tuples(*values: object) -> bool:
    return all(isinstance(value, tuple) for value in values)


_STORAGES = {
    "DoubleStorage": "float64", "FloatStorage": "float32", "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16", "LongStorage": "int64", "IntStorage": "int32",
    "ShortStorage": "int16", "CharStorage": "int8", "ByteStorage": "uint8", "BoolStorage": "bool",
}  # fmt: skip


def _rebuilt(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


def _parameter(data: Any, *_: Any) -> Any:
    return data


_CALLED: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuilt,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch", "Size"): tuple,
    **{("torch", name): dtype for name, dtype in _STORAGES.items()},
}
"""The names that a pickle may use, and their stand-ins."""

_INSTRUCTIONS = {
    "PROTO", "STOP", "MARK", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "TUPLE", "TUPLE1",
    "TUPLE2", "TUPLE3", "SETITEM", "SETITEMS", "APPEND", "APPENDS", "NONE", "NEWTRUE", "NEWFALSE",
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE",
    "SHORT_BINSTRING", "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "MEMOIZE", "GLOBAL",
    "STACK_GLOBAL", "REDUCE", "BUILD", "BINPERSID", "FRAME", "BINBYTES", "SHORT_BINBYTES",
}  # fmt: skip


class _Reader(pickle.Unpickler):
    """Builds dictionaries, lists, numbers and descriptions of tensors; nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _CALLED:
            return _CALLED[module, name]
        shown = escaped(f"{module}.{name}"[:80])
        raise DesignError(f"it holds Python objects ({shown}), which are never loaded", _STATE_DICT)

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", str(dtype), str(key), _, int(count), *view) if view in ([], [None]):
                return _Storage(dtype, key, count)
        raise DesignError("it holds what is no tensor", _STATE_DICT)


def _unpickled(place: str, content: bytes) -> Any:
    """The value of a pickle of dictionaries and tensors."""
    return _unpickled_part(place, content, 0)[0]


def _unpickled_part(place: str, content: bytes, start: int) -> tuple[Any, int]:
    """The value of the pickle that begins at ``start``, and the place behind it."""
    end = start
    try:
        stream = io.BytesIO(content)
        stream.seek(start)
        for count, (instruction, argument, position) in enumerate(pickletools.genops(stream)):
            # The memo is as long as its greatest index: no more than there are instructions.
            vast = instruction.name == "LONG_BINPUT" and int(str(argument)) > count
            if instruction.name not in _INSTRUCTIONS or vast:
                raise DesignError(
                    f"it holds Python objects (instruction {instruction.name}), which are never "
                    "loaded",
                    _STATE_DICT,
                )
            end = (position or 0) + 1
        return _Reader(io.BytesIO(content[start:end])).load(), end
    except DesignError as error:
        raise error.at(place) from None
    except Exception as error:  # a pickle that is none raises whatever it likes
        kind = type(error).__name__
        raise DesignError(f"{place}: its pickle is damaged ({kind})", _AGAIN) from None


def _state_dict(place: str, value: Any, key: str | None) -> dict[str, _Tensor]:
    """The dictionary of tensors in a checkpoint: the one with recurrent weights, or of ``key``."""
    found: dict[str, dict[str, _Tensor]] = {}
    seen: set[int] = set()

    def look(path: str, each: Any, depth: int) -> None:
        if not isinstance(each, dict) or id(each) in seen or depth > _DEEPEST:
            return
        seen.add(id(each))
        tensors = {k: v for k, v in each.items() if isinstance(k, str) and isinstance(v, _Tensor)}
        if tensors:
            found[path] = tensors
        for name, inner in each.items():
            look(f"{path}.{name}" if path else str(name), inner, depth + 1)

    look("", value, 0)
    if key is not None:
        if key not in found:
            known = few(escaped(name) for name in found)
            raise DesignError(f"{place}: no tensors under {key!r}", f"there are: {known or 'none'}")
        return found[key]
    chosen = [path for path, tensors in found.items() if any("weight_ih" in k for k in tensors)]
    if len(chosen) == 1:
        return found[chosen[0]]
    if not chosen:
        raise DesignError(f"{place}: no weights of a recurrent layer", _STATE_DICT)
    names = few(escaped(name) for name in chosen)
    raise DesignError(f"{place}: several state dicts: {names}", f"choose one: --from {chosen[0]}")
