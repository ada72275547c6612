"""Where a layer that is held at one input repeats: cycles, found exactly.

A layer is deterministic and its state is finite, so a state that comes a second time comes for
ever: the steps before its first time are the transient, those between are the cycle, often of one
step. A run remembers a digest of every state until one repeats.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from rnnhw.execution.alone import LayerAlone

__all__ = ["Cycles", "find_cycles"]

IntArray = NDArray[np.int64]
Vectors = dict[str, IntArray]

_PART_VALUES = 1 << 22
"""State values that are held at once: bounds the memory, not the result."""


@dataclass(frozen=True, eq=False)
class Cycles:
    """Of every run: the ``periods`` of the cycle that it reaches (0: it did not repeat within the
    steps) and the ``transients``, steps before the first state of the cycle, [sequences].

    ``entries`` is that first state; ``least`` and ``most`` bound every unit of every state over
    one period, [sequences, units]. All three are zero where a run does not repeat.
    """

    periods: IntArray
    transients: IntArray
    entries: Vectors
    least: Vectors
    most: Vectors

    @property
    def repeating(self) -> int:
        """How many runs repeat."""
        return int((self.periods > 0).sum())

    @property
    def heights(self) -> Vectors:
        """The largest magnitudes over a period, [sequences, units]."""
        return {name: np.maximum(-self.least[name], self.most[name]) for name in self.least}


def find_cycles(layer: LayerAlone, inputs: IntArray, states: Vectors, limit: int) -> Cycles:
    """Run ``layer`` from ``states`` until every sequence repeats, at most ``limit`` steps.

    Args:
        layer: a recurrent layer.
        inputs: raw, [sequences, :attr:`LayerAlone.inputs`]: what each reads at every step.
        states: raw, by name, [sequences, units].
        limit: a cycle counts if its second round begins within so many steps.
    """
    return _Search(layer, inputs).run(states, limit)


class _Search:
    def __init__(self, layer: LayerAlone, inputs: IntArray) -> None:
        self._layer, self._inputs = layer, inputs
        self._largest = max(_PART_VALUES // (len(inputs) * layer.state_units), 1)

    def _steps(self, states: Vectors, steps: int) -> tuple[Vectors, Vectors]:
        """The states before every one of ``steps`` steps, [sequences, steps, units], and the states
        behind the last."""
        held = np.repeat(self._inputs[:, None], steps, axis=1)
        run = self._layer.run(held, states)
        return self._layer.before(run), {name: run.final[name] for name in states}

    def run(self, states: Vectors, limit: int) -> Cycles:
        count = len(self._inputs)
        seen: list[dict[bytes, int]] = [{} for _ in range(count)]
        periods, transients = np.zeros(count, np.int64), np.zeros(count, np.int64)
        reached = {name: np.zeros_like(value) for name, value in states.items()}
        done, part = 0, 16
        while done <= limit and not periods.all():
            part = min(4 * part, self._largest, limit + 1 - done)
            before, states = self._steps(states, part)
            joined = np.concatenate(list(before.values()), axis=2)
            for index in np.flatnonzero(periods == 0).tolist():
                for step, row in enumerate(joined[index]):
                    key = blake2b(row.tobytes(), digest_size=16).digest()
                    first = seen[index].setdefault(key, done + step)
                    if first < done + step:
                        periods[index], transients[index] = done + step - first, first
                        for name, value in before.items():
                            reached[name][index] = value[index, step]
                        break
            done += part
        least, most = self._bounds(reached, periods)
        return Cycles(periods, transients, reached, least, most)

    def _bounds(self, states: Vectors, periods: IntArray) -> tuple[Vectors, Vectors]:
        """The least and greatest of every unit over one period from ``states`` on."""
        least = {name: value.copy() for name, value in states.items()}
        most = {name: value.copy() for name, value in states.items()}
        done, longest = 1, int(periods.max())
        if longest > 1:
            _, states = self._steps(states, 1)
        while done < longest:
            part = min(longest - done, self._largest)
            before, states = self._steps(states, part)
            inside = (done + np.arange(part) < periods[:, None])[:, :, None]
            for name, value in before.items():
                held = np.where(inside, value, least[name][:, None])
                least[name] = np.minimum(least[name], held.min(1))
                held = np.where(inside, value, most[name][:, None])
                most[name] = np.maximum(most[name], held.max(1))
            done += part
        for bounds in (least, most):
            for value in bounds.values():
                value[periods == 0] = 0
        return least, most
