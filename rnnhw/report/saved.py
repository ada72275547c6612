"""Read the JSON reports that ``rnnhw report --format json`` saved."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from rnnhw.cost.model import SCHEMA_ID, File, Report
from rnnhw.errors import DesignError
from rnnhw.files import read_json

__all__ = ["read_report"]

_AGAIN = "save it again: rnnhw report DESIGN --format json -o FILE.json"


def read_report(path: str | Path) -> tuple[Report, File]:
    """A saved report, and the file with its digest.

    Raises:
        DesignError: the file cannot be read, or is no report of this schema version.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        reason = str(error.strerror).lower()
        raise DesignError(f"{path}: {reason}", "name a saved report or a design file") from None
    try:
        data = read_json(content)
    except ValueError as error:
        raise DesignError(f"{path}: not JSON: {error}", _AGAIN) from None
    schema = data.get("$schema") if isinstance(data, dict) else None
    if schema != SCHEMA_ID:
        what = f"its schema is {schema!r}" if schema else "it names no schema"
        raise DesignError(f"{path}: {what}, a report's is {SCHEMA_ID!r}", _AGAIN)
    try:
        report = msgspec.convert(data, Report)
    except msgspec.ValidationError as error:
        version = data.get("rnnhw_version")
        raise DesignError(
            f"{path}: not a whole report, made by rnnhw {version}: {error}", _AGAIN
        ) from None
    return report, File(name=Path(path).name, sha256=hashlib.sha256(content).hexdigest())
