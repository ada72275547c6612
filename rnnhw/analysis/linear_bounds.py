"""The reach of a linear recurrence: the l1 norms of its impulse responses.

    h[t+1] = A h[t] + B u[t] + c,  |u - u0| <= r  =>  |h[t] - centre[t]| <= sum_k |A^k B| r

with equality for the worst inputs: no smaller range holds them all (Jackson 1970, "On the
interaction of roundoff noise and dynamic range in digital filters"). ``u`` is what the layer reads
and the error of every cast, which is bounded by the rounding mode. The sums are exact as long as no
cast clips; where the bounds say that none can, they hold for sequences of any length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnhw.analysis.derivatives import Derivatives, spectral_radius, step_derivatives
from rnnhw.analysis.intervals import Box
from rnnhw.graph.nodes import Cast, Node, State, StepGraph
from rnnhw.graph.rewrite import ancestors
from rnnhw.numerics.cast import Rounding, rounded

__all__ = ["LinearBounds", "cast_error", "linear_bounds", "outward"]

FloatArray = NDArray[np.float64]

_MOST_STEPS = 1 << 14
"""Powers of A that are summed; the rest is bounded by a geometric series."""

_ENOUGH = 1e-12
"""The norm of a power of A from which on the rest of the series is bounded, not summed."""

_MOST_OPERATIONS = 10**10
"""Multiplications after which the search for a bound stops without one."""

_SLACK = 1e-9
"""By how much bounds are widened, relative to their size: more than float64 loses on the way."""


@dataclass(frozen=True, eq=False)
class LinearBounds:
    """Boxes of the linear signals, as if no cast clipped; they hold where ``holds``."""

    boxes: Mapping[Node, Box]
    holds: bool
    steps: int


def outward(low: FloatArray, high: FloatArray, step: float) -> Box:
    """The raw integers of one ``step`` that lie within real bounds, which are widened first."""
    slack = _SLACK * np.maximum(np.abs(low), np.abs(high)) / step + _SLACK
    limit = 2.0**62  # what is larger is no bound
    least = np.clip(np.ceil(low / step - slack), -limit, limit)
    most = np.clip(np.floor(high / step + slack), -limit, limit)
    return Box(least.astype(np.int64), most.astype(np.int64))


def cast_error(node: Cast) -> tuple[float, float]:
    """The least and greatest of ``cast - operand`` where nothing clips, as real numbers."""
    drop = node.a.format.fraction - node.format.fraction
    if drop <= 0:
        return 0.0, 0.0
    step = node.format.step
    fine = 2.0**-drop
    match node.format.rounding:
        case Rounding.TRN:
            return -(1 - fine) * step, 0.0
        case Rounding.TRN_ZERO:
            return -(1 - fine) * step, (1 - fine) * step
        case _:
            return -step / 2, step / 2


def linear_bounds(
    graph: StepGraph,
    tensors: Mapping[str, FloatArray],
    inputs: Sequence[Box],
    first: Mapping[State, Box],
) -> LinearBounds | None:
    """The bounds of a layer; None where it is not linear, or does not decay fast enough.

    Args:
        graph: one step of a layer.
        tensors: the quantised real numbers by key.
        inputs: what each source can be.
        first: what the states can be before the first step.
    """
    if not graph.updates:
        return None
    step = step_derivatives(graph, tensors, errors=True)
    if not step.recurrence_is_linear:
        return None
    wanted = [new for _, new in graph.updates]
    wanted += [node.a for node in ancestors(*wanted) if node in step.columns.casts]  # type: ignore[attr-defined]
    wanted = list(dict.fromkeys(wanted))
    series = _Series(step, wanted, inputs, first)
    if not series.sum():
        return None
    boxes, begin = {}, 0
    for node in wanted:
        part = slice(begin, begin + node.units)
        boxes[node] = outward(series.low[part], series.high[part], node.format.step)
        begin += node.units
    holds = all(
        _fits(node, boxes[node.a])
        for node in ancestors(*(new for _, new in graph.updates))
        if isinstance(node, Cast) and not node.changes_nothing
    )
    return LinearBounds(boxes, holds, series.steps)


def _fits(node: Cast, operand: Box) -> bool:
    drop = node.a.format.fraction - node.format.fraction
    low = rounded(int(operand.low.min()), drop, node.format.rounding)
    high = rounded(int(operand.high.max()), drop, node.format.rounding)
    return node.format.lowest <= low and high <= node.format.max


class _Series:
    """Sums the impulse responses of the ``wanted`` signals; real bounds in ``low`` and ``high``."""

    def __init__(
        self,
        step: Derivatives,
        wanted: Sequence[Node],
        inputs: Sequence[Box],
        first: Mapping[State, Box],
    ) -> None:
        columns = step.columns
        count = columns.state_count
        self._A = step.jacobian()
        rows = np.concatenate([step.matrices[new] for _, new in step.graph.updates])
        self._B = rows[:, count:]
        self._signals = np.concatenate([step.matrices[node] for node in wanted])
        low, high = np.zeros(columns.count), np.zeros(columns.count)
        for source, place in columns.inputs.items():
            box = inputs[source.position]
            low[place], high[place] = box.low * source.format.step, box.high * source.format.step
        for node, place in columns.casts.items():
            assert isinstance(node, Cast)
            low[place], high[place] = cast_error(node)
        self._centre = ((low + high) / 2)[count:]
        self._radius = ((high - low) / 2)[count:]
        self._constant = np.concatenate([step.values[node] for node in wanted])
        drift = np.concatenate([step.values[new] for _, new in step.graph.updates])
        self._drift = drift + self._B @ self._centre
        pairs = [(first[state], state.format.step) for state, _ in step.graph.updates]
        least = np.concatenate([box.low * unit for box, unit in pairs])
        most = np.concatenate([box.high * unit for box, unit in pairs])
        self._first = (least + most) / 2
        self._first_radius = (most - least) / 2
        size = count * (count + self._B.shape[1]) + len(wanted) * count * self._B.shape[1]
        self._limit = min(_MOST_STEPS, _MOST_OPERATIONS // max(size, 1))
        self.steps = 0

    def sum(self) -> bool:
        """Whether the series has an end: a power of A that is small enough."""
        if not spectral_radius(self._A) < 1 - _SLACK:
            return False
        count = len(self._A)
        to_state, to_input = self._signals[:, :count], self._signals[:, count:]
        fixed = to_input @ self._centre + self._constant
        spread = np.abs(to_input) @ self._radius
        power = np.eye(count)
        centre = np.zeros(count)
        reached = np.zeros(len(fixed))
        norms, norm = 0.0, 1.0
        self.low, self.high = np.full(len(fixed), np.inf), np.full(len(fixed), -np.inf)
        while self.steps < self._limit:
            # Before step t: centre + A^t h0, and the radius of all inputs until then.
            middle = to_state @ (centre + power @ self._first) + fixed
            wide = np.abs(to_state @ power) @ self._first_radius + reached + spread
            self.low = np.minimum(self.low, middle - wide)
            self.high = np.maximum(self.high, middle + wide)
            norm = float(np.abs(power).sum(1).max())
            if not norm < 1e150:
                return False
            if norm < _ENOUGH:
                break
            norms += norm
            centre = centre + power @ self._drift
            reached = reached + np.abs(to_state @ (power @ self._B)) @ self._radius
            power = self._A @ power
            self.steps += 1
        if norm >= 0.5:
            return False
        self._add_rest(norm, norms, float(np.abs(to_state).sum(1).max()))
        return True

    def _add_rest(self, norm: float, norms: float, gain: float) -> None:
        """All later terms: with q = |A^K| they are at most q/(1-q) times those before."""
        source = float((np.abs(self._B) @ self._radius + np.abs(self._drift)).max(initial=0))
        begun = float((np.abs(self._first) + self._first_radius).max(initial=0))
        rest = gain * norm / (1 - norm) * (norms * source + 2 * (norms + 1) * begun)
        self.low, self.high = self.low - rest, self.high + rest
