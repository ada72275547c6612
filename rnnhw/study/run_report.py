"""The results of a run of a design, as a part of its report."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

from rnnhw.cost.figure import Figure, derived, not_known
from rnnhw.cost.model import ErrorReport, File, Report, RunReport, revised
from rnnhw.execution.signal_error import SignalError
from rnnhw.execution.verify import Verification

__all__ = ["with_run"]


def with_run(report: Report, run: Verification, data: Path | None = None) -> Report:
    """The report with the scores and errors of a run of the same design; ``data`` is the file
    that was run on, where it is not the design's task.
    """
    found = RunReport(
        sequences=run.sequences,
        measure=run.score.names[0] if run.score else "",
        figures=_figures(run),
        errors=tuple(map(_error, (*run.signals, *run.outputs))),
    )
    files = report.files
    if data is not None:
        digest = hashlib.sha256(data.read_bytes()).hexdigest()
        files = revised(files, data=File(name=data.name, sha256=digest))
    return revised(report, run=found, files=files)


def _figures(run: Verification) -> dict[str, Figure]:
    """Those of the outputs and of the scores; a signal's, which :class:`ErrorReport` has, are left
    out."""
    unjudged, found = run.unjudged(), {}
    signals = {f"{signal.name}." for signal in run.signals}
    for name, value in run.figures().items():
        if name.rpartition(".")[0] + "." in signals:
            continue
        if name in unjudged:
            found[name] = not_known(unjudged[name])
        elif not math.isfinite(value):
            found[name] = not_known("no finite number")
        else:
            found[name] = derived(value, "of the run in integers and in float")
    return found


def _error(signal: SignalError) -> ErrorReport:
    return ErrorReport(
        signal=signal.name,
        max_error=signal.max_error,
        max_error_lsb=signal.max_error_lsb,
        rms_error=signal.rms_error,
        rms_error_lsb=signal.rms_error_lsb,
        snr_db=signal.snr_db if math.isfinite(signal.snr_db) else None,
    )
