"""The numbers of a network: read from an ``.npz`` file or arrays, checked, and quantised."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnhw.errors import DesignError
from rnnhw.graph.network import Network
from rnnhw.graph.nodes import Matvec, Tensor
from rnnhw.numerics.cast import Events, quantise, underflows

__all__ = ["Parameters", "WeightSource", "load_parameters", "read_npz"]

WeightSource = str | Path | Mapping[str, ArrayLike]


@dataclass(frozen=True, eq=False)
class Parameters:
    """The tensors of a network by key: real numbers, raw integers, what clipped, and how many
    numbers that are not zero became zero."""

    values: Mapping[str, NDArray[np.float64]]
    raw: Mapping[str, NDArray[np.int64]]
    events: Mapping[str, Events]
    underflows: Mapping[str, int] = field(default_factory=dict)


def read_npz(path: Path) -> dict[str, NDArray[np.generic]]:
    """Every array of an ``.npz`` file; pickled objects are refused.

    Raises:
        DesignError: the file is missing, is no ``.npz``, or holds Python objects.
    """
    try:
        # Opened here, because numpy.load leaves a file open that it cannot read.
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DesignError(
                    f"{path}: one bare array", "save it with numpy.savez(FILE, x=array)"
                )
            with archive:
                return {key: np.asarray(archive[key]) for key in archive.files}
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        reason = str(error.strerror).lower()
        raise DesignError(f"{path}: {reason}", "give the path of an .npz file") from None
    except MemoryError as error:
        raise DesignError(f"{path}: too large: {error}", "give it in parts") from None
    except (
        ValueError,
        OSError,
        EOFError,
        KeyError,
        RuntimeError,  # an encrypted or unknown compression
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        pickled = "pickle" in str(error).lower() and zipfile.is_zipfile(path)
        reason = "it holds Python objects, which are never unpickled" if pickled else "unreadable"
        raise DesignError(
            f"{path}: not a plain .npz file ({reason})", "save numeric arrays with numpy.savez"
        ) from None


def load_parameters(network: Network, source: WeightSource) -> Parameters:
    """The network's tensors from ``source``, checked against its shapes and quantised.

    Raises:
        DesignError: a key is missing or unknown, a shape disagrees, a number is NaN or infinite;
            the message names file, key, both shapes.
    """
    if isinstance(source, Mapping):
        place, arrays = "weights", {key: _array(key, value) for key, value in source.items()}
    else:
        place, arrays = str(source), read_npz(Path(source))
    wanted = {tensor.key: tensor for tensor in network.tensors}
    missing = sorted(wanted.keys() - arrays.keys())
    if missing:
        raise DesignError(
            f"{place}: no {', '.join(missing)}",
            f"it holds {', '.join(sorted(arrays)) or 'nothing'}; "
            "`rnnhw info DESIGN` lists the tensors with their shapes",
        )
    surplus = sorted(arrays.keys() - wanted.keys())
    if surplus:
        raise DesignError(
            f"{place}: the design has no tensor {', '.join(surplus)}",
            f"it reads {', '.join(wanted) or 'none'}",
        )
    values = {key: _checked(place, tensor, arrays[key]) for key, tensor in wanted.items()}
    for node in _weighted_products(network):
        _check_values(place, node, values)
    raw, events, lost = {}, {}, {}
    for key, tensor in wanted.items():
        raw[key], events[key] = quantise(values[key], tensor.format)
        lost[key] = underflows(values[key], raw[key], tensor.format)
    return Parameters(values, raw, events, lost)


def _array(key: str, value: ArrayLike) -> NDArray[np.generic]:
    try:
        return np.asarray(value)
    except ValueError:
        raise DesignError(f"weights: {key} is no array: its rows differ in length") from None


def _checked(place: str, tensor: Tensor, array: NDArray[np.generic]) -> NDArray[np.float64]:
    if array.shape != tensor.shape:
        raise DesignError(
            f"{place}: {tensor.key} has shape {array.shape}, the design needs {tensor.shape}",
            "change the design's width or the weights, so that both agree",
        )
    if array.dtype.kind not in "fiub":
        raise DesignError(f"{place}: {tensor.key} holds {array.dtype}, not real numbers")
    values = array.astype(np.float64)
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        index = tuple(int(i) for i in bad[0])
        raise DesignError(
            f"{place}: {tensor.key}{list(index)} is {values[index]}",
            f"{len(bad)} of {values.size} values are not finite: train again or replace them",
        )
    return values


def _check_values(place: str, product: Matvec, values: Mapping[str, NDArray[np.float64]]) -> None:
    """Refuse numbers that the structure cannot use, such as the corners of a band."""
    assert product.weights is not None
    key, shape = product.weights.key, (product.units, product.vector.units)
    try:
        product.structure.check_values(values[key], *shape)
    except DesignError as error:
        raise DesignError(f"{place}: {key}{error.message}", error.hint) from None


def _weighted_products(network: Network) -> Iterable[Matvec]:
    for scan in network.scans:
        for node in scan.graph.nodes:
            if isinstance(node, Matvec) and node.weights is not None:
                yield node
