"""Constant folding: the operators with which exporters compute shapes and reorder weights.

Arrays of shapes may hold a :class:`~rnnhw.importers.tracing.Size` where a size is not known; they
have the dtype ``object`` then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rnnhw.errors import DesignError
from rnnhw.importers.onnx.file import Array
from rnnhw.importers.tracing import Size

__all__ = ["FOLDED", "axes_of", "folded", "plain", "whole"]

Attributes = Mapping[str, Any]
Inputs = Sequence[Array | None]

_MOST_ELEMENTS = 1 << 27
"""A computed constant beyond it is no shape and no weight of a network that rnnhw takes."""


def plain(array: Array) -> Array:
    """Object arrays of whole numbers as int64."""
    if array.dtype == object and all(isinstance(v, int | np.integer) for v in array.ravel()):
        return array.astype(np.int64)
    return array


def whole(array: Array | None) -> list[Any]:
    """The elements of an array of whole numbers and sizes, as a list."""
    return [] if array is None else [v if isinstance(v, Size) else int(v) for v in np.ravel(array)]


def axes_of(attributes: Attributes, inputs: Inputs, place: int = 1) -> list[int] | None:
    """The axes of a reduction or squeeze: an input since opset 13 or 18, before an attribute."""
    if len(inputs) > place and inputs[place] is not None:
        return whole(inputs[place])
    given = attributes.get("axes")
    return None if given is None else [int(axis) for axis in given]


def _limited(count: int) -> None:
    if count > _MOST_ELEMENTS:
        raise DesignError(f"a constant of {count:,} elements", "the file is damaged or hostile")


def _one(array: Array | None) -> Array:
    if array is None:
        raise DesignError("an input is missing", "export it again")
    return array


def _shape_list(array: Array | None) -> list[int]:
    """A shape; sizes that are not known are 1, for what has them is read by broadcasting."""
    shape = [1 if isinstance(v, Size) else int(v) for v in whole(_one(array))]
    if any(size < 0 for size in shape):
        raise DesignError(f"a shape of {shape}", "export it again")
    _limited(math.prod(shape))
    return shape


def _constant_of_shape(attributes: Attributes, inputs: Inputs) -> Array:
    value = attributes.get("value", np.zeros(1, np.float32))
    return np.full(_shape_list(inputs[0]), np.ravel(value)[0])


def _expand(_: Attributes, inputs: Inputs) -> Array:
    array, shape = _one(inputs[0]), _shape_list(inputs[1])
    wide = np.broadcast_shapes(array.shape, tuple(shape))
    _limited(math.prod(wide))
    return np.broadcast_to(array, wide)


def _reshape(_: Attributes, inputs: Inputs) -> Array:
    array, target = _one(inputs[0]), whole(_one(inputs[1]))
    shape = [array.shape[k] if size == 0 else size for k, size in enumerate(target)]
    return array.reshape([1 if isinstance(size, Size) else size for size in shape])


def _gather(attributes: Attributes, inputs: Inputs) -> Array:
    array, index, axis = _one(inputs[0]), _one(inputs[1]), attributes.get("axis", 0)
    _limited(index.size * max(array.size // max(array.shape[axis], 1), 1))
    return np.asarray(np.take(array, index.astype(np.int64), axis))


def _slice(attributes: Attributes, inputs: Inputs) -> Array:
    array = _one(inputs[0])
    index: list[slice] = [slice(None)] * array.ndim
    for axis, start, stop, step in slice_bounds(attributes, inputs, array.ndim):
        index[axis] = slice(start, stop, step)
    return array[tuple(index)]


def slice_bounds(
    attributes: Attributes, inputs: Inputs, rank: int
) -> list[tuple[int, int, int | None, int]]:
    """Axis, start, stop and step of every slice; a stop beyond the end is None."""
    if len(inputs) > 1:
        parts = [whole(part) for part in inputs[1:]]
    else:
        parts = [list(attributes["starts"]), list(attributes["ends"])]
        if "axes" in attributes:
            parts.append(list(attributes["axes"]))
    starts, stops = parts[0], parts[1]
    axes = parts[2] if len(parts) > 2 and parts[2] else list(range(len(starts)))
    steps = parts[3] if len(parts) > 3 and parts[3] else [1] * len(starts)
    if any(isinstance(v, Size) for v in (*starts, *axes, *steps)):
        raise DesignError("a slice from a place that is not known", "export with fixed shapes")
    found = []
    for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        if not -rank <= axis < rank or step == 0:
            raise DesignError(f"a slice of axis {axis} of {rank} with step {step}", "")
        vast = isinstance(stop, Size) or (stop >= _VAST if step > 0 else stop <= -_VAST)
        found.append((axis % rank, start, None if vast else stop, step))
    return found


_VAST = (1 << 31) - 1


def _concat(attributes: Attributes, inputs: Inputs) -> Array:
    arrays = [_one(array) for array in inputs]
    _limited(sum(array.size for array in arrays))
    return plain(np.concatenate(arrays, attributes["axis"]))


def _unsqueeze(attributes: Attributes, inputs: Inputs) -> Array:
    return np.expand_dims(_one(inputs[0]), tuple(axes_of(attributes, inputs) or ()))


def _squeeze(attributes: Attributes, inputs: Inputs) -> Array:
    axes = axes_of(attributes, inputs)
    return np.squeeze(_one(inputs[0]), None if axes is None else tuple(axes))


def _split(attributes: Attributes, inputs: Inputs) -> list[Array]:
    array, axis = _one(inputs[0]), attributes.get("axis", 0)
    sizes = whole(inputs[1]) if len(inputs) > 1 else list(attributes.get("split", ()))
    if not sizes:
        raise DesignError("a split into equal parts", "export with the sizes written out")
    return np.split(array, np.cumsum(sizes)[:-1], axis)


def _cast(attributes: Attributes, inputs: Inputs) -> Array:
    import onnx

    array = _one(inputs[0])
    if array.dtype == object:
        return array
    return array.astype(onnx.helper.tensor_dtype_to_np_dtype(attributes["to"]))


def _constant(attributes: Attributes, _: Inputs) -> Array:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        if name in attributes:
            value = attributes[name]
            dtype = np.float32 if "float" in name else np.int64 if "int" in name else None
            return np.asarray(value, dtype)
    raise DesignError(f"a constant of {', '.join(attributes) or 'nothing'}", "export it again")


def _range(_: Attributes, inputs: Inputs) -> Array:
    start, stop, step = (_one(array).item() for array in inputs)
    if any(isinstance(v, Size) for v in (start, stop, step)) or step == 0:
        raise DesignError("a range that is not known", "export with fixed shapes")
    _limited(math.ceil(abs((stop - start) / step)))
    return np.arange(start, stop, step)


def _transpose(attributes: Attributes, inputs: Inputs) -> Array:
    return np.transpose(_one(inputs[0]), attributes.get("perm"))


def _dequantise(attributes: Attributes, inputs: Inputs) -> Array:
    """(q - zero) * scale, along an axis where the scale is a vector."""
    q, scale = _one(inputs[0]).astype(np.float64), _one(inputs[1]).astype(np.float64)
    zero = inputs[2] if len(inputs) > 2 else None
    shift = np.zeros(1) if zero is None else zero.astype(np.float64)
    if scale.ndim:
        shape = [1] * q.ndim
        shape[attributes.get("axis", 1)] = -1
        scale, shift = scale.reshape(shape), shift.reshape(shape if shift.size > 1 else -1)
    return (q - shift) * scale


def _where(_: Attributes, inputs: Inputs) -> Array:
    return plain(np.where(_one(inputs[0]).astype(bool), _one(inputs[1]), _one(inputs[2])))


def _reduce(function: Callable[..., Any]) -> Callable[[Attributes, Inputs], Array]:
    def reduce(attributes: Attributes, inputs: Inputs) -> Array:
        axes = axes_of(attributes, inputs)
        keep = bool(attributes.get("keepdims", 1))
        where = None if axes is None else tuple(axes)
        return np.asarray(function(_one(inputs[0]), axis=where, keepdims=keep))

    return reduce


def _elementwise(function: Callable[..., Any]) -> Callable[[Attributes, Inputs], Array]:
    def compute(_: Attributes, inputs: Inputs) -> Array:
        arrays = [_one(array) for array in inputs]
        _limited(math.prod(np.broadcast_shapes(*(array.shape for array in arrays))))
        with np.errstate(all="ignore"):  # what is not finite is told where it is a weight
            return plain(np.asarray(function(*arrays)))

    return compute


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu" and b.dtype.kind in "iu":
        if not b.all():
            raise DesignError("a division of a shape by zero", "export it again")
        return a // b
    return np.asarray(a / b)


FOLDED: Mapping[str, Callable[[Attributes, Inputs], Array | list[Array]]] = {
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Reshape": _reshape,
    "Gather": _gather,
    "Slice": _slice,
    "Concat": _concat,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Split": _split,
    "Cast": _cast,
    "Range": _range,
    "Transpose": _transpose,
    "DequantizeLinear": _dequantise,
    "Where": _where,
    "Identity": _elementwise(lambda a: a),
    "Add": _elementwise(np.add),
    "Sub": _elementwise(np.subtract),
    "Mul": _elementwise(np.multiply),
    "Div": _elementwise(_divide),
    "Pow": _elementwise(np.power),
    "Neg": _elementwise(np.negative),
    "Sqrt": _elementwise(np.sqrt),
    "Reciprocal": _elementwise(np.reciprocal),
    "Exp": _elementwise(np.exp),
    "Equal": _elementwise(np.equal),
    "Greater": _elementwise(np.greater),
    "Less": _elementwise(np.less),
    "Not": _elementwise(np.logical_not),
    "Min": _elementwise(lambda *a: np.minimum.reduce(a)),
    "Max": _elementwise(lambda *a: np.maximum.reduce(a)),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "ReduceMax": _reduce(np.max),
    "ReduceMin": _reduce(np.min),
    "ReduceMean": _reduce(np.mean),
    "Shape": lambda attributes, inputs: np.array(
        _one(inputs[0]).shape[attributes.get("start", 0) : attributes.get("end")], np.int64
    ),
    "Size": lambda _, inputs: np.array(_one(inputs[0]).size, np.int64),
}
"""The operators that are computed where all inputs are constant."""


def folded(operator: str, attributes: Attributes, inputs: Inputs) -> list[Array]:
    """The outputs of a node whose inputs are all constant.

    Raises:
        DesignError: the inputs do not fit the operator, or the result would be vast.
    """
    try:
        result = FOLDED[operator](attributes, inputs)
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, ZeroDivisionError) as error:
        words = " ".join(str(error).split())[:120]
        raise DesignError(f"its constant inputs do not fit: {words}", "export it again") from None
    return result if isinstance(result, list) else [result]
