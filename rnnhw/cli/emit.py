"""``rnnhw emit``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rnnhw.cli.complaints import remark
from rnnhw.cli.inputs import load_design
from rnnhw.cli.options import (
    PLAIN,
    Data,
    DesignFile,
    Folder,
    Format,
    Lanes,
    Sequences,
    Settings,
    SimulatorName,
    Waves,
    chosen_format,
    chosen_lanes,
)
from rnnhw.cli.options import Check as CheckOption
from rnnhw.cli.output import show
from rnnhw.cli.progress import shown_steps
from rnnhw.cli.show_emit import emitted_text
from rnnhw.commands.emit import emit
from rnnhw.errors import UsageError, few

__all__ = ["emit_command"]


def emit_command(
    design: DesignFile,
    output: Folder,
    settings: Settings = None,
    data: Data = None,
    lanes: Lanes = None,
    check: CheckOption = False,
    simulator: SimulatorName = None,
    waves: Waves = None,
    sequences: Sequences = None,
    format: Format = None,
) -> int:
    """Write a design as Verilog-2005.

    The folder holds the sources, their memory images, a test bench with the design's real inputs
    and the outputs of the engine, a file list, a FuseSoC core and a C header. With --check the
    test bench is run, in the cycles of the machine and once more with gaps, stalls and a reset on
    the way; the exit code is 1 where an output or a cycle differs.
    """
    shown = chosen_format(format, None, PLAIN)
    given = chosen_lanes(lanes)
    loaded = load_design(design, settings)
    if output == Path("-"):
        raise UsageError("--output -: a folder cannot go to standard output", "name a folder")
    with shown_steps() as step:
        result = emit(
            loaded,
            output,
            data=data,
            lanes=given,
            sequences=sequences,
            check=check,
            simulator=simulator,
            waves=waves,
            step=step,
        )
    show(emitted_text(result) if shown == "text" else result.to_json())
    if others := _other_sources(output, result.files):
        remark(
            f"{output} also holds {few(others)}, which this design does not have: "
            f"read {result.top}.f rather than *.v"
        )
    return 0 if result.passed else 1


def _other_sources(folder: Path, files: Sequence[str]) -> list[str]:
    """The files in ``folder`` that are not among those written, of the kinds that are: perhaps
    those of a design that was emitted there before."""
    kinds = {Path(name).suffix for name in files}
    there = {path.name for path in folder.iterdir() if path.suffix in kinds}
    return sorted(there - set(files))
