"""Every mistake of a user ends in one line that names the place and the value, and a cure."""

import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rnnhw.cli import main

rng = np.random.default_rng(7)
WEIGHTS = {
    "rnn.W": rng.uniform(-1, 1, (4, 2)),
    "rnn.U": rng.uniform(-1, 1, (4, 4)),
    "rnn.b": np.zeros(4),
    "head.W": rng.uniform(-1, 1, (1, 4)),
    "head.b": np.zeros(1),
}
X = rng.uniform(-0.9, 0.9, (3, 5, 2))
ARGUMENTS = {
    "layers": "[Elman(hidden, name='rnn'), Linear(1, name='head')]",
    "inputs": "2",
    "formats": "Formats(input=Q(1, 6), weight=Q(2, 5), state=Q(0, 7), sum=Q(2, 5))",
    "weights": "'w.npz'",
}
OLDER = b"what was there before"


def source(**changes):
    """A small design file with some arguments of ``Design`` changed."""
    arguments = ", ".join(f"{k}={v}" for k, v in {**ARGUMENTS, **changes}.items())
    return (
        '"""A small net."""\nfrom rnnhw import *\n\n\n'
        f"def design(hidden=4, flag=True, ratio=0.5):\n    return Design({arguments})\n"
    )


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with a design, its weights, data and an older result."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.py").write_text(source())
    (tmp_path / "run.npz").write_bytes(OLDER)
    np.savez(tmp_path / "w.npz", **WEIGHTS)
    np.savez(tmp_path / "x.npz", x=X)
    return tmp_path


@pytest.fixture
def refused(folder, capsys):
    """Run a command that must fail cleanly; what it said."""

    def run(code, *arguments):
        before = sorted(path.name for path in folder.rglob("*"))
        assert main([str(each) for each in arguments]) == code
        out, err = capsys.readouterr()
        assert out == ""
        lines = err.splitlines()
        assert lines[0].startswith("error: ")
        assert len(lines) <= 2 and all(line.startswith("hint: ") for line in lines[1:])
        assert "Traceback" not in err
        assert sorted(path.name for path in folder.rglob("*")) == before
        assert (folder / "run.npz").read_bytes() == OLDER
        return err

    return run


def simulate(*arguments):
    return ("simulate", "d.py", "--data", "x.npz", "-o", "run.npz", *arguments)


def test_the_design_that_all_the_others_vary_is_right(capsys):
    assert main(["simulate", "d.py", "--data", "x.npz", "-o", "new.npz"]) == 0
    assert capsys.readouterr().err == ""


# --- the design file ---------------------------------------------------------------------------
FILES = {
    "raises": ("\n1 / 0", "d.py: line 2: ZeroDivisionError: division by zero"),
    "raises inside": ("def design():\n    return [][1]", "d.py: line 2: IndexError"),
    "raises without a word": ("raise ValueError", "d.py: line 1: ValueError: no message"),
    "syntax": ("def design(:\n  pass", "d.py: line 1: invalid syntax"),
    "empty": (b"", "d.py: no function design()"),
    "binary": (bytes(range(256)), "d.py: source code string cannot contain null bytes"),
    "not UTF-8": ('x = "\xe9"'.encode("latin-1"), "d.py: line 1: (unicode error) 'utf-8'"),
    "an npz": (b"PK\x03\x04\0\0", "d.py: source code string cannot contain null bytes"),
    "exits": ("import sys\nsys.exit()", "d.py: line 2: SystemExit: no message"),
    "exits inside": ("def design():\n    raise SystemExit('bye')", "line 2: SystemExit: bye"),
    "no end": ("def design():\n    return design()", "line 2: RecursionError: maximum recursion"),
    "memory": ("def design():\n    raise MemoryError", "line 2: MemoryError: no message"),
    "imports": ("import nothing_of_this_name", "d.py: line 1: ModuleNotFoundError: No module"),
    "returns nothing": ("def design():\n    pass", "d.py: design() returned None, not a Design"),
    "returns a class": (
        "from rnnhw import Design\ndef design():\n    return Design",
        "d.py: design() returned the class Design, not a Design",
    ),
    "no function": ("design = 5", "d.py: no function design()"),
    "no default": ("def design(width):\n    pass", "parameter 'width' of design() has no default"),
    "prints first": ("print('hello')\n1 / 0", "d.py: line 2: ZeroDivisionError"),
}


@pytest.mark.parametrize(("text", "message"), FILES.values(), ids=FILES)
@pytest.mark.parametrize("command", ["simulate", "verify", "report", "info"])
def test_a_broken_design_file_is_told_with_its_line(folder, capsys, command, text, message):
    (folder / "d.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main([command, "d.py"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert f"error: d.py: {message.removeprefix('d.py: ')}" in err
    assert "Traceback" not in err


def test_what_a_design_file_prints_is_not_data(folder, capsys):
    (folder / "d.py").write_text(f"print('hello')\n{source()}")
    assert main(["simulate", "d.py", "--data", "x.npz", "--format", "json"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("{") and err == "hello\n"


@pytest.mark.parametrize("command", ["simulate", "verify", "report", "info"])
@pytest.mark.parametrize(
    ("name", "message"),
    [("none.py", "no such file or directory"), (".", "is a directory"), ("w.npz", "null bytes")],
)
def test_a_design_that_is_no_file_is_named(refused, command, name, message):
    assert f"error: {name}: " in (err := refused(3, command, name)) and message in err


DESIGNS = {
    "no layers": ({"layers": "[]"}, "the design has no layers"),
    "layers no list": ({"layers": "Elman(4)"}, "line 6: layers=Elman(...): not a list"),
    "layers missing": ({"layers": "None"}, "line 6: layers=None: not a list"),
    "layer a number": ({"layers": "[5]"}, "layer 0 (int): 5 is not a layer"),
    "layer a class": ({"layers": "[Elman]"}, "layer 0 (type): the class Elman is not a layer"),
    "class within": (
        {"layers": "[Residual([Elman])]"},
        "layer 0 (Residual): the class Elman is not a layer",
    ),
    "width within": (
        {"layers": "[Bidirectional(Residual([Elman(2.5)]))]"},
        "layer 0 (Bidirectional): units=2.5",
    ),
    "number within": ({"layers": "[Bidirectional(3)]"}, "3 is not a layer"),
    "nothing within": ({"layers": "[Residual([])]"}, "Residual(layers=[])"),
    "width text": ({"layers": "[Elman('16')]"}, "layer 0 (Elman): units='16'"),
    "width real": ({"layers": "[Elman(2.5)]"}, "layer 0 (Elman): units=2.5"),
    "width zero": ({"layers": "[Elman(0)]"}, "layer 0 (Elman): elman0.state.previous has 0 units"),
    "width negative": ({"layers": "[Linear(-3)]"}, "layer 0 (Linear): linear0.b has -3 units"),
    "width huge": ({"layers": "[Elman(10**8)]"}, "layer 0 (Elman): 100,000,000 units"),
    "Hadamard of 96": (
        {"layers": "[Elman(96, recurrent=Hadamard())]"},
        "layer 0 (Elman): Hadamard needs a power-of-two width, got 96\nhint: use 64 or 128",
    ),
    "band too wide": (
        {"layers": "[Elman(4, recurrent=Banded(4, 1))]"},
        "layer 0 (Elman): Banded(lower=4, upper=1) is wider than the matrix of 4 x 4",
    ),
    "band negative": ({"layers": "[Elman(4, recurrent=Banded(-1, 1))]"}, "Banded(lower=-1"),
    "band real": (
        {"layers": "[Elman(4, recurrent=Banded(1.5, 1))]"},
        "Banded(lower=1.5, upper=1): lower",
    ),
    "structure a class": (
        {"layers": "[Elman(4, recurrent=Dense)]"},
        "layer 0 (Elman): recurrent=the class Dense\nhint: write recurrent=Dense(...)",
    ),
    "structure text": ({"layers": "[Elman(4, recurrent='dense')]"}, "layer 0 (Elman): "),
    "activation a class": (
        {"layers": "[Elman(4, activation=Tanh)]"},
        "layer 0 (Elman): activation=the class Tanh\nhint: write activation=Tanh(...)",
    ),
    "activation text": ({"layers": "[Elman(4, activation='tanh')]"}, "layer 0 (Elman): "),
    "window zero": ({"layers": "[Window(0)]"}, "layer 0 (Window): a window of 0 steps"),
    "window real": ({"layers": "[Window(1.5)]"}, "layer 0 (Window): width=1.5"),
    "one name twice": (
        {"layers": "[Elman(4, name='a'), Elman(4, name='a')]"},
        "layer 1 (Elman): two layers are named 'a'",
    ),
    "name a number": ({"layers": "[Elman(4, name=5)]"}, "layer 0 (Elman): name=5"),
    "name dotted": ({"layers": "[Elman(4, name='a.b')]"}, "layer 0 (Elman): name='a.b'"),
    "formats missing": ({"formats": "None"}, "line 6: formats=None"),
    "formats empty": (
        {"formats": "Formats()"},
        "input, rnn.state, rnn.b, rnn.W, rnn.U and 3 more: no",
    ),
    "format a number": ({"formats": "Formats(input=8)"}, "Formats(input=...) must be a Q format"),
    "format of 65 bits": ({"formats": "Formats(input=Q(1, 63))"}, "Q(1, 63) has 65 bits"),
    "sum of 85 bits": (
        {"formats": "Formats(input=Q(1, 40), weight=Q(2, 40), state=Q(0, 7), sum=Q(2, 5))"},
        "layer 0 (Elman): rnn.Wx: the exact result needs",
    ),
    "table of 28 bits": (
        {"formats": "Formats(input=Q(1, 6), weight=Q(2, 5), state=Q(0, 7), sum=Q(2, 25))"},
        "layer 0 (Elman): rnn.state: a tanh table",
    ),
    "overrides a list": ({"overrides": "[1]"}, "line 6: overrides=[1]"),
    "override a number": ({"overrides": "{'rnn.state': 8}"}, "rnn.state is 8, not a format"),
    "override unknown": (
        {"overrides": "{'rnn.stat': Q(1, 2)}"},
        "overrides: unknown signal 'rnn.stat'\nhint: did you mean 'rnn.state'? known: ",
    ),
    "inputs negative": ({"inputs": "-1"}, "line 6: inputs=-1"),
    "inputs zero": ({"inputs": "0"}, "line 6: inputs=0"),
    "inputs text": ({"inputs": "'2'"}, "line 6: inputs='2'"),
    "inputs huge": ({"inputs": "10**9"}, "line 6: inputs=1,000,000,000"),
    "inputs missing": ({"inputs": "None"}, "the number of input features is not known"),
    "max_steps real": ({"max_steps": "2.5"}, "line 6: max_steps=2.5"),
    "max_steps missing": ({"layers": "[Mean(), Linear(1)]"}, "layer 0 (Mean): a sum over time"),
    "max_steps huge": (
        {"layers": "[Mean(), Linear(1)]", "max_steps": "10**30"},
        "line 6: max_steps=1,000,000,000,000,000,000,000,000,000,000",
    ),
    "task a class": ({"task": "BinaryAddition"}, "line 6: task=the class BinaryAddition"),
    "task text": ({"task": "'adder'"}, "line 6: task='adder'"),
    "task of 63 bits": ({"task": "BinaryAddition(63)"}, "line 6: operand_bits=63"),
    "task of 8.5 bits": ({"task": "BinaryAddition(8.5)"}, "line 6: operand_bits=8.5"),
    "target text": ({"target": "'ecp5-25'"}, "line 6: target='ecp5-25'"),
    "deadline zero": ({"steps_per_second": "0"}, "line 6: steps_per_second=0"),
    "requirement a list": (
        {"task": "BinaryAddition(2, require=['accuracy'])"},
        "line 6: require=['accuracy'] of the task",
    ),
    "weights a number": ({"weights": "5"}, "line 6: weights=5"),
    "unknown argument": ({"wieghts": "None"}, "line 6: TypeError: Design.__init__() got an unexp"),
}


@pytest.mark.parametrize(("changes", "message"), DESIGNS.values(), ids=DESIGNS)
def test_an_impossible_design_is_told_with_file_layer_and_value(folder, refused, changes, message):
    (folder / "d.py").write_text(source(**changes))
    assert f"{message}" in (err := refused(3, *simulate()))
    assert err.startswith("error: d.py: ")
    assert refused(3, "info", "d.py") == err


def test_a_huge_width_is_refused_before_it_costs_anything(refused):
    for command in (("info", "d.py"), ("report", "d.py", "--profile", "ecp5-25"), simulate()):
        err = refused(3, *command, "--set", "hidden=100000000")
        assert "layer 0 (Elman): 100,000,000 units" in err
    assert "65 bits" not in err


# --- weights -----------------------------------------------------------------------------------
ARRAYS = {
    "missing": ({"rnn.U": None}, "no rnn.U"),
    "shape": ({"rnn.U": np.zeros((5, 5))}, "rnn.U has shape (5, 5), the design needs (4, 4)"),
    "no shape": ({"rnn.b": np.zeros(())}, "rnn.b has shape (), the design needs (4,)"),
    "NaN": ({"rnn.W": np.full((4, 2), np.nan)}, "rnn.W[0, 0] is nan"),
    "infinite": ({"rnn.b": np.array([0, 0, -np.inf, 0])}, "rnn.b[2] is -inf"),
    "one too many": ({"rnn.V": np.zeros(3)}, "the design has no tensor rnn.V"),
    "complex": ({"rnn.U": np.zeros((4, 4), complex)}, "rnn.U holds complex128"),
    "text": ({"rnn.U": np.zeros((4, 4), str)}, "rnn.U holds <U1"),
    "objects": ({"rnn.U": np.zeros((4, 4), object)}, "it holds Python objects"),
}


@pytest.mark.parametrize(("changes", "message"), ARRAYS.values(), ids=ARRAYS)
def test_wrong_weights_are_told_with_file_and_tensor(folder, refused, changes, message):
    arrays = {key: array for key, array in {**WEIGHTS, **changes}.items() if array is not None}
    np.savez(folder / "w.npz", **arrays)
    err = refused(3, *simulate())
    assert err.startswith("error: d.py: w.npz: ") and message in err


def test_a_width_that_disagrees_with_the_weights_names_both(refused):
    err = refused(3, *simulate("--set", "hidden=8"))
    assert "d.py: w.npz: rnn.b has shape (4,), the design needs (8,)" in err


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("None", "d.py: the design has no weights"),
        ("'none.npz'", "d.py: none.npz: no such file"),
        ("'.'", "is a directory"),
        ("{'rnn.U': [[1], [1, 2]]}", "weights: rnn.U is no array"),
        ("{'rnn.U': 1}", "weights: no head.W, head.b, rnn.W, rnn.b"),
    ],
)
def test_weights_that_are_not_there_stop_a_run_but_no_report(
    folder, refused, capsys, weights, message
):
    (folder / "d.py").write_text(source(weights=weights))
    assert message in refused(3, *simulate())
    assert message in refused(3, "verify", "d.py", "--data", "x.npz", "--min", "snr_db=1")
    assert main(["info", "d.py"]) == 0
    capsys.readouterr()


# --- data --------------------------------------------------------------------------------------
def npy_header(shape):
    """An ``x.npy`` that claims ``shape`` and holds next to nothing."""
    with Path("x.npy").open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(64))
    with zipfile.ZipFile("bad.npz", "w") as archive:
        archive.write("x.npy")


DATA = {
    "complex": ({"x": X + 1j}, "x holds complex128, not real numbers"),
    "text": ({"x": X.astype(str)}, "x holds <U32, not real numbers"),
    "objects": ({"x": X.astype(object)}, "it holds Python objects, which are never unpickled"),
    "dates": ({"x": X.astype("M8[s]")}, "x holds datetime64[s]"),
    "too wide": ({"x": np.zeros((2, 3, 5))}, "5 features, but the network reads 2"),
    "two axes": ({"x": X[0]}, "x has shape (5, 2)"),
    "a number": ({"x": 3}, "x has shape ()"),
    "no sequence": ({"x": X[:0]}, "x has shape (0, 5, 2): nothing to run"),
    "no step": ({"x": X[:, :0]}, "x has shape (3, 0, 2): nothing to run"),
    "no feature": ({"x": X[:, :, :0]}, "x has shape (3, 5, 0): nothing to run"),
    "NaN": ({"x": np.where(X[1, 2, 0] == X, np.nan, X)}, "x[1, 2, 0] is nan"),
    "infinite": ({"x": np.where(X[2, 0, 1] == X, np.inf, X)}, "x[2, 0, 1] is inf"),
    "no x": ({"y": [1, 2]}, "no array x"),
    "unknown array": ({"x": X, "z": 1}, "unknown array z"),
    "length zero": ({"x": X, "lengths": [5, 0, 5]}, "lengths[1] is 0"),
    "length too long": ({"x": X, "lengths": [1, 2, 6]}, "lengths[2] is 6"),
    "length huge": ({"x": X, "lengths": np.array([2**63 + 1, 1, 1], "u8")}, "lengths[0] is 9223"),
    "lengths real": ({"x": X, "lengths": [1.0, 2, 3]}, "lengths is float64 of shape (3,)"),
    "lengths short": ({"x": X, "lengths": [1, 2]}, "lengths is int64 of shape (2,)"),
    "lengths one": ({"x": X, "lengths": 5}, "lengths is int64 of shape ()"),
    "y short": ({"x": X, "y": [1]}, "y is int64 of shape (1,)"),
    "y one": ({"x": X, "y": 1}, "y is int64 of shape ()"),
    "y real": ({"x": X, "y": [1.0, 2, 3]}, "y is float64 of shape (3,)"),
    "y text": ({"x": X, "y": ["a", "b", "c"]}, "y is <U1 of shape (3,)"),
}


@pytest.mark.parametrize(("arrays", "message"), DATA.values(), ids=DATA)
def test_wrong_data_is_told_with_file_and_array(folder, refused, arrays, message):
    np.savez(folder / "bad.npz", **arrays)
    for command in (simulate(), ("verify", "d.py", "--min", "snr_db=1")):
        err = refused(3, *command, "--data", "bad.npz")
        assert err.startswith("error: bad.npz: ") and message in err


CONTENTS = {
    "text": b"hello",
    "nothing": b"",
    "pickle": b"\x80\x04K\x05.",
    "zip of nothing": b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_a_file_that_is_no_npz_is_told(folder, refused, content):
    (folder / "bad.npz").write_bytes(content)
    assert refused(3, *simulate("--data", "bad.npz")).startswith("error: bad.npz: ")


def test_a_truncated_npz_is_told_wherever_it_ends(folder, refused):
    whole = (folder / "x.npz").read_bytes()
    for length in range(1, len(whole), 40):
        (folder / "bad.npz").write_bytes(whole[:length])
        assert "error: bad.npz: not a plain .npz" in refused(3, *simulate("--data", "bad.npz"))


def test_a_bare_array_and_a_lying_header_are_told(folder, refused):
    np.save(folder / "bare.npy", X)
    assert "bare.npy: one bare array" in refused(3, *simulate("--data", "bare.npy"))
    for shape in ((10**9, 10**4, 2), (-1, 3, 2), (3, 5, 2)):
        npy_header(shape)
        assert "error: bad.npz: " in refused(3, *simulate("--data", "bad.npz"))


@pytest.mark.parametrize(("name", "word"), [("none.npz", "no such file"), (".", "directory")])
def test_data_that_is_no_file_is_named(refused, name, word):
    assert word in (err := refused(3, *simulate("--data", name)))
    assert err.startswith(f"error: {name}: ")


def test_a_design_without_task_asks_for_data(refused):
    assert "d.py: the design has no task\nhint: give --data of" in refused(3, "simulate", "d.py")


def test_expected_answers_of_the_wrong_kind_are_told(folder, refused):
    (folder / "d.py").write_text(source(task="BinaryAddition(4)"))
    np.savez(folder / "bad.npz", x=X, y=[1, 2, 3])
    err = refused(3, *simulate("--data", "bad.npz"))
    assert "bad.npz: BinaryAddition: outputs of shape (3, 5, 1) for sums of (3,)" in err


TASKS = {
    "no file": (None, "none.npz: no such file"),
    "no split": ({"x": X}, "s.npz: no array test_x"),
    "one class too many": ({"y": [0, 0, 1]}, "y of shape (3,) holds 0..1"),
    "a constant feature": ({"train": X * [1, 0]}, "s.npz: feature 1 of train_x never changes"),
}


@pytest.mark.parametrize(("arrays", "message"), TASKS.values(), ids=TASKS)
def test_a_task_with_wrong_data_is_told_with_its_file(folder, refused, arrays, message):
    file = "none.npz" if arrays is None else "s.npz"
    task = f"Classification({file!r})"
    layers = "[Elman(hidden, name='rnn'), Last(), Linear(1, name='head')]"
    (folder / "d.py").write_text(source(task=task, layers=layers))
    if arrays is not None and "x" not in arrays:
        given = {"train_x": arrays.get("train", X), "test_x": X}
        if (y := arrays.get("y", [0, 0, 0])) is not None:
            given["test_y"] = y
        np.savez(folder / "s.npz", **given)
    elif arrays is not None:
        np.savez(folder / "s.npz", **arrays)
    err = refused(3, "simulate", "d.py", "-o", "run.npz")
    assert err.startswith("error: d.py: ") and message in err


TARGETS = np.arange(15.0).reshape(3, 5, 1)
REAL = {
    "whole and flat": ({"y": [1, 2, 3]}, "y is int64 of shape (3,)"),
    "steps missing": ({"y": TARGETS[:, :4]}, "y is float64 of shape (3, 4, 1)"),
    "sequences missing": ({"y": TARGETS[:2]}, "y is float64 of shape (2, 5, 1)"),
    "no axis of outputs": ({"y": TARGETS[:, :, 0]}, "y is float64 of shape (3, 5)"),
    "no outputs": ({"y": TARGETS[:, :, :0]}, "y is float64 of shape (3, 5, 0)"),
    "text": ({"y": TARGETS.astype(str)}, "y is <U32 of shape (3, 5, 1)"),
    "NaN": ({"y": np.where(TARGETS == 7, np.nan, TARGETS)}, "y[1, 2, 0] is nan"),
    "infinite": ({"y": np.where(TARGETS == 14, np.inf, TARGETS)}, "y[2, 4, 0] is inf"),
    "too many outputs": (
        {"y": np.concatenate([TARGETS, TARGETS], 2)},
        "Regression: 1 outputs for y of shape (3, 5, 2)",
    ),
    "constant": ({"y": TARGETS * 0 + 0.1}, "the 12 targets never change"),
    "all wash-out": (
        {"y": TARGETS, "lengths": [5, 1, 5]},
        "a sequence of 1 steps, but the first 1",
    ),
}


@pytest.mark.parametrize(("arrays", "message"), REAL.values(), ids=REAL)
def test_wrong_targets_are_told_with_their_file(folder, refused, arrays, message):
    (folder / "d.py").write_text(source(task="Regression('s.npz', standardise=False, washout=1)"))
    given = {"x": X, **arrays}
    np.savez(folder / "own.npz", **given)
    np.savez(
        folder / "s.npz", **{f"{s}_{k}": v for s in ("train", "test") for k, v in given.items()}
    )
    for command in (simulate(), ("verify", "d.py", "--max", "nrmse=1")):
        err = refused(3, *command, "--data", "own.npz")
        assert err.startswith("error: own.npz: ") and message in err
    for command in (("simulate", "d.py"), ("verify", "d.py", "--max", "nrmse=1")):
        err = refused(3, *command)
        assert err.startswith("error: d.py: ") and message in err


def test_figures_of_another_kind_of_score_are_unknown_before_the_work(folder, refused, monkeypatch):
    monkeypatch.setattr("rnnhw.execution.simulate.run_engine", None)
    monkeypatch.setattr("rnnhw.execution.verify.run_engine", None)
    np.savez(folder / "own.npz", x=X, y=TARGETS)
    np.savez(folder / "flat.npz", x=X, y=[1, -1, 1])
    for task, data, own, others in (
        ("Narma10()", "own.npz", "nrmse", ["accuracy", "accuracy_loss"]),
        ("Recall()", "flat.npz", "accuracy", ["nrmse", "r2", "float_nrmse"]),
    ):
        (folder / "d.py").write_text(source(task=task))
        for name in others:
            for command in ("simulate", "verify"):
                err = refused(2, command, "d.py", "--data", data, "--max", f"{name}=1")
                assert f"unknown figure {name!r}" in err
                assert err.count(", ") <= 4 and " more" in err
        err = refused(2, "verify", "d.py", "--data", "x.npz", "--max", f"float_{own}=1")
        assert f"error: x.npz: no expected answers, so no float_{own}\n" in err


ARGUMENTS_OF_TASKS = {
    "Recall(0)": "delay=0\nhint: use 1 to 4,096",
    "Recall(4097)": "delay=4097",
    "Recall(delay=1.5)": "delay=1.5",
    "Recall(sequences=11)": "sequences=11\nhint: use an even number",
    "Narma10(washout=250)": "washout=250\nhint: use 0 to 249",
    "Narma10(0)": "steps=0",
    "Regression('s.npz', washout=-1)": "washout=-1\nhint: use 0 or more",
}


@pytest.mark.parametrize(("task", "message"), ARGUMENTS_OF_TASKS.items())
def test_a_task_with_wrong_arguments_is_told_with_its_line(folder, refused, task, message):
    (folder / "d.py").write_text(source(task=task))
    assert f"error: d.py: line 6: {message}" in refused(3, "simulate", "d.py")


def test_an_accuracy_without_expected_answers_is_told(folder, refused, capsys):
    (folder / "d.py").write_text(source(task="BinaryAddition(4, require={'accuracy': 1.0})"))
    assert main(["simulate", "d.py", "--data", "x.npz"]) == 0
    assert "accuracy" not in capsys.readouterr().out
    message = "error: x.npz: no expected answers, so no accuracy\nhint: add an array y"
    assert message in refused(2, "verify", "d.py", "--data", "x.npz")
    assert message in refused(2, *simulate("--min", "accuracy=0.5"))


def test_inputs_outside_the_format_are_clipped_counted_and_may_fail(folder, capsys):
    np.savez(folder / "big.npz", x=np.array([[[3.0, -2.5], [0.5, 1e300]]]))
    command = ["simulate", "d.py", "--data", "big.npz"]
    assert main([*command, "--max", "input_clips=3"]) == 0
    assert re.search(r"^input +2 +1 +0 +0$", capsys.readouterr().out, re.MULTILINE)
    assert main([*command, "--max", "input_clips=0"]) == 1
    out, err = capsys.readouterr()
    assert "FAIL  input_clips 3, at most 0" in out and err == ""


# --- options -----------------------------------------------------------------------------------
OPTIONS = {
    "--set hiden=4": "d.py: unknown parameter 'hiden' of design()\nhint: did you mean 'hidden'? ",
    "--set hidden": "--set 'hidden'\nhint: write --set NAME=VALUE",
    "--set =4": "--set '=4'",
    "--set hidden=4 --set hidden=5": "--set hidden is given twice",
    "--set hidden=4.5": "d.py: hidden='4.5' is not of type int\nhint: the default is 4",
    "--set hidden=": "d.py: hidden='' is not of type int",
    "--set flag=perhaps": "d.py: flag='perhaps' is not of type bool",
    "--set ratio=x": "d.py: ratio='x' is not of type float",
    "--isa plane": "unknown instruction set 'plane'\nhint: did you mean 'plain'? known: ",
    "--trace rnn.stat": "unknown signal 'rnn.stat'\nhint: did you mean 'rnn.state'? known: ",
    "--format xml": "unknown format 'xml'\nhint: known: text, json",
    "--min speed": "--min 'speed'\nhint: write --min NAME=VALUE",
    "--min speed=1": "unknown figure 'speed'\nhint: known: ",
    "--min accuracy=1": "unknown figure 'accuracy'",
    "--max wraps=few": "--max wraps=few: 'few' is not a number",
    "--max wraps=nan": "--max wraps=nan: 'nan' is not a number",
    "--max wraps=inf": "wraps: nothing can be judged by the bound inf\nhint: give a finite number",
    "--min wraps=-inf": "wraps: nothing can be judged by the bound -inf",
    "--max wraps=1 --max wraps=2": "--max wraps is given twice",
    "--frob": "No such option: --frob",
    "--data": "Option '--data' requires an argument",
    "y.py": "Got unexpected extra argument(s) (y.py)",
    "-o run.txt": "--output run.txt: simulate writes .npz",
}


@pytest.mark.parametrize(("options", "message"), OPTIONS.items())
def test_a_wrong_option_is_told_with_what_is_known(refused, options, message):
    assert message in refused(2, *simulate(*options.split()))


USAGES = {
    "simulat d.py": "No such command 'simulat'",
    "simulate": "Missing argument",
    "simulate d.py --trace rnn.state --data x.npz": "--trace records into a file",
    "profiles ecp6": "unknown profile 'ecp6'\nhint: known: ",
    "report d.py --profile zynq": "unknown profile 'zynq'",
    "report d.py --profile ecp5-25 --clock-mhz 0": "0",
    "report d.py --profile ecp5-25 --clock-mhz x": "--clock-mhz",
    "report d.py --profile ecp5-25 --lanes 0": "Invalid value for '--lanes'",
    "report d.py --profile ecp5-25 --lanes four": "Invalid value for '--lanes'",
    "report d.py --profile ecp5-25 --max frob=1": "unknown figure 'frob'",
    "verify d.py --data x.npz --min snr=1": "unknown figure 'snr'\nhint: did you mean 'snr_db'?",
    "verify d.py --data x.npz --min snr_db=1 --format json -o a.txt": "--format json contradicts",
    "report d.py --profile ecp5-25 --format text -o a.json": "--format text contradicts",
    "info --set hidden=4": "--set needs a design file",
}


@pytest.mark.parametrize(("command", "message"), USAGES.items())
def test_a_wrong_command_is_told(refused, command, message):
    assert message in refused(2, *command.split())


PLACES = ["none/run.npz", "folder.npz", "x.npz/run.npz", "o" * 300 + ".npz"]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[:20])
def test_an_output_that_cannot_be_written_is_told_before_the_work(
    folder, refused, monkeypatch, place
):
    monkeypatch.setattr("rnnhw.cli.simulate.simulate", None)  # it would be a TypeError
    (folder / "folder.npz").mkdir()
    err = refused(2, "simulate", "d.py", "--data", "x.npz", "-o", place)
    assert err.startswith(f"error: cannot write {place}: ")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a file system that refuses")
def test_a_place_that_refuses_only_when_it_is_written_is_told_too(refused):
    assert "error: cannot write /proc/run.npz: " in refused(2, *simulate("-o", "/proc/run.npz"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_output_is_refused(folder, refused):
    (folder / "run.npz").chmod(0o444)
    assert "permission denied" in refused(2, *simulate())
    (folder / "run.npz").chmod(0o644)
    folder.chmod(0o555)
    assert "permission denied" in refused(2, *simulate("-o", "new.npz"))
    folder.chmod(0o755)


def test_a_disk_that_fills_up_keeps_the_older_file(folder, refused, monkeypatch):
    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    assert "cannot write run.npz: no space left on device" in refused(2, *simulate())
