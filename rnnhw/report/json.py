"""The report as JSON, and its schema, generated from the types."""

from __future__ import annotations

from typing import Any

import msgspec

from rnnhw.cost.model import SCHEMA_ID, Report

__all__ = ["report_schema", "to_json"]


def to_json(report: Report) -> bytes:
    """The report, two spaces a level and a last newline; the same report gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def report_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of :func:`to_json`'s output."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "rnnhw cost report",
        **msgspec.json.schema(Report),
    }
