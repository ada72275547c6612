"""Renderers: the JSON against its own schema, the same bytes, text at every width."""

from __future__ import annotations

import io
import json
from pathlib import Path

import jsonschema
import pytest
from helpers.machines import FORMATS, elman, head
from helpers.paths import DESIGNS
from rich.console import Console

from rnnhw import Design, Elman, Last, Linear, Mean, Window, load
from rnnhw.cost.estimation import estimate
from rnnhw.cost.model import SCHEMA_ID, Report, report_fields
from rnnhw.layers.cells import Layer
from rnnhw.report import print_report, report_schema, to_json, to_text

ADDER = DESIGNS / "adder_tridiagonal.py"


def layered() -> Design:
    layers: list[Layer] = [
        Window(2),
        Elman(16, name="rnn"),
        Mean(divide=True, name="mean"),
        Linear(3, name="out"),
    ]
    return Design(layers=layers, formats=FORMATS, inputs=4, max_steps=7, steps_per_second=1e5)


def reports() -> dict[str, Report]:
    last: list[Layer] = [Elman(600, name="rnn"), Last(), Linear(2, name="out")]
    return {
        "adder": estimate(load(ADDER)),
        "microcontroller": estimate(load(ADDER), "cortex-m4"),
        "over capacity": estimate(
            Design(layers=last, formats=FORMATS, inputs=8), "ice40up5k", lanes=9
        ),
        "over time": estimate(layered(), "ecp5-25", lanes=2),
        "smallest": estimate(head(1, 1), "zynq-7020", clock_mhz=100),
    }


REPORTS = reports()
each = pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS.keys())


@each
def test_json_is_valid_against_its_schema(report: Report) -> None:
    schema = report_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    value = json.loads(to_json(report))
    jsonschema.validate(value, schema, cls=jsonschema.Draft202012Validator)
    assert next(iter(value)) == "$schema"
    assert value["$schema"] == schema["$id"] == SCHEMA_ID
    value["unknown"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, schema, cls=jsonschema.Draft202012Validator)


def test_the_same_input_gives_the_same_bytes() -> None:
    again = reports()
    for name, report in REPORTS.items():
        assert to_json(report) == to_json(again[name])
        assert to_text(report) == to_text(again[name])


def test_the_folder_does_not_matter(tmp_path: Path) -> None:
    copies = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        copy = tmp_path / folder / ADDER.name
        copy.write_bytes(ADDER.read_bytes())
        copies.append(to_json(estimate(load(copy))))
    assert copies[0] == copies[1]
    assert str(tmp_path).encode() not in copies[0]


@each
def test_integers_stay_integers(report: Report) -> None:
    value = json.loads(to_json(report))
    names = ("cycles_per_step", "macs_per_step", "weight_bits", "block_rams", "flash_bytes")
    for name in names:
        assert not isinstance(value["totals"][name]["value"], float), name
    for layer in value["layers"]:
        assert all(type(count) is int for count in layer["counts"].values())


@each
@pytest.mark.parametrize("width", [80, 100])
def test_text_keeps_to_its_width(report: Report, width: int) -> None:
    text = to_text(report, width)
    assert max(map(len, text.splitlines())) <= width
    assert "\x1b" not in text
    assert "…" not in text
    assert text.endswith("\n")


def test_text_says_what_matters() -> None:
    text = to_text(REPORTS["adder"])
    for wanted in ("600,000", "utilisation", "fits: yes", "realised", "20 x 32"):
        assert wanted in text
    core = to_text(REPORTS["microcontroller"])
    for wanted in ("not used", "or more", "instructions", "flash"):
        assert wanted in core
    over = to_text(REPORTS["over capacity"])
    assert "fits: no" in over
    assert "out (once)" in over
    timed = to_text(REPORTS["over time"])
    assert "deadline slack" in timed
    assert "lowest clock" in timed


def test_markup_in_names_is_not_interpreted() -> None:
    design = Design(layers=[Elman(4, name="[red]")], formats=FORMATS, inputs=2)
    assert "[red]" in to_text(estimate(design, "ice40up5k"))


def test_a_terminal_has_colour_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    def printed() -> str:
        out = io.StringIO()
        console = Console(file=out, force_terminal=True, width=80, color_system="standard")
        print_report(REPORTS["over capacity"], console)
        return out.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[1;31m" in printed()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;31m" not in printed()


# --- names for --min and --max -------------------------------------------------------------------
def test_fields_have_plain_names_and_numbers() -> None:
    fields = report_fields(REPORTS["adder"])
    assert fields["cycles_per_step"] == 40
    assert fields["steps_per_second"] == 600_000
    assert fields["rnn.counts.multiplies"] == 78
    assert fields["rnn.traffic.weight_reads"] == 20
    assert fields["head.macs_per_step"] == 16
    assert all(isinstance(value, int | float) for value in fields.values())


def test_unknown_figures_have_no_field() -> None:
    fields = report_fields(REPORTS["microcontroller"])
    assert "rnn.cycles_per_step" not in fields
    assert "instructions_per_step" in fields


def test_of_two_clocks_the_slower_one_counts() -> None:
    report = estimate(elman(32), "ice40up5k")
    speeds = [point.steps_per_second.value for point in report.operating_points]
    assert report_fields(report)["steps_per_second"] == min(speeds)  # type: ignore[type-var]


def test_every_field_is_a_name_of_the_report() -> None:
    text = to_json(REPORTS["adder"]).decode()
    for name in report_fields(REPORTS["adder"]):
        assert name.rpartition(".")[2] in text or name.endswith("_percent"), name
