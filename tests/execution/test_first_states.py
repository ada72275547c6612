"""First states that come with the data: in integers, in float, from a file."""

from dataclasses import replace

import numpy as np
import pytest

from rnnhw import GRU, LSTM, Design, DesignError, Elman, Formats, JordanNetwork, Linear, Q
from rnnhw.cli import main
from rnnhw.design.tasks import Samples, load_samples
from rnnhw.execution.reference import SOURCES, run_reference
from rnnhw.execution.simulate import simulate
from rnnhw.execution.verify import verify
from rnnhw.numerics.cast import quantise

FORMATS = Formats(
    input=Q(1, 6), weight=Q(1, 6), sum=Q(2, 5), state=Q(0, 7), cell=Q(2, 9), output=Q(3, 6)
)
LAYERS = {
    "elman": ([Elman(3, name="r")], {"r.h0": 3}),
    "trained": ([Elman(3, initial=True, name="r")], {"r.h0": 3}),
    "lstm": ([LSTM(3, name="r", projection=2)], {"r.h0": 2, "r.c0": 3}),
    "jordan": ([JordanNetwork(3, 2, name="r")], {"r.y0": 2}),
    "stack": ([GRU(3, name="a"), GRU(2, name="b")], {"a.h0": 3, "b.h0": 2}),
}


def case(kind, sequences=4, steps=6):
    layers, keys = LAYERS[kind]
    design = Design([*layers, Linear(2, name="out")], FORMATS, inputs=2)
    rng = np.random.default_rng(5)
    arrays = {t.key: rng.uniform(-0.7, 0.7, t.shape) for t in design.network.tensors}
    first = {key: rng.uniform(-0.9, 0.9, (sequences, units)) for key, units in keys.items()}
    x = rng.uniform(-1, 1, (sequences, steps, 2))
    return replace(design, weights=arrays), Samples(x, np.full(sequences, steps), None, first)


@pytest.mark.parametrize("kind", LAYERS)
def test_they_are_the_raw_first_states_of_a_run(kind):
    design, samples = case(kind)
    plain = replace(samples, first={})
    raw = {
        name: quantise(samples.first[key], state.format)[0]
        for key, (name, state) in design.network.first_states().items()
    }
    expected = simulate(design, samples=plain, initial=raw).run
    found = simulate(design, samples=samples)
    np.testing.assert_array_equal(found.run.outputs, expected.outputs)
    assert (found.run.outputs != simulate(design, samples=plain).run.outputs).any()
    # Raw first states that are given beside the data win.
    zero = {name: value * 0 for name, value in raw.items()}
    again = simulate(design, samples=samples, initial=zero).run.outputs
    np.testing.assert_array_equal(again, simulate(design, samples=plain, initial=zero).run.outputs)


@pytest.mark.parametrize("kind", LAYERS)
def test_verify_gives_both_the_same_start(kind, monkeypatch):
    design, samples = case(kind)
    whole = verify(design, samples=samples, maximum={"max_error": 0.5})
    assert whole.passed
    assert whole.events == simulate(design, samples=samples).events
    assert whole.underflows == simulate(design, samples=samples).underflows
    names = {key: name for key, (name, _) in design.network.first_states().items()}
    first = {names[key]: value for key, value in samples.first.items()}
    exact = run_reference(
        design.network, design.parameters, samples.x, samples.lengths, initial=first
    )
    fixed = simulate(design, samples=samples).outputs
    assert whole.output.max_error == np.abs(fixed - exact.outputs).max()
    monkeypatch.setattr("rnnhw.design.tasks.samples._PART_VALUES", 1)
    parts = verify(design, samples=samples, maximum={"max_error": 0.5})
    # Fewer sequences at once: NumPy may add their products in another order.
    assert parts.output.max_error == pytest.approx(whole.output.max_error, rel=1e-12)
    every = run_reference(
        design.network, design.parameters, samples.x, samples.lengths, (), SOURCES, initial=first
    )
    if kind in ("elman", "trained", "jordan"):  # words this narrow are exact in float64
        np.testing.assert_array_equal(every.outputs, fixed)


def test_a_run_in_two_pieces_is_the_whole_run():
    design, samples = case("lstm")
    half, fine = 3, replace(samples, first={})
    whole = simulate(design, samples=fine)
    one = simulate(design, samples=Samples(fine.x[:, :half], np.full(4, half)))
    keys = design.network.first_states()
    first = {key: one.run.final[name] * state.format.step for key, (name, state) in keys.items()}
    two = simulate(design, samples=Samples(fine.x[:, half:], np.full(4, 6 - half), None, first))
    np.testing.assert_array_equal(
        np.concatenate([one.run.outputs, two.run.outputs], 1), whole.run.outputs
    )


def test_what_is_clipped_or_becomes_zero_is_counted():
    design, samples = case("elman")
    first = {"r.h0": np.array([[0.5, 3.0, -3.0], [0.001, 0, 0], [0, 0, 0], [0, 0, 0]])}
    result = simulate(design, samples=replace(samples, first=first))
    assert result.events["r.h0"] == (1, 1, 0)
    assert result.underflows["r.h0"] == 1
    clips = simulate(design, samples=replace(samples, first={})).figures()["input_clips"]
    assert result.figures()["input_clips"] == clips + 2
    judged = verify(design, samples=replace(samples, first=first), maximum={"max_error": 9})
    assert judged.figures()["input_clips"] == clips + 2
    assert judged.figures()["saturations"] == result.figures()["saturations"]


def test_a_file_gives_one_for_all_sequences_or_one_for_each(tmp_path):
    design, samples = case("lstm")
    first = {"r.h0": samples.first["r.h0"], "r.c0": samples.first["r.c0"][0]}
    np.savez(tmp_path / "d.npz", x=samples.x, **first)
    loaded = load_samples(tmp_path / "d.npz")
    np.testing.assert_array_equal(loaded.first["r.h0"], samples.first["r.h0"])
    np.testing.assert_array_equal(loaded.first["r.c0"], [samples.first["r.c0"][0]] * 4)
    same = {**samples.first, "r.c0": np.array([samples.first["r.c0"][0]] * 4)}
    np.testing.assert_array_equal(
        simulate(design, tmp_path / "d.npz").run.outputs,
        simulate(design, samples=replace(samples, first=same)).run.outputs,
    )


WRONG = {
    "no such state": ({"r.h1": np.zeros(3)}, "unknown first state 'r.h1'\nhint: did you"),
    "no dot": ({"h0": np.zeros(3)}, "unknown array h0\nhint: the keys are x, lengths and y, y.N"),
    "width": ({"r.h0": np.zeros((4, 2))}, "r.h0 has shape (4, 2)\nhint: it must be [4 seq"),
    "sequences": ({"r.h0": np.zeros((3, 3))}, "r.h0 has shape (3, 3)"),
    "axes": ({"r.h0": np.zeros((4, 1, 3))}, "r.h0 has shape (4, 1, 3)"),
    "text": ({"r.h0": np.array(["a"] * 3)}, "r.h0 holds <U1, not real numbers"),
    "NaN": ({"r.h0": np.full(3, np.nan)}, "r.h0: a value is nan\nhint: 3 values are not finite"),
}  # fmt: skip


@pytest.mark.parametrize(("arrays", "message"), WRONG.values(), ids=WRONG)
def test_wrong_first_states_are_told(tmp_path, monkeypatch, capsys, arrays, message):
    monkeypatch.chdir(tmp_path)
    design, samples = case("elman")
    np.savez("w.npz", **design.weights)
    (tmp_path / "d.py").write_text(
        "from rnnhw import *\ndef design():\n    return Design([Elman(3, name='r'), Linear(2,"
        " name='out')], Formats(input=Q(1, 6), weight=Q(1, 6), sum=Q(2, 5), state=Q(0, 7)),"
        " weights='w.npz', inputs=2)\n"
    )
    np.savez("d.npz", x=samples.x, **arrays)
    for command in ("simulate", "verify"):
        assert main([command, "d.py", "--data", "d.npz", "--max", "wraps=0"]) == 3
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("error: d.npz: ") and message in err
    np.savez("d.npz", x=samples.x, **{"r.h0": np.full((4, 3), 0.5)})
    for command in ("simulate", "verify"):
        assert main([command, "d.py", "--data", "d.npz", "--max", "wraps=0"]) == 0
        capsys.readouterr()
    # The accelerator has first states of its own alone.
    assert main(["emit", "d.py", "-o", "v", "--data", "d.npz"]) in (2, 3)
    assert "first states" in capsys.readouterr().err


def test_a_state_of_the_users_own_is_named_after_itself():
    class Sums:
        name = "s"

        def build(self, net, source, name):
            def step(g, x):
                total = g.state(2, "total")
                return g.update(total, g.cast(g.add(total, x), "total"))

            return net.scan(name, [source], step, Formats(state=Q(3, 6)))

    design = Design([Sums()], replace(FORMATS), {}, inputs=2, overrides={"s.total": Q(3, 6)})
    assert list(design.network.first_states()) == ["s.total"]
    samples = Samples(np.zeros((1, 1, 2)), np.array([1]), None, {"s.total": np.array([[1.0, 2.0]])})
    np.testing.assert_array_equal(simulate(design, samples=samples).outputs, [[[1.0, 2.0]]])
    with pytest.raises(DesignError, match=r"s\.total has shape \(1, 1\)"):
        simulate(design, samples=replace(samples, first={"s.total": np.zeros((1, 1))}))
