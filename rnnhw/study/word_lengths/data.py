"""The result of a search for word lengths, as JSON and as a row of CSV a signal."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any, Final, Literal, cast

import msgspec

from rnnhw.numerics.cast import Q
from rnnhw.report.csv_cell import cells
from rnnhw.report.json_text import score_figures
from rnnhw.study.word_lengths.costs import Costs, compared
from rnnhw.study.word_lengths.goal import BestFigure, Goal
from rnnhw.study.word_lengths.quantize import Quantized
from rnnhw.study.word_lengths.search import Sensitivity
from rnnhw.version import __version__

__all__ = ["quantization_schema", "quantized_csv", "quantized_json"]

_SCHEMA_ID: Final = "urn:rnnhw:schema:quantization:1"

Values = Mapping[str, bool | int | float | str | list[float] | None]
"""Figures by name; null is not known."""


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """A format."""

    bits: int
    integer: int
    fraction: int
    signed: bool
    rounding: str
    overflow: str


class OneBitLess(msgspec.Struct, frozen=True, kw_only=True):
    """What one bit less saves, and the figures then on the samples that chose."""

    saved_bits: int
    figures: Values


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The formats of a signal or tensor, and how often the chosen one clips and loses a number on
    the samples that judge; null where nothing is counted."""

    before: Words
    chosen: Words
    clips: int | None
    underflows: int | None
    one_bit_less: OneBitLess | None


class Rounded(msgspec.Struct, frozen=True, kw_only=True):
    """How weights are rounded, and the tensors that are rounded to nearest all the same, with the
    reason."""

    rule: str
    nearest: Mapping[str, str]


class Demanded(msgspec.Struct, frozen=True, kw_only=True):
    """Least and greatest values, margin included."""

    min: Mapping[str, float]
    max: Mapping[str, float]


class Evaluations(msgspec.Struct, frozen=True, kw_only=True):
    """The designs that were run: by the greedy search, and by trades behind it."""

    greedy: int
    trades: int


class Within(msgspec.Struct, frozen=True, kw_only=True):
    """The figure that was to be best within so many stored bits."""

    most_bits: int
    objective: str
    better: Literal["more", "less"]


class StoredBits(msgspec.Struct, frozen=True, kw_only=True):
    """Bits by kind and of ``all``."""

    before: Mapping[str, int]
    chosen: Mapping[str, int]


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The float reference and the chosen design on the samples that chose; the chosen one on other
    copies of them; and on the samples that judge."""

    float: Values
    chosen: Values
    confirmed: Values | None
    judged_before: Values
    judged_chosen: Values


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of hardware that word lengths change."""

    profile: str
    before: Values
    chosen: Values


class Quantization(msgspec.Struct, frozen=True, kw_only=True):
    """The document; ``design`` is the name of its file, ``within`` null where the fewest stored
    bits were searched, ``missed`` the figures of the samples that judge that are below what the
    task requires."""

    schema: Literal["urn:rnnhw:schema:quantization:1"] = msgspec.field(name="$schema")
    rnnhw_version: str
    design: str | None
    settings: Values
    command: str
    demands: Demanded
    within: Within | None
    missed: tuple[str, ...]
    chosen_on: str
    judged_on: str
    evaluations: int
    evaluations_by_phase: Evaluations
    finished: bool
    formats: Mapping[str, Chosen]
    scale_exponent: Words | None
    rounding: Rounded
    stored_bits: StoredBits
    figures: Figures
    cost: Cost | None


def quantization_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of :func:`quantized_json`'s output."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _SCHEMA_ID,
        "title": "rnnhw quantization",
        **msgspec.json.schema(Quantization),
    }


def quantized_json(result: Quantized, costs: Costs | None, command: str) -> bytes:
    """The result and the ``command`` behind it as JSON, two spaces a level and a last newline."""
    exponent = result.scale_exponent
    document = Quantization(
        schema=_SCHEMA_ID,
        rnnhw_version=__version__,
        design=result.design.path.name if result.design.path else None,
        settings=cast(Values, dict(result.design.settings)),
        command=command,
        demands=Demanded(min=dict(result.demands.minimum), max=dict(result.demands.maximum)),
        within=_within(result.goal),
        missed=tuple(check.name for check in result.missed),
        chosen_on=result.chosen_on,
        judged_on=result.judged_on,
        evaluations=result.choice.evaluations,
        evaluations_by_phase=Evaluations(greedy=result.choice.greedy, trades=result.choice.traded),
        finished=result.choice.finished,
        formats=_formats(result),
        scale_exponent=None if exponent is None else _words(exponent),
        rounding=Rounded(
            rule="nearest" if result.rounding is None else "compensated",
            nearest={} if result.rounding is None else dict(result.rounding.left),
        ),
        stored_bits=StoredBits(
            before={**result.stored_before, "all": sum(result.stored_before.values())},
            chosen={**result.choice.outcome.stored, "all": result.choice.outcome.bits},
        ),
        figures=_figures(result),
        cost=None if costs is None else _costs(costs),
    )
    return msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2) + b"\n"


def quantized_csv(result: Quantized) -> str:
    """A row a signal; the figures are those with one bit less."""
    figures = result.wanted
    words = ("bits", "integer", "fraction", "signed", "rounding", "overflow")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads = ["signal", "bits_before", *words, "clips", "underflows", "one_bit_less_saves"]
    writer.writerow(cells([*heads, *(f"one_bit_less_{name}" for name in figures)]))
    for name, each in _formats(result).items():
        less = each.one_bit_less
        row = [name, each.before.bits, *(getattr(each.chosen, word) for word in words)]
        row += [each.clips, each.underflows, less and less.saved_bits]
        writer.writerow(cells([*row, *(less and less.figures[figure] for figure in figures)]))
    return text.getvalue()


def _within(goal: Goal) -> Within | None:
    if not isinstance(goal, BestFigure):
        return None
    objective = goal.objective
    return Within(most_bits=goal.most, objective=objective.name, better=objective.sense)


def _formats(result: Quantized) -> dict[str, Chosen]:
    before = {variable.name: variable.format for variable in result.variables}
    sensitivities = {sensitivity.name: sensitivity for sensitivity in result.choice.sensitivities}
    events, lost = result.after.events, result.after.underflows
    return {
        name: Chosen(
            before=_words(before[name]),
            chosen=_words(format),
            clips=events[name].total if name in events else None,
            underflows=lost.get(name),
            one_bit_less=_sensitivity(sensitivities.get(name)),
        )
        for name, format in result.formats.items()
    }


def _words(format: Q) -> Words:
    return Words(
        bits=format.width,
        integer=format.integer,
        fraction=format.fraction,
        signed=format.signed,
        rounding=format.rounding.value,
        overflow=format.overflow.value,
    )


def _sensitivity(each: Sensitivity | None) -> OneBitLess | None:
    if each is None or each.outcome is None:
        return None
    return OneBitLess(saved_bits=each.saved, figures=dict(each.outcome.figures))


def _figures(result: Quantized) -> Figures:
    confirmed = result.choice.confirmed
    return Figures(
        float=dict(result.float_figures),
        chosen=dict(result.choice.outcome.figures),
        confirmed=None if confirmed is None else dict(confirmed.figures),
        judged_before={**result.judged_before, **score_figures(result.before.score)},
        judged_chosen={**result.judged_after, **score_figures(result.after.score)},
    )


def _costs(costs: Costs) -> Cost:
    figures = compared(costs)
    before, chosen = ({key: pair[side].value for key, pair in figures.items()} for side in (0, 1))
    return Cost(profile=costs[0].target.profile, before=before, chosen=chosen)
