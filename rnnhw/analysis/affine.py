"""Affine arithmetic on a step graph: bounds that remember what two signals have in common.

An affine form is ``centre + sum_k coefficient_k e_k`` with every ``e_k`` in [-1, 1] (Comba & Stolfi
1993, "Affine arithmetic and its applications to computer graphics"). Every input of every step has
symbols of its own, so after k steps the form of a state is its impulse response: rotations, which
an interval lets grow at every step, keep their length. What is not affine (a cast's rounding, a
table) is its chord plus a new symbol for the largest distance from it, taken from the very entries
of the table.

Every node keeps its box too (:mod:`rnnhw.analysis.intervals`), and each of the two is cut by the
other, so the result is never wider than the intervals'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnhw.analysis.intervals import STEP_BOXES, Box, Tensors, _Run
from rnnhw.analysis.linear_bounds import cast_error, outward
from rnnhw.graph.nodes import (
    Add,
    Cast,
    Clamp,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Multiply,
    Node,
    Reinterpret,
    Select,
    Shift,
    State,
    StepGraph,
    Subtract,
    operation_table,
)
from rnnhw.numerics.cast import real_values, rounded

__all__ = ["Form", "run_steps"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MANY = 1 << 12
"""Entries of a table up to which its chord is worth the time; beyond them its box will do."""


_LOST = 4
"""How many times as wide as the box a form may be."""


@dataclass(frozen=True, eq=False)
class Form:
    """Real affine forms of a vector: ``centre`` [units], ``by`` [units, symbols]."""

    centre: FloatArray
    by: FloatArray

    @property
    def radius(self) -> FloatArray:
        """How far each element can be from its centre."""
        radius: FloatArray = np.abs(self.by).sum(1)
        return radius

    def scaled(self, factor: FloatArray | float) -> Form:
        """Every element times its factor."""
        column = factor if isinstance(factor, float) else factor[:, None]
        return Form(self.centre * factor, self.by * column)


@dataclass
class _Affine:
    """Forms and boxes of one step; symbols are numbered on from step to step."""

    run: _Run
    symbols: int
    states: Mapping[State, Form]
    forms: dict[Node, Form] = field(default_factory=dict)

    def padded(self, form: Form) -> FloatArray:
        """The coefficients, with zeros for the symbols that are newer than the form."""
        missing = self.symbols - form.by.shape[1]
        return np.pad(form.by, ((0, 0), (0, missing))) if missing else form.by

    def with_error(self, form: Form, radius: FloatArray) -> Form:
        """The form plus a new symbol for every element that has a radius."""
        places = np.flatnonzero(radius)
        by = self.padded(form)
        errors = np.zeros((len(radius), len(places)))
        errors[places, np.arange(len(places))] = radius[places]
        self.symbols += len(places)
        return Form(form.centre, np.concatenate([by, errors], axis=1))

    def fresh(self, box: Box, step: float) -> Form:
        """A box as forms that have nothing in common with any other."""
        centre = np.asarray((box.low * step + box.high * step) / 2, np.float64)
        return self.with_error(_constant_form(centre), (box.high * step - box.low * step) / 2)

    def mixed(self, form: Form, box: Box, step: float, fresh: NDArray[np.bool_]) -> Form:
        """``form``, but for the elements of which only the box is known."""
        if not fresh.any():
            return form
        low, high = box.low * step, box.high * step
        centre = np.where(fresh, (low + high) / 2, form.centre)
        by = np.where(fresh[:, None], 0.0, self.padded(form))
        return self.with_error(Form(centre, by), np.where(fresh, (high - low) / 2, 0.0))


def _constant_form(values: FloatArray) -> Form:
    return Form(values, np.zeros((len(values), 0)))


def _input(affine: _Affine, node: Input, box: Box) -> Form:
    return affine.fresh(box, node.format.step)


def _state(affine: _Affine, node: State, box: Box) -> Form:
    return affine.states[node]


def _constant(affine: _Affine, node: Constant, box: Box) -> Form:
    return _constant_form(real_values(box.low, node.format))


def _matvec(affine: _Affine, node: Matvec, box: Box) -> Form:
    if node.product is not None or node.accumulator is not None:
        return affine.fresh(box, node.format.step)
    scale = 1.0 if node.weights is None else node.weights.format.step
    matrix = affine.run.matrices[node] * scale
    vector = affine.forms[node.vector]
    form = Form(matrix @ vector.centre, matrix @ vector.by)
    return form if node.start is None else _sum(affine, form, affine.forms[node.start], 1.0)


def _sum(affine: _Affine, a: Form, b: Form, sign: float) -> Form:
    return Form(a.centre + sign * b.centre, affine.padded(a) + sign * affine.padded(b))


def _add(affine: _Affine, node: Add, box: Box) -> Form:
    return _sum(affine, affine.forms[node.a], affine.forms[node.b], 1.0)


def _subtract(affine: _Affine, node: Subtract, box: Box) -> Form:
    return _sum(affine, affine.forms[node.a], affine.forms[node.b], -1.0)


def _multiply(affine: _Affine, node: Multiply, box: Box) -> Form:
    a, b = affine.forms[node.a], affine.forms[node.b]
    crossed = _sum(affine, a.scaled(b.centre), b.scaled(a.centre), 1.0)
    form = Form(a.centre * b.centre, crossed.by)
    return affine.with_error(form, a.radius * b.radius)


def _select(affine: _Affine, node: Select, box: Box) -> Form:
    s = affine.run.values[node.s]
    a, b = affine.forms[node.a], affine.forms[node.b]
    first = s.low >= 0
    form = Form(
        np.where(first, a.centre, b.centre),
        np.where(first[:, None], affine.padded(a), affine.padded(b)),
    )
    return affine.mixed(form, box, node.format.step, ~first & (s.high >= 0))


def _shift(affine: _Affine, node: Shift, box: Box) -> Form:
    return affine.forms[node.a].scaled(np.exp2(affine.run.values[node.by].low.astype(np.float64)))


def _clamp(affine: _Affine, node: Clamp, box: Box) -> Form:
    return _limited(affine, node.a, *node.limits)


def _limited(affine: _Affine, node: Node, low: int, high: int) -> Form:
    """A node within two raw limits: the chord over its box, and the distance from it."""
    box, step = affine.run.values[node], node.format.step
    ends = np.stack([box.low, box.high, np.clip(low, box.low, box.high),
                     np.clip(high, box.low, box.high)])  # fmt: skip
    return _chord(affine, affine.forms[node], ends * step, np.clip(ends, low, high) * step)


def _chord(affine: _Affine, form: Form, at: FloatArray, values: FloatArray) -> Form:
    """The chord through the first two of the points [points, units], and the error around it."""
    wide = at[1] - at[0]
    slope = np.divide(values[1] - values[0], wide, out=np.zeros_like(wide), where=wide != 0)
    rest = values - slope * at
    most, least = rest.max(0), rest.min(0)
    line = form.scaled(slope)
    return affine.with_error(Form(line.centre + (most + least) / 2, line.by), (most - least) / 2)


def _gather(affine: _Affine, node: Gather, box: Box) -> Form:
    chosen = list(node.indices)
    parts = [affine.forms[part] for part in node.parts]
    centre = np.concatenate([part.centre for part in parts])[chosen]
    return Form(centre, np.concatenate([affine.padded(part) for part in parts])[chosen])


def _reinterpret(affine: _Affine, node: Reinterpret, box: Box) -> Form:
    return affine.forms[node.a].scaled(2.0 ** (node.a.format.fraction - node.format.fraction))


def _cast(affine: _Affine, node: Cast, box: Box) -> Form:
    if node.changes_nothing:
        return affine.forms[node.a]
    to, operand = node.format, affine.run.values[node.a]
    drop = node.a.format.fraction - to.fraction
    least = np.array([rounded(v, drop, to.rounding) for v in operand.low.tolist()], object)
    most = np.array([rounded(v, drop, to.rounding) for v in operand.high.tolist()], object)
    clips = np.array((least < to.lowest) | (most > to.max), bool)
    low, high = cast_error(node)
    form = affine.forms[node.a]
    middle = np.where(clips, 0.0, (low + high) / 2)
    form = Form(form.centre + middle, form.by)
    form = affine.with_error(form, np.where(clips, 0.0, (high - low) / 2))
    return affine.mixed(form, box, to.step, clips)


def _lookup(affine: _Affine, node: Lookup, box: Box) -> Form:
    address, form = affine.run.values[node.a], affine.forms[node.a]
    if int((address.high - address.low).max()) >= _MANY:
        return affine.fresh(box, node.format.step)
    mask = (1 << node.a.format.width) - 1
    units = len(form.centre)
    slopes, centres, radii = np.zeros(units), np.zeros(units), np.zeros(units)
    for unit in range(units):
        at = np.arange(address.low[unit], address.high[unit] + 1)
        values = node.table.entries[at & mask] * node.format.step
        points = at * node.a.format.step
        if len(at) > 1:
            slopes[unit] = (values[-1] - values[0]) / (points[-1] - points[0])
        rest = values - slopes[unit] * points
        centres[unit], radii[unit] = (rest.max() + rest.min()) / 2, (rest.max() - rest.min()) / 2
    line = form.scaled(slopes)
    return affine.with_error(Form(line.centre + centres, line.by), radii)


STEP_FORMS: Mapping[type, Callable[..., Form]] = operation_table(
    {
        Input: _input,
        State: _state,
        Constant: _constant,
        Matvec: _matvec,
        Add: _add,
        Subtract: _subtract,
        Multiply: _multiply,
        Select: _select,
        Shift: _shift,
        Clamp: _clamp,
        Gather: _gather,
        Reinterpret: _reinterpret,
        Cast: _cast,
        Lookup: _lookup,
    }
)


def run_steps(
    graph: StepGraph,
    tensors: Tensors,
    matrices: dict[Matvec, IntArray],
    states: Mapping[State, Box],
    inputs: Sequence[Box],
    steps: int,
) -> list[dict[Node, Box]]:
    """The boxes of all nodes at all of ``steps`` steps, from states within their boxes.

    Args:
        graph: one step of a layer.
        tensors: raw integers by key.
        matrices: the raw matrices of its products.
        states: what each state can be before the first of the steps.
        inputs: what each source can be.
        steps: how many.
    """
    start = _Affine(_Run(tensors, matrices, inputs, states), 0, {})
    forms = {state: start.fresh(box, state.format.step) for state, box in states.items()}
    symbols, ranges = start.symbols, []
    boxes = dict(states)
    for _ in range(steps):
        affine = _Affine(_Run(tensors, matrices, inputs, boxes), symbols, forms)
        for node in graph.nodes:
            box = STEP_BOXES[type(node)](affine.run, node)
            form = STEP_FORMS[type(node)](affine, node, box)
            radius, step = form.radius, node.format.step
            # A form that has grown far beyond the box tells less than the box.
            lost = ~(radius <= _LOST * (box.high - box.low) * step / 2 + step)
            form = affine.mixed(form, box, step, lost)
            radius = form.radius
            enclosure = outward(form.centre - radius, form.centre + radius, step)
            affine.run.values[node], affine.forms[node] = box.within(enclosure), form
        ranges.append(affine.run.values)
        forms = {state: affine.forms[new] for state, new in graph.updates}
        boxes = {state: affine.run.values[new] for state, new in graph.updates}
        symbols = affine.symbols
    return ranges
