"""Arguments of a user's function by name, from a command line: text is read as the type of the
default.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from rnnhw.errors import DesignError, UsageError, unknown_name

__all__ = ["chosen_arguments"]

_LONGEST = 40
"""Characters of a wrong value that a message repeats."""


def chosen_arguments(
    function: Callable[..., Any],
    given: Mapping[str, object],
    *,
    place: str,
    owner: str,
    option: str,
) -> dict[str, object]:
    """All parameters of ``function`` with their defaults, and what is ``given`` instead.

    Args:
        place: the file that the function comes from, for messages.
        owner: the function as it is written, such as ``design()``.
        option: the option that gives its arguments.

    Raises:
        DesignError: a parameter has no default.
        UsageError: a name is no parameter, or a text is not of the default's type.
    """
    parameters = inspect.signature(function).parameters
    for parameter in parameters.values():
        if parameter.default is inspect.Parameter.empty:
            raise DesignError(
                f"{place}: parameter {parameter.name!r} of {owner} has no default",
                "give every parameter a default: the defaults are the design",
            )
    chosen = {name: parameter.default for name, parameter in parameters.items()}
    for name, value in given.items():
        if name not in parameters:
            message, hint = unknown_name("parameter", name, parameters)
            raise UsageError(f"{place}: {message} of {owner}", hint)
        chosen[name] = _typed(place, option, name, value, parameters[name].default)
    return chosen


def _typed(place: str, option: str, name: str, value: object, default: object) -> object:
    """``value`` as the type of ``default``; text is read."""
    if not isinstance(value, str) or isinstance(default, str) or default is None:
        return value
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False, "1": True, "0": False}[value.lower()]
        if isinstance(default, int | float):
            return type(default)(value)
    except (KeyError, ValueError):
        pass
    kind = type(default).__name__
    shown = repr(value) if len(repr(value)) <= _LONGEST else "str(...)"
    raise UsageError(
        f"{place}: {name}={shown} is not of type {kind}",
        f"the default is {default!r}; write {option} {name}=VALUE with a value of that type",
    )
