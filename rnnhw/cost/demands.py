"""Hold a cost report against bounds: what ``--min`` and ``--max`` of report and compare do."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rnnhw.cost.figure import BOUND_WORDS, Bound, Figure, derived, is_within
from rnnhw.cost.model import Report, report_figures
from rnnhw.design.demands import Check
from rnnhw.errors import UsageError, unknown_name

__all__ = ["FigureCheck", "check_demands", "judge_report", "planned_deadline", "unmet_plan"]

_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class FigureCheck(Check):
    """One demand on a figure of a report."""

    value_is: Bound | None = None
    """The direction of the bound, where the value is not the figure itself."""

    @property
    def bound_words(self) -> str:
        """The words behind the value: a space and the words of its bound, if it is one."""
        return "" if self.value_is is None else f" {BOUND_WORDS[self.value_is]}"


def judge_report(
    report: Report,
    minimum: Mapping[str, float],
    maximum: Mapping[str, float],
    others: Mapping[str, float] = _NONE,
) -> list[FigureCheck]:
    """The demands on a report's figures (:func:`rnnhw.cost.model.report_figures`) and on
    ``others`` beside them, each checked.

    A figure that is a bound is judged where the bound decides: one that is at least 50 keeps a
    minimum of 40 and breaks a maximum of 40.

    Raises:
        UsageError: no figure has such a name, the report has no value for it, or a bound of it
            leaves open whether the demand is met.
    """
    figures = report_figures(report)
    figures.update((name, derived(value)) for name, value in others.items())
    judged = [
        (kind, name, limit, _demanded(report, figures, name))
        for kind, name, limit in _demands(minimum, maximum)
    ]
    return [_check(report, *demand) for demand in judged]


def check_demands(
    report: Report,
    minimum: Mapping[str, float],
    maximum: Mapping[str, float],
    later: Collection[str],
) -> None:
    """Refuse, before a run, what :func:`judge_report` would refuse behind it; ``later`` are the
    figures that the run will add.

    Raises:
        UsageError: as :func:`judge_report`.
    """
    figures = report_figures(report)
    for kind, name, limit in _demands(minimum, maximum):
        if name not in later:
            _check(report, kind, name, limit, _demanded(report, figures, name, later))


def _demanded(
    report: Report, figures: Mapping[str, Figure], name: str, later: Collection[str] = ()
) -> Figure:
    """The figure that a demand names, which must have a value; ``later`` are further names that
    may have been meant."""
    figure = figures.get(name)
    if figure is not None and figure.value is None:
        hint = figure.note or "judge another figure, or report on another profile"
        raise UsageError(f"{name} is {figure.status} on {report.target.profile}", hint)
    if figure is None or figure.number is None:
        # Hundreds of counts of layers would hide what is meant.
        known = [each for each, figure in figures.items() if figure.number is not None]
        listed = [each for each in (*known, *later) if "." in name or "." not in each]
        raise UsageError(*unknown_name("figure", name, listed))
    return figure


def _demands(
    minimum: Mapping[str, float], maximum: Mapping[str, float]
) -> Iterator[tuple[str, str, float]]:
    """Every demand as its kind, the figure's name and the limit."""
    for kind, limits in (("min", minimum), ("max", maximum)):
        for name, limit in limits.items():
            yield kind, name, limit


def _check(report: Report, kind: str, name: str, limit: float, figure: Figure) -> FigureCheck:
    assert figure.number is not None
    if figure.bound is not None:
        low, high = (derived(limit), figure) if kind == "min" else (figure, derived(limit))
        if is_within(low, high) is None:
            raise UsageError(
                f"{name} is {figure.bound} {figure.number:,.10g} on {report.target.profile}: "
                f"whether it keeps --{kind} {limit:g} is not known",
                figure.note or "it is computed from a bound: judge another figure",
            )
    return FigureCheck(name, figure.number, limit, kind, value_is=figure.bound)


def planned_deadline(lanes: object, minimum: Mapping[str, float]) -> float | None:
    """The deadline that a demand is to lanes that are chosen: steps a second."""
    return minimum.get("steps_per_second") if lanes == "auto" else None


def unmet_plan(report: Report) -> tuple[str, ...]:
    """Why no lanes could be chosen; empty where they were, or where the user named them."""
    return () if report.plan is None or report.plan.met else report.plan.missing
