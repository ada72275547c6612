"""The arguments of the public verbs, turned into what the functions inside take."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnhw.design.design import Design, load
from rnnhw.design.tasks import Samples
from rnnhw.design.tasks.samples import samples_of
from rnnhw.errors import UsageError, plain_number

__all__ = ["Data", "design_of", "number_bounds", "path_of", "samples_given", "signal_names"]

Data: TypeAlias = str | os.PathLike[str] | Samples | ArrayLike | None
"""Sequences to run on: a file, samples, or an array ``x``."""


def design_of(design: Design | str | os.PathLike[str]) -> Design:
    """A design, or the one of the design file that is named.

    Raises:
        DesignError: the file is no design.
        UsageError: it is neither.
    """
    if isinstance(design, Design):
        return design
    if isinstance(design, str | os.PathLike):
        return load(Path(design))
    raise UsageError(f"{_kind(design)} is no design", "give a Design or the path of a design file")


def path_of(name: str, place: object) -> Path | None:
    """A path, where one is given.

    Raises:
        UsageError: it is none.
    """
    if place is None or isinstance(place, Path):
        return place
    if isinstance(place, str | os.PathLike):
        return Path(place)
    raise UsageError(f"{name}={_kind(place)}", "give the path of a file")


def samples_given(
    design: Design, data: Data, samples: Samples | None
) -> tuple[Path | None, Samples | None]:
    """The file to run on, or the samples; both None: those of the design's task.

    An array is ``x`` [sequences, steps, features], or [steps, features] of one sequence.

    Raises:
        DesignError: the array has no such shape, or values that are not finite.
        UsageError: ``data`` is none of these, or both are given.
    """
    if data is None:
        return None, samples
    if samples is not None:
        raise UsageError("data and samples are given", "give one of the two")
    if isinstance(data, Samples):
        return None, data
    if isinstance(data, str | os.PathLike):
        return Path(data), None
    try:
        x: NDArray[np.generic] = np.asarray(data)
    except (TypeError, ValueError) as error:
        raise UsageError(f"data: {error}", _DATA) from None
    if x.dtype.kind not in "fiub":
        raise UsageError(f"data={_kind(data)}", _DATA)
    x = x[None] if x.ndim == 2 else x
    real = None if design.task is None else design.task.real_answers
    found = samples_of("data", {"x": x}, real_answers=real, features=design.inputs)
    return None, found if design.task is None else design.task.prepared(found)


_DATA = "give the path of an .npz, Samples, or an array x [sequences, steps, features]"


def signal_names(traces: str | Iterable[str]) -> tuple[str, ...]:
    """Names of signals, of which one may stand alone."""
    return (traces,) if isinstance(traces, str) else tuple(traces)


def number_bounds(name: str, bounds: Mapping[str, float] | None) -> dict[str, float] | None:
    """Bounds by the names of figures.

    Raises:
        UsageError: they are no mapping, or one of them is no number.
    """
    if bounds is None:
        return None
    if not isinstance(bounds, Mapping):
        raise UsageError(f"{name}={_kind(bounds)}", f'write {name}={{"accuracy": 0.95}}')
    found = {}
    for figure, bound in bounds.items():
        found[figure] = plain_number(bound)
        if not isinstance(found[figure], int | float):
            raise UsageError(f"{name}: {figure}={bound!r}", "give a number")
    return found


def _kind(value: object) -> str:
    """A wrong value in a message: itself if it is short, else its type."""
    text = repr(value)
    return text if len(text) <= 40 else f"{type(value).__name__}(...)"
