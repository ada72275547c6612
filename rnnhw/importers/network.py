"""A network of another tool as layers of rnnhw: the one form that every reader returns and the
writer takes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError
from rnnhw.layers.activations import Activation, Clipped, Identity
from rnnhw.layers.cells import (
    GRU,
    LSTM,
    Bidirectional,
    Elman,
    Heads,
    Last,
    Layer,
    Linear,
    Mean,
    Residual,
    Reverse,
)
from rnnhw.layers.vectors import Pointwise, Scale

__all__ = [
    "Branches",
    "FloatArray",
    "Imported",
    "Origin",
    "Step",
    "both_ways",
    "cell_step",
    "named",
    "simplified",
]

FloatArray = NDArray[np.float64]

Cell = Elman | LSTM | GRU


@dataclass(frozen=True, eq=False)
class Step:
    """One layer, without formats, its tensors by their keys without the layer's name, and what
    the source calls it. ``fed`` are the keys of first states that the source reads from inputs,
    with the names of those. ``inner`` are the steps within a :class:`Residual`."""

    layer: Layer
    tensors: Mapping[str, FloatArray] = field(default_factory=dict)
    origin: str = ""
    fed: Mapping[str, str] = field(default_factory=dict)
    inner: tuple[Step, ...] = ()

    @property
    def flat(self) -> Iterable[Step]:
        """The steps within, and this one behind them."""
        for step in self.inner:
            yield from step.flat
        yield self


@dataclass(frozen=True)
class Origin:
    """Where a network comes from: the file's kind and who wrote it."""

    kind: str
    producer: str = ""


@dataclass(frozen=True)
class Branches:
    """The layers in front of all outputs, and of several outputs those of each alone; one whose
    head has no layer is what the ``trunk`` gives."""

    trunk: tuple[Step, ...]
    heads: tuple[tuple[Step, ...], ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All layers, those within others among them."""
        chain = (*self.trunk, *(step for head in self.heads for step in head))
        return tuple(each for step in chain for each in step.flat)

    @property
    def ends(self) -> tuple[str, ...]:
        """The names of the layers that give the outputs."""
        if not self.heads:
            return (self.trunk[-1].layer.name,)
        return tuple((head or self.trunk)[-1].layer.name for head in self.heads)

    def layers(self, made: Mapping[str, Layer] | None = None) -> list[Layer]:
        """The layers as a design has them; those in ``made`` stand for the ones of their names."""

        def of(step: Step) -> Layer:
            layer = (made or {}).get(step.layer.name, step.layer)
            if isinstance(layer, Residual):
                return replace(layer, layers=[of(inner) for inner in step.inner])
            return layer

        heads = [[of(step) for step in head] for head in self.heads if head]
        trunk = [of(step) for step in self.trunk]
        return (
            [*trunk, Heads([head[0] if len(head) == 1 else head for head in heads])]
            if (heads)
            else trunk
        )


@dataclass(frozen=True)
class Imported:
    """A chain of layers that reads ``inputs`` features a step, or one with ``heads``.

    ``steps`` are those in front of all ``heads``, of which there are none where the network has one
    output.

    ``max_steps`` is the longest sequence where the source says so. ``notes`` tell what the source
    holds and the design does not, and what has to be fed.
    """

    steps: tuple[Step, ...]
    inputs: int
    origin: Origin
    max_steps: int | None = None
    notes: tuple[str, ...] = ()
    heads: tuple[tuple[Step, ...], ...] = ()

    @property
    def branches(self) -> Branches:
        """The layers as they follow one another."""
        return Branches(self.steps, self.heads)


# --- making steps --------------------------------------------------------------------------------
def cell_step(
    cell: Cell,
    tensors: Mapping[str, FloatArray],
    origin: str,
    fed: Mapping[str, str] | None = None,
) -> Step:
    """A recurrent layer with the fields that its tensors ask for: biases that are all zero and
    first states of zero are left out.

    ``tensors`` are ``W``, ``U`` with the gates stacked in the cell's order, ``b``, ``b2`` (both
    may be missing), ``h0``, ``c0``, ``P``, ``p.i``...
    """
    given = {key: np.asarray(value, np.float64) for key, value in tensors.items()}
    b, b2 = given.pop("b", None), given.pop("b2", None)
    keeps_b2 = isinstance(cell, GRU) and cell.reset == "after"
    if b2 is not None and (not keeps_b2 or not b2.any()):
        b, b2 = b2 if b is None else b + b2, None  # the two are only ever read as their sum
    if b2 is not None and b is None:
        b = np.zeros_like(b2)
    fields: dict[str, object] = {"bias": b is not None and bool(b.any() or b2 is not None)}
    if fields["bias"]:
        assert b is not None
        given["b"] = b
    if b2 is not None:
        fields["recurrent_bias"] = True
        given["b2"] = b2
    first = [key for key in ("h0", "c0") if key in given]
    fields["initial"] = any(given[key].any() for key in first)
    if not fields["initial"]:
        given = {key: value for key, value in given.items() if key not in first}
    elif isinstance(cell, LSTM):
        for key, width in (("h0", cell.projection or cell.units), ("c0", cell.units)):
            given.setdefault(key, np.zeros(width))
    if isinstance(cell, GRU) and cell.reset == "before":
        for gate, part in zip("rzn", np.split(given.pop("U"), 3), strict=True):
            given[f"U.{gate}"] = part
    return Step(replace(cell, **fields), given, origin, fed or {})  # type: ignore[arg-type]


def linear_step(weights: FloatArray, bias: FloatArray | None, origin: str) -> Step:
    """A linear layer; a bias of zeros is left out."""
    tensors = {"W": weights}
    if bias is not None and bias.any():
        tensors["b"] = bias
    return Step(Linear(len(weights), bias="b" in tensors), tensors, origin)


def both_ways(forward: Step, backward: Step, **fields: object) -> Step:
    """The two directions as one step."""
    ways = (("forward", forward), ("backward", backward))
    tensors = {f"{way}.{key}": v for way, step in ways for key, v in step.tensors.items()}
    fed = {f"{way}.{key}": v for way, step in ways for key, v in step.fed.items()}
    back = None if backward.layer == forward.layer else backward.layer
    layer = Bidirectional(forward.layer, back, **fields)  # type: ignore[arg-type]
    return Step(layer, tensors, forward.origin, fed)


def clipped(activation: Activation, limit: float | None) -> Activation:
    """``activation`` of a limited sum; None: no limit."""
    return activation if limit is None else Clipped(activation, limit)


# --- simplifying ---------------------------------------------------------------------------------
def simplified(steps: Iterable[Step]) -> list[Step]:
    """The same function in fewer layers: scales go into the weights beside them, activations into
    the linear layers in front of them."""
    done: list[Step] = []
    for step in steps:
        done.append(_simplified_within(step) if step.inner else step)
        while len(done) > 1 and (joined := _joined(done[-2], done[-1])) is not None:
            done[-2:] = joined
    return _behind_totals([step for step in done if not _does_nothing(step)])


def _simplified_within(step: Step) -> Step:
    """A skip connection around fewer layers."""
    inner = simplified(step.inner)
    if not inner:  # x + x, whose width is not known here
        inner = [Step(Pointwise(Identity()), {}, step.origin)]
    return replace(step, inner=tuple(inner))


def _behind_totals(steps: Sequence[Step]) -> list[Step]:
    """The steps, where a linear layer that reads a total over time has its bias and its activation
    behind it: rnnhw multiplies a bias there by the number of steps.

    Raises:
        DesignError: another layer reads a total.
    """
    found: list[Step] = []
    for position, step in enumerate(steps):
        total = position > 0 and steps[position - 1].layer == Mean()
        if not total:
            found.append(step)
            continue
        if not isinstance(step.layer, Linear):
            raise DesignError(
                f"{step.origin or type(step.layer).__name__!r} reads a sum over time",
                "in rnnhw a linear layer alone does: put one behind the sum, or take the mean",
            )
        weights = {"W": step.tensors["W"]}
        plain = replace(step.layer, bias=False, activation=None)
        found.append(replace(step, layer=plain, tensors=weights))
        if "b" in step.tensors:
            b = step.tensors["b"]
            found.append(_scaled(f"{step.origin}.bias", np.ones_like(b), b))
        if step.layer.activation is not None:
            found.append(Step(Pointwise(step.layer.activation), {}, f"{step.origin}.activation"))
    return found


def _joined(first: Step, second: Step) -> list[Step] | None:
    """Two neighbours as one, or as two in the other order; None: they stay."""
    match first.layer, second.layer:
        case (Scale(), Scale()):
            a, b = _scale(second)
            return [_scaled(first.origin, a * _scale(first)[0], a * _scale(first)[1] + b)]
        case (Linear(activation=None), Scale()):
            return [_scaled_linear(first, *_scale(second))]
        case (Linear(activation=None), Pointwise(activation=activation)):
            return [replace(first, layer=replace(first.layer, activation=activation))]
        case (Scale(), Linear() | Elman() | LSTM() | GRU() | Bidirectional()):
            return [_read_scaled(second, *_scale(first))]
        case (Scale(), Last() | Reverse() | Mean(divide=True)):
            return [second, first]
    return None


def _scale(step: Step) -> tuple[FloatArray, FloatArray]:
    a = step.tensors["a"]
    return a, step.tensors.get("b", np.zeros_like(a))


def _scaled(origin: str, a: FloatArray, b: FloatArray) -> Step:
    tensors = {"a": a, "b": b} if b.any() else {"a": a}
    return Step(Scale(bias=bool(b.any())), tensors, origin)


def _scaled_linear(step: Step, a: FloatArray, b: FloatArray) -> Step:
    """A scale behind a linear layer, in its weights."""
    assert isinstance(step.layer, Linear)
    bias = a * step.tensors.get("b", 0.0) + b
    tensors = {**step.tensors, "W": a[:, None] * step.tensors["W"], "b": bias}
    if not bias.any():
        del tensors["b"]
    return replace(step, layer=replace(step.layer, bias="b" in tensors), tensors=tensors)


def _read_scaled(step: Step, a: FloatArray, b: FloatArray) -> Step:
    """A scale in front of a layer, in the weights with which it reads."""
    layer = step.layer
    if isinstance(layer, Bidirectional):
        parts = [
            _read_scaled(Step(inner, _below(step.tensors, name)), a, b)
            for name, inner in (
                ("forward", layer.layer),
                ("backward", layer.backward or layer.layer),
            )
        ]
        joined = both_ways(*parts, join=layer.join, last=layer.last)
        return replace(joined, origin=step.origin, fed=step.fed)
    assert isinstance(layer, Linear | Elman | LSTM | GRU)
    tensors = dict(step.tensors)
    shift = tensors["W"] @ b
    tensors["W"] = tensors["W"] * a
    if shift.any():
        tensors["b"] = tensors.get("b", 0.0) + shift
        layer = replace(layer, bias=True)
    return replace(step, layer=layer, tensors=tensors)


def _below(tensors: Mapping[str, FloatArray], name: str) -> dict[str, FloatArray]:
    start = f"{name}."
    return {key.removeprefix(start): v for key, v in tensors.items() if key.startswith(start)}


def _does_nothing(step: Step) -> bool:
    match step.layer:
        case Pointwise(activation=Identity()):
            return True
        case Scale():
            a, b = _scale(step)
            return bool((a == 1).all() and not b.any())
    return False


# --- naming --------------------------------------------------------------------------------------
_LONGEST = 40


def named(steps: Sequence[Step], ends: Iterable[int] = ()) -> list[Step]:
    """The steps with names of their own, after the source's; what has no tensors needs none, but
    for the steps at ``ends``."""
    return _named(steps, set(ends), set())


def _named(steps: Sequence[Step], always: set[int], taken: set[str]) -> list[Step]:
    found: list[Step] = []
    for position, step in enumerate(steps):
        inner = tuple(_named(step.inner, set(), taken))
        kind = type(step.layer).__name__.lower()
        name = clean_name(step.origin)
        needless = not step.tensors and not isinstance(step.layer, Pointwise | Mean | Residual)
        if needless and position not in always:
            name = ""
        elif not name or name in taken:
            stem = name or kind
            name = next(f"{stem}{k}" for k in range(position, 10**9) if f"{stem}{k}" not in taken)
        taken.add(name)
        layer = replace(step.layer, name=name)  # type: ignore[type-var]
        if isinstance(layer, Residual):
            layer = replace(layer, layers=[each.layer for each in inner])
        found.append(replace(step, layer=layer, inner=inner))
    return found


def clean_name(text: str) -> str:
    """``text`` as a layer's name: letters, digits and ``_``; empty if nothing is left.

    Exporters call a node ``/rnn/GRU`` or ``node_gru__1``: it is named ``rnn``, or ``gru_1``.
    """
    module, _, operator = text.strip("/").rpartition("/")
    text = module if module and re.fullmatch(r"[A-Z]\w*", operator) else text
    text = "/".join(text.split("/")[-2:])
    name = re.sub(r"[^A-Za-z0-9]+", "_", text.removeprefix("node_")).strip("_")
    name = name[-_LONGEST:].lstrip("_")
    return f"layer_{name}" if name[:1].isdigit() else name


def fewer_steps_added(what: str) -> DesignError:
    """The error of a skip connection around layers that give ``what``, which has fewer steps."""
    return DesignError(
        f"{what} of a sequence is added to the whole sequence",
        "a skip connection of rnnhw gives as many steps as it reads; cut the network with --to in "
        "front of it",
    )


def checked_tensor(place: str, values: FloatArray) -> FloatArray:
    """``values``, all of them finite.

    Raises:
        DesignError: one is infinite or NaN.
    """
    bad = np.argwhere(~np.isfinite(values))
    if len(bad):
        index = [int(i) for i in bad[0]]
        raise DesignError(
            f"{place}{index} is {values[tuple(bad[0])]}",
            f"{len(bad)} of {math.prod(values.shape)} values are not finite: train again",
        )
    return values
