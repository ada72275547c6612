"""``rnnhw verify``."""

from __future__ import annotations

import sys

from rnnhw.cli.complaints import complain
from rnnhw.cli.inputs import checked_bounds, keep_inputs, load_design
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
    Threads,
    chosen_format,
)
from rnnhw.cli.output import deliver, judged_code
from rnnhw.cli.progress import shown_progress
from rnnhw.cli.show_verify import verification_text
from rnnhw.execution.engine import check_threads, select_isa
from rnnhw.execution.verify import verify
from rnnhw.report.json_text import json_text
from rnnhw.report.run_data import verification_data

__all__ = ["verify_command"]


def verify_command(
    design: DesignFile,
    settings: Settings = None,
    data: Data = None,
    isa: Isa = None,
    threads: Threads = None,
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
    check_threads(threads)
    with shown_progress("sequences") as progress:
        result = verify(
            loaded,
            data,
            minimum=floors,
            maximum=ceilings,
            isa=isa,
            threads=threads,
            progress=progress,
        )
    deliver(
        verification_text(result) if shown == "text" else json_text(verification_data(result)),
        output,
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
