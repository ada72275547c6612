"""The builder: a cell writes its step on it, and formats of exact results follow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError, check_name, few
from rnnhw.graph.matrix import Matrix
from rnnhw.graph.nodes import (
    MOST_SHIFT,
    Add,
    Approximation,
    Cast,
    Clamp,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Multiply,
    Node,
    Reinterpret,
    Select,
    Shift,
    State,
    StepGraph,
    Subtract,
    Tensor,
    _product,
    previous,
)
from rnnhw.graph.ranges import interval_of
from rnnhw.graph.row_scales import EXPONENT, MULTIPLIER, SCALES, Exponents, RowScales, check_scale
from rnnhw.numerics.cast import Interval, Q, interval_format
from rnnhw.numerics.tables import RealFunction, Table

__all__ = [
    "Formats",
    "StepBuilder",
]


@dataclass(frozen=True, slots=True, repr=False)
class Formats:
    """One format for each role of signal. Roles that are left out fall back as below, or to
    the design's formats; a role without any format is exact where that is possible
    (``product``, ``accumulator``, ``recurrent_sum``, ``stage``, ``output``) and else an error.

    ``recurrent_weight`` and ``bias`` fall back to ``weight``, ``gate`` to ``state``. ``stage`` is
    the format between the factors of a recurrence that is a product (Walsh-Hadamard stages).

    ``scale_exponent`` gives every row (output channel) of the weights another scale, a power of
    two: ``Q(2, 0, signed=False)`` stores a row of W divided by ``2**e``, e of 0 to 3, and shifts
    its sum to the left by e. A sum of several products (W x + U h) and its bias share the exponents
    of its rows; with ``recurrent_scale_exponent`` the recurrent matrices have exponents apart.
    The exponents are the tensor ``W.exponent``: where the weights file has none, those of least
    squared error of the rounded weights. ``scale`` and ``recurrent_scale`` give rows real
    multipliers in place of powers of two, the tensor ``W.scale``: where the weights file has none,
    the least by which no weight of the row clips.
    """

    input: Q | None = None
    weight: Q | None = None
    recurrent_weight: Q | None = None
    bias: Q | None = None
    sum: Q | None = None
    recurrent_sum: Q | None = None
    gate: Q | None = None
    cell: Q | None = None
    state: Q | None = None
    stage: Q | None = None
    product: Q | None = None
    accumulator: Q | None = None
    output: Q | None = None
    scale_exponent: Q | None = None
    recurrent_scale_exponent: Q | None = None
    scale: Q | None = None
    recurrent_scale: Q | None = None

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is not None and not isinstance(value, Q):
                raise DesignError(
                    f"Formats({entry.name}=...) must be a Q format, got {value!r}",
                    "write for example Q(3, 4): 3 integer bits, 4 fraction bits and the sign",
                )
            role = entry.name.removeprefix("recurrent_")
            if value is not None and role in SCALES:
                check_scale(f"Formats({entry.name}=...)", role, value)

    def __repr__(self) -> str:
        """The formats that the user has set."""
        given = ((entry.name, getattr(self, entry.name)) for entry in fields(self))
        listed = (f"{name}={value!r}" for name, value in given if value is not None)
        return f"Formats({', '.join(listed)})"


_ROLES = tuple(entry.name for entry in fields(Formats))
_FALLBACK = {"recurrent_weight": "weight", "bias": "weight", "gate": "state"}


class MissingFormat(NamedTuple):
    """A signal, by its full name, whose ``role`` has no format."""

    signal: str
    role: str


ANY_FORMAT = Q(0, 7)
"""A stand-in for a missing format while other formats are looked up."""


def no_formats(missing: Sequence[MissingFormat]) -> DesignError:
    """The error for signals without a format, which names all roles."""
    signals = list(dict.fromkeys(each.signal for each in missing))
    roles = list(dict.fromkeys(each.role for each in missing))
    roles = [role for role in roles if role in _ROLES and _FALLBACK.get(role) not in roles]
    cures = [f"Formats({', '.join(f'{role}=Q(...)' for role in roles)})"] if roles else []
    # A signal of a user's own cell may have a name that is no role.
    own = [each.signal for each in missing if each.role not in _ROLES]
    alone = len(signals) == 1 and signals != ["input"]
    if own or alone:
        named = ", ".join(f"'{signal}': Q(...)" for signal in dict.fromkeys(own or signals))
        cures.append(f"overrides={{{named}}}")
    joined = (" and " if own else ", or ").join(cures)
    return DesignError(f"{few(signals)}: no format", f"give {joined}")


@dataclass(frozen=True)
class FormatScope:
    """Which format a signal of one layer has: override, then layer, then design.

    A role's own format at any of these levels wins over the role it falls back to.
    """

    layer: str
    overrides: Mapping[str, Q]
    levels: tuple[Formats, ...]
    missing: list[MissingFormat] | None = None
    """Collects the formats that are missing, for one error that names all; None: the first missing
    one is an error."""

    def find(self, role: str, signal: str) -> Q | None:
        """The format of ``signal`` (its name without the layer), or None if it has none."""
        override = self.overrides.get(f"{self.layer}.{signal}")
        if override is not None:
            return override
        candidate: str | None = role
        while candidate:
            for level in self.levels:
                found = getattr(level, candidate, None)
                if found is not None:
                    return found  # type: ignore[no-any-return]
            candidate = _FALLBACK.get(candidate)
        return None


class Writes(Protocol):
    """A structure: it writes the operations of its product."""

    def apply(
        self,
        g: StepBuilder,
        key: str,
        vector: Node,
        units: int,
        start: Node | None,
        role: str,
        name: str,
    ) -> Node:
        """Write ``start + matrix @ vector`` with tensors named after ``key``."""
        ...


class StepBuilder:
    """Writes a :class:`StepGraph` operation by operation; a cell's only tool.

    Formats come from the ``scope`` by role and signal name. Every method returns the new node.

    Raises:
        DesignError: (by every method) a result would be wider than 64 bits, shapes disagree, a
            name is taken, or a needed format is missing; the message names the signal.
    """

    def __init__(self, scope: FormatScope) -> None:
        self._scope = scope
        self._nodes: dict[str, Node] = {}
        self._updates: dict[State, Node] = {}
        self._approximations: list[Approximation] = []
        self._inputs = 0
        self._scales = RowScales()
        self._shared: Exponents | None = None

    # --- formats -----------------------------------------------------------------------------
    def format(self, role: str, signal: str | None = None) -> Q:
        """The format that the design gives to ``role``."""
        found = self.optional_format(role, signal)
        if found is None:
            lacking = MissingFormat(f"{self._scope.layer}.{signal or role}", role)
            if self._scope.missing is None:
                raise no_formats([lacking])
            self._scope.missing.append(lacking)
            return ANY_FORMAT
        return found

    def optional_format(self, role: str, signal: str | None = None) -> Q | None:
        """The format that the design gives to ``role``, or None: the signal stays exact."""
        return self._scope.find(role, signal or role)

    # --- sources -----------------------------------------------------------------------------
    def input(self, units: int, format: Q, interval: Interval | None = None) -> Node:
        """The next source of the layer: ``x``, ``x1``, ``x2``..."""
        position, self._inputs = self._inputs, self._inputs + 1
        return self._put(
            Input(
                name="x" if position == 0 else f"x{position}",
                units=units,
                format=format,
                interval=interval or (format.lowest, format.max),
                role="input",
                position=position,
            )
        )

    def state(
        self,
        units: int,
        name: str = "state",
        *,
        initial: str = "",
        first: str = "",
        format: Q | None = None,
    ) -> State:
        """A state vector, before this step; ``initial`` is the key of a trained first value.

        ``first`` is the key by which data may give a first value; left out, ``initial`` or else
        the state's name. ``format`` is that of a state whose new value is exact; left out, the
        design's by the state's name.
        """
        format = format or self.format(name, name)
        key = f"{self._scope.layer}.{initial}"
        node = State(
            name=previous(name),
            units=units,
            format=format,
            interval=(format.min, format.max),
            role=name,
            initial=Tensor(key, (units,), name, format) if initial else None,
            first=f"{self._scope.layer}.{first or initial or name}",
        )
        self._put(node)
        return node

    def update(self, state: State, value: Node) -> Node:
        """Let ``state`` have ``value`` at the next step."""
        value = self._value(value)
        if (value.units, value.format.fraction) != (state.units, state.format.fraction) or not (
            state.interval[0] <= value.interval[0] and value.interval[1] <= state.interval[1]
        ):
            raise DesignError(
                f"{self._scope.layer}.{value.name}: {value.units} units of {value.format} do not "
                f"fit the state of {state.units} units of {state.format}",
                "cast the new value to the state's format",
            )
        if state in self._updates:
            raise DesignError(f"{self._scope.layer}.{state.name} is updated twice")
        self._updates[state] = value
        return value

    def tensor(self, name: str, shape: tuple[int, ...], role: str) -> Tensor:
        """The tensor ``layer.name`` of the weights file."""
        check_name(name, None)
        return Tensor(f"{self._scope.layer}.{name}", shape, role, self.format(role, name))

    def constant(self, name: str, units: int, role: str) -> Node:
        """A trained vector, such as a bias."""
        tensor = self.tensor(name, (units,), role)
        return self._put(
            Constant(
                name=name,
                units=units,
                format=tensor.format,
                interval=(tensor.format.lowest, tensor.format.max),
                role=role,
                tensor=tensor,
            )
        )

    def literal(
        self, name: str, values: Sequence[int], fraction: int = 0, *, underflows: int = 0
    ) -> Node:
        """A vector of fixed raw integers; ``underflows`` of them stand for numbers that are not
        zero."""
        raw = tuple(int(value) for value in values)
        low, high = min(raw), max(raw)
        return self._put(
            Constant(
                name=name,
                units=len(raw),
                format=self._exact(name, low, high, fraction),
                interval=(low, high),
                tensor=None,
                values=raw,
                underflows=underflows,
            )
        )

    # --- products ----------------------------------------------------------------------------
    def linear(
        self,
        structure: Writes,
        key: str,
        vector: Node,
        units: int,
        start: Node | None = None,
        *,
        role: str = "weight",
        name: str = "",
        exponents: Exponents | None = None,
    ) -> Node:
        """``start + structure @ vector``: the structure writes the operations that it needs.

        ``exponents`` are those of a sum whose rows this one shares its scales with, where the
        weights have scales and no exponents of their own (:meth:`exponents`).
        """
        if isinstance(structure, type) or not callable(getattr(structure, "apply", None)):
            raise DesignError(
                f"{self._scope.layer}.{key}: {structure!r} is not a structure",
                "write for example Dense()",
            )
        self._shared = exponents
        try:
            name = name or f"{key}{vector.name}"
            return structure.apply(self, key, vector, units, start, role, name)
        finally:
            self._shared = None

    def matvec(
        self,
        structure: Matrix,
        weights: Tensor | None,
        vector: Node,
        units: int,
        start: Node | None = None,
        *,
        name: str,
    ) -> Node:
        """``start + structure(weights) @ vector`` with the design's product and accumulator, and
        with a scale a row where it gives the weights exponents."""
        vector = self._value(vector)
        structure.check(units, vector.units)
        if start is not None:
            self._same_units(name, (start,), units)
        exponents = self._row_exponents(weights, units, start) if weights else None
        behind, whole = None, name
        if start is not None and not self._goes_on(start, exponents):
            start = self._value(start)
            if exponents is not None:
                start, behind, name = None, start, f"{name}.product"
        product = self.optional_format("product") if weights else None
        accumulator = self.optional_format("accumulator") if weights else None
        node = Matvec(
            name=name,
            units=units,
            format=vector.format,
            interval=vector.interval,
            role="accumulator" if accumulator else "",
            structure=structure,
            weights=weights,
            vector=vector,
            start=start,
            product=product,
            accumulator=accumulator,
        )
        self._exact(name, *_product(weights.format if weights else None, vector)[1], 0)
        fraction, term = node.product_format
        sum_fraction = max(fraction, start.format.fraction) if start else fraction
        low, high = structure.bounds(units, vector.units, term, vector.interval)
        low, high = (bound << (sum_fraction - fraction) for bound in (low, high))
        if start is not None:
            shift = sum_fraction - start.format.fraction
            low, high = low + (start.interval[0] << shift), high + (start.interval[1] << shift)
        if accumulator is None:
            format = self._exact(name, low, high, sum_fraction)
            node = replace(node, format=format, interval=(low, high))
            return self._summed(node, exponents, behind, whole)
        # What exists for a moment before a cast must fit the engine's words too.
        self._exact(name, *_aligned_sum(accumulator, term, fraction), fraction)
        if start is not None:
            shift = max(accumulator.fraction - start.format.fraction, 0)
            least, most = (bound << shift for bound in start.interval)
            self._exact(name, least, most, accumulator.fraction)
        node = replace(node, format=accumulator, interval=(accumulator.lowest, accumulator.max))
        return self._summed(node, exponents, behind, whole)

    # --- scales of rows ------------------------------------------------------------------------
    def exponents(self, *sums: Node) -> Exponents | None:
        """The exponents of sums of scaled rows side by side, which another product can share
        (:meth:`linear`); None where one is none, or has exponents of another tensor."""
        return self._scales.of_all(sums)

    def shift(self, a: Node, by: Node, name: str = "") -> Node:
        """``a * 2**by``, exact; ``by`` is constant: whole numbers of 0 to 31."""
        return self._shift(self._value(a), by, name)

    def _shift(self, a: Node, by: Node, name: str) -> Node:
        name = self._name(name, Shift)
        self._same_units(name, (a, by), a.units)
        if not _is_constant(by):
            raise DesignError(
                f"{self._scope.layer}.{name}: a shift by {by.name}, which is not constant",
                "shift by a literal or a tensor",
            )
        least, most = by.interval
        if by.format.fraction or not 0 <= least <= most <= MOST_SHIFT:
            raise DesignError(
                f"{self._scope.layer}.{name}: a shift by {by.format}, raw {least} to {most}",
                f"shift by whole numbers of 0 to {MOST_SHIFT}",
            )
        return self._elementwise(Shift, name, a.format.fraction, a=a, by=by)

    def _row_exponents(self, weights: Tensor, units: int, start: Node | None) -> Exponents | None:
        """The exponents of the rows of a product, which several products may share."""
        stem = weights.key.removeprefix(f"{self._scope.layer}.")
        signals = {EXPONENT: f"{stem}.exponent", MULTIPLIER: f"{stem}.scale"}
        recurrent = weights.role == "recurrent_weight"
        exponents = self._scale_formats("recurrent_", signals) if recurrent else {}
        shared = None
        if not exponents:
            exponents = self._scale_formats("", signals)
            shared = self._scales.sums.get(start, self._shared) if start else self._shared
        if not exponents:
            return None
        if len(exponents) > 1:
            raise DesignError(
                f"{weights.key}: its rows have exponents and multipliers",
                "give Formats(scale_exponent=...) or Formats(scale=...)",
            )
        if shared is not None:
            return shared
        ((role, format),) = exponents.items()
        key = f"{self._scope.layer}.{signals[role]}"
        check_scale(key, role, format)
        constant = Constant(
            name=signals[role],
            units=units,
            format=format,
            interval=(0, format.max),
            role=role,
            tensor=Tensor(key, (units,), role, format),
        )
        self._put(constant)
        return Exponents(constant, tuple(range(units)))

    def _scale_formats(self, prefix: str, signals: Mapping[str, str]) -> dict[str, Q]:
        """The formats of the scales that the design gives to rows, by role."""
        formats = {role: self._scope.find(f"{prefix}{role}", signals[role]) for role in SCALES}
        return {role: format for role, format in formats.items() if format is not None}

    def _goes_on(self, start: Node, exponents: Exponents | None) -> bool:
        """Whether a product of these exponents can start from ``start`` as it is."""
        known = self._scales.sums.get(start)
        if exponents is None or known is not None:
            return known == exponents
        return self._scales.claim(start, exponents)

    def _summed(
        self, product: Matvec, exponents: Exponents | None, behind: Node | None, name: str
    ) -> Node:
        """``product`` written; with what is added behind its rows are shifted, called ``name``."""
        self._put(product)
        if exponents is not None:
            self._scales.sums[product] = exponents
            self._scales.weigh(product, exponents)
        return product if behind is None else self.add(behind, product, name)

    def _value(self, node: Node) -> Node:
        """The value of ``node``: a sum of scaled rows shifted or multiplied, else the node
        itself."""
        exponents = self._scales.sums.get(node)
        if exponents is None:
            return node
        if node not in self._scales.shifted:
            by: Node = exponents.constant
            if not exponents.whole:
                by = self.gather([by], exponents.indices, f"{node.name}.exponent")
            if exponents.constant.role == MULTIPLIER:
                worth = self._product(node, by, f"{node.name}.scaled")
            else:
                worth = self._shift(node, by, f"{node.name}.shifted")
            self._scales.shifted[node] = worth
        return self._scales.shifted[node]

    # --- element by element ------------------------------------------------------------------
    def add(self, a: Node, b: Node, name: str = "") -> Node:
        """``a + b``, aligned by left shifts, exact."""
        exponents = self._scales.sums.get(a)
        if exponents is None or exponents != self._scales.sums.get(b):
            a, b, exponents = self._value(a), self._value(b), None
        total = self._elementwise(Add, name, max(a.format.fraction, b.format.fraction), a=a, b=b)
        if exponents is not None:
            self._scales.sums[total] = exponents
        return total

    def subtract(self, a: Node, b: Node, name: str = "") -> Node:
        """``a - b``, aligned by left shifts, exact."""
        a, b = self._value(a), self._value(b)
        fraction = max(a.format.fraction, b.format.fraction)
        return self._elementwise(Subtract, name, fraction, a=a, b=b)

    def multiply(self, a: Node, b: Node, name: str = "") -> Node:
        """``a * b``, exact."""
        return self._product(self._value(a), self._value(b), name)

    def _product(self, a: Node, b: Node, name: str) -> Node:
        fraction = a.format.fraction + b.format.fraction
        return self._elementwise(Multiply, name, fraction, a=a, b=b)

    def select(self, s: Node, a: Node, b: Node, name: str = "") -> Node:
        """``a`` where ``s >= 0``, else ``b``; aligned by left shifts."""
        s, a, b = self._value(s), self._value(a), self._value(b)
        fraction = max(a.format.fraction, b.format.fraction)
        return self._elementwise(Select, name, fraction, s=s, a=a, b=b)

    def clamp(self, a: Node, low: float | None, high: float | None, name: str = "") -> Node:
        """``a`` limited to the real numbers ``low..high`` (None: no limit on that side)."""
        a = self._value(a)
        name = self._name(name, Clamp)
        node = Clamp(
            name=name,
            units=a.units,
            format=a.format,
            interval=a.interval,
            a=a,
            low=None if low is None else self._raw_limit(name, low, a),
            high=None if high is None else self._raw_limit(name, high, a),
        )
        lower, upper = node.limits
        if lower > upper:
            raise DesignError(
                f"{self._scope.layer}.{name}: no value of {a.format} lies in {low}..{high}"
            )
        least, most = interval_of(node, {a: a.interval})
        if not (a.format.min <= least and most <= a.format.max):
            node = replace(node, format=self._exact(name, least, most, a.format.fraction))
        return self._put(replace(node, interval=(least, most)))

    def gather(self, parts: Sequence[Node], indices: Iterable[int], name: str = "") -> Node:
        """Element ``indices[i]`` of the concatenation of ``parts``, which share one format."""
        name = self._name(name, Gather)
        chosen = tuple(indices)
        exponents = self._scales.of_all(parts)
        if exponents is None:
            parts = [self._value(part) for part in parts]
        total = sum(part.units for part in parts)
        if not chosen or min(chosen) < 0 or max(chosen) >= total:
            raise DesignError(
                f"{self._scope.layer}.{name}: indices {chosen} do not all lie in 0..{total - 1}"
            )
        if len({part.format.fraction for part in parts}) > 1:
            formats = ", ".join(str(part.format) for part in parts)
            raise DesignError(
                f"{self._scope.layer}.{name}: cannot join {formats}",
                "cast the parts to one format first",
            )
        low = min(part.interval[0] for part in parts)
        high = max(part.interval[1] for part in parts)
        widest = max((part.format for part in parts), key=lambda q: (q.max - q.min, q.signed))
        covers = widest.min <= low and high <= widest.max
        joined = self._put(
            Gather(
                name=name,
                units=len(chosen),
                format=widest if covers else self._exact(name, low, high, widest.fraction),
                interval=(low, high),
                parts=tuple(parts),
                indices=chosen,
            )
        )
        if exponents is not None:
            self._scales.sums[joined] = exponents.at(chosen)
        return joined

    def reinterpret(self, a: Node, format: Q, name: str = "") -> Node:
        """The raw integers of ``a`` under ``format``, which must hold them."""
        a = self._value(a)
        name = self._name(name, Reinterpret)
        if not (format.min <= a.interval[0] and a.interval[1] <= format.max):
            raise DesignError(f"{self._scope.layer}.{name}: {format} does not hold {a.format}")
        return self._put(
            Reinterpret(name=name, units=a.units, format=format, interval=a.interval, a=a)
        )

    def cast(self, a: Node, role: str = "", name: str = "", *, format: Q | None = None) -> Node:
        """``a`` in the format of ``role``; the signal is named after it.

        With ``format`` no role is needed; an override of the design by the signal's name wins.
        """
        a = self._value(a)
        name = name or role or self._name("", Cast)
        if format is None:
            format = self.format(role, name)
        else:
            format = self._scope.overrides.get(f"{self._scope.layer}.{name}", format)
        return self._put(
            Cast(
                name=name,
                units=a.units,
                format=format,
                interval=(format.lowest, format.max),
                role=role,
                a=a,
            )
        )

    def cast_if_given(self, a: Node, role: str, name: str = "") -> Node:
        """:meth:`cast` where the design gives ``role`` a format; else ``a`` itself, exact."""
        given = self.optional_format(role, name or role)
        return a if given is None else self.cast(a, role, name)

    def lookup(self, a: Node, function: RealFunction, role: str, name: str = "") -> Node:
        """The table of ``function`` over ``a``'s format, entries in the format of ``role``."""
        a = self._value(a)
        name = name or role
        format = self.format(role, name)
        try:
            table = Table.sample(function, a.format, format)
        except DesignError as error:
            raise error.at(f"{self._scope.layer}.{name}") from None
        return self._put(
            Lookup(
                name=name,
                units=a.units,
                format=format,
                interval=(format.lowest, format.max),
                role=role,
                a=a,
                table=table,
            )
        )

    def approximates(
        self,
        function: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        x: Node,
        node: Node,
    ) -> Node:
        """Say that ``node``, written in integer operations on ``x``, stands for a real function.

        The float reference takes ``function(x)``, element by element; everything else the node.
        What is read on the way from ``x`` to the node alone is judged no more: its error is the
        node's.
        """
        x, node = self._value(x), self._value(node)
        place = f"{self._scope.layer}.{node.name}"
        if any(each.node is node for each in self._approximations):
            raise DesignError(f"{place} stands for two functions", "name it once")
        order = list(self._nodes.values())
        if order.index(x) > order.index(node):
            raise DesignError(
                f"{place} is written before its argument {x.name}", "write the argument first"
            )
        if x.units != node.units:
            raise DesignError(
                f"{place}: {node.units} units stand for a function of {x.units}",
                "give the argument as many units as the result",
            )
        self._approximations.append(Approximation(function, x, node))
        return node

    # --- the result --------------------------------------------------------------------------
    def build(self, output: Node) -> StepGraph:
        """The finished graph; ``output`` is what the next layer reads.

        Operations whose result nothing reads are left out.
        """
        output = self._value(output)
        states = [node for node in self._nodes.values() if isinstance(node, State)]
        for state in states:
            if state not in self._updates:
                raise DesignError(f"{self._scope.layer}.{state.name} is never updated")
        arguments = {each.node: each.argument for each in self._approximations}
        live: set[Node] = set()
        pending = [output, *self._updates.values(), *states]
        while pending:
            node = pending.pop()
            if node not in live:
                live.add(node)
                pending.extend(node.operands)
                if node in arguments:
                    pending.append(arguments[node])
        nodes = tuple(
            node for node in self._nodes.values() if node in live or isinstance(node, Input)
        )
        stand_ins = tuple(each for each in self._approximations if each.node in live)
        scales = self._scales.finished(self._scope.layer, nodes)
        updates = tuple(self._updates.items())
        return StepGraph(self._scope.layer, nodes, updates, output, stand_ins, scales)

    # --- helpers -----------------------------------------------------------------------------
    def _put(self, node: Node) -> Node:
        check_name(node.name, None)
        if node.name in self._nodes:
            raise DesignError(f"{self._scope.layer}.{node.name}: two signals have this name")
        if node.units < 1:
            raise DesignError(
                f"{self._scope.layer}.{node.name} has {node.units} units", "use at least one"
            )
        self._nodes[node.name] = node
        return node

    def _name(self, name: str, operation: type[Node]) -> str:
        if name:
            return name
        stem = operation.__name__.lower()
        count = sum(isinstance(node, operation) for node in self._nodes.values())
        return f"{stem}{count}"

    def _exact(self, name: str, low: int, high: int, fraction: int) -> Q:
        try:
            return interval_format(low, high, fraction)
        except DesignError as error:
            raise DesignError(
                f"{self._scope.layer}.{name}: the exact result needs a wider word: {error.message}",
                "cast an operand to fewer bits, or give an `accumulator` format",
            ) from None

    def _raw_limit(self, name: str, value: float, a: Node) -> int:
        raw = value * 2.0**a.format.fraction
        if not math.isfinite(raw) or raw != int(raw):
            raise DesignError(
                f"{self._scope.layer}.{name}: the limit {value} is not a value of {a.format}",
                "use a format with more fraction bits",
            )
        return int(raw)

    def _same_units(self, name: str, nodes: Iterable[Node], units: int) -> None:
        for node in nodes:
            if node.units != units:
                raise DesignError(
                    f"{self._scope.layer}.{name}: {node.name} has {node.units} units, "
                    f"expected {units}"
                )

    def _elementwise(
        self, operation: Callable[..., Node], name: str, fraction: int, **operands: Node
    ) -> Node:
        """An operation whose exact result has so many fraction bits."""
        name = self._name(name, operation)  # type: ignore[arg-type]
        units = next(iter(operands.values())).units
        self._same_units(name, operands.values(), units)
        # What an operation means depends on the scale of its result, not on its word.
        scale = self._exact(name, 0, 0, fraction)
        draft = operation(name=name, units=units, format=scale, interval=(0, 0), **operands)
        interval = interval_of(draft, {each: each.interval for each in draft.operands})
        return self._put(
            replace(draft, format=self._exact(name, *interval, fraction), interval=interval)
        )


def _is_constant(node: Node) -> bool:
    """Whether ``node`` is a constant, or has elements of constants alone."""
    if isinstance(node, Gather):
        return all(map(_is_constant, node.parts))
    return isinstance(node, Constant)


def _aligned_sum(accumulator: Q, term: Interval, fraction: int) -> Interval:
    finest = max(fraction, accumulator.fraction)
    low = (accumulator.min << (finest - accumulator.fraction)) + (term[0] << (finest - fraction))
    high = (accumulator.max << (finest - accumulator.fraction)) + (term[1] << (finest - fraction))
    return low, high
