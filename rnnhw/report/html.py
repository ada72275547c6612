"""The report as one HTML page that needs nothing else: no script, font or image from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from rnnhw.cost.figure_table import TILES, OperatingPoint
from rnnhw.cost.model import Report, fits_figure
from rnnhw.report import charts, tables
from rnnhw.report.drawing import network_drawing
from rnnhw.report.markup import Markup, joined, tag
from rnnhw.report.page import figure, page, remark, section, table_html, tables_html
from rnnhw.report.roofline import roofline, streamed_bits
from rnnhw.report.settings import settings_text
from rnnhw.report.status_letters import cell_html, status_legend
from rnnhw.report.table_cell import Cell, number, shown, tenths, worded, yes_or_no

__all__ = ["to_html"]


def to_html(report: Report) -> str:
    """The page; every text of the report is escaped.

    It is ASCII, so that it looks the same in whatever encoding it is written.
    """
    title = report.title or "untitled design"
    header = _header(report, title)
    return page(f"{title} - {report.target.title}", header, list(_sections(report)))


def _sections(report: Report) -> Iterator[tuple[str, Markup]]:
    yield section(
        "Summary",
        _tiles(report),
        tag(
            "div",
            *tables_html(tables.speed_table(report), tables.work_table(report)),
            class_="pair",
        ),
    )
    if report.run is not None:
        run = tables_html(tables.run_table(report), tables.errors_table(report))
        yield section("Accuracy and error", tag("div", *run, class_="pair"))
    drawing = network_drawing(report)
    if drawing:
        caption = (
            "on the right the words of a layer's vectors, and their format; in colour: layers "
            "with a state"
        )
        yield section("Network", figure(drawing, caption, "network"))
    layers = table_html(tables.layers_table(report), titled=False)
    yield section("Layers", layers, *tables_html(tables.lanes_table(report)), *_phases(report))
    timeline, plot = list(_timeline(report)), list(_roofline(report))
    if timeline:
        yield section("Timeline", *timeline)
    if plot:
        yield section("Roofline", *plot)
    yield section("Operations and traffic", *_work(report))
    yield section("Storage", *_storage(report))
    energies = tables_html(tables.energy_table(report), tables.energies_table(report))
    if energies:
        yield section("Energy", *energies)
    yield section("Word lengths", *_words(report))
    yield section("Assumptions", *_assumptions(report))
    yield section("Sources", *_sources(report))


# --- parts -------------------------------------------------------------------------------------
def _header(report: Report, title: str) -> Markup:
    fits = {True: "good", False: "bad", None: "open"}[report.fits]
    settings = settings_text(report.settings)
    first = ", ".join(tables.highlights(report))
    target = tag("p", f"on {report.target.title} ({report.target.profile})")
    return tag(
        "header",
        tag("h1", title),
        target,
        tag("p", tables.verdict(report), class_=f"verdict {fits}"),
        tag("p", first) if first else "",
        tag("p", f"with {settings}", class_="muted") if settings else "",
    )


def _tiles(report: Report) -> Markup:
    """The verdict, then the figures that are asked for first; those that are not known or do not
    exist on the target are left out."""
    point = report.operating_points[0] if report.operating_points else None
    tiles: list[tuple[str, Cell]] = []
    for line in TILES:
        at_clock = line.key in OperatingPoint.__struct_fields__
        if at_clock and point is None:
            continue
        figure = getattr(point if at_clock else report.totals, line.key)
        if line.stands(figure, report.totals) and figure.value is not None:
            name = line.row.heading
            if point is not None and at_clock:
                name += f" at {shown(point.clock_mhz).text} MHz"
            tiles.append((name, worded(line.row, figure)))
    known = point is not None and point.steps_per_second.value is not None
    rate, further = (tiles[:1], tiles[1:]) if known else ([_unknown_rate(report)], tiles)
    found = (
        tag("div", tag("dt", name), tag("dd", cell_html(cell)), class_="tile")
        for name, cell in (
            *_fits_tile(report),
            *rate,
            *_share_tiles(report),
            *_run_tiles(report),
            *further,
        )
    )
    return tag("dl", *found, class_="tiles")


def _fits_tile(report: Report) -> Iterator[tuple[str, Cell]]:
    fits = fits_figure(report)
    if fits.status != "not used":
        yield "fits", shown(yes_or_no(fits))


def _unknown_rate(report: Report) -> tuple[str, Cell]:
    why = tables.unknown_speed(report)
    return f"steps a second ({why})", Cell("not known", "not known")


def _run_tiles(report: Report) -> Iterator[tuple[str, Cell]]:
    """How well the network does in integers."""
    run = report.run
    if run is not None and run.measure:
        exact = run.figures.get(f"float_{run.measure}")
        beside = f", {shown(exact).text} in float" if exact else ""
        yield f"{run.measure.replace('_', ' ')}{beside}", shown(run.figures[run.measure])


def _share_tiles(report: Report) -> Iterator[tuple[str, Cell]]:
    """How full the device is."""
    for name, resource in tables.verdict_resources(report):
        used, capacity = shown(resource.used).text, shown(resource.capacity).text
        if resource.used.value is not None:
            yield f"{name}, {used} of {capacity}", tenths(resource.share, " %")
        else:
            yield f"{name}, of {capacity}", Cell("not known", "not known", resource.used.note)


def _phases(report: Report) -> Iterator[Markup]:
    table = tables.phases_table(report)
    if table.rows:
        yield table_html(table)
        yield tag("p", tables.CYCLE_FORMULA, class_="formula")


def _timeline(report: Report) -> Iterator[Markup]:
    drawing = charts.timeline_chart(report)
    if not drawing:
        return
    steps = 1 + max((span.step for span in report.timeline if span.step is not None), default=0)
    caption = f"the first {steps} steps, numbered where there is room" if steps > 1 else "one step"
    yield figure(drawing, f"{caption}, over cycles; cycle 0 brings the input's first element")


def _roofline(report: Report) -> Iterator[Markup]:
    points = roofline(report)
    if not points:
        return
    caption = (
        "flat: MACs a cycle that the lanes do; sloped: that a layer's weight memory feeds; points: "
        "the layers as numbered in the table"
    )
    axis = tag("p", "MACs a cycle", class_="axis")
    yield figure(joined(axis, charts.roofline_chart(report)), caption, "plot")
    streamed = streamed_bits(report)
    if streamed:
        clock = shown(report.operating_points[0].clock_mhz).text
        listed = "; ".join(f"{name}: {number(bits)}" for name, bits in streamed.items())
        yield remark(
            f"weight bits a cycle at {clock} MHz, were they streamed (dashed where that limits): "
            f"{listed}"
        )
    yield table_html(tables.roofline_table(report), titled=False)


def _work(report: Report) -> Iterator[Markup]:
    for parts, table, unit in (
        (tables.operations, tables.operations_table(report), "operations"),
        (tables.traffic, tables.traffic_table(report), "bits"),
    ):
        drawing = charts.stacked_bars(report, parts, unit)
        if drawing:
            yield tag("h3", table.title)
            yield drawing
            yield table_html(table, titled=False)


def _storage(report: Report) -> Iterator[Markup]:
    if report.resources:
        yield tag("h3", "Of the device")
        yield charts.resource_meters(report)
    memories = charts.memory_bars(report)
    if memories:
        yield tag("h3", "By memory")
        yield memories
    pair = tables_html(tables.storage_table(report), tables.resources_table(report))
    yield tag("div", *pair, class_="pair")


def _words(report: Report) -> Iterator[Markup]:
    bars = charts.word_bars(report.signals)
    legend = (
        tag("li", tag("i", class_=f"key {name}"), text)
        for name, text in (("sign", "sign"), ("whole", "integer bits"), ("part", "fraction bits"))
    )
    yield tag("ul", *legend, class_="legend")
    drawings = "bits around the binary point", bars
    yield table_html(tables.words_table(report), drawings, titled=False)
    yield remark("lowest and highest: what formats and the number of terms allow, any weights")


def _assumptions(report: Report) -> Iterator[Markup]:
    yield tag(
        "ul", *(tag("li", note) for note in tables.notes(report, starred=False)), class_="notes"
    )


def _sources(report: Report) -> Iterator[Markup]:
    yield table_html(tables.sources_table(report), titled=False)
    yield tag("div", table_html(tables.files_table(report)), class_="files")
    yield status_legend()
