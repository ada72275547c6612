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

from rnnhw.analysis.intervals import BOXES, STEP_BOXES, Box, Tensors, _Run
from rnnhw.analysis.linear_bounds import cast_error, outward
from rnnhw.graph.elementwise import ELEMENTWISE, Arithmetic
from rnnhw.graph.nodes import (
    Cast,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Node,
    State,
    StepGraph,
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


@dataclass(frozen=True, eq=False)
class _Enclosure:
    """A vector's form and its box, whose raw integers are multiples of ``step``."""

    form: Form
    box: Box
    step: float


@dataclass
class _Forms(Arithmetic[_Enclosure]):
    """The arithmetic of forms beside their boxes; ``symbols`` are numbered on from step to step."""

    symbols: int

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

    def sum(self, a: Form, b: Form, sign: float = 1.0) -> Form:
        """``a`` plus ``sign`` times ``b``."""
        return Form(a.centre + sign * b.centre, self.padded(a) + sign * self.padded(b))

    def chord(self, form: Form, at: FloatArray, values: FloatArray) -> Form:
        """The chord through the first two of the points [points, units], and the error around
        it."""
        wide = at[1] - at[0]
        slope = np.divide(values[1] - values[0], wide, out=np.zeros_like(wide), where=wide != 0)
        rest = values - slope * at
        most, least = rest.max(0), rest.min(0)
        line = form.scaled(slope)
        return self.with_error(Form(line.centre + (most + least) / 2, line.by), (most - least) / 2)

    # --- elementwise operations ----------------------------------------------------------------
    def add(self, a: _Enclosure, b: _Enclosure) -> _Enclosure:
        return _Enclosure(self.sum(a.form, b.form), BOXES.add(a.box, b.box), a.step)

    def subtract(self, a: _Enclosure, b: _Enclosure) -> _Enclosure:
        return _Enclosure(self.sum(a.form, b.form, -1.0), BOXES.subtract(a.box, b.box), a.step)

    def _product(self, a: _Enclosure, b: _Enclosure, box: Box) -> _Enclosure:
        crossed = self.sum(a.form.scaled(b.form.centre), b.form.scaled(a.form.centre))
        form = Form(a.form.centre * b.form.centre, crossed.by)
        form = self.with_error(form, a.form.radius * b.form.radius)
        return _Enclosure(form, box, a.step * b.step)

    def multiply(self, a: _Enclosure, b: _Enclosure) -> _Enclosure:
        return self._product(a, b, BOXES.multiply(a.box, b.box))

    def square(self, a: _Enclosure) -> _Enclosure:
        return self._product(a, a, BOXES.square(a.box))

    def select(self, s: _Enclosure, a: _Enclosure, b: _Enclosure) -> _Enclosure:
        first, box = s.box.low >= 0, BOXES.select(s.box, a.box, b.box)
        form = Form(
            np.where(first, a.form.centre, b.form.centre),
            np.where(first[:, None], self.padded(a.form), self.padded(b.form)),
        )
        either = ~first & (s.box.high >= 0)
        return _Enclosure(self.mixed(form, box, a.step, either), box, a.step)

    def shift(self, a: _Enclosure, by: _Enclosure) -> _Enclosure:
        form = a.form.scaled(np.exp2(by.box.low.astype(np.float64)))
        return _Enclosure(form, BOXES.shift(a.box, by.box), a.step)

    def clamp(self, a: _Enclosure, low: int | None, high: int | None, fraction: int) -> _Enclosure:
        """The chord over the box, and the distance from it."""
        least = a.box.low if low is None else np.clip(low, a.box.low, a.box.high)
        most = a.box.high if high is None else np.clip(high, a.box.low, a.box.high)
        points = np.stack([a.box.low, a.box.high, least, most])
        limited, _ = BOXES.clamp(Box.point(points), low, high, fraction)
        scale = np.float64(a.step)
        form = self.chord(a.form, points * scale, limited * scale)
        return _Enclosure(form, BOXES.clamp(a.box, low, high, fraction), a.step)

    def align(self, a: _Enclosure, places: int) -> _Enclosure:
        return _Enclosure(a.form, BOXES.align(a.box, places), a.step * 2.0**-places)

    def reinterpret(self, a: _Enclosure, places: int) -> _Enclosure:
        return _Enclosure(a.form.scaled(2.0**places), a.box, a.step * 2.0**places)


@dataclass
class _Affine:
    """One step: its boxes, the forms of states before it, and the enclosures so far."""

    run: _Run
    arithmetic: _Forms
    states: Mapping[State, Form]
    values: dict[Node, _Enclosure] = field(default_factory=dict)


def _constant_form(values: FloatArray) -> Form:
    return Form(values, np.zeros((len(values), 0)))


def _input(affine: _Affine, node: Input, box: Box) -> Form:
    return affine.arithmetic.fresh(box, node.format.step)


def _state(affine: _Affine, node: State, box: Box) -> Form:
    return affine.states[node]


def _constant(affine: _Affine, node: Constant, box: Box) -> Form:
    return _constant_form(real_values(box.low, node.format))


def _matvec(affine: _Affine, node: Matvec, box: Box) -> Form:
    if node.product is not None or node.accumulator is not None:
        return affine.arithmetic.fresh(box, node.format.step)
    scale = 1.0 if node.weights is None else node.weights.format.step
    matrix = affine.run.matrices[node] * scale
    vector = affine.values[node.vector].form
    form = Form(matrix @ vector.centre, matrix @ vector.by)
    return (
        form if node.start is None else affine.arithmetic.sum(form, affine.values[node.start].form)
    )


def _gather(affine: _Affine, node: Gather, box: Box) -> Form:
    chosen = list(node.indices)
    parts = [affine.values[part].form for part in node.parts]
    centre = np.concatenate([part.centre for part in parts])[chosen]
    return Form(centre, np.concatenate([affine.arithmetic.padded(part) for part in parts])[chosen])


def _cast(affine: _Affine, node: Cast, box: Box) -> Form:
    if node.changes_nothing:
        return affine.values[node.a].form
    to, operand = node.format, affine.run.values[node.a]
    drop = node.a.format.fraction - to.fraction
    least = np.array([rounded(v, drop, to.rounding) for v in operand.low.tolist()], object)
    most = np.array([rounded(v, drop, to.rounding) for v in operand.high.tolist()], object)
    clips = np.array((least < to.lowest) | (most > to.max), bool)
    low, high = cast_error(node)
    form = affine.values[node.a].form
    middle = np.where(clips, 0.0, (low + high) / 2)
    form = Form(form.centre + middle, form.by)
    form = affine.arithmetic.with_error(form, np.where(clips, 0.0, (high - low) / 2))
    return affine.arithmetic.mixed(form, box, to.step, clips)


def _lookup(affine: _Affine, node: Lookup, box: Box) -> Form:
    address, form = affine.run.values[node.a], affine.values[node.a].form
    if int((address.high - address.low).max()) >= _MANY:
        return affine.arithmetic.fresh(box, node.format.step)
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
    return affine.arithmetic.with_error(Form(line.centre + centres, line.by), radii)


def _enclosing(rule: Callable[..., Form]) -> Callable[[_Affine, Node], _Enclosure]:
    """A rule for the form beside the box, as one for both."""

    def enclosure(affine: _Affine, node: Node) -> _Enclosure:
        box = STEP_BOXES[type(node)](affine.run, node)
        return _Enclosure(rule(affine, node, box), box, node.format.step)

    return enclosure


STEP_FORMS: Mapping[type, Callable[..., _Enclosure]] = operation_table(
    {
        Input: _enclosing(_input),
        State: _enclosing(_state),
        Constant: _enclosing(_constant),
        Matvec: _enclosing(_matvec),
        **ELEMENTWISE,
        Gather: _enclosing(_gather),
        Cast: _enclosing(_cast),
        Lookup: _enclosing(_lookup),
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
    arithmetic, ranges = _Forms(0), []
    forms = {state: arithmetic.fresh(box, state.format.step) for state, box in states.items()}
    boxes = dict(states)
    for _ in range(steps):
        affine = _Affine(_Run(tensors, matrices, inputs, boxes), arithmetic, forms)
        for node in graph.nodes:
            found = STEP_FORMS[type(node)](affine, node)
            form, box, step = found.form, found.box, node.format.step
            radius = form.radius
            # A form that has grown far beyond the box tells less than the box.
            lost = ~(radius <= _LOST * (box.high - box.low) * step / 2 + step)
            form = arithmetic.mixed(form, box, step, lost)
            radius = form.radius
            enclosure = outward(form.centre - radius, form.centre + radius, step)
            box = affine.run.values[node] = box.within(enclosure)
            affine.values[node] = _Enclosure(form, box, step)
        ranges.append(affine.run.values)
        forms = {state: affine.values[new].form for state, new in graph.updates}
        boxes = {state: affine.run.values[new] for state, new in graph.updates}
    return ranges
