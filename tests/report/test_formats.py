"""CSV, Markdown and HTML: the figures of the report, the text of the design, nothing else."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from helpers.machines import FORMATS, elman, head
from helpers.paths import DESIGNS
from helpers.schemas import valid

from rnnhw import Design, Elman, Last, Linear, Q, Window, load
from rnnhw.accelerator import accelerator
from rnnhw.cli import main
from rnnhw.cost.estimation import estimate
from rnnhw.cost.figure import Figure
from rnnhw.cost.model import ExternalMemoryReport, Report, report_fields
from rnnhw.cost.processor import LayerProcessor, Processor
from rnnhw.cost.timeline import processor_spans
from rnnhw.report import report_schema, to_csv, to_html, to_json, to_markdown, to_text
from rnnhw.report.roofline import roofline, streamed_bits

FOLDER = DESIGNS
FILES = sorted(path.stem for path in FOLDER.glob("*.py"))
PROFILES = ["ecp5-25", "zynq-7020", "cortex-m4"]
RENDERERS = {"csv": to_csv, "markdown": to_markdown, "html": to_html, "text": to_text}


@cache
def report_of(name: str, profile: str) -> Report:
    """A shipped design at 48 MHz."""
    return estimate(load(FOLDER / f"{name}.py"), profile, clock_mhz=48)


every_report = pytest.mark.parametrize(
    ("name", "profile"), [(name, profile) for name in FILES for profile in PROFILES]
)
some_reports = pytest.mark.parametrize(
    ("name", "profile"),
    [("speaker_lstm", "ecp5-25"), ("deep_stack_head", "zynq-7020"), ("narma10", "cortex-m4")],
)


def test_there_are_designs_on_accelerators_and_on_a_core() -> None:
    kinds = [report_of(name, profile).target.kind for name in FILES for profile in PROFILES]
    assert len(FILES) >= 20
    assert kinds.count("fpga") == 2 * kinds.count("microcontroller") == 2 * len(FILES)


# --- JSON --------------------------------------------------------------------------------------
@every_report
def test_reports_of_all_designs_are_valid(name: str, profile: str) -> None:
    value = json.loads(to_json(report_of(name, profile)))
    valid(value, report_schema)
    assert value["files"]["design"]["name"] == f"{name}.py"


def test_the_schema_says_how_figures_are_known() -> None:
    figure = report_schema()["$defs"]["Figure"]["properties"]["status"]["enum"]
    assert {"measured", "derived", "second-hand", "not known"} <= set(figure)


def test_files_are_named_by_their_contents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER.parent)  # a relative path is what users type
    files = estimate(load("designs/speaker_lstm.py"), "ecp5-25").files
    shipped = {
        "design": FOLDER / "speaker_lstm.py",
        "weights": FOLDER / "speaker_lstm.npz",
        "data": FOLDER / "data" / "japanese_vowels.npz",
    }
    for kind, path in shipped.items():
        file = getattr(files, kind)
        assert file.name == path.name
        assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert files.profile is not None and files.profile.name == "ecp5-25.toml"
    assert report_of("adder_tridiagonal", "ecp5-25").files.data is None
    bare = estimate(elman(4), "ecp5-25").files
    assert (bare.design, bare.weights, bare.data) == (None, None, None)


# --- word lengths ------------------------------------------------------------------------------
def test_ranges_follow_from_formats_by_hand() -> None:
    report = report_of("adder_tridiagonal", "ecp5-25")
    signals = {signal.name: signal for signal in report.signals}
    state = signals["rnn.state"]  # Q(0, 8, signed=False)
    assert (state.width_bits, state.resolution) == (8, 2**-8)
    assert (state.lowest, state.highest) == (0, 255 / 256)
    weight = 127 / 16  # Q(3, 4): -8 to 7.9375
    inputs = signals["rnn.Wx"]  # two bits of 0 or 1, and a bias
    assert (inputs.lowest, inputs.highest) == (-3 * 8, 3 * weight)
    total = signals["rnn.Uh"]  # three diagonals of states
    assert total.lowest == -3 * 8 - 3 * 8 * 255 / 256
    assert total.highest == 3 * weight + 3 * weight * 255 / 256
    assert total.format_lowest <= total.lowest and total.highest <= total.format_highest
    assert signals["rnn.U"].kind == "tensor" and signals["rnn.U"].units == 48


def test_a_cast_product_has_a_word() -> None:
    formats = replace(FORMATS, product=Q(2, 3), accumulator=Q(4, 5))
    design = Design(layers=[Linear(3, name="out")], formats=formats, inputs=2)
    signals = {s.name: s for s in estimate(design, "ecp5-25").signals}
    product = signals["out.Wx.product"]
    assert (product.kind, product.format, product.width_bits) == ("product", "Q(2, 3)", 6)
    assert (product.lowest, product.highest) == (-4, 31 / 8)


@every_report
def test_words_hold_what_they_may_have_to(name: str, profile: str) -> None:
    for signal in report_of(name, profile).signals:
        assert signal.format_lowest <= signal.lowest <= signal.highest <= signal.format_highest
        assert signal.integer_bits + signal.fraction_bits + signal.signed == signal.width_bits


# --- timeline ----------------------------------------------------------------------------------
@every_report
def test_layers_work_on_one_step_at_a_time(name: str, profile: str) -> None:
    report = report_of(name, profile)
    cycles = {layer.name: layer.cycles_per_step.value for layer in report.layers}
    if report.target.kind == "fpga":
        assert report.timeline
    for layer, length in cycles.items():
        spans = [span for span in report.timeline if span.layer == layer]
        assert all(span.end_cycle - span.start_cycle == length for span in spans)
        for before, after in pairwise(spans):
            assert before.step is not None
            assert after.step == before.step + 1
            assert after.start_cycle >= before.end_cycle


def test_a_whole_short_sequence_ends_when_the_report_says() -> None:
    layers = [Elman(6, name="a"), Elman(4, name="b"), Last(), Linear(2, name="out")]
    design = Design(layers=layers, formats=FORMATS, inputs=3, max_steps=4)
    report = estimate(design, "ecp5-25", lanes=2)
    spans = {(span.layer, span.step): span for span in report.timeline}
    assert len(spans) == len(report.timeline) == 4 + 4 + 1
    assert max(span.end_cycle for span in spans.values()) == report.totals.cycles_per_sequence.value
    assert spans["a", 0].start_cycle == 3  # a cycle an input element
    for step in range(4):
        assert spans["b", step].start_cycle >= spans["a", step].end_cycle
    assert spans["out", None].start_cycle == spans["b", 3].end_cycle


def test_of_a_long_sequence_the_first_steps_are_those_of_the_whole() -> None:
    report = report_of("deep_stack_head", "ecp5-25")
    machine = accelerator(load(FOLDER / "deep_stack_head.py").network, 2)
    names = [layer.name for layer in machine.layers]
    shown = [(names.index(s.layer), s.step, s.start_cycle, s.end_cycle) for s in report.timeline]
    whole = {(s.index, s.step, s.start, s.end) for s in machine.spans(29)}
    assert len(shown) > 100
    assert whole >= set(shown)
    assert "head" not in {span.layer for span in report.timeline}


def test_on_a_core_one_layer_follows_the_other() -> None:
    def layer(name: str, cycles: int, *, once: bool = False) -> LayerProcessor:
        return LayerProcessor(name, once, 1, "cycles", cycles, False, {}, 0, ())

    core = Processor((layer("a", 5), layer("b", 7), layer("c", 3, once=True)), "cycles")
    spans = processor_spans(core, 2)
    found = [(s.layer, s.step, s.start_cycle, s.end_cycle) for s in spans]
    assert found == [
        ("a", 0, 0, 5),
        ("a", 1, 12, 17),
        ("b", 0, 5, 12),
        ("b", 1, 17, 24),
        ("c", None, 24, 27),
    ]
    assert processor_spans(Processor(core.layers, "instructions"), 2) == ()


# --- what can be recomputed by hand --------------------------------------------------------------
@every_report
def test_cycles_follow_from_the_printed_terms(name: str, profile: str) -> None:
    for layer in report_of(name, profile).layers:
        total = 0
        for phase in layer.phases:
            last = phase.rows - (phase.groups - 1) * max(phase.lanes, 1)
            rows = (phase.groups - 1) * phase.group_interval_cycles + phase.columns
            depth = 7 + last - 1 + phase.post_processor_depth_cycles
            assert phase.cycles == phase.transform_cycles + rows + depth
            total += phase.cycles
        if layer.phases:
            assert layer.cycles_per_step.value == total


@every_report
def test_no_layer_is_above_its_roof(name: str, profile: str) -> None:
    report = report_of(name, profile)
    points = roofline(report)
    weighted = [layer for layer in report.layers if layer.traffic.get("weight_read_bits")]
    assert [point.layer for point in points] == [layer.name for layer in weighted]
    for point in points:
        assert 0 < point.macs_per_cycle <= point.bound * (1 + 1e-12)


def test_a_roof_by_hand() -> None:
    # 4 units behind 8 inputs: 12 columns of 2 lanes of 8 bits, in 2 groups of rows.
    (point,) = roofline(estimate(elman(4), "ecp5-25", lanes=2))
    assert (point.lanes, point.port_bits, point.macs_per_bit) == (2, 16, 48 / (2 * 12 * 16))
    assert point.bound == 2


def test_streaming_is_bits_a_cycle() -> None:
    memory = ExternalMemoryReport(name="DDR", peak_mb_per_second=Figure(600, "vendor", "a sheet"))
    report = estimate(elman(4), "ecp5-25", clock_mhz=48)
    changed = msgspec.structs.replace(report, external_memories=(memory,))
    assert streamed_bits(changed) == {"DDR": 100.0}
    assert "DDR: 100" in _text(to_html(changed))
    assert "streamed" not in _text(to_html(report))


# --- CSV ---------------------------------------------------------------------------------------
UNITS = re.compile(
    r"(^|_|\.)(lanes|cycles|instructions|macs|bits|reads|writes|multiplies|adds|shifts|lookups"
    r"|comparisons|requantisations|fraction|blocks|rams|luts|flops)(_per_step)?$"
    r"|_(read|write)_bits$|^lane_cycles\.|steps"
)


@every_report
def test_csv_has_a_row_a_layer_with_the_figures_of_the_report(name: str, profile: str) -> None:
    report = report_of(name, profile)
    rows = list(csv.DictReader(io.StringIO(to_csv(report))))
    fields = report_fields(report)
    assert [row["layer"] for row in rows] == [layer.name for layer in report.layers]
    assert {row["profile"] for row in rows} == {report.target.profile}
    compared = 0
    for row in rows:
        for column, text in row.items():
            known = fields.get(f"{row['layer']}.{column.removesuffix('_fraction')}")
            if known is not None:
                assert text == str(known), column
                compared += 1
    names = [column for column in fields if column.startswith(f"{rows[0]['layer']}.")]
    assert compared >= len(names) > 20


@every_report
def test_every_number_in_csv_has_a_unit_and_integers_stay(name: str, profile: str) -> None:
    for row in csv.DictReader(io.StringIO(to_csv(report_of(name, profile)))):
        for column, text in row.items():
            numeric = re.fullmatch(r"-?[\d.e+-]+", text)
            if numeric and not column.endswith(("_version", "_sha256")):
                assert UNITS.search(column), column
                assert column == "utilisation_fraction" or re.fullmatch(r"\d+", text), column


@pytest.mark.parametrize("format", RENDERERS)
def test_every_format_says_what_it_was_made_from(format: str) -> None:
    report = report_of("speaker_lstm", "ecp5-25")
    shown = RENDERERS[format](report)
    assert report.rnnhw_version in shown
    for kind in report.files.__struct_fields__:
        assert getattr(report.files, kind).sha256[: 16 if format == "text" else 64] in shown


def test_csv_tells_unknown_from_unused() -> None:
    (row,) = csv.DictReader(io.StringIO(to_csv(estimate(elman(600), "cortex-m4"))))
    assert row["cycles_per_step"] == "not known"
    assert row["luts"] == "" and row["lanes"] == ""
    (row,) = csv.DictReader(io.StringIO(to_csv(estimate(head(4, 4), "zynq-7020", clock_mhz=1))))
    assert row["instructions_per_step"] == ""


# --- Markdown ----------------------------------------------------------------------------------
def _cells(line: str) -> list[str]:
    return re.split(r"(?<!\\)\|", line.strip())[1:-1]


@every_report
def test_markdown_tables_are_whole(name: str, profile: str) -> None:
    text = to_markdown(report_of(name, profile))
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) >= 7
    for table in tables:
        lines = [_cells(line) for line in table.splitlines()]
        assert len({len(line) for line in lines}) == 1
        assert all(set(cell.strip()) <= {"-", ":"} and "---" in cell for cell in lines[1])
        assert len(lines) > 2
    assert text.startswith("## ") and "\n\n\n" not in text and text.endswith(" |\n")
    assert all(not line.endswith(" ") or line.endswith("  ") for line in text.splitlines())


def test_markdown_says_what_text_says() -> None:
    markdown = to_markdown(report_of("speaker_lstm", "zynq-7020"))
    for line in (
        "fits: yes",
        "RAMB18E1",
        "1,432",
        r"280 \*",
        "second-hand",
    ):
        assert line in markdown


HOSTILE = "<b>&amp;|*x*_y_`z`[l](u)@me$1$\\"


def hostile() -> Report:
    design = Design(layers=[Elman(4, name=HOSTILE)], formats=FORMATS, inputs=2)
    loaded = replace(design, title=HOSTILE, settings={"name": f"{HOSTILE}\n# heading"})
    return estimate(loaded, "ice40up5k")


def test_markdown_escapes_everything() -> None:
    text = to_markdown(hostile())
    escaped = r"&lt;b>&amp;amp;\|\*x\*\_y\_\`z\`\[l\](u)&#64;me\$1\$\\"
    assert text.count(escaped) > 20
    for unescaped in ("<b>", "|*", "*x*", "`z`", "[l]", "@me", "$1$", "\n# heading"):
        assert unescaped not in text


# --- HTML --------------------------------------------------------------------------------------
VOID = {"meta", "br", "wbr"}


class _Page(HTMLParser):
    """The elements in order; every opened one must be closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def _text(page: str) -> str:
    return "".join(_Page(page).text)


@every_report
def test_html_is_well_formed_and_self_contained(name: str, profile: str) -> None:
    page = to_html(report_of(name, profile))
    tags = _Page(page).tags
    names = {tag for tag, _ in tags}
    assert page.isascii() and page.startswith("<!DOCTYPE html>")
    assert not names & {"script", "link", "img", "iframe", "object", "image", "use", "base"}
    style = page.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style and "@import" not in style and "<" not in style
    for _, attributes in tags:
        assert not {key for key in attributes if key.startswith("on") or key in ("src", "srcset")}
        assert (attributes.get("href") or "#").startswith("#")
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    links = [(attributes["href"] or "")[1:] for tag, attributes in tags if tag == "a"]
    assert sorted(ids) == sorted(set(ids)) == sorted(links)
    drawn = bool(report_of(name, profile).timeline)
    assert len(ids) == (10 if drawn else 8)


@every_report
def test_html_draws_within_its_bounds(name: str, profile: str) -> None:
    """Whatever is placed in per cent begins and ends inside."""
    tags = _Page(to_html(report_of(name, profile))).tags
    placed = 0
    for tag, attributes in tags:
        where = {
            key: float((attributes.get(key) or "0").removesuffix("%"))
            for key in ("x", "x1", "x2", "cx", "width")
            if (attributes.get(key) or "").endswith("%")
        }
        style = dict(part.split(":") for part in (attributes.get("style") or "").split(";") if part)
        for key, value in style.items():
            assert key in ("left", "width") and value.endswith("%")
            where[key] = float(value[:-1])
        if tag not in ("svg", "html"):
            assert all(-0.01 <= value <= 100.01 for value in where.values()), attributes
            assert where.get("x", where.get("left", 0)) + where.get("width", 0) <= 100.01
            placed += bool(where)
    assert placed > 10


@some_reports
def test_html_has_the_figures_and_their_sources(name: str, profile: str) -> None:
    report = report_of(name, profile)
    text = _text(to_html(report))
    for layer in report.layers:
        assert layer.name in text and f"{layer.macs_per_step:,}" in text
        for memory in layer.memories:
            assert f"{memory.depth_words} x {memory.width_bits}" in text
        for assumption in layer.assumptions:
            assert f"{layer.name}: {assumption}" in text
    for signal in report.signals:
        assert signal.name in text and signal.format in text
    for note in report.notes:
        assert note in text
    for resource in report.resources:
        assert resource.capacity.note in text
    for file in (
        report.files.design,
        report.files.weights,
        report.files.data,
        report.files.profile,
    ):
        assert file is None or (file.name in text and file.sha256 in text)
    assert f"rnnhw {report.rnnhw_version}" in text


def test_html_draws_every_step_of_the_timeline() -> None:
    report = report_of("deep_stack_head", "ecp5-25")
    text = _text(to_html(report))
    assert len(report.timeline) > 100
    for span in report.timeline:
        assert span.step is not None
        step = f"{span.layer}, step {span.step + 1}: "
        assert f"{step}cycles {span.start_cycle:,} to {span.end_cycle:,}" in text
    assert "after the last step" in text


def test_html_has_no_section_without_a_drawing() -> None:
    text = _text(to_html(report_of("narma10", "cortex-m4")))
    assert "Timeline" not in text and "Roofline" not in text
    whole = _text(to_html(report_of("speaker_lstm", "ecp5-25")))
    assert "Timeline" in whole and "Roofline" in whole


def test_html_draws_the_network() -> None:
    text = _text(to_html(report_of("deep_stack_head", "ecp5-25")))
    for words in ("rnn1 - rnn3", "3 x Elman, dense", "5 x Linear", "sum over time"):
        assert words in text
    assert "8 bits, Q(0, 7)" in text
    report = report_of("speaker_lstm", "ecp5-25")
    found = [(node.name, node.kind, node.units, node.state) for node in report.network]
    assert found == [
        ("input", "input", 12, 0),
        ("rnn", "LSTM", 32, 64),
        ("last1", "last step", 32, 0),
        ("head", "Linear", 9, 0),
    ]
    assert "<h2>Network" in to_html(report)
    assert "<h2>Network" not in to_html(msgspec.structs.replace(report, network=()))


def test_html_says_first_whether_it_fits() -> None:
    text = _text(to_html(report_of("speaker_lstm", "ecp5-25")))
    tiles = ["yesfits", "steps a second at 48 MHz", "block RAM, 8 of 56", "DSP, 11 of 28"]
    places = [text.replace("fits: yes", "").index(tile.removeprefix("yes")) for tile in tiles]
    assert places == sorted(places)


def test_html_escapes_everything() -> None:
    page = to_html(hostile())
    tags = _Page(page)
    assert "<b>" not in page and "b" not in {tag for tag, _ in tags.tags}
    assert "".join(tags.text).count(HOSTILE) > 20


def test_html_escapes_attributes() -> None:
    report = hostile()
    quoted = Figure(None, "not known", '"><script>')
    totals = msgspec.structs.replace(report.totals, lanes=quoted)
    page = to_html(msgspec.structs.replace(report, totals=totals))
    titles = [attributes.get("title") for _, attributes in _Page(page).tags]
    assert titles.count('"><script>') == 1 and "<script" not in page


def test_a_design_that_does_not_fit_says_so_in_every_format() -> None:
    report = estimate(elman(600), "ice40up5k", lanes=9)
    assert report.fits is False
    for render in (to_text, to_markdown, to_html):
        assert "fits: no" in render(report)
    assert 'class="used over" style="width:100%"' in to_html(report)


def test_a_window_of_one_layer_and_no_deadline() -> None:
    design = Design(layers=[Window(3), Linear(2, name="out")], formats=FORMATS, inputs=1)
    page = _text(to_html(estimate(design, "ecp5-25")))
    assert "deadline" not in page


# --- all formats -------------------------------------------------------------------------------
@pytest.mark.parametrize("format", RENDERERS)
def test_the_same_design_gives_the_same_bytes_in_any_folder(format: str, tmp_path: Path) -> None:
    outputs = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        copy = tmp_path / folder / "adder_tridiagonal.py"
        copy.write_bytes((FOLDER / copy.name).read_bytes())
        outputs.append(RENDERERS[format](estimate(load(copy))))
    assert outputs[0] == outputs[1]
    assert str(tmp_path) not in outputs[0]


ADDER = str(FOLDER / "adder_tridiagonal.py")
SUFFIXES = {"text": "txt", "csv": "csv", "markdown": "md", "json": "json", "html": "html"}


@pytest.mark.parametrize("format", SUFFIXES)
def test_the_suffix_chooses_the_format(
    format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"report.{SUFFIXES[format]}"
    assert main(["report", ADDER, "-o", str(file)]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["report", ADDER, "--format", format]) == 0
    assert capsys.readouterr() == (file.read_text(), "")
    assert main(["report", ADDER, "--format", format, "-o", str(tmp_path / "x.dat")]) == 0
    assert (tmp_path / "x.dat").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("format", SUFFIXES)
def test_a_contradiction_is_refused(
    format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for other in SUFFIXES.keys() - {format}:
        file = tmp_path / f"report.{SUFFIXES[other]}"
        assert main(["report", ADDER, "--format", format, "-o", str(file)]) == 2
        out, err = capsys.readouterr()
        assert out == "" and f"--format {format} contradicts the suffix" in err
        assert not file.exists()


@pytest.mark.parametrize("format", SUFFIXES)
def test_bounds_are_judged_in_every_format(format: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", ADDER, "--format", format, "--max", "cycles_per_step=1"]) == 1
    out, err = capsys.readouterr()
    assert out and err.startswith("error: cycles_per_step is 40, --max 1")


@some_reports
def test_a_unit_has_one_spelling(name: str, profile: str) -> None:
    page = to_html(report_of(name, profile))
    assert re.search(r"<dt>[^<]*, us\b", page)
    assert "&#181;" not in page and "\N{MICRO SIGN}" not in page
