"""Plans of several networks as one program, in which every lane has the constants of its network.

The networks differ in formats alone and have the same weights. Their plans
(:func:`rnnhw.execution.compiler.plan_networks`) then differ in constants: shifts, limits, casts and
tables of instructions, aligned biases, first states. An instruction whose constants are equal stays
as it is; one whose constants differ, or that counts events, runs by lane, and each lane counts its
own events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rnnhw.execution.compiler import LANES
from rnnhw.execution.instructions import INSTRUCTION, OPERATION
from rnnhw.execution.plan import LaneConstants, NetworkPlan, ScanPlan
from rnnhw.execution.variants import PlansDifferError, agreed
from rnnhw.numerics.cast import OVERFLOW_NUMBER, ROUNDING_NUMBER, Overflow, Rounding

__all__ = ["lanes_of", "merged_by_lane"]

IntArray = NDArray[np.int64]

_ADD_HALF = 8
"""The rounding of casts in words that adds a number (``RNNHW_ADD_HALF`` in ``ext/kernels.h``)."""

_FITS = 8
"""The fit of casts that clip nothing (``RNNHW_NEVER_CLIPS``)."""

_ELEMENTWISE = {number for name, number in OPERATION.items() if number < OPERATION["cast"]}
_CASTS = {OPERATION[name] for name in ("cast", "cast_in_words", "cast_lookup", "finish")}
_LOOKUPS = {OPERATION[name] for name in ("lookup", "lookup_bytes", "cast_lookup", "finish")}

_VARY = {
    **dict.fromkeys(_ELEMENTWISE, frozenset({"shift_a", "shift_b", "low", "high"})),
    **dict.fromkeys(_LOOKUPS, frozenset({"high"})),
}
"""The fields by operation that may differ from lane to lane."""

_DROP, _WIDTH, _SIGNED, _ROUNDING, _OVERFLOW, _LOWEST, _MAX = range(7)


def merged_by_lane(plans: Sequence[NetworkPlan], lanes: Sequence[int]) -> NetworkPlan:
    """The plans as one: ``lanes`` tells the plan of each of the 16 lanes (:func:`lanes_of`).

    Raises:
        PlansDifferError: an instruction cannot have constants by lane.
    """
    owners = [max(place, 0) for place in lanes]  # empty lanes compute as the first network
    first = plans[0]
    by_layer = zip(*(plan.scans.values() for plan in plans), strict=True)
    merged = [_merged(own, owners) for own in by_layer]
    return replace(first, scans=dict(zip(first.scans, merged, strict=True)))


def _merged(plans: Sequence[ScanPlan], lanes: Sequence[int]) -> ScanPlan:
    first = plans[0]
    for rows in zip(*(plan.matrices for plan in plans), strict=True):
        agreed(id(each) for each in rows)
    instructions, used = first.instructions.copy(), _used(first)
    data = list(first.data)
    by_lane: list[LaneConstants] = []
    for number, rows in enumerate(zip(*(plan.instructions for plan in plans), strict=True)):
        merger = _Instruction(rows, plans, lanes, number in used)
        if merger.stays:
            continue
        instructions["by_lane"][number] = len(by_lane)
        by_lane.append(merger.constants())
        if merger.own_tables:
            instructions["data"][number] = len(data)
            data.append(merger.tables())
    return replace(
        first,
        instructions=instructions,
        data=data,
        by_lane=by_lane,
        constants=[
            (slot, _by_lane([dict(plan.constants)[slot] for plan in plans], lanes))
            for slot, _ in first.constants
        ],
    )


def _by_lane(
    values: Sequence[NDArray[np.signedinteger]], lanes: Sequence[int]
) -> NDArray[np.signedinteger]:
    """A constant vector [units * 16], of every lane that of its network."""
    each = [of.reshape(-1, LANES) for of in values]
    columns = [each[place][:, lane] for lane, place in enumerate(lanes)]
    return np.ascontiguousarray(np.stack(columns, axis=1)).ravel()


class _Instruction:
    """One instruction of all plans."""

    def __init__(
        self,
        rows: Sequence[np.void],
        plans: Sequence[ScanPlan],
        lanes: Sequence[int],
        used: bool,
    ) -> None:
        self._rows, self._plans, self._lanes = rows, plans, lanes
        self._first = rows[0]
        self._operation = int(self._first["operation"])
        self._bits = int(self._first["bits"])
        self._casts_at = self._operation in _CASTS and int(self._first["cast"]) >= 0
        self.own_tables = self._tables_differ()
        self.stays = not used or not (self._differ() or self._casts_at)

    def _differ(self) -> bool:
        """Whether a constant differs.

        Raises:
            PlansDifferError: one that cannot have a value by lane, or a product counts events.
        """
        differing = {
            name for name in INSTRUCTION.names or () if len({int(r[name]) for r in self._rows}) > 1
        }
        if differing - _VARY.get(self._operation, frozenset()):
            raise PlansDifferError
        if self._operation not in _CASTS and any(
            int(self._first[name]) >= 0 for name in ("cast", "product")
        ):
            raise PlansDifferError
        return bool(differing) or self.own_tables

    def _tables_differ(self) -> bool:
        if self._operation not in _LOOKUPS or int(self._first["high"]) < 0:
            return False
        tables = [plan.data[int(self._first["data"])] for plan in self._plans]
        return not all(np.array_equal(tables[0], table) for table in tables)

    def _fields(self, name: str) -> IntArray:
        """A field in every lane."""
        return np.array([int(self._rows[place][name]) for place in self._lanes], np.int64)

    def constants(self) -> LaneConstants:
        """The constants of every lane, in the order of ``RNNHW_LANE_CONSTANTS``."""
        kinds = {name: self._fields(name) for name in ("shift_a", "shift_b", "low", "high")}
        rounding, fit = 0, _FITS
        cast = dict.fromkeys(_CAST_KINDS, np.zeros(LANES, np.int64))
        if self._casts_at:
            rounding, fit, cast = self._cast()
        table = np.arange(LANES, dtype=np.int64) * (self._entries() if self.own_tables else 0)
        rows = [*kinds.values(), *(cast[kind] for kind in _CAST_KINDS), table]
        return LaneConstants(rounding, fit, self.own_tables, np.stack(rows))

    def _cast(self) -> tuple[int, int, dict[str, IntArray]]:
        """The modes and the constants of the cast."""
        index = int(self._first["cast"])
        casts = np.stack([self._plans[place].casts[index] for place in self._lanes])
        rounding = int(agreed(casts[:, _ROUNDING].tolist()))
        overflow = int(agreed(casts[:, _OVERFLOW].tolist()))
        drop, width, lowest, most = (casts[:, at] for at in (_DROP, _WIDTH, _LOWEST, _MAX))
        right, left = np.maximum(drop, 0), np.maximum(-drop, 0)
        if int(right.max()) > self._bits - 2 or int(left.max()) > self._bits - 1:
            raise PlansDifferError
        if overflow == OVERFLOW_NUMBER[Overflow.WRAP_SM]:
            raise PlansDifferError
        in_words = self._operation != OPERATION["cast"]
        proven = in_words and bool(
            self._first["low" if self._operation == OPERATION["cast_in_words"] else "shift_a"]
        )
        half = np.where(right > 0, 1 << np.maximum(right - 1, 0), 1)
        cuts = rounding == ROUNDING_NUMBER[Rounding.TRN]
        if in_words and (cuts or rounding == ROUNDING_NUMBER[Rounding.RND]):
            half = np.where((right > 0) & (not cuts), half, 0)
            rounding = _ADD_HALF
        return (
            rounding,
            _FITS if proven else _fit(overflow),
            {
                "right": right,
                "left": left,
                "half": half,
                "low_bits": (1 << right) - 1,
                "limit_low": (lowest + ((1 << left) - 1)) >> left,
                "limit_high": most >> left,
                "lowest": lowest,
                "max": most,
                "spare": self._bits - width,
                "keep": np.where(casts[:, _SIGNED] != 0, -1, most),
            },
        )

    def _entries(self) -> int:
        """The entries of the longest table."""
        index = int(self._first["data"])
        return max(len(plan.data[index]) for plan in self._plans)

    def tables(self) -> NDArray[np.signedinteger]:
        """The tables of all lanes, one behind the other, as long as the longest."""
        index, entries = int(self._first["data"]), self._entries()
        given = [self._plans[place].data[index] for place in self._lanes]
        return np.concatenate([np.pad(table, (0, entries - len(table))) for table in given])


_CAST_KINDS = (
    "right", "left", "half", "low_bits", "limit_low", "limit_high", "lowest", "max", "spare",
    "keep",
)  # fmt: skip


def _fit(overflow: int) -> int:
    """Saturation is one whatever the lowest number is."""
    plain = [OVERFLOW_NUMBER[each] for each in (Overflow.WRAP, Overflow.SAT_ZERO)]
    return overflow if overflow in plain else OVERFLOW_NUMBER[Overflow.SAT]


def _used(plan: ScanPlan) -> set[int]:
    """The instructions that a phase has; others only count what a superinstruction does."""
    used: set[int] = set()
    for first, whole, ahead, tile, _ in plan.phases.tolist():
        used |= set(range(first, first + whole + ahead + tile))
    return used


def lanes_of(networks: int) -> list[int]:
    """The network of every lane where so many share a block, each with as many lanes; -1 for lanes
    that none has."""
    each = LANES // networks
    return [lane // each if lane < each * networks else -1 for lane in range(LANES)]
