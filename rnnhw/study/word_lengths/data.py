"""What a search for word lengths found, as JSON and as a row of CSV a signal."""

from __future__ import annotations

import csv
import io
from typing import Any

from rnnhw.numerics.cast import Q
from rnnhw.report.csv_cell import cells
from rnnhw.report.json_text import head, score_figures
from rnnhw.study.word_lengths.costs import Costs, compared
from rnnhw.study.word_lengths.quantize import Quantized
from rnnhw.study.word_lengths.search import Sensitivity

__all__ = ["quantized_csv", "quantized_data"]


def quantized_data(result: Quantized, costs: Costs | None, command: str) -> dict[str, Any]:
    """All of it, for JSON; ``command`` made it."""
    return {
        **head("quantization"),
        "design": result.design.path.name if result.design.path else None,
        "settings": dict(result.design.settings),
        "command": command,
        "demands": {"min": dict(result.demands.minimum), "max": dict(result.demands.maximum)},
        "chosen_on": result.chosen_on,
        "judged_on": result.judged_on,
        "evaluations": result.choice.evaluations,
        "finished": result.choice.finished,
        "formats": _formats(result),
        "scale_exponent": result.scale_exponent and _words(result.scale_exponent),
        "stored_bits": {
            "before": {**result.stored_before, "all": sum(result.stored_before.values())},
            "chosen": {**result.choice.outcome.stored, "all": result.choice.outcome.bits},
        },
        "figures": {
            "float": dict(result.float_figures),
            "chosen": dict(result.choice.outcome.figures),
            "judged_before": score_figures(result.before.score),
            "judged_chosen": score_figures(result.after.score),
        },
        "cost": None if costs is None else _costs(costs),
    }


def quantized_csv(result: Quantized) -> str:
    """A row a signal; the figures are those with one bit less."""
    figures = [*result.demands.minimum, *result.demands.maximum]
    figures = list(dict.fromkeys(figures))
    words = ("bits", "integer", "fraction", "signed", "rounding", "overflow")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    heads = ["signal", "bits_before", *words, "clips", "underflows", "one_bit_less_saves"]
    writer.writerow(cells([*heads, *(f"one_bit_less_{name}" for name in figures)]))
    for name, each in _formats(result).items():
        chosen, less = each["chosen"], each["one_bit_less"]
        row = [name, each["before"]["bits"], *(chosen[word] for word in words)]
        row += [each["clips"], each["underflows"], less and less["saved_bits"]]
        writer.writerow(cells([*row, *(less and less["figures"][figure] for figure in figures)]))
    return text.getvalue()


def _formats(result: Quantized) -> dict[str, dict[str, Any]]:
    before = {each.name: each.format for each in result.variables}
    sensitivities = {each.name: each for each in result.choice.sensitivities}
    events, lost = result.after.events, result.after.underflows
    return {
        name: {
            "before": _words(before[name]),
            "chosen": _words(format),
            "clips": events[name].total if name in events else None,
            "underflows": lost.get(name),
            "one_bit_less": _sensitivity(sensitivities.get(name)),
        }
        for name, format in result.formats.items()
    }


def _words(format: Q) -> dict[str, Any]:
    return {
        "bits": format.width,
        "integer": format.integer,
        "fraction": format.fraction,
        "signed": format.signed,
        "rounding": format.rounding.value,
        "overflow": format.overflow.value,
    }


def _sensitivity(each: Sensitivity | None) -> dict[str, Any] | None:
    if each is None or each.outcome is None:
        return None
    return {"saved_bits": each.saved, "figures": dict(each.outcome.figures)}


def _costs(costs: Costs) -> dict[str, Any]:
    figures = compared(costs)
    sides = [{key: pair[side].value for key, pair in figures.items()} for side in (0, 1)]
    return {"profile": costs[0].target.profile, "before": sides[0], "chosen": sides[1]}
