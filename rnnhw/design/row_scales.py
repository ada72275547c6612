"""The exponents of per-channel power-of-two scales, and the numbers that are stored under them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError
from rnnhw.graph.network import Network
from rnnhw.graph.nodes import RowScale, Tensor
from rnnhw.numerics.cast import quantise, real_values

__all__ = ["add_exponents", "divided"]

FloatArray = NDArray[np.float64]


def add_exponents(
    place: str, network: Network, given: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """``given`` with the exponents that it lacks: of each row those by which its weights, rounded
    and fitted to their formats, have the least squared error; the smallest of several.

    Args:
        place: where the numbers come from, for errors.
        network: whose tensors they are.
        given: real numbers by key.

    Returns:
        Every tensor of the network, in its order.

    Raises:
        DesignError: an exponent that is given is no whole number of its format.
    """
    found = dict(given)
    tensors = {tensor.key: tensor for tensor in network.tensors}
    for key, tensor in tensors.items():
        if tensor.role != "scale_exponent":
            continue
        if key in given:
            _check(place, tensor, given[key])
        else:
            chosen_by = [s for s in _scales(network) if s.exponent == key and s.chosen_by]
            found[key] = _chosen(tensor, chosen_by, tensors, given)
    return {key: found[key] for key in tensors}


def divided(network: Network, given: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """``given`` as the step graph reads it: every scaled row divided by its power of two."""
    values = dict(given)
    for scale in _scales(network):
        flat = values[scale.key].ravel().copy()
        flat[scale.positions] *= np.exp2(-given[scale.exponent][scale.rows])
        values[scale.key] = flat.reshape(values[scale.key].shape)
    return values


def _scales(network: Network) -> list[RowScale]:
    return [scale for scan in network.scans for scale in scan.graph.scales]


def _check(place: str, tensor: Tensor, values: FloatArray) -> None:
    whole = (values == np.rint(values)) & (values >= 0) & (values <= tensor.format.max)
    wrong = np.flatnonzero(~whole)
    if len(wrong):
        first = int(wrong[0])
        raise DesignError(
            f"{place}: {tensor.key}[{first}] is {values[first]:g}, no whole number of 0 to "
            f"{tensor.format.max}",
            "give the exponents as whole numbers, or leave them out: then they are chosen",
        )


def _chosen(
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
