"""Inputs and outputs of a run of a network, the same for every interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnhw.errors import DesignError, UsageError, unknown_name
from rnnhw.graph.network import Network, Source, event_signals
from rnnhw.numerics.cast import NOTHING, Events, Q, quantise, underflows

__all__ = ["Batch", "Quantised", "Run", "Vectors", "event_signals", "make_batch"]

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Batch:
    """Checked raw inputs [sequences, steps, features], lengths [sequences] and initial states
    (by state name, [sequences, units]); ``clipped`` counts the inputs outside the format,
    ``underflows`` those that are not zero and became zero.

    Raises:
        ValueError: a length is longer than the inputs, or the shapes are not those.
    """

    inputs: IntArray
    lengths: IntArray
    initial: Mapping[str, IntArray]
    clipped: Events = NOTHING
    underflows: int = 0

    def __post_init__(self) -> None:
        # The engine reads and writes as many steps as these say, unchecked.
        shape, lengths = self.inputs.shape, self.lengths
        if len(shape) != 3 or lengths.shape != shape[:1] or (lengths > shape[1]).any():
            raise ValueError(f"inputs {shape} with lengths {lengths}")
        wrong = [key for key, value in self.initial.items() if value.shape[:1] != lengths.shape]
        if wrong:
            raise ValueError(f"first states of {wrong[0]}: {self.initial[wrong[0]].shape}")

    @property
    def sequences(self) -> int:
        """How many sequences there are."""
        return len(self.lengths)


@dataclass(frozen=True, eq=False)
class Vectors:
    """Raw integers of one output, [sequences, steps, units], zero past a sequence's length."""

    values: IntArray
    lengths: IntArray


@dataclass(frozen=True, eq=False)
class Run:
    """Raw integers that a network gave.

    ``outputs`` is [sequences, steps, units], zero past a sequence's length; ``final`` holds every
    state [sequences, units] after the last step of the sequence; ``traces`` the signals asked for,
    [sequences, steps, units]; ``events`` the events of all casts, by signal. Of a network with
    several outputs ``outputs`` is the first; ``by_output`` has all, by name.
    """

    outputs: IntArray
    lengths: IntArray
    final: Mapping[str, IntArray]
    traces: Mapping[str, IntArray]
    events: Mapping[str, Events] = field(default_factory=dict)
    by_output: Mapping[str, Vectors] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Quantised:
    """Raw inputs [sequences, steps, features] in one format, how many lay outside it, and how many
    that are not zero became zero."""

    inputs: IntArray
    clipped: Events = NOTHING
    lost: int = 0


def make_batch(
    network: Network,
    x: ArrayLike,
    lengths: ArrayLike | None = None,
    initial: Mapping[str, ArrayLike] | None = None,
    *,
    raw: bool = False,
    known: dict[Q, Quantised] | None = None,
) -> Batch:
    """Real inputs (or ``raw`` integers) of shape [sequences, steps, features] for a network.

    Real inputs are cast to the network's input format; those that do not fit are clipped (or
    wrapped) and counted. ``initial`` gives raw integers by state name. ``known`` keeps what became
    of real inputs in every format, for networks that run on the same ``x`` and ``lengths``.

    Raises:
        DesignError: shapes, lengths or values do not fit the network.
    """
    source = network.source
    given = np.asarray(x)
    if given.dtype.kind not in ("iu" if raw else "fiub"):
        wanted = "whole raw integers" if raw else "real numbers"
        raise DesignError(f"input: {given.dtype} instead of {wanted}")
    if given.ndim != 3 or 0 in given.shape:
        raise DesignError(
            f"input: shape {given.shape}",
            f"it must be [sequences, steps, {source.units}] with at least one of each",
        )
    if given.shape[2] != source.units:
        raise DesignError(
            f"input: {given.shape[2]} features, but the network reads {source.units}",
            "give x as [sequences, steps, features]",
        )
    counts = _checked_lengths(network, given.shape, lengths)
    quantised = None if known is None or raw else known.get(source.format)
    if quantised is None:
        quantised = _quantised(source, given, counts, raw)
    if known is not None and not raw:
        known[source.format] = quantised
    states = _checked_states(network, len(given), initial or {})
    return Batch(quantised.inputs, counts, states, quantised.clipped, quantised.lost)


def _quantised(
    source: Source, given: NDArray[np.generic], counts: IntArray, raw: bool
) -> Quantised:
    """The inputs as raw integers, zero past every length."""
    if int(counts.min()) < given.shape[1]:
        valid = (np.arange(given.shape[1]) < counts[:, None])[:, :, None]
        given = np.where(valid, given, np.zeros((), given.dtype))
    if raw:
        # Python integers: an unsigned 64-bit input must not turn negative on the way.
        if int(given.min()) < source.interval[0] or int(given.max()) > source.interval[1]:
            raise DesignError(f"input: raw integers outside {source.format}")
        return Quantised(given.astype(np.int64))
    try:
        inputs, clipped = quantise(given, source.format)
    except DesignError as error:
        raise error.at("input") from None
    real = given.astype(np.float64, copy=False)
    return Quantised(inputs, clipped, underflows(real, inputs, source.format))


def _checked_lengths(
    network: Network, shape: tuple[int, ...], lengths: ArrayLike | None
) -> IntArray:
    if lengths is None:
        counts = np.full(shape[0], shape[1], np.int64)
    else:
        given = np.asarray(lengths)
        if given.shape != (shape[0],) or given.dtype.kind not in "iu":
            raise DesignError(
                f"lengths: {given.dtype} of shape {given.shape}",
                f"give {shape[0]} whole numbers, the steps of each sequence",
            )
        counts = given.astype(np.int64)
    wrong = np.flatnonzero((counts < 1) | (counts > shape[1]))
    if len(wrong):
        raise DesignError(
            f"lengths[{wrong[0]}] is {counts[wrong[0]]}", f"a sequence has 1 to {shape[1]} steps"
        )
    limit = network.max_steps
    longest = int(counts.argmax())
    if limit is not None and counts[longest] > limit:
        raise DesignError(
            f"sequence {longest} has {counts[longest]} steps, "
            f"but the sums over time are made for {limit}",
            "raise Design(max_steps=...)",
        )
    shortest = int(counts.argmin())
    for node in network.nodes:
        # A window within shorter sequences gives nothing, even where a Last would follow.
        if node.steps_for(int(counts[shortest])) < 1:
            raise DesignError(
                f"sequence {shortest} has {counts[shortest]} steps, too few for {node.name!r}",
                "leave out sequences shorter than the window",
            )
    return counts


def _checked_states(
    network: Network, sequences: int, initial: Mapping[str, ArrayLike]
) -> dict[str, IntArray]:
    states = network.states()
    checked = {}
    for name, value in initial.items():
        if name not in states:
            raise UsageError(*unknown_name("state", name, states))
        state, given = states[name], np.asarray(value)
        if given.shape != (sequences, state.units) or given.dtype.kind not in "iu":
            raise DesignError(
                f"initial state {name}: {given.dtype} of shape {given.shape}",
                f"give raw integers of shape ({sequences}, {state.units})",
            )
        if given.min() < state.interval[0] or given.max() > state.interval[1]:
            raise DesignError(f"initial state {name}: raw integers outside {state.format}")
        checked[name] = given.astype(np.int64)
    return checked
