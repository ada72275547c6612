"""The memory of every recurrent layer, each alone on what it reads in the task."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from rnnhw.analysis.derivatives import recurrent_matrices, spectral_radius, step_derivatives
from rnnhw.design.design import Design
from rnnhw.dynamics.attractors import dead_band_starts, held
from rnnhw.dynamics.capacity import capacity
from rnnhw.dynamics.model import LayerMemory, Radius
from rnnhw.dynamics.observed import Observed, spread
from rnnhw.dynamics.retention import retention
from rnnhw.dynamics.twins import merge_time, warm_up
from rnnhw.execution.alone import LayerAlone
from rnnhw.graph.network import Network, Scan, runs_once
from rnnhw.graph.nodes import Matvec
from rnnhw.numerics.cast import real_values

__all__ = ["layer_memories", "remembering"]

IntArray = NDArray[np.int64]

_RUNS = 16
"""Runs from the task's last states, with the task's last inputs held."""

_DRIVE_STEPS = 2048
"""How long twins are driven; shorter inputs are read again from the start."""


def layer_memories(
    design: Design, observed: Observed, isa: str | None, progress: Callable[[], None]
) -> Iterator[LayerMemory]:
    """Every recurrent layer; ``progress`` is called behind a layer."""
    for scan in remembering(design.network):
        yield _memory(scan, design, observed, isa)
        progress()


def remembering(network: Network) -> list[Scan]:
    """The layers that keep a state from step to step."""
    return [
        scan
        for scan in network.scans
        if scan.graph.updates and not any(runs_once(source) for source in scan.sources)
    ]


def _memory(scan: Scan, design: Design, observed: Observed, isa: str | None) -> LayerMemory:
    layer = LayerAlone(scan, design.parameters, isa)
    notes = []
    read, last_inputs = observed.inputs[scan], observed.last_inputs[scan]
    chosen = spread(len(observed.answering), _RUNS)
    last = {name: observed.last[name][chosen] for name in layer.states}
    zero, bands = None, []
    if layer.reads_zero:
        starts, exact = dead_band_starts(layer, last)
        count = len(next(iter(starts.values())))
        found = held(layer, np.zeros((count, layer.inputs), np.int64), starts)
        zero, bands = found.report("zero"), found.dead_bands(exact)
    else:
        notes.append("zero input: the layer's input cannot be zero")
    constant = held(layer, last_inputs[chosen], last).report("last inputs of the task")
    drive = np.tile(read, (-(-_DRIVE_STEPS // len(read)), 1))[:_DRIVE_STEPS]
    remembered = capacity(layer, read.min(0), read.max(0))
    if remembered is None:
        notes.append("memory capacity: the layer's input never changes on the task")
    kept = retention(layer, observed.samples, observed.answering, observed.last, observed.last_real)
    if isinstance(kept, str):
        notes.append(kept)
    return LayerMemory(
        layer=scan.name,
        units=layer.state_units,
        structures=_structures(scan),
        state_formats=", ".join(f"{s.format}" for s in layer.states.values()),
        radii=tuple(_radii(layer)),
        dead_bands=tuple(bands),
        zero_input=zero,
        held_input=constant,
        merge=merge_time(layer, drive),
        warm_up=warm_up(layer, drive),
        capacity=remembered,
        retention=None if isinstance(kept, str) else kept,
        notes=tuple(notes),
    )


def _structures(scan: Scan) -> str:
    """The structures of the products that read a state, without repetitions."""
    found = [
        repr(node.structure)
        for node in scan.graph.nodes
        if isinstance(node, Matvec) and (node.weights is None or node.weights.role != "weight")
    ]
    return ", ".join(dict.fromkeys(found)) or "none"


def _radii(layer: LayerAlone) -> Iterator[Radius]:
    graph, parameters = layer.scan.graph, layer.parameters
    quantised = {
        tensor.key: real_values(parameters.raw[tensor.key], tensor.format)
        for tensor in graph.tensors
    }
    real = recurrent_matrices(graph, parameters.values)
    names = []
    for name, matrix in recurrent_matrices(graph, quantised).items():
        other = real.get(name)
        names.append(name)
        yield _radius(name, matrix, other)
    both = [step_derivatives(graph, values) for values in (quantised, parameters.values)]
    if not both[0].recurrence_is_linear:
        yield _radius("step at rest", *(each.jacobian() for each in both))


def _radius(name: str, quantised: NDArray[np.float64], real: NDArray[np.float64] | None) -> Radius:
    values = [None if m is None else spectral_radius(m) for m in (quantised, real)]
    return Radius(name, *(None if v is None or math.isnan(v) else v for v in values))
