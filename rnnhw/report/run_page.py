"""Runs of a design as HTML pages: the figures, the errors, the events and the counts."""

from __future__ import annotations

from collections.abc import Mapping

from rnnhw.design.demands import Check
from rnnhw.execution.simulate import Simulation
from rnnhw.execution.verify import Verification
from rnnhw.numerics.cast import NOTHING, Events
from rnnhw.report.markup import Markup, tag
from rnnhw.report.page import section, table_html
from rnnhw.report.shown import design_page
from rnnhw.report.table_cell import number
from rnnhw.report.tables import Table

__all__ = ["simulation_page", "verification_page"]

Section = tuple[str, Markup]


def simulation_page(run: Simulation) -> str:
    """The page of a run."""
    events, lost = run.events, run.underflows
    sections = [
        _figures(run.figures(), run.unjudged()),
        section("Events", table_html(_events(events, lost), titled=False)),
        section("Counts", table_html(_counts(run), titled=False)),
    ]
    steps = int(run.batch.lengths.sum())
    about = f"{run.batch.sequences:,} sequences, {steps:,} steps, kernels: {run.run.isa}"
    return design_page("Simulation", run.design, [tag("p", about)], sections)


def verification_page(run: Verification) -> str:
    """All errors, and the judgement."""
    judged = "NOT JUDGED" if not run.checks else "PASS" if run.passed else "FAIL"
    kind = {"PASS": "good", "FAIL": "bad"}.get(judged, "open")
    named = {signal.name for signal in run.signals}
    sections = [
        section("Error against the float reference", table_html(_errors(run), titled=False)),
        _figures(
            {name: v for name, v in run.figures().items() if name.rpartition(".")[0] not in named},
            run.unjudged(),
        ),
        section("Events", table_html(_events(run.events, run.underflows), titled=False)),
    ]
    if run.checks:
        lines = (tag("li", _check(check)) for check in run.checks)
        sections.insert(0, section("Demands", tag("ul", *lines, class_="notes")))
    about = [
        tag("p", f"{run.sequences:,} sequences"),
        tag("p", judged, class_=f"verdict {kind}"),
    ]
    return design_page("Verification", run.design, about, sections)


def _figures(figures: Mapping[str, float], unjudged: Mapping[str, str]) -> Section:
    table = Table("Figures", ("", "", ""), numbers_from=1)
    for name, value in figures.items():
        shown = f"not judged: {unjudged[name]}" if name in unjudged else number(value)
        table.add(name.replace("_", " "), shown)
    return section("Figures", table_html(table, titled=False))


def _errors(run: Verification) -> Table:
    table = Table("Errors", ("", "max LSB", "rms LSB", "max", "rms", "SNR, dB"))
    for each in (*run.signals, *run.outputs):
        values = (each.max_error_lsb, each.rms_error_lsb, each.max_error, each.rms_error)
        ratio = "exact" if each.snr_db == float("inf") else f"{each.snr_db:.1f}"
        table.add(each.name, *map(number, values), ratio)
    return table


def _events(events: Mapping[str, Events], lost: Mapping[str, int]) -> Table:
    table = Table("Events", ("", "clipped high", "clipped low", "wrapped", "became zero"))
    for name in dict.fromkeys((*events, *lost)):
        counts = (*events.get(name, NOTHING), lost.get(name, 0))
        if any(counts):
            table.add(name, *map(number, counts))
    return table


def _counts(run: Simulation) -> Table:
    table = Table("Counts", ("", "in all"))
    for name, count in run.counts.flat():
        if count:
            table.add(name.replace("_", " ").replace(".", " "), number(count))
    return table


def _check(check: Check) -> str:
    bound = "at least" if check.kind == "min" else "at most"
    said = check.unjudged or f"{check.value:.6g}, {bound} {check.bound:.6g}"
    word = "NOT JUDGED" if check.unjudged else "pass" if check.passed else "FAIL"
    return f"{word}: {check.name} {said}"
