"""The comparison as JSON, and its schema, generated from the types."""

from __future__ import annotations

from typing import Any

import msgspec

from rnnhw.report.comparison.model import COMPARISON_SCHEMA_ID, Comparison

__all__ = ["comparison_schema", "to_json"]


def to_json(comparison: Comparison) -> bytes:
    """The comparison, two spaces a level and a last newline."""
    return msgspec.json.format(msgspec.json.encode(comparison), indent=2) + b"\n"


def comparison_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of :func:`to_json`'s output."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": COMPARISON_SCHEMA_ID,
        "title": "rnnhw comparison",
        **msgspec.json.schema(Comparison),
    }
