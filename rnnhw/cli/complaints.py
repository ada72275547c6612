"""What goes wrong, in a line on standard error, and in another what to do."""

from __future__ import annotations

import contextlib
import sys

from rnnhw.errors import escaped

__all__ = ["complain"]


def complain(message: str, hint: str) -> None:
    """Print an error and its hint, a line each, on standard error."""
    if sys.stderr is None:  # closed by the caller: rnnhw ... 2>&-
        return
    with contextlib.suppress(OSError, ValueError):
        print(f"error: {escaped(message)}", file=sys.stderr)
        if hint:
            print(f"hint: {escaped(hint)}", file=sys.stderr)
