"""Superinstructions: instructions of a phase that one kernel runs in one pass over its tiles.

A pattern looks at the instructions alone: which value each writes and which others read it. It
knows no cell. What it puts in their place computes the same integers and the same events, and the
work that is measured at an instruction is measured at the one that replaces it.

============ ========================================================================
products     a product of bytes that another begins with: both are added in one pass,
             ``[W U] [x h]``. The work of the first is still counted for itself.
finish       ``cast_in_words``, ``lookup_bytes``, then what keeps the value as bytes:
             up to two of ``store`` (a state, an output) and one ``pack_bytes`` or ``pack``
             (what the next product reads). The cast or the lookup may be missing.
cast_lookup  ``cast_in_words`` and ``lookup_bytes`` of a value that is read as words,
             as that of a gate is; with the ``add`` of two words in front of them.
finish_rows  ``finish`` of the sums of a ``rows_short`` that nothing else reads, or of a
             ``rows_diagonal`` that begins with them, shifted by a ``shift`` or not. The work of
             the products is still counted for itself.
multiply_add an ``add`` of a product of two vectors that nothing else reads.
pack_stored  ``load`` of bytes that only a ``pack_bytes`` reads.
gated_sum    products of gates and stored vectors, cast (:mod:`rnnhw.execution.gated_sums`).
============ ========================================================================
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rnnhw.execution.instructions import OPERATION, Row, instruction
from rnnhw.execution.variants import always_zero

__all__ = ["Fused", "TileProgram", "fused", "is_operation"]

_MOST_STORES = 2


@dataclass
class Fused:
    """A tile's instructions with superinstructions in them."""

    rows: list[Row]
    replaced: list[tuple[Row, Row]] = field(default_factory=list)
    """Removed instructions, and the instruction at which their work is measured."""
    aside: list[tuple[list[Row], Row]] = field(default_factory=list)
    """Instructions that no phase has any more, and the one that does their work, and measures it at
    each of them: they stand one behind the other, and its ``start`` becomes the number of the
    first."""


def fused(tile: Sequence[Row], is_register: Callable[[int], bool]) -> Fused:
    """The instructions of a tile with superinstructions in the place of what they do.

    Args:
        tile: the instructions, in order; each writes a register that none writes again.
        is_register: whether nothing outside these instructions reads a slot.
    """
    program = TileProgram(tile, is_register)
    places = {id(row): place for place, row in enumerate(tile)}
    result = Fused([])
    instead: dict[int, Row] = {}  # by the place of the last instruction that it replaces
    for row in tile:
        for members_of, one_of in _PATTERNS:
            members = members_of(program, row)
            if members:
                one = instead[max(places[id(member)] for member in members)] = one_of(members)
                result.replaced += [(member, one) for member in members]
                break
        first = program.product_before(row)
        if first is not None and places[id(first)] not in instead:
            both = instead[places[id(row)]] = _products(first, row)
            result.replaced.append((row, both))
            result.aside.append(([first], both))
    gone = {id(row) for row, _ in result.replaced} | {
        id(row) for rows, _ in result.aside for row in rows
    }
    result.rows = [
        instead.get(place, row)
        for place, row in enumerate(tile)
        if place in instead or id(row) not in gone
    ]
    _finish_rows(result, is_register)
    return result


def _finish_rows(tile: Fused, is_register: Callable[[int], bool]) -> None:
    """Let an instruction ``finish`` compute the rows that it alone reads."""
    program = TileProgram(tile.rows, is_register)
    gone = set()
    for finish in tile.rows:
        members = program.rows_finished_by(finish)
        if not members:
            continue
        finish["operation"] = OPERATION["finish_rows"]
        gone |= {id(row) for row in members}
        reader = finish
        for row in members:
            if is_operation(row, "shift"):
                reader["shift_a"] = row["shift_a"]
            else:
                tile.aside.append(([row], reader))
                reader = row
    tile.rows = [row for row in tile.rows if id(row) not in gone]


class TileProgram:
    """Which instruction of a tile writes a register, and which read it."""

    def __init__(self, tile: Sequence[Row], is_register: Callable[[int], bool]) -> None:
        self._is_register = is_register
        self._writer = {row["dst"]: row for row in tile if row.get("dst")}
        self._readers: dict[int, list[Row]] = defaultdict(list)
        for row in tile:
            for operand in ("a", "b", "c"):
                if row.get(operand):
                    self._readers[row[operand]].append(row)

    def writer(self, slot: int) -> Row | None:
        """The instruction that writes a register."""
        return self._writer.get(slot)

    def readers(self, slot: int) -> list[Row]:
        """The instructions that read a slot."""
        return self._readers[slot]

    def only_read_by(self, slot: int, reader: Row) -> bool:
        """Whether a slot is a register that one instruction reads, once, and no other."""
        readers = self._readers[slot]
        return self._is_register(slot) and len(readers) == 1 and readers[0] is reader

    def finished_by(self, row: Row) -> list[Row]:
        """The instructions that ``finish`` replaces where ``row`` is kept as bytes alone."""
        if not (is_operation(row, "cast_in_words") or is_operation(row, "lookup_bytes")):
            return []
        kept = self._readers[row["dst"]]
        stores = [reader for reader in kept if is_operation(reader, "store") and reader["low"] == 8]
        packs = [reader for reader in kept if is_operation(reader, "pack_bytes")]
        if stores:  # which tells that the bytes have a sign
            packs += [reader for reader in kept if is_operation(reader, "pack")]
        few = len(stores) <= _MOST_STORES and len(packs) <= 1
        if not kept or not few or len(stores) + len(packs) < len(kept):
            return []
        if not self._is_register(row["dst"]):
            return []
        before = self._writer.get(row["a"])
        if (
            is_operation(row, "lookup_bytes")
            and before is not None
            and is_operation(before, "cast_in_words")
        ):
            return [row, *kept, before] if self.only_read_by(row["a"], row) else [row, *kept]
        return [row, *kept]

    def looked_up_by(self, row: Row) -> list[Row]:
        """A cast and the lookup ``row`` that alone reads it, and the sum of two words in front."""
        if not is_operation(row, "lookup_bytes"):
            return []
        cast = self._writer.get(row["a"])
        if cast is None or not is_operation(cast, "cast_in_words"):
            return []
        if not self.only_read_by(row["a"], row):
            return []
        add = self._writer.get(cast["a"])
        if add is not None and is_operation(add, "add") and self.only_read_by(cast["a"], cast):
            shifts = (add.get("shift_a", 0), add.get("shift_b", 0))
            if add["bits"] == 32 and all(map(always_zero, shifts)) and not self.added_by(add):
                return [cast, row, add]
        return [cast, row]

    def added_by(self, row: Row) -> list[Row]:
        """The addition ``row`` and the product of two vectors that it alone reads."""
        if not is_operation(row, "add"):
            return []
        for operand in ("b", "a"):
            product = self._writer.get(row[operand])
            if (
                product is not None
                and is_operation(product, "multiply")
                and product["bits"] == row["bits"]
                and self.only_read_by(row[operand], row)
            ):
                return [product, row]
        return []

    def packed_by(self, row: Row) -> list[Row]:
        """The load of bytes that the pack ``row`` alone reads, and the pack."""
        if not is_operation(row, "pack_bytes"):
            return []
        load = self._writer.get(row["a"])
        if load is None or not is_operation(load, "load") or load["low"] != 8:
            return []
        return [load, row] if self.only_read_by(row["a"], row) else []

    def product_before(self, row: Row) -> Row | None:
        """The product that a product of the same kind, in words of 32 bits, begins with."""
        kinds = ("rows_bytes", "rows_tiles", "rows_short")
        if not any(is_operation(row, kind) for kind in kinds) or row["bits"] != 32:
            return None
        first = self._writer.get(row.get("b", 0))
        if first is None or (first["operation"], first["bits"]) != (row["operation"], 32):
            return None
        return first if self.only_read_by(row["b"], row) else None

    def rows_finished_by(self, finish: Row) -> list[Row]:
        """The short rows whose sums a ``finish`` casts, where nothing else reads them; or a
        diagonal, then the shift of what it begins with if there is one, then short rows."""
        if not is_operation(finish, "finish") or "cast" not in finish:
            return []
        found, slot, reader = [], finish["a"], finish
        for kind in ("rows_diagonal", "shift", "rows_short"):
            row = self._writer.get(slot)
            if row is None or not is_operation(row, kind) or row["bits"] != 32:
                continue
            if not self.only_read_by(slot, reader) or (kind == "shift" and reader is finish):
                return []
            found.append(row)
            slot, reader = row.get("a" if kind == "shift" else "b", 0), row
        return found if found and is_operation(found[-1], "rows_short") else []


def _products(first: Row, second: Row) -> Row:
    """Both products in one: begins with what the first begins with."""
    return second | {"b": first.get("b", 0), "c": first["a"], "data": first["rows"]}


def _cast_lookup(members: Sequence[Row]) -> Row:
    cast, lookup, *adds = members
    fields = {name: cast[name] for name in ("a", "cast", "events")} | {"shift_a": cast["low"]}
    fields |= {name: lookup[name] for name in ("dst", "data", "high", "low")}
    for add in adds:
        fields |= {name: add[name] for name in ("a", "b")}
    return instruction("cast_lookup", 32, **fields)


def _multiply_add(members: Sequence[Row]) -> Row:
    product, add = members
    term, factors = ("a", "b") if add["b"] == product["dst"] else ("b", "a")
    return instruction(
        "multiply_add",
        add["bits"],
        dst=add["dst"],
        a=add[term],
        b=product["a"],
        c=product["b"],
        shift_a=add.get(f"shift_{term}", 0),
        shift_b=add.get(f"shift_{factors}", 0),
    )


def _pack_stored(members: Sequence[Row]) -> Row:
    load, pack = members
    return instruction("pack_stored", 32, dst=pack["dst"], a=load["a"], low=pack["low"])


def _finish(members: Sequence[Row]) -> Row:
    by_name = {name: [row for row in members if is_operation(row, name)] for name in OPERATION}
    fields = {"high": -1}
    for lookup in by_name["lookup_bytes"]:
        fields |= {name: lookup[name] for name in ("a", "data", "high")}
    for cast in by_name["cast_in_words"]:
        fields |= {name: cast[name] for name in ("a", "cast", "events")} | {"shift_a": cast["low"]}
    for pack in by_name["pack_bytes"]:
        fields |= {"dst": pack["dst"], "low": pack["low"]}
    for pack in by_name["pack"]:
        fields |= {"dst": pack["dst"], "shift_b": 1}
    for name, store in zip(("b", "c"), by_name["store"], strict=False):
        fields[name] = store["dst"]
    return instruction("finish", 32, **fields)


def is_operation(row: Row, operation: str) -> bool:
    """Whether an instruction has the operation of a name."""
    return row["operation"] == OPERATION[operation]


_PATTERNS = (
    (TileProgram.finished_by, _finish),
    (TileProgram.looked_up_by, _cast_lookup),
    (TileProgram.added_by, _multiply_add),
    (TileProgram.packed_by, _pack_stored),
)
"""For an instruction: the search for those that one can replace together with it, and the function
that builds that one. The first search with a result counts."""
