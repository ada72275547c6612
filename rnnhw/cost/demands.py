"""Hold a cost report against bounds: what ``--min`` and ``--max`` of report and compare do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rnnhw.cost.model import Report, report_fields, unknown_fields
from rnnhw.design.demands import Check, judge
from rnnhw.errors import UsageError, unknown_name

__all__ = ["judge_report", "planned_deadline", "unmet_plan"]

_NONE: Mapping[str, float] = MappingProxyType({})


def judge_report(
    report: Report,
    minimum: Mapping[str, float],
    maximum: Mapping[str, float],
    others: Mapping[str, float] = _NONE,
) -> list[Check]:
    """The demands on a report's figures (:func:`rnnhw.cost.model.report_fields`) and on
    ``others`` beside them, each checked.

    Raises:
        UsageError: no figure has such a name, or the report has no value for it.
    """
    unknown = unknown_fields(report)
    for name in (*minimum, *maximum):
        if name in unknown and name not in others:
            figure = unknown[name]
            hint = figure.note or "judge another figure, or report on another profile"
            raise UsageError(f"{name} is {figure.status} on {report.target.profile}", hint)
    figures = {**report_fields(report), **others}
    for name in (*minimum, *maximum):
        if name not in figures:
            # Hundreds of counts of layers would hide what is meant.
            listed = [each for each in figures if "." in name or "." not in each]
            raise UsageError(*unknown_name("figure", name, listed))
    return judge(figures, minimum, maximum)


def planned_deadline(lanes: object, minimum: Mapping[str, float]) -> float | None:
    """The deadline that a demand is to lanes that are chosen: steps a second."""
    return minimum.get("steps_per_second") if lanes == "auto" else None


def unmet_plan(report: Report) -> tuple[str, ...]:
    """What is in the way of lanes that were to be chosen; empty where they are found or given."""
    return () if report.plan is None or report.plan.met else report.plan.missing
