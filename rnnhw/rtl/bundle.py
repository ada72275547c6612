"""What the emitter gives: the texts of a network's Verilog with all that their user must know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rnnhw.numerics.cast import Q

__all__ = ["Emission", "OutputPort"]


@dataclass(frozen=True)
class OutputPort:
    """A stream of output vectors of ``units`` elements of ``format``. ``port`` is what its ports
    begin with, and ``name`` that of the output in the design; a single output has none."""

    port: str
    units: int
    format: Q
    name: str = ""

    @property
    def suffix(self) -> str:
        """The suffix that tells the port from the first output's, ``y``: nothing, 1, 2..."""
        return self.port.removeprefix("y")


@dataclass(frozen=True)
class Emission:
    """A network as Verilog: generated ``files`` by name, and the static ``modules`` they use.

    ``name`` is the top module's; ``inputs`` elements of ``input_format`` are one input vector,
    ``outputs`` of ``output_format`` one of the first output, which is called ``output_name`` where
    there are ``further`` ones.
    """

    name: str
    files: Mapping[str, str]
    modules: tuple[str, ...]
    inputs: int
    input_format: Q
    outputs: int
    output_format: Q
    output_name: str = ""
    further: tuple[OutputPort, ...] = ()

    @property
    def output_ports(self) -> tuple[OutputPort, ...]:
        """The streams of all outputs."""
        first = OutputPort("y", self.outputs, self.output_format, self.output_name)
        return (first, *self.further)
