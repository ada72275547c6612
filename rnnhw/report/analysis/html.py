"""The analysis as one HTML page that needs nothing else: no script, font or image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rnnhw.dynamics.model import Analysis, DesignAnalysis, LayerMemory
from rnnhw.report.analysis import tables
from rnnhw.report.analysis.charts import Curve, curves
from rnnhw.report.markup import Markup, tag
from rnnhw.report.page import figure, page, remark, section, table_html
from rnnhw.report.settings import settings_text
from rnnhw.report.table_cell import number

__all__ = ["to_html"]

_BOTH = "drawn through: fixed point; dashed: the float reference"


def to_html(analysis: Analysis) -> str:
    """The page; every text of the analysis is escaped.

    It is ASCII, so that it looks the same in whatever encoding it is written.
    """
    first = analysis.designs[0]
    title = first.title if len(analysis.designs) == 1 else f"{len(analysis.designs)} designs"
    return page(
        f"{title} - analysis", _header(analysis, title), list(_sections(analysis)), wide=True
    )


def _header(analysis: Analysis, title: str) -> Markup:
    parts = [tag("h1", title)]
    for design in analysis.designs:
        settings = settings_text(design.settings)
        text = f"{design.design} ({settings})" if settings else design.design
        counts = f"{design.sequences:,} sequences, {design.steps:,} steps of its task"
        parts.append(tag("p", f"{text}: {counts}", class_="muted"))
    return tag("header", *parts)


def _sections(analysis: Analysis) -> Iterator[tuple[str, Markup]]:
    if tables.swept_table(analysis).rows:
        yield section(f"Over {analysis.varied}", *_swept(analysis))
    if len(analysis.designs) > 1:
        yield section("By structure", *_structures(analysis))
    for design in analysis.designs:
        prefix = f"{design.design}: " if len(analysis.designs) > 1 else ""
        for layer in design.layers:
            yield section(f"{prefix}Memory of {layer.layer}", *_memory(layer))
        yield section(f"{prefix}Ranges", *_ranges(design))
        rates = table_html(tables.rates_table(design), titled=False)
        yield section(f"{prefix}Saturation and overflow", rates)
        if design.notes:
            yield section(f"{prefix}Notes", *map(remark, design.notes))


def _swept(analysis: Analysis) -> Iterator[Markup]:
    values = sorted({variant.value for variant in analysis.variants})
    places = [number(int(v) if v == int(v) else v) for v in values]
    drawings = []
    for each in tables.OVER:
        drawn = []
        for key in dict.fromkeys(_layers(analysis)):
            by_value = {
                variant.value: layer
                for variant in analysis.variants
                for layer in variant.layers
                if (variant.design, layer.layer) == key
            }
            name = ": ".join(key)
            for dashed, of in ((False, each.fixed), (True, each.real)):
                points = [of(by_value[v]) if v in by_value else None for v in values]
                drawn.append(Curve(name, points, dashed))
        unit = f" ({each.unit})" if each.unit else ""
        drawing = curves(places, drawn, analysis.varied, f"{each.name}{unit}")
        if drawing:
            drawings.append(figure(drawing, f"{each.name} over {analysis.varied}", "plot"))
    yield remark(_BOTH)
    yield tag("div", *drawings, class_="plots")
    yield table_html(tables.swept_table(analysis))
    yield remark("fixed point, and in brackets float; -: none, not ended in time, or not known")


def _layers(analysis: Analysis) -> Iterator[tuple[str, str]]:
    for variant in analysis.variants:
        for layer in variant.layers:
            yield variant.design, layer.layer


def _structures(analysis: Analysis) -> Iterator[Markup]:
    layers = {
        tables.layer_title(design, layer): layer
        for design in analysis.designs
        for layer in design.layers
    }
    yield from _remembered(layers)
    yield table_html(tables.structures_table(analysis), titled=False)


def _memory(layer: LayerMemory) -> Iterator[Markup]:
    yield remark(f"recurrence: {layer.structures}; state: {layer.units} x {layer.state_formats}")
    yield from _remembered({"": layer})
    yield table_html(tables.memory_table(layer), titled=False)
    for note in layer.notes:
        yield remark(f"not known: {note}")


def _remembered(layers: Mapping[str, LayerMemory]) -> Iterator[Markup]:
    """What layers, by the names of their curves, know of inputs and answers of some steps ago."""
    drawings = []
    capacities = {name: layer.capacity for name, layer in layers.items() if layer.capacity}
    if capacities:
        shown = _ended(*(r2 for kept in capacities.values() for r2 in (kept.r2, kept.float_r2)))
        lines = []
        for name, kept in capacities.items():
            lines.append(Curve(name, _to(shown, kept.r2)))
            if kept.float_r2:
                lines.append(Curve(name, _to(shown, kept.float_r2), True))
        places = [str(delay) for delay in range(shown)]
        drawing = curves(places, lines, "delay, steps", "R2 of the input of so many steps ago")
        drawings.append(figure(drawing, _BOTH, "plot"))
    retained = {name: layer.retention for name, layer in layers.items() if layer.retention}
    if retained:
        lines, words = [], []
        for name, retention in retained.items():
            lines.append(Curve(name, [100 * value for value in retention.accuracy]))
            lines.append(Curve(name, [100 * value for value in retention.float_accuracy], True))
            percent = f"{100 * retention.chance:.3g} %"
            share = f"{percent} by guessing the most frequent of {retention.classes}"
            words.append(share)
        places = [str(delay) for delay in next(iter(retained.values())).delays]
        up = "answers still found, per cent"
        drawing = curves(places, lines, "steps after the end of the sequence", up)
        caption = "; ".join([_BOTH, *dict.fromkeys(words)])
        drawings.append(figure(drawing, caption, "plot"))
    if drawings:
        yield tag("div", *drawings, class_="plots")


def _to(count: int, values: Sequence[float]) -> list[float | None]:
    """The first ``count`` values, None behind the last."""
    return [*values[:count], *[None] * (count - len(values))]


def _ended(*curves: tuple[float, ...]) -> int:
    """How many delays are shown: a few behind the last that is not zero."""
    last = max((k for values in curves for k, value in enumerate(values) if value > 0), default=0)
    return min(last + 4, max(map(len, curves)))


def _ranges(design: DesignAnalysis) -> Iterator[Markup]:
    yield table_html(tables.ranges_table(design), titled=False)
    proposals = tables.proposals_table(design)
    if proposals.rows:
        yield table_html(proposals)
    yield remark(
        "for ever: bounds for sequences of any length and any input of the input's format, with "
        "these weights. They change no format, width or cost by themselves."
    )
