"""The operations of exported programs of torch (``aten``), on values whose axes are followed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rnnhw.errors import DesignError
from rnnhw.importers.first_states import note_first_state
from rnnhw.importers.functions import SELU, clip_function
from rnnhw.importers.network import FloatArray
from rnnhw.importers.torch.state import torch_cell
from rnnhw.importers.tracing import Size, Stack, Traceable, Traced, added, concatenated
from rnnhw.layers.activations import (
    ELU,
    GELU,
    Activation,
    Clipped,
    Exponential,
    HardSigmoid,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Tanh,
)

__all__ = ["OPERATORS", "RECURRENT", "Value", "computed"]

Value = np.ndarray[Any, Any] | Traceable | Size | int | None
Arguments = Mapping[str, Any]

_MOST_ELEMENTS = 1 << 27

RECURRENT = {"lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN", "rnn_relu": "RNN"}


def _traced(value: Any) -> Traced:
    if not isinstance(value, Traced):
        raise DesignError("it reads several values side by side", "take one of them first")
    return value


def _numbers(value: Any, name: str) -> FloatArray:
    if isinstance(value, int | float):
        return np.asarray(float(value))
    if not isinstance(value, np.ndarray):
        raise DesignError(f"its {name} is not stored", "export with stored weights")
    return value.astype(np.float64)


# --- recurrent layers -----------------------------------------------------------------------------
def _recurrent(operator: str) -> Callable[[str, Arguments], list[Value]]:
    kind = RECURRENT[operator]

    def run(origin: str, a: Arguments) -> list[Value]:
        if "batch_first" not in a:
            raise DesignError("packed sequences", "give the data of rnnhw `lengths` instead")
        function: Activation = ReLU() if operator == "rnn_relu" else Tanh()
        states = a["hx"] if isinstance(a["hx"], list) else [a["hx"]]
        ways = 2 if a["bidirectional"] else 1
        each = 4 if a["has_biases"] else 2
        params = [_numbers(value, "weights") for value in a["params"]]
        count = a["num_layers"] * ways
        names = ("W", "U", "b", "b2")[:each]
        if len(params) == count * (each + 1):  # LSTM with a projection
            names, each = (*names, "P"), each + 1
        if len(params) != count * each:
            raise DesignError(f"{len(params)} weights of {count} cells", "export it again")
        value, ends, width = _traced(a["input"]), [], None
        places = {"time": 1, "batch": 0} if a["batch_first"] else {"time": 0, "batch": 1}
        for layer in range(a["num_layers"]):
            cells = []
            for way in range(ways):
                at = layer * ways + way
                tensors = dict(zip(names, params[at * each : (at + 1) * each], strict=True))
                fed: dict[str, str] = {}
                _first_states(kind, states, at, tensors, fed)
                cells.append(torch_cell(kind, tensors, function, origin, width, fed))
            time, both, batch, feature, ran = value.run(
                cells,
                backward=False,
                places={**places, "feature": 2},  # type: ignore[dict-item]
            )
            steps = (batch, time) if a["batch_first"] else (time, batch)
            outputs = ran.outputs((*steps, (*both, *feature)), (both, batch, feature))
            value, width = outputs[0], ways * (feature[0].size or 0)
            ends.append(outputs[1:])
        last = [Stack(tuple(end[k] for end in ends), 0) for k in range(2)]
        if len(ends) == 1:
            return [value, *ends[0]]
        return [value, *last]

    return run


def _first_states(
    kind: str,
    states: Sequence[Any],
    at: int,
    tensors: dict[str, FloatArray],
    fed: dict[str, str],
) -> None:
    units = tensors["U"].shape[0] // {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    for key, state, width in zip(
        ("h0", "c0"), states, (tensors["U"].shape[-1], units), strict=False
    ):
        given = state
        if isinstance(state, Traced) and len(state.dims) == 3 and state.shape[0] != 1:
            given = state.cut(0, at, at + 1)
        note_first_state(f"hx ({key})", given, key, at, width, tensors, fed)


# --- moving axes ----------------------------------------------------------------------------------
def _moved(
    change: Callable[[Traced, Arguments], Traced],
) -> Callable[[str, Arguments], list[Value]]:
    return lambda origin, a: [change(_traced(a["self"]), a)]


def _swapped(x: Traced, a: Arguments) -> Traced:
    order = list(range(x.rank))
    one, other = a["dim0"], a["dim1"]
    order[one], order[other] = order[other], order[one]
    return x.permute(order)


def _squeezed(x: Traced, a: Arguments) -> Traced:
    dim = a.get("dim")
    if dim is None:
        return x.squeeze(None)
    # torch leaves out those of the dimensions whose size is 1.
    places = [k % x.rank for k in (dim if isinstance(dim, list) else [dim])]
    return x.squeeze([k for k in places if x.shape[k] == 1])


def _flattened(x: Traced, a: Arguments) -> Traced:
    first, last = a.get("start_dim", 0) % x.rank, a.get("end_dim", -1) % x.rank
    shape = x.shape
    return x.reshape([*shape[:first], -1, *shape[last + 1 :]])


def _viewed(x: Traced, a: Arguments) -> Traced:
    return x.reshape(a.get("size", a.get("shape", [])))


def _expanded(x: Traced, a: Arguments) -> Traced:
    sizes = a["size"]
    same = len(sizes) == x.rank and all(
        size in (-1, own) for size, own in zip(sizes, x.shape, strict=True)
    )
    if not same:
        raise DesignError("it repeats a computed value", "cut the network with --to")
    return x


def _flipped(x: Traced, a: Arguments) -> Traced:
    for dim in a["dims"]:
        x = x.cut(dim, -1, None, -1)
    return x


def _select(origin: str, a: Arguments) -> list[Value]:
    return [a["self"].select(a["dim"], a["index"])]


def _slice(origin: str, a: Arguments) -> list[Value]:
    x, dim = a["self"], a.get("dim", 0)
    start, stop, step = a.get("start") or 0, a.get("end"), a.get("step", 1)
    if isinstance(start, Size):
        raise DesignError("a slice from a place that is not known", "export with fixed shapes")
    if isinstance(stop, Size) or (isinstance(stop, int) and stop >= (1 << 31)):
        stop = None
    if isinstance(x, Stack):
        return [x.cut(dim, start, stop)]
    return [_traced(x).cut(dim, start, stop, step)]


def _cat(origin: str, a: Arguments) -> list[Value]:
    return [concatenated(a["tensors"], a.get("dim", 0))]


def _split(origin: str, a: Arguments) -> list[Value]:
    x, dim = _traced(a["self"]), a.get("dim", 0)
    size, whole = a.get("split_size", a.get("split_sizes")), x.shape[dim]
    if "chunks" in a and isinstance(whole, int):
        size = -(-whole // a["chunks"])
    if isinstance(size, int) and isinstance(whole, int):
        size = [min(size, whole - k) for k in range(0, whole, size)]
    if not isinstance(size, list):
        raise DesignError("a split whose sizes are not known", "export with fixed shapes")
    ends = np.cumsum(size).tolist()
    return [x.cut(dim, end - each, end) for end, each in zip(ends, size, strict=True)]


def _same(origin: str, a: Arguments) -> list[Value]:
    return [a.get("self", a.get("input"))]


def _filled(number: float | None) -> Callable[[str, Arguments], list[Value]]:
    def fill(origin: str, a: Arguments) -> list[Value]:
        sizes = a.get("size")
        if sizes is None:
            sizes = a["self"].shape
        shape = [1 if isinstance(size, Size) else int(size) for size in sizes]
        if math.prod(shape) > _MOST_ELEMENTS or any(size < 0 for size in shape):
            raise DesignError(f"a constant of shape {shape}", "export it again")
        value = a["fill_value"] if number is None else number
        return [np.full(shape, float(value))]

    return fill


def _size(origin: str, a: Arguments) -> list[Value]:
    return [_traced(a["self"]).shape[a["dim"]]]


# --- computing ------------------------------------------------------------------------------------
def _linear(origin: str, a: Arguments) -> list[Value]:
    b = None if a.get("bias") is None else _numbers(a["bias"], "bias")
    return [_traced(a["input"]).linear(_numbers(a["weight"], "weight"), b, origin)]


def _addmm(origin: str, a: Arguments) -> list[Value]:
    w, b = _numbers(a["mat2"], "weight") * a.get("alpha", 1), _numbers(a["self"], "bias")
    b = np.broadcast_to(b * a.get("beta", 1), (w.shape[1],))
    return [_traced(a["mat1"]).linear(w.T, b, origin)]


def _matmul(origin: str, a: Arguments) -> list[Value]:
    w = _numbers(a.get("mat2", a.get("other")), "weight")
    if w.ndim != 2:
        raise DesignError(f"its weights have shape {list(w.shape)}", "rnnhw takes a matrix")
    return [_traced(a["self"]).linear(w.T, None, origin)]


def _add(origin: str, a: Arguments) -> list[Value]:
    one, other, alpha = a["self"], a["other"], a.get("alpha", 1)
    if isinstance(one, Traced) and isinstance(other, Traced) and alpha == 1:
        return [added(one, other, origin)]
    if isinstance(one, Traced):
        return [one.scale(None, _numbers(other, "operand") * alpha, origin)]
    return [_traced(other).scale(np.asarray(float(alpha)), _numbers(one, "operand"), origin)]


def _subtract(origin: str, a: Arguments) -> list[Value]:
    one, other, alpha = a["self"], a["other"], float(a.get("alpha", 1))
    if isinstance(one, Traced):
        return [one.scale(None, -_numbers(other, "operand") * alpha, origin)]
    return [_traced(other).scale(np.asarray(-alpha), _numbers(one, "operand"), origin)]


def _multiply(origin: str, a: Arguments) -> list[Value]:
    one, other = a["self"], a["other"]
    if isinstance(one, Traced) and isinstance(other, Traced):
        return [one.times(other, origin)]
    if isinstance(one, Traced):
        return [one.scale(_numbers(other, "operand"), None, origin)]
    return [_traced(other).scale(_numbers(one, "operand"), None, origin)]


def _divide(origin: str, a: Arguments) -> list[Value]:
    by = _numbers(a["other"], "operand")
    if not by.all():
        raise DesignError("it divides by zero", "export it again")
    return [_traced(a["self"]).scale(1.0 / by, None, origin)]


def _reduced(how: str) -> Callable[[str, Arguments], list[Value]]:
    def reduce(origin: str, a: Arguments) -> list[Value]:
        x, dim = _traced(a["self"]), a.get("dim")
        if dim is None:
            dim = list(range(x.rank))
        dims = dim if isinstance(dim, list) else [dim]
        return [x.over_time(dims, how, bool(a.get("keepdim", False)))]

    return reduce


def _layer_norm(origin: str, a: Arguments) -> list[Value]:
    x = _traced(a["input"])
    if len(a["normalized_shape"]) != 1:
        raise DesignError(
            f"normalized_shape={a['normalized_shape']}", "rnnhw normalises the features alone"
        )
    w, b = (None if a.get(key) is None else _numbers(a[key], key) for key in ("weight", "bias"))
    return [x.layer_norm(w, b, float(a.get("eps", 1e-5)), origin)]


def _batch_norm(origin: str, a: Arguments) -> list[Value]:
    x = _traced(a["input"])
    if a.get("training"):
        raise DesignError("training=True", "export the model in evaluation mode: model.eval()")
    mean, variance = (_numbers(a[key], key) for key in ("running_mean", "running_var"))
    gain, shift = (
        np.asarray(default) if a.get(key) is None else _numbers(a[key], key)
        for key, default in (("weight", 1.0), ("bias", 0.0))
    )
    scale = gain / np.sqrt(variance + float(a.get("eps", 1e-5)))
    shape = (-1,) + (1,) * (x.rank - 2)  # features are axis 1
    return [x.scale(scale.reshape(shape), (shift - mean * scale).reshape(shape), origin)]


def _clamp(origin: str, a: Arguments) -> list[Value]:
    low, high = a.get("min", a.get("min_val")), a.get("max", a.get("max_val"))
    return [_traced(a["self"]).pointwise(clip_function(low, high), origin)]


def _hardtanh(origin: str, a: Arguments) -> list[Value]:
    return _clamp(
        origin, {"self": a["self"], "min": a.get("min_val", -1), "max": a.get("max_val", 1)}
    )


def _function(
    make: Callable[[Arguments], Activation],
) -> Callable[[str, Arguments], list[Value]]:
    return lambda origin, a: [_traced(a["self"]).pointwise(make(a), origin)]


def _ended(text: str) -> Callable[[str, Arguments], list[Value]]:
    return lambda origin, a: [_traced(a["self"]).ended(text)]


def _elu(a: Arguments) -> Activation:
    if a.get("input_scale", 1) != 1:
        raise DesignError(f"input_scale={a['input_scale']}", "rnnhw has ELU without it")
    return ELU(float(a.get("alpha", 1.0)), float(a.get("scale", 1.0)))


def _softplus(a: Arguments) -> Activation:
    if a.get("beta", 1) != 1:
        raise DesignError(f"beta={a['beta']}", "rnnhw has Softplus with beta=1")
    return Softplus()


_SOFTMAX = "the scores go to the host; the largest is the same"

OPERATORS: Mapping[str, Callable[[str, Arguments], list[Value]]] = {
    **{operator: _recurrent(operator) for operator in RECURRENT},
    "permute": _moved(lambda x, a: x.permute(a["dims"])),
    "transpose": _moved(_swapped),
    "t": _moved(lambda x, a: x.permute(range(x.rank)[::-1])),
    "squeeze": _moved(_squeezed),
    "unsqueeze": _moved(lambda x, a: x.insert([a["dim"]])),
    "view": _moved(_viewed),
    "reshape": _moved(_viewed),
    "_unsafe_view": _moved(_viewed),
    "flatten": _moved(_flattened),
    "expand": _moved(_expanded),
    "flip": _moved(_flipped),
    "select": _select,
    "slice": _slice,
    "cat": _cat,
    "split": _split,
    "split_with_sizes": _split,
    "chunk": _split,
    **dict.fromkeys(
        ("dropout", "clone", "contiguous", "alias", "detach", "detach_", "_to_copy", "to",
         "lift_fresh_copy", "feature_dropout", "alpha_dropout"),
        _same,
    ),
    "zeros": _filled(0.0),
    "ones": _filled(1.0),
    "full": _filled(None),
    "new_zeros": _filled(0.0),
    "zeros_like": _filled(0.0),
    "sym_size": _size,
    "linear": _linear,
    "addmm": _addmm,
    "mm": _matmul,
    "matmul": _matmul,
    "add": _add,
    "sub": _subtract,
    "mul": _multiply,
    "div": _divide,
    "neg": lambda origin, a: [_traced(a["self"]).scale(np.asarray(-1.0), None, origin)],
    "mean": _reduced("mean"),
    "max": _reduced("max"),
    "amax": _reduced("max"),
    "sum": _reduced("sum"),
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    "clamp": _clamp,
    "hardtanh": _hardtanh,
    "relu6": lambda origin, a: [_traced(a["self"]).pointwise(Clipped(ReLU(), 6.0), origin)],
    "relu": _function(lambda a: ReLU()),
    "sigmoid": _function(lambda a: Sigmoid()),
    "tanh": _function(lambda a: Tanh()),
    "silu": _function(lambda a: SiLU()),
    "gelu": _function(lambda a: GELU(tanh=a.get("approximate", "none") == "tanh")),
    "elu": _function(_elu),
    "selu": _function(lambda a: SELU),
    "leaky_relu": _function(lambda a: LeakyReLU(float(a.get("negative_slope", 0.01)))),
    "hardsigmoid": _function(lambda a: HardSigmoid(1 / 6)),
    "softplus": _function(_softplus),
    "softsign": _function(lambda a: Softsign()),
    "exp": _function(lambda a: Exponential()),
    "softmax": _ended(f"softmax: {_SOFTMAX}"),
    "_softmax": _ended(f"softmax: {_SOFTMAX}"),
    "log_softmax": _ended(f"log_softmax: {_SOFTMAX}"),
    "_log_softmax": _ended(f"log_softmax: {_SOFTMAX}"),
    "argmax": _ended("argmax: the class is the place of the largest output"),
}  # fmt: skip


def computed(operator: str, origin: str, arguments: Arguments) -> list[Value]:
    """The outputs of an operation.

    Raises:
        DesignError: rnnhw cannot have it.
    """
    try:
        return OPERATORS[operator](origin, arguments)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:120]
        raise DesignError(f"its arguments do not fit ({words})", "export it again") from None
