"""ONNX's RNN, LSTM and GRU with every attribute, as cells.

Source: the operator specifications, https://onnx.ai/onnx/operators/onnx__LSTM.html, __GRU, __RNN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnhw.errors import DesignError
from rnnhw.importers.first_states import note_first_state
from rnnhw.importers.network import FloatArray, Step, cell_step, checked_tensor, clipped
from rnnhw.importers.onnx.file import Array, decimal
from rnnhw.importers.tracing import Source, Traceable, Traced
from rnnhw.layers.activations import (
    ELU,
    Activation,
    Affine,
    HardSigmoid,
    LeakyReLU,
    ReLU,
    ScaledTanh,
    Sigmoid,
    Softplus,
    Softsign,
    Tanh,
    ThresholdedReLU,
)
from rnnhw.layers.cells import GRU, LSTM, Elman

__all__ = ["RECURRENT", "recurrent"]


@dataclass(frozen=True)
class _Operator:
    """``gates`` rows of weights in ONNX's order; ``order`` puts them into rnnhw's."""

    gates: int
    order: tuple[int, ...]
    activations: tuple[str, ...]


RECURRENT: Mapping[str, _Operator] = {
    "RNN": _Operator(1, (0,), ("Tanh",)),
    "GRU": _Operator(3, (1, 0, 2), ("Sigmoid", "Tanh")),  # z r h -> r z n
    "LSTM": _Operator(4, (0, 2, 3, 1), ("Sigmoid", "Tanh", "Tanh")),  # i o f c -> i f g o
}

_ATTRIBUTES = {
    "activation_alpha", "activation_beta", "activations", "clip", "direction", "hidden_size",
    "input_forget", "layout", "linear_before_reset", "output_sequence",
}  # fmt: skip

_Maker = Callable[[float, float], Activation]

_ACTIVATIONS: Mapping[str, tuple[float | None, float | None, _Maker]] = {
    # the defaults of alpha and beta by the specification, None where the function has none
    "relu": (None, None, lambda a, b: ReLU()),
    "tanh": (None, None, lambda a, b: Tanh()),
    "sigmoid": (None, None, lambda a, b: Sigmoid()),
    "affine": (1.0, 0.0, Affine),
    "leakyrelu": (0.01, None, lambda a, b: LeakyReLU(a)),
    "thresholdedrelu": (1.0, None, lambda a, b: ThresholdedReLU(a)),
    "scaledtanh": (1.0, 1.0, ScaledTanh),
    "hardsigmoid": (0.2, 0.5, HardSigmoid),
    "elu": (1.0, None, lambda a, b: ELU(a)),
    "softsign": (None, None, lambda a, b: Softsign()),
    "softplus": (None, None, lambda a, b: Softplus()),
}


def recurrent(
    kind: str, name: str, attributes: Mapping[str, Any], inputs: Sequence[Array | Traceable | None]
) -> list[Traced]:
    """The outputs Y, Y_h and Y_c (of an LSTM) of a node.

    Raises:
        DesignError: naming the attribute or input that rnnhw cannot have.
    """
    operator = RECURRENT[kind]
    unknown = sorted(set(attributes) - _ATTRIBUTES)
    if unknown:
        raise DesignError(f"attribute {unknown[0]!r} is unknown", "export it to opset 7 or later")
    given = [*inputs, *[None] * 8]
    x = given[0]
    if not isinstance(x, Traced):
        raise DesignError("X is constant", "the input of the network must lead to it")
    layout = attributes.get("layout", 0)
    direction = attributes.get("direction", "forward")
    if layout not in (0, 1) or direction not in ("forward", "reverse", "bidirectional"):
        raise DesignError(f"layout={layout}, direction={direction!r}", "export it again")
    w, r = _constant("W", given[1]), _constant("R", given[2])
    ways, units = (2 if direction == "bidirectional" else 1), r.shape[-1]
    rows = operator.gates * units
    if "hidden_size" in attributes and attributes["hidden_size"] != units:
        raise DesignError(
            f"hidden_size={attributes['hidden_size']}, but R has {units} columns", "export it again"
        )
    shapes: dict[str, tuple[FloatArray, tuple[int, ...]]] = {
        "W": (w, (ways, rows, w.shape[-1])),
        "R": (r, (ways, rows, units)),
    }
    b = p = None
    if given[3] is not None:
        b = _constant("B", given[3])
        shapes["B"] = (b, (ways, 2 * rows))
    if kind == "LSTM" and given[7] is not None:
        p = _constant("P", given[7])
        shapes["P"] = (p, (ways, 3 * units))
    for key, (array, shape) in shapes.items():
        if array.shape != shape:
            raise DesignError(
                f"input {key} has shape {list(array.shape)}, the operator reads {list(shape)}",
                "export it again",
            )
    places = {"time": 0, "batch": 1} if layout == 0 else {"time": 1, "batch": 0}
    lengths = _lengths(given[4], x, places["time"])
    activations = _activations(kind, attributes, ways)
    cells = []
    for way in range(ways):
        tensors = {
            "W": _reordered(w[way], operator.order),
            "U": _reordered(r[way], operator.order),
        }
        if b is not None:
            for key, half in zip(("b", "b2"), np.split(b[way], 2), strict=True):
                tensors[key] = _reordered(half, operator.order)
        fed: dict[str, str] = {}
        states = [("h0", 5, "initial_h"), ("c0", 6, "initial_c")]
        for key, place, label in states[: 1 + (kind == "LSTM")]:
            note_first_state(
                label, given[place], key, way, units, tensors, fed, batch_first=layout == 1
            )
        if p is not None:
            parts = np.split(p[way], 3)
            tensors |= {f"p.{gate}": parts[k] for k, gate in enumerate("iof")}
        fields = {
            "units": units,
            "clip": attributes.get("clip"),
            "activations": activations[way],
            "attributes": attributes,
        }
        cells.append(_CELLS[kind](tensors, fields, name, fed))
    time, both, batch, feature, value = x.run(
        cells,
        backward=direction == "reverse",
        places={**places, "feature": 2},  # type: ignore[dict-item]
        lengths=lengths,
    )
    order = (time, both, batch, feature) if layout == 0 else (batch, time, both, feature)
    state = (both, batch, feature) if layout == 0 else (batch, both, feature)
    return value.outputs(order, state)


def _rnn(tensors: Any, fields: Any, name: str, fed: Mapping[str, str]) -> Step:
    (f,) = fields["activations"]
    return cell_step(Elman(fields["units"], activation=f), tensors, name, fed)


def _gru(tensors: Any, fields: Any, name: str, fed: Mapping[str, str]) -> Step:
    f, g = fields["activations"]
    after = fields["attributes"].get("linear_before_reset", 0)
    cell = GRU(
        fields["units"],
        reset="after" if after else "before",
        gate_activation=f,
        activation=g,
    )
    return cell_step(cell, tensors, name, fed)


def _lstm(tensors: Any, fields: Any, name: str, fed: Mapping[str, str]) -> Step:
    f, g, h = fields["activations"]
    coupled = bool(fields["attributes"].get("input_forget", 0))
    if coupled:  # the forget gate's rows are not read
        tensors = {k: v for k, v in tensors.items() if k != "p.f"}
        for key in ("W", "U", "b", "b2"):
            if key in tensors:
                i, _, c, o = np.split(tensors[key], 4)
                tensors[key] = np.concatenate([i, c, o])
    cell = LSTM(
        fields["units"],
        gate_activation=f,
        activation=g,
        cell_activation=None if h == g else h,
        peephole="p.i" in tensors,
        coupled=coupled,
    )
    return cell_step(cell, tensors, name, fed)


_CELLS: Mapping[str, Callable[[Any, Any, str, Mapping[str, str]], Step]] = {
    "RNN": _rnn,
    "GRU": _gru,
    "LSTM": _lstm,
}


def _constant(name: str, value: Array | Traceable | None) -> FloatArray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        raise DesignError(
            f"input {name} is not constant",
            "rnnhw takes weights that are stored; export without making them inputs",
        )
    return checked_tensor(f"input {name}", value.astype(np.float64))


def _reordered(stacked: FloatArray, order: Sequence[int]) -> FloatArray:
    parts = np.split(stacked, len(order))
    return np.concatenate([parts[k] for k in order])


def _activations(
    kind: str, attributes: Mapping[str, Any], ways: int
) -> list[tuple[Activation, ...]]:
    """The functions of every direction, alpha and beta given out in order to those that have
    them."""
    defaults = RECURRENT[kind].activations
    names = list(attributes.get("activations") or defaults * ways)
    if len(names) != len(defaults) * ways:
        raise DesignError(
            f"activations={names}: {len(names)}, the operator has {len(defaults) * ways}",
            "export it again",
        )
    given = [list(attributes.get(f"activation_{part}", ())) for part in ("alpha", "beta")]
    clip = attributes.get("clip")
    if clip is not None and not clip > 0:
        raise DesignError(f"clip={clip}", "it must be positive")
    found: list[Activation] = []
    for each in names:
        entry = _ACTIVATIONS.get(each.lower())
        if entry is None:
            raise DesignError(
                f"activations: {each!r} is unknown", f"known: {', '.join(_ACTIVATIONS)}"
            )
        *first, make = entry
        a, b = (
            0.0 if default is None else decimal(values.pop(0) if values else default)
            for default, values in zip(first, given, strict=True)
        )
        found.append(clipped(make(a, b), None if clip is None else decimal(clip)))
    for part, left in zip(("alpha", "beta"), given, strict=True):
        if left:
            raise DesignError(
                f"activation_{part} has {len(left)} more numbers than activations take them",
                "give one number for each function that has one",
            )
    count = len(defaults)
    return [tuple(found[k * count : (k + 1) * count]) for k in range(ways)]


def _lengths(given: Array | Traceable | None, x: Traced, place: int) -> str:
    """The name of the input of sequence lengths; empty: all steps."""
    if given is None:
        return ""
    if isinstance(given, Traced) and isinstance(given.flow, Source):
        return given.flow.name
    steps = x.shape[place] if x.rank == 3 else None
    if isinstance(given, np.ndarray) and all(length == steps for length in given.ravel()):
        return ""
    raise DesignError(
        "input sequence_lens is not an input of the network",
        "leave it out, and give the data of rnnhw `lengths`",
    )
