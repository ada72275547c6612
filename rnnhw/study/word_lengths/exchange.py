"""Trades that go on where a greedy search ends: bits off some variables, bits to others.

The greedy search takes the last bits of cheap variables as soon as they lose little. Then an
expensive one cannot lose a bit, though it could beside wider biases and states. Two kinds of trades
are tried:

- an exchange: one or two moves down and up to two moves up, three in all;
- a drop and its repair: one or two moves down, and what they free is spent on the moves that make
  the error smallest for their bits (destruction and construction as in Ruiz & Stützle 2007,
  doi:10.1016/j.ejor.2005.12.009, but nothing is drawn).

Every trade is one run. The error model (:mod:`error_model`) tells which may keep the demands, and
their order: what they save, or free to spend, for what the error grows. The first trade that is
better is taken, a repair is followed by a greedy descent, and all begins anew from there.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from rnnhw.study.word_lengths.error_model import noise_of_bits
from rnnhw.study.word_lengths.goal import Goal, error_power
from rnnhw.study.word_lengths.greedy import Move, descent, moves_of, outcome_of
from rnnhw.study.word_lengths.space import Space, Words

__all__ = ["exchanges"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MOST_MOVES = 60
"""Designs with more moves have no trades of three: 60 have 200,000 of them."""

_MOST_RAISED = 3
"""Bits that a repair adds to a variable by one move."""


def exchanges(space: Space, goal: Goal, words: Words, widest: int) -> Iterator[Words]:
    """Better and better words, from ``words`` on, until no trade is better; no variable gets more
    bits than at one word of ``widest`` bits for all."""
    while True:
        taken = _taken(space, goal, words, space.uniform(widest))
        if taken is None:
            return
        trade, words = taken
        yield words
        if trade.spent_on:  # more than was needed, as a rule
            for better in descent(space, goal, words):
                words = better
                yield better


def _taken(space: Space, goal: Goal, words: Words, widest: Words) -> tuple[_Trade, Words] | None:
    """The first trade that is better than ``words``, and the words behind it."""
    now = outcome_of(space, words)
    most, rank = goal.most_bits(now.bits), goal.rank(now)
    tried = {space.key(words)}
    prospects = _Prospects(space, goal, words, widest)
    trades = heapq.merge(prospects.exchanges(), prospects.repairs(), key=lambda each: each[0])
    for _, trade in trades:
        after = _within(space, trade, most)
        if after is None or space.key(after) in tried:
            continue
        tried.add(space.key(after))
        then = space.kept(after)
        if then is not None and goal.rank(then) < rank and space.confirmed(after):
            return trade, after
    return None


@dataclass(frozen=True, eq=False)
class _Trade:
    """Words, and moves up behind them; the last of these are left out while too much is stored."""

    words: IntArray
    spent_on: tuple[IntArray, ...] = ()


def _within(space: Space, trade: _Trade, most: int) -> Words | None:
    """The words of a trade that store at most ``most`` bits; None where it has none."""
    for left_out in range(len(trade.spent_on) + 1):
        raised = trade.spent_on[: len(trade.spent_on) - left_out]
        bits = (trade.words + np.sum(raised, axis=0, dtype=np.int64)).tolist()
        words = dict(zip((each.name for each in space.variables), bits, strict=True))
        stored = space.stored(words)
        if stored is not None and stored <= most:
            return words
    return None


class _Prospects:
    """What is expected of trades from ``words``, by the error model and by the stored bits of
    single moves, which are taken to add."""

    def __init__(self, space: Space, goal: Goal, words: Words, widest: Words) -> None:
        now = outcome_of(space, words)
        self._goal, self._power = goal, error_power(now)
        self._bits = np.array(space.key(words))
        self._least = np.array([each.least_bits for each in space.variables])
        self._widest = np.maximum(space.key(widest), self._bits)
        self._addresses = np.array([each.function is not None for each in space.variables])
        self._noise = noise_of_bits(space, words)
        self._room = goal.most_bits(now.bits) - now.bits
        kept = [
            error_power(outcome)
            for outcome in space.outcomes.values()
            if outcome is not None and space.judge.demands.met(outcome.figures)
        ]
        self._most_growth = goal.most_power(self._power, max(kept)) - self._power
        names = [each.name for each in space.variables]
        moves = moves_of(space.variables)
        self._moves = np.array([[name in move for name in names] for move in moves], dtype=np.int64)
        self._saved = now.bits - self._sizes(space, words, moves, -1)
        self._cost = self._sizes(space, words, moves, 1) - now.bits

    def _sizes(self, space: Space, words: Words, moves: Sequence[Move], step: int) -> FloatArray:
        """The stored bits after one move; NaN where it cannot be."""
        sizes = np.full(len(moves), np.nan)
        for place, move in enumerate(moves):
            if self._possible(step * self._moves[place]):
                stored = space.stored({**words, **{name: words[name] + step for name in move}})
                sizes[place] = np.nan if stored is None else stored
        return sizes

    def _possible(self, steps: IntArray) -> NDArray[np.bool_]:
        bits = self._bits + steps
        possible: NDArray[np.bool_] = ((bits >= self._least) & (bits <= self._widest)).all(-1)
        return possible

    def _growth(self, steps: IntArray) -> FloatArray:
        """What ``steps`` [..., variables] add to the error's power."""
        added = 4.0 ** -(self._bits + steps).astype(float) - 4.0 ** -self._bits.astype(float)
        growth: FloatArray = added @ self._noise
        return growth

    def _sets(self, sizes: FloatArray, step: int) -> tuple[IntArray, IntArray, FloatArray]:
        """None, one or two moves, also twice the same: how many, their steps [sets, variables] and
        their bits."""
        able = np.flatnonzero(~np.isnan(sizes)).tolist()
        places = [[], *([place] for place in able)]
        places += [list(pair) for pair in combinations_with_replacement(able, 2)]
        steps = np.array([step * self._moves[chosen].sum(0) for chosen in places])
        bits = np.array([sizes[chosen].sum() for chosen in places])
        possible = self._possible(steps)
        counts = np.array([len(chosen) for chosen in places])
        return counts[possible], steps[possible], bits[possible]

    def exchanges(self) -> Iterator[tuple[float, _Trade]]:
        """Moves down and up; the first of a pair is the order."""
        downs, down_steps, saved = self._sets(self._saved, -1)
        ups, up_steps, cost = self._sets(self._cost, 1)
        stored = cost - saved[:, None]
        growth = self._growth(down_steps)[:, None] + self._growth(up_steps)
        most_moves = 3 if len(self._moves) <= _MOST_MOVES else 2
        count = downs[:, None] + ups
        promising = (stored <= self._room) & (growth <= self._most_growth)
        promising &= (count > 0) & (count <= most_moves)
        promising &= (down_steps != 0).astype(int) @ (up_steps != 0).astype(int).T == 0
        down, up = np.nonzero(promising)
        order = self._goal.order(self._share(growth[down, up]), -stored[down, up])
        for place in np.argsort(order, kind="stable"):
            steps = down_steps[down[place]] + up_steps[up[place]]
            yield float(order[place]), _Trade(self._bits + steps)

    def repairs(self) -> Iterator[tuple[float, _Trade]]:
        """Moves down, and up what they free; the first of a pair is the order."""
        _, steps, saved = self._sets(self._saved, -1)
        raises = list(self._raises())
        trades = []
        for lowered, free in zip(steps, saved + self._room, strict=True):
            spent_on, left, total = [], free, lowered.copy()
            for move, cost in raises:
                if cost <= left and not (move * lowered).any() and self._possible(total + move):
                    spent_on.append(move)
                    left, total = left - cost, total + move
            growth = self._growth(total)
            if spent_on and growth <= self._most_growth:
                order = self._goal.order(self._share(growth), free)
                trades.append((float(order), _Trade(self._bits + lowered, tuple(spent_on))))
        return iter(sorted(trades, key=lambda each: each[0]))

    def _raises(self) -> Iterator[tuple[IntArray, float]]:
        """Moves up and what they cost, those first that make the error smallest for it. A bit more
        of an address doubles its table."""
        found = []
        for move, cost in zip(self._moves, self._cost, strict=True):
            if np.isnan(cost):
                continue
            doubles = bool((move * self._addresses).any())
            for bit in range(_MOST_RAISED):
                less = self._growth(bit * move) - self._growth((bit + 1) * move)
                costs = max(cost, 0.0) * (2**bit if doubles else 1)
                found.append((-less / (costs + 0.5), bit, move, costs))
        found.sort(key=lambda each: each[:2])
        return ((move, cost) for _, _, move, cost in found)

    def _share(self, growth: FloatArray) -> FloatArray:
        return growth / (self._power or 1.0)
