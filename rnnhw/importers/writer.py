"""An imported network as a readable design file and its weights."""

from __future__ import annotations

import io
import json
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import partial
from typing import Any

import numpy as np

from rnnhw.importers.formats import ADDRESS, WORD, Chosen, layers_by_name
from rnnhw.importers.network import Imported
from rnnhw.layers.cells import Bidirectional, Heads, Layer, Residual

__all__ = ["design_text", "weights_bytes"]

_SHARED = ("weight", "recurrent_weight", "bias", "sum", "gate", "cell", "state")
"""Roles whose most common format is written once for the design; the others change what is
computed where a layer leaves them out."""

_WIDTH = 100


def weights_bytes(imported: Imported) -> bytes:
    """The ``.npz`` of the weights: float32 where that holds every number, else float64."""
    arrays: dict[str, Any] = {}
    for step in imported.branches.steps:
        for key, value in step.tensors.items():
            short = value.astype(np.float32)
            same = np.array_equal(short.astype(np.float64), value)
            arrays[f"{step.layer.name}.{key}"] = short if same else value
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def design_text(
    imported: Imported,
    chosen: Chosen,
    *,
    source: str,
    digest: str,
    weights: str,
    notes: Sequence[str],
    max_steps: int | None,
    word: int = WORD,
    address: int = ADDRESS,
    task: tuple[str, str] | None = None,
) -> str:
    """The text of the design file; ``task`` is the class of its task and the file of its data."""
    shared = _shared(chosen)
    used: set[str] = {"Design", "Formats", "Q"}
    lines = [
        _written(layer, partial(_formats, chosen, shared), used, layer.name)
        for layer in imported.branches.layers()
    ]
    common = [f"input={_q(chosen.input, 'word')}"]
    common += [f"{role}={_q(bits, kind)}" for role, (bits, kind) in shared.items()]
    arguments = [
        _call("layers=[", [f"{line}," for line in lines], "],", 8),
        _call("formats=Formats(", [f"{entry}," for entry in common], "),", 8),
        f"inputs={imported.inputs},",
        f"weights={_text(weights)},",
    ]
    if imported.heads:
        named = ", ".join(f'"{name}"' for name in imported.branches.ends)
        arguments.append(f"outputs=[{named}],")
    if max_steps is not None:
        arguments.append(f"max_steps={max_steps},")
    if task is not None:
        kind, data = task
        used.add(kind)
        arguments.append(
            _call("task=" + kind + "(", [f"{_text(data)},", "standardise=False,"], "),", 8)
        )
    body = textwrap.indent("\n".join(arguments), " " * 8)
    return (
        f'"""{_docstring(imported, source, digest, notes)}\n"""\n\n'
        f"{_imports(used)}\n\n\n"
        f"def design(word={word}, address={address}):\n"
        '    """Numbers have ``word`` bits, what addresses a table ``address`` bits."""\n'
        f"    return Design(\n{body}\n    )\n"
    )


# --- the docstring -------------------------------------------------------------------------------
def _docstring(imported: Imported, source: str, digest: str, notes: Sequence[str]) -> str:
    kinds = [
        type(layer).__name__
        for layer in layers_by_name(step.layer for step in imported.branches.steps).values()
    ]
    title = f"{' + '.join(dict.fromkeys(kinds))}, imported from {source}."
    by = f" written by {imported.origin.producer}" if imported.origin.producer else ""
    paragraphs = [f"Source: {imported.origin.kind}{by}.", f"SHA-256 {digest}."]
    lines = [_safe(title), ""]
    for text in paragraphs:
        lines += textwrap.wrap(_safe(text), _WIDTH)
    steps = imported.branches.steps
    names = [(step.layer.name, step.origin) for step in steps if step.layer.name]
    if names:
        lines += ["", "Layers, and what the source calls them:", ""]
        lines += [_safe(f"    {name}: {origin}"[:_WIDTH]) for name, origin in names]
    if notes:
        lines.append("")
        for note in notes:
            lines += textwrap.wrap(_safe(note), _WIDTH, initial_indent="- ", subsequent_indent="  ")
    return "\n".join(line.rstrip() for line in lines)


def _safe(text: str) -> str:
    """Text of a file of unknown origin inside of a docstring: it must not end it."""
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain.replace("\\", "/").replace('"', "'")


# --- formats -------------------------------------------------------------------------------------
Written = tuple[int, str]
"""Integer bits, and which parameter is the width."""


def _q(integer: int, width: str) -> str:
    fraction = -1 - integer
    return f"Q({integer}, {width} {'-' if fraction <= 0 else '+'} {abs(fraction)})".replace(
        " - 0)", ")"
    )


def _entry(chosen: Chosen, layer: str, role: str) -> Written:
    width = "address" if (layer, role) in chosen.addresses else "word"
    return chosen.bits[layer][role], width


def _shared(chosen: Chosen) -> dict[str, Written]:
    """The most common format of each role."""
    found: dict[str, Written] = {}
    for role in _SHARED:
        entries = [
            _entry(chosen, layer, role) for layer, bits in chosen.bits.items() if role in bits
        ]
        if entries:
            found[role] = Counter(entries).most_common(1)[0][0]
    return found


def _formats(chosen: Chosen, shared: Mapping[str, Written], layer: str, indent: int) -> str:
    """The argument of the formats in which a layer differs from the design; empty if in none."""
    own = {
        role: _entry(chosen, layer, role)
        for role in chosen.bits.get(layer, {})
        if shared.get(role) != _entry(chosen, layer, role)
    }
    if not own:
        return ""
    parts = [f"{role}={_q(*entry)}," for role, entry in own.items()]
    return _call("formats=Formats(", parts, ")", indent)


# --- layers --------------------------------------------------------------------------------------
def _written(
    layer: Layer, formats: Callable[[str, int], str], used: set[str], path: str, indent: int = 12
) -> str:
    """The call that makes a layer; ``used`` gathers the names to import."""
    used.add(type(layer).__name__)
    if isinstance(layer, Heads):
        return _heads(layer, formats, used, indent)
    if isinstance(layer, Residual):
        return _residual(layer, formats, used, indent)
    parts: list[str] = []
    for entry in fields(layer):  # type: ignore[arg-type]
        value = getattr(layer, entry.name)
        if entry.name == "formats":
            continue
        if isinstance(layer, Bidirectional) and entry.name in ("layer", "backward"):
            if value is not None:
                way = "forward" if entry.name == "layer" else "backward"
                inner = _written(value, formats, used, f"{path}.{way}", indent + 4)
                parts.append(inner if way == "forward" else f"backward={inner}")
            continue
        if value != _default(entry):
            text = _value(value, used)
            parts.append(text if entry.name == "units" else f"{entry.name}={text}")
    parts += filter(None, [formats(path, indent + 4)])
    return _call(f"{type(layer).__name__}(", [f"{part}," for part in parts], ")", indent)


def _heads(layer: Heads, formats: Callable[[str, int], str], used: set[str], indent: int) -> str:
    """The call that makes heads, each a layer or a list of layers."""
    parts = []
    for chain in layer.chains:
        inner = [_written(each, formats, used, each.name, indent + 12) for each in chain]
        one = inner[0] if len(inner) == 1 else _call("[", [f"{e}," for e in inner], "]", indent + 8)
        parts.append(f"{one},")
    return f"Heads({_call('[', parts, ']', indent + 4)})"


def _residual(
    layer: Residual, formats: Callable[[str, int], str], used: set[str], indent: int
) -> str:
    """The call that makes a skip connection around layers."""
    inner = [_written(each, formats, used, each.name, indent + 8) for each in layer.layers]
    parts = [f"{_call('[', [f'{each},' for each in inner], ']', indent + 4)},"]
    parts.append(f"name={_text(layer.name)},")
    parts += [f"{entry}," for entry in [formats(layer.name, indent + 4)] if entry]
    return _call("Residual(", parts, ")", indent)


def _default(entry: Field[Any]) -> Any:
    if entry.default_factory is not MISSING:
        return entry.default_factory()
    return entry.default


def _value(value: Any, used: set[str]) -> str:
    """An argument as Python text: numbers, text, and activations with their parameters."""
    if is_dataclass(value) and not isinstance(value, type):
        used.add(type(value).__name__)
        parts = [
            f"{entry.name}={_value(getattr(value, entry.name), used)}"
            for entry in fields(value)
            if getattr(value, entry.name) != _default(entry)
        ]
        return f"{type(value).__name__}({', '.join(parts)})"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    """A string as Python source, in double quotes."""
    return json.dumps(value, ensure_ascii=False)


def _call(head: str, parts: Sequence[str], tail: str, indent: int) -> str:
    """In one line if it fits, else a part a line."""
    line = head + " ".join(parts).removesuffix(",") + tail
    if len(line) + indent + 1 <= _WIDTH and "\n" not in line:
        return line
    inner = textwrap.indent("\n".join(parts), " " * 4)
    return f"{head}\n{inner}\n{tail}"


def _imports(used: Iterable[str]) -> str:
    names = sorted(used, key=_import_order)
    line = f"from rnnhw import {', '.join(names)}"
    if len(line) <= _WIDTH:
        return line
    return "from rnnhw import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _import_order(name: str) -> tuple[int, str]:
    """As ruff and isort: constants, classes."""
    return (0 if name.isupper() and len(name) > 1 else 1, name)
