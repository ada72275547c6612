"""Designs side by side without hardware: the rows that a comparison has, and what fills them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rnnhw.design.demands import Check
from rnnhw.design.design import Design

__all__ = ["COSTS", "Comparison", "Row", "RowCheck", "Value"]

Value = int | float | None

COSTS = (
    "recurrent_weight_words",
    "weight_words",
    "multiplies_per_step",
    "adds_per_step",
    "reach_steps",
    "weight_bits",
    "bias_bits",
    "table_bits",
    "state_bits",
    "storage_bits",
)
"""The columns that every row has. ``weight_words`` are all weights, the recurrent ones among
them; operations are those of the layers that run at every step. ``reach_steps`` is that of the
recurrent layer that takes longest: infinite where units never meet, None without a recurrence,
NaN where it depends on weights that there are not. ``storage_bits`` is the sum of the four before
it, each tensor and each table of a layer once (:mod:`rnnhw.analysis.storage`)."""


@dataclass(frozen=True, eq=False)
class Row:
    """One design with one combination of values.

    ``varied`` are the varied parameters as the design's types; ``costs`` are :data:`COSTS`.
    ``scores`` are empty without a simulation; else they hold every figure NAME of the task's
    score as ``float_NAME`` and ``NAME``, on harder samples as ``SAMPLES_NAME``, with its details.
    """

    design: Design
    label: str
    varied: Mapping[str, object]
    costs: Mapping[str, Value]
    scores: Mapping[str, Value] = field(default_factory=dict)
    measure: str = ""
    """The figure that the task's scores are compared by; empty without a simulation."""
    unjudged: Mapping[str, str] = field(default_factory=dict)
    """The columns of scores that say nothing, with the reason."""
    harder: Mapping[str, str] = field(default_factory=dict)
    """The harder sets of samples, and what the columns of each begin with."""

    @property
    def values(self) -> dict[str, Value]:
        """Scores and costs by column."""
        return {**self.scores, **self.costs}


@dataclass(frozen=True)
class RowCheck:
    """One demand on one row."""

    row: Row
    check: Check


@dataclass(frozen=True, eq=False)
class Comparison:
    """The table: rows in the order of the designs, the last varied parameter changing fastest."""

    varied: tuple[str, ...]
    rows: tuple[Row, ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    """What was set for all of them."""
    checks: tuple[RowCheck, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all rows' values: scores, then costs."""
        return (*dict.fromkeys(name for row in self.rows for name in row.scores), *COSTS)

    @property
    def measures(self) -> tuple[str, ...]:
        """The figures that the rows are compared by, in order of first use."""
        return tuple(dict.fromkeys(row.measure for row in self.rows if row.measure))

    @property
    def passed(self) -> bool:
        """Whether every row meets every demand."""
        return all(each.check.passed for each in self.checks)
