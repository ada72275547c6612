"""The chosen formats as a design file, which loads the design that they were chosen for."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from rnnhw.design.rounded_weights import weights_digest
from rnnhw.errors import DesignError
from rnnhw.numerics.cast import Q
from rnnhw.study.word_lengths.quantize import Quantized

__all__ = ["design_file_text", "rounded_weights_bytes"]


_UNROUNDED = ["    return load(BASE, settings).with_formats(FORMATS)"]

_ROUNDED = [
    "    chosen = load(BASE, settings).with_formats(FORMATS)",
    '    digests = {"sha256": SHA256, "weights_sha256": WEIGHTS_SHA256}',
    "    return chosen.with_rounded_weights(ROUNDED, **digests)",
]


def rounded_weights_bytes(result: Quantized) -> bytes:
    """The ``.npz`` of the numbers that tensors store, for the design file to read; empty where all
    weights are rounded to nearest."""
    if not result.rounded_weights:
        return b""
    content = io.BytesIO()
    np.savez(content, **result.rounded_weights)  # type: ignore[arg-type]
    return content.getvalue()


def design_file_text(
    result: Quantized, place: Path, command: str, rounded: tuple[Path, bytes] | None = None
) -> str:
    """The text of a design file at ``place``; its docstring holds the ``command`` that wrote it.

    ``rounded`` is the file of rounded weights beside it and its content
    (:func:`rounded_weights_bytes`).

    Raises:
        DesignError: the design did not come from a file.
    """
    design = result.design
    if design.path is None:
        raise DesignError(
            "the design did not come from a design file, so none can load it",
            "use result.chosen in Python",
        )
    base = os.path.relpath(design.path.resolve(), place.resolve().parent)
    formats, settings = result.changes, design.settings
    sources = " ".join(map(_source, formats.values()))
    modes = [name for name in ("Overflow", "Rounding") if f"={name}." in sources]
    names = ", ".join(["Q", *modes, "load"])
    lines = [
        '"""' + _doc(f"{design.title.partition(':')[0].rstrip('.')}, in chosen word lengths."),
        "",
        *(_doc(line) for line in _account(result)),
        *([] if rounded is None else _rounding_account(rounded[0].name)),
        "",
        f"    {_doc(command)}",
        '"""',
        "",
        "from pathlib import Path",
        "",
        f"from rnnhw import {names}",
        "",
        f"BASE = Path(__file__).resolve().parent / {_text(base)}",
        *([] if rounded is None else _rounded_source(result, *rounded)),
        "FORMATS = {",
        *(f"    {_text(name)}: {_source(each)}," for name, each in formats.items()),
        "}",
        "",
        "",
        f"def design({', '.join(f'{name}={_value(each)}' for name, each in settings.items())}):",
        f'    """{_doc(Path(base).name)} in the formats above, for {_parameters(rounded)}."""',
        f"    settings = {{{', '.join(f'{_text(name)}: {name}' for name in settings)}}}",
        *(_UNROUNDED if rounded is None else _ROUNDED),
    ]
    return "\n".join(lines) + "\n"


def _parameters(rounded: tuple[Path, bytes] | None) -> str:
    """For which values of its parameters the design can be loaded."""
    if rounded is None:
        return "whatever parameters it has"
    return "parameters that keep its weights"


def _rounding_account(name: str) -> list[str]:
    """Where the stored weights are, and what they are compared with."""
    return [
        "",
        f"{name} holds the weights that are stored: those of a sum were rounded together, so that",
        "the sum's error is small. The float reference, also that of `rnnhw verify`, has the",
        "weights as they were trained.",
    ]


def _rounded_source(result: Quantized, place: Path, content: bytes) -> list[str]:
    """The names by which the design file finds the rounded weights and refuses others."""
    trained = result.design
    digest = weights_digest(trained.network, trained.parameters)
    return [
        f"ROUNDED = Path(__file__).resolve().parent / {_text(place.name)}",
        f"SHA256 = {_text(hashlib.sha256(content).hexdigest())}",
        f"WEIGHTS_SHA256 = {_text(digest)}  # before rounding",
    ]


def _account(result: Quantized) -> list[str]:
    """What was chosen, a sentence a set of samples."""
    before, after = sum(result.stored_before.values()), result.choice.outcome.bits
    figures = _listed(result.choice.outcome.figures)
    lines = [
        f"Stored bits: {after:,}, before {before:,}.",
        f"Chosen on {result.chosen_on}: {figures}.",
    ]
    if result.choice.confirmed is not None:
        lines.append(f"On other copies: {_listed(result.choice.confirmed.figures)}.")
    judged = _listed(result.judged_after)
    return [*lines, f"On {result.judged_on}, read once at the end: {judged}."]


def _listed(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())


def _value(value: object) -> str:
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    """A string as Python source, in double quotes."""
    return json.dumps(text, ensure_ascii=False)


def _source(format: Q) -> str:
    """The format as Python source."""
    given = [str(format.integer), str(format.fraction)]
    if not format.signed:
        given.append("signed=False")
    default = Q(1, 1)
    if format.rounding is not default.rounding:
        given.append(f"rounding=Rounding.{format.rounding.name}")
    if format.overflow is not default.overflow:
        given.append(f"overflow=Overflow.{format.overflow.name}")
    return f"Q({', '.join(given)})"


def _doc(text: str) -> str:
    """Text that can stand in a docstring."""
    return text.replace("\\", "\\\\").replace('"""', "'''")
