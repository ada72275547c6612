"""Weights that were rounded elsewhere: what a design stores in place of the nearest numbers.

The float reference keeps the weights that were trained; integers alone are those of the rounding.
A rounding belongs to one set of weights and to one set of formats, and both are checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnhw.design.weights import Parameters, checked_tensor
from rnnhw.errors import DesignError, few
from rnnhw.files import open_npz
from rnnhw.graph.network import Network
from rnnhw.graph.row_scales import SCALES
from rnnhw.numerics.cast import quantise, real_values, underflows

__all__ = ["RoundedWeights", "weights_digest"]

FloatArray = NDArray[np.float64]

_AGAIN = "run the command that wrote it again"


@dataclass(frozen=True, eq=False)
class RoundedWeights:
    """Numbers that the formats of tensors hold exactly.

    ``source`` has them by tensor, in an ``.npz`` or as arrays; other tensors are rounded to
    nearest. ``sha256`` is that of the file, ``weights_sha256`` that of the weights that were
    rounded (:func:`weights_digest`); where one is empty, nothing is compared.
    """

    source: Path | Mapping[str, ArrayLike]
    sha256: str = ""
    weights_sha256: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """The file, where it is one."""
        return (self.source,) if isinstance(self.source, Path) else ()

    def stored(self, network: Network, parameters: Parameters) -> Parameters:
        """``parameters`` with these numbers as raw integers.

        Raises:
            DesignError: the file is another one or cannot be read, other weights were rounded, or
                a tensor's format does not hold its numbers.
        """
        place = str(self.source) if isinstance(self.source, Path) else "rounded weights"
        self._check_digests(place, network, parameters)
        raw, lost = dict(parameters.raw), dict(parameters.underflows)
        rounded = self._read(place, network)
        scaled = {scale.key for scan in network.scans for scale in scan.graph.scales}
        if scaled & rounded.keys():
            raise DesignError(
                f"{place}: the rows of {few(sorted(scaled & rounded.keys()))} have scales",
                "leave it out: such a tensor is divided by its scales and rounded to nearest",
            )
        for tensor in network.tensors:
            if tensor.key not in rounded:
                continue
            numbers, key = rounded[tensor.key], tensor.key
            raw[key] = quantise(numbers, tensor.format)[0]
            changed = np.argwhere(real_values(raw[key], tensor.format) != numbers)
            if len(changed):
                index = tuple(int(i) for i in changed[0])
                raise DesignError(
                    f"{place}: {key}{list(index)} is {numbers[index]}, which {tensor.format} does "
                    "not hold",
                    "it was rounded for another format: choose formats and rounding together with "
                    "`rnnhw quantize`",
                )
            lost[key] = underflows(parameters.values[key], raw[key], tensor.format)
        return replace(parameters, raw=raw, underflows=lost, rounded=rounded)

    def _check_digests(self, place: str, network: Network, parameters: Parameters) -> None:
        if self.sha256 and isinstance(self.source, Path):
            import hashlib

            try:
                found = hashlib.sha256(self.source.read_bytes()).hexdigest()
            except OSError as error:
                raise DesignError(f"{place}: {str(error.strerror).lower()}", _AGAIN) from None
            if found != self.sha256:
                raise DesignError(
                    f"{place}: its SHA-256 is {found}, the design names {self.sha256}", _AGAIN
                )
        if self.weights_sha256 and self.weights_sha256 != weights_digest(network, parameters):
            raise DesignError(
                f"{place}: other weights were rounded than those that the design reads",
                f"leave the design's parameters and its weights as they were, or {_AGAIN}",
            )

    def _read(self, place: str, network: Network) -> dict[str, FloatArray]:
        tensors = {tensor.key: tensor for tensor in network.tensors}
        with ExitStack() as stack:
            arrays: Mapping[str, NDArray[np.generic]]
            if isinstance(self.source, Path):
                arrays = stack.enter_context(open_npz(self.source))
            else:
                arrays = {key: np.asarray(value) for key, value in self.source.items()}
            surplus = sorted(arrays.keys() - tensors.keys())
            if surplus:
                raise DesignError(
                    f"{place}: the design has no tensor {few(surplus)}",
                    f"it reads {few(tensors) or 'none'}",
                )
            return {key: checked_tensor(place, tensors[key], arrays[key]) for key in arrays}


def weights_digest(network: Network, parameters: Parameters) -> str:
    """SHA-256 of the weights before any rounding: keys, shapes and float64 numbers, in the order of
    the keys. Scales of rows, which follow from formats, are left out."""
    import hashlib  # OpenSSL's takes 3 ms to import, and few commands need it

    digest = hashlib.sha256()
    for key in sorted(tensor.key for tensor in network.tensors if tensor.role not in SCALES):
        numbers = np.ascontiguousarray(parameters.given[key], "<f8")
        digest.update(f"{key} {numbers.shape}\n".encode())
        digest.update(numbers.tobytes())
    return digest.hexdigest()
