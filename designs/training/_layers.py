"""Layers that the recognisers stack: gated cells, Elman layers of any structure, feed-forward ones.

Arrays have the keys, shapes and gate orders of the designs' weight files: LSTM i, f, g, o; GRU
r, z, n; one dense recurrence stacked as `NAME.U`, another structure as `NAME.U.i`, `NAME.U.f`...
All arrays have a leading axis of restarts while they are trained (see _common.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from _common import (
    STRUCTURES,
    Parameters,
    Structure,
    draw_linear,
    linear,
)
from torch import Tensor

Product = Callable[[Tensor], Tensor]
"""h [restarts, batch, units] to the recurrent sums, units of all gates in turn."""


@dataclass(frozen=True)
class Layer:
    """Its parameters at the start, and its outputs over a whole sequence."""

    draw: Callable[[torch.Generator], Parameters]
    run: Callable[[Parameters, Tensor], Tensor]
    """(parameters, [restarts, batch, steps, inputs]) to [restarts, batch, steps, units]."""


def _draw_recurrence(
    structure: Structure, source: torch.Generator, units: int, key: str
) -> Parameters:
    """The structure's arrays under `key` in place of `rnn.U`."""
    drawn = structure.draw(source, units)
    return {key + name.removeprefix("rnn.U"): values for name, values in drawn.items()}


def _recurrence(structure: Structure, parameters: Parameters, key: str) -> Product:
    """The product with the arrays under `key`."""
    own = {
        "rnn.U" + name.removeprefix(key): values
        for name, values in parameters.items()
        if name == key or name.startswith(f"{key}.")
    }
    return lambda state: structure.product(own, state)


def _draw_gates(
    structure: Structure, source: torch.Generator, units: int, key: str, gates: str
) -> Parameters:
    """The recurrent arrays of all gates: one stacked matrix, or one set a gate."""
    if structure is STRUCTURES["dense"]:
        return {key: torch.cat([structure.draw(source, units)["rnn.U"] for _ in gates])}
    drawn = [_draw_recurrence(structure, source, units, f"{key}.{gate}") for gate in gates]
    return {name: values for one in drawn for name, values in one.items()}


def _gates(structure: Structure, parameters: Parameters, key: str, gates: str) -> Product:
    """The recurrent sums of all gates in turn."""
    if structure is STRUCTURES["dense"]:
        return _recurrence(structure, parameters, key)
    products = [_recurrence(structure, parameters, f"{key}.{gate}") for gate in gates]
    return lambda state: torch.cat([product(state) for product in products], -1)


def _draw_linear(
    source: torch.Generator, name: str, outputs: int, inputs: int, gain: float
) -> Parameters:
    found = draw_linear(source, name, outputs, inputs)
    found[f"{name}.W"] *= gain
    return found


def elman(
    name: str,
    inputs: int,
    units: int,
    structure: Structure,
    activation: Callable[[Tensor], Tensor] = torch.tanh,
    gain: float = 1.0,
) -> Layer:
    """h[t] = f(W x[t] + R h[t-1] + b); W starts `gain` times as large as elsewhere."""

    def draw(source: torch.Generator) -> Parameters:
        return _draw_linear(source, name, units, inputs, gain) | _draw_recurrence(
            structure, source, units, f"{name}.U"
        )

    def run(parameters: Parameters, frames: Tensor) -> Tensor:
        product = _recurrence(structure, parameters, f"{name}.U")
        driven = linear(frames, parameters[f"{name}.W"], parameters[f"{name}.b"])
        state = torch.zeros_like(driven[:, :, 0])
        states = []
        for drive in driven.unbind(2):
            state = activation(drive + product(state))
            states.append(state)
        return torch.stack(states, 2)

    return Layer(draw, run)


def lstm(name: str, inputs: int, units: int, structure: Structure) -> Layer:
    """c[t] = s(f) c[t-1] + s(i) tanh(g); h[t] = s(o) tanh(c[t]); the bias of f starts at 1."""

    def draw(source: torch.Generator) -> Parameters:
        found = draw_linear(source, name, 4 * units, inputs)
        found[f"{name}.b"][units : 2 * units] = 1.0
        return found | _draw_gates(structure, source, units, f"{name}.U", "ifgo")

    def run(parameters: Parameters, frames: Tensor) -> Tensor:
        product = _gates(structure, parameters, f"{name}.U", "ifgo")
        driven = linear(frames, parameters[f"{name}.W"], parameters[f"{name}.b"])
        state = cell = torch.zeros_like(driven[:, :, 0, :units])
        states = []
        for drive in driven.unbind(2):
            i, f, g, o = (drive + product(state)).chunk(4, -1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            state = torch.sigmoid(o) * torch.tanh(cell)
            states.append(state)
        return torch.stack(states, 2)

    return Layer(draw, run)


def gru(name: str, inputs: int, units: int, structure: Structure) -> Layer:
    """h[t] = (1 - s(z)) tanh(W_n x + b_n + s(r) (R_n h[t-1])) + s(z) h[t-1]: reset after."""

    def draw(source: torch.Generator) -> Parameters:
        return draw_linear(source, name, 3 * units, inputs) | _draw_gates(
            structure, source, units, f"{name}.U", "rzn"
        )

    def run(parameters: Parameters, frames: Tensor) -> Tensor:
        product = _gates(structure, parameters, f"{name}.U", "rzn")
        driven = linear(frames, parameters[f"{name}.W"], parameters[f"{name}.b"])
        state = torch.zeros_like(driven[:, :, 0, :units])
        states = []
        for drive in driven.unbind(2):
            xr, xz, xn = drive.chunk(3, -1)
            hr, hz, hn = product(state).chunk(3, -1)
            z = torch.sigmoid(xz + hz)
            state = (1 - z) * torch.tanh(xn + torch.sigmoid(xr + hr) * hn) + z * state
            states.append(state)
        return torch.stack(states, 2)

    return Layer(draw, run)


def feed_forward(name: str, inputs: int, units: int, gain: float = 1.0) -> Layer:
    """tanh(W x[t] + b); W starts `gain` times as large as elsewhere."""
    return Layer(
        lambda source: _draw_linear(source, name, units, inputs, gain),
        lambda parameters, frames: torch.tanh(
            linear(frames, parameters[f"{name}.W"], parameters[f"{name}.b"])
        ),
    )


def stack(layers: Sequence[Layer]) -> Layer:
    """Each layer reads the one before."""

    def draw(source: torch.Generator) -> Parameters:
        drawn = [layer.draw(source) for layer in layers]
        return {name: values for one in drawn for name, values in one.items()}

    def run(parameters: Parameters, frames: Tensor) -> Tensor:
        for layer in layers:
            frames = layer.run(parameters, frames)
        return frames

    return Layer(draw, run)
