"""The records of an analysis: a number in fixed point stands beside its float value.

``None`` is a number that is not known: a run that did not end within its steps, a figure that the
design cannot have. docs/memory.md defines every figure.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = [
    "Amplitude",
    "Analysis",
    "AttractorReport",
    "Capacity",
    "DeadBand",
    "DesignAnalysis",
    "LayerMemory",
    "MergeTime",
    "Radius",
    "Rate",
    "Retention",
    "SignalRange",
    "Variant",
]


@dataclass(frozen=True)
class SignalRange:
    """One signal: raw integers on the task and for ever, in words of ``width`` bits.

    ``unused`` are top bits that never differ from the sign, ``missing`` those that a value would
    need before it is fitted into the word; on the task and as guaranteed by ``guaranteed_by``.
    ``proposed`` are narrower or wider formats where the design chose the format, else empty.
    """

    name: str
    role: str
    format: str
    width: int
    step: float
    observed: tuple[int, int]
    guaranteed: tuple[int, int]
    guaranteed_by: str
    unused_bits: int
    guaranteed_unused_bits: int
    missing_bits: int | None
    guaranteed_missing_bits: int | None
    proposed: str = ""
    guaranteed_proposed: str = ""


@dataclass(frozen=True)
class Rate:
    """How often a cast clipped or wrapped on the task, of ``elements``; ``float_rate`` is the share
    of float values outside the word."""

    signal: str
    elements: int
    saturations: int
    wraps: int
    rate: float
    float_rate: float | None


@dataclass(frozen=True)
class Radius:
    """The spectral radius of a matrix, with quantised weights and with the weights of the file."""

    matrix: str
    quantised: float | None
    real: float | None


@dataclass(frozen=True)
class DeadBand:
    """The largest magnitude at which a unit stays on zero input while its float state is below half
    an LSB; ``exact`` where every value of the word was tried and every run repeated, else at least
    that. None where no run repeated."""

    state: str
    lsb: int | None
    value: float | None
    exact: bool


@dataclass(frozen=True)
class Amplitude:
    """One state while the layer repeats: largest magnitude and peak-to-peak swing in LSB, of the
    runs that repeat (None: no run does); and both of the float state, as values, over the last
    steps of its run."""

    state: str
    lsb: int | None
    swing_lsb: int | None
    value: float | None
    float_value: float | None
    float_swing: float | None


@dataclass(frozen=True)
class AttractorReport:
    """Where ``runs`` runs at one held input end; ``held`` is that input in words.

    ``distinct`` cycles, of periods up to ``longest_period``; ``transient`` and
    ``longest_transient`` are median and greatest steps before the cycle. The float state of
    ``float_settled`` runs settles to half an LSB, after at most ``float_transient`` steps, at
    ``float_distinct`` points that are more than an LSB apart.
    """

    held: str
    runs: int
    steps: int
    repeating: int
    distinct: int
    longest_period: int | None
    transient: float | None
    longest_transient: int | None
    float_settled: int
    float_distinct: int
    float_transient: int | None
    amplitudes: tuple[Amplitude, ...]


@dataclass(frozen=True)
class MergeTime:
    """Steps until runs on one input but from different states agree for good, at most ``steps``.

    ``exact`` and ``close`` are the greatest of the pairs (None: some pair did not), for equality
    and for all units within ``within_lsb``; ``float_half_lsb`` and ``float_close`` those until the
    float states are within half an LSB and within ``within_lsb``.
    """

    pairs: int
    steps: int
    within_lsb: int
    merged: int
    exact: int | None
    close: int | None
    float_half_lsb: int | None
    float_close: int | None


@dataclass(frozen=True)
class Capacity:
    """Linear memory capacity, of at most ``bound``, and R^2 by delay from 0."""

    bound: int
    capacity: float
    float_capacity: float | None
    last_delay: int | None
    float_last_delay: int | None
    r2: tuple[float, ...]
    float_r2: tuple[float, ...]


@dataclass(frozen=True)
class Retention:
    """The share of held-out sequences whose answer a linear readout of the state still finds,
    ``delays`` steps of zero input after their end."""

    classes: int
    sequences: int
    chance: float
    delays: tuple[int, ...]
    accuracy: tuple[float, ...]
    float_accuracy: tuple[float, ...]


@dataclass(frozen=True)
class LayerMemory:
    """All figures of one recurrent layer; ``notes`` say why one is not known."""

    layer: str
    units: int
    structures: str
    state_formats: str
    radii: tuple[Radius, ...]
    dead_bands: tuple[DeadBand, ...]
    zero_input: AttractorReport | None
    held_input: AttractorReport
    merge: MergeTime
    warm_up: MergeTime
    capacity: Capacity | None
    retention: Retention | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DesignAnalysis:
    """One design with one set of parameters."""

    design: str
    title: str
    settings: dict[str, str]
    sequences: int
    steps: int
    ranges: tuple[SignalRange, ...]
    rates: tuple[Rate, ...]
    layers: tuple[LayerMemory, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Variant:
    """A design with one value of the parameter that is varied: the memory of its layers, or why
    there is none."""

    design: str
    value: float
    layers: tuple[LayerMemory, ...]
    error: str = ""


@dataclass(frozen=True)
class Analysis:
    """Several designs, and their memory over the values of ``varied`` (empty: nothing varied)."""

    designs: tuple[DesignAnalysis, ...]
    varied: str = ""
    variants: tuple[Variant, ...] = field(default=())
