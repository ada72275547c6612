"""The check of a certificate, written to be read in one sitting.

A certificate is a set of states. If the start is in it, if every step from one of its states leads
into it again, and if no such step breaks the claim, then by induction no sequence of any length
does: whatever is reached is in the set. Nothing else has to be believed, least of all the search
that found the set. The steps are taken here once more, by the definition of each operation: on
NumPy arrays of 64-bit integers, or with ``golden`` on Python's own, which are never too small.

The file is a zip archive: ``certificate.json`` (the claim's digest, the number of states by state
of the automaton) and ``set_<q>.xz``, the packed states of automaton state q in ascending order,
byte by byte: first the most significant byte of every state, then the next.
"""

from __future__ import annotations

import json
import lzma
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnnhw.design.claims import Claim
from rnnhw.design.tasks import FORBIDDEN, UNWANTED, Answer
from rnnhw.errors import DesignError
from rnnhw.graph.arrays import Array, ArrayStep
from rnnhw.graph.network import Scan, TimeNode
from rnnhw.graph.nodes import Node

__all__ = ["DAMAGES", "Checked", "check", "damage"]

DAMAGES = (
    *(OSError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, RuntimeError),
    *(KeyError, TypeError, ValueError, OverflowError),
)
"""Errors of reading a damaged or foreign archive."""

Vectors = list[dict[Node, Array]]
"""By subject the vectors of its states."""

_PART = 1 << 14
"""States that are stepped at once."""


@dataclass(frozen=True)
class Checked:
    """How many states and steps were checked, and why the certificate is refused ("" if not)."""

    states: int
    steps: int
    fault: str = ""


class _RefusedError(Exception):
    """The reason why a certificate is wrong."""


def check(
    claim: Claim,
    path: Path,
    *,
    golden: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Checked:
    """Whether the certificate ``path`` proves ``claim``; ``golden`` steps in Python integers.

    Raises:
        DesignError: the file is no certificate.
    """
    meta, sets = _read(path, claim)
    states, steps = sum(map(len, sets)), 0
    try:
        if meta["digest"] != claim.digest:
            raise _RefusedError("it was made for another design, or for another claim")
        _check_order(sets)
        first: Vectors = [{} for _ in claim.subjects]
        for p in claim.packings:
            first[p.subject][p.node] = p.first[:, None]
        _check_held(sets[0], _pack(claim, first, 1), "the start is not in the set")
        for state, keys in enumerate(sets):
            for begin in range(0, len(keys), _PART):
                part = keys[begin : begin + _PART]
                before = _unpack(claim, part, golden)
                for symbol in np.flatnonzero(claim.automaton.next[state] != FORBIDDEN).tolist():
                    after = _step(claim, before, state, symbol, golden)
                    target = sets[claim.automaton.next[state, symbol]]
                    _check_held(target, _pack(claim, after, len(part)), "a step leaves the set")
                    steps += len(part)
                if progress is not None:
                    progress(steps // claim.automaton.symbols, states)
    except _RefusedError as fault:
        return Checked(states, steps, str(fault))
    return Checked(states, steps)


def damage(error: Exception) -> str:
    """The reason why a file is no certificate."""
    if isinstance(error, (KeyError, TypeError)):
        return "a part that every certificate has is missing or of another kind"
    return str(error)


# --- the set -----------------------------------------------------------------------------------
def _read(path: Path, claim: Claim) -> tuple[dict[str, Any], list[Array]]:
    """The header of the file, and its states by state of the automaton, big-endian words."""
    size, sets = 8 * claim.words, []
    try:
        with zipfile.ZipFile(path) as archive:
            meta = json.loads(archive.read("certificate.json"))
            if meta["verdict"] != "closed":
                raise ValueError("its search was not at its end: it proves nothing yet")
            if len(meta["states"]) != claim.automaton.states:
                meta["digest"] = ""
                return meta, []
            for state, count in enumerate(meta["states"]):
                packed = archive.read(f"set_{state}.xz")
                raw = lzma.LZMADecompressor().decompress(packed, int(count) * size + 1)
                if len(raw) != int(count) * size:
                    raise ValueError(f"set_{state}.xz does not hold {count} states")
                planes = np.frombuffer(raw, np.uint8).reshape(size, int(count))
                sets.append(np.ascontiguousarray(planes.T).view(">u8"))
    except DAMAGES as error:
        raise DesignError(
            f"{path}: no certificate: {damage(error)}", "`rnnhw prove DESIGN -o FILE` writes one"
        ) from None
    return meta, sets


def _sortable(keys: Array) -> Array:
    """Keys as one value each, in the order of their bytes."""
    return np.ascontiguousarray(keys).view(f"S{8 * keys.shape[1]}").ravel()


def _check_order(sets: list[Array]) -> None:
    for keys in map(_sortable, sets):
        if (keys[1:] <= keys[:-1]).any():
            raise _RefusedError("its states are not in ascending order")


def _check_held(sets: Array, keys: Array, fault: str) -> None:
    held, wanted = _sortable(sets), _sortable(keys)
    at = np.searchsorted(held, wanted)
    if len(held) == 0 or (held[np.minimum(at, len(held) - 1)] != wanted).any():
        raise _RefusedError(fault)


def _unpack(claim: Claim, keys: Array, golden: bool) -> Vectors:
    vectors: Vectors = [{} for _ in claim.subjects]
    for p in claim.packings:
        mask = np.uint64((1 << p.node.format.width) - 1)
        least = np.uint64(p.node.format.min % (1 << 64))
        units = [
            (((keys[:, w].astype("u8") >> np.uint64(s)) & mask) + least).view(np.int64)
            for w, s in zip(p.words, p.shifts, strict=True)
        ]
        vectors[p.subject][p.node] = np.array(units).astype(object if golden else np.int64)
    return vectors


def _pack(claim: Claim, vectors: Vectors, count: int) -> Array:
    keys = np.zeros((count, claim.words), np.uint64)
    for p in claim.packings:
        least = np.uint64(p.node.format.min % (1 << 64))
        for unit, w, s in zip(vectors[p.subject][p.node], p.words, p.shifts, strict=True):
            keys[:, w] |= (unit.astype(np.int64).view(np.uint64) - least) << np.uint64(s)
    return keys.astype(">u8")


# --- the step ----------------------------------------------------------------------------------
def _step(claim: Claim, before: Vectors, state: int, symbol: int, golden: bool) -> Vectors:
    """The states of all subjects after one symbol; refuses a step that breaks the claim."""
    after: Vectors = [{} for _ in claim.subjects]
    answers = []
    for index, subject in enumerate(claim.subjects):
        kind = object if golden else np.int64
        column = subject.symbols[symbol].astype(kind)[:, None]
        outputs: dict[TimeNode, Array] = {subject.network.source: column}
        raw = {key: values.ravel().astype(kind) for key, values in subject.parameters.raw.items()}
        for layer in subject.network.nodes[1:]:
            assert isinstance(layer, Scan)
            inputs = [outputs[source] for source in layer.sources]
            step = ArrayStep(layer.graph, inputs, before[index], raw)
            after[index] |= {s: step.values[value] for s, value in layer.graph.updates}
            outputs[layer] = step.values[layer.graph.output]
            if index == 0:
                _check_bounds(claim, step)
        output = outputs[subject.network.output]
        signs = claim.automaton.answer is Answer.SIGN
        answers.append((output[0] > 0).astype(int) if signs else output.argmax(0))
    expected = int(claim.automaton.expected[state, symbol])
    right = answers[1] if len(claim.subjects) > 1 else expected
    if expected != UNWANTED and (answers[0] != right).any():
        raise _RefusedError("a state gives a wrong answer")
    return after


def _check_bounds(claim: Claim, step: ArrayStep) -> None:
    for node, values in step.values.items():
        name = step.graph.signal(node)
        if name in claim.within:
            low, high = claim.within[name]
            if ((values < low) | (values > high)).any():
                raise _RefusedError(f"{name} leaves its bounds")
    for name in step.clipped.intersection(claim.never):
        raise _RefusedError(f"{name} meets a value that does not fit")
