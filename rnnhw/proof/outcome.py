"""The outcome of a search."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.claims import Claim

__all__ = ["Keys", "Outcome", "Verdict", "packed", "unpacked"]

Keys = NDArray[np.uint64]
"""Packed states, [states, words]."""


class Verdict(enum.Enum):
    """How a search ended."""

    CLOSED = "closed"  # every state that can be reached was expanded: right for ever
    WRONG = "wrong"  # a sequence breaks the claim, and no shorter one does
    OPEN = "open"  # a bound was met before either


@dataclass(frozen=True, eq=False)
class Outcome:
    """The answer of a search.

    ``states`` counts pairs of a state of the network and one of the automaton. ``depth`` is, where
    closed, the steps to the last of them; where wrong, the steps of ``symbols``; where open, the
    length up to which every sequence is right. ``symbols`` is a shortest sequence that breaks the
    claim, as numbers of the automaton's alphabet.
    """

    claim: Claim
    verdict: Verdict
    states: int
    depth: int
    symbols: tuple[int, ...] = ()
    reason: str = ""
    """Which bound an open search met."""


def packed(claim: Claim, values: dict[tuple[int, str], NDArray[np.int64]]) -> Keys:
    """Keys of raw state vectors [states, units], by subject and name."""
    count = len(next(iter(values.values()))) if values else 1
    keys = np.zeros((count, claim.words), np.uint64)
    for each in claim.packings:
        least = np.uint64(each.node.format.min % (1 << 64))
        for unit, (word, shift) in enumerate(zip(each.words, each.shifts, strict=True)):
            column = values[each.subject, each.name][:, unit].astype(np.int64)
            keys[:, word] |= (column.view(np.uint64) - least) << np.uint64(shift)
    return keys


def unpacked(claim: Claim, keys: Keys) -> dict[tuple[int, str], NDArray[np.int64]]:
    """The raw state vectors [states, units] of keys."""
    values = {}
    for each in claim.packings:
        width, least = each.node.format.width, np.uint64(each.node.format.min % (1 << 64))
        mask = np.uint64((1 << width) - 1)
        vector = np.zeros((len(keys), each.node.units), np.int64)
        for unit, (word, shift) in enumerate(zip(each.words, each.shifts, strict=True)):
            part = ((keys[:, word] >> np.uint64(shift)) & mask) + least
            vector[:, unit] = part.view(np.int64)
        values[each.subject, each.name] = vector
    return values
