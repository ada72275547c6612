"""The compiled search: level after level of states, each expanded by the engine in C.

Python calls the kernels for a tenth of a second at a time, however many levels that is; between
two calls it shows progress and takes an interrupt. All that a search is stands in its sets and in
:class:`Frontier`, so that one that was stopped goes on as if it never had been. The threads that
share a call take the same steps side by side in C (ext/keysets.h); what they find, and in which
order, does not depend on their number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.claims import Claim, Packing
from rnnhw.design.tasks import Answer
from rnnhw.errors import UsageError
from rnnhw.execution import _engine
from rnnhw.execution.compiler import Symbols, plan_steps
from rnnhw.execution.engine import check_threads, cores, select_isa
from rnnhw.execution.plan import NetworkPlan
from rnnhw.execution.quads import ByteProducts
from rnnhw.proof.outcome import Keys, Outcome, Verdict, packed

__all__ = ["Frontier", "Search"]

Progress = Callable[[int, int], None]

_CALL_SECONDS = 0.1
"""The intended duration of one call of the kernels: as long as an interrupt may wait."""

_MOST_ROUNDS = 256
"""Of one call; a round is 1,000 to 16,000 successors."""

_WORTH_THREAD = 8192
"""Successors of a level for which one more thread is used: a millisecond's work, to begin takes a
tenth."""

_WORTH_SHARE = 512
"""Candidates of a round, for each thread, for which the threads share it: some 30 microseconds'
work, and five times in it they wait for each other."""

_NO_LIMIT = 1 << 62

_UNFINISHED, _CLOSED, _BROKEN, _MAX_TOTAL, _MAX_BYTES, _MAX_SET = range(6)
"""``enum rnnhw_search_status`` of ext/search.h."""


@dataclass
class Frontier:
    """Where a search stands: keys by state of the automaton.

    ``starts`` holds the first key of every level so far, [levels, states]; the last level is the
    one that is being expanded, up to the keys ``ends``, of which those before ``done`` are.
    """

    done: NDArray[np.int64]
    ends: NDArray[np.int64]
    starts: NDArray[np.int64]


class Search:
    """A search for what breaks a claim.

    Args:
        claim: what is searched for.
        isa: the instruction set; None takes the fastest that runs here.
        max_states: stop when there are more states; None: no limit.
        memory: bytes that keys and sets may take; None: no limit.
        threads: cores that share the search; None takes all. No result depends on it.

    Raises:
        UsageError: the instruction set is not there, a bound is less than one state needs, or
            ``threads`` is below one.
    """

    def __init__(
        self,
        claim: Claim,
        *,
        isa: str | None = None,
        max_states: int | None = None,
        memory: int | None = None,
        threads: int | None = None,
    ) -> None:
        self.claim = claim
        self.max_states = _NO_LIMIT if max_states is None else max_states
        self.memory = _NO_LIMIT if memory is None else memory
        check_threads(threads)
        self.threads = min(threads or cores(), _engine.most_threads())
        self._level, _ = select_isa(isa)
        self._plans = [self._plan(index) for index in range(len(claim.subjects))]
        automaton = claim.automaton
        self._sets = _engine.Search(
            claim.words,
            np.ascontiguousarray(automaton.next),
            np.ascontiguousarray(automaton.expected),
            automaton.answer is Answer.CLASS,
            len(claim.subjects),
            self.threads,
        )
        self._add_workers(1)
        self._pool: ThreadPoolExecutor | None = None
        self._rounds = 16

    # --- what the kernels are told -----------------------------------------------------------
    def _plan(self, index: int) -> NetworkPlan:
        claim, subject = self.claim, self.claim.subjects[index]
        traces = claim.within if index == 0 else {}
        watched = index == 0 and bool(claim.within or claim.never)
        symbols = Symbols(len(subject.symbols), watched)
        products = ByteProducts(_engine.byte_sums(self._level))
        return plan_steps(subject.network, subject.parameters, symbols, traces, products)

    def _add_workers(self, threads: int) -> None:
        """Programs for so many threads: each has vectors of its own."""
        while self._sets.workers < threads:
            self._sets.add_worker([self._subject(index) for index in range(len(self._plans))])

    def _subject(self, index: int) -> _engine.Subject:
        claim, subject, plan = self.claim, self.claim.subjects[index], self._plans[index]
        first = index == 0
        program = _engine.Program(plan, self._level)
        program.reserve(len(subject.symbols))
        packings = [_packing(plan, each) for each in claim.packings if each.subject == index]
        within = [(name, low, high) for name, (low, high) in claim.within.items()] if first else []
        watched = [
            (number, event)
            for number, scan in enumerate(plan.scans.values())
            for event, name in enumerate(scan.event_names)
            if first and name in claim.never
        ]
        return program, np.ascontiguousarray(subject.symbols), packings, within, watched

    # --- the search ----------------------------------------------------------------------------
    def begin(self) -> None:
        """Put the start of all networks into the set of the automaton's state 0.

        Raises:
            UsageError: the memory does not hold it.
        """
        first = {(p.subject, p.name): p.first[None] for p in self.claim.packings}
        done = np.zeros(self.claim.automaton.states, np.int64)
        ends = done.copy()
        ends[0] = 1
        self.restore([packed(self.claim, first)], Frontier(done, ends, done[None]))

    def restore(self, sets: Sequence[Keys], frontier: Frontier) -> None:
        """Take over the sets of an earlier search, in its order, and where it stood.

        Raises:
            UsageError: the memory does not hold them.
            ValueError: a set holds a key twice.
        """
        for state, keys in enumerate(sets):
            new = self._sets.put(state, np.ascontiguousarray(keys), self.memory)
            if new < 0:
                raise UsageError(
                    "the memory is too small for the states found so far", "raise --memory"
                )
            if new != len(keys):
                raise ValueError("it holds a state twice")
        self._sets.stand(frontier.done, frontier.ends, frontier.starts)

    def run(self, progress: Progress | None = None) -> Outcome:
        """Expand level after level until the claim is decided or a bound is met.

        ``progress`` is called with the states expanded and those found.
        """
        try:
            return self._run(progress)
        finally:
            if self._pool is not None:
                self._pool.shutdown()
                self._pool = None

    def _run(self, progress: Progress | None) -> Outcome:
        while True:
            began = time.monotonic()
            status, state, symbol = self._call()
            if status == _CLOSED:
                return self._outcome(Verdict.CLOSED)
            if status == _BROKEN:
                path = self._path(state)
                return self._outcome(Verdict.WRONG, (*path, symbol))
            if status != _UNFINISHED:
                return self._outcome(Verdict.OPEN, reason=self._reason(status))
            spent = time.monotonic() - began
            if spent < _CALL_SECONDS / 2:
                self._rounds = min(2 * self._rounds, _MOST_ROUNDS)
            elif spent > 2 * _CALL_SECONDS:
                self._rounds = max(self._rounds // 2, 1)
            if progress is not None:
                progress(self._sets.done, self._sets.total)

    def _call(self) -> tuple[int, int, int]:
        """Expand what is left of this level and further ones: the status, and the state and the
        symbol of the step that breaks the claim."""
        sets, successors = self._sets, self._sets.left * self.claim.automaton.symbols
        threads = min(self.threads, max(successors // _WORTH_THREAD, 1))
        self._add_workers(threads)
        worth_team = 2 * _WORTH_THREAD if self.threads > 1 else _NO_LIMIT
        share = worth_team, _WORTH_SHARE
        sets.plan(self._rounds, threads, share, self.max_states, self.memory)
        if threads == 1:
            sets.work(0)
            return sets.outcome
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads - 1)
        try:
            others = [self._pool.submit(sets.work, thread) for thread in range(1, threads)]
            sets.work(0)
        except BaseException:
            sets.abandon()  # an interrupt came first: the others wait for this thread
            raise
        for other in others:
            other.result()
        return sets.outcome

    def _outcome(
        self, verdict: Verdict, symbols: tuple[int, ...] = (), reason: str = ""
    ) -> Outcome:
        depth = len(symbols) or len(self.frontier.starts) - 1
        return Outcome(self.claim, verdict, self._sets.total, depth, symbols, reason)

    def _reason(self, status: int) -> str:
        return {
            _MAX_TOTAL: f"more than {self.max_states:,} states",
            _MAX_BYTES: f"the memory of {self.memory:,} bytes",
            _MAX_SET: "2**32 states of one set",
        }[status]

    def _path(self, state: int) -> tuple[int, ...]:
        """The symbols that lead to the first key of a state that is not expanded: level by level
        backwards, each found by stepping the level before it once more."""
        starts, index = self.frontier.starts, int(self.frontier.done[state])
        following = self.claim.automaton.next
        path: list[int] = []
        level = max(at for at, start in enumerate(starts) if start[state] <= index)
        while level > 0:
            for before in np.flatnonzero((following == state).any(1)).tolist():
                found, symbol = self._sets.trace(
                    before,
                    int(starts[level - 1][before]),
                    int(starts[level][before]),
                    state,
                    index,
                )
                if found >= 0:
                    break
            else:
                raise AssertionError("a state without a way to it")
            path.append(symbol)
            state, index, level = before, found, level - 1
        return tuple(reversed(path))

    # --- what is kept --------------------------------------------------------------------------
    def keys(self, state: int) -> Keys:
        """The keys of a state of the automaton, in the order in which they were found."""
        return self._sets.keys(state, 0, self.counts[state])

    @property
    def frontier(self) -> Frontier:
        """Where the search stands."""
        return Frontier(*self._sets.standing)

    @property
    def counts(self) -> list[int]:
        """How many keys each state of the automaton has."""
        return [int(count) for count in self._sets.counts]

    @property
    def total(self) -> int:
        """States found."""
        return self._sets.total

    @property
    def workers(self) -> int:
        """Threads that have taken part."""
        return self._sets.workers

    @property
    def bytes(self) -> int:
        """Memory that keys and sets take."""
        return self._sets.bytes


def _packing(plan: NetworkPlan, packing: Packing) -> _engine.Packing:
    """A state vector by the numbers of its scan and its place there."""
    for number, scan in enumerate(plan.scans.values()):
        for place, state in enumerate(scan.states):
            if state.node is packing.node:
                return (
                    number,
                    place,
                    np.array(packing.words, np.int64),
                    np.array(packing.shifts, np.int64),
                    packing.node.format.width,
                    packing.node.format.min,
                )
    raise AssertionError(packing.name)
