"""A cell's ``output=``: what the next layer reads has a format of its own, the state keeps its."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from rnnhw import (
    GRU,
    LSTM,
    Design,
    DesignError,
    Elman,
    Formats,
    Identity,
    JordanNetwork,
    LeakyElman,
    Linear,
    MinGRU,
    Q,
)
from rnnhw.cli import main
from rnnhw.design.tasks import Samples
from rnnhw.execution import golden
from rnnhw.execution.batch import make_batch
from rnnhw.execution.reference import run_reference
from rnnhw.execution.simulate import simulate
from rnnhw.numerics.cast import cast

STATE = Q(0, 5)
FORMATS = Formats(input=Q(1, 6), weight=Q(1, 6), sum=Q(2, 5), state=STATE, cell=Q(2, 6))
CELLS = {
    "elman": Elman(4, name="r"),
    "identity": Elman(4, activation=Identity(), name="r"),
    "leaky": LeakyElman(4, leak=0.25, name="r"),
    "jordan": JordanNetwork(4, 2, name="r"),
    "lstm": LSTM(3, name="r"),
    "projected": LSTM(4, projection=2, name="r"),
    "gru": GRU(3, name="r"),
    "mingru": MinGRU(3, name="r"),
}
X = np.random.default_rng(8).uniform(-1, 1, (3, 6, 2))
SAMPLES = Samples(X, np.array([6, 4, 1]))


def design(kind, output=None, **more):
    built = Design([replace(CELLS[kind], output=output)], FORMATS, inputs=2, **more)
    rng = np.random.default_rng(2)
    most = 0.2 if kind == "identity" else 0.9  # nothing clips: both would be far apart
    arrays = {t.key: rng.uniform(-most, most, t.shape) for t in built.network.tensors}
    return replace(built, weights=arrays)


@pytest.mark.parametrize("output", [Q(1, 11), Q(0, 3), STATE, Q(3, 5)])
@pytest.mark.parametrize("kind", CELLS)
def test_the_state_runs_on_as_without_it(kind, output):
    plain = simulate(design(kind), samples=SAMPLES, traces=["r.state"])
    found = simulate(design(kind, output), samples=SAMPLES, traces=["r.state", "r.output"])
    np.testing.assert_array_equal(found.run.traces["r.state"], plain.run.traces["r.state"])
    np.testing.assert_array_equal(found.run.outputs, found.run.traces["r.output"])
    assert found.design.network.output.format == output
    if output == STATE:
        np.testing.assert_array_equal(found.run.outputs, plain.run.outputs)
    # Both are the same number, each within half a step of it.
    apart = np.abs(found.outputs - plain.outputs)
    assert apart.max() <= (output.step + STATE.step) / 2
    exact = kind == "identity" and output.fraction > STATE.fraction  # the sum has no more bits
    assert (apart.max() > 0) == (output.fraction != STATE.fraction and not exact)


@pytest.mark.parametrize("kind", CELLS)
def test_golden_engine_and_reference_know_it(kind):
    chosen = design(kind, Q(1, 11))
    network = chosen.network
    batch = make_batch(network, X, SAMPLES.lengths)
    expected = golden.run(network, chosen.parameters, batch)
    np.testing.assert_array_equal(simulate(chosen, samples=SAMPLES).run.outputs, expected.outputs)
    # Without word lengths there is no difference.
    one, two = (
        run_reference(d.network, d.parameters, X, SAMPLES.lengths) for d in (chosen, design(kind))
    )
    np.testing.assert_array_equal(one.outputs, two.outputs)


def test_it_is_rounded_from_the_exact_number_and_not_from_the_state():
    narrow, wide = Q(0, 2), Q(1, 5)
    formats = Formats(input=Q(1, 6), weight=Q(1, 6), sum=Q(3, 12), state=narrow)
    layer = Elman(1, activation=Identity(), bias=False, output=wide, name="r")
    chosen = Design([layer], formats, {"r.W": [[0.5]], "r.U": [[0.75]]}, inputs=1)
    x = np.array([37, -11, 64, 5, -64, 3])  # of 64
    samples = Samples(x.reshape(1, -1, 1) / 64, np.array([len(x)]))
    state, outputs = 0, []
    for raw in x.tolist():
        exact = 32 * raw + 48 * 16 * state  # of 4,096: 64 x 64, and 64 x 4 with 16 more
        state = cast(exact, 12, narrow)[0]
        outputs.append(cast(exact, 12, wide)[0])
    found = simulate(chosen, samples=samples).run.outputs[0, :, 0]
    np.testing.assert_array_equal(found, outputs)
    assert any(value % 8 for value in outputs)  # no state of two bits


def test_a_signals_own_format_wins():
    chosen = replace(design("gru", Q(1, 11)), overrides={"r.output": Q(1, 9)})
    assert chosen.network.output.format == Q(1, 9)
    with pytest.raises(DesignError, match=r"Formats\(output=...\) must be a Q format, got 8"):
        _ = Design([Elman(2, output=8)], FORMATS, inputs=2).network


def test_the_designs_output_format_stays_that_of_layers_without_state():
    formats = replace(FORMATS, output=Q(2, 9))
    network = Design([Elman(2, name="r"), Linear(1, name="h")], formats, inputs=2).network
    assert [node.format for node in network.scans] == [STATE, Q(2, 9)]


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not installed")
@pytest.mark.parametrize(("kind", "bits"), [("elman", 11), ("gru", 3), ("projected", 11)])
def test_the_verilog_gives_it_too(tmp_path, monkeypatch, capsys, kind, bits):
    monkeypatch.chdir(tmp_path)
    chosen = design(kind, Q(1, bits))
    np.savez("w.npz", **chosen.weights)
    np.savez("x.npz", x=X, lengths=SAMPLES.lengths)
    cell = {
        "elman": "Elman(4, name='r', ", "gru": "GRU(3, name='r', ",
        "projected": "LSTM(4, projection=2, name='r', ",
    }[kind]  # fmt: skip
    (tmp_path / "d.py").write_text(
        "from rnnhw import *\ndef design():\n"
        f"    return Design([{cell}output=Q(1, {bits}))], Formats(input=Q(1, 6), weight=Q(1, 6),"
        " sum=Q(2, 5), state=Q(0, 5), cell=Q(2, 6)), weights='w.npz', inputs=2,"
        " target=Target('ecp5-25', lanes=2))\n"
    )
    assert main(["emit", "d.py", "-o", "v", "--data", "x.npz", "--check"]) == 0
    assert "PASS" in capsys.readouterr().out
