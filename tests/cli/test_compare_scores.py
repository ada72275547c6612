"""``rnnhw compare --simulate``: scores in one table; demands; mistakes."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.paths import DESIGNS
from msgspec.structs import replace

from rnnhw.cli import main
from rnnhw.cost.figure import Figure
from rnnhw.report.comparison import to_csv, to_html, to_markdown, to_text
from rnnhw.report.comparison.model import DESIGN_FIGURES, Entry
from rnnhw.study.compare import compare

DENSE, DIAGONAL, HADAMARD, TRIDIAGONAL = (
    str(DESIGNS / f"adder_{name}.py") for name in ("dense", "diagonal", "hadamard", "tridiagonal")
)
SPEAKER, WINDOW = str(DESIGNS / "speaker_tridiagonal.py"), str(DESIGNS / "speaker_window.py")
SMALL = ("--set", "operand_bits=3")

ECHO = '''"""Give back what is read."""
from rnnhw import *


def design(name="plain"):
    return Design(
        task=Regression("echo.npz", standardise=False),
        layers=[Linear(1, bias=False, name="head")],
        formats=Formats(input=Q(0, 7), weight=Q(1, 6)),
        weights={"head.W": [[0.3]]},
    )
'''


COMMAND = "compare"  # that ``refused`` runs


@pytest.fixture
def said(capsys, monkeypatch):
    """Run a command that says nothing but which demands are broken; its standard output."""
    monkeypatch.setattr("rnnhw.cli.progress._PATIENCE_SECONDS", 1e9)

    def run(*arguments, code=0):
        assert main(["compare", *map(str, arguments)]) == code
        out, err = capsys.readouterr()
        assert err == "" or code == 1
        assert all(line.startswith("error: ") for line in err.splitlines())
        return out

    return run


@pytest.fixture
def echo(tmp_path):
    """A design that is judged by its error."""
    path = tmp_path / "echo.py"
    path.write_text(ECHO)
    x = np.random.default_rng(0).uniform(-0.9, 0.9, (10, 4, 1))
    np.savez(tmp_path / "echo.npz", train_x=x, train_y=x, test_x=x, test_y=x)
    return path


# --- text --------------------------------------------------------------------------------------
def text(*files, **vary):
    """The table of what designs cost without hardware, for which nothing runs."""
    return to_text(compare(files, vary=vary))


def test_costs_in_one_table():
    out = text(TRIDIAGONAL, DIAGONAL, HADAMARD, WINDOW)
    for row in (
        "adder_tridiagonal +46 +94 +94 +94 +15 +3,064",
        "adder_diagonal +16 +64 +64 +64 +never +2,824",
        "adder_hadamard +32 +80 +80 +128 +1 +2,952",
        r"speaker_window +0 +1,440 +1,152 +1,184 +- +14,312",
    ):
        assert re.search(rf"^{row}$", out, re.M), row
    assert "float" not in out and "blank" not in out
    assert "reach: steps until" in out and not re.search(r" $", out, re.M)


def test_one_varied_parameter_groups_the_rows_of_a_design(said):
    out = said(TRIDIAGONAL, DIAGONAL, "--vary", "word=8,4", "--simulate", *SMALL)
    assert out.startswith("with operand_bits=3\n")
    one = r"1\.0000 +0\.943-1\.000 +1\.0000"
    assert re.search(
        rf"^adder_tridiagonal +8 +1\.0000 +{one} +46 +94 +94 +94 +15 +3,064$", out, re.M
    )
    assert re.search(rf"^ +4 +{one} +572$", out, re.M)
    assert re.search(
        r"^adder_diagonal +8 +0\.8438 +0\.8281 +0\.717-0\.902 +0\.1\d{3} +16 ", out, re.M
    )
    assert "blank: as above" in out
    assert max(map(len, out.splitlines())) <= 100


def test_the_longest_name_of_an_adder_fits_100_columns(said, tmp_path):
    longest = tmp_path / "adder_butterfly_neurons.py"
    longest.write_text(Path(DENSE).read_text())
    weights = Path(DENSE).with_suffix(".npz")
    (tmp_path / weights.name).write_bytes(weights.read_bytes())
    out = said(longest, DIAGONAL, "--vary", "word=8,4", "--simulate", *SMALL)
    assert "adder_butterfly_neurons    8 1.0000 1.0000" in out
    assert max(map(len, out.splitlines())) <= 100


def test_two_varied_parameters_are_told_in_every_row():
    out = text(DENSE, word=[8, 4], hidden=[16, 8])
    first = re.findall(r"^adder_dense +8 +16 +256 +\d+ +\d+ +\d+ +1 +[\d,]+$", out, re.M)
    rows = re.findall(r"^ +(\d) +(\d+) +(\d+) +\d+ +\d+ +\d+ +[\d,]+$", out, re.M)
    assert len(first) == 1 and "blank: as above" in out
    assert rows == [("8", "8", "64"), ("4", "16", "256"), ("4", "8", "64")]


def test_what_is_not_exact_does_not_look_so():
    comparison = compare([DENSE], {"operand_bits": 3}, simulate=True)
    values = {"accuracy": 65535 / 65536, "accuracy_interval_95_low": 0.99996,
              "accuracy_interval_95_high": 0.999999}  # fmt: skip
    rows = tuple(
        replace(row, entries=(Entry(figure=Figure(values[row.name], "measured")),))
        if row.name in values
        else row
        for row in comparison.rows
    )
    text = to_text(replace(comparison, rows=rows))
    assert re.search(r"1\.0000 0\.9999 0\.999-1\.000 1\.0000", text)


def test_scores_of_several_kinds_stand_side_by_side(said, echo):
    out = said(DENSE, echo, "--simulate", "--format", "markdown")
    head, _, dense, regression = [line for line in out.splitlines() if line.startswith("|")][:4]
    assert head.startswith(
        "| design | float accuracy | accuracy | 95 % interval | float nrmse | nrmse | long chains |"
    )
    assert dense.startswith("| adder_dense | 1.0000 | 1.0000 | 0.999-1.000 | - | - | 1.0000 |")
    assert re.match(
        r"\| echo \| - \| - \| - \| 0\.7\d{3} \| 0\.\d{4} \| - \| 0 \| 1 \|", regression
    )
    text = said(DENSE, echo, "--simulate")
    assert "accuracy or nrmse in float and in fixed point" in text
    assert re.search(r"^design +accuracy +accuracy +interval +nrmse +nrmse +chains", text, re.M)


def test_the_width_of_a_terminal_cuts_no_number():
    environment = {**os.environ, "COLUMNS": "40", "FORCE_COLOR": "1", "NO_COLOR": "1"}
    process = subprocess.run(
        [sys.executable, "-m", "rnnhw", "compare", TRIDIAGONAL, DIAGONAL, "--vary", "word=8,4",
         "--simulate", *SMALL],
        capture_output=True, text=True, timeout=60, check=True,
        env={**environment, "TERM": "xterm"},
    )  # fmt: skip
    plain = re.sub(r"\x1b\[[\d;]*m", "", process.stdout)
    for number in ("3,064", "2,824", "572", "452", "94", "15", "never"):
        assert re.search(rf"(?<![\d.,]){number}(?![\d.])", plain), number


def test_a_table_wider_than_a_page_cuts_no_number(said):
    text = said(TRIDIAGONAL, DIAGONAL, "--vary", "hidden=4,8", "--vary", "operand_bits=3,8",
                "--simulate")  # fmt: skip
    rows = [line for line in text.splitlines() if re.match(r"(adder_\w+)? +\d+ +[38] ", line)]
    ends = [line.split()[-1] for line in rows]
    assert ends == ["2,296", "2,296", "2,552", "2,552", "2,248", "2,248", "2,440", "2,440"]
    assert rows[0].startswith("adder_tridiagonal ")


# --- data --------------------------------------------------------------------------------------
def test_markdown_is_a_table_to_paste():
    out = to_markdown(compare([TRIDIAGONAL, DIAGONAL], vary={"word": [8, 4]}))
    assert out.startswith("## 2 designs, 4 rows\n\n")
    assert (
        "| design | word | recurrent weights | weights | multiplies | adds | reach, steps "
        "| stored bits |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        "| adder_tridiagonal | 8 | 46 | 94 | 94 | 94 | 15 | 3,064 |\n"
        "| adder_tridiagonal | 4 | 46 | 94 | 94 | 94 | 15 | 572 |\n"
        "| adder_diagonal | 8 | 16 | 64 | 64 | 64 | never | 2,824 |\n"
        "| adder_diagonal | 4 | 16 | 64 | 64 | 64 | never | 452 |\n"
    ) in out.replace("\\_", "_")


def test_a_bar_in_a_value_does_not_end_a_cell(said, echo):
    command = (echo, "--simulate", "--vary", "name=a|b", "--format", "markdown")
    assert "| a\\|b |" in said(*command)


def test_csv_has_every_figure_and_whole_numbers():
    out = to_csv(compare([DENSE, DIAGONAL, WINDOW], vary={"word": [8, 4]}))
    rows = list(csv.DictReader(io.StringIO(out)))
    assert list(rows[0])[:4] == ["name", "design", "profile", "settings"]
    assert set(DESIGN_FIGURES) <= set(rows[0]) and not any(n.endswith("_ratio") for n in rows[0])
    assert [(row["design"], row["name"], row["profile"]) for row in rows] == [
        (name, f"{name} word={word}", "")
        for name in ("adder_dense", "adder_diagonal", "speaker_window")
        for word in ("8", "4")
    ]
    assert [row["reach_steps"] for row in rows] == ["1", "1", "never", "never", "", ""]
    whole = DESIGN_FIGURES.keys() - {"reach_steps"}
    assert all(row[name].isdigit() for row in rows for name in whole)
    assert "\r" not in out


def test_csv_of_a_simulation_gives_the_scores_in_full(said):
    command = (DIAGONAL, SPEAKER, "--simulate", "--format", "csv")
    adder, speaker = csv.DictReader(io.StringIO(said(*command)))
    assert float(adder["accuracy"]) == 40763 / 65536
    assert adder["accuracy_correct"] == "40763" and adder["sequences"] == "65536"
    assert float(adder["accuracy_interval_95_low"]) < 40763 / 65536
    assert adder["long_chains_sequences"] == "4224"
    assert speaker["accuracy_correct"] == "361" and speaker["long_chains_accuracy"] == ""


def test_json_holds_the_same_with_settings_and_checks(said):
    command = (DIAGONAL, WINDOW, "--simulate", "--vary", "word=8,4", "--format", "json")
    out = said(*command, "--min", "accuracy=0.5", code=1)
    data = json.loads(out)
    assert data["varied"] == ["word"] and data["settings"] == {}
    assert [column["design"] for column in data["columns"]] == [
        *["adder_diagonal"] * 2, *["speaker_window"] * 2
    ]  # fmt: skip
    first = data["columns"][0]
    assert first["title"] == "Serial binary adder on a diagonal recurrence: an honest failure."
    assert first["settings"] == {"word": 8, "operand_bits": 8, "hidden": 16}
    assert first["target"] is None and first["varied"] == {"word": 8}
    figures = {
        row["name"]: [entry["figure"]["value"] for entry in row["entries"]] for row in data["rows"]
    }
    assert figures["accuracy"][0] == 40763 / 65536
    assert figures["recurrent_weight_words"][0] == 16
    assert (figures["reach_steps"][0], figures["reach_steps"][-1]) == ("never", None)
    assert figures["long_chains_accuracy"][-1] is None
    assert [check["passed"] for check in data["checks"]] == [True, False, True, True]
    assert data["checks"][1] == {
        "column": "adder_diagonal word=4", "name": "accuracy", "value": 25284 / 65536,
        "bound": 0.5, "kind": "min", "passed": False,
    }  # fmt: skip
    assert data["passed"] is False
    assert out == said(*command, "--min", "accuracy=0.5", code=1)


@pytest.mark.parametrize("suffix", ["txt", "csv", "md", "json"])
def test_a_file_holds_what_would_have_been_printed(said, tmp_path, suffix):
    name = {"txt": "text", "md": "markdown"}.get(suffix, suffix)
    command = (DENSE, "--simulate", *SMALL)
    printed = said(*command, "--format", name)
    assert said(*command, "-o", tmp_path / f"c.{suffix}") == ""
    assert (tmp_path / f"c.{suffix}").read_text() == printed


# --- demands -----------------------------------------------------------------------------------
def test_a_broken_demand_names_its_row_and_exits_1(said, capsys):
    command = (DENSE, DIAGONAL, "--vary", "word=8,4", "--simulate", *SMALL)
    command = (*command, "--max", "reach_steps=3")
    out = said(*command, "--max", "stored_bits=3000", code=1)
    assert re.findall(r"^FAIL  (.*)$", out, re.M) == [
        "adder_dense word=8: stored_bits 4744, at most 3000",
        "adder_diagonal word=8: reach_steps never, at most 3",
        "adder_diagonal word=4: reach_steps never, at most 3",
    ]
    assert out.endswith("\nFAIL\n")
    passing = (DENSE, "--simulate", *SMALL, "--max", "reach_steps=3")
    assert said(*passing).endswith("\nPASS\n")
    assert main(["compare", *command, "--format", "csv"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("name,design,profile,settings,")
    assert err.splitlines() == [
        "error: adder_diagonal word=8: reach_steps never, at most 3",
        "error: adder_diagonal word=4: reach_steps never, at most 3",
    ]


# --- mistakes ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--vary", "word"), "--vary 'word'"),
        (("--vary", "word=4,,6"), "--vary word=4,,6: a value is empty"),
        (("--vary", "word="), "--vary word=: a value is empty"),
        (("--vary", "word=4", "--vary", "word=6"), "--vary word is given twice"),
        (("--vary", "word=4,4"), "word=4 comes twice"),
        (("--vary", "word=4", "--set", "word=6"), "word is both set and varied"),
        (("--vary", "word=4,many"), f"{DENSE}: word='many' is not of type int"),
        (("--vary", "lanes=1,2"), f"{DENSE}: unknown parameter 'lanes'"),
        (("--set", "lanes=1"), f"{DENSE}: unknown parameter 'lanes'"),
        ((DENSE,), f"{DENSE} is given twice"),
        (("--simulate", "--min", "nrmse=1"), f"{DENSE}: unknown figure 'nrmse'"),
        (("--max", "stored_bits=few"), "'few' is not a number"),
        (("--format", "yaml"), "unknown format 'yaml'"),
        (("--format", "csv", "-o", "x.md"), "contradicts the suffix of x.md"),
        (("-o", "nowhere/x.csv"), "cannot write nowhere/x.csv"),
        (("--data", "x.npz"), "No such option"),
    ],
)
def test_wrong_usage_is_told_and_exits_2(refused, arguments, message):
    assert message in refused(2, DENSE, *arguments)


def test_no_design_is_wrong_usage(refused):
    assert "Missing argument" in refused(2)


def test_a_wrong_design_stops_everything_and_exits_3(refused, tmp_path):
    assert "error: none.py: no such file or directory" in refused(3, DENSE, "none.py")
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0")
    assert f"{broken}: line 1: ZeroDivisionError" in refused(3, DENSE, broken, "--simulate")
    alone = tmp_path / "adder.py"
    alone.write_text(Path(DENSE).read_text())
    assert "adder_dense.npz: no such file" in refused(3, alone, "--simulate")


def test_what_design_files_print_is_not_data(capsys, tmp_path):
    loud = tmp_path / "loud.py"
    loud.write_text(f"print('hello')\n{Path(DENSE).read_text()}")
    (tmp_path / "adder_dense.npz").write_bytes(Path(DENSE).with_suffix(".npz").read_bytes())
    assert main(["compare", str(loud), "--simulate", *SMALL, "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["columns"][0]["design"] == "loud" and err == "hello\n"


def test_progress_is_for_stderr_and_for_those_who_wait(capsys, monkeypatch):
    monkeypatch.setattr("rnnhw.cli.progress._PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("rnnhw.cli.progress._LINE_SECONDS", 0.0)
    command = ["compare", DENSE, DIAGONAL, "--simulate", *SMALL, "--format", "csv"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert err == "designs: 1 of 2\n" and "float_accuracy" in out.splitlines()[0]


# --- the page ------------------------------------------------------------------------------------
def test_the_page_draws_the_score_over_the_bits(tmp_path: Path) -> None:
    place = tmp_path / "scores.html"
    words = ["compare", str(DENSE), str(DIAGONAL), "--simulate", "--set", "operand_bits=3"]
    assert main([*words, "--vary", "word=4,8", "-o", str(place)]) == 0
    page = place.read_text()
    assert "<h2>Accuracy over bits</h2>" in page and page.isascii()
    assert page.count("<circle") == 4 and page.count('class="series') == 2
    found = compare([DENSE, DIAGONAL], {"operand_bits": 3}, {"word": [4, 8]}, simulate=True)
    for place, column in enumerate(found.columns):
        bits, score = (found.figure(name, place).value for name in ("stored_bits", "accuracy"))
        title = f"{column.name.replace(' ', ', ')}: accuracy {score:.4g}, {bits:,} bits"
        assert f"<title>{title}</title>" in page


def test_on_hardware_the_score_is_drawn_too_once_a_design(tmp_path: Path) -> None:
    """On two targets a design is still one point."""
    place = tmp_path / "both.html"
    words = ["compare", DENSE, DIAGONAL, "--simulate", *SMALL, "--vary", "word=4,8"]
    profiles = ["--profile", "ecp5-25", "--profile", "ice40up5k"]
    assert main([*words, *profiles, "-o", str(place)]) == 0
    page = place.read_text()
    assert "<h2>Accuracy over bits</h2>" in page and "<h2>Costs</h2>" in page
    plot = page[page.index('class="plot"') :].partition("</figure>")[0]
    assert plot.count("<circle") == 4 and plot.count('class="series') == 2


def test_without_a_run_there_is_a_table_alone(tmp_path: Path) -> None:
    place = tmp_path / "scores.html"
    words = ["compare", str(DENSE), str(DIAGONAL), "--simulate", "--set", "operand_bits=3"]
    assert main([*words, "-o", str(place), "--min", "accuracy=0.9"]) == 1
    page = place.read_text()
    assert "FAIL" in page and "adder_diagonal" in page
    found = to_html(compare([DENSE]))
    assert "<circle" not in found and "stored bits" in found
