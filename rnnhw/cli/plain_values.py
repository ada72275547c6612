"""Texts and paths of the command line, which are values as they stand.

typer hands every value, given or not, to pydantic, whose import takes nearly as long as that of
NumPy. Texts, paths and options that nobody gave do not need it. Numbers remain typer's, and so
does all that is wrong.
"""

from __future__ import annotations

import inspect
import types
from pathlib import Path
from typing import Any, get_args, get_origin

import typer.core

__all__ = ["Command", "Group"]


class Command(typer.core.TyperCommand):
    """A command whose texts and paths pydantic does not see."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _with_plain_values(super().get_params(ctx), self.callback)


class Group(typer.core.TyperGroup):
    """Commands whose own options, those of typer among them, pydantic does not see."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _with_plain_values(super().get_params(ctx), self.callback)


def _with_plain_values(parameters: list[Any], function: Any) -> list[Any]:
    """The parameters of the command that calls ``function``, and those that typer adds."""
    written = inspect.signature(function, eval_str=True).parameters
    for parameter in parameters:
        if "process_value" not in vars(parameter):  # click asks for them several times
            asked = written.get(parameter.name)
            _take_plain_values(parameter, None if asked is None else _kind(asked.annotation))
    return parameters


def _take_plain_values(parameter: Any, kind: Any) -> None:
    convert = parameter.process_value
    several = parameter.multiple or parameter.nargs == -1

    def process_value(context: Any, value: Any) -> Any:
        """As typer's own: the value, converted, through the parameter's callback."""
        if value is None or value == ():
            if parameter.required:
                return convert(context, value)
            plain: Any = () if several else None
        elif kind in (str, Path):
            plain = list(map(kind, value)) if several else kind(value)
        else:
            return convert(context, value)
        return parameter.callback(context, parameter, plain) if parameter.callback else plain

    parameter.process_value = process_value


def _kind(annotation: Any) -> Any:
    """The type of one value: ``Path`` of ``Annotated[list[Path] | None, ...]``."""
    if hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    if get_origin(annotation) is types.UnionType:
        (annotation,) = (each for each in get_args(annotation) if each is not types.NoneType)
    return get_args(annotation)[0] if get_origin(annotation) is list else annotation
