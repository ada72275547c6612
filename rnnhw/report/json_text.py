"""Results of commands as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rnnhw.design.demands import Check
from rnnhw.design.tasks import Score
from rnnhw.design.underflow import AllZero
from rnnhw.version import __version__

__all__ = ["all_zero_rows", "head", "json_text", "judgement", "score_figures"]


def json_text(value: Mapping[str, Any]) -> str:
    """A document of JSON, which ends in a newline."""
    return json.dumps(_plain(value), indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """What JSON can hold: infinities and NaN become null, unknown objects their text."""
    match value:
        case Mapping():
            return {str(name): _plain(each) for name, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
    return str(value)


def judgement(checks: Sequence[Check]) -> dict[str, Any]:
    """The demands, and whether there are any and all are met."""
    return {
        "checks": [{**asdict(check), "passed": check.passed} for check in checks],
        "passed": bool(checks) and all(check.passed for check in checks),
    }


def head(kind: str) -> dict[str, Any]:
    """The first fields of a command's JSON."""
    return {"$schema": f"urn:rnnhw:schema:{kind}:1", "rnnhw_version": __version__}


def score_figures(score: Score | None, prefix: str = "") -> dict[str, Any]:
    """The figures of a score by name, and why its first one says nothing where it does not."""
    if score is None:
        return {}
    fields = {**score.figures(), **score.details(), **score.tallies()}
    if why := score.unjudged():
        fields[f"{score.names[0]}_not_judged"] = why
    return {f"{prefix}{name}": value for name, value in fields.items()}


def all_zero_rows(zeros: Iterable[AllZero]) -> dict[str, list[int]]:
    """By tensor the rows of its matrix whose weights became zero; an empty list is the whole
    tensor."""
    return {zero.name: list(zero.rows) for zero in zeros}
