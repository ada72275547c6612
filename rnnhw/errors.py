"""The errors that a user can cause, each with what is wrong and how to mend it.

``UsageError`` is a wrong call (exit code 2), ``DesignError`` a wrong design, weights or data file
(exit code 3). Anything else that escapes is a defect of rnnhw.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["DesignError", "RnnhwError", "UsageError", "unknown_name"]


class RnnhwError(Exception):
    """A mistake that the user can mend; ``hint`` says how."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def at(self, place: str) -> RnnhwError:
        """The same error with ``place`` (a file, a layer) before its message."""
        return type(self)(f"{place}: {self.message}", self.hint)


class UsageError(RnnhwError):
    """The command or the call is wrong: an unknown option, name or combination."""

    exit_code = 2


class DesignError(RnnhwError):
    """The design file, its weights or its data are wrong."""

    exit_code = 3


def unknown_name(kind: str, name: str, known: Iterable[str]) -> tuple[str, str]:
    """Message and hint for a name that is not among ``known``."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown {kind} {name!r}", f"{hint}known: {', '.join(names) or 'none'}"
