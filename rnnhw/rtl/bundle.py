"""What the emitter gives: the texts of a network's Verilog with all that their user must know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rnnhw.numerics.cast import Q

__all__ = ["Emission"]


@dataclass(frozen=True)
class Emission:
    """A network as Verilog: generated ``files`` by name, and the static ``modules`` they use.

    ``name`` is the top module's; ``inputs`` elements of ``input_format`` are one input vector.
    """

    name: str
    files: Mapping[str, str]
    modules: tuple[str, ...]
    inputs: int
    input_format: Q
    outputs: int
    output_format: Q
