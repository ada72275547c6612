"""Bits off one variable or group after another, the best first.

A move takes a bit off one variable or off a group of them; the best move saves the most bits for
what it loses. Groups matter where variables are coupled: the gates of an LSTM share one table only
as long as their formats are equal, so that a bit off one of them alone adds a table.

A move's gain is measured when it is at the head of the queue and taken if it still beats what the
others promised (lazy evaluation; Minoux 1978, "Accelerated greedy algorithms for maximizing
submodular set functions"). Moves that break a demand are tried again when nothing else is left.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from itertools import count

from rnnhw.study.word_lengths.goal import Goal
from rnnhw.study.word_lengths.judge import Outcome
from rnnhw.study.word_lengths.space import Space, Words
from rnnhw.study.word_lengths.variables import Variable

__all__ = ["Move", "descent", "moved", "moves_of", "outcome_of"]

Move = tuple[str, ...]
"""The variables that change together."""

_LOST_BY_NOTHING = 0.002
"""What is added to the loss of a move before bits are divided by it, so that moves that lose
nothing are ordered by their bits."""


def moves_of(variables: Sequence[Variable]) -> list[Move]:
    """The names that lose a bit together: each variable, and those of one layer and role."""
    groups: dict[tuple[str, str], list[str]] = {}
    for variable in variables:
        groups.setdefault((variable.layer, variable.role), []).append(variable.name)
    singles = [(variable.name,) for variable in variables]
    return [*singles, *(tuple(group) for group in groups.values() if len(group) > 1)]


def moved(space: Space, words: Words, move: Move) -> Words | None:
    """``words`` with a bit less; None where a variable has no bit to lose."""
    least = {variable.name: variable.least_bits for variable in space.variables}
    if any(words[name] <= least[name] for name in move):
        return None
    return {**words, **{name: words[name] - 1 for name in move}}


def descent(space: Space, goal: Goal, words: Words) -> Iterator[Words]:
    """Words with fewer and fewer bits, from ``words`` down, until the goal is reached or nothing
    can go."""
    yield words
    moves = moves_of(space.variables)
    taken = True
    while taken:
        taken = False
        for better in _round(space, goal, words, moves):
            words, taken = better, True
            yield words


def _round(space: Space, goal: Goal, words: Words, moves: Sequence[Move]) -> Iterator[Words]:
    """The best moves one after another, until none that was feasible so far is left."""
    order = count()
    queue: list[tuple[float, int, Move, int]] = []
    step = 0
    for move in moves:
        queue.append((-float("inf"), next(order), move, -1))
    heapq.heapify(queue)
    # All of these are measured before the first is taken.
    space.expect(filter(None, (moved(space, words, move) for move in moves)))
    while queue and not goal.reached(outcome_of(space, words).bits):
        _, _, move, measured = heapq.heappop(queue)
        after = moved(space, words, move)
        if after is None:
            continue
        if measured == step:
            if not space.confirmed(after):
                continue
            words = after
            step += 1
            yield words
            heapq.heappush(queue, (-float("inf"), next(order), move, -1))
            continue
        gain = _gain(space, goal, words, after)
        if gain is not None:
            heapq.heappush(queue, (-gain, next(order), move, step))


def outcome_of(space: Space, words: Words) -> Outcome:
    """The outcome of words that are known to be a network."""
    outcome = space.outcome(words)
    assert outcome is not None
    return outcome


def _gain(space: Space, goal: Goal, before: Words, after: Words) -> float | None:
    """Bits saved for what is lost; None where nothing is saved or a demand is broken. A move that
    saves no bit and loses nothing may open the way for others and gains 0."""
    now, then = outcome_of(space, before), space.kept(after)
    if then is None:
        return None
    lost = goal.loss(now, then)
    saved = now.bits - then.bits
    if saved < 0 or (saved == 0 and lost > 0):
        return None
    return saved / (lost + _LOST_BY_NOTHING)
