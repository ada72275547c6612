"""Every legal name of a layer, a signal or a file gives right Verilog and files of its own."""

import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from helpers.paths import ROOT
from helpers.tools import simulated

from rnnhw import (
    LSTM,
    Bidirectional,
    Design,
    DesignError,
    Elman,
    Formats,
    Last,
    Linear,
    Mean,
    Q,
    Residual,
)
from rnnhw.commands.emit import emission_of, emit, machine_of
from rnnhw.layers.structures import Dense
from rnnhw.numerics.tables import elementwise
from rnnhw.rtl.modules import MODULES
from rnnhw.rtl.project import project_files
from rnnhw.rtl.verilog_text import identifier

FORMATS = Formats(input=Q(0, 5), weight=Q(0, 5), sum=Q(2, 4), state=Q(1, 5))
X = np.random.default_rng(1).uniform(-0.9, 0.9, (2, 4, 2))


def design(layers, file="network"):
    """A design with random weights, as of a file of that name."""
    rng = np.random.default_rng(0)
    plain = Design(layers, FORMATS, inputs=2, max_steps=9)
    weights = {t.key: rng.normal(0, 0.3, t.shape) for t in plain.network.tensors}
    return replace(plain, weights=weights, path=Path(f"{file}.py"))


@pytest.fixture
def checked(tmp_path):
    """Emit a design and run its test bench; the names of the files."""

    def run(made):
        np.savez(tmp_path / "x.npz", x=X)
        found = emit(made, tmp_path / "out", data=tmp_path / "x.npz", lanes=2, check=True)
        assert found.passed
        assert len({name.casefold() for name in found.files}) == len(found.files)
        assert sorted(found.files) == sorted(path.name for path in (tmp_path / "out").iterdir())
        return found.files

    return run


# --- layers --------------------------------------------------------------------------------------
PAIRS = [
    ("a b", "a_b"), ("é", "è"), ("a-b", "a+b"), ("A", "a"), ("rnn", "rnn_x"), ("rnn", "rnn_"),
    ("x", "y"), ("tb", "tb_x"), ("clk", "rst"), ("output", "reg"), ("casex", "endclass"),
    ("unused", "rnnhw_last"), ("a", "a_weights"), ("1", "n1"), ("pins", "$"), ("x_valid", "x"),
    ("rnn", "rnn_layer"), ("network", "network_network"), ("*/", "//"), ("`", "\\"), ('"', "'"),
    ("n" * 64, "n" * 63 + "m"),
]  # fmt: skip


@simulated
@pytest.mark.parametrize("names", PAIRS)
def test_layers_whose_names_meet_something_are_right(checked, names):
    first, second = names
    checked(design([Elman(2, name=first), Elman(2, name=second)]))


@simulated
@pytest.mark.parametrize(
    "layers",
    [
        [Residual([Elman(2, name="x"), Elman(2, name="x_x1")], name="r"), Last(name="r_x1")],
        [Elman(2, name="m_total"), Mean(name="m"), Linear(1, name="m_steps")],
        [Elman(2, name="rnnhw"), Last(name="rnnhw_valid"), Linear(1, name="rnnhw_last")],
    ],
    ids=["residual", "mean", "last"],
)
def test_joins_and_times_whose_names_meet_something_are_right(checked, layers):
    if any(isinstance(layer, Linear | Residual) for layer in layers):
        layers = [
            replace(each, formats=Formats(output=Q(2, 5), input=Q(2, 5)))
            if isinstance(each, Linear)
            else each
            for each in layers
        ]
    checked(design(layers))


@simulated
@pytest.mark.parametrize(
    "file",
    ["rnnhw_rom", "rnnhw_cast", "rnnhw", "x", "clk", "dut", "module", "bind", "on", "NULL", "é",
     "1", "a b", "waves", "n" * 64],
)  # fmt: skip
def test_a_design_file_may_have_any_name(checked, file):
    checked(design([Elman(2, name="rom"), Last(name="tb")], file))


def test_images_of_one_layer_are_not_those_of_another():
    made = design([Elman(2, name="a"), Elman(2, name="a_weights"), Elman(2, name="A_WEIGHTS")])
    files = emission_of(made, machine_of(made, 1)).files
    images = [name for name in files if name.endswith(".hex")]
    assert len({name.casefold() for name in images}) == len(images) == 9
    for name in images:
        users = [text for text in files.values() if f'"{name}"' in text]
        assert len(users) == 1


REFUSED = [
    "a\nb",
    "a\rb",
    "\x1b[31m",
    "a\0",
    "\x7f",
    "\x85",
    "\u2028",
    "\u202e",
    "\ud800",
    "n" * 65,
]


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_a_name_that_cannot_stand_in_a_line_is_refused(name):
    for layer in (
        Elman(2, name=name),
        Residual([Elman(2, name=name)]),
        Bidirectional(Elman(2, name="rnn"), name=name),
    ):
        with pytest.raises(DesignError, match=r"name=.*: a name ") as caught:
            _ = design([layer]).network
        assert "\n" not in caught.value.message and "\x1b" not in caught.value.message
    made = design([Elman(2)], file=name.replace("\0", "\n"))
    with pytest.raises(DesignError, match="modules are named after the design's file"):
        emission_of(made, machine_of(made, 1))


# --- signals -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Cell:
    """A recurrent cell of the user's own, whose signals have the names that are given."""

    signals: tuple[str, ...]
    name: str = "rnn"
    formats = Formats()

    def step(self, g, x):
        bias, wx, uh, total, limited, product, added, new = self.signals
        h = g.state(2, "state")
        b = g.constant(bias, 2, "bias")
        a = g.linear(Dense(), "W", x, 2, b, name=wx)
        a = g.linear(Dense(), "U", h, 2, a, role="recurrent_weight", name=uh)
        t = g.clamp(g.cast(a, "sum", total), -1.0, 1.0, limited)
        return g.update(h, g.cast(g.add(g.multiply(t, h, product), t, added), "state", new))

    def build(self, net, source, name):
        return net.scan(name, [source], self.step, self.formats)


PLAIN = ("b", "Wx", "Uh", "z", "t", "m", "s", "new")
MEETING = [
    ("column", "row_sum", "sums", "state_by_unit_d", "phase", "unused", "rnnhw_add", "x_valid"),
    ("weights", "biases", "run", "token", "state_by_unit", "clk", "y_data", "a b"),
    ("a_b", "a b", "a-b", "a+b", "a.b", "é", "è", "operands"),
    ("initial", "a", "a_1", "a_register", "a_1_register", "a_unit", "a_", "result7"),
]


@simulated
@pytest.mark.parametrize("signals", [PLAIN, *MEETING], ids=lambda signals: signals[0])
def test_signals_whose_names_meet_something_are_right(checked, signals):
    checked(design([Cell(signals)]))


def test_names_that_meet_nothing_stay(tmp_path):
    made = design([Cell(PLAIN)])
    files = emission_of(made, machine_of(made, 1)).files
    assert "wire signed [6:0] z;" in files["network_rnn.v"]
    met = design([Cell(MEETING[0])])
    assert "u4_sums" in emission_of(met, machine_of(met, 1)).files["network_rnn.v"]


# --- our own names -------------------------------------------------------------------------------
def test_the_static_modules_are_those_that_there_are():
    texts = [path.read_text() for path in (ROOT / "rnnhw" / "rtl" / "verilog").glob("*.v")]
    declared = [name for text in texts for name in re.findall(r"^module (\w+)", text, re.M)]
    assert sorted(declared) == sorted(MODULES)


def test_the_core_tells_images_of_layers_from_those_of_the_bench(tmp_path):
    np.savez(tmp_path / "x.npz", x=X)
    made = design([Elman(2, name="tb_x"), Elman(2, name="tb")])
    found = emit(made, tmp_path / "out", data=tmp_path / "x.npz")
    core = (tmp_path / "out" / "network.core").read_text()
    sources, bench = core.split("  bench:\n")
    for name in found.files:
        if name.endswith(".hex"):
            ours = name in ("network_tb_x.hex", "network_tb_y.hex", "network_tb_cycles.hex")
            assert (f"- {name}:" in bench) == ours and (f"- {name}:" in sources) != ours
    assert set(project_files(found.emission, found.stimulus)) == set(found.files)


@simulated
def test_no_keyword_of_the_simulator_is_missing(tmp_path):
    """Whatever a simulator refuses as a name, we do not write."""
    words = ["wreal", "bool", "wone", "uwire", "always_ff", "checker", "soft", "unique0", "do"]
    names = sorted({identifier(word) for word in words})
    text = "".join(f"module {name}; wire {name}_; endmodule\n" for name in names)
    (tmp_path / "names.v").write_text(text)
    command = ["iverilog", "-g2012", "-o", "/dev/null", "names.v"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- tables ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Hard:
    """A table of a user's own function, whose name does not tell its slope."""

    slope: float

    def apply(self, g, z, role, name=""):
        own = elementwise("hard", lambda value: min(max(self.slope * value, -1.0), 1.0))
        return g.lookup(z, own, role, name)


@simulated
def test_functions_of_one_name_that_differ_have_tables_that_differ(checked):
    formats = replace(FORMATS, gate=Q(1, 5), cell=Q(2, 5))
    cell = LSTM(2, name="rnn", gate_activation=Hard(0.5), activation=Hard(2.0), formats=formats)
    checked(design([cell]))
