"""``rnnhw verify``."""

from __future__ import annotations

import sys
from typing import Any

from rnnhw.cli.complaints import complain
from rnnhw.cli.inputs import checked_bounds, keep_inputs, load_design
from rnnhw.cli.json_text import all_zero_units, head, json_text, judgement, score_figures
from rnnhw.cli.options import (
    PLAIN,
    Data,
    DesignFile,
    Format,
    Isa,
    Maximum,
    Minimum,
    Output,
    Settings,
    chosen_format,
)
from rnnhw.cli.output import deliver, judged_code
from rnnhw.cli.progress import shown_progress
from rnnhw.cli.show import verification_text
from rnnhw.execution.engine import select_isa
from rnnhw.execution.rest import STEPS, LayerRest
from rnnhw.execution.verify import Verification, verify

__all__ = ["verify_command"]


def verify_command(
    design: DesignFile,
    settings: Settings = None,
    data: Data = None,
    isa: Isa = None,
    format: Format = None,
    output: Output = None,
    minimum: Minimum = None,
    maximum: Maximum = None,
) -> int:
    """Compare with the float reference; PASS or FAIL.

    Judged by what the design requires and by --min and --max, of the outputs or of any signal
    (--min rnn.cell.snr_db=40). The exit code is 1 on FAIL, and 2 where nothing is required or a
    figure says nothing, such as the accuracy of one sequence.
    """
    shown = chosen_format(format, output, PLAIN)
    floors, ceilings = checked_bounds(output, minimum, maximum)
    loaded = load_design(design, settings)
    keep_inputs(output, loaded, data)
    select_isa(isa)
    with shown_progress("sequences") as progress:
        result = verify(loaded, data, minimum=floors, maximum=ceilings, isa=isa, progress=progress)
    deliver(
        verification_text(result) if shown == "text" else json_text(_verification(result)), output
    )
    if not result.checks:
        complain(
            f"{loaded.place}: nothing is required, so nothing can pass",
            "give the task require={...}, or --min NAME=VALUE / --max NAME=VALUE",
        )
        return 2
    code = judged_code(result.checks)
    if output is None and sys.stdout is None:  # closed by the caller, who has no verdict yet
        print("FAIL" if code else "PASS", file=sys.stderr)
    return code


def _verification(result: Verification) -> dict[str, Any]:
    def error(signal: Any) -> dict[str, Any]:
        return {
            "max_error": signal.max_error,
            "max_error_lsb": signal.max_error_lsb,
            "rms_error": signal.rms_error,
            "rms_error_lsb": signal.rms_error_lsb,
            "snr_db": signal.snr_db,
            "worst_sequence_step_unit": list(signal.worst),
        }

    return {
        **head("verification"),
        "design": result.design.path.name if result.design.path else None,
        "settings": dict(result.design.settings),
        "sequences": result.sequences,
        **score_figures(result.score),
        **score_figures(result.float_score, "float_"),
        "output": error(result.output),
        "signals": {signal.name: error(signal) for signal in result.signals},
        "sources": {
            each.source: {**error(each.output), **score_figures(each.score)}
            for each in result.sources
        },
        "events": {name: events._asdict() for name, events in result.events.items()},
        "underflows": dict(result.underflows),
        "all_zero": all_zero_units(result.all_zero),
        "zero_units": {
            signal.name: list(signal.zero_units) for signal in result.signals if signal.zero_units
        },
        "zero_input": {
            "sequences": result.rest_sequences,
            "max_steps": STEPS,
            "layers": {rest.layer: _rest(rest) for rest in result.rests},
        },
        **judgement(result.checks),
    }


def _rest(rest: LayerRest) -> dict[str, Any]:
    return {
        "skipped": rest.skipped or None,
        "repeating_sequences": rest.repeating,
        "states": {
            state.name: {
                "units": state.units,
                "stuck_units": list(state.stuck),
                "largest_lsb": state.largest_lsb,
            }
            for state in rest.states
        },
    }
