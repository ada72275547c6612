"""The scales of rows of weights, powers of two or multipliers, and what is stored under them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError
from rnnhw.graph.network import Network
from rnnhw.graph.nodes import RowScale, Tensor
from rnnhw.graph.row_scales import EXPONENT, SCALES
from rnnhw.numerics.cast import quantise, real_values

__all__ = ["add_scales", "divided"]

FloatArray = NDArray[np.float64]


def add_scales(
    place: str, network: Network, given: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """``given`` with the scales of rows that it lacks.

    Of exponents those by which the row's weights, rounded and fitted to their formats, have the
    least squared error, the smallest of several; of multipliers the least by which none clips.

    Args:
        place: where the numbers come from, for errors.
        network: whose tensors they are.
        given: real numbers by key.

    Returns:
        Every tensor of the network, in its order.

    Raises:
        DesignError: an exponent that is given is no whole number of its format, or a multiplier
            is not above zero in it.
    """
    complete = dict(given)
    tensors = {tensor.key: tensor for tensor in network.tensors}
    for key, tensor in tensors.items():
        if tensor.role not in SCALES:
            continue
        if key in given:
            _check(place, tensor, given[key])
            continue
        choose = _exponents if tensor.role == EXPONENT else _multipliers
        chosen_by = [s for s in _scales(network) if s.of_rows == key and s.chosen_by]
        complete[key] = choose(tensor, chosen_by, tensors, given)
    return {key: complete[key] for key in tensors}


def divided(network: Network, given: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """``given`` as the step graph reads it: every scaled row divided by its scale as stored."""
    values = dict(given)
    factors = {}
    for tensor in network.tensors:
        if tensor.role in SCALES:
            stored = real_values(quantise(given[tensor.key], tensor.format)[0], tensor.format)
            values[tensor.key] = stored
            factors[tensor.key] = np.exp2(stored) if tensor.role == EXPONENT else stored
    for scale in _scales(network):
        flat = values[scale.key].ravel().copy()
        flat[scale.positions] /= factors[scale.of_rows][scale.rows]
        values[scale.key] = flat.reshape(values[scale.key].shape)
    return values


def _scales(network: Network) -> list[RowScale]:
    return [scale for scan in network.scans for scale in scan.graph.scales]


def _check(place: str, tensor: Tensor, values: FloatArray) -> None:
    if tensor.role == EXPONENT:
        fits = (values == np.rint(values)) & (values >= 0) & (values <= tensor.format.max)
        what = f"no whole number of 0 to {tensor.format.max}"
        cure = "give the exponents as whole numbers, or leave them out: then they are chosen"
    else:
        fits = quantise(np.maximum(values, 0), tensor.format)[0] > 0
        what = f"which is zero or less in {tensor.format}"
        cure = "give scales above zero, more fraction bits, or leave them out: then they are chosen"
    wrong = np.flatnonzero(~fits)
    if len(wrong):
        first = int(wrong[0])
        raise DesignError(f"{place}: {tensor.key}[{first}] is {values[first]:g}, {what}", cure)


def _exponents(
    tensor: Tensor,
    scales: list[RowScale],
    tensors: Mapping[str, Tensor],
    given: Mapping[str, FloatArray],
) -> FloatArray:
    errors = np.zeros((tensor.format.max + 1, tensor.shape[0]))
    for scale in scales:
        numbers, format = given[scale.key].ravel()[scale.positions], tensors[scale.key].format
        for exponent in range(len(errors)):
            stored = quantise(np.ldexp(numbers, -exponent), format)[0]
            lost = np.ldexp(real_values(stored, format), exponent) - numbers
            errors[exponent] += np.bincount(scale.rows, lost**2, tensor.shape[0])
    least: FloatArray = errors.argmin(0).astype(np.float64)
    return least


def _multipliers(
    tensor: Tensor,
    scales: list[RowScale],
    tensors: Mapping[str, Tensor],
    given: Mapping[str, FloatArray],
) -> FloatArray:
    needed = np.zeros(tensor.shape[0])
    for scale in scales:
        format = tensors[scale.key].format
        numbers = np.abs(given[scale.key].ravel()[scale.positions])
        np.maximum.at(needed, scale.rows, numbers / (format.max * format.step))
    steps = np.clip(np.ceil(needed / tensor.format.step), 1, tensor.format.max)
    chosen: FloatArray = steps * tensor.format.step
    return chosen
