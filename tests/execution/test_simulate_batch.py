"""Designs run together give what `simulate` gives of each."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.paths import DESIGNS

import rnnhw
from rnnhw.errors import DesignError, UsageError
from rnnhw.execution.simulate_batch import Attempts

NARROWER = {
    "adder_tridiagonal": [{"word": word, "operand_bits": 4} for word in (5, 6, 8)],
    "speaker_lstm": [{}, {"word": 6}, {"word": 10}, {"word": 7}],
    "speaker_tridiagonal": [{"word": word} for word in (4, 5, 6, 7, 8)],
}


def same(batch, alone):
    assert batch.figures() == alone.figures()
    assert batch.events == alone.events and batch.underflows == alone.underflows
    assert batch.unjudged() == alone.unjudged()
    np.testing.assert_array_equal(batch.run.outputs, alone.run.outputs)
    np.testing.assert_array_equal(batch.batch.inputs, alone.batch.inputs)
    for name, values in alone.run.final.items():
        np.testing.assert_array_equal(batch.run.final[name], values)
    for name, values in alone.run.traces.items():
        np.testing.assert_array_equal(batch.run.traces[name], values)


@pytest.mark.parametrize("name", NARROWER)
def test_a_batch_of_designs_gives_what_each_gives(name):
    designs = [rnnhw.load(DESIGNS / f"{name}.py", each) for each in NARROWER[name]]
    found = rnnhw.simulate_batch(designs, traces="rnn.state")
    for design, run in zip(designs, found, strict=True):
        assert run.design is design
        same(run, rnnhw.simulate(design, traces="rnn.state"))


def test_designs_of_several_structures_may_stand_in_a_batch():
    names = ["adder_dense.py", "adder_tridiagonal.py", "adder_dense.py"]
    designs = [DESIGNS / name for name in names]
    x = np.random.default_rng(1).integers(0, 2, (5, 9, 2))
    for path, run in zip(designs, rnnhw.simulate_batch(designs, x), strict=True):
        same(run, rnnhw.simulate(path, x))


def test_inputs_of_one_format_are_quantised_once():
    design = rnnhw.load(DESIGNS / "speaker_tridiagonal.py")
    coarse = design.with_formats({"rnn.state": rnnhw.Q(0, 5)})
    first, second = rnnhw.simulate_batch([design, coarse])
    assert first.batch.inputs is second.batch.inputs
    assert first.run.outputs.tolist() != second.run.outputs.tolist()


def test_a_design_that_cannot_run_leaves_the_others():
    design = rnnhw.load(DESIGNS / "adder_tridiagonal.py", {"operand_bits": 4})
    samples = design.task.samples()
    wrong = replace(design, weights=None)
    found = list(Attempts(samples).simulations([design, wrong, design]))
    assert isinstance(found[1], DesignError)
    same(found[0], rnnhw.simulate(design))
    same(found[2], found[0])
    with pytest.raises(DesignError):
        rnnhw.simulate_batch([design, wrong])


def test_an_empty_batch_is_refused():
    with pytest.raises(UsageError, match="nothing to simulate"):
        rnnhw.simulate_batch([])
