"""Superinstructions: neighbouring instructions of a phase that one kernel runs in one pass.

A pattern looks at the instructions alone: which value each writes and which others read it. It
knows no cell. What it puts in their place computes the same integers and the same events, and the
work that is measured at an instruction is measured at the one that replaces it.

=========  ==========================================================================
finish     ``cast_in_words``, ``lookup_bytes``, then what keeps the value as bytes: up
           to two of ``store`` (a state, an output) and one ``pack_bytes`` (what the
           next product reads). The cast or the lookup may be missing.
=========  ==========================================================================
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from rnnhw.execution.instructions import OPERATION, Row, instruction

__all__ = ["fused"]

_MOST_STORES = 2


def fused(
    tile: Sequence[Row], is_register: Callable[[int], bool]
) -> tuple[list[Row], list[tuple[Row, Row]]]:
    """The instructions of a tile with superinstructions in the place of what they do.

    Args:
        tile: the instructions, in order; each writes a register that none writes again.
        is_register: whether nothing outside these instructions reads a slot.
    Returns:
        The instructions, and pairs of one that is gone and the one that does its work.
    """
    program = _Program(tile)
    places = {id(row): place for place, row in enumerate(tile)}
    instead: dict[int, Row] = {}  # the place of the last instruction that it replaces
    replaced: list[tuple[Row, Row]] = []
    for row in tile:
        members = program.finished_by(row, is_register)
        if members:
            finish = _finish(members)
            instead[max(places[id(member)] for member in members)] = finish
            replaced += [(member, finish) for member in members]
    gone = {id(member) for member, _ in replaced}
    rows = [
        instead.get(place, row)
        for place, row in enumerate(tile)
        if place in instead or id(row) not in gone
    ]
    return rows, replaced


class _Program:
    """Who writes and who reads the registers of a tile."""

    def __init__(self, tile: Sequence[Row]) -> None:
        self._writer = {row["dst"]: row for row in tile if row.get("dst")}
        self._readers: dict[int, list[Row]] = defaultdict(list)
        for row in tile:
            for operand in ("a", "b", "c"):
                if row.get(operand):
                    self._readers[row[operand]].append(row)

    def finished_by(self, row: Row, is_register: Callable[[int], bool]) -> list[Row]:
        """What ``finish`` replaces where ``row`` computes a value that is kept as bytes alone."""
        if not (_is(row, "cast_in_words") or _is(row, "lookup_bytes")):
            return []
        kept = self._readers[row["dst"]]
        stores = [reader for reader in kept if _is(reader, "store") and reader["low"] == 8]
        packs = [reader for reader in kept if _is(reader, "pack_bytes")]
        few = len(stores) <= _MOST_STORES and len(packs) <= 1
        if not kept or not few or len(stores) + len(packs) < len(kept):
            return []
        if not is_register(row["dst"]):
            return []
        members = [row, *kept]
        before = self._writer.get(row["a"])
        if _is(row, "lookup_bytes") and before is not None and _is(before, "cast_in_words"):
            alone = len(self._readers[row["a"]]) == 1 and is_register(row["a"])
            members += [before] if alone else []
        return members


def _finish(members: Sequence[Row]) -> Row:
    by_name = {name: [row for row in members if _is(row, name)] for name in OPERATION}
    fields = {"high": -1}
    for lookup in by_name["lookup_bytes"]:
        fields |= {name: lookup[name] for name in ("a", "data", "high")}
    for cast in by_name["cast_in_words"]:
        fields |= {name: cast[name] for name in ("a", "cast", "events")} | {"shift_a": cast["low"]}
    for pack in by_name["pack_bytes"]:
        fields |= {"dst": pack["dst"], "low": pack["low"]}
    for name, store in zip(("b", "c"), by_name["store"], strict=False):
        fields[name] = store["dst"]
    return instruction("finish", 32, **fields)


def _is(row: Row, operation: str) -> bool:
    return row["operation"] == OPERATION[operation]
