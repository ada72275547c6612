"""Prove a design: right for sequences of any length, or a shortest one that it gets wrong."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path

from rnnhw.design.claims import Claim, claim_of
from rnnhw.design.design import Design
from rnnhw.design.tasks import Automaton
from rnnhw.errors import UsageError, unknown_name
from rnnhw.numerics.cast import Interval
from rnnhw.proof.certificate import resumed, save
from rnnhw.proof.counterexample import Counterexample, counterexample
from rnnhw.proof.outcome import Outcome, Verdict
from rnnhw.proof.search import Progress, Search

__all__ = ["Bounds", "KeptInterrupt", "Proof", "claimed", "default_memory", "prove"]

Bounds = Mapping[str, tuple[Fraction | float | None, Fraction | float | None]]
"""By signal the least and greatest real value that it may have; None: no limit."""


class KeptInterrupt(KeyboardInterrupt):
    """An interrupt of a search that is kept in a file."""


@dataclass(frozen=True, eq=False)
class Proof:
    """A claim about a design and what a search found of it."""

    design: Design
    claim: Claim
    outcome: Outcome

    @property
    def closed(self) -> bool:
        """Whether the claim holds for sequences of any length."""
        return self.outcome.verdict is Verdict.CLOSED

    @cached_property
    def counterexample(self) -> Counterexample | None:
        """A shortest sequence that breaks the claim, confirmed by the golden model."""
        if self.outcome.verdict is not Verdict.WRONG:
            return None
        return counterexample(self.claim, self.outcome.symbols)


def claimed(
    design: Design,
    *,
    automaton: Automaton | None = None,
    equivalent_to: Design | None = None,
    within: Bounds | None = None,
    never: Iterable[str] = (),
) -> Claim:
    """The claim that :func:`prove` decides; the arguments are its own.

    Raises:
        DesignError, UsageError: as :func:`prove`.
    """
    signals = design.network.signals()
    bounds: dict[str, Interval] = {}
    for name, (low, high) in (within or {}).items():
        if name not in signals:
            raise UsageError(*unknown_name("signal", name, signals))
        format = signals[name].format
        scale = Fraction(2) ** format.fraction
        bounds[name] = (
            format.min if low is None else max(math.ceil(Fraction(low) * scale), format.min),
            format.max if high is None else min(math.floor(Fraction(high) * scale), format.max),
        )
    return claim_of(
        design, automaton, other=equivalent_to, within=bounds, never=tuple(dict.fromkeys(never))
    )


def prove(
    design: Design,
    *,
    automaton: Automaton | None = None,
    equivalent_to: Design | None = None,
    within: Bounds | None = None,
    never: Iterable[str] = (),
    max_states: int | None = None,
    memory: int | None = None,
    isa: str | None = None,
    threads: int | None = None,
    resume: Path | None = None,
    certificate: Path | None = None,
    progress: Progress | None = None,
    keeping: Callable[[], None] | None = None,
) -> Proof:
    """Decide a claim about all input sequences of a finite alphabet by a breadth-first search of
    the states that they reach.

    Args:
        design: with weights.
        automaton: the sequences and what their steps must give; None takes the task's.
        equivalent_to: a second design that must give the same sign (or class) wherever the
            automaton wants an answer, instead of the answers that it expects.
        within: real bounds of signals, which must hold at every step; then no answer is asked.
        never: signals whose casts must never meet a value that does not fit; no answer either.
        max_states: stop when there are more states.
        memory: bytes that the states may take; None: half of this machine's.
        isa: the instruction set; None takes the fastest that runs here.
        threads: cores that share the search; None takes all. No result depends on it.
        resume: a file that ``certificate`` left, to go on with its search.
        certificate: where the certificate goes if the claim holds, and the search as it stands
            if a bound or an interrupt stops it.
        progress: called with the states expanded and those found.
        keeping: called when an interrupt has stopped the search, before it is written; a large
            one takes seconds.

    Raises:
        DesignError: there is no automaton, or the network has no finite state.
        UsageError: a name is unknown, a file cannot be written, a bound is too small to begin,
            or ``threads`` is below one.
    """
    claim = claimed(
        design, automaton=automaton, equivalent_to=equivalent_to, within=within, never=never
    )
    if max_states is not None and max_states < 1:
        raise UsageError(f"max_states={max_states}", "give at least 1")
    search = Search(
        claim,
        isa=isa,
        threads=threads,
        max_states=max_states,
        memory=default_memory() if memory is None else memory,
    )
    if resume is None:
        search.begin()
    else:
        resumed(resume, search)
    try:
        outcome = search.run(progress)
    except KeyboardInterrupt:
        if certificate is None:
            raise
        if keeping is not None:
            keeping()
        save(certificate, search, Verdict.OPEN)
        raise KeptInterrupt from None
    if certificate is not None and outcome.verdict is not Verdict.WRONG:
        save(certificate, search, outcome.verdict)
    return Proof(design, claim, outcome)


def default_memory() -> int:
    """Half of this machine's memory in bytes, or 4 GiB where the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, OSError, ValueError):
        return 4 << 30
