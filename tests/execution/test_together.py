"""Networks that differ in formats give together what each gives alone."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from helpers.graphs import ISAS, assert_same_run, draw_batch
from helpers.lane_jobs import LAYERS, lane_jobs
from helpers.layers import draw_design, draw_format, draw_formats, small_parameters
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnhw.errors import DesignError
from rnnhw.execution import together
from rnnhw.execution.compiler import LANES, plan_networks
from rnnhw.execution.engine import byte_products, run
from rnnhw.execution.lane_formats import lanes_of, merged_by_lane
from rnnhw.execution.together import Job, run_together
from rnnhw.graph.nodes import Cast, Constant
from rnnhw.numerics.cast import Overflow

STEPS = 7


def draw_jobs(rng, count, sequences, signals_alone):
    """Jobs of a random design in other formats: of signals alone, with the same weights, or of
    whatever there is. Some may be of another structure."""
    numbers = np.random.default_rng(rng.randint(0, 2**32 - 1))
    first = draw_design(rng, STEPS, fine=False)
    designs = [first]
    while len(designs) < count:
        design = rng.choice(designs)
        if signals_alone or rng.random() < 0.5:
            changed = design.with_formats(draw_overrides(rng, first.network, signals_alone))
        else:
            changed = replace(design, formats=draw_formats(rng))
        try:
            changed.network  # noqa: B018
        except DesignError:
            changed = design
        designs.append(changed)
    parameters = small_parameters(numbers, first.network)
    lengths = numbers.integers(1, STEPS + 1, sequences)
    jobs = []
    for design in designs:
        network = design.network
        own = parameters
        if not signals_alone:
            own = small_parameters(numbers, network)
        shortest = next(
            n for n in range(1, STEPS + 1) if all(node.steps_for(n) >= 1 for node in network.nodes)
        )
        batch = draw_batch(numbers, network, sequences, STEPS, shortest)
        if signals_alone:
            batch = replace(batch, lengths=np.maximum(lengths, shortest))
        jobs.append(Job(network, own, batch))
    return jobs


def draw_overrides(rng, network, signals_alone):
    """Other formats of some casts, and of some tensors."""
    casts = [
        name for name, node in network.signals().items()
        if isinstance(node, Cast) and not isinstance(node.a, Constant)
    ]  # fmt: skip
    chosen = {name: draw_format(rng) for name in casts if rng.random() < 0.5}
    if signals_alone and rng.random() < 0.9:  # as studies have them
        for name, drawn in chosen.items():
            given = network.signals()[name].format
            signed = drawn.signed or given.overflow is Overflow.WRAP_SM
            chosen[name] = replace(
                drawn, signed=signed, rounding=given.rounding, overflow=given.overflow
            )
    if not signals_alone:
        keys = [tensor.key for tensor in network.tensors if "scale" not in tensor.role]
        chosen |= {key: draw_format(rng) for key in keys if rng.random() < 0.3}
    return chosen


def assert_as_alone(jobs, isa):
    """With and without traces of all signals, which every network of a structure has."""
    names = set.intersection(*(set(job.network.signals()) for job in jobs))
    for traces in ((), sorted(names)):
        found = run_together(jobs, traces, isa=isa)
        assert len(found) == len(jobs)
        for job, one in zip(jobs, found, strict=True):
            assert_same(run(job.network, job.parameters, job.batch, traces, isa=isa), one)


def assert_same(alone, given):
    assert_same_run(alone, given)
    assert given.isa == alone.isa
    counts = [{k: dict(v.flat()) for k, v in each.counts.items()} for each in (alone, given)]
    assert counts[0] == counts[1]


@given(st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=30)
def test_networks_give_together_what_each_gives_alone(rng, signals_alone):
    jobs = draw_jobs(rng, rng.randint(2, 5), rng.choice([1, 3, 17, 20]), signals_alone)
    for isa in ISAS:
        assert_as_alone(jobs, isa)


@given(st.randoms(use_true_random=False), st.sampled_from([1, 2, 5, 17]))
@settings(max_examples=20)
def test_networks_give_in_lanes_of_one_block_what_each_gives_alone(rng, sequences):
    jobs = draw_jobs(rng, rng.choice([2, 3, 5, 16, 18]), sequences, signals_alone=True)
    with patch.object(together, "_worth_lanes", lambda networks, sequences: networks > 1):
        for isa in ISAS:
            assert_as_alone(jobs, isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", LAYERS)
def test_cells_of_sixteen_formats_share_a_lane_block(name, isa, monkeypatch):
    jobs, blocks = lane_jobs(LAYERS[name]), []
    by_lane = together.execute_by_lane

    def spied(plan, *others):
        blocks.append(len(others[0]))
        return by_lane(plan, *others)

    monkeypatch.setattr(together, "execute_by_lane", spied)
    found = run_together(jobs, isa=isa)
    assert blocks == [16]
    assert len({run.outputs.tobytes() for run in found}) > 4
    assert sum(events.total for run in found for events in run.events.values()) > 0
    assert len({tuple(run.events.items()) for run in found}) > 2
    for job, run_ in zip(jobs, found, strict=True):
        assert_same(run(job.network, job.parameters, job.batch, isa=isa), run_)


@pytest.mark.parametrize("isa", ISAS)
def test_lanes_look_up_in_one_table_where_theirs_are_equal(isa):
    jobs = lane_jobs(LAYERS["lstm"], varied=["cell"])
    plans = plan_networks(
        [job.network for job in jobs], [job.parameters for job in jobs], LANES, (),
        byte_products(isa), by_lane=True,
    )  # fmt: skip
    scan, _ = merged_by_lane(plans, lanes_of(16)).scans.values()
    assert {each.tables for each in scan.by_lane} == {False}
    found = run_together(jobs, isa=isa)
    assert len({run.outputs.tobytes() for run in found}) > 1
    for job, together_ in zip(jobs, found, strict=True):
        assert_same(run(job.network, job.parameters, job.batch, isa=isa), together_)


@pytest.mark.parametrize("count, sequences", [(2, 3), (3, 7), (5, 1), (16, 2), (20, 1)])
def test_lanes_are_shared_by_any_number_of_networks(count, sequences):
    jobs = lane_jobs(LAYERS["lstm"], count, sequences)
    for threads in (1, 2):
        for job, found in zip(jobs, run_together(jobs, threads=threads), strict=True):
            assert_same(run(job.network, job.parameters, job.batch), found)


def test_networks_of_other_weights_run_in_blocks_of_their_own(monkeypatch):
    jobs = lane_jobs(LAYERS["elman"], 3)
    raw = dict(jobs[1].parameters.raw)
    raw["rnn.U"] = raw["rnn.U"][::-1].copy()
    jobs[1] = replace(jobs[1], parameters=replace(jobs[1].parameters, raw=raw))
    monkeypatch.setattr(together, "_worth_lanes", lambda networks, sequences: networks > 1)
    for job, found in zip(jobs, run_together(jobs), strict=True):
        assert_same(run(job.network, job.parameters, job.batch), found)


def test_blocks_are_shared_where_that_takes_less_time():
    assert together._worth_lanes(16, 1) and together._worth_lanes(16, 4)
    assert not together._worth_lanes(1, 1) and not together._worth_lanes(16, 16)
    assert not together._worth_lanes(16, 256)
