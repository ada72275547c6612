"""Networks that differ in formats give together what each gives alone."""

from dataclasses import replace

import numpy as np
from helpers.graphs import ISAS, assert_same_run, draw_batch
from helpers.layers import draw_design, draw_format, draw_formats, small_parameters
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnhw.errors import DesignError
from rnnhw.execution.engine import run
from rnnhw.execution.together import Job, run_together
from rnnhw.graph.nodes import Cast, Constant
from rnnhw.numerics.cast import Overflow, Rounding

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
    if signals_alone and rng.random() < 0.8:  # as studies have them
        modes = rng.choice(list(Rounding)), rng.choice([Overflow.SAT, Overflow.WRAP])
        chosen = {
            name: replace(q, rounding=modes[0], overflow=modes[1]) for name, q in chosen.items()
        }
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
        for job, together in zip(jobs, found, strict=True):
            assert_same(run(job.network, job.parameters, job.batch, traces, isa=isa), together)


def assert_same(alone, given):
    assert_same_run(alone, given)
    assert given.isa == alone.isa
    counts = [{k: dict(v.flat()) for k, v in each.counts.items()} for each in (alone, given)]
    assert counts[0] == counts[1]


@given(st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=60)
def test_networks_give_together_what_each_gives_alone(rng, signals_alone):
    jobs = draw_jobs(rng, rng.randint(2, 5), rng.choice([1, 3, 17, 20]), signals_alone)
    for isa in ISAS:
        assert_as_alone(jobs, isa)
