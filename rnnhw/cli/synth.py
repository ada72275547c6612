"""``rnnhw synth``."""

from __future__ import annotations

from typing import Annotated

import typer

from rnnhw.cli.inputs import keep_inputs, load_design
from rnnhw.cli.options import (
    PLAIN,
    DesignFile,
    Format,
    Lanes,
    Output,
    Profile,
    Settings,
    chosen_format,
    chosen_lanes,
)
from rnnhw.cli.output import deliver
from rnnhw.cli.progress import shown_steps
from rnnhw.cli.show_synth import synthesis_text
from rnnhw.commands.synth import synth
from rnnhw.files import check_writable

__all__ = ["synth_command"]


def synth_command(
    design: DesignFile,
    profile: Profile = None,
    settings: Settings = None,
    lanes: Lanes = None,
    seeds: Annotated[
        int, typer.Option("--seeds", metavar="N", help="Place and route with so many seeds.")
    ] = 1,
    no_place: Annotated[
        bool, typer.Option("--no-place", help="Synthesise alone: no clock.")
    ] = False,
    format: Format = None,
    output: Output = None,
) -> int:
    """Synthesise a design's Verilog and show the estimate beside it.

    With yosys, and nextpnr for iCE40 and ECP5. LUTs, flip-flops, multiplier blocks and block RAM
    before placement; the highest clock of each seed.
    """
    shown = chosen_format(format, output, PLAIN)
    if output is not None:
        check_writable(output)
    loaded = load_design(design, settings)
    keep_inputs(output, loaded, profiles=[profile])
    with shown_steps() as step:
        result = synth(
            loaded,
            profile,
            lanes=chosen_lanes(lanes),
            seeds=seeds,
            placed=not no_place,
            step=step,
        )
    deliver(synthesis_text(result) if shown == "text" else result.to_json(), output)
    return 0
