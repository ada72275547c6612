"""The operators that read what depends on the network's input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rnnhw.errors import DesignError
from rnnhw.importers.functions import clip_function
from rnnhw.importers.network import FloatArray, checked_tensor
from rnnhw.importers.onnx.constants import axes_of, slice_bounds, whole
from rnnhw.importers.onnx.file import Array, decimal
from rnnhw.importers.onnx.recurrent import RECURRENT, recurrent
from rnnhw.importers.tracing import Size, Stack, Traceable, Traced, added, concatenated
from rnnhw.layers.activations import (
    ELU,
    GELU,
    Activation,
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

__all__ = ["OPERATORS", "Value", "computed"]

Value = Array | Traceable | None
Attributes = Mapping[str, Any]
Inputs = Sequence[Value]


def _traced(value: Value) -> Traced:
    if not isinstance(value, Traced):
        raise DesignError(
            "it reads several values side by side", "cut the network with --to in front of it"
        )
    return value


def _numbers(value: Value, name: str) -> FloatArray:
    if not isinstance(value, np.ndarray):
        raise DesignError(f"its input {name} is not constant", "export with stored weights")
    return checked_tensor(name, value.astype(np.float64))


def _arrays(inputs: Inputs) -> list[Array | None]:
    """The inputs that must be constant: all but the first."""
    found: list[Array | None] = [None]
    for value in inputs[1:]:
        if value is not None and not isinstance(value, np.ndarray):
            raise DesignError("axes or sizes depend on the data", "export with fixed shapes")
        found.append(value)
    return found


# --- moving axes ---------------------------------------------------------------------------------
def _shape(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    shape = _traced(inputs[0]).shape[attributes.get("start", 0) : attributes.get("end")]
    kind = object if any(isinstance(size, Size) for size in shape) else np.int64
    return np.array([*shape, None], kind if kind is object else object)[:-1].astype(kind)


def _transpose(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    x = _traced(inputs[0])
    return x.permute(attributes.get("perm") or range(x.rank)[::-1])


def _squeeze(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    return _traced(inputs[0]).squeeze(axes_of(attributes, _arrays(inputs)))


def _unsqueeze(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    return _traced(inputs[0]).insert(axes_of(attributes, _arrays(inputs)) or ())


def _reshape(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    if not isinstance(inputs[1], np.ndarray):
        raise DesignError("its shape depends on the data", "export with fixed shapes")
    return _traced(inputs[0]).reshape(whole(inputs[1]))


def _flatten(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    x = _traced(inputs[0])
    if attributes.get("axis", 1) not in (1, 1 - x.rank) or x.rank < 2:
        raise DesignError(f"axis={attributes.get('axis')}", "flatten behind the batch")
    return x.reshape([0, -1])


def _expand(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    x = _traced(inputs[0])
    target = whole(_arrays(inputs)[1])
    same = target[-x.rank :]
    if len(target) <= x.rank and all(
        size in (1, own) for size, own in zip(same, x.shape[-len(same) :], strict=True)
    ):
        return x
    raise DesignError("it repeats a computed value", "cut the network with --to in front of it")


def _gather(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    x, index, axis = inputs[0], inputs[1], attributes.get("axis", 0)
    if not isinstance(x, Traced | Stack):
        raise DesignError(
            "an embedding: its index is the network's input",
            "cut the network behind it with --from, and feed the vectors",
        )
    if not isinstance(index, np.ndarray) or index.size != 1:
        raise DesignError(
            "it takes elements one by one", "rnnhw takes the last step, and one direction"
        )
    at = int(index.reshape(()))
    if index.ndim:
        return x.cut(axis, at, None if at == -1 else at + 1)
    return x.select(axis, at)


def _slice(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    value = inputs[0]
    rank = value.parts[0].rank if isinstance(value, Stack) else _traced(value).rank
    for axis, start, stop, step in slice_bounds(attributes, _arrays(inputs), rank):
        if isinstance(value, Stack) and step == 1:
            value = value.cut(axis, start, stop)
        else:
            value = _traced(value).cut(axis, start, stop, step)
    return value


def _concat(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    parts = [part for part in inputs if isinstance(part, Traced | Stack)]
    if len(parts) != len(inputs):
        raise DesignError("a computed value is joined with a constant", "add it in the data")
    return concatenated(parts, attributes["axis"])


def _split(name: str, attributes: Attributes, inputs: Inputs) -> list[Value]:
    x, axis = _traced(inputs[0]), attributes.get("axis", 0)
    sizes = whole(_arrays(inputs)[1]) if len(inputs) > 1 else list(attributes.get("split", ()))
    if not sizes:
        count, whole_size = attributes.get("num_outputs", 2), x.shape[axis]
        if not isinstance(whole_size, int) or whole_size % count:
            raise DesignError("a split into unequal parts", "export with the sizes written out")
        sizes = [whole_size // count] * count
    ends = np.cumsum(sizes).tolist()
    return [x.cut(axis, end - size, end) for end, size in zip(ends, sizes, strict=True)]


def _same(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    return inputs[0]


def _cast(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    import onnx

    kind = onnx.TensorProto.DataType.Name(attributes["to"])
    x = _traced(inputs[0])
    if kind in ("FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16"):
        return x
    raise DesignError(f"to={kind}: computed values become whole numbers", "cut with --to")


# --- computing -----------------------------------------------------------------------------------
def _matmul(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    if not isinstance(inputs[0], Traced):
        raise DesignError(
            "the weights stand on the left", "transpose the product, so that they are on the right"
        )
    w = _numbers(inputs[1], "B")
    w = w.reshape(w.shape[-2:]) if w.ndim > 2 and w.size == np.prod(w.shape[-2:]) else w
    if w.ndim != 2:
        raise DesignError(f"its weights have shape {list(w.shape)}", "rnnhw takes a matrix")
    return inputs[0].linear(w.T, None, name)


def _gemm(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    if attributes.get("transA", 0):
        raise DesignError("transA=1", "transpose the input in front of the layer")
    w = _numbers(inputs[1], "B") * attributes.get("alpha", 1.0)
    w = w if attributes.get("transB", 0) else w.T
    b = None
    if len(inputs) > 2 and inputs[2] is not None:
        b = _numbers(inputs[2], "C") * attributes.get("beta", 1.0)
        if b.size not in (1, len(w)):
            raise DesignError(f"its bias has shape {list(b.shape)}", "rnnhw has one a unit")
        b = np.broadcast_to(b.reshape(-1), (len(w),))
    return _traced(inputs[0]).linear(w, b, name)


def _conv(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    """A convolution of width 1: a linear layer over axis 1."""
    w = _numbers(inputs[1], "W")
    if any(size != 1 for size in w.shape[2:]):
        raise DesignError(
            f"a convolution of width {' x '.join(map(str, w.shape[2:]))}",
            "rnnhw has those of width 1; cut the network behind it with --from",
        )
    plain = {"group": 1, "strides": [1], "pads": [0], "dilations": [1], "auto_pad": "NOTSET"}
    for key, value in plain.items():
        given = attributes.get(key, value)
        if (set(given) != set(value)) if isinstance(value, list) else given != value:
            raise DesignError(f"{key}={given}", "rnnhw has convolutions of width 1 without it")
    b = _numbers(inputs[2], "B") if len(inputs) > 2 and inputs[2] is not None else None
    x = _traced(inputs[0])
    order = [0, *range(2, x.rank), 1]
    moved = x.permute(order).linear(w.reshape(w.shape[:2]), b, name)
    return moved.permute([0, x.rank - 1, *range(1, x.rank - 1)])


def _add(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    a, b = inputs[0], inputs[1]
    if isinstance(a, Traced) and isinstance(b, Traced):
        return added(a, b, name)
    if isinstance(a, Traced):
        return a.scale(None, _numbers(b, "B"), name)
    return _traced(b).scale(None, _numbers(a, "A"), name)


def _subtract(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    a, b = inputs[0], inputs[1]
    if isinstance(a, Traced):
        return a.scale(None, -_numbers(b, "B"), name)
    return _traced(b).scale(-np.ones(()), _numbers(a, "A"), name)


def _multiply(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    a, b = inputs[0], inputs[1]
    if isinstance(a, Traced) and isinstance(b, Traced):
        return a.times(b, name)
    if isinstance(a, Traced):
        return a.scale(_numbers(b, "B"), None, name)
    return _traced(b).scale(_numbers(a, "A"), None, name)


def _divide(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    by = _numbers(inputs[1], "B")
    if not by.all():
        raise DesignError("it divides by zero", "export it again")
    return _traced(inputs[0]).scale(1.0 / by, None, name)


def _batch_norm(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    if attributes.get("training_mode", 0):
        raise DesignError("training_mode=1", "export the network in evaluation mode")
    x = _traced(inputs[0])
    labels = ("scale", "B", "mean", "var")
    gain, shift, mean, variance = (_numbers(inputs[k + 1], label) for k, label in enumerate(labels))
    a = gain / np.sqrt(variance + attributes.get("epsilon", 1e-5))
    shape = (-1,) + (1,) * (x.rank - 2)  # features are axis 1
    return x.scale(a.reshape(shape), (shift - mean * a).reshape(shape), name)


def _layer_norm(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    x = _traced(inputs[0])
    if attributes.get("axis", -1) not in (-1, x.rank - 1):
        raise DesignError(f"axis={attributes['axis']}", "rnnhw normalises over the features alone")
    a = _numbers(inputs[1], "Scale").reshape(-1)
    b = _numbers(inputs[2], "B").reshape(-1) if len(inputs) > 2 and inputs[2] is not None else None
    return x.layer_norm(a, b, decimal(attributes.get("epsilon", 1e-5)), name)


def _clip(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    bounds = [attributes.get("min"), attributes.get("max")]
    for k, value in enumerate(inputs[1:3]):
        if value is not None:
            bounds[k] = float(_numbers(value, ("min", "max")[k]).reshape(()))
    low, high = bounds
    return _traced(inputs[0]).pointwise(clip_function(low, high), name)


def _reduce(how: str) -> Callable[[str, Attributes, Inputs], Value]:
    def reduce(name: str, attributes: Attributes, inputs: Inputs) -> Value:
        x = _traced(inputs[0])
        axes = axes_of(attributes, _arrays(inputs))
        keep = bool(attributes.get("keepdims", 1))
        return x.over_time(range(x.rank) if axes is None else axes, how, keep)

    return reduce


def _function(
    make: Callable[[Attributes], Activation],
) -> Callable[[str, Attributes, Inputs], Value]:
    return lambda name, attributes, inputs: _traced(inputs[0]).pointwise(make(attributes), name)


def _ended(text: str) -> Callable[[str, Attributes, Inputs], Value]:
    return lambda name, attributes, inputs: _traced(inputs[0]).ended(text)


def _quantised(name: str, attributes: Attributes, inputs: Inputs) -> Value:
    raise DesignError(
        "it rounds computed values to another tool's integers",
        "export the float network: rnnhw chooses its own formats",
    )


def _recurrent(kind: str) -> Callable[[str, Attributes, Inputs], list[Value]]:
    return lambda name, attributes, inputs: [*recurrent(kind, name, attributes, inputs)]


OPERATORS: Mapping[str, Callable[[str, Attributes, Inputs], Value | list[Value]]] = {
    "Shape": _shape,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Expand": _expand,
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _concat,
    "Split": _split,
    "Identity": _same,
    "Dropout": _same,
    "Cast": _cast,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Conv": _conv,
    "Add": _add,
    "Sub": _subtract,
    "Mul": _multiply,
    "Div": _divide,
    "Neg": lambda name, attributes, inputs: _traced(inputs[0]).scale(-np.ones(()), None, name),
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "Clip": _clip,
    "ReduceMean": _reduce("mean"),
    "ReduceMax": _reduce("max"),
    "ReduceSum": _reduce("sum"),
    "Relu": _function(lambda a: ReLU()),
    "Sigmoid": _function(lambda a: Sigmoid()),
    "Tanh": _function(lambda a: Tanh()),
    "Softplus": _function(lambda a: Softplus()),
    "Softsign": _function(lambda a: Softsign()),
    "Exp": _function(lambda a: Exponential()),
    "Swish": _function(lambda a: _swish(a.get("alpha", 1.0))),
    "Elu": _function(lambda a: ELU(decimal(a.get("alpha", 1.0)))),
    "Selu": _function(
        lambda a: ELU(
            decimal(a.get("alpha", 1.67326319217681884765625)),
            decimal(a.get("gamma", 1.05070102214813232421875)),
        )
    ),
    "LeakyRelu": _function(lambda a: LeakyReLU(decimal(a.get("alpha", 0.01)))),
    "HardSigmoid": _function(
        lambda a: HardSigmoid(decimal(a.get("alpha", 0.2)), decimal(a.get("beta", 0.5)))
    ),
    "Gelu": _function(lambda a: GELU(tanh=a.get("approximate", "none") == "tanh")),
    "Softmax": _ended("Softmax: the scores go to the host; the largest is the same"),
    "LogSoftmax": _ended("LogSoftmax: the scores go to the host; the largest is the same"),
    "ArgMax": _ended("ArgMax: the class is the place of the largest output"),
    "QuantizeLinear": _quantised,
    "DequantizeLinear": _quantised,
    **{kind: _recurrent(kind) for kind in RECURRENT},
}


def _swish(alpha: float) -> Activation:
    if alpha != 1.0:
        raise DesignError(f"alpha={alpha}", "rnnhw has SiLU, with alpha=1")
    return SiLU()


def computed(operator: str, name: str, attributes: Attributes, inputs: Inputs) -> list[Value]:
    """The outputs of a node that reads a computed value.

    Raises:
        DesignError: rnnhw has no such operation.
    """
    result = OPERATORS[operator](name, attributes, inputs)
    return result if isinstance(result, list) else [result]
