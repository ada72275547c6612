"""Sums of products of gates as one superinstruction each: what ends a step of a gated cell.

A second pass over a tile, behind :mod:`rnnhw.execution.superinstructions`. It looks for a cast
(``finish``, ``cast_lookup`` or ``cast_in_words``) of a ``multiply`` or ``multiply_add`` that
nothing else reads. The factors are taken along where nothing else reads them: gates
(``cast_lookup``), vectors stored in 8 or 16 bits (``load``), and a second ``multiply`` that is
added. ``gated_sum`` computes all of it in one pass, without storing what lies between. It takes
casts that saturate, or of which nothing can clip, and whose rounding adds a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rnnhw.execution.instructions import OPERATION, Row, instruction
from rnnhw.execution.superinstructions import Fused, TileProgram, is_operation
from rnnhw.numerics.cast import OVERFLOW_NUMBER, ROUNDING_NUMBER, Overflow, Rounding

__all__ = ["with_gated_sums"]

Casts = Sequence[Sequence[Sequence[int]]]

_CONSTANT = {ROUNDING_NUMBER[each] for each in (Rounding.TRN, Rounding.RND, Rounding.RND_MIN_INF)}
_SATURATES = {OVERFLOW_NUMBER[each] for each in (Overflow.SAT, Overflow.SAT_SYM)}
_FINISHES = {OPERATION[name] for name in ("finish", "cast_lookup")}


def with_gated_sums(tile: Fused, casts: Casts, is_register: Callable[[int], bool]) -> Fused:
    """The instructions of a tile with ``gated_sum`` in the place of what it computes.

    Args:
        tile: what :func:`rnnhw.execution.superinstructions.fused` returns.
        casts: the casts of the program, of all networks that it is planned for, as ``rnnhw_cast``
            in ``ext/word_cast.h`` has them.
        is_register: whether nothing outside these instructions reads a slot.
    """
    program = TileProgram(tile.rows, is_register)
    replaced, aside = list(tile.replaced), list(tile.aside)
    rows: list[Row] = []
    gone: set[int] = set()
    for row in tile.rows:  # in order: a gate that ends a sum is no factor of a later one
        found = _gated(program, row, casts, gone)
        if found is None:
            rows.append(row)
            continue
        one, parts, members = found
        rows.append(one)
        gone |= {id(each) for each in (*parts, *members)}
        aside.append((parts, one))
        replaced += [(member, one) for member in members]
    return Fused([row for row in rows if id(row) not in gone], replaced, aside)


def _gated(
    program: TileProgram, end: Row, casts: Casts, gone: set[int]
) -> tuple[Row, list[Row], list[Row]] | None:
    """What computes the cast ``end`` and all in front of it that is not ``gone``: the
    superinstruction, its parts (factors, then the end), and what it replaces besides."""
    in_words = is_operation(end, "cast_in_words")
    is_cast = in_words or end["operation"] in _FINISHES
    if not is_cast or end.get("cast", -1) < 0 or not _saturates(end, casts, in_words):
        return None
    if is_operation(end, "cast_lookup") and end.get("b"):
        return None  # it casts a sum of two words
    total = program.writer(end["a"])
    if total is None or total["bits"] != 32 or not program.only_read_by(end["a"], end):
        return None
    fields: dict[str, int] = {}
    members = [total]
    if is_operation(total, "multiply"):
        products = [(total, "a", "b")]
    elif is_operation(total, "multiply_add"):
        products = [(total, "b", "c")]
        fields = {name: total.get(name, 0) for name in ("shift_a", "shift_b")}
        term = program.writer(total["a"])
        if (
            term is not None
            and is_operation(term, "multiply")
            and program.only_read_by(total["a"], total)
        ):
            products.append((term, "a", "b"))
            members.append(term)
        else:
            fields["a"] = total["a"]
    else:
        return None
    parts = [
        _factor(program, row, operand, casts, gone) for row, *names in products for operand in names
    ]
    parts.append(end)
    if in_words:
        fields["dst"] = end["dst"]
        stores = [row for row in program.readers(end["dst"]) if _stores_16(row)]
        if len(stores) == 1:
            fields["b"] = stores[0]["dst"]
            members += stores
    elif is_operation(end, "cast_lookup"):
        fields["dst"] = end["dst"]
    return instruction("gated_sum", 32, low=len(products), **fields), parts, members


def _factor(
    program: TileProgram,
    product: Row,
    operand: str,
    casts: Casts,
    gone: set[int],
) -> Row:
    """The instruction that a factor stands for: one that is taken along, or a load of words."""
    slot = product[operand]
    writer = program.writer(slot)
    taken = writer is not None and id(writer) in gone
    if writer is not None and not taken and program.only_read_by(slot, product):
        is_gate = is_operation(writer, "cast_lookup") and _saturates(writer, casts, False)
        is_stored = is_operation(writer, "load") and writer["low"] in (8, 16)
        if is_gate or is_stored:
            return writer
    return instruction("load", 32, a=slot, low=32)


def _saturates(row: Row, casts: Casts, in_words: bool) -> bool:
    """Whether a cast is one that ``gated_sum`` computes: of words, or else into bytes."""
    proven = bool(row["low" if in_words else "shift_a"])
    for drop, _, _, rounding, overflow, lowest, most in casts[row["cast"]]:
        fits = most <= 255 and lowest >= (-128 if most <= 127 else 0)
        constant = drop == 0 or rounding in _CONSTANT
        if not (constant and (proven or overflow in _SATURATES) and (in_words or fits)):
            return False
    return True


def _stores_16(row: Row) -> bool:
    return is_operation(row, "store") and row["low"] == 16
