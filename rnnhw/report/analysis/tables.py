"""The analysis as tables of text: what text and HTML have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rnnhw.dynamics.model import (
    Analysis,
    AttractorReport,
    DesignAnalysis,
    LayerMemory,
    MergeTime,
    SignalRange,
)
from rnnhw.report.table_cell import number
from rnnhw.report.tables import Table

__all__ = [
    "OVER",
    "Swept",
    "layer_title",
    "memory_table",
    "proposals_table",
    "ranges_table",
    "rates_table",
    "structures_table",
    "swept_table",
]

NOT_KNOWN = "not known"


def _known(value: float | None, unit: str = "", missing: str = NOT_KNOWN) -> str:
    return missing if value is None else f"{number(value)}{unit}"


def _steps(count: int | None, missing: str = NOT_KNOWN) -> str:
    return _known(count, " step" if count == 1 else " steps", missing)


def _lsb(count: int | None, value: float | None = None) -> str:
    if count is None:
        return NOT_KNOWN
    return f"{count} LSB" if value is None else f"{count} LSB ({number(value)})"


def _span(values: tuple[int, int], step: float) -> str:
    return " to ".join(number(value * step) for value in values)


# --- ranges ------------------------------------------------------------------------------------
def ranges_table(design: DesignAnalysis) -> Table:
    """Observed and guaranteed ranges, in real numbers, and what they leave of the word."""
    table = Table(
        "Ranges",
        (
            "signal", "format", "on the task", "for ever", "by", "unused bits", "for ever",
            "missing bits", "for ever",
        ),
        numbers_from=5,
    )  # fmt: skip
    for each in design.ranges:
        table.add(
            each.name,
            each.format,
            _span(each.observed, each.step),
            _span(each.guaranteed, each.step),
            each.guaranteed_by,
            str(each.unused_bits),
            str(each.guaranteed_unused_bits),
            _known(each.missing_bits),
            _known(each.guaranteed_missing_bits),
        )
    return table


def proposals_table(design: DesignAnalysis) -> Table:
    """The formats that the design chose and that other words would serve better."""
    table = Table(
        "Formats that would fit", ("signal", "now", "for the task", "for ever"), numbers_from=4
    )
    for each in design.ranges:
        if each.proposed or each.guaranteed_proposed:
            table.add(
                each.name,
                each.format,
                _proposal(each, each.proposed),
                _proposal(each, each.guaranteed_proposed),
            )
    return table


def _proposal(signal: SignalRange, proposed: str) -> str:
    return proposed or "as it is"


def rates_table(design: DesignAnalysis) -> Table:
    """How often each cast clipped or wrapped."""
    heads = ("signal", "elements", "saturations", "wraps", "share", "of float values")
    table = Table("Saturation and overflow", heads)
    for each in design.rates:
        outside = NOT_KNOWN if each.float_rate is None else _percent(each.float_rate)
        table.add(
            each.signal,
            number(each.elements),
            number(each.saturations),
            number(each.wraps),
            _percent(each.rate),
            outside,
        )
    return table


def _percent(share: float) -> str:
    return "0 %" if share == 0 else f"{100 * share:.3g} %"


# --- memory ------------------------------------------------------------------------------------
def layer_title(design: DesignAnalysis, layer: LayerMemory) -> str:
    """The layer's name, with the design's where that says more."""
    return f"{design.design}: {layer.layer}"


def memory_table(layer: LayerMemory) -> Table:
    """Every figure of a layer, in fixed point and in float."""
    table = Table(f"Memory of {layer.layer}", ("", "fixed point", "float"))
    for row in _memory_rows(layer):
        table.add(*row)
    return table


def _memory_rows(layer: LayerMemory) -> Iterator[tuple[str, str, str]]:
    for radius in layer.radii:
        yield f"spectral radius, {radius.matrix}", _known(radius.quantised), _known(radius.real)
    for band in layer.dead_bands:
        value = _lsb(band.lsb, band.value)
        if band.lsb is not None and not band.exact:
            value = f"at least {value}"
        yield f"dead band, {band.state}", value, "0"
    if layer.zero_input is not None:
        yield from _attractor_rows("zero input", layer.zero_input)
    yield from _attractor_rows("held input", layer.held_input)
    yield from _merge_rows("twins merge", layer.merge)
    yield from _merge_rows("warm-up", layer.warm_up)
    kept = layer.capacity
    if kept is not None:
        whole = f" of {kept.bound}"
        yield "memory capacity", _known(kept.capacity, whole), _known(kept.float_capacity, whole)
        none = "none"
        yield (
            "last delay with R2 > 0.5",
            _known(kept.last_delay, missing=none),
            _known(kept.float_last_delay, missing=none if kept.float_r2 else NOT_KNOWN),
        )
    retention = layer.retention
    if retention is not None:
        for delay, fixed, real in zip(
            retention.delays, retention.accuracy, retention.float_accuracy, strict=True
        ):
            if delay in (0, 8, retention.delays[-1]):
                name = f"answer kept, {delay} steps after the end"
                yield name, _percent(fixed), _percent(real)


def _attractor_rows(name: str, attractors: AttractorReport) -> Iterator[tuple[str, str, str]]:
    past = f"> {attractors.steps:,} steps"
    none = past if not attractors.repeating else NOT_KNOWN
    runs = f" of {attractors.runs}"
    settled = f"{attractors.float_settled}{runs} settle"
    yield f"{name}: runs that repeat", f"{attractors.repeating}{runs}", settled
    yield f"{name}: distinct cycles", number(attractors.distinct), number(attractors.float_distinct)
    point = 1 if attractors.float_settled else None  # what settles is a fixed point
    real = _steps(point, past)
    yield f"{name}: longest period", _steps(attractors.longest_period, none), real
    yield (
        f"{name}: longest transient",
        _steps(attractors.longest_transient, past),
        _steps(attractors.float_transient, past),
    )
    for each in attractors.amplitudes:
        least = "at least " if 0 < attractors.repeating < attractors.runs else ""
        value = f"{least}{_lsb(each.lsb, each.value)}"
        yield f"{name}: amplitude, {each.state}", value, _known(each.float_value)
        yield (
            f"{name}: swing, {each.state}",
            f"{least}{_lsb(each.swing_lsb)}",
            _known(each.float_swing),
        )


def _merge_rows(name: str, merge: MergeTime) -> Iterator[tuple[str, str, str]]:
    past = f"> {merge.steps:,} steps"
    merged = "" if merge.exact is not None else f" ({merge.merged} of {merge.pairs} merge)"
    yield (
        f"{name}: equal (float: within half an LSB)",
        _steps(merge.exact, past) + merged,
        _steps(merge.float_half_lsb, past),
    )
    yield (
        f"{name}: within {merge.within_lsb} LSB",
        _steps(merge.close, past),
        _steps(merge.float_close, past),
    )


# --- over a parameter, and by structure --------------------------------------------------------
@dataclass(frozen=True)
class Swept:
    """A figure that is drawn over a parameter: name, unit, and its two values of a layer."""

    name: str
    unit: str
    fixed: Callable[[LayerMemory], float | None]
    real: Callable[[LayerMemory], float | None]


def _kept(layer: LayerMemory, delay: int, fixed: bool) -> float | None:
    retention = layer.retention
    if retention is None or delay not in retention.delays:
        return None
    values = retention.accuracy if fixed else retention.float_accuracy
    return 100 * values[retention.delays.index(delay)]


def _first_radius(layer: LayerMemory, fixed: bool) -> float | None:
    if not layer.radii:
        return None
    return layer.radii[0].quantised if fixed else layer.radii[0].real


OVER: tuple[Swept, ...] = (
    Swept(
        "memory capacity",
        "",
        lambda layer: layer.capacity.capacity if layer.capacity else None,
        lambda layer: layer.capacity.float_capacity if layer.capacity else None,
    ),
    Swept(
        "last delay with R2 > 0.5",
        "steps",
        lambda layer: layer.capacity.last_delay if layer.capacity else None,
        lambda layer: layer.capacity.float_last_delay if layer.capacity else None,
    ),
    Swept(
        "dead band",
        "of the state",
        lambda layer: max((b.value for b in layer.dead_bands if b.value is not None), default=None),
        lambda layer: 0.0 if layer.dead_bands else None,
    ),
    Swept(
        "twins are equal after",
        "steps",
        lambda layer: layer.merge.exact,
        lambda layer: layer.merge.float_half_lsb,
    ),
    Swept(
        "warm-up to within 1 LSB",
        "steps",
        lambda layer: layer.warm_up.close,
        lambda layer: layer.warm_up.float_close,
    ),
    Swept(
        "spectral radius",
        "",
        lambda layer: _first_radius(layer, True),
        lambda layer: _first_radius(layer, False),
    ),
    Swept(
        "answer kept 8 steps after the end",
        "%",
        lambda layer: _kept(layer, 8, True),
        lambda layer: _kept(layer, 8, False),
    ),
)
"""The figures that are drawn over the varied parameter, and compared by structure."""


def swept_table(analysis: Analysis) -> Table:
    """A row for every layer of every variant."""
    heads = (analysis.varied, "design", "layer", *(each.name for each in OVER))
    table = Table(f"Memory over {analysis.varied}", heads, numbers_from=3)
    for variant in analysis.variants:
        if variant.error:
            table.add(
                number(_whole(variant.value)), variant.design, variant.error, *[""] * len(OVER)
            )
        for layer in variant.layers:
            cells = (_pair(each, layer) for each in OVER)
            table.add(number(_whole(variant.value)), variant.design, layer.layer, *cells)
    return table


def _whole(value: float) -> float:
    return int(value) if value == int(value) else value


def _pair(each: Swept, layer: LayerMemory) -> str:
    fixed, real = each.fixed(layer), each.real(layer)
    if fixed is None and real is None:
        return "-"
    return f"{_known(fixed, missing='-')} ({_known(real, missing='-')})"


def structures_table(analysis: Analysis) -> Table:
    """Every recurrent layer of every design, with the structure of its recurrence."""
    heads = ("design: layer", "recurrence", "state", *(each.name for each in OVER))
    table = Table("Memory by structure: fixed point (float)", heads, numbers_from=3)
    for design in analysis.designs:
        for layer in design.layers:
            cells = (_pair(each, layer) for each in OVER)
            title = layer_title(design, layer)
            table.add(title, layer.structures, layer.state_formats, *cells)
    return table
