"""A design with its linear recurrence in tridiagonal form: the same outputs from three weights a
unit.

A linear recurrence ``h' = U h + W x + b`` keeps its outputs in other coordinates ``h = T g``:
``g' = J g + T^-1 W x + T^-1 b`` with ``U T = T J``, ``g0 = T^-1 h0``, and a reader that takes
``W T`` instead of ``W``. Under another activation it does not, for f(T g) is not T f(g).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rnnhw.conversion.tridiagonal import EPS, block_form, is_rotation
from rnnhw.design.design import Design
from rnnhw.errors import DesignError, RnnhwError, UsageError, unknown_name
from rnnhw.execution.reference import run_reference
from rnnhw.graph.builder import Formats, StepBuilder
from rnnhw.graph.network import Network, NetworkBuilder
from rnnhw.graph.nodes import LINEAR, Cast, Node
from rnnhw.layers.activations import Identity
from rnnhw.layers.cells import (
    GRU,
    LSTM,
    Bidirectional,
    Elman,
    JordanNetwork,
    Last,
    Layer,
    LeakyElman,
    Linear,
    Mean,
    MinGRU,
    Residual,
    Window,
)
from rnnhw.layers.structures import Banded, Dense
from rnnhw.numerics.cast import Q

__all__ = ["JordanForm", "jordan_form"]

FloatArray = NDArray[np.float64]

Kept = TypeVar("Kept")

_FILL = 0.875
"""How much of its format a state may fill: rounding adds to it, and other inputs may."""


@dataclass(frozen=True, eq=False)
class JordanForm:
    """A design whose linear recurrence is tridiagonal, and what the change of coordinates did.

    ``design`` is the new design, ``layer`` the converted layer's name, ``structure`` its new
    recurrent structure. ``T`` and ``J`` (units, units) are the transformation ``h = T g`` and the
    new recurrent matrix, ``condition`` is T's condition number, ``growth`` the largest norm of a
    decoupling transformation. ``ranges`` (units,) is the largest absolute value of every new
    state over the samples. Pairs are before and after: ``nonzeros`` of the recurrent matrix and
    ``quantised_radius``, the spectral radius of the matrix with quantised weights; that of the
    real matrix, ``spectral_radius``, does not change.

    ``max_error`` is the largest difference of the two designs' float outputs and ``bound`` what
    float64 allows, 1000 eps cond(T) max|y|; ``warnings`` says in words what the user should know.
    """

    design: Design
    layer: str
    structure: Banded
    T: FloatArray
    J: FloatArray
    condition: float
    growth: float
    ranges: FloatArray
    nonzeros: tuple[int, int]
    spectral_radius: float
    quantised_radius: tuple[float, float]
    max_error: float
    bound: float
    warnings: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        """Whether the float outputs agree as far as float64 can tell."""
        return bool(np.isfinite(self.bound) and self.max_error <= self.bound)

    @property
    def weights(self) -> dict[str, FloatArray]:
        """The new design's tensors, as ``numpy.savez(FILE, **form.weights)`` saves them."""
        return dict(self.design.parameters.given)


def jordan_form(
    design: Design,
    layer: str | None = None,
    *,
    growth: float = 100.0,
    formats: Formats | None = None,
    overrides: Mapping[str, Q] | None = None,
) -> JordanForm:
    """``design`` with its linear recurrence in real tridiagonal form, verified in float.

    The recurrence is an Elman layer with the activation ``Identity()``; ``layer`` names it where
    there are several. Its ``W``, ``U``, ``b`` and ``h0`` and the weights of the layer that reads
    its state are transformed; where no layer with weights reads it, a Linear layer without bias
    is put behind it. Every new state is scaled by the power of two that makes its range over the
    task's samples (or over seeded noise) fill its format but for an eighth. ``formats`` and
    ``overrides`` are those of the new design, the old ones if left out; ``growth`` is
    :func:`tridiagonal_form`'s.

    Raises:
        DesignError: there is no linear recurrence or there are several, the design has no
            weights, or SciPy is not installed.
        UsageError: there is no such layer, or ``growth`` is below 1.
    """
    try:
        return _convert(design, layer, growth, formats, overrides)
    except RnnhwError as error:
        place = f"{design.place}: "
        raise error if error.message.startswith(place) else error.at(design.place) from None


def _convert(
    design: Design,
    chosen: str | None,
    limit: float,
    formats: Formats | None,
    overrides: Mapping[str, Q] | None,
) -> JordanForm:
    names = [_name(layer, position) for position, layer in enumerate(design.layers)]
    position, recurrence = _recurrence(design.layers, names, chosen)
    if len(design.network.outputs) > 1:
        raise DesignError(
            f"{len(design.network.outputs)} outputs: the layers that read the recurrence are "
            "converted with it, and there must be one",
            "convert the network with one of its heads, and put the others back by hand",
        )
    name, old = names[position], design.parameters
    U, offset = _product(design, recurrence, name)
    form = block_form(U, limit)
    structure = _structure(form.J)
    converted = replace(
        recurrence, recurrent=structure, bias=recurrence.bias or bool(offset.any()), name=name
    )
    reader = _reader(design.layers, names, position)
    new = replace(
        design,
        layers=_layers(design, names, position, converted, reader is None),
        weights=None,
        rounded_weights=None,
        formats=formats or design.formats,
        overrides=_kept(design.overrides, name) if overrides is None else overrides,
    )

    x, lengths = _samples(design)
    # A recurrence that leaves float64 is not accepted below, but it is converted.
    before = run_reference(design.network, old, x, lengths, [f"{name}.state"], finite=False)
    states = before.traces[f"{name}.state"].reshape(-1, len(U))
    if recurrence.initial:
        states = np.vstack([states, old.values[f"{name}.h0"]])
    ranges = np.abs(_solved(form.T, states.T)).max(1)
    factors = _factors(ranges, form.J, _range(new.network, name))
    T, J = form.T / factors, factors[:, None] * form.J / factors

    values = _kept(old.values, name) | structure.project(J).tensors(f"{name}.U")
    for key in (key for key in (f"{name}.W", f"{name}.h0") if key in values):
        values[key] = _solved(T, values[key])
    if converted.bias:
        values[f"{name}.b"] = _solved(T, old.values.get(f"{name}.b", 0.0) + offset)
    if reader is None:
        values[f"{_added(name)}.W"] = T
    else:
        key, width = reader
        values[key] = values[key] @ np.asarray(np.kron(np.eye(width), T), np.float64)
    new = replace(new, weights=values)

    after = run_reference(new.network, new.parameters, x, lengths, finite=False)
    with np.errstate(invalid="ignore"):
        error = float(np.abs(after.outputs - before.outputs).max())
    condition = float(np.linalg.cond(T))
    found = JordanForm(
        design=new,
        layer=name,
        structure=structure,
        T=T,
        J=J,
        condition=condition,
        growth=form.growth,
        ranges=factors * ranges,
        nonzeros=(int(np.count_nonzero(U)), int(np.count_nonzero(J))),
        spectral_radius=_radius(U),
        quantised_radius=(
            _radius(_product(design, recurrence, name, quantised=True)[0]),
            _radius(_product(new, converted, name, quantised=True)[0]),
        ),
        max_error=error,
        bound=1e3 * EPS * condition * float(np.abs(before.outputs).max()),
        warnings=(),
    )
    return replace(found, warnings=tuple(_warnings(found)))


def _layers(
    design: Design, names: Sequence[str], position: int, converted: Elman, turned_back: bool
) -> list[Layer]:
    """The new design's layers; ``turned_back`` puts one behind the converted one."""
    # Names that came from positions must outlive an added layer.
    layers: list[Layer] = [
        replace(layer, name=own) if is_dataclass(layer) else layer
        for layer, own in zip(design.layers, names, strict=True)
    ]
    layers[position] = converted
    if turned_back:
        name = names[position]
        same = Formats(output=design.network.signal(f"{name}.state").format)
        back = Linear(converted.units, bias=False, formats=same, name=_added(name))
        layers.insert(position + 1, back)
    return layers


def _added(name: str) -> str:
    """The name of the layer that turns the state of layer ``name`` back."""
    return f"{name}_output"


def _warnings(form: JordanForm) -> Iterator[str]:
    if f"{_added(form.layer)}.W" in form.weights:
        yield (
            f"no layer with weights reads {form.layer}: {_added(form.layer)} turns its state "
            f"back, {form.T.size:,} more weights"
        )
    if not form.accepted:
        yield (
            f"not accepted: the float outputs differ by {form.max_error:.3g}, "
            f"more than {form.bound:.3g}"
        )
    if (form.structure.lower, form.structure.upper) > (1, 1):
        yield (
            f"eigenvalues that cannot be told apart need {form.structure!r}: "
            "a larger growth may split them"
        )
    if form.quantised_radius[1] >= 1:
        yield (
            f"the quantised recurrence has a spectral radius of {form.quantised_radius[1]:.6g}: "
            "give recurrent_weight more fraction bits"
        )
    network, parameters = form.design.network, form.design.parameters
    for tensor in network.tensors:
        clipped = parameters.events[tensor.key].total
        if clipped:
            largest = float(np.abs(parameters.values[tensor.key]).max())
            yield (
                f"{tensor.key}: {clipped} values clip to {tensor.format}, "
                f"the largest is {largest:.4g}"
            )
    limit = _range(network, form.layer)
    if form.ranges.max() > limit:
        yield f"{form.layer}.state: values up to {form.ranges.max():.4g} do not fit its formats"


def _name(layer: Layer, position: int) -> str:
    """The name that the design gives a layer."""
    return layer.name or f"{type(layer).__name__.lower()}{position}"


def _refusal(layer: Layer) -> str | None:
    """Why a layer is no linear recurrence; empty: it is one; None: it has no recurrence."""
    kind = type(layer).__name__
    match layer:
        case Elman(activation=Identity(), inputs=Dense()):
            return ""
        case Elman(activation=Identity()):
            return f"its input matrix {layer.inputs!r} becomes T^-1 W, which is dense"
        case Elman():
            f = type(layer.activation).__name__
            return f"{f} is not linear: {f}(T g) is not T {f}(g), so the outputs would change"
        case LSTM() | GRU() | MinGRU():
            return f"{kind} multiplies its state by gates, which is not linear"
        case LeakyElman() | JordanNetwork():
            return f"{kind} is not an Elman layer; write its linear recurrence as one"
        case Bidirectional() | Residual():
            return f"the layers within {kind} are not converted; convert them on their own"
        case _:
            return None


def _recurrence(
    layers: Sequence[Layer], names: Sequence[str], chosen: str | None
) -> tuple[int, Elman]:
    """The layer to convert and its position."""
    if chosen is not None and chosen not in names:
        raise UsageError(*unknown_name("layer", chosen, names))
    reasons = {
        position: _refusal(layer)
        for position, layer in enumerate(layers)
        if chosen in (None, names[position])
    }
    linear = [position for position, reason in reasons.items() if reason == ""]
    if len(linear) > 1:
        several = ", ".join(names[position] for position in linear)
        raise DesignError(
            f"{len(linear)} linear recurrences: {several}",
            f"name one: jordan_form(design, {names[linear[0]]!r})",
        )
    if not linear:
        why = "; ".join(
            f"layer {names[position]}: {reason or 'it has no recurrence'}"
            for position, reason in reasons.items()
            if reason or chosen
        )
        raise DesignError(
            f"no linear recurrence to convert{f' ({why})' if why else ''}",
            "the form exists for Elman(..., activation=Identity())",
        )
    layer = layers[linear[0]]
    assert isinstance(layer, Elman)
    return linear[0], layer


def _product(
    design: Design, layer: Elman, name: str, *, quantised: bool = False
) -> tuple[FloatArray, FloatArray]:
    """The matrix (units, units) of the recurrence, whatever its structure, and its offset
    (units,): what it gives for unit vectors and for zero."""
    n = layer.units
    net = NetworkBuilder(
        n, design.network.signal(f"{name}.state").format, design.formats, design.overrides, None
    )

    def step(g: StepBuilder, h: Node) -> Node:
        return g.linear(layer.recurrent, "U", h, n, role="recurrent_weight", name="Uh")

    scan = net.scan(name, [net.source], step, layer.formats)
    if any(not isinstance(node, (*LINEAR, Cast)) for node in scan.graph.nodes):
        raise DesignError(
            f"layer {name}: {layer.recurrent!r} has activations, which are not linear",
            "leave them out",
        )
    vectors = np.vstack([np.eye(n), np.zeros(n)])[None]
    acting = ["weights"] if quantised else []
    lengths = np.array([n + 1])
    response = run_reference(
        net.build(), design.parameters, vectors, lengths, quantised=acting
    ).outputs[0]
    return (response[:n] - response[n]).T, response[n]


def _samples(design: Design) -> tuple[FloatArray, NDArray[np.int64]]:
    """The task's inputs [sequences, steps, features] and lengths, or seeded noise."""
    if design.task is not None:
        samples = design.task.samples()
        return samples.x, samples.lengths
    source = design.network.source
    low, high = (bound * source.format.step for bound in source.interval)
    steps = design.network.max_steps or 256
    x = np.random.default_rng(0).uniform(low, high, (8, steps, source.units))
    return x, np.full(8, steps, np.int64)


def _range(network: Network, name: str) -> float:
    """The largest value that a state can have with either sign."""
    formats = [network.signal(f"{name}.{signal}").format for signal in ("sum", "state")]
    return min(min(format.max, -format.lowest) * format.step for format in formats)


def _factors(ranges: FloatArray, J: FloatArray, limit: float) -> FloatArray:
    """The power of two for every state that makes its range fill the limit; one for a pair."""
    if limit <= 0 or not np.isfinite(ranges).all():
        return np.ones(len(ranges))
    tied = ranges.copy()
    for i in range(len(ranges) - 1):
        if is_rotation(J, i):
            tied[i : i + 2] = tied[i : i + 2].max()
    # A state that the inputs never move has no scale of its own.
    moved = tied > EPS * tied.max()
    exponents = np.floor(np.log2(_FILL * limit / np.where(moved, tied, _FILL * limit)))
    return np.asarray(2.0**exponents)


def _kept(named: Mapping[str, Kept], name: str) -> dict[str, Kept]:
    """``named`` without the parts of a composed recurrence."""
    return {key: value for key, value in named.items() if not key.startswith(f"{name}.U.")}


def _solved(T: FloatArray, right: FloatArray) -> FloatArray:
    """``T^-1 right``."""
    return np.asarray(np.linalg.solve(T, right), np.float64)


_READERS = (Linear, Elman, LeakyElman, JordanNetwork, LSTM, GRU, MinGRU)
"""Layers that multiply what they read by their tensor ``W``."""


def _reader(layers: Sequence[Layer], names: Sequence[str], position: int) -> tuple[str, int] | None:
    """The tensor that reads the state of layer ``position``, and of how many steps at once."""
    width = 1
    for layer, name in zip(layers[position + 1 :], names[position + 1 :], strict=True):
        if isinstance(layer, _READERS):
            structure = layer.structure if isinstance(layer, Linear) else layer.inputs
            if structure != Dense():
                raise DesignError(
                    f"layer {name} reads the state by {structure!r}, but W T is dense",
                    "give it a Dense() matrix",
                )
            return f"{name}.W", width
        if isinstance(layer, Window):
            width *= layer.width
        elif not isinstance(layer, Last | Mean):
            return None
    return None


def _structure(J: FloatArray) -> Banded:
    """The band of J, and a tridiagonal one where that is enough."""
    rows, columns = np.nonzero(J)
    least = min(1, len(J) - 1)
    return Banded(
        max([least, *(rows - columns).tolist()]), max([least, *(columns - rows).tolist()])
    )


def _radius(matrix: FloatArray) -> float:
    """The largest absolute value of an eigenvalue."""
    return float(np.abs(np.linalg.eigvals(matrix)).max())
