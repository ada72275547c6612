"""Word formats for an imported network: by mean squared error where there is data, else wide.

The integer bits are found in words of one width, so that the design file can have the width as a
parameter. What addresses a table is judged through the table's function: a sum of 20 in front of
a sigmoid needs no five integer bits.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from rnnhw.design.design import Design
from rnnhw.design.tasks.samples import Samples
from rnnhw.execution.first_states import first_states
from rnnhw.execution.reference import run_reference
from rnnhw.graph.builder import Formats
from rnnhw.graph.network import Scan
from rnnhw.graph.nodes import Cast, Lookup, Node
from rnnhw.importers.network import Branches, FloatArray, Step
from rnnhw.layers.cells import GRU, Bidirectional, Layer, Linear, Mean, Residual
from rnnhw.layers.vectors import LayerNorm, Pointwise, Scale
from rnnhw.numerics.binary_point import placed_point
from rnnhw.numerics.cast import Q, real_values

__all__ = ["ADDRESS", "WORD", "Chosen", "chosen_formats", "with_formats"]

WORD, ADDRESS = 16, 12
"""Bits of a number and of a table's address, unless the user asks for others."""

_WIDE = Q(11, 12)
_ROLES = tuple(entry.name for entry in fields(Formats))
_MOST_VALUES = 1 << 18
"""Of one signal, that its format is chosen by: of more a sample, with the largest and least."""

_MOST_STEPS = 20_000
"""Steps of the data that are run through the float network."""

_PART_STEPS = 1_000
"""Steps of one run: of 400 units with fifteen signals they take 50 MB."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Chosen:
    """Integer bits by layer (``rnn``, ``two.forward``) and role, those of the input, and which
    (layer, role) address tables."""

    input: int
    bits: Mapping[str, Mapping[str, int]]
    addresses: frozenset[tuple[str, str]]


def optional_roles(layer: Layer, last: bool) -> tuple[str, ...]:
    """The roles that are exact without a format, and should have one here."""
    match layer:
        case GRU(reset="after"):
            return ("recurrent_sum",)
        case Linear(activation=None) | Scale():
            return () if last else ("output",)  # the scores of the last layer stay exact
        case LayerNorm():
            return ("stage", "output")
        case Linear() | Pointwise() | Mean(divide=True) | Residual():
            return ("output",)
    return ()


def with_formats(layer: Layer, formats: Mapping[str, Formats], name: str) -> Layer:
    """``layer`` with the formats of its name, and its directions with those of their names."""
    if isinstance(layer, Bidirectional):
        ahead = with_formats(layer.layer, formats, f"{name}.forward")
        back = layer.backward and with_formats(layer.backward, formats, f"{name}.backward")
        return replace(layer, layer=ahead, backward=back)
    if name not in formats or not hasattr(layer, "formats"):
        return layer
    return replace(layer, formats=formats[name])  # type: ignore[type-var]


def layers_by_name(layers: Iterable[Layer]) -> dict[str, Layer]:
    """The layers that can have formats, with the names that their signals begin with."""
    found: dict[str, Layer] = {}
    for layer in layers:
        if isinstance(layer, Bidirectional):
            found[f"{layer.name}.forward"] = layer.layer
            if layer.backward is not None:
                found[f"{layer.name}.backward"] = layer.backward
        elif layer.name:
            found[layer.name] = layer
    return found


def chosen_formats(
    steps: Sequence[Step] | Branches,
    inputs: int,
    max_steps: int | None,
    samples: Samples | None,
    word: int = WORD,
    address: int = ADDRESS,
    progress: Progress = lambda done, whole: None,
) -> Chosen:
    """The integer bits of every signal and tensor, in words of ``word`` and ``address`` bits.

    ``progress`` is told how many parts of the data are done, of how many.
    """
    branches = steps if isinstance(steps, Branches) else Branches(tuple(steps))
    steps = branches.steps
    design = _wide_design(branches, inputs, max_steps, address)
    network = design.network
    values = _values(design, samples, progress)
    bits: dict[str, dict[str, int]] = {}
    addresses = set()
    for layer in layers_by_name(step.layer for step in steps):
        scans = [scan for scan in network.scans if _layer_of(scan.name, steps) == layer]
        found: dict[str, int] = {}
        for role in _ROLES:
            readers = [node for scan in scans for node in _tables(scan, role)]
            if readers:
                addresses.add((layer, role))
            width = address if readers else word
            numbers = [values[key] for scan in scans for key in _keys(scan, role) if key in values]
            if numbers and sum(map(len, numbers)):
                found[role] = _best(np.concatenate(numbers), width, readers)
        guessed = {role: bits_ for scan in scans for role, bits_ in _guessed(scan).items()}
        roles = {role for scan in scans for role in _roles(scan)}
        bits[layer] = {
            role: found.get(role, guessed.get(role, _GUESS)) for role in _ROLES if role in roles
        }
    given = values.get("input", np.zeros(0))
    return Chosen(_best(given, word) if len(given) else _GUESS, bits, frozenset(addresses))


# --- the network in wide words -------------------------------------------------------------------
def _wide_design(branches: Branches, inputs: int, max_steps: int | None, address: int) -> Design:
    steps, ends = branches.steps, branches.ends
    layers = [step.layer for step in steps]
    wide = {
        name: Formats(
            **{
                role: Q(8, 7) if role == "stage" else _WIDE
                for role in optional_roles(layer, name in ends)
            }
        )
        for name, layer in layers_by_name(layers).items()
    }
    everywhere = Formats(
        **dict.fromkeys(("input", "weight", "gate", "cell", "state"), _WIDE), sum=Q(4, address - 5)
    )
    tensors = {
        f"{step.layer.name}.{key}": value for step in steps for key, value in step.tensors.items()
    }
    return Design(
        layers=branches.layers(
            {layer.name: with_formats(layer, wide, layer.name) for layer in layers if layer.name}
        ),
        formats=everywhere,
        inputs=inputs,
        max_steps=max_steps,
        weights=tensors,
        outputs=branches.ends if branches.heads else None,
    )


def _layer_of(scan: str, steps: Sequence[Step]) -> str:
    """The layer whose formats a scan has: one layer runs both ways where there is no other."""
    way = ".backward"
    if scan.endswith(way):
        name = scan.removesuffix(way)
        for step in steps:
            layer = step.layer
            if layer.name == name and isinstance(layer, Bidirectional) and layer.backward is None:
                return f"{name}.forward"
    return scan


def _casts(scan: Scan, role: str) -> list[Node]:
    return [n for n in scan.graph.nodes if isinstance(n, Cast | Lookup) and n.role == role]


def _keys(scan: Scan, role: str) -> list[str]:
    """The signals and tensors of a role."""
    tensors = [tensor.key for tensor in scan.graph.tensors if tensor.role == role]
    return [scan.graph.signal(node) for node in _casts(scan, role)] + tensors


def _roles(scan: Scan) -> set[str]:
    return {role for role in _ROLES if _keys(scan, role)}


def _tables(scan: Scan, role: str) -> list[Lookup]:
    """The tables that signals of a role address."""
    casts = _casts(scan, role)
    return [n for n in scan.graph.nodes if isinstance(n, Lookup) and n.a in casts]


# --- values --------------------------------------------------------------------------------------
def _values(design: Design, samples: Samples | None, progress: Progress) -> dict[str, FloatArray]:
    """By signal and tensor the real numbers that it has."""
    network = design.network
    values: dict[str, FloatArray] = {
        key: _sampled(array) for key, array in design.parameters.values.items()
    }
    if samples is None:
        for scan in network.scans:
            for role in _ROLES:
                for node in _casts(scan, role):
                    if isinstance(node, Lookup) and role == "weight":
                        values[scan.graph.signal(node)] = real_values(
                            node.table.entries, node.format
                        )
        return values
    traced = [key for scan in network.scans for role in _ROLES for key in _keys(scan, role)]
    wanted = [key for key in traced if key not in values]
    found: dict[str, list[FloatArray]] = {key: [] for key in ("input", *wanted)}
    parts = _parts(samples)
    for done, part in enumerate(parts):
        progress(done, len(parts))
        run = run_reference(
            network,
            design.parameters,
            part.x,
            part.lengths,
            wanted,
            initial=first_states(network, part).real,
        )
        valid = np.arange(part.x.shape[1]) < part.lengths[:, None]
        found["input"].append(_sampled(part.x[valid], len(parts)))
        for key, traces in run.traces.items():
            # Behind a last step or a mean there is one step of every sequence.
            real = valid if traces.shape[1] == valid.shape[1] else np.s_[:, :]
            found[key].append(_sampled(traces[real], len(parts)))
    progress(len(parts), len(parts))
    return values | {key: np.concatenate(each) for key, each in found.items()}


def _parts(samples: Samples) -> list[Samples]:
    """The first sequences, as many as have ``_MOST_STEPS`` steps, in parts whose signals fit the
    memory; at least one sequence."""
    ends = np.cumsum(samples.lengths)
    count = max(int(np.searchsorted(ends, _MOST_STEPS, side="right")), 1)
    cuts = [int(np.searchsorted(ends, steps)) + 1 for steps in range(0, _MOST_STEPS, _PART_STEPS)]
    bounds = sorted({0, count, *(cut for cut in cuts[1:] if cut < count)})
    return [_chosen(samples, slice(*pair)) for pair in itertools.pairwise(bounds)]


def _chosen(samples: Samples, part: slice) -> Samples:
    first = {key: value[part] for key, value in samples.first.items()}
    return Samples(samples.x[part], samples.lengths[part], None, first)


def _sampled(values: FloatArray, parts: int = 1) -> FloatArray:
    """Some of the values, evenly spaced, the largest and the least with them."""
    flat, most = np.ravel(values).astype(np.float64), _MOST_VALUES // parts
    if len(flat) <= most:
        return flat
    return np.append(flat[:: -(-len(flat) // most)], [flat.max(), flat.min()])


# --- integer bits --------------------------------------------------------------------------------
def _best(values: FloatArray, width: int, tables: Sequence[Lookup] = ()) -> int:
    """The integer bits of a signed word of ``width`` bits that addresses ``tables``."""
    functions = {node.table.function.name: node.table.function for node in tables}
    return placed_point(Q(0, width - 1), width, values, "mse", *functions.values()).integer


_GUESS = 7
"""Integer bits of what is not known: -128 to 128."""


def _guessed(scan: Scan) -> dict[str, int]:
    """Wide integer bits by role for signals without data."""
    found: dict[str, int] = {}
    for role in _ROLES:
        for node in _casts(scan, role):
            if isinstance(node, Lookup):
                entries = np.abs(real_values(node.table.entries, node.format))
                bits = max(math.ceil(math.log2(max(float(entries.max()), 1.0))), 0)
                found[role] = max(found.get(role, 0), min(bits, _GUESS))
        tables = _tables(scan, role)
        if tables:
            found[role] = 3 if all(_saturates(node) for node in tables) else 5
    if "gate" in found and "state" not in found:  # h is a mean of gates, or a product of two
        found["state"] = found["gate"]
    return found


def _saturates(node: Lookup) -> bool:
    """Whether a table's function is flat outside of -8 to 8."""
    ends = np.array([-64.0, -8.0, 8.0, 64.0])
    low, left, right, high = node.table.function(ends)
    return bool(abs(low - left) < 0.01 and abs(high - right) < 0.01)
