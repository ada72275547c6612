"""Proof that a net recalls a marked value however long it is asked to wait."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnhw import Design
from rnnhw.execution.batch import make_batch
from rnnhw.execution.engine import run

INPUTS = np.array([[1, 0], [-1, 0], [1, 1], [-1, 1]])
"""All inputs of a step: value and marker."""

Pairs = NDArray[np.int64]
"""Distinct pairs, one a row: every state of the net, then the marked value (0: not yet seen)."""


@dataclass(frozen=True)
class Proof:
    """``pairs`` were reached; ``closed``: all that there are; ``right``: none answers wrongly."""

    pairs: int
    closed: bool
    right: bool

    @property
    def holds(self) -> bool:
        """Whether sequences of every lead and delay are answered right."""
        return self.closed and self.right


def prove_recall(design: Design, limit: int = 100_000) -> Proof:
    """Breadth-first search over the pairs (state of the net, marked value) of a recall design.

    From the net's first state every input is tried, marked ones only where no value is marked
    yet. Answers count from the first step after the marked one. The search ends where nothing new
    is reached, at a wrong answer, or beyond ``limit`` pairs.
    """
    states = {name: node.units for name, node in design.network.states().items()}
    start = np.zeros((1, sum(states.values()) + 1), np.int64)
    seen, front = set(_keys(start)), start
    while len(front) and len(seen) <= limit:
        reached, right = _step(design, states, front)
        if not right:
            return Proof(len(seen), False, False)
        new = [key not in seen for key in _keys(reached)]
        front = reached[new]
        seen.update(_keys(front))
    return Proof(len(seen), not len(front), True)


def _step(design: Design, states: dict[str, int], front: Pairs) -> tuple[Pairs, bool]:
    """All pairs behind ``front``, and whether every answer on the way was right."""
    pairs, inputs = np.repeat(front, len(INPUTS), 0), np.tile(INPUTS, (len(front), 1))
    allowed = (pairs[:, -1] == 0) | (inputs[:, 1] == 0)
    pairs, inputs = pairs[allowed], inputs[allowed]
    ends = np.cumsum(list(states.values()))
    before = dict(zip(states, np.split(pairs[:, :-1], ends[:-1], 1), strict=True))
    batch = make_batch(design.network, inputs[:, None].astype(float), None, before)
    result = run(design.network, design.parameters, batch)
    marked = pairs[:, -1]
    answers = np.where(result.outputs[:, 0, 0] > 0, 1, -1)
    right = bool((answers == marked)[marked != 0].all())
    value = np.where(inputs[:, 1] == 1, inputs[:, 0], marked)
    after = np.column_stack([*(result.final[name] for name in states), value])
    return np.unique(after, axis=0), right


def _keys(pairs: Pairs) -> list[bytes]:
    return [row.tobytes() for row in pairs]
