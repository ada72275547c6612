"""The analysis as JSON, and its schema, generated from the types."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from rnnhw.dynamics.model import Analysis, DesignAnalysis, Variant
from rnnhw.version import __version__

__all__ = ["ANALYSIS_SCHEMA_ID", "analysis_schema", "to_json"]

ANALYSIS_SCHEMA_ID = "urn:rnnhw:schema:analysis:1"


class AnalysisDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of the file: the schema and the version, then the fields of the analysis."""

    schema: Literal["urn:rnnhw:schema:analysis:1"] = msgspec.field(name="$schema")
    rnnhw_version: str
    designs: tuple[DesignAnalysis, ...]
    varied: str
    variants: tuple[Variant, ...]


def to_json(analysis: Analysis) -> bytes:
    """The analysis, two spaces a level and a last newline; what is not known is null."""
    document = AnalysisDocument(
        schema="urn:rnnhw:schema:analysis:1",
        rnnhw_version=__version__,
        designs=analysis.designs,
        varied=analysis.varied,
        variants=analysis.variants,
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def analysis_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of :func:`to_json`'s output."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ANALYSIS_SCHEMA_ID,
        "title": "rnnhw analysis",
        **msgspec.json.schema(AnalysisDocument),
    }
