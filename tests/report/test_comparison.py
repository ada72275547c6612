"""Reports side by side: every figure against the report that it came from, and every ratio."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import msgspec
import pytest
from helpers.machines import FORMATS, elman, head
from helpers.paths import DESIGNS

import rnnhw
from rnnhw import (
    Design,
    DesignError,
    Elman,
    RnnhwError,
    UsageError,
    compare_costs,
    compare_reports,
    estimate,
    load,
)
from rnnhw.cost.figure import Figure, not_known
from rnnhw.cost.model import SCHEMA_ID, Report, report_fields
from rnnhw.execution.engine import _engine
from rnnhw.execution.simulate import simulate
from rnnhw.report import comparison as rendering
from rnnhw.report import to_json
from rnnhw.report.comparison.model import (
    COMPARISON_SCHEMA_ID,
    Candidate,
    ColumnCheck,
    Comparison,
    Scores,
    compare_candidates,
)
from rnnhw.report.saved import read_report
from rnnhw.report.table_cell import ratio
from rnnhw.study import scores as comparison

FOLDER = DESIGNS
SPEAKERS = sorted(FOLDER.glob("speaker_*.py"))
LSTM, TRIDIAGONAL, MEAN = (
    FOLDER / f"speaker_{name}.py" for name in ("lstm", "tridiagonal", "mean")
)
ADDER = FOLDER / "adder_tridiagonal.py"
RENDERERS = {
    "text": rendering.to_text,
    "csv": rendering.to_csv,
    "markdown": rendering.to_markdown,
    "json": lambda found: rendering.to_json(found).decode(),
    "html": rendering.to_html,
}
MIXED = ["ice40up5k", "ecp5-25", "cortex-m4", "asic-45nm", "gw1nr-9"]


def mixed() -> Comparison:
    return compare_costs([LSTM, TRIDIAGONAL, MEAN], profiles=MIXED, minimum={"macs_per_step": 100})


def save(report: Report, path: Path) -> Path:
    path.write_bytes(to_json(report))
    return path


def figures(found: Comparison, name: str) -> list[object]:
    row = found.row(name)
    assert row is not None, name
    return [entry.figure.value for entry in row.entries]


def ratios(found: Comparison, name: str) -> list[float | None]:
    row = found.row(name)
    assert row is not None, name
    return [entry.ratio for entry in row.entries]


# --- figures -----------------------------------------------------------------------------------
def test_every_figure_is_the_reports() -> None:
    profiles = ["ice40up5k", "cortex-m4"]
    found = compare_costs(SPEAKERS, profiles=profiles)
    assert len(found.columns) == 2 * len(SPEAKERS) >= 18
    reports = [estimate(load(file), profile) for file in SPEAKERS for profile in profiles]
    compared = 0
    for index, report in enumerate(reports):
        known = report_fields(report)
        for row in found.rows:
            entry = row.entries[index]
            if entry.figure.value is None:
                assert row.name not in known, row.name
            elif row.name in known and row.name != "fits":
                assert entry.figure.value == known[row.name]
                compared += 1
        plain = {name for name in known if "." not in name}
        assert plain <= {row.name for row in found.rows}
        assert figures(found, "fits")[index] == {True: "yes", False: "no", None: None}[report.fits]
        assert found.columns[index].files == report.files
    assert compared > 20 * len(reports)


def test_rows_come_in_the_order_in_which_an_engineer_asks() -> None:
    wanted = [
        "fits", "steps_per_second", "cycles_per_step", "step_latency_us", "utilisation",
        "bound_by", "macs_per_step", "weight_bits", "state_bits", "dsp_blocks", "block_rams",
        "luts", "flip_flops", "flash_bytes", "ram_bytes", "energy_per_step_pj",
    ]  # fmt: skip
    names = [row.name for row in mixed().rows]
    assert [name for name in names if name in wanted] == wanted
    assert len(names) == len(set(names))


def test_what_does_not_apply_is_told_from_what_is_not_known() -> None:
    found = compare_costs([LSTM], profiles=["zynq-7020", "cortex-m4"])
    row = found.row("luts")
    assert row is not None
    assert [entry.figure.status for entry in row.entries] == ["derived", "not used"]
    (line,) = re.findall(r"^LUT .*$", rendering.to_text(found), re.M)
    assert re.fullmatch(r"LUT \(LUT6\) +[\d,]+ +-", line)
    assert found.row("energy_per_step_pj") is None  # no column has any
    unclocked = compare_costs([ADDER], profiles=["gw1nr-9"])
    rate = unclocked.row("steps_per_second")
    assert rate is not None and rate.entries[0].figure.status == "not known"
    assert "give --clock-mhz" in rate.entries[0].figure.note


def test_every_resource_has_its_share_of_the_device() -> None:
    found = mixed()
    for index, column in enumerate(found.columns):
        file = next(path for path in SPEAKERS if column.name.startswith(f"{path.stem} on "))
        report = estimate(load(file), column.target.profile)
        for resource in report.resources:
            assert figures(found, f"{resource.name}_percent")[index] == resource.percent
    row = found.row("block_rams")
    assert row is not None and row.entries[0].unit == "EBR"
    assert row.entries[0].capacity is not None and row.entries[0].capacity.value == 30


def test_storage_is_all_that_is_used() -> None:
    found = mixed()
    used = {"block_ram": "block_rams", "flash": "flash_bytes", "ram": "ram_bytes"}
    names = [column.name for column in found.columns]
    for use in found.storage:
        assert sum(use.held.values()) == figures(found, used[use.resource])[names.index(use.column)]
    kinds = [use.resource for use in found.storage]
    assert kinds.count("block_ram") == 9 and kinds.count("flash") == kinds.count("ram") == 3


# --- ratios ------------------------------------------------------------------------------------
def test_ratios_are_to_the_first_or_to_the_baseline() -> None:
    found = compare_costs([LSTM, TRIDIAGONAL], profiles=["ecp5-25"])
    slow, fast = (
        estimate(load(file), "ecp5-25").totals.cycles_per_step.value for file in (LSTM, TRIDIAGONAL)
    )
    assert isinstance(slow, int) and isinstance(fast, int) and slow > 5 * fast
    assert figures(found, "cycles_per_step") == [slow, fast]
    assert ratios(found, "cycles_per_step") == [1.0, fast / slow]
    turned = compare_costs(
        [LSTM, TRIDIAGONAL], profiles=["ecp5-25"], baseline="speaker_tridiagonal"
    )
    assert turned.baseline == "speaker_tridiagonal"
    assert ratios(turned, "cycles_per_step") == [slow / fast, 1.0]
    assert ratios(turned, "bound_by") == [None, None]


def test_there_is_no_ratio_of_what_is_not_known_or_zero_or_a_bound() -> None:
    found = compare_costs([MEAN, LSTM], profiles=["ice40up5k", "cortex-m4"])
    assert figures(found, "macs_per_step")[0] == 0
    assert ratios(found, "macs_per_step") == [None] * 4
    unknown = compare_costs([MEAN, LSTM], profiles=["gw1nr-9"])  # it names no clock
    assert ratios(unknown, "steps_per_second") == [None] * 2
    lower = found.row("instructions_per_step")
    assert lower is not None
    bounded = compare_costs([LSTM, TRIDIAGONAL], profiles=["cortex-m4"])
    row = bounded.row("instructions_per_step")
    assert row is not None
    assert [entry.figure.bound for entry in row.entries] == ["at least", "at least"]
    assert ratios(bounded, "instructions_per_step") == [None, None]
    big, small = figures(bounded, "flash_bytes")
    assert ratios(bounded, "flash_bytes") == [1.0, small / big]  # type: ignore[operator]
    late = [estimate(elman(4, steps_per_second=rate), "ecp5-25") for rate in (1e9, 1.0)]
    slack = compare_reports(late)
    assert figures(slack, "deadline_slack_percent")[0] < 0  # type: ignore[operator]
    assert ratios(slack, "deadline_slack_percent") == [None, None]


def test_blocks_of_two_families_have_no_ratio() -> None:
    found = compare_costs([LSTM, TRIDIAGONAL], profiles=["ice40up5k", "ecp5-25"])
    one, other, same, _ = blocks = figures(found, "block_rams")
    assert ratios(found, "block_rams") == [1.0, None, same / one, None]  # type: ignore[operator]
    shares = figures(found, "block_ram_percent")
    assert ratios(found, "block_ram_percent") == [share / shares[0] for share in shares]  # type: ignore[operator]
    assert shares[:2] == [100 * one / 30, 100 * other / 56]  # type: ignore[operator]
    text = rendering.to_text(found, 120)
    units = [f"{count} {unit}" for count, unit in zip(blocks, ("EBR", "DP16KD") * 2, strict=True)]
    units.insert(3, r"0\.\d\d\dx")
    assert re.search(rf"^block RAM +{' +'.join(units)}$", text, re.M)
    # The ratio of a share is told where that of the amounts is not.
    share = r"^block RAM, % of device +[\d.]+ +[\d.]+ +0\.\d\d\dx +[\d.]+ +[\d.]+ +0\.\d\d\dx$"
    assert re.search(share, text, re.M)


@pytest.mark.parametrize(
    ("value", "text"),
    [(1, "1.00x"), (1.0004, ">1.00x"), (0.9999, "<1.00x"), (0.0, "0.00x"), (0.5, "0.500x"),
     (0.01234, "0.0123x"), (12.34, "12.3x"), (123.4, "123x"), (12345.6, "12,346x"),
     (9.999, "10.0x"), (999.7, "1,000x")],
)  # fmt: skip
def test_ratios_are_short_and_what_is_not_equal_does_not_look_so(value: float, text: str) -> None:
    assert ratio(value) == text


# --- columns -----------------------------------------------------------------------------------
def names(found: Comparison) -> list[str]:
    return [column.name for column in found.columns]


def test_columns_are_named_by_what_tells_them_apart() -> None:
    assert names(compare_costs([LSTM, ADDER])) == ["speaker_lstm on ecp5-25",
        "adder_tridiagonal on ice40up5k"]  # fmt: skip
    assert names(compare_costs([LSTM], vary={"word": ["4", 8]})) == [
        "speaker_lstm word=4", "speaker_lstm word=8",
    ]  # fmt: skip
    both = compare_costs([ADDER], {"hidden": 8}, {"word": [4, 8]}, profiles=["ecp5-25", "zu7ev"])
    assert names(both) == [
        f"adder_tridiagonal word={word} on {profile}"
        for word in (4, 8) for profile in ("ecp5-25", "zu7ev")
    ]  # fmt: skip
    assert both.columns[0].settings["hidden"] == 8
    design = load(ADDER)
    slow, fast = (estimate(design, clock_mhz=mhz) for mhz in (12, 24))
    assert names(compare_reports([slow, fast, slow])) == [
        "adder_tridiagonal at 12 MHz #1", "adder_tridiagonal at 24 MHz",
        "adder_tridiagonal at 12 MHz #2",
    ]  # fmt: skip
    assert names(compare_reports([estimate(elman(4), "ecp5-25")])) == ["design"]


def test_without_a_profile_each_design_has_its_own_target() -> None:
    found = compare_costs([LSTM, ADDER])
    assert [column.target.profile for column in found.columns] == ["ecp5-25", "ice40up5k"]
    assert (
        figures(found, "cycles_per_step")[1] == estimate(load(ADDER)).totals.cycles_per_step.value
    )


def test_lanes_and_clock_are_for_every_design() -> None:
    found = compare_costs([LSTM, TRIDIAGONAL], profiles=["ecp5-25"], clock_mhz=50, lanes=2)
    assert figures(found, "clock_mhz") == [50, 50] and figures(found, "lanes") == [4, 4]


def test_versions_and_digests_of_every_column_are_carried(tmp_path: Path) -> None:
    saved = save(estimate(load(LSTM), "zu7ev"), tmp_path / "before.json")
    found = compare_costs([ADDER, saved])
    for column, file in zip(found.columns, (ADDER, LSTM), strict=True):
        assert column.rnnhw_version == rnnhw.__version__
        design = column.files.design
        assert design is not None
        assert design.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        assert column.files.profile is not None
        for format, render in RENDERERS.items():
            digits = {"text": 12, "markdown": 16}.get(format, 64)
            assert design.sha256[:digits] in render(found), format
    assert found.columns[0].report is None
    digest = hashlib.sha256(saved.read_bytes()).hexdigest()
    assert found.columns[1].report is not None and found.columns[1].report.sha256 == digest


# --- saved reports -----------------------------------------------------------------------------
@pytest.mark.parametrize("profile", MIXED)
def test_a_saved_report_is_what_it_was(profile: str, tmp_path: Path) -> None:
    report = estimate(load(LSTM), profile)
    saved = save(report, tmp_path / "saved.json")
    assert read_report(saved)[0] == report
    found = compare_costs([LSTM, saved], profiles=[profile])
    assert names(found) == ["speaker_lstm", "saved"]
    for row in found.rows:
        fresh, read = row.entries
        assert fresh == read
        assert read.ratio in (None, 1.0)


def test_options_leave_saved_reports_as_they_are(tmp_path: Path) -> None:
    saved = save(estimate(load(LSTM), "ecp5-25", lanes=1), tmp_path / "saved.json")
    found = compare_costs([saved, LSTM], {"word": 4}, profiles=["ice40up5k"], lanes=2)
    assert [column.target.profile for column in found.columns] == ["ecp5-25", "ice40up5k"]
    assert figures(found, "lanes") == [2, 4] and found.columns[0].settings["word"] == 8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("\xff", "not JSON"),
        ("[]", "it names no schema"),
        ('{"rows": 1}', "it names no schema"),
        ('{"$schema": "urn:rnnhw:schema:cost-report:0"}', "its schema is 'urn:rnnhw:schema:cost-r"),
        ('{"$schema": "urn:rnnhw:schema:cost-comparison:2"}', "cost-comparison:2'"),
        (f'{{"$schema": "{SCHEMA_ID}", "rnnhw_version": "9"}}', "by rnnhw 9: "),
    ],
)
def test_what_is_no_report_is_refused_with_the_cure(
    content: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(content, "latin-1")
    with pytest.raises(DesignError, match=re.escape(message)) as caught:
        compare_costs([ADDER, path])
    assert str(path) in caught.value.message
    assert "rnnhw report DESIGN --format json" in caught.value.hint


def test_a_report_with_an_unknown_field_is_refused(tmp_path: Path) -> None:
    data = json.loads(to_json(estimate(load(ADDER))))
    data["totals"]["luck"] = 1
    path = tmp_path / "odd.json"
    path.write_text(json.dumps(data))
    with pytest.raises(DesignError, match="luck"):
        read_report(path)
    with pytest.raises(DesignError, match="no such file"):
        read_report(tmp_path / "none.json")


# --- demands -----------------------------------------------------------------------------------
def test_every_column_is_judged_by_the_figures_of_its_report() -> None:
    found = compare_costs(
        [LSTM, TRIDIAGONAL], profiles=["ecp5-25"], maximum={"cycles_per_step": 1000},
        minimum={"fits": 1, "rnn.counts.multiplies": 1000},
    )  # fmt: skip
    assert not found.passed
    failed = [(check.column, check.name) for check in found.checks if not check.passed]
    assert failed == [
        ("speaker_lstm", "cycles_per_step"), ("speaker_tridiagonal", "rnn.counts.multiplies"),
    ]  # fmt: skip
    assert len(found.checks) == 6
    assert compare_costs([LSTM], profiles=["ecp5-25"], minimum={"fits": 1}).passed
    check = ColumnCheck(
        column="a", name="steps", value=1234567, bound=1234568.5, kind="min", passed=False
    )
    assert rendering.check_text(check) == "a: steps 1234567, at least 1.23457e+06"
    infinite = msgspec.structs.replace(check, bound=None)
    assert rendering.check_text(infinite) == "a: steps 1234567, at least infinity"


def test_a_demand_that_a_column_cannot_meet_or_break_is_refused() -> None:
    profiles = ["ice40up5k", "cortex-m4"]
    with pytest.raises(UsageError, match="speaker_lstm on cortex-m4: dsp_percent does not apply"):
        compare_costs([LSTM], profiles=profiles, maximum={"dsp_percent": 100})
    with pytest.raises(UsageError, match="speaker_lstm: steps_per_second is not known on gw1nr-9"):
        compare_costs([LSTM], profiles=["gw1nr-9"], minimum={"steps_per_second": 1})
    with pytest.raises(
        UsageError, match="speaker_lstm: unknown figure 'cycles_per_stop'"
    ) as caught:
        compare_costs([LSTM], profiles=["ecp5-25"], maximum={"cycles_per_stop": 1})
    assert "did you mean 'cycles_per_step'?" in caught.value.hint
    assert "counts" not in caught.value.hint
    with pytest.raises(UsageError, match=r"unknown figure 'rnn\.lane'") as caught:
        compare_costs([LSTM], profiles=["ecp5-25"], maximum={"rnn.lane": 1})
    assert "did you mean 'rnn.lanes'?" in caught.value.hint


def test_lanes_that_cannot_be_chosen_fail_their_column() -> None:
    found = compare_costs(
        [TRIDIAGONAL, LSTM], profiles=["ecp5-25"], lanes="auto", minimum={"steps_per_second": 3e5}
    )
    assert not found.passed
    assert [bool(column.missing) for column in found.columns] == [False, True]
    assert [check.passed for check in found.checks] == [True, False]
    assert "speaker_lstm: lanes auto: " in rendering.to_text(found)
    design = elman(16, steps_per_second=1e7)
    unmet = compare_reports([estimate(design, "ecp5-25", clock_mhz=50, lanes="auto")])
    assert unmet.checks == () and not unmet.passed


# --- scores ------------------------------------------------------------------------------------
class RunError(Exception):
    """A kernel was about to run."""


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever would run a network fails."""

    def refuse(*arguments: object, **more: object) -> None:
        raise RunError

    monkeypatch.setattr(_engine, "Program", refuse)
    monkeypatch.setattr(comparison, "run_reference", refuse)


@pytest.mark.usefixtures("no_kernel")
def test_no_kernel_runs_and_no_weights_are_read_for_a_cost(tmp_path: Path) -> None:
    alone = tmp_path / "adder.py"  # without its weights file
    alone.write_text(ADDER.read_text())
    found = compare_costs([alone, *SPEAKERS], profiles=["ice40up5k"])
    assert len(found.columns) == 1 + len(SPEAKERS)
    assert not any(row.group == "scores" for row in found.rows)
    with pytest.raises(RunError):
        compare_costs([ADDER], {"operand_bits": 3}, simulate=True)


def test_scores_stand_beside_the_costs(tmp_path: Path) -> None:
    saved = save(estimate(load(LSTM), "ecp5-25"), tmp_path / "saved.json")
    found = compare_costs(
        [TRIDIAGONAL, saved, MEAN], vary={"word": [4, 8]}, profiles=["ecp5-25", "cortex-m4"],
        simulate=True,
    )  # fmt: skip
    assert [row.name for row in found.rows][:3] == ["float_accuracy", "accuracy", "fits"]
    expected = [
        simulate(load(file, {"word": word})).figures()["accuracy"]
        for file in (TRIDIAGONAL, MEAN) for word in (4, 8) for _ in range(2)
    ]  # fmt: skip
    assert figures(found, "accuracy") == [*expected[:4], None, *expected[4:]]
    row = found.row("accuracy")
    assert row is not None and row.entries[4].figure.status == "not known"
    assert row.entries[0].figure.status == "measured"
    details = found.row("accuracy_correct")
    assert details is not None and details.group == "further"


def test_scores_can_be_judged_and_misspelt_ones_are_told_before_the_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    demand = {"accuracy": 0.96, "cycles_per_step": 1}
    found = compare_costs([MEAN, LSTM], profiles=["ecp5-25"], simulate=True, minimum=demand)
    assert [c.column for c in found.checks if not c.passed] == ["speaker_mean"]
    saved = save(estimate(load(LSTM), "ecp5-25"), tmp_path / "saved.json")
    with pytest.raises(UsageError, match="saved: accuracy is not known: it was not simulated"):
        compare_costs([MEAN, saved], simulate=True, minimum={"accuracy": 0.96})
    monkeypatch.setattr(_engine, "Program", None)
    for wrong in ({"accurracy": 1}, {"reach_steps": 1}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            compare_costs([MEAN], profiles=["ecp5-25"], simulate=True, minimum=wrong)
    with pytest.raises(UsageError, match="unknown column 'none'"):
        compare_costs([MEAN], simulate=True, baseline="none")


def test_a_score_that_is_not_known_is_never_zero() -> None:
    report = estimate(elman(4), "ecp5-25")
    known, unknown = Figure(0.5, "measured"), not_known("diverged")
    found = compare_candidates(
        [Candidate(report, "a", scores=Scores({"nrmse": known}, {}, "nrmse")),
         Candidate(report, "b", scores=Scores({"nrmse": unknown}, {}, "nrmse"))]
    )  # fmt: skip
    assert ratios(found, "nrmse") == [1.0, None]
    with pytest.raises(UsageError, match="b: nrmse is not known"):
        compare_candidates(
            [Candidate(report, "b", scores=Scores({"nrmse": unknown}, {}, "nrmse"))],
            maximum={"nrmse": 1},
        )


# --- mistakes ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"items": []}, "nothing to compare"),
        ({"items": [ADDER, FOLDER / "data" / ".." / ADDER.name]}, "is given twice"),
        ({"profiles": ["ecp5-25", "ecp5-25"]}, "--profile ecp5-25 is given twice"),
        ({"profiles": ["ecp5"]}, "unknown profile 'ecp5'"),
        ({"baseline": "adder"}, "unknown column 'adder'"),
        ({"vary": {"word": []}}, "no values of word"),
        ({"vary": {"word": [8]}, "settings": {"word": 4}}, "word is both set and varied"),
        ({"vary": {"word": ["8", "08"]}}, r"adder_tridiagonal\.py: word=8 comes twice"),
        ({"settings": {"units": 4}}, r"adder_tridiagonal\.py: unknown parameter 'units'"),
        ({"clock_mhz": -1.0}, r"adder_tridiagonal\.py: a clock of -1.* \(on ecp5-25\)"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(RnnhwError, match=message) as caught:
        compare_costs(**{"items": [ADDER], "profiles": ["ecp5-25"], **arguments})
    assert caught.value.exit_code == 2


def test_options_for_designs_need_one(tmp_path: Path) -> None:
    saved = save(estimate(load(ADDER)), tmp_path / "saved.json")
    for name, value in {
        "profiles": ["ecp5-25"], "settings": {"word": 4}, "vary": {"word": [4]},
        "clock_mhz": 4.0, "lanes": 2, "simulate": True,
    }.items():  # fmt: skip
        with pytest.raises(UsageError, match="is for designs, and there are saved reports alone"):
            compare_costs([saved], **{name: value})  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="nothing to compare"):
        compare_reports([])


def test_a_design_that_cannot_be_built_on_a_profile_names_both(tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0")
    with pytest.raises(DesignError, match=r"broken\.py: line 1: ZeroDivisionError"):
        compare_costs([ADDER, broken])
    with pytest.raises(UsageError, match=r"adder_tridiagonal\.py: .*auto: cortex-m4 is no FPGA"):
        compare_costs([ADDER], profiles=["ecp5-25", "cortex-m4"], lanes="auto")
    banded = FOLDER / "speaker_lstm_tridiagonal.py"
    with pytest.raises(DesignError, match=r"tridiagonal\.py: layer rnn: 3 lanes .* \(on zu7ev\)$"):
        compare_costs([ADDER, banded], profiles=["zu7ev"], lanes=3)
    bare = tmp_path / "bare.py"
    bare.write_text(re.sub(r"\n *target=.*", "", ADDER.read_text()))
    with pytest.raises(UsageError, match=r"bare\.py: no profile to report on"):
        compare_costs([ADDER, bare])


# --- formats -----------------------------------------------------------------------------------
@pytest.mark.parametrize("format", RENDERERS)
def test_the_same_input_gives_the_same_bytes_in_any_folder(format: str, tmp_path: Path) -> None:
    outputs = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        copy = tmp_path / folder / ADDER.name
        copy.write_bytes(ADDER.read_bytes())
        outputs.append(RENDERERS[format](compare_costs([copy, LSTM], profiles=["ecp5-25"])))
    assert outputs[0] == outputs[1]
    assert str(tmp_path) not in outputs[0]


def test_json_is_valid_against_its_schema() -> None:
    schema = rendering.comparison_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    for found in (mixed(), compare_costs([ADDER], maximum={"lanes": float("inf"), "fits": 1})):
        value = json.loads(rendering.to_json(found))
        jsonschema.validate(value, schema, cls=jsonschema.Draft202012Validator)
        assert next(iter(value)) == "$schema"
        assert value["$schema"] == schema["$id"] == COMPARISON_SCHEMA_ID
        value["unknown"] = 1
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(value, schema, cls=jsonschema.Draft202012Validator)
    read = msgspec.json.decode(rendering.to_json(mixed()), type=Comparison)
    assert read == mixed()


def test_csv_has_a_row_a_column_with_figures_ratios_and_units() -> None:
    found = mixed()
    rows = list(csv.DictReader(io.StringIO(rendering.to_csv(found))))
    assert [row["name"] for row in rows] == names(found)
    for index, line in enumerate(rows):
        for row in found.rows:
            entry = row.entries[index]
            value = entry.figure.value
            absent = "" if entry.figure.status == "not used" else "not known"
            assert line[row.name] == (absent if value is None else str(value))
            if entry.ratio is not None:
                assert float(line[f"{row.name}_ratio"]) == entry.ratio
            else:
                assert line.get(f"{row.name}_ratio", "") == ""
    assert rows[0]["block_rams_unit"] == "EBR"
    assert "energy_per_step_pj" in rows[3]["second_hand"].split("; ")
    assert rows[-1]["failed"] == "macs_per_step" and rows[0]["failed"] == ""


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_text_keeps_to_its_width_and_cuts_nothing(width: int) -> None:
    found = mixed()
    text = rendering.to_text(found, width)
    assert max(map(len, text.splitlines())) <= width
    for row in found.rows:
        if row.group == "further":
            continue
        for entry in row.entries:
            value = entry.figure.value
            if isinstance(value, int):
                assert re.search(rf"(?<![\d.,]){value:,}(?![\d.,])", text), row.name
    assert text.count("\ncycles a step ") >= 2 or width == 200
    assert "second-hand" in text and "FAIL  speaker_mean on ice40up5k: macs_per_step 0" in text


def test_the_table_of_the_issue_in_markdown() -> None:
    found = compare_costs(SPEAKERS, profiles=["ice40up5k"])
    text = rendering.to_markdown(found)
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 2
    for table in tables:
        lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
        assert len({len(line) for line in lines}) == 1
    head, _, *body = tables[0].splitlines()
    assert head.count("speaker_") == len(SPEAKERS) and "speaker_butterfly (baseline)" in head
    cycles = next(line for line in body if line.startswith("| cycles a step |"))
    reports = [estimate(load(file), "ice40up5k").totals.cycles_per_step.value for file in SPEAKERS]
    for value in reports:
        assert f" {value:,} " in cycles
    assert text.startswith(f"## {len(SPEAKERS)} designs on Lattice iCE40 UltraPlus UP5K")
    assert "speaker_indrnn: does not fit (dsp: 17 of 8 SB_MAC16)" in text


HOSTILE = "<b>&amp;|*x*_y_`z`[l](u)@me$1$\\"


def hostile() -> Comparison:
    design = Design(layers=[Elman(4, name=HOSTILE)], formats=FORMATS, inputs=2)
    reports = [
        msgspec.structs.replace(estimate(design, profile), title=HOSTILE, notes=(HOSTILE,))
        for profile in ("ice40up5k", "cortex-m4")
    ]
    return compare_reports(reports, maximum={"macs_per_step": 0})


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
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "wbr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)


def test_every_format_shows_text_as_it_is() -> None:
    found = hostile()
    escaped = r"&lt;b>&amp;amp;\|\*x\*\_y\_\`z\`\[l\](u)&#64;me\$1\$\\"
    assert rendering.to_markdown(found).count(escaped) >= 4
    page = _Page(rendering.to_html(found))
    assert "b" not in {tag for tag, _ in page.tags}
    assert "".join(page.text).count(HOSTILE) >= 4
    assert HOSTILE in re.sub(r"\s", "", rendering.to_text(found))


def test_html_is_well_formed_and_self_contained() -> None:
    found = mixed()
    source = rendering.to_html(found)
    page = _Page(source)
    assert source.isascii() and source.startswith("<!DOCTYPE html>")
    used = {tag for tag, _ in page.tags}
    assert not used & {"script", "link", "img", "iframe", "object", "image", "use", "base"}
    for _, attributes in page.tags:
        assert not {key for key in attributes if key.startswith("on") or key in ("src", "srcset")}
        assert (attributes.get("href") or "#").startswith("#")
        for width in re.findall(r"width:([\d.]+)%", attributes.get("style") or ""):
            assert 0 <= float(width) <= 100
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    links = [(attributes["href"] or "")[1:] for tag, attributes in page.tags if tag == "a"]
    assert sorted(ids) == sorted(set(ids)) == sorted(links) and len(ids) == 7
    text = "".join(page.text)
    for column in found.columns:
        assert column.name in text
        assert all(note in text for note in column.notes)
    blocks, instructions = figures(found, "block_rams")[0], figures(found, "instructions_per_step")
    assert f"{blocks} of 30 EBR (" in text and f"{instructions[2]:,} or more" in text


def test_what_is_over_capacity_is_seen() -> None:
    found = compare_reports([estimate(elman(600), "ice40up5k"), estimate(head(1, 1), "ice40up5k")])
    assert figures(found, "fits") == ["no", "yes"]
    assert 'class="count bad"' in rendering.to_html(found)
    assert "does not fit" in rendering.to_text(found)
