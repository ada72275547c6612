"""A sweep as JSON, and its schema, generated from the types."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from rnnhw.cost.figure import Bound
from rnnhw.study.sweep.sweep import Sweep
from rnnhw.study.sweep.table import command_of
from rnnhw.version import __version__

__all__ = ["sweep_json", "sweep_schema"]

_SCHEMA_ID: Final = "urn:rnnhw:schema:sweep:1"


class ObjectiveDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A figure, and which way it is better."""

    name: str
    better: Literal["more", "less"]


class PointDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A design at some values. ``front``: no other point beats it in every objective;
    ``reaches_best``: the interval of its first objective reaches the best value. A figure of null
    is not known; ``bounds`` names the figures whose value is a lower or an upper bound. ``error``
    says why there are no figures, ``unjudged`` by name why a figure says nothing."""

    design: str
    values: Mapping[str, bool | int | float | str | None]
    front: bool
    reaches_best: bool
    figures: Mapping[str, bool | int | float | None]
    bounds: Mapping[str, Bound]
    error: str | None
    unjudged: Mapping[str, str]
    command: str


class SweepDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The points in the order of the grid or of the draws."""

    schema: Literal["urn:rnnhw:schema:sweep:1"] = msgspec.field(name="$schema")
    rnnhw_version: str
    objectives: tuple[ObjectiveDocument, ...]
    points: tuple[PointDocument, ...]


def sweep_json(result: Sweep) -> bytes:
    """The sweep, two spaces a level and a last newline."""
    first = result.objectives[0]
    document = SweepDocument(
        schema=_SCHEMA_ID,
        rnnhw_version=__version__,
        objectives=tuple(
            ObjectiveDocument(name=objective.name, better=objective.sense)
            for objective in result.objectives
        ),
        points=tuple(
            PointDocument(
                design=Path(point.file).name,
                values=dict(point.values),
                front=index in result.front,
                reaches_best=result.reaches_best(index, first),
                figures=dict(found.figures),
                bounds=dict(found.bounds),
                error=found.error or None,
                unjudged=dict(found.unjudged),
                command=command_of(result, index),
            )
            for index, (point, found) in enumerate(zip(result.points, result.results, strict=True))
        ),
    )
    return msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2) + b"\n"


def sweep_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of :func:`sweep_json`'s output."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _SCHEMA_ID,
        "title": "rnnhw sweep",
        **msgspec.json.schema(SweepDocument),
    }
