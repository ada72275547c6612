"""The benchmark against published accelerators: its data, its arithmetic, its table in README.md.

No network and none of the other tools: what they count is measured, not tested.
"""

import importlib.util
import math
import sys
import tomllib

import msgspec
import pytest
from helpers.paths import BENCHMARKS

from rnnhw import GRU, LSTM, Design, DesignError, Formats, Q, estimate

FOLDER = BENCHMARKS


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location(
        "benchmark_accelerators", FOLDER / "accelerators.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and msgspec look there
    yield spec.loader.exec_module(module) or module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def data(bench):
    return bench.load_data()


@pytest.fixture(scope="module")
def found(bench, data):
    return list(bench.estimates(data))


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    yield importlib.import_module("tools.table")
    for name in [name for name in sys.modules if name.split(".")[0] == "tools"]:
        del sys.modules[name]


# --- data ----------------------------------------------------------------------------------------
NAMES = {"ESE", "C-LSTM", "DeltaRNN", "EdgeDRNN", "Spartus", "HLS pipelines", "Chipmunk"}


def test_every_figure_has_a_source_and_a_status(bench, data):
    listed = {each.name for each in (*data.architectures, *data.not_estimated)}
    assert listed >= NAMES and any("Qian" in name for name in listed)
    for figure in data.figures:
        assert data.sources[figure.source].text and figure.status in bench.STATUSES
    raw = tomllib.loads((FOLDER / "accelerators.toml").read_text(encoding="utf-8"))
    values = [each for each in _tables(raw) if "value" in each]
    assert len(values) == len(data.figures)
    assert all({"unit", "source", "status"} <= set(value) for value in values)


def _tables(part):
    if isinstance(part, dict):
        yield part
    for inner in (
        part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    ):
        yield from _tables(inner)


def test_what_is_unconfirmed_names_no_text(data):
    """A figure from a source that could be read is never filed under the notes without one."""
    for figure in data.figures:
        if figure.source == "handed-down":
            assert figure.status == "unconfirmed"


def _broken(data, change):
    raw = msgspec.to_builtins(data)
    change(raw)
    return raw


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: _first(d)["lanes"].pop("status"), "missing required field `status`"),
        (lambda d: _first(d)["lanes"].pop("source"), "missing required field `source`"),
        (lambda d: _first(d)["lanes"].update(status="sure"), "Invalid enum value 'sure'"),
        (lambda d: _first(d)["lanes"].update(source="a rumour"), "a rumour"),
        (lambda d: _first(d)["lanes"].update(value=0), "a value of 0"),
        (lambda d: _first(d)["lanes"].update(value=1.5), "lanes must be whole"),
        (lambda d: _first(d)["lanes"].update(unit=" "), "without a unit"),
        (lambda d: _first(d)["lanes"].update(status="derived"), "must say from what"),
        (lambda d: _first(d)["published"].update(unit="fortnights"), "no estimate of 'fortnights'"),
        (lambda d: _first(d)["published"].update(unit="GOp/s"), "'GOp/s' needs clock"),
        (lambda d: _first(d)["published"].update(unit="us a sequence"), "needs clock"),
        (lambda d: _first(d).update(colour="red"), "unknown field `colour`"),
        (lambda d: d["architectures"][0].update(calibrated_on="x"), "which is no point"),
        (lambda d: d["architectures"][0].update(one_engine=False), "one engine only"),
        (lambda d: d["architectures"][0].update(points=[]), "points must exist"),
        (lambda d: d["sources"].update(unused={"text": "x"}), "unused"),
        (lambda d: d["sources"]["ese"].update(text=" "), "a source without text"),
    ],
)
def test_broken_data_is_an_error(bench, data, tmp_path, monkeypatch, change, message):
    raw = _broken(data, change)
    monkeypatch.setattr(bench.tomllib, "loads", lambda text: raw)
    file = tmp_path / "x.toml"
    file.write_text("")
    with pytest.raises(DesignError, match=r"x\.toml: ") as caught:
        bench.load_data(file)
    assert message in str(caught.value)


def _first(raw):
    return raw["architectures"][0]["points"][0]


def test_a_missing_or_unreadable_file_is_an_error(bench, tmp_path):
    with pytest.raises(DesignError, match="No such file"):
        bench.load_data(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("= 1")
    with pytest.raises(DesignError, match=r"bad\.toml"):
        bench.load_data(tmp_path / "bad.toml")


# --- arithmetic ----------------------------------------------------------------------------------
WORDS = Formats(
    input=Q(0, 15), weight=Q(0, 7), sum=Q(3, 8), state=Q(0, 15), cell=Q(3, 12)
)  # fmt: skip


@pytest.mark.parametrize(
    ("architecture", "point", "layers", "inputs", "lanes"),
    [
        ("EdgeDRNN", "GRU 8 to 32", [GRU(32, name="a")], 8, 8),
        ("EdgeDRNN", "GRU 40 to 64, 2 layers", [GRU(64, name="a"), GRU(64, name="b")], 40, 8),
        ("DeltaRNN", "GRU 39 to 256", [GRU(256, name="a")], 39, 768),
        ("Spartus", "LSTM 123 to 1024", [LSTM(1024, name="a")], 123, 512),
    ],
)
def test_the_machines_figure_is_the_reports(
    found, data, architecture, point, layers, inputs, lanes
):
    """Recomputed by `estimate`, which users call, in the unit of the published figure."""
    design = Design(layers=layers, formats=WORDS, inputs=inputs)
    clock = {"DeltaRNN": 125, "Spartus": 200}.get(architecture, 100)
    report = estimate(design, "alveo-u250", clock_mhz=clock, lanes=lanes)
    cycles = sum(layer.cycles_per_step.value for layer in report.layers)
    ours = {
        "cycles a step": cycles,
        "us a step": cycles / clock,
        "GOp/s": 2 * report.totals.macs_per_step.value * clock * 1e6 / cycles / 1e9,
    }
    each = next(e for e in found if (e.architecture, e.point) == (architecture, point))
    assert each.machine == pytest.approx(ours[each.unit], rel=1e-12)
    error = 100 * (each.machine / each.published - 1)
    assert each.machine_error_percent == pytest.approx(error, abs=1e-9)


def test_the_bound_by_hand(found):
    bound = {(each.architecture, each.point): each.bound for each in found}
    macs = 4 * 1024 * (1024 + 123)
    assert bound["Spartus", "LSTM 123 to 1024"] == math.ceil(macs / 512) / 200
    # 506 = 3 x 32 x (8 + 32) / 8 + 26, and 26 cycles a layer elsewhere.
    assert bound["EdgeDRNN", "GRU 8 to 32"] == 480 + 26
    assert bound["EdgeDRNN", "GRU 8 to 16, 2 layers"] == 144 + 192 + 2 * 26
    # All recurrent products at once, then the 10 cycles of the other tool: 20 steps at 200 MHz.
    assert bound["HLS pipelines", "hls4ml static, LSTM 6 to 20"] == (1 + 10) * 20 / 200
    # Both directions of a rate: 32 sequences on 32 lanes are 1024 multiplications a cycle.
    assert bound["ESE", "LSTM 153 to 1024"] == pytest.approx(2 * 1024 * 200e6 / 1e9)


def test_at_most_one_constant_an_architecture(found):
    for name in {each.architecture for each in found}:
        roles = [each.role for each in found if each.architecture == name]
        constants = {each.constant for each in found if each.architecture == name}
        assert roles.count("calibrates") <= 1 and len(constants) == 1
        assert roles.count("") in (0, len(roles))
        if "" in roles:
            assert constants == {0.0}
        else:
            assert roles.count("test") >= 2


def test_the_point_that_calibrates_has_no_error(found):
    calibrating = [each for each in found if each.role == "calibrates"]
    assert len(calibrating) == 2
    assert all(each.bound == each.published for each in calibrating)


def test_units_convert_there_and_back(bench, data):
    units = set()
    for architecture in data.architectures:
        for point in architecture.points:
            cycles = bench.published_cycles(architecture, point, 1000)
            value = bench.in_unit(architecture, point, cycles, 1000)
            assert value == pytest.approx(point.published.value, rel=1e-12)
            units.add(point.published.unit)
    assert units == set(bench.Unit.__args__)


def test_an_estimate_is_no_surer_than_its_weakest_figure(bench, found):
    weakest = {each.architecture: each.weakest for each in found}
    assert weakest["EdgeDRNN"] == "simulated" and weakest["ESE"] == "unconfirmed"
    assert bench.STATUSES.index("read") < bench.STATUSES.index("unconfirmed")


# --- what is printed ------------------------------------------------------------------------------
def test_the_tables_in_the_readme_are_those_of_today(bench, data, found):
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert bench.estimates_table(found) in readme
    assert bench.not_estimated_table(data) in readme
    assert bench.abouts(data) in readme


def test_every_figure_is_listed_once(bench, data):
    lines = bench.figures_table(data).splitlines()[2:]
    assert len(lines) == len(set(lines))
    assert all(f"| {figure.source} |" in "\n".join(lines) for figure in data.figures)


# --- tools ---------------------------------------------------------------------------------------
def test_a_tool_that_is_missing_or_fails_is_a_row(tools, monkeypatch, tmp_path):
    (tmp_path / "raises_when_run.py").write_text(
        "def measure(folder):\n    print('noise')\n    raise ValueError('first\\nlast')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    rows = tools.measure_all(
        [tools.Tool("no-such-package-of-rnnhw", "x"), tools.Tool("pytest", "raises_when_run")]
    )
    assert [row.tool for row in rows] == ["rnnhw", "no-such-package-of-rnnhw", "pytest"]
    assert rows[1].note == "not installed"
    assert rows[2].note == "failed: ValueError: last" and rows[2].version == pytest.__version__
    table = tools.tools_table(rows)
    assert "not installed" in table and "ValueError" in table and "not given" not in table
    assert len(tools.ratios_table(rows).splitlines()) == 2  # only the head: nothing was counted


def test_our_row_is_the_reports(tools):
    row = tools.measure_all([])[0]
    gates, macs = 4 * 64, 4 * 64 * (16 + 64)
    assert row.macs == row.weight_bytes == macs
    # Element-wise: 3 products and 1 sum a unit; a look-up for every gate and the cell.
    assert row.other == 64 * (3 + 1) + gates + 64
    # x once, h (1 byte) and c (2 bytes) read and written.
    assert row.vector_bytes == 16 + 2 * 64 * (1 + 2)
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert tools.tools_table([row]).splitlines()[-1] in readme


def test_zeros_and_what_is_not_given_differ(tools):
    ours = tools.Row("rnnhw", "it", macs=200, other=10, weight_bytes=50, vector_bytes=40, cycles=9)
    other = tools.Row("t", "it", macs=100, other=0, vector_bytes=60)
    last = tools.tools_table([ours, other]).splitlines()[-1]
    assert last == "| t | it | 100 | 0 | not given | 60 | not given |  |"
    assert tools.ratios_table([ours, other]).splitlines()[-1] == "| t | it | 0.50 | 0 |  | 1.50 |"
