"""A simulation: what it gives, what it saves, and that a file is whole or not there."""

import errno
import os
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import elman

from rnnhw import DesignError, Regression, UsageError
from rnnhw.analysis.counts import Counts
from rnnhw.design.tasks import Samples
from rnnhw.execution import golden
from rnnhw.execution.batch import make_batch
from rnnhw.execution.engine import available_isas
from rnnhw.execution.simulate import figure_names, simulate
from rnnhw.files import written_whole
from rnnhw.numerics.cast import Events

SAMPLES = Samples(elman.samples(), elman.LENGTHS)
ISAS = [name for name, runs in available_isas().items() if runs]
EVENTS = ["input", "rnn.W", "rnn.U", "rnn.b", "head.W", "head.b", "rnn.sum", "head.output"]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("structure", elman.STRUCTURES)
def test_a_forced_instruction_set_runs_and_gives_the_golden_bits(structure, isa):
    design = elman.design(structure)
    result = simulate(design, samples=SAMPLES, traces=["rnn.state"], isa=isa)
    batch = make_batch(design.network, SAMPLES.x, SAMPLES.lengths)
    expected = golden.run(design.network, design.parameters, batch, ["rnn.state"])
    assert result.run.isa == isa
    np.testing.assert_array_equal(result.run.outputs, expected.outputs)
    np.testing.assert_array_equal(result.run.traces["rnn.state"], expected.traces["rnn.state"])
    for name, final in expected.final.items():
        np.testing.assert_array_equal(result.run.final[name], final)
    assert result.run.events == expected.events


@pytest.mark.parametrize("name", ["avx9", "", "AVX2"])
def test_an_unknown_instruction_set_is_refused(name):
    with pytest.raises(UsageError, match=f"unknown instruction set {name!r}") as caught:
        simulate(elman.design(), samples=SAMPLES, isa=name)
    assert "known: " in caught.value.hint and caught.value.exit_code == 2


def test_an_instruction_set_that_this_processor_lacks_is_refused(monkeypatch):
    monkeypatch.setattr(
        "rnnhw.execution.instruction_sets.available_isas", lambda: {"plain": True, "new": False}
    )
    with pytest.raises(UsageError, match="this processor has no new"):
        simulate(elman.design(), samples=SAMPLES, isa="new")
    assert simulate(elman.design(), samples=SAMPLES).run.isa == "plain"


def test_outputs_are_raw_integers_times_the_step():
    result = simulate(elman.design(), samples=SAMPLES)
    np.testing.assert_array_equal(result.outputs, result.run.outputs / 64)
    assert result.outputs.shape == (5, elman.STEPS, elman.OUTPUTS)
    assert not result.outputs[np.arange(elman.STEPS) >= elman.LENGTHS[:, None]].any()


def test_counts_are_the_sum_of_the_layers():
    result = simulate(elman.design(), samples=SAMPLES)
    steps = int(elman.LENGTHS.sum())
    recurrent, head = elman.UNITS * (elman.INPUTS + elman.UNITS), elman.OUTPUTS * elman.UNITS
    assert result.run.counts["rnn"].multiplies == steps * recurrent
    assert result.counts.multiplies == steps * (recurrent + head)
    assert sum(result.run.counts.values(), Counts()) == result.counts
    assert result.figures()["multiplies"] == result.counts.multiplies


def test_a_first_state_of_the_users_own_is_where_a_run_goes_on():
    design, half = elman.design(), 3
    lengths = np.full(5, elman.STEPS)
    x = elman.samples(seed=3)
    x[np.abs(x) > 2] = 0.5
    whole = simulate(design, samples=Samples(x, lengths))
    first = simulate(design, samples=Samples(x[:, :half], np.full(5, half)))
    second = simulate(
        design, samples=Samples(x[:, half:], np.full(5, half)), initial=first.run.final
    )
    joined = np.concatenate([first.run.outputs, second.run.outputs], axis=1)
    np.testing.assert_array_equal(joined, whole.run.outputs)
    np.testing.assert_array_equal(second.run.final["rnn.state"], whole.run.final["rnn.state"])


def test_figures_have_the_names_that_are_promised():
    result = simulate(elman.design(), samples=SAMPLES)
    assert sorted(result.figures()) == sorted(figure_names(result.design, SAMPLES))
    assert all(isinstance(value, int) for value in result.figures().values())


def test_a_forecasts_figures_have_the_names_that_are_promised(tmp_path):
    y = np.random.default_rng(4).normal(size=(5, elman.STEPS, elman.OUTPUTS))
    task = Regression(tmp_path / "r.npz", standardise=False)
    samples = Samples(SAMPLES.x, SAMPLES.lengths, y)
    design = elman.design(task=task)
    result = simulate(design, samples=samples)
    assert sorted(result.figures()) == sorted(figure_names(design, samples))
    valid = np.arange(elman.STEPS) < SAMPLES.lengths[:, None]
    errors, targets = (result.outputs - y)[valid], y[valid]
    variance = ((targets - targets.mean(0)) ** 2).sum()
    assert result.figures()["nrmse"] == pytest.approx(np.sqrt((errors**2).sum() / variance))
    assert "nrmse" not in figure_names(design, SAMPLES)
    with pytest.raises(DesignError, match="design: the 40 targets never change"):
        simulate(design, samples=replace(samples, y=y * 0 + 0.1))


def test_clipped_weights_and_inputs_are_counted():
    weights = elman.weights("dense")
    weights["rnn.U"][2, 3], weights["head.b"][1] = 7.0, -7.0
    x = elman.samples()
    x[0, 0, 0], x[0, 1, 2], x[1, 3, 0] = 3.0, -3.0, 50.0  # the last is past the length
    result = simulate(elman.design(weights=weights), samples=Samples(x, elman.LENGTHS))
    assert result.events["rnn.U"] == Events(high=1)
    assert result.events["head.b"] == Events(low=1)
    assert result.events["input"] == Events(high=1, low=1)
    assert result.figures()["weight_clips"] == 2
    assert result.figures()["input_clips"] == 2


def test_a_saved_run_holds_everything_and_needs_no_pickle(tmp_path):
    result = simulate(elman.design(), samples=SAMPLES, traces=["rnn.state", "rnn.sum"])
    result.save(tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz", allow_pickle=False) as saved:
        arrays = {key: saved[key] for key in saved.files}
    assert all(array.dtype == np.int64 for array in arrays.values())
    np.testing.assert_array_equal(arrays["outputs"], result.run.outputs)
    np.testing.assert_array_equal(
        arrays["outputs"] * 2.0 ** -arrays["outputs.fraction"], result.outputs
    )
    np.testing.assert_array_equal(arrays["lengths"], elman.LENGTHS)
    np.testing.assert_array_equal(arrays["final.rnn.state"], result.run.final["rnn.state"])
    np.testing.assert_array_equal(arrays["trace.rnn.sum"], result.run.traces["rnn.sum"])
    assert arrays["trace.rnn.state.fraction"] == 7
    last = arrays["trace.rnn.state"][np.arange(5), elman.LENGTHS - 1]
    np.testing.assert_array_equal(last, arrays["final.rnn.state"])
    for name in EVENTS:
        assert tuple(arrays[f"events.{name}"]) == result.events[name]
    for layer, counts in result.run.counts.items():
        for name, value in counts.flat():
            assert arrays[f"counts.{layer}.{name}"] == value


# --- files -------------------------------------------------------------------------------------
def test_a_file_takes_its_place_only_when_it_is_whole(tmp_path):
    place = tmp_path / "run.npz"
    place.write_bytes(b"older")
    for failure in (ValueError, KeyboardInterrupt, SystemExit):
        with pytest.raises(failure), written_whole(place) as file:
            file.write(b"half")
            raise failure
        assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]
        assert place.read_bytes() == b"older"
    with written_whole(place) as file:
        file.write(b"newer")
        assert place.read_bytes() == b"older"
    assert place.read_bytes() == b"newer"
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_a_full_disk_is_a_usage_error(tmp_path):
    with (
        pytest.raises(UsageError, match=r"run\.npz: no space left on device"),
        written_whole(tmp_path / "run.npz"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())


def test_a_new_file_has_the_rights_that_the_user_gives_new_files(tmp_path):
    older = os.umask(0o027)
    try:
        with written_whole(tmp_path / "run.npz") as file:
            file.write(b"x")
    finally:
        os.umask(older)
    assert stat.S_IMODE((tmp_path / "run.npz").stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "run.npz"
    link.symlink_to(tmp_path / "real" / "target.npz")
    with written_whole(link) as file:
        file.write(b"x")
    assert link.is_symlink()
    assert (tmp_path / "real" / "target.npz").read_bytes() == b"x"


def test_a_device_is_written_and_stays_a_device():
    device = Path(os.devnull)
    with written_whole(device) as file:
        file.write(b"x")
    assert device.is_char_device()
