"""``rnnhw quantize``: what it prints and writes, and what it refuses."""

import csv
import io
import json
import re

import numpy as np
import pytest
from helpers.paths import DESIGNS
from helpers.schemas import valid

from rnnhw import load, simulate, verify
from rnnhw.cli import main
from rnnhw.execution.reference import run_reference
from rnnhw.study.word_lengths.data import quantization_schema
from rnnhw.version import __version__

COMMAND = "quantize"
ADDER = DESIGNS / "adder_tridiagonal.py"
SMALL = ["--set", "hidden=4", "--set", "operand_bits=3"]


def test_it_prints_every_format_and_writes_a_design_that_runs(tmp_path, capsys):
    place = tmp_path / "chosen.py"
    assert main(["quantize", str(ADDER), *SMALL, "-o", str(place)]) == 0
    out = capsys.readouterr().out
    for name in ("rnn.W", "rnn.U", "rnn.sum", "rnn.state", "head.b"):
        assert f"\n{name} " in out
    assert "stored bits" in out and "cost on ice40up5k" in out and "designs were run" in out
    assert main(["verify", str(place)]) == 0
    assert load(place).settings == load(ADDER, {"hidden": 4, "operand_bits": 3}).settings


def test_json_has_the_same(tmp_path, capsys):
    place = tmp_path / "chosen.py"
    arguments = [*SMALL, "--evaluations", "20", "--min", "accuracy=0.9", "-o", str(place)]
    assert main(["quantize", str(ADDER), *arguments, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["$schema"] == "urn:rnnhw:schema:quantization:1" == quantization_schema()["$id"]
    assert found["rnnhw_version"] == __version__
    valid(found, quantization_schema)
    assert found["demands"] == {"min": {"accuracy": 0.9}, "max": {}}
    chosen = load(place).network
    for tensor in chosen.tensors:
        words = found["formats"][tensor.key]["chosen"]
        assert (words["integer"], words["fraction"]) == (
            tensor.format.integer,
            tensor.format.fraction,
        )
    bits = found["stored_bits"]["chosen"]
    assert bits["all"] == sum(bits[kind] for kind in ("weights", "biases", "tables", "state"))
    assert found["figures"]["chosen"]["accuracy"] >= 0.9
    assert not found["finished"] and found["evaluations"] == 20
    assert found["evaluations_by_phase"] == {"greedy": 20, "trades": 0}
    assert found["within"] is None
    assert found["cost"]["profile"] == "ice40up5k"


def test_rounded_weights_lie_beside_the_design_and_belong_to_it(tmp_path, capsys):
    place, weights = tmp_path / "chosen.py", tmp_path / "chosen.npz"
    arguments = [*SMALL, "--evaluations", "30", "--max", "rms=0.6", "--rounding", "compensated"]
    command = ["quantize", str(ADDER), *arguments, "-o", str(place), "--format", "json"]
    assert main(command) == 1  # it is written, and misses the accuracy that the task requires
    found = json.loads(capsys.readouterr().out)
    valid(found, quantization_schema)
    assert found["rounding"] == {"rule": "compensated", "nearest": {}}
    assert found["missed"] == ["accuracy"]
    chosen = load(place)
    assert weights in chosen.files and "rounded together" in chosen.notes
    with np.load(weights) as stored:
        assert set(stored) == {tensor.key for tensor in chosen.network.tensors}
        for tensor in chosen.network.tensors:
            raw = chosen.parameters.raw[tensor.key]
            assert np.array_equal(raw * tensor.format.step, stored[tensor.key])
    trained = load(ADDER, {"hidden": 4, "operand_bits": 3}).parameters.values
    assert all(np.array_equal(chosen.parameters.values[key], trained[key]) for key in trained)
    run = simulate(chosen)
    float_outputs = run_reference(
        chosen.network, load(ADDER, {"hidden": 4, "operand_bits": 3}).parameters,
        run.samples.x, run.samples.lengths,
    ).outputs  # fmt: skip
    assert main(["verify", str(place)]) == 1
    told = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "weights: rounded numbers from chosen.npz, not the nearest ones" in told
    main(["verify", str(ADDER), *SMALL])
    assert "rounded numbers" not in capsys.readouterr().out
    assert verify(chosen).output.max_error == np.abs(run.outputs - float_outputs).max() > 0
    assert run.score.figures()["accuracy"] == found["figures"]["judged_chosen"]["accuracy"]
    for settings, said in ((["--set", "hidden=8"], "other weights were rounded"), ([], "SHA-256")):
        if not settings:
            weights.write_bytes(weights.read_bytes() + b" ")
        assert main(["simulate", str(place), *settings]) == 3
        told = capsys.readouterr().err
        assert said in told and "chosen.npz" in told and "Traceback" not in told


def test_rounded_weights_are_written_over_no_input(refused, tmp_path):
    copy = tmp_path / "adder.py"
    copy.write_text(ADDER.read_text().replace('f"adder_tridiagonal', 'f"chosen'))
    (tmp_path / "chosen_h4.npz").write_bytes((DESIGNS / "adder_tridiagonal_h4.npz").read_bytes())
    place = tmp_path / "chosen_h4.py"
    said = refused(2, copy, *SMALL, "--rounding", "compensated", "-o", place)
    assert "cannot write" in said and "chosen_h4.npz" in said and not place.exists()


FEW = [*SMALL, "--evaluations", "20", "--min", "accuracy=0.9"]


def test_the_best_figure_within_some_bits_is_shown_by_every_format(tmp_path, capsys):
    page = tmp_path / "chosen.html"
    within = [*SMALL, "--most-bits", "90", "--objective", "accuracy", "--report", str(page)]
    assert main(["quantize", str(ADDER), *within, "--format", "json"]) == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    valid(found, quantization_schema)
    assert found["within"] == {"most_bits": 90, "objective": "accuracy", "better": "more"}
    assert found["demands"] == {"min": {}, "max": {}}
    assert found["stored_bits"]["chosen"]["all"] <= 90
    phases = found["evaluations_by_phase"]
    assert found["evaluations"] == phases["greedy"] + phases["trades"] and phases["trades"] > 0
    reached = found["figures"]["judged_chosen"]["accuracy"]
    assert found["missed"] == ["accuracy"] and reached < 1  # which the task requires
    missed = f"it misses what the task requires: accuracy is {reached:.4g}, below 1."
    assert f"error: On all samples of the task {missed}\n" in err
    assert main(["quantize", str(ADDER), *within]) == 1
    texts = [capsys.readouterr().out]
    assert main(["quantize", str(ADDER), *within, "--format", "markdown"]) == 1
    texts += [capsys.readouterr().out, page.read_text()]
    for text in texts:
        flat = re.sub(r"\s+", " ", text)
        assert f"misses what the task requires: accuracy is {reached:.4g}, below 1." in flat
        said = f"{phases['greedy']:,} by the greedy search and {phases['trades']:,} by trades"
        assert said in flat
    assert all("the best accuracy within 90 stored bits" in text for text in texts[1:])
    assert main(["quantize", str(ADDER), *within, "--format", "csv"]) == 1
    assert "one_bit_less_accuracy" in capsys.readouterr().out.splitlines()[0]


def test_csv_has_a_row_a_signal_with_the_figures_of_json(capsys):
    assert main(["quantize", str(ADDER), *FEW, "--format", "json"]) == 0
    formats = json.loads(capsys.readouterr().out)["formats"]
    assert main(["quantize", str(ADDER), *FEW, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["signal"] for row in rows] == list(formats)
    for row in rows:
        each = formats[row["signal"]]
        less = each["one_bit_less"]
        assert row["bits_before"] == str(each["before"]["bits"])
        assert row["bits"] == str(each["chosen"]["bits"])
        assert row["one_bit_less_accuracy"] == (str(less["figures"]["accuracy"]) if less else "")
        assert row["one_bit_less_saves"] == (str(less["saved_bits"]) if less else "")


def test_a_page_and_markdown_show_words_sensitivities_and_the_command(
    tmp_path, capsys, monkeypatch
):
    page = tmp_path / "chosen.html"
    arguments = ["quantize", str(ADDER), *FEW, "--report", str(page)]
    monkeypatch.setattr("sys.argv", ["rnnhw", *arguments])
    assert main([*arguments, "--format", "markdown"]) == 0
    shown = capsys.readouterr().out
    told = page.read_text()
    assert "<script" not in told and "http" not in told and len(told) < 60_000
    for heading in ("Words", "Sensitivity", "Formats", "Stored bits", "Cost on ice40up5k"):
        assert f"<h2>{heading}</h2>" in told
    assert "accuracy at least 0.9" in told and "accuracy at least 0.9" in shown
    assert f"<code>rnnhw quantize {ADDER}" in told and f"    rnnhw quantize {ADDER}" in shown
    # A point a signal that has a bit to lose, coloured by whether the demand would be kept.
    points = re.findall(r"<title>(\S+) with one bit less: accuracy ([\d.]+)</title></circle>", told)
    kept = re.findall(r'class="dot d(\d)"><title>\S+ with one bit less', told)
    assert len(points) == len(kept) > 3
    assert [float(value) >= 0.9 for _, value in points] == [colour == "0" for colour in kept]
    lines = shown.split("## formats\n\n")[1].split("\n\n")[0].splitlines()
    assert len(lines) - 2 == len(set(re.findall(r'class="what">(\S+)</span>', told)))


def test_the_report_overwrites_no_input_and_has_a_known_suffix(refused, tmp_path):
    copy = tmp_path / "adder.py"
    copy.write_text(ADDER.read_text().replace('"adder_', f'"{DESIGNS}/adder_'))
    assert "--report page.pdf: no format" in refused(2, copy, *SMALL, "--report", "page.pdf")
    data = tmp_path / "chosen.json"
    data.symlink_to(copy)
    assert "cannot write" in refused(2, copy, *SMALL, "--report", data)


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (2, ["--point", "best"], "'best'"),
        (2, ["--rounding", "up"], "known: nearest, compensated"),
        (2, ["-o", "chosen.txt"], "name it *.py"),
        (2, ["--min", "speed=1"], "unknown figure 'speed'"),
        (2, ["--choose-on", "val"], "no split 'val'"),
        (3, ["--choose-on", "nothing.npz"], "nothing.npz"),
        (2, ["--noise", "-1"], "error: --noise -1"),
        (2, ["--objective", "rms"], "give --most-bits too"),
        (2, ["--most-bits", "900", "--objective", "speed"], "'speed': more or less of it"),
        (2, ["--most-bits", "0"], "error: --most-bits 0"),
        (3, ["--most-bits", "50"], "no words store at most 50 bits: the shortest store"),
        (3, ["--most-bits", "150", "--max", "rms=0.1"], "found that keep the demands are"),
        (3, ["--max", "rms=0.000001"], "no word of up to 16 bits"),
    ],
)
def test_what_cannot_be_done_is_told(refused, code, arguments, said):
    assert said in refused(code, ADDER, *SMALL, *arguments)


def test_it_writes_over_no_input(refused, tmp_path):
    copy = tmp_path / "adder.py"
    copy.write_text(ADDER.read_text().replace('"adder_', f'"{DESIGNS}/adder_'))
    assert "cannot write" in refused(2, copy, *SMALL, "-o", copy)


@pytest.fixture
def taskless(tmp_path):
    """A design without a task, and files of samples with and without answers."""
    (tmp_path / "plain.py").write_text(
        "from dataclasses import replace\n\nfrom rnnhw import Q, load\n\n\n"
        "def design():\n"
        f"    adder = load({str(ADDER)!r}, {{'hidden': 4, 'operand_bits': 3}})\n"
        "    formats = replace(adder.formats, input=Q(1, 0, signed=False))\n"
        "    weights = dict(adder.parameters.values)\n"
        "    return replace(adder, task=None, inputs=2, formats=formats, weights=weights)\n"
    )
    samples = load(ADDER, {"hidden": 4, "operand_bits": 3}).task.samples()
    np.savez(tmp_path / "calibration.npz", x=samples.x[::2])
    np.savez(tmp_path / "others.npz", x=samples.x[1::2])
    classes = 1 - samples.y[:, -1]  # a sum of three bits ends with its carry
    np.savez(tmp_path / "classes.npz", x=samples.x, y=classes)
    return tmp_path


def quantized(capsys, folder, *arguments):
    command = ["quantize", str(folder / "plain.py"), *arguments, "--format", "json"]
    assert main([*command, "--evaluations", "40"]) == 0
    found = json.loads(capsys.readouterr().out)
    valid(found, quantization_schema)
    return found


def test_a_design_without_a_task_is_chosen_on_one_file_and_judged_on_another(taskless, capsys):
    chosen = str(taskless / "calibration.npz")
    demand = ["--choose-on", chosen, "--min", "agreement=0.99"]
    found = quantized(capsys, taskless, *demand, "--data", str(taskless / "others.npz"))
    assert (found["chosen_on"], found["judged_on"]) == ("calibration.npz", "others.npz")
    assert found["figures"]["chosen"]["agreement"] >= 0.99
    assert set(found["figures"]["judged_chosen"]) == {"agreement", "rms", "snr_db"}
    assert found["figures"]["judged_chosen"] != found["figures"]["chosen"]
    alone = quantized(capsys, taskless, *demand)
    assert alone["judged_on"] == "calibration.npz, which chose"
    assert alone["figures"]["judged_chosen"] == alone["figures"]["chosen"]


def test_classes_beside_a_design_without_a_task_are_judged_at_the_last_step(taskless, capsys):
    plain = (taskless / "plain.py").read_text()
    (taskless / "plain.py").write_text(
        plain.replace(
            "    return replace(adder, ",
            "    weights['head.W'] = weights['head.W'].repeat(2, 0) * [[1], [-1]]\n"
            "    weights['head.b'] = weights['head.b'].repeat(2) * [1, -1]\n"
            "    layers = [adder.layers[0], replace(adder.layers[1], units=2)]\n"
            "    return replace(adder, layers=layers, ",
        )
    )
    demand = ["--choose-on", str(taskless / "classes.npz"), "--max", "rms=0.5"]
    figures = quantized(capsys, taskless, *demand)["figures"]
    assert figures["judged_chosen"]["accuracy"] == figures["chosen"]["accuracy"]
    # The first unit is the larger one where the last bit of a sum is one.
    assert figures["judged_chosen"]["accuracy_correct"] == 64


@pytest.mark.parametrize(
    ("code", "arguments", "said"),
    [
        (3, ["--max", "rms=1"], "no task, so there is no split 'train'"),
        (3, ["--max", "rms=1", "--data", "others.npz"], "--choose-on FILE.npz chooses"),
        (2, ["--choose-on", "calibration.npz"], "nothing is demanded"),
        (2, ["--choose-on", "calibration.npz", "--min", "accuracy=1"], "no accuracy"),
        (2, ["--choose-on", "others.npz", "--data", "others.npz", "--max", "rms=1"],
         "choosing on others.npz, which judges"),
    ],
)  # fmt: skip
def test_what_a_design_without_a_task_lacks_is_told(
    refused, taskless, monkeypatch, code, arguments, said
):
    monkeypatch.chdir(taskless)
    assert said in refused(code, "plain.py", *arguments)
