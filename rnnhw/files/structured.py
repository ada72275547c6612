"""JSON and TOML of unknown origin as plain values: a hostile text is an error like any other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn

__all__ = ["read_json", "read_toml"]


def read_json(content: bytes) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is none, names a member twice, holds a number that is none or has thousands
            of digits, or is nested too deeply; with the reason in one line.
    """
    import json  # most commands read none

    try:
        return json.loads(
            content.decode(),
            object_pairs_hook=_members,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except (RecursionError, ValueError) as error:
        raise _in_a_line(error) from None


def read_toml(content: bytes) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        ValueError: likewise.
    """
    import tomllib  # most commands read none

    try:
        return tomllib.loads(content.decode())
    except (RecursionError, ValueError) as error:
        raise _in_a_line(error) from None


def _in_a_line(error: RecursionError | ValueError) -> ValueError:
    if isinstance(error, RecursionError):
        return ValueError("nested too deeply")
    if "integer string conversion" in str(error):
        return ValueError("a number has thousands of digits")
    return ValueError(" ".join(str(error).split()))


def _members(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is there twice")
    return members


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is too large a number")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
