"""A report of a design that was run: the score and the errors beside the costs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.paths import DESIGNS
from helpers.schemas import valid

from rnnhw import load, verify
from rnnhw.cli import main
from rnnhw.cost.estimation import estimate
from rnnhw.cost.model import Report
from rnnhw.report import report_schema, to_html, to_json, to_markdown, to_text
from rnnhw.report.saved import read_report
from rnnhw.study.run_report import with_run

DESIGN = DESIGNS / "adder_tridiagonal.py"
SMALL = {"operand_bits": "4"}


def made() -> Report:
    design = load(DESIGN, SMALL)
    return with_run(estimate(design), verify(design))


def test_every_format_has_the_score_and_the_errors(tmp_path: Path) -> None:
    report = made()
    run = verify(load(DESIGN, SMALL))
    assert report.run is not None and run.score is not None
    assert report.run.measure == "accuracy"
    assert report.run.figures["accuracy"].value == run.score.figures()["accuracy"] == 1.0
    assert [error.signal for error in report.run.errors][-1] == run.output.name
    assert report.run.errors[-1].max_error_lsb == run.output.max_error_lsb
    for render in (to_text, to_markdown, to_html):
        page = render(report)
        assert "accuracy" in page and "Error against the float reference" in page
    assert "LUT 5.9 %, accuracy 1" in " ".join(to_text(report).splitlines()[2:4])
    valid(json.loads(to_json(report)), report_schema)
    path = tmp_path / "saved.json"
    path.write_bytes(to_json(report))
    assert read_report(path)[0] == report


def test_without_a_run_nothing_of_it_is_shown() -> None:
    report = estimate(load(DESIGN, SMALL))
    assert report.run is None
    for render in (to_text, to_markdown, to_html):
        assert "float reference" not in render(report)


@pytest.mark.parametrize(("floor", "code"), [("accuracy=1", 0), ("snr_db=400", 1)])
def test_the_score_is_judged(floor: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["report", str(DESIGN), "--set", "operand_bits=4", "--simulate", "--min", floor]
    assert main(words) == code
    assert "Error against the float reference" in capsys.readouterr().out


def test_data_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "mine.npz"
    np.savez(data, x=np.eye(2)[None])
    words = ["report", str(DESIGN), "--data", str(data), "--format", "json"]
    assert main(words) == 2
    assert "give --simulate too" in capsys.readouterr().err
    assert main([*words, "--simulate"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["files"]["data"]["name"] == "mine.npz"
    assert found["run"]["sequences"] == 1 and found["run"]["measure"] == ""


@pytest.mark.parametrize(
    ("demand", "message"),
    {
        "acuracy=1": "unknown figure 'acuracy'\nhint: did you mean 'accuracy'?",
        "lutz=1": "unknown figure 'lutz'\nhint: did you mean 'luts'?",
        "nrmse=1": "unknown figure 'nrmse'",
        "energy_per_step_pj=1": "energy_per_step_pj is not used on ice40up5k",
    }.items(),
)
def test_what_cannot_be_judged_is_told_before_the_run(
    demand: str, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnhw.cli.report.verify", None)  # it would be a TypeError
    words = ["report", str(DESIGN), "--set", "operand_bits=4", "--simulate", "--min", demand]
    assert main(words) == 2
    assert message in capsys.readouterr().err


def test_a_score_without_answers_is_told_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnhw.cli.report.verify", None)
    np.savez(tmp_path / "x.npz", x=np.zeros((1, 4, 2)))
    words = ["report", str(DESIGN), "--simulate", "--data", str(tmp_path / "x.npz")]
    assert main([*words, "--min", "accuracy=1"]) == 2
    assert "no expected answers, so no accuracy" in capsys.readouterr().err
