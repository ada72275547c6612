"""Errors and warnings: a line on standard error, and another that says what to do."""

from __future__ import annotations

import contextlib
import sys

from rnnhw.errors import escaped

__all__ = ["complain", "remark"]


_LONGEST = 800  # characters of a line


def complain(message: str, hint: str) -> None:
    """Print an error and its hint on standard error, as two lines."""
    if sys.stderr is None:  # closed by the caller: rnnhw ... 2>&-
        return
    with contextlib.suppress(OSError, ValueError):
        print(f"error: {_line(message)}", file=sys.stderr)
        if hint:
            print(f"hint: {_line(hint)}", file=sys.stderr)


def remark(text: str) -> None:
    """Print a note of one line on standard error, if there is one."""
    if text and sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(f"note: {_line(text)}", file=sys.stderr)


def _line(text: str) -> str:
    """A text in a line of which nobody must scroll away: its start and its end."""
    line = escaped(text)
    if len(line) <= _LONGEST:
        return line
    return f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 4 :]}"
