"""The numbers of a network: read from an ``.npz`` file or arrays, checked, and quantised."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnhw.design.row_scales import add_scales, divided
from rnnhw.errors import DesignError, few
from rnnhw.files import Header, Npz, open_npz
from rnnhw.graph.network import Network
from rnnhw.graph.nodes import Matvec, Tensor
from rnnhw.graph.row_scales import SCALES
from rnnhw.numerics.cast import Events, quantise, underflows

__all__ = [
    "Parameters",
    "WeightSource",
    "checked_tensor",
    "in_other_formats",
    "load_parameters",
]

WeightSource = str | Path | Mapping[str, ArrayLike]


@dataclass(frozen=True, eq=False)
class Parameters:
    """The tensors of a network by key: real numbers, raw integers, what clipped, and how many
    numbers that are not zero became zero.

    Where rows have scales, ``values`` are the numbers divided by them, as the step graph reads
    them; ``given`` are those of the weights file, with the scales that it may not hold.
    ``rounded`` are the numbers that ``raw`` stands for where they are not the nearest to ``values``
    but chosen otherwise; the float reference reads ``values``.
    """

    values: Mapping[str, NDArray[np.float64]]
    raw: Mapping[str, NDArray[np.int64]]
    events: Mapping[str, Events]
    underflows: Mapping[str, int] = field(default_factory=dict)
    given: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    rounded: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.given:
            object.__setattr__(self, "given", self.values)


def load_parameters(network: Network, source: WeightSource) -> Parameters:
    """The network's tensors from ``source``, checked against its shapes and quantised.

    Raises:
        DesignError: a key is missing or unknown, a shape disagrees, a number is NaN or infinite;
            the message names file, key, both shapes.
    """
    if isinstance(source, Mapping):
        arrays = {key: _array(key, value) for key, value in source.items()}
        return _parameters(network, "weights", arrays)
    with open_npz(Path(source)) as archive:
        return _parameters(network, str(source), archive)


def _parameters(
    network: Network, place: str, arrays: Npz | Mapping[str, NDArray[np.generic]]
) -> Parameters:
    """The tensors of ``arrays``; an archive's are read when all of their headers are right."""
    wanted = {tensor.key: tensor for tensor in network.tensors}
    chosen = {t.key for t in wanted.values() if t.role in SCALES} - arrays.keys()
    missing = sorted(wanted.keys() - arrays.keys() - chosen)
    if missing:
        raise DesignError(
            f"{place}: no {few(missing)}",
            f"it holds {few(sorted(arrays)) or 'nothing'}; "
            "`rnnhw info DESIGN` lists the tensors with their shapes",
        )
    surplus = sorted(arrays.keys() - wanted.keys())
    if surplus:
        raise DesignError(
            f"{place}: the design has no tensor {few(surplus)}",
            f"it reads {few(wanted) or 'none'}",
        )
    headers = arrays.headers if isinstance(arrays, Npz) else arrays
    held = {key: tensor for key, tensor in wanted.items() if key not in chosen}
    for key, tensor in held.items():
        _check_header(place, tensor, headers[key])
    given = {key: _finite(place, tensor, arrays[key]) for key, tensor in held.items()}
    for node in _weighted_products(network):
        _check_values(place, node, given)
    given = add_scales(place, network, given)
    values = divided(network, given)
    raw, events, lost = {}, {}, {}
    for key, tensor in wanted.items():
        raw[key], events[key], lost[key] = _stored(values[key], tensor)
    return Parameters(values, raw, events, lost, given)


def _stored(values: NDArray[np.float64], tensor: Tensor) -> tuple[NDArray[np.int64], Events, int]:
    """Raw integers in the format of ``tensor``, what clipped, and how many became zero."""
    raw, events = quantise(values, tensor.format)
    return raw, events, underflows(values, raw, tensor.format)


def in_other_formats(parameters: Parameters, known: Network, network: Network) -> Parameters | None:
    """The parameters of ``known`` in the formats of ``network``, which is the same but for formats.

    Tensors whose format is the same share their arrays. None where the numbers themselves depend on
    formats: rows have scales, or weights were rounded otherwise than to nearest.
    """
    scaled = any(tensor.role in SCALES for tensor in (*known.tensors, *network.tensors))
    if scaled or parameters.rounded:
        return None
    before = {tensor.key: tensor for tensor in known.tensors}
    raw, events, lost = {}, {}, {}
    for tensor in network.tensors:
        key = tensor.key
        if key in before and before[key].format == tensor.format:
            raw[key], events[key] = parameters.raw[key], parameters.events[key]
            lost[key] = parameters.underflows[key]
        else:
            raw[key], events[key], lost[key] = _stored(parameters.values[key], tensor)
    return Parameters(parameters.values, raw, events, lost, parameters.given)


def checked_tensor(place: str, tensor: Tensor, array: NDArray[np.generic]) -> NDArray[np.float64]:
    """``array`` as float64 numbers of ``tensor``.

    Raises:
        DesignError: its shape is another, or it holds no finite real numbers.
    """
    _check_header(place, tensor, array)
    return _finite(place, tensor, array)


def _array(key: str, value: ArrayLike) -> NDArray[np.generic]:
    try:
        return np.asarray(value)
    except ValueError:
        raise DesignError(f"weights: {key} is no array: its rows differ in length") from None


def _check_header(place: str, tensor: Tensor, array: Header | NDArray[np.generic]) -> None:
    if array.shape != tensor.shape:
        raise DesignError(
            f"{place}: {tensor.key} has shape {array.shape}, the design needs {tensor.shape}",
            "change the design's width or the weights, so that both agree",
        )
    if array.dtype.kind not in "fiub":
        raise DesignError(f"{place}: {tensor.key} holds {array.dtype}, not real numbers")


def _finite(place: str, tensor: Tensor, array: NDArray[np.generic]) -> NDArray[np.float64]:
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
