"""Values of a network whose axes are followed: which one is time, batch, direction or features.

A reader of files starts with :func:`source` and calls one function here for each operation of the
file. Transposes, reshapes and slices then move axes about and write no layer; what computes
something becomes a :class:`~rnnhw.importers.network.Step`. An axis that an input declares has no
kind until something reads it as one.

A dimension of a value is a tuple of axes, in row-major order: none for a dimension of size 1 that
nothing stands behind, several where a reshape has joined them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from rnnhw.errors import DesignError
from rnnhw.importers.network import FloatArray, Step, both_ways, fewer_steps_added, linear_step
from rnnhw.layers.activations import Activation, Sigmoid, SiLU
from rnnhw.layers.cells import Last, Layer, Mean, Residual, Reverse
from rnnhw.layers.vectors import LayerNorm, Max, Pointwise, Scale

__all__ = [
    "Axis",
    "Size",
    "Stack",
    "Traceable",
    "Traced",
    "chain",
]

Kind = Literal["time", "batch", "direction", "feature"]

_OVER_TIME: Mapping[str, Layer] = {"mean": Mean(divide=True), "max": Max(), "sum": Mean()}


class Axis:
    """One axis; ``size`` None is not known before the network runs."""

    def __init__(self, label: str, size: int | None, kind: Kind | None = None) -> None:
        self.label = label
        self.size = size
        self.kind = kind
        self.only: int | None = None
        """The one size with which the source works, though it declares any."""

    def be(self, kind: Kind) -> None:
        """Take part as ``kind``.

        Raises:
            DesignError: it is of another kind already.
        """
        if self.kind not in (None, kind):
            raise DesignError(
                f"{self.label} is read as {kind}, but it is {self.kind} elsewhere",
                "check the order of the axes in the source, such as batch_first",
            )
        self.kind = kind

    def __repr__(self) -> str:
        return f"{self.label}={'?' if self.size is None else self.size}"


Dim = tuple[Axis, ...]


@dataclass(frozen=True)
class Size:
    """``times`` times the sizes of axes that are not known yet."""

    times: int
    unknown: tuple[Axis, ...] = ()

    @classmethod
    def of(cls, axes: Iterable[Axis]) -> Size | int:
        """The number of elements; a whole number where all sizes are known."""
        known = [axis.size for axis in axes if axis.size is not None]
        rest = sorted((axis for axis in axes if axis.size is None), key=id)
        times = math.prod(known)
        return cls(times, tuple(rest)) if rest else times

    def __mul__(self, other: object) -> Size:
        if isinstance(other, Size):
            rest = sorted((*self.unknown, *other.unknown), key=id)
            return Size(self.times * other.times, tuple(rest))
        if isinstance(other, int | np.integer):
            return Size(self.times * int(other), self.unknown)
        return NotImplemented

    __rmul__ = __mul__


# --- what is computed ----------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Source:
    """An input of the network, or a part of one where ``part`` says which."""

    name: str
    dims: tuple[Dim, ...]
    part: str = ""


@dataclass(frozen=True, eq=False)
class Applied:
    """A layer behind another value."""

    before: Flow
    step: Step


@dataclass(frozen=True, eq=False)
class Run:
    """A recurrent layer of one direction or two.

    ``moment`` is what is read of it: the outputs of all steps, the state when the whole sequence
    has been read, or the cell of an LSTM then. ``lengths`` names the input of sequence lengths.
    """

    before: Flow
    cells: tuple[Step, ...]
    backward: bool
    moment: Literal["steps", "final", "cell"] = "steps"
    lengths: str = ""
    single: bool = False
    join: str = "concatenate"


@dataclass(frozen=True, eq=False)
class Ended:
    """The part of the network that a host computes behind the layers."""

    before: Flow
    note: str


@dataclass(frozen=True, eq=False)
class Skipped:
    """The sum of ``before`` and of ``around``, which is in front of it."""

    before: Flow
    around: Flow
    origin: str


Flow = Source | Applied | Run | Ended | Skipped


def _behind(flow: Flow) -> Iterable[Flow]:
    """``flow`` and all in front of it, what a skip connection is around among it."""
    while True:
        yield flow
        if isinstance(flow, Source):
            return
        flow = flow.before


# --- values --------------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class Traced:
    """A value that depends on the network's input.

    ``features`` are the axes of one step's vector in its order; None: an input whose axes nobody
    has read yet.
    """

    flow: Flow
    dims: tuple[Dim, ...]
    features: Dim | None

    @classmethod
    def source(cls, name: str, sizes: Sequence[int | None]) -> Traced:
        """An input of the network."""
        dims = tuple((Axis(f"axis {k} of {name}", size),) for k, size in enumerate(sizes))
        return cls(Source(name, dims), dims, None)

    @property
    def rank(self) -> int:
        """How many dimensions there are."""
        return len(self.dims)

    @property
    def shape(self) -> list[int | Size]:
        """The sizes of the dimensions."""
        return [Size.of(dim) for dim in self.dims]

    # --- moving axes -----------------------------------------------------------------------------
    def permute(self, order: Sequence[int]) -> Traced:
        """Dimension ``order[k]`` as dimension k."""
        if sorted(self._place(k) for k in order) != list(range(self.rank)):
            raise DesignError(f"perm={list(order)} of {self.rank} dimensions", "")
        return replace(self, dims=tuple(self.dims[k] for k in order))

    def insert(self, places: Iterable[int]) -> Traced:
        """New dimensions of size 1 at ``places`` of the result."""
        wanted = list(places)
        rank = self.rank + len(wanted)
        at = {_index(place, rank) for place in wanted}
        old = iter(self.dims)
        return replace(self, dims=tuple(() if k in at else next(old) for k in range(rank)))

    def squeeze(self, places: Iterable[int] | None) -> Traced:
        """Without the dimensions at ``places``, of size 1; None: without all such."""
        if places is None:
            at = {k for k, size in enumerate(self.shape) if size == 1}
        else:
            at = {self._place(place) for place in places}
        for k in at:
            if self.shape[k] != 1:
                raise DesignError(
                    f"dimension {k} is left out, but its size is {self._size_text(k)}",
                    "export with the size 1 that the network was written for",
                )
        return replace(self, dims=tuple(dim for k, dim in enumerate(self.dims) if k not in at))

    def reshape(self, target: Sequence[object]) -> Traced:
        """The same elements in row-major order under other dimensions; -1: what is left."""
        sizes = list(target)
        axes = [axis for dim in self.dims for axis in dim]
        for k, size in enumerate(sizes):
            if size == 0:
                sizes[k] = self.shape[k] if k < self.rank else 0
        dims: list[Dim] = []
        for k, size in enumerate(sizes):
            if size == -1:
                # From the right, what the later dimensions leave.
                later = self._taken(axes[::-1], sizes[:k:-1])
                if later is None:
                    break
                cut = len(axes) - len(later[1])
                dims += [tuple(axes[:cut]), *(tuple(reversed(dim)) for dim in reversed(later[0]))]
                return replace(self, dims=tuple(dims))
            taken = self._taken(axes, [size])
            if taken is None:
                break
            dims += taken[0]
            axes = axes[len(taken[1]) :]
        else:
            if not any(Size.of([axis]) != 1 for axis in axes):
                return replace(self, dims=tuple(dims))
        for dim, size in zip(self.dims, sizes, strict=False):
            if len(dim) == 1 and dim[0].size is None and isinstance(size, int) and size > 0:
                dim[0].size = dim[0].only = size
                return self.reshape(target)
        shown = ", ".join("?" if isinstance(size, Size) else str(size) for size in sizes)
        raise DesignError(
            f"a reshape of {self._text()} to [{shown}] cuts through an axis",
            "leave time, batch and features whole, or cut the network with --from or --to",
        )

    @staticmethod
    def _taken(
        axes: Sequence[Axis], sizes: Sequence[object]
    ) -> tuple[list[Dim], list[Axis]] | None:
        """The first of ``axes`` as dimensions of ``sizes``, and those used; None: no fit."""
        used: list[Axis] = []
        dims: list[Dim] = []
        for size in sizes:
            dim: list[Axis] = []
            while Size.of(dim) != size or (size == 1 and not dim and _is_one(axes, used)):
                if len(used) == len(axes):
                    return None
                dim.append(axes[len(used)])
                used.append(dim[-1])
            dims.append(tuple(dim))
        return dims, used

    # --- choosing parts --------------------------------------------------------------------------
    def select(self, place: int, index: int) -> Traced:
        """Element ``index`` of a dimension, which disappears."""
        k = self._place(place)
        dim = self.dims[k]
        dims = self.dims[:k] + self.dims[k + 1 :]
        size = Size.of(dim)
        if isinstance(size, int):
            index = _index(index, size)
            last = index == size - 1
        else:
            last = index == -1
        if not dim:
            return replace(self, dims=dims)
        if isinstance(self.flow, Source) and self.features is None:
            if size == 1:
                return replace(self, dims=dims)
            return self._part(k, f"[{', '.join([':'] * k + [str(index)])}]", dims)
        match [axis.kind for axis in dim]:
            case ["direction"]:
                return self._one_direction(index, dims)
            case ["time"]:
                return replace(self, flow=self._at_step(index, last, size), dims=dims)
            case ["batch"] if size == 1:
                return replace(self, dims=dims)
        raise DesignError(
            f"element {index} of {self._dim_text(k)} is taken out",
            "rnnhw takes the last step, and one direction; cut the network with --to before it",
        )

    def cut(self, place: int, start: int, stop: int | None, step: int = 1) -> Traced:
        """Elements ``start..stop`` of a dimension; a stop of None is its end."""
        k = self._place(place)
        dim = self.dims[k]
        size = Size.of(dim)
        if step == -1 and [axis.kind for axis in dim] == ["time"]:
            self._refuse_padding("turns the steps round")
            if start in (-1, _less(size, 1)) and (stop is None or stop < -1):
                return replace(self, flow=Applied(self.flow, Step(Reverse())))
        if step == 1 and start == 0 and (stop is None or stop == size or _beyond(stop, size)):
            return self
        if step == 1 and isinstance(size, int):
            first, end, _ = slice(start, stop).indices(size)
            if (first, end) == (0, size):
                return self
            if [axis.kind for axis in dim] == ["direction"] and end - first == 1:
                one = self._one_direction(first, self.dims)
                return replace(one, dims=(*self.dims[:k], (), *self.dims[k + 1 :]))
            if [axis.kind for axis in dim] == ["direction", "feature"]:
                half = size // 2
                if end - first == half and first % half == 0:
                    return self._one_direction(
                        first // half, (*self.dims[:k], dim[1:], *self.dims[k + 1 :])
                    )
            if isinstance(self.flow, Source) and self.features is None:
                axis = Axis(f"a part of {dim[0].label}", end - first) if dim else None
                dims = (*self.dims[:k], (axis,) if axis else (), *self.dims[k + 1 :])
                return self._part(k, f"[{', '.join([':'] * k + [f'{first}:{end}'])}]", dims)
            if [axis.kind for axis in dim] == ["time"] and (first, end) == (size - 1, size):
                chosen = replace(self, flow=self._at_step(first, True, size))
                return replace(chosen, dims=(*self.dims[:k], (), *self.dims[k + 1 :]))
        elif step == 1 and (start, stop) == (-1, None) and [a.kind for a in dim] == ["time"]:
            chosen = replace(self, flow=self._at_step(-1, True, size))
            return replace(chosen, dims=(*self.dims[:k], (), *self.dims[k + 1 :]))
        raise DesignError(
            f"a slice {start}:{'' if stop is None else stop}"
            f"{'' if step == 1 else f':{step}'} of {self._dim_text(k)}",
            "rnnhw takes the last step, one direction, or turns the steps round; cut the network "
            "with --from or --to",
        )

    def _part(self, k: int, text: str, dims: tuple[Dim, ...]) -> Traced:
        assert isinstance(self.flow, Source)
        return replace(self, flow=replace(self.flow, part=self.flow.part + text), dims=dims)

    def _one_direction(self, index: int, dims: tuple[Dim, ...]) -> Traced:
        run = self.flow
        if not isinstance(run, Run) or len(run.cells) != 2:
            raise DesignError(
                "one of two directions is taken behind another layer", "take it in front of that"
            )
        one = replace(run, cells=(run.cells[index],), backward=index == 1)
        features = tuple(axis for axis in self.features or () if axis.kind != "direction")
        # The axis of directions is gone, wherever it was.
        dims = tuple(tuple(a for a in dim if a.kind != "direction") for dim in dims)
        return Traced(one, dims, features)

    def _at_step(self, index: int, last: bool, size: int | Size) -> Flow:
        """What is computed where one step is read."""
        run = self.flow
        if size == 1:
            return run
        if isinstance(run, Run) and len(run.cells) == 1:
            first = index == 0 and run.backward
            if first or (last and not run.backward and not run.lengths):
                return replace(run, moment="final")
        if not last:
            raise DesignError(
                f"step {index} of a sequence is read", "rnnhw reads all steps or the last one"
            )
        self._refuse_padding("reads the last step")
        return Applied(run, Step(Last()))

    def _refuse_padding(self, what: str) -> None:
        for flow in _behind(self.flow):
            if isinstance(flow, Run) and flow.lengths and flow.moment == "steps":
                raise DesignError(
                    f"it {what} of outputs that are zero past {flow.lengths!r}",
                    "read the last state (Y_h), which is of the last real step",
                )

    # --- computing -------------------------------------------------------------------------------
    def linear(self, weights: FloatArray, bias: FloatArray | None, origin: str) -> Traced:
        """A product with ``weights`` (units, inputs) over the last dimension."""
        self.read_features(weights.shape[1])
        step = linear_step(weights, bias, origin)
        return self._new_features(Applied(self._open(), step), weights.shape[0])

    def scale(self, a: FloatArray | None, b: FloatArray | None, origin: str) -> Traced:
        """``a x + b``; each is one number, or has the value's rank with all sizes 1 but that of
        the features."""
        value = self._with_features(a if b is None or b.size == 1 else b)
        a_each = np.ones(value.feature_count) if a is None else value._each(a)
        b_each = None if b is None else value._each(b)
        tensors = {"a": a_each} if b_each is None else {"a": a_each, "b": b_each}
        step = Step(Scale(bias=b_each is not None), tensors, origin)
        return replace(value, flow=Applied(value._open(), step))

    def _with_features(self, constant: FloatArray | None) -> Traced:
        """The value, its features known: where a constant has numbers of its own, else the last
        dimension."""
        if self.features is not None:
            return self
        place = self.rank - 1
        if constant is not None and constant.size > 1:
            wide = [k - constant.ndim for k, size in enumerate(constant.shape) if size != 1]
            place = self._place(wide[0])
        for axis in self.dims[place]:
            axis.be("feature")
        return replace(self, features=self.dims[place])

    def _each(self, constant: FloatArray) -> FloatArray:
        """A constant that is added or multiplied, one number a feature."""
        count = self.feature_count
        if constant.size == 1:
            return np.full(count, float(constant.reshape(())))
        place = self.dims.index(self.features) if self.features in self.dims else None
        wide = [k - constant.ndim for k, size in enumerate(constant.shape) if size != 1]
        fits = constant.ndim <= self.rank and len(wide) == 1 and self._place(wide[0]) == place
        if not fits or constant.size != count:
            raise DesignError(
                f"a constant of shape {constant.shape} is joined with {self._text()}",
                "rnnhw joins one number, or one number a feature",
            )
        return constant.reshape(count)

    def pointwise(self, activation: Activation, origin: str) -> Traced:
        """A function of every element."""
        return replace(self, flow=Applied(self._open(), Step(Pointwise(activation), {}, origin)))

    def times(self, other: Traced, origin: str) -> Traced:
        """The product of two values: x sigmoid(x) is the one that is known."""
        for x, gate in ((self, other), (other, self)):
            match gate.flow:
                case Applied(before, Step(layer=Pointwise(activation=Sigmoid()))):
                    if before is x.flow and gate.dims == x.dims:
                        return x.pointwise(SiLU(), origin)
        raise DesignError(
            "two computed values are multiplied", "cut the network with --to in front of it"
        )

    def layer_norm(
        self, a: FloatArray | None, b: FloatArray | None, epsilon: float, origin: str
    ) -> Traced:
        """Layer normalisation over the last dimension, the features."""
        known = self._with_features(None)
        known.read_features(known.feature_count)
        tensors = {key: value for key, value in (("a", a), ("b", b)) if value is not None}
        layer = LayerNorm(epsilon, scale=a is not None, bias=b is not None)
        return replace(known, flow=Applied(known._open(), Step(layer, tensors, origin)))

    def over_time(self, places: Iterable[int], how: str, keep: bool) -> Traced:
        """The mean, maximum or sum over dimensions that are time, or both directions."""
        at = sorted(self._place(place) for place in places)
        value = self
        for k in at:
            match [axis.kind for axis in self.dims[k]]:
                case ["time"]:
                    value._refuse_padding(f"takes the {how}")
                    step = Step(_OVER_TIME[how], {}, how)
                    value = replace(value, flow=Applied(value._open(), step))
                case ["direction"] if how in ("mean", "sum"):
                    value = value._directions_joined("mean" if how == "mean" else "add")
                case []:
                    pass
                case _:
                    raise DesignError(
                        f"a {how} over {self._dim_text(k)}", f"rnnhw takes a {how} over time alone"
                    )
        dims = [
            ()
            if k in at
            else tuple(a for a in dim if a in (value.features or ()) or a in _kept(self))
            for k, dim in enumerate(value.dims)
        ]
        return replace(value, dims=tuple(d for k, d in enumerate(dims) if keep or k not in at))

    def _directions_joined(self, join: str) -> Traced:
        run = self.flow
        if not isinstance(run, Run) or len(run.cells) != 2:
            raise DesignError("directions are joined behind another layer", "")
        features = tuple(axis for axis in self.features or () if axis.kind != "direction")
        return replace(self, flow=replace(run, join=join), features=features)

    def ended(self, note: str) -> Traced:
        """The value with something behind it that the host computes."""
        return replace(self, flow=Ended(self.flow, note))

    def run(
        self,
        cells: Sequence[Step],
        *,
        backward: bool,
        places: Mapping[Kind, int],
        lengths: str = "",
    ) -> tuple[Dim, Dim, Dim, Dim, Traced]:
        """A recurrent layer over this value, whose axes stand at ``places``.

        Returns:
            The dimensions time, direction, batch and features, and the value with none of them
            placed yet.
        """
        if self.rank != 3:
            raise DesignError(
                f"the input has {self.rank} dimensions", "a recurrent layer reads three"
            )
        time, batch = self.dims[places["time"]], self.dims[places["batch"]]
        for kind, dim in (("time", time), ("batch", batch)):
            if len(dim) > 1:
                raise DesignError(f"several axes are read as {kind}", "")
            for axis in dim:
                axis.be(kind)  # type: ignore[arg-type]
        for flow in _behind(self.flow):
            if isinstance(flow, Run) and flow.lengths != lengths and flow.moment == "steps":
                raise DesignError(
                    f"its sequence lengths are {lengths or 'all steps'!r}, those of the layer in "
                    f"front of it {flow.lengths or 'all steps'!r}",
                    "give all layers of a stack the same lengths",
                )
        self.read_features(cells[0].tensors["W"].shape[1], places["feature"])
        units = _outputs_of(cells[0])
        feature = (Axis("the units", units, "feature"),)
        direction = (Axis("the direction", 2, "direction"),) if len(cells) == 2 else ()
        flow = Run(self._open(), tuple(cells), backward, lengths=lengths, single=Size.of(time) == 1)
        return time, direction, batch, feature, Traced(flow, (), (*direction, *feature))

    def outputs(self, steps: tuple[Dim, ...], state: tuple[Dim, ...]) -> list[Traced]:
        """The outputs of a recurrent layer: its steps, its last state, the last cell of an LSTM.

        ``self`` is the layer's value without dimensions, ``steps`` and ``state`` are those of its
        outputs.
        """
        run = self.flow
        assert isinstance(run, Run)
        final = replace(self, flow=replace(run, moment="final"), dims=state)
        cell = replace(self, flow=replace(run, moment="cell"), dims=state)
        return [replace(self, dims=steps), final, cell]

    # --- features --------------------------------------------------------------------------------
    @staticmethod
    def inputs(source: Source, tensors: Mapping[str, FloatArray]) -> int:
        """How many features the network reads a step: as the first layer's weights say, else as
        the axes of the input."""
        for key in ("W", "forward.W"):
            if key in tensors:
                return int(tensors[key].shape[1])
        for key in ("a", "b"):
            if key in tensors:
                return len(tensors[key])
        axes = [a for dim in source.dims for a in dim if a.kind not in ("time", "batch")]
        size = Size.of(axes[-1:])
        if not isinstance(size, int):
            raise DesignError(
                "the number of input features is not known", "export with a fixed one"
            )
        return size

    @property
    def feature_count(self) -> int:
        """How many features a step has."""
        axes = self.dims[-1] if self.features is None else self.features
        size = Size.of(axes)
        if not isinstance(size, int):
            raise DesignError(
                f"the number of features, {axes}, is not known", "export with a fixed one"
            )
        return size

    def read_features(self, count: int, place: int = -1) -> None:
        """Let a dimension be the features in their order.

        Raises:
            DesignError: it is not, or there are not ``count``.
        """
        k = self._place(place)
        dim = self.dims[k]
        if self.features is None:
            for axis in dim:
                axis.be("feature")
            if Size.of(dim) != count and len(dim) == 1 and dim[0].size is None:
                dim[0].size = count
        elif dim != self.features:
            raise DesignError(
                f"{self._dim_text(k)} is read as the features",
                "check the order of the axes in the source",
            )
        if Size.of(dim) != count:
            raise DesignError(f"{self._size_text(k)} features are read as {count}", "")

    def _new_features(self, flow: Flow, units: int) -> Traced:
        feature = (Axis("the units", units, "feature"),)
        return Traced(flow, (*self.dims[:-1], feature), feature)

    def _open(self) -> Flow:
        """The flow, behind which another layer may stand."""
        if isinstance(self.flow, Ended):
            raise DesignError(
                f"a layer reads what is left to the host ({self.flow.note})",
                "cut the network with --to in front of it",
            )
        if isinstance(self.flow, Run) and self.flow.moment == "cell":
            raise DesignError("a layer reads the cell state of an LSTM", "read its output")
        if isinstance(self.flow, Source) and self.flow.part:
            raise DesignError(
                f"a layer reads a part of input {self.flow.name!r}, {self.flow.part}",
                "cut the network with --from behind the cut, and feed the part",
            )
        return self.flow

    # --- words -----------------------------------------------------------------------------------
    def _place(self, place: int) -> int:
        return _index(place, self.rank)

    def _size_text(self, k: int) -> str:
        size = Size.of(self.dims[k])
        return str(size) if isinstance(size, int) else "not known"

    def _dim_text(self, k: int) -> str:
        kinds = "+".join(axis.kind or axis.label for axis in self.dims[k]) or "nothing"
        return f"dimension {k} ({kinds}, size {self._size_text(k)})"

    def _text(self) -> str:
        parts = ["+".join(axis.kind or "?" for axis in dim) or "1" for dim in self.dims]
        return f"[{', '.join(parts)}]"


@dataclass(frozen=True, eq=False)
class Stack:
    """Values side by side on a dimension, such as the last states of several layers."""

    parts: tuple[Traced, ...]
    place: int

    def select(self, place: int, index: int) -> Traced:
        """One of the values."""
        self._own(place)
        counts = [self._count(part) for part in self.parts]
        index = _index(index, sum(counts))
        for part, count in zip(self.parts, counts, strict=True):
            if index < count:
                return part.select(self.place, index)
            index -= count
        raise AssertionError

    def cut(self, place: int, start: int, stop: int | None) -> Traced:
        """One of the values, its dimension left."""
        self._own(place)
        counts = [self._count(part) for part in self.parts]
        first, end, _ = slice(start, stop).indices(sum(counts))
        for part, count in zip(self.parts, counts, strict=True):
            if (first, end) == (0, count):
                return part
            if 0 <= first < end <= count:
                return part.cut(self.place, first, end)
            first, end = first - count, end - count
        raise DesignError("a slice of several joined values", "take one of them")

    def _own(self, place: int) -> None:
        rank = self.parts[0].rank
        if _index(place, rank) != self.place:
            raise DesignError(
                "several values are stacked and then cut across", "take one of them first"
            )

    def _count(self, part: Traced) -> int:
        size = part.shape[self.place]
        assert isinstance(size, int)
        return size


Traceable = Traced | Stack


def concatenated(parts: Sequence[Traceable], place: int) -> Traceable:
    """Values joined on a dimension: two directions of one layer, or a stack of states."""
    values = [part for part in parts if isinstance(part, Traced)]
    if len(values) != len(parts):
        raise DesignError("stacks of values are joined", "take one of the values first")
    if len(values) == 1:
        return values[0]
    k = _index(place, values[0].rank)
    feature = all(part.features is not None and part.dims[k] == part.features for part in values)
    if feature and len(values) == 2:
        return _joined(values[0], values[1], k, "concatenate")
    known = all(isinstance(part.shape[k], int) for part in values)
    if known and all(isinstance(part.flow, Run) and not feature for part in values):
        return Stack(tuple(values), k)
    raise DesignError(
        f"{len(values)} computed values are joined",
        "rnnhw joins the two directions of a layer; cut the network with --to in front of it",
    )


def added(a: Traced, b: Traced, origin: str) -> Traced:
    """The sum of two values: of the two directions of one layer, or of what layers read and what
    they give."""
    for x, y in ((a, b), (b, a)):
        if x.flow is y.flow and x.dims == y.dims:
            return x.scale(np.full((), 2.0), None, origin)
        if any(flow is x.flow for flow in _behind(y.flow)):
            return _skipped(x, y, origin)
    return _joined(a, b, a.rank - 1, "add")


def _skipped(x: Traced, y: Traced, origin: str) -> Traced:
    """``x + y``, where ``y`` is computed from ``x``."""
    x._open()
    y._open()
    for flow in _behind(y.flow):
        if flow is x.flow:
            break
        match flow:
            case Run(moment="final", single=False):
                what = "the last state"
            case Applied(step=Step(layer=Last() | Mean() | Max() as layer)):
                what = f"the {type(layer).__name__.lower()} over time"
            case _:
                continue
        raise fewer_steps_added(what)
    alike = x.rank == y.rank and all(
        own == other or (other == y.features and Size.of(own) == Size.of(other))
        for own, other in zip(x.dims, y.dims, strict=True)
    )
    if not alike:
        raise DesignError(
            f"{x._text()} of sizes {x.shape} and {y._text()} of sizes {y.shape} are added",
            "a skip connection of rnnhw adds vectors of the same width, step by step",
        )
    return replace(y, flow=Skipped(y.flow, x.flow, origin))


def _joined(a: Traced, b: Traced, k: int, join: str) -> Traced:
    """Two directions over the same input as one bidirectional layer."""
    one, other = _run_of(a.flow), _run_of(b.flow)
    if one is None or other is None or one[0].before is not other[0].before:
        what = "joined" if join == "concatenate" else "added"
        raise DesignError(
            f"two computed values are {what}",
            "rnnhw does that with the two directions of a layer, and adds to what layers give what "
            "they read; cut the network with --to in front of it",
        )
    if one[0].backward or not other[0].backward:
        raise DesignError("the backward direction comes first", "join forward, backward")
    moments = {one[1], other[1]}
    if moments == {"final", "last"} and other[1] == "last":
        moments = {"last"}  # of the forward direction they are the same
    if len(moments) > 1:
        raise DesignError(
            "different steps of the two directions are joined",
            "join all steps, the last step, or what each has read last",
        )
    moment = moments.pop()
    run = replace(
        one[0],
        cells=one[0].cells + other[0].cells,
        moment="final" if moment == "final" else "steps",
        join=join,
    )
    flow: Flow = Applied(run, Step(Last())) if moment == "last" else run
    if join != "concatenate":
        return replace(a, flow=flow)
    both = (Axis("the direction", 2, "direction"), *(a.features or ()))
    return Traced(flow, (*a.dims[:k], both, *a.dims[k + 1 :]), both)


def _run_of(flow: Flow) -> tuple[Run, str] | None:
    """The layer of one direction that a value is of, and which of its steps."""
    match flow:
        case Applied(before=Run() as run, step=Step(layer=Last())):
            moment = "last"
        case Applied(before=Run(backward=False) as run, step=Step(layer=Reverse())):
            # A layer that reads the reversed sequence, its outputs in the order of the steps.
            match run.before:
                case Applied(before=before, step=Step(layer=Reverse())):
                    return replace(run, before=before, backward=True), "steps"
            return None
        case Run() as run if run.moment != "cell":
            moment = run.moment
            match run.before:
                case Applied(before=before, step=Step(layer=Reverse())) if moment == "final":
                    if not run.backward:
                        return replace(run, before=before, backward=True), "final"
        case _:
            return None
    return (run, moment) if len(run.cells) == 1 else None


# --- the chain -----------------------------------------------------------------------------------
@dataclass(frozen=True)
class Chain:
    """The layers in front of a value, and what they read."""

    steps: tuple[Step, ...]
    source: Source
    notes: tuple[str, ...] = field(default=())


def chain(flow: Flow) -> Chain:
    """The layers that compute a value, in their order."""
    steps: list[Step] = []
    notes: list[str] = []
    skips: list[tuple[Skipped, list[Step]]] = []
    for each in _behind(flow):
        while skips and each is skips[-1][0].around:
            skip, outer = skips.pop()
            inner = tuple(reversed(steps))
            layer = Residual([step.layer for step in inner])
            steps = [*outer, Step(layer, {}, skip.origin, inner=inner)]
        match each:
            case Skipped():
                skips.append((each, steps))
                steps = []
            case Ended(note=note):
                notes.append(note)
            case Applied(step=step):
                steps.append(step)
            case Run():
                steps += reversed(_run_steps(each))
                if each.single:
                    notes.append(
                        "the source runs one step a call and is fed its states; the design runs "
                        "sequences and keeps them"
                    )
                if each.lengths:
                    notes.append(f"feed {each.lengths!r} as `lengths` of the data")
            case Source():
                found = each
    return Chain(tuple(reversed(steps)), found, tuple(dict.fromkeys(reversed(notes))))


def _run_steps(run: Run) -> list[Step]:
    final = run.moment == "final" and not run.single  # of one step they are the same
    if len(run.cells) == 2:
        return [both_ways(*run.cells, join=run.join, last=final)]
    if run.backward:
        return [Step(Reverse()), *run.cells, Step(Last() if final else Reverse())]
    return [*run.cells, Step(Last())] if final else [*run.cells]


def _outputs_of(cell: Step) -> int:
    """The width of a recurrent layer's output."""
    width = getattr(cell.layer, "projection", None) or cell.layer.units  # type: ignore[attr-defined]
    return int(width)


def _kept(value: Traced) -> Dim:
    """The axes of a value that are not directions."""
    return tuple(a for dim in value.dims for a in dim if a.kind != "direction")


def _is_one(axes: Sequence[Axis], used: Sequence[Axis]) -> bool:
    return len(used) < len(axes) and axes[len(used)].size == 1


def _index(place: int, count: int) -> int:
    """A place that may count from the end.

    Raises:
        DesignError: there is none such.
    """
    if not -count <= place < count:
        raise DesignError(f"place {place} of {count}", "the file is damaged: export it again")
    return place % count


def _less(size: int | Size, by: int) -> int | None:
    return size - by if isinstance(size, int) else None


_VAST = 1 << 31


def _beyond(stop: object, size: int | Size) -> bool:
    if isinstance(stop, int):
        return stop >= (size if isinstance(size, int) else _VAST - 1)
    return False
