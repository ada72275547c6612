"""Activations: what a cell does with its cast sum.

An activation reads the sum after its cast to the format ``sum`` and gives its value in the format
of the role that the cell asks for: ``state``, ``gate`` or ``output``. Tables have one entry for
every word of ``sum``, at most 2**20; their entries are the function in float64, cast. In the float
reference an activation is the function itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rnnhw.errors import DesignError
from rnnhw.graph.builder import StepBuilder
from rnnhw.graph.nodes import Node
from rnnhw.numerics.tables import SIGMOID, TANH, RealFunction, elementwise

__all__ = [
    "ELU",
    "GELU",
    "Activation",
    "Affine",
    "Clipped",
    "Exponential",
    "HardSigmoid",
    "HardTanh",
    "Identity",
    "LeakyReLU",
    "ReLU",
    "ScaledTanh",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Tanh",
    "ThresholdedReLU",
    "real_function",
]


class Activation(Protocol):
    """Writes ``f(z)`` in the format of ``role``; ``z`` is already cast to ``sum``."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        """The node that holds ``f(z)``, called ``name``, or after ``role`` if that is empty."""
        ...


@dataclass(frozen=True)
class Identity:
    """``f(z) = z``, cast: a linear recurrence. It clips or wraps where the state's format ends."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.cast(z, role, name)


@dataclass(frozen=True)
class ReLU:
    """``f(z) = max(z, 0)``, cast. It has no upper bound: the format of the result sets one."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.cast(g.clamp(z, 0, None), role, name)


@dataclass(frozen=True)
class HardTanh:
    """``f(z) = min(max(z, -1), 1)``, cast: no table. A format below 1, such as ``Q(0, 7)``, clips
    the 1."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.cast(g.clamp(z, -1, 1), role, name)


@dataclass(frozen=True)
class Tanh:
    """A table of tanh; the ``sum`` format is its address. Its values need a sign."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.lookup(z, TANH, role, name)


@dataclass(frozen=True)
class Sigmoid:
    """A table of 1 / (1 + exp(-z)); the ``sum`` format is its address. Its values lie between 0
    and 1, so ``Q(0, 8, signed=False)`` spends no bit on a sign."""

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        return g.lookup(z, SIGMOID, role, name)


# --- tables of further functions ----------------------------------------------------------------
@dataclass(frozen=True)
class _Table:
    """A table of :attr:`function`; the ``sum`` format is its address."""

    @property
    def function(self) -> RealFunction:
        """The function; its name holds the parameters."""
        raise NotImplementedError

    def apply(self, g: StepBuilder, z: Node, role: str, name: str = "") -> Node:
        """The node that holds ``f(z)``."""
        return g.lookup(z, self.function, role, name)


@dataclass(frozen=True)
class Affine(_Table):
    """A table of ``scale z + shift`` (ONNX "Affine"), saturated like its entries."""

    scale: float = 1.0
    shift: float = 0.0

    @property
    def function(self) -> RealFunction:
        return _named("affine", self, lambda z: self.scale * z + self.shift)


@dataclass(frozen=True)
class LeakyReLU(_Table):
    """A table of ``z`` where ``z >= 0``, else ``slope z``."""

    slope: float = 0.01

    @property
    def function(self) -> RealFunction:
        return _named("leaky_relu", self, lambda z: z if z >= 0 else self.slope * z)


@dataclass(frozen=True)
class ThresholdedReLU(_Table):
    """A table of ``z`` where ``z >= threshold``, else 0 (Konda et al. 2014, arXiv:1402.3337;
    equality as in ONNX's recurrent operators)."""

    threshold: float = 1.0

    @property
    def function(self) -> RealFunction:
        return _named("thresholded_relu", self, lambda z: z if z >= self.threshold else 0.0)


@dataclass(frozen=True)
class ScaledTanh(_Table):
    """A table of ``scale tanh(slope z)``."""

    scale: float = 1.0
    slope: float = 1.0

    @property
    def function(self) -> RealFunction:
        return _named("scaled_tanh", self, lambda z: self.scale * math.tanh(self.slope * z))


@dataclass(frozen=True)
class HardSigmoid(_Table):
    """A table of ``min(max(slope z + offset, 0), 1)``.

    The defaults are ONNX's and Keras 2's; Keras 3 and torch have ``slope=1/6``.
    """

    slope: float = 0.2
    offset: float = 0.5

    @property
    def function(self) -> RealFunction:
        return _named(
            "hard_sigmoid", self, lambda z: min(max(self.slope * z + self.offset, 0.0), 1.0)
        )


@dataclass(frozen=True)
class ELU(_Table):
    """A table of ``z`` where ``z >= 0``, else ``scale (exp(z) - 1)`` (Clevert et al. 2015,
    arXiv:1511.07289), all times ``gain`` (SELU: Klambauer et al. 2017, arXiv:1706.02515)."""

    scale: float = 1.0
    gain: float = 1.0

    @property
    def function(self) -> RealFunction:
        return _named(
            "elu", self, lambda z: self.gain * (z if z >= 0 else self.scale * math.expm1(z))
        )


@dataclass(frozen=True)
class Softsign(_Table):
    """A table of ``z / (1 + |z|)``."""

    @property
    def function(self) -> RealFunction:
        return _named("softsign", self, lambda z: z / (1.0 + abs(z)))


@dataclass(frozen=True)
class Softplus(_Table):
    """A table of ``log(1 + exp(z))``."""

    @property
    def function(self) -> RealFunction:
        return _named("softplus", self, lambda z: max(z, 0.0) + math.log1p(math.exp(-abs(z))))


@dataclass(frozen=True)
class SiLU(_Table):
    """A table of ``z / (1 + exp(-z))``, also called swish (Ramachandran et al. 2017,
    arXiv:1710.05941)."""

    @property
    def function(self) -> RealFunction:
        return _named("silu", self, lambda z: z * SIGMOID.scalar(z))


@dataclass(frozen=True)
class GELU(_Table):
    """A table of ``z Phi(z)``, Phi the normal distribution's, or with ``tanh`` of its
    approximation (Hendrycks & Gimpel 2016, arXiv:1606.08415)."""

    tanh: bool = False

    @property
    def function(self) -> RealFunction:
        def exact(z: float) -> float:
            return 0.5 * z * (1.0 + math.erf(z / math.sqrt(2.0)))

        def near(z: float) -> float:
            return 0.5 * z * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (z + 0.044715 * z**3)))

        return _named("gelu", self, near if self.tanh else exact)


@dataclass(frozen=True)
class Exponential(_Table):
    """A table of ``exp(z)``."""

    @property
    def function(self) -> RealFunction:
        # Beyond float64 no format follows: the reference says so with signal and step.
        return _named("exp", self, lambda z: math.exp(z) if z < _LARGEST_EXPONENT else math.inf)


@dataclass(frozen=True)
class Clipped(_Table):
    """A table of ``activation`` of the sum limited to ``-limit..limit``: ONNX's ``clip``."""

    activation: Activation
    limit: float

    @property
    def function(self) -> RealFunction:
        inner = real_function(self.activation)
        name = f"{inner.name} of {self.limit!r}"
        return elementwise(name, lambda z: inner.scalar(min(max(z, -self.limit), self.limit)))


_LARGEST_EXPONENT = 709.0


def real_function(activation: Activation) -> RealFunction:
    """The real function that an activation of this module stands for.

    Raises:
        DesignError: it is an activation of another kind.
    """
    built_in = _WRITTEN.get(type(activation))
    function = built_in if built_in is not None else getattr(activation, "function", None)
    if not isinstance(function, RealFunction):
        raise DesignError(
            f"{activation!r} does not say which real function it is", "use one of rnnhw's own"
        )
    return function


def _named(kind: str, parameters: object, scalar: Callable[[float], float]) -> RealFunction:
    values = ", ".join(repr(value) for value in vars(parameters).values())
    return elementwise(f"{kind}({values})" if values else kind, scalar)


_WRITTEN: dict[type, RealFunction] = {
    Identity: elementwise("identity", lambda z: z),
    ReLU: elementwise("relu", lambda z: max(z, 0.0)),
    HardTanh: elementwise("hard_tanh", lambda z: min(max(z, -1.0), 1.0)),
    Tanh: TANH,
    Sigmoid: SIGMOID,
}
