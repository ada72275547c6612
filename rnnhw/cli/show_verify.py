"""The text of ``rnnhw verify``."""

from __future__ import annotations

import math

from rnnhw.cli.blocks import Block, Text, group
from rnnhw.cli.show import aligned, heading, number, title, verdict
from rnnhw.cli.show_figures import (
    all_zero_lines,
    check_lines,
    events_table,
    first_figure,
    score_text,
)
from rnnhw.design.design import Design
from rnnhw.design.tasks import AutomatonTask
from rnnhw.execution.rest import STEPS
from rnnhw.execution.verify import Verification

__all__ = ["verification_text"]


def verification_text(result: Verification) -> Block:
    """The text of ``rnnhw verify``."""
    network = result.design.network
    formats = {name: node.format for name, node in network.signals().items()}
    for signal, node in zip(result.outputs, network.outputs, strict=True):
        formats[signal.name] = node.format
    numbers = ("max LSB", "rms LSB", "max", "rms", "SNR dB", "worst at")
    errors = [
        (
            signal.name,
            str(formats[signal.name]),
            _short(signal.max_error_lsb),
            _short(signal.rms_error_lsb),
            _short(signal.max_error),
            _short(signal.rms_error),
            _decibels(signal.snr_db),
            ",".join(map(str, signal.worst)) if signal.max_error else "-",
        )
        for signal in (*result.signals, *result.outputs)
    ]
    scored = [result.score.names[0]] if result.score else []
    unscored = ["-"] if scored else []
    columns = ("max LSB", "rms LSB", "SNR dB", *scored)
    several = len(result.outputs) > 1
    sources = [
        (
            f"{each.source}: {output.name}" if several else each.source,
            _short(output.max_error_lsb),
            _short(output.rms_error_lsb),
            _decibels(output.snr_db),
            *([first_figure(each.score)] if each.score and output is each.output else unscored),
        )
        for each in result.sources
        for output in each.outputs
    ]
    parts: list[Block] = [
        title(result.design),
        heading(f"error against the float reference, {number(result.sequences, 'sequence')}"),
        aligned(("signal", "format", *numbers), errors, numbers),
        Text("in least significant bits of the format and as values; at sequence,step,unit", "dim"),
        heading("error of the outputs with one source of error alone"),
        aligned(("source", *columns), sources, columns),
        *_rounding(result.design),
        heading("events"),
        events_table(result.events, result.underflows),
        *all_zero_lines(result.all_zero, result.signals),
        *_rests(result),
    ]
    if result.score is not None and result.float_score is not None:
        parts += [
            Text(f"\n{scored[0]}, fixed point  {score_text(result.score)}"),
            Text(f"{scored[0]}, float        {score_text(result.float_score)}"),
        ]
    for name, (score, of_float) in result.further.items():
        parts += [
            Text(f"{name}: {score.names[0]}, fixed point  {score_text(score)}"),
            Text(f"{name}: {score.names[0]}, float        {score_text(of_float)}"),
        ]
    if result.score is not None:
        task: object = result.design.task
        if isinstance(task, AutomatonTask):
            parts.append(Text("samples only: `rnnhw prove` decides", "dim"))
    return group(*parts, Text(""), *check_lines(result.checks), Text(""), _judgement(result))


def _rests(result: Verification) -> list[Block]:
    """The behaviour of recurrent layers on zero input."""
    if not result.rests:
        return []
    started = number(result.rest_sequences, "sequence")
    if result.rest_sequences < result.sequences:
        started = f"{result.rest_sequences:,} of {number(result.sequences, 'sequence')}"
    lines = []
    for rest in result.rests:
        if rest.skipped:
            lines.append(f"{rest.layer}: not run, because {rest.skipped}")
            continue
        for state in rest.states:
            stuck = f"{len(state.stuck):,} of {number(state.units, 'unit')} stop"
            limit = f" at up to {state.largest_lsb:,} LSB" if state.stuck else ""
            lines.append(f"{state.name}: {stuck}{limit}")
        if endless := rest.sequences - rest.repeating:
            runs = number(endless, "sequence")
            lines.append(f"{rest.layer}: {runs} without a repeat within {STEPS:,} steps")
    title = f"on zero input, from the last states of {started}"
    note = "stop: the integers repeat at a value that is not zero, in float below half an LSB"
    return [heading(title), *map(Text, lines), Text(note, "dim")]


def _rounding(design: Design) -> list[Block]:
    """How the weights are rounded, where it is not to nearest."""
    if design.rounded_weights is None:
        return []
    names = [path.name for path in design.rounded_weights.files]
    source = f" from {names[0]}" if names else ""
    text = f"weights: rounded numbers{source}, not the nearest ones; the float reference has the"
    return [Text(f"{text} trained ones", "dim")]


def _judgement(result: Verification) -> Text:
    """PASS, FAIL, or why there is neither."""
    if not result.checks:
        return Text("NOT JUDGED: nothing is required", "bold yellow")
    if any(check.unjudged for check in result.checks):
        return Text("NOT JUDGED", "bold yellow")
    return verdict(result.passed)


def _short(value: float) -> str:
    """Four digits that count, and no more."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if 1e-4 <= abs(value) < 1e7:
        return f"{value:,.{max(3 - math.floor(math.log10(abs(value))), 0)}f}"
    return f"{value:.3e}"


def _decibels(value: float) -> str:
    return "exact" if value == math.inf else f"{value:.1f}"
