"""Programs of others, which do not outlive the call: a build tool's own children end with it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

__all__ = ["completed"]


def completed(
    command: Sequence[str], directory: Path, seconds: float, scratch: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in ``directory`` to its end; its temporary files lie in ``scratch``.

    Where the time is over or the caller is interrupted, the program is killed with all that it
    started, before the exception goes on.

    Raises:
        subprocess.TimeoutExpired: it took longer than ``seconds``.
    """
    environment = dict(os.environ)
    if scratch is not None:
        environment["TMPDIR"] = str(scratch)
    with subprocess.Popen(
        command, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        try:
            out, err = process.communicate(timeout=seconds)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)
