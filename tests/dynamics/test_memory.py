"""Figures of memory against what follows by hand, and their float values beside them."""

from dataclasses import replace

import numpy as np
import pytest

from rnnhw import (
    GRU,
    Dense,
    Design,
    Diagonal,
    Elman,
    Formats,
    Identity,
    Last,
    Linear,
    Q,
    Recall,
    Sigmoid,
)
from rnnhw.design.tasks import Samples
from rnnhw.dynamics.analyze import analyze_design
from rnnhw.dynamics.attractors import dead_band_starts, held
from rnnhw.dynamics.capacity import capacity
from rnnhw.dynamics.memory import layer_memories
from rnnhw.dynamics.observed import observe
from rnnhw.dynamics.twins import merge_time
from rnnhw.execution.alone import LayerAlone
from rnnhw.numerics.cast import Overflow, Rounding

BYTE = Q(7, 0)


def linear(a, *, b=None, rounding=Rounding.RND, overflow=Overflow.SAT, word=BYTE, recurrent=None):
    """``h' = A h + B x`` alone."""
    a = np.atleast_1d(np.array(a, float))
    units = len(a)
    formats = Formats(
        input=word,
        weight=Q(1, 12),
        sum=replace(word, rounding=rounding, overflow=overflow),
        state=word,
    )
    structure = recurrent or Diagonal()
    layer = Elman(units, recurrent=structure, activation=Identity(), bias=False, name="r")
    weights = {"r.W": np.ones((units, 1)) if b is None else np.array(b, float), "r.U": a}
    design = Design([layer], formats, weights, inputs=1)
    return LayerAlone(design.network.scans[0], design.parameters)


def dense(a, **more):
    return linear(a, recurrent=Dense(), **more)


# --- dead bands and attractors -----------------------------------------------------------------
@pytest.mark.parametrize("a", [0.5, 0.75, 0.875, 0.9375, 0.984375])
def test_the_dead_band_of_rounding_to_nearest_is_the_textbook_formula(a):
    layer = linear(a)
    starts, exact = dead_band_starts(layer, layer.first_states(1))
    assert exact and len(starts["r.state"]) == 256
    [band] = held(layer, np.zeros((256, 1), np.int64), starts).dead_bands(exact)
    assert (band.lsb, band.exact) == (int(0.5 / (1 - a)), True)
    assert band.value == band.lsb  # one LSB is one here


def test_truncation_toward_zero_has_no_dead_band_and_an_early_end():
    layer = linear(0.984375, rounding=Rounding.TRN_ZERO)
    starts, exact = dead_band_starts(layer, layer.first_states(1))
    found = held(layer, np.zeros((256, 1), np.int64), starts)
    assert found.dead_bands(exact)[0].lsb == 0
    report = found.report("zero")
    # 127 loses at least one a step; the float state needs log(256) / -log(a) for half an LSB.
    assert report.longest_transient < 127 < report.float_transient
    assert report.float_transient == pytest.approx(np.log(256) / -np.log(0.984375), abs=2)
    assert (report.repeating, report.float_settled, report.longest_period) == (256, 256, 1)
    assert report.float_distinct == 1 and report.amplitudes[0].float_swing < 0.5  # at zero


def test_units_that_see_each_other_have_a_dead_band_of_at_least_what_was_tried():
    layer = dense([[0.5, 0.25], [0.25, 0.5]])
    last = {"r.state": np.array([[100, -100]])}
    starts, exact = dead_band_starts(layer, last)
    assert not exact and (starts["r.state"][0] == last["r.state"][0]).all()
    assert {tuple(row) for row in starts["r.state"][1:3]} == {(127, 127), (-128, -128)}


def test_a_rotation_goes_round_and_swings():
    layer = dense([[0.0, 1.0], [-1.0, 0.0]])
    found = held(layer, np.zeros((1, 1), np.int64), {"r.state": np.array([[100, 30]])})
    report = found.report("zero")
    assert (report.longest_period, report.longest_transient, report.distinct) == (4, 0, 1)
    [amplitude] = report.amplitudes
    assert (amplitude.lsb, amplitude.swing_lsb) == (100, 200)
    assert (amplitude.float_value, amplitude.float_swing) == (100.0, 200.0)
    assert (report.float_settled, report.float_distinct) == (0, 0)
    assert report.float_transient is None
    assert found.dead_bands(False)[0].lsb == 0  # the float state goes round as well


def test_float_ends_are_told_apart_by_more_than_an_lsb():
    layer = linear([1.0, 0.5], b=[[0.0], [0.0]])  # the first unit holds what it has
    starts = {"r.state": np.array([[40, 9], [40, 3], [-40, 1], [41, 2], [43, 0]])}
    report = held(layer, np.zeros((5, 1), np.int64), starts).report("zero")
    assert (report.float_settled, report.float_distinct) == (5, 3)  # 40 (41 is near), -40, 43


def test_what_wraps_goes_on_for_ever_and_what_saturates_comes_to_rest():
    a = 2 * 0.95 * np.cos(np.pi / 5)
    heights = {}
    for overflow in (Overflow.WRAP, Overflow.SAT):
        layer = dense([[a, -(0.95**2)], [1.0, 0.0]], overflow=overflow, b=[[0.0], [0.0]])
        starts = {"r.state": np.random.default_rng(0).integers(-128, 128, (64, 2))}
        found = held(layer, np.zeros((64, 1), np.int64), starts)
        heights[overflow] = found.cycles.heights["r.state"].max(1)
    assert 10 < (heights[Overflow.WRAP] > 64).sum() < 54
    assert (heights[Overflow.SAT] < 20).all()


def test_a_run_that_does_not_repeat_is_not_known(monkeypatch):
    monkeypatch.setattr("rnnhw.dynamics.attractors.STEPS", 20)
    layer = linear(0.984375)
    found = held(layer, np.zeros((1, 1), np.int64), {"r.state": np.array([[127]])})
    report = found.report("zero")
    assert (report.repeating, report.longest_period, report.longest_transient) == (0, None, None)
    assert report.amplitudes[0].lsb is None
    assert found.dead_bands(True)[0].lsb is None and not found.dead_bands(True)[0].exact


def test_a_held_input_is_where_the_layer_ends():
    layer = linear(0.5)
    inputs = np.array([[10], [-20], [127]])
    found = held(layer, inputs, {"r.state": np.zeros((3, 1), np.int64)})
    # h = h / 2 + x: twice the input, less what rounding stops, or the end of the word.
    entries = found.cycles.entries["r.state"][:, 0]
    assert entries.tolist() == [20, -40, 127] or np.abs(entries - [20, -40, 127]).max() <= 1


# --- twins -------------------------------------------------------------------------------------
def test_twins_of_a_shift_register_merge_when_it_is_full():
    a = np.eye(5, k=-1)
    layer = dense(a, b=np.eye(5)[:, :1])
    drive = np.random.default_rng(0).integers(-100, 100, (64, 1))
    found = merge_time(layer, drive)
    assert (found.exact, found.close, found.float_half_lsb) == (5, 5, 5)
    assert found.merged == found.pairs == 15


def test_twins_that_never_merge_are_told():
    layer = dense([[0.0, 1.0], [-1.0, 0.0]], b=[[0.0], [0.0]])
    found = merge_time(layer, np.zeros((100, 1), np.int64))
    assert found.merged == 0 and found.exact is None and found.float_close is None


def test_the_merge_time_of_a_decay_is_its_logarithm():
    layer = linear(0.75)
    found = merge_time(layer, np.zeros((100, 1), np.int64))
    # The corner -128 has to come below one LSB: 128 * 0.75^t <= 1.
    assert found.float_close == int(np.ceil(np.log(1 / 128) / np.log(0.75)))
    assert found.exact is None  # the dead band keeps twins apart for ever


# --- memory capacity ---------------------------------------------------------------------------
def test_a_shift_register_remembers_its_length_exactly():
    layer = dense(np.eye(6, k=-1), b=np.eye(6)[:, :1])
    found = capacity(layer, np.array([-100]), np.array([100]))
    assert found.capacity == pytest.approx(6) and found.float_capacity == pytest.approx(6)
    assert found.last_delay == found.float_last_delay == 5 and found.bound == 6
    assert found.r2[:6] == pytest.approx([1] * 6) and not any(found.r2[6:])


def test_two_independent_inputs_share_the_units():
    units = np.zeros((6, 6))
    units[2:, :4] = np.eye(4)
    layer = LayerAlone(*_two_inputs(units))
    found = capacity(layer, np.array([-50, -50]), np.array([50, 50]))
    assert found.capacity == pytest.approx(6) and found.last_delay == 2


def _two_inputs(a):
    formats = Formats(input=Q(7, 0), weight=Q(1, 6), sum=Q(7, 0), state=Q(7, 0))
    layer = Elman(6, activation=Identity(), bias=False, name="r")
    design = Design([layer], formats, {"r.W": np.eye(6)[:, :2], "r.U": a}, inputs=2)
    return design.network.scans[0], design.parameters


def test_scatter_of_the_samples_never_exceeds_the_number_of_elements(monkeypatch):
    monkeypatch.setattr("rnnhw.dynamics.capacity._r2", lambda states, targets: np.full(32, 0.07))
    found = capacity(linear([0.5, 0.5]), np.array([-100]), np.array([100]))
    assert (found.capacity, found.float_capacity, found.bound) == (2, 2, 2)


def test_a_layer_that_forgets_has_the_capacity_of_now_alone():
    found = capacity(linear([0.0, 0.0, 0.0]), np.array([-100]), np.array([100]))
    assert found.capacity == pytest.approx(1) and found.last_delay == 0


def test_an_input_that_never_changes_has_no_capacity():
    assert capacity(linear(0.5), np.array([3]), np.array([3])) is None


def test_narrow_words_cost_memory():
    """A diagonal of real poles: far less at 6 bits than in float, and more bits help."""
    poles = np.linspace(-0.9, 0.9, 8)
    found = [
        capacity(linear(poles, word=Q(0, bits - 1), b=np.full((8, 1), 0.1)),
                 np.array([-(1 << (bits - 1))]), np.array([(1 << (bits - 1)) - 1]))
        for bits in (6, 8, 12)
    ]  # fmt: skip
    six, eight, twelve = (each.capacity for each in found)
    assert six < eight < twelve <= found[2].float_capacity + 0.1
    assert found[2].float_capacity > 7


# --- designs -----------------------------------------------------------------------------------
def recall(word=8):
    """A latch by hand: the marked value sets one unit, which keeps itself."""
    formats = Formats(weight=Q(2, word - 3), state=Q(0, word - 1), sum=Q(2, word - 3))
    weights = {
        "r.W": [[0.0, 0.0], [1.0, 0.0]],
        "r.U": [[3.0, 0.0], [0.0, 0.0]],
        "r.b": [0.0, 0.0],
        "o.W": [[1.0, 0.0]],
        "o.b": [0.0],
    }
    return Design(
        [Elman(2, name="r"), Last(), Linear(1, name="o")], formats, weights, Recall(4, sequences=40)
    )


def test_a_latch_keeps_its_answer_or_its_input_when_it_reads_zero():
    design = recall()
    x = np.zeros((40, 6, 2))
    x[::2, 0, 0], x[1::2, 0, 0] = 1, -1
    samples = Samples(x, np.full(40, 6), np.tile([1, -1], 20))
    design.parameters.raw["r.W"][0, 0] = 64  # the latch reads the value
    design.parameters.values["r.W"][0, 0] = 2.0
    observed = observe(design, samples, "here", None, None)
    [memory] = layer_memories(design, observed, None, lambda: None)
    kept = memory.retention
    assert (kept.classes, kept.sequences, kept.chance) == (2, 40, 0.5)
    assert kept.accuracy == (1.0,) * len(kept.delays) == kept.float_accuracy
    assert memory.held_input.runs == 16 and memory.warm_up.pairs == 8


def test_every_recurrent_layer_is_told_and_no_other():
    formats = Formats(input=Q(1, 6), weight=Q(1, 6), sum=Q(2, 5), state=Q(0, 7), output=Q(0, 7))
    layers = [
        Elman(3, name="a"), Linear(2, activation=Sigmoid(), name="b"), GRU(2, name="c"),
    ]  # fmt: skip
    design = Design(layers, formats, inputs=2)
    rng = np.random.default_rng(0)
    arrays = {t.key: rng.uniform(-0.5, 0.5, t.shape) for t in design.network.tensors}
    design = Design(layers, formats, arrays, inputs=2)
    samples = Samples(rng.uniform(-1, 1, (20, 9, 2)), rng.integers(3, 10, 20))
    observed = observe(design, samples, "here", None, None)
    found = list(layer_memories(design, observed, None, lambda: None))
    assert [each.layer for each in found] == ["a", "c"]
    assert [each.units for each in found] == [3, 2]
    assert {radius.matrix for radius in found[0].radii} == {"a.sum", "step at rest"}
    assert all(each.retention is None for each in found)
    assert "retention: the task has no one answer a sequence" in found[0].notes


def test_ranges_say_what_the_task_uses_what_is_missing_and_what_would_fit(tmp_path):
    formats = Formats(input=Q(3, 0), weight=Q(3, 0), sum=Q(2, 0), output=Q(9, 0))
    layers = [Linear(1, activation=Identity(), bias=False, name="l")]
    design = Design(layers, formats, {"l.W": [[2.0]]}, inputs=1)
    samples = Samples(np.array([[[1.0], [3.0], [-2.0]]]), np.array([3]))
    np.savez(tmp_path / "x.npz", x=samples.x)
    found = {each.name: each for each in analyze_design(design, tmp_path / "x.npz").ranges}
    x, total, out = found["l.x"], found["l.sum"], found["l.output"]
    assert (x.observed, x.guaranteed, x.unused_bits) == ((-2, 3), (-8, 7), 1)
    # 2 x is -4 to 6 on the task and -16 to 14 for ever, in a word of -4 to 3.
    assert (total.observed, total.missing_bits, total.proposed) == ((-4, 3), 1, "Q(3, 0)")
    assert (total.guaranteed_missing_bits, total.guaranteed_proposed) == (2, "Q(4, 0)")
    assert (out.unused_bits, out.proposed) == (7, "Q(2, 0)")
    weight = found["l.W"]
    assert (weight.observed, weight.guaranteed_by) == ((2, 2), "stored")
    assert weight.proposed == "Q(2, 0, signed=False)"


def test_rates_count_the_task_and_the_float_values_outside(tmp_path):
    formats = Formats(input=Q(3, 0), weight=Q(3, 0), sum=Q(2, 0), output=Q(9, 0))
    layers = [Linear(1, activation=Identity(), bias=False, name="l")]
    design = Design(layers, formats, {"l.W": [[2.0]]}, inputs=1)
    np.savez(tmp_path / "x.npz", x=np.array([[[1.0], [3.0], [-2.0], [100.0]]]))
    rates = {each.signal: each for each in analyze_design(design, tmp_path / "x.npz").rates}
    assert (rates["input"].saturations, rates["input"].rate) == (1, 0.25)
    [read] = [r for r in analyze_design(design, tmp_path / "x.npz").ranges if r.name == "l.x"]
    # 100 in a word of -8 to 7: four bits are missing.
    assert (read.observed, read.missing_bits, read.proposed) == ((-2, 7), 4, "Q(7, 0)")
    assert (rates["l.sum"].elements, rates["l.sum"].saturations) == (4, 2)
    assert (rates["l.sum"].rate, rates["l.sum"].float_rate) == (0.5, 0.5)
