"""Results of the public verbs: the values inside, and how they show themselves.

Each is the value of the package that made it, with a text of one screen, a page and JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from rnnhw.cost.figure import Figure
from rnnhw.cost.model import Report, report_figures
from rnnhw.design.tasks import Score
from rnnhw.execution.simulate import Simulation
from rnnhw.execution.verify import Verification
from rnnhw.report import comparison as side_by_side
from rnnhw.report import html, json, tables, text
from rnnhw.report.comparison.model import Comparison
from rnnhw.report.json_text import json_text
from rnnhw.report.run_data import simulation_data, verification_data
from rnnhw.report.run_page import simulation_page, verification_page
from rnnhw.report.shown import Shown, design_title, screen
from rnnhw.report.table_cell import number

__all__ = [
    "ComparisonResult",
    "ReportResult",
    "SimulationResult",
    "VerificationResult",
    "result_of",
]


# --- runs --------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False, repr=False)
class SimulationResult(Shown, Simulation):
    """A run of a design in integers."""

    __repr__ = Shown.__repr__

    def summary(self) -> str:
        network = self.design.network
        steps = int(self.batch.lengths.sum())
        counts = {name: value for name, value in self.counts.flat() if value and "." not in name}
        events = {k: v for k, v in self.figures().items() if k in _EVENTS}
        return screen(
            [
                *design_title(self.design),
                f"{self.batch.sequences:,} sequences, {steps:,} steps, kernels: {self.run.isa}",
                *(
                    f"{'outputs' if len(network.outputs) == 1 else node.name} "
                    f"{list(outputs.shape)} [sequences, steps, units], "
                    f"{node.format}, {outputs.min():.6g} to {outputs.max():.6g}"
                    for node in network.outputs
                    for outputs in [self.output(node.name)]
                ),
                *_score(self.score),
                _listed(events),
                _listed(counts),
            ]
        )

    def to_html(self) -> str:
        return simulation_page(self)

    def to_json(self) -> str:
        return json_text(simulation_data(self, ()))


@dataclass(frozen=True, eq=False, repr=False)
class VerificationResult(Shown, Verification):
    """A run of a design held against the float reference."""

    __repr__ = Shown.__repr__

    def summary(self) -> str:
        judged = "NOT JUDGED: nothing is required" if not self.checks else _judged(self)
        worst = sorted(self.signals, key=lambda signal: signal.snr_db)[:_WORST]
        width = max(len(each.name) for each in (*worst, *self.outputs))
        lines = [
            f"{each.name:<{width}}  max {each.max_error_lsb:.4g} LSB, "
            f"rms {each.rms_error_lsb:.4g} LSB, SNR {each.snr_db:.1f} dB"
            for each in (*self.outputs, *worst)
        ]
        events = {k: v for k, v in self.figures().items() if k in _EVENTS}
        return screen(
            [
                *design_title(self.design),
                f"{self.sequences:,} sequences; error of the outputs and of the worst signals:",
                *lines,
                *_score(self.score),
                *_score(self.float_score, " of the float reference"),
                _listed(events),
                judged,
            ]
        )

    def to_html(self) -> str:
        return verification_page(self)

    def to_json(self) -> str:
        return json_text(verification_data(self))


_EVENTS = ("saturations", "wraps", "input_clips", "weight_clips", "underflows", "stuck_units")
_WORST = 5


def _judged(run: Verification) -> str:
    broken = [
        f"{c.name} {c.unjudged or format(c.value, '.6g')}" for c in run.checks if not c.passed
    ]
    return f"FAIL: {', '.join(broken)}" if broken else "PASS"


def _score(score: Score | None, of: str = "") -> list[str]:
    if score is None:
        return []
    why = f" (not judged: {score.unjudged()})" if score.unjudged() else ""
    return [_listed({**score.figures(), **score.tallies()}) + of + why]


def _listed(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in values.items())


# --- reports -----------------------------------------------------------------------------------
class ReportResult(Shown, Report, frozen=True, kw_only=True):
    """Throughput and storage of a design on a target."""

    __repr__ = Shown.__repr__
    __hash__ = Report.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Report) and _same(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def summary(self) -> str:
        whole = text.to_text(self, 100).splitlines()
        layers = tables.layers_table(self).title
        return screen([*whole[: whole.index(layers)], *_block(whole, layers)])

    def to_html(self) -> str:
        return html.to_html(self)

    def to_json(self) -> str:
        return json.to_json(self).decode()

    def figures(self) -> dict[str, Figure]:
        """Every figure by the name that ``--min`` and ``--max`` take: its value, how it is known
        and what it bounds."""
        return report_figures(self)


def _same(a: Report | Comparison, b: Report | Comparison) -> bool:
    """Whether all fields are equal, whether or not one of the two shows itself."""
    return all(getattr(a, name) == getattr(b, name) for name in a.__struct_fields__)


def _block(lines: list[str], heading: str) -> list[str]:
    """The lines from a heading to the next empty one."""
    first = lines.index(heading)
    rest = lines[first:]
    return rest[: rest.index("")] if "" in rest else rest


class ComparisonResult(Shown, Comparison, frozen=True, kw_only=True):
    """Designs side by side."""

    __repr__ = Shown.__repr__
    __hash__ = Comparison.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Comparison) and _same(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def summary(self) -> str:
        return screen(side_by_side.to_text(self).splitlines())

    def to_html(self) -> str:
        return side_by_side.to_html(self)

    def to_json(self) -> str:
        return side_by_side.to_json(self).decode()

    def figures(self) -> dict[str, dict[str, Figure]]:
        """Every figure by column and name."""
        return {
            column.name: {row.name: row.entries[index].figure for row in self.rows}
            for index, column in enumerate(self.columns)
        }


_Result = TypeVar("_Result")


def result_of(kind: type[_Result], value: Any) -> _Result:
    """A value as the class that shows it."""
    names = getattr(value, "__struct_fields__", None) or [each.name for each in fields(value)]
    return kind(**{name: getattr(value, name) for name in names})
