"""The rows of the table: which tools there are, what each counted, and the tables themselves."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from importlib import import_module, metadata
from pathlib import Path

from tools.row import Row

__all__ = [
    "TOOLS",
    "Tool",
    "measure_all",
    "ratios_table",
    "tools_table",
]

QUANTITIES = ("macs", "other", "weight_bytes", "vector_bytes", "cycles")


@dataclass(frozen=True)
class Tool:
    """A package and the module here that runs it: ``measure(folder)`` gives its rows."""

    package: str
    module: str


TOOLS = (
    Tool("qonnx", "tools.run_qonnx"),
    Tool("zigzag-dse", "tools.run_zigzag"),
    Tool("ethos-u-vela", "tools.run_vela"),
    Tool("scalesim", "tools.run_scalesim"),
)


def measure_all(tools: Sequence[Tool] = TOOLS) -> list[Row]:
    """rnnhw's row, then those of every tool; one that is missing or fails has a row without counts.

    What the tools print is dropped.
    """
    found = import_module("tools.run_rnnhw").measure(Path())
    for tool in tools:
        try:
            version = metadata.version(tool.package)
        except metadata.PackageNotFoundError:
            found.append(Row(tool.package, "", note="not installed"))
            continue
        found += [replace(row, version=version) for row in _measure(tool)]
    return found


def _measure(tool: Tool) -> list[Row]:
    """Run one tool in an empty folder, quietly."""
    quiet = io.StringIO()
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            contextlib.chdir(folder),
            contextlib.redirect_stdout(quiet),
            contextlib.redirect_stderr(quiet),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            measure: Callable[[Path], list[Row]] = import_module(tool.module).measure
            return measure(Path(folder))
    except Exception as error:
        # The tools are not ours: whatever one raises is its row, and the others still run.
        reason = (str(error).strip() or "no message").splitlines()[-1]
        return [Row(tool.package, "", note=f"failed: {type(error).__name__}: {reason}")]
    finally:
        logging.disable(disabled)


# --- tables --------------------------------------------------------------------------------------
def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _count(value: float | None) -> str:
    return "not given" if value is None else f"{value:,.0f}"


def tools_table(rows: Sequence[Row]) -> str:
    """A row for each tool and description, counts of one step."""
    head = ["tool", "given as", "MACs", "other operations", "weights, bytes", "vectors, bytes"]
    head += ["cycles", "it says"]
    table = []
    for row in rows:
        cells = [f"{row.tool} {row.version}".strip(), row.given]
        known = any(getattr(row, name) is not None for name in QUANTITIES)
        counts = [_count(getattr(row, name)) if known else "" for name in QUANTITIES]
        table.append([*cells, *counts, row.note])
    return _table(head, table)


def ratios_table(rows: Sequence[Row]) -> str:
    """Every count over rnnhw's, which is the first row; cycles are of other machines: left out."""
    ours, *others = rows
    names = [f.name for f in fields(Row) if f.name in QUANTITIES and f.name != "cycles"]
    table = []
    for row in others:
        if all(getattr(row, name) is None for name in QUANTITIES):
            continue
        ratios = []
        for name in names:
            value, own = getattr(row, name), getattr(ours, name)
            ratios.append("" if value is None else f"{value / own:.2f}" if value else "0")
        table.append([row.tool, row.given, *ratios])
    return _table(["over rnnhw's", "given as", *(n.replace("_", " ") for n in names)], table)
