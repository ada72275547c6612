"""The search by definition: golden integers, Python sets, one breadth-first level after another.

Slow on purpose and without a trick; the compiled search equals it state for state.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.claims import Claim
from rnnhw.design.tasks import FORBIDDEN, UNWANTED, Answer
from rnnhw.execution import golden
from rnnhw.execution.batch import Batch
from rnnhw.proof.outcome import Keys, Outcome, Verdict, packed, unpacked

__all__ = ["plain_search"]

Pair = tuple[int, tuple[int, ...]]
"""A state of the automaton and a key."""

Came = dict[Pair, tuple[Pair, int] | None]
"""By pair found the one before it and the symbol."""


def plain_search(claim: Claim, max_states: int | None = None) -> tuple[Outcome, list[Keys]]:
    """The outcome, and by state of the automaton the keys in the order in which they were found."""
    automaton, words = claim.automaton, claim.words
    first = {(p.subject, p.name): p.first[None] for p in claim.packings}
    start: Pair = (0, tuple(packed(claim, first)[0].tolist()))
    came: Came = {start: None}
    frontier, depth = [start], 0
    while frontier:
        if max_states is not None and len(came) > max_states:
            return _ended(claim, Verdict.OPEN, came, depth, words)
        following = []
        # As the compiled search does: the automaton's states in order, each one's keys in order.
        for pair in sorted(frontier, key=lambda pair: pair[0]):
            state, key = pair
            for symbol in range(automaton.symbols):
                target = int(automaton.next[state, symbol])
                if target == FORBIDDEN:
                    continue
                right, after = _step(claim, np.array([key], np.uint64), state, symbol)
                if not right:
                    path = (*_path(came, pair), symbol)
                    return _ended(claim, Verdict.WRONG, came, depth + 1, words, path)
                found = (target, tuple(after[0].tolist()))
                if found not in came:
                    came[found] = (pair, symbol)
                    following.append(found)
        depth += bool(following)
        frontier = following
    return _ended(claim, Verdict.CLOSED, came, depth, words)


def _path(came: Came, pair: Pair) -> tuple[int, ...]:
    """The symbols that led to a pair."""
    before = came[pair]
    return () if before is None else (*_path(came, before[0]), before[1])


def _ended(
    claim: Claim,
    verdict: Verdict,
    came: Came,
    depth: int,
    words: int,
    path: tuple[int, ...] = (),
) -> tuple[Outcome, list[Keys]]:
    sets = [
        np.array([key for state, key in came if state == q], np.uint64).reshape(-1, words)
        for q in range(claim.automaton.states)
    ]
    return Outcome(claim, verdict, len(came), depth, path), sets


def _step(claim: Claim, key: Keys, state: int, symbol: int) -> tuple[bool, Keys]:
    """Whether one edge gives what the claim says, and the key behind it."""
    before, answers, right = unpacked(claim, key), [], True
    after: dict[tuple[int, str], NDArray[np.int64]] = {}
    for index, subject in enumerate(claim.subjects):
        initial = {name: vector for (i, name), vector in before.items() if i == index}
        batch = Batch(subject.symbols[symbol][None, None], np.ones(1, np.int64), initial)
        traces = claim.within if index == 0 else ()
        run = golden.run(subject.network, subject.parameters, batch, traces)
        after |= {(index, name): vector for name, vector in run.final.items()}
        output = run.outputs[0, 0]
        signs = claim.automaton.answer is Answer.SIGN
        answers.append(int(output[0] > 0) if signs else int(output.argmax()))
        if index == 0:
            for name, (low, high) in claim.within.items():
                right &= bool(((run.traces[name] >= low) & (run.traces[name] <= high)).all())
            right &= not any(run.events[name].total for name in claim.never)
    expected = int(claim.automaton.expected[state, symbol])
    if expected != UNWANTED:
        right &= answers[0] == (answers[1] if len(answers) > 1 else expected)
    return right, packed(claim, after)
