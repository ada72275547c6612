"""Design files: what they may say, and what every mistake in one is told."""

import numpy as np
import pytest

from rnnhw import (
    BinaryAddition,
    Design,
    DesignError,
    Elman,
    Formats,
    Hadamard,
    Q,
    Target,
    UsageError,
    load,
)

GOOD = '''"""A small adder.

h = f(W x + U h + b)
"""
from rnnhw import Banded, BinaryAddition, Design, Elman, Formats, Hadamard, Linear, Q


def design(hidden=4, scale=1.5, deep=False, kind="tri", choice=None):
    layers = [Elman(hidden, recurrent=Banded(1, 1), name="rnn"), Linear(1, name="bit")]
    return Design(
        task=BinaryAddition(3),
        layers=layers,
        formats=Formats(weight=Q(2, 5), sum=Q(3, 4), state=Q(0, 7)),
        weights="w.npz",
    )
'''


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "d.py"
        path.write_text(text)
        return path

    return write


# --- good files --------------------------------------------------------------------------------
def test_a_design_knows_its_file_title_and_settings(write):
    path = write(GOOD)
    design = load(path)
    assert design.path == path
    assert design.title == "A small adder."
    assert design.notes == "h = f(W x + U h + b)"
    assert design.settings == {
        "hidden": 4, "scale": 1.5, "deep": False, "kind": "tri", "choice": None,
    }  # fmt: skip
    assert design.network.signal("rnn.state").units == 4
    assert load(str(path)).network.source.format == Q(1, 0, signed=False)  # the task's


def test_weights_lie_beside_the_design_file(write, tmp_path):
    design = load(write(GOOD))
    arrays = {t.key: np.zeros(t.shape) for t in design.network.tensors}
    np.savez(tmp_path / "w.npz", **arrays)
    assert design.parameters.raw.keys() == arrays.keys()


def test_text_settings_take_the_type_of_the_default(write):
    given = {"hidden": "7", "scale": "2", "deep": "true", "kind": "5", "choice": "any"}
    settings = load(write(GOOD), given).settings
    assert settings == {"hidden": 7, "scale": 2.0, "deep": True, "kind": "5", "choice": "any"}
    assert isinstance(settings["scale"], float)
    assert load(write(GOOD), {"hidden": 6}).network.signal("rnn.state").units == 6
    for text, value in (("False", False), ("0", False), ("1", True), ("TRUE", True)):
        assert load(write(GOOD), {"deep": text}).settings["deep"] is value


def test_designs_leave_nothing_behind(write):
    path = write(
        "import sys\ncount = []\n" + GOOD.replace("layers = ", "count.append(1); layers = ")
    )
    assert load(path).settings == load(path).settings
    assert "rnnhw_design_d" not in __import__("sys").modules


# --- bad files ---------------------------------------------------------------------------------
BAD = {
    "not Python": ("def design(:\n", r"d\.py: line 1: ", "Python"),
    "a null byte": ("x = 1\0", r"d\.py", ""),
    "raises": ("x = 1\n1 / 0\n", r"d\.py: line 2: ZeroDivisionError: division by zero", ""),
    "imports what is not there": (
        "import no_such_module_at_all\n",
        r"d\.py: line 1: ModuleNotFoundError",
        "",
    ),
    "exits": ("import sys\nsys.exit(0)\n", r"d\.py: line 2: SystemExit", ""),
    "no design": ("x = 1\n", r"d\.py: no function design\(\)", "define `def design"),
    "design is no function": ("design = 3\n", r"d\.py: no function design\(\)", ""),
    "design is a class": ("class design: pass\n", r"d\.py: no function design\(\)", ""),
    "returns None": (
        "def design(): pass\n", r"d\.py: design\(\) returned None\S*, not a Design", "",
    ),
    "returns a list": ("def design(): return []\n", r"design\(\) returned .*, not a Design", ""),
    "default missing": (
        "def design(hidden): pass\n", r"d\.py: parameter 'hidden' of design\(\) has no default",
        "the defaults are the design",
    ),
    "raises inside": (
        "def design():\n    raise RuntimeError('broken')\n", r"d\.py: line 2: RuntimeError: broken",
        "",
    ),
    "recurses": ("def design():\n    return design()\n", r"d\.py: line 2: RecursionError", ""),
    "a wrong keyword": (
        "from rnnhw import Design\ndef design():\n    return Design(layer=[])\n",
        r"d\.py: line 3: TypeError.*layer", "",
    ),
    "an impossible format": (
        "from rnnhw import Q\n\ndef design():\n    return Q(60, 9)\n",
        r"d\.py: line 4: Q\(60, 9\) has 70 bits", "up to 64 bits",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", BAD)
def test_a_bad_file_is_told_with_its_name_and_line(write, mistake):
    text, message, hint = BAD[mistake]
    with pytest.raises(DesignError, match=message) as caught:
        load(write(text))
    assert hint in caught.value.hint


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(DesignError, match=r"none\.py: (?i:no such file)") as caught:
        load(tmp_path / "none.py")
    assert "path of a design file" in caught.value.hint
    with pytest.raises(DesignError, match=r"(?i:is a directory)"):
        load(tmp_path)


def test_an_interrupt_is_no_mistake_of_the_file(write):
    with pytest.raises(KeyboardInterrupt):
        load(write("raise KeyboardInterrupt\n"))


# --- settings ----------------------------------------------------------------------------------
def test_an_unknown_parameter_is_a_usage_error_with_the_known(write):
    with pytest.raises(UsageError, match="unknown parameter 'hiden'") as caught:
        load(write(GOOD), {"hiden": "4"})
    assert "did you mean 'hidden'?" in caught.value.hint
    assert "kind" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("hidden", "4.5", "int"),
        ("hidden", "", "int"),
        ("scale", "much", "float"),
        ("deep", "yes", "bool"),
    ],
)
def test_a_setting_of_the_wrong_type_is_a_usage_error(write, name, value, kind):
    with pytest.raises(UsageError, match=f"{name}='{value}' is not of type {kind}") as caught:
        load(write(GOOD), {name: value})
    assert "the default is" in caught.value.hint


# --- mistakes in the network -------------------------------------------------------------------
def changed(write, old, new):
    assert old in GOOD
    return load(write(GOOD.replace(old, new)))


def test_a_hadamard_of_96_names_file_layer_value_and_cure(write):
    design = changed(
        write, "Elman(hidden, recurrent=Banded(1, 1)", "Elman(96, recurrent=Hadamard()"
    )
    with pytest.raises(DesignError) as caught:
        _ = design.network
    assert caught.value.message.endswith(
        "d.py: layer 0 (Elman): Hadamard needs a power-of-two width, got 96"
    )
    assert caught.value.hint == "use 64 or 128"


def test_a_width_that_disagrees_with_the_weights_names_both(write, tmp_path):
    arrays = {t.key: np.zeros(t.shape) for t in load(write(GOOD)).network.tensors}
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(DesignError, match=r"w\.npz: .*shape \(.*4.*\), the design needs \(.*5.*\)"):
        _ = load(write(GOOD), {"hidden": "5"}).parameters


FORMATS = Formats(input=Q(3, 4), weight=Q(2, 5), sum=Q(3, 4), state=Q(0, 7))


def design(layers=None, **changes):
    return Design(**({"layers": layers or [Elman(4)], "formats": FORMATS, "inputs": 2} | changes))


@pytest.mark.parametrize(
    ("changes", "message", "hint"),
    [
        ({"layers": []}, "the design has no layers", "layers"),
        ({"inputs": None}, "the number of input features is not known", "inputs"),
        (
            {"formats": Formats(weight=Q(2, 5))},
            r"input, elman0\.state, elman0\.sum: no",
            "input=",
        ),
        (
            {"formats": Formats(input=Q(3, 4), weight=Q(2, 5), sum=Q(3, 4))},
            r"elman0\.state: no format",
            "Formats(state=",
        ),
        (
            {"layers": [Elman(4, name="a"), Elman(4, name="a")]},
            r"layer 1 \(Elman\): two layers are named 'a'",
            "name=",
        ),
        ({"overrides": {"rnn.stat": Q(1, 1)}}, r"overrides: unknown signal 'rnn\.stat'", "known:"),
        (
            {"formats": Formats(input=Q(40, 0), weight=Q(40, 0), sum=Q(3, 4), state=Q(0, 7))},
            r"layer 0 \(Elman\): elman0\.Wx: the exact result needs",
            "accumulator",
        ),
    ],
)
def test_a_network_that_cannot_be_is_told_with_its_layer(changes, message, hint):
    with pytest.raises(DesignError, match=f"design: {message}") as caught:
        _ = Design(**({"layers": [Elman(4)], "formats": FORMATS, "inputs": 2} | changes)).network
    assert hint in caught.value.hint


def test_overrides_reach_signals_and_tensors():
    overrides = {"elman0.sum": Q(1, 1), "elman0.b": Q(6, 6)}
    network = design(overrides=overrides).network
    assert network.signal("elman0.sum").format == Q(1, 1)
    assert {t.key: t.format for t in network.tensors}["elman0.b"] == Q(6, 6)


def test_a_design_without_weights_has_a_network_but_no_parameters():
    assert design().network.scans
    with pytest.raises(DesignError, match="design: the design has no weights") as caught:
        _ = design().parameters
    assert "report" in caught.value.hint


def test_weights_may_be_arrays():
    network = design().network
    weights = {tensor.key: np.full(tensor.shape, 0.5) for tensor in network.tensors}
    assert design(weights=weights).parameters.raw["elman0.W"].tolist() == [[16, 16]] * 4


def test_a_task_gives_what_is_left_out():
    task = BinaryAddition(3)
    formats = Formats(weight=Q(2, 5), sum=Q(3, 4), state=Q(0, 7))
    network = Design([Elman(4)], formats, task=task).network
    assert network.source.units == 2
    assert network.source.format == task.input_format


def test_a_target_is_data():
    target = Target("board", lanes={"rnn": 4}, clock_mhz=24.0)
    assert design(target=target).target == target


def test_a_hadamard_recurrence_is_built_from_a_design():
    network = design([Elman(8, recurrent=Hadamard())]).network
    assert "elman0.U.transform" in network.signals()
