"""The outputs of commands: printed text, files, and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from rnnhw.cli.blocks import Content
from rnnhw.cli.complaints import complain
from rnnhw.cli.rendering import plain, rendered
from rnnhw.design.demands import Check
from rnnhw.errors import UsageError, escaped
from rnnhw.files import written_whole

__all__ = ["deliver", "exit_code", "judged_code", "show"]


def show(content: Content) -> None:
    """Print on standard output; a reader that has seen enough (head, less) is no error."""
    stream = sys.stdout
    if stream is None:  # closed by the caller: rnnhw ... >&-
        return
    encoding = stream.encoding or "utf-8"
    try:
        text = _text(content, stream)
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        # Python flushes once more when it ends: into nothing then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        reason = str(error.strerror).lower()
        raise UsageError(f"cannot write to standard output: {reason}") from None


def deliver(content: Content, output: Path | None) -> None:
    """Print, or write a file that is plain text."""
    if output is None:
        show(content)
        return
    text = _text(content, None)
    with written_whole(output) as file:
        file.write(text.encode())


def _text(content: Content, stream: IO[str] | None) -> str:
    """The text of what is shown, in which no character of another's controls a terminal; plain
    where it goes to no stream."""
    if isinstance(content, str):
        return escaped(content, keep="\n\t")
    return plain(content) if stream is None else rendered(content, stream)


def exit_code(checks: Iterable[Check]) -> int:
    """The exit code of demands: 1 where one is not met."""
    return 0 if all(check.passed for check in checks) else 1


def judged_code(checks: Sequence[Check]) -> int:
    """The exit code of demands, of which those on figures that say nothing are a wrong call."""
    unjudged = [check for check in checks if check.unjudged]
    for check in unjudged:
        complain(f"{check.name} is not judged: {check.unjudged}", "")
    return 2 if unjudged else exit_code(checks)
