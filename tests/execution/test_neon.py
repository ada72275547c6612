"""The kernels for NEON equal golden on any machine: with the intrinsics in plain C, and, as a
program for AArch64 without Python inside, under an emulator of the processor."""

import os
import random
import subprocess
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from helpers.casts import compiled_cast, golden_casts
from helpers.elsewhere import EMULATION, FORMS, Elsewhere, build
from helpers.graphs import (
    BYTE_WEIGHTS,
    Case,
    assert_engine_equals_golden,
    assert_same_run,
    band_case,
    byte_case,
    draw_batch,
    draw_case,
    draw_parameters,
    one_layer,
    zero_shift_case,
    zero_words_case,
)
from helpers.lane_jobs import LAYERS, lane_jobs
from helpers.tools import missing

from rnnhw import GRU, LSTM, Design, Formats, Q
from rnnhw.errors import UsageError
from rnnhw.execution import golden
from rnnhw.execution.batch import Batch
from rnnhw.execution.compiler import plan_network
from rnnhw.execution.engine import available_isas, execute, run
from rnnhw.execution.instructions import OPERATION
from rnnhw.execution.quads import ByteProducts
from rnnhw.execution.together import run_together
from rnnhw.layers.structures import Banded, ButterflyStage, Dense, FastWalshHadamard
from rnnhw.numerics.cast import Rounding, cast_array

ISAS = ["neon", "dotprod"]

BUILDS = {
    # An optimiser would take minutes over arrays in the place of registers, and gain nothing.
    "in plain C": ("gcc", ["-O0", f"-I{EMULATION}"], {}, []),
    "emulated": (
        "aarch64-linux-gnu-gcc",
        ["-O2"],
        {"plain": ["-O0"], "dotprod": ["-march=armv8.2-a+dotprod"]},
        ["qemu-aarch64", "-cpu", "max"],
    ),
}
"""Compiler, flags of all and of single sources, and what runs the program."""


@pytest.fixture(scope="module", params=BUILDS)
def built(request, tmp_path_factory):
    """The program and what runs it."""
    compiler, flags, of_source, launcher = BUILDS[request.param]
    for program in (compiler, *launcher[:1]):
        if missing(program):
            pytest.skip(f"needs {program}")
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / f"neon {compiler}"
    return build(folder, compiler, flags, of_source), launcher


@pytest.fixture(scope="module")
def process(built):
    program, launcher = built
    process = Elsewhere([*launcher, program])
    yield process
    assert process.close() == 0


def take(process, monkeypatch):
    """Let ``process`` stand for the extension."""
    for module in ("engine", "instruction_sets"):
        monkeypatch.setattr(f"rnnhw.execution.{module}._engine", process)


@pytest.fixture
def elsewhere(process, monkeypatch):
    """The engine runs there; a processor of another kind, where C stands for it, is taken to have
    all instructions."""
    every = [(name, True) for name, _ in process.built_isas()]
    monkeypatch.setattr(process, "built_isas", lambda: every)
    take(process, monkeypatch)
    return process


def recurrence(structure, formats):
    """``s' = cast(x + structure s)``; the sum is the output."""

    def step(g, x):
        s = g.state(x.units, "s")
        weights = None
        if not isinstance(structure, FastWalshHadamard):
            weights = g.tensor("W", structure.shape(x.units, x.units), "weight")
        a = g.matvec(structure, weights, s, x.units, x, name="a")
        g.update(s, g.cast(a, "s"))
        return a

    return one_layer(step, Q(4, 3), {"l.W": Q(3, 4), "l.s": Q(4, 3)} | formats, 64)


WIDE = {"l.W": Q(9, 20), "l.s": Q(4, 20), "l.product": Q(4, 9), "l.accumulator": Q(4, 9)}


def recurrences():
    """Rows in every form."""
    rng = np.random.default_rng(2)
    for network in (
        recurrence(Dense(), {"l.s": Q(5, 3)}),
        recurrence(Dense(), WIDE),
        recurrence(Banded(1, 1), {}),
        recurrence(Banded(9, 4), {}),
        recurrence(ButterflyStage(), {}),
        recurrence(FastWalshHadamard(), {}),
    ):
        parameters = draw_parameters(rng, network)
        yield Case(network, parameters, draw_batch(rng, network, 17, 2), ())


def gated_cases():
    """Cells whose gates are looked up and multiplied; nobody else reads them. One has a cell state
    that no gated sum casts."""
    byte, sums = Q(0, 7), Q(3, 4)
    even = replace(sums, rounding=Rounding.RND_CONV)
    rng = np.random.default_rng(1)
    for cell, state in ((LSTM(20), sums), (GRU(20), sums), (LSTM(20), even)):
        formats = Formats(input=byte, weight=byte, sum=sums, cell=state, state=byte)
        network = Design([cell], formats, inputs=5).network
        parameters = draw_parameters(rng, network)
        yield Case(network, parameters, draw_batch(rng, network, 17, 3), ())


def test_random_networks_reach_every_operation_and_equal_golden(elsewhere):
    elsewhere.reached.clear()
    for seed in range(60):
        assert_engine_equals_golden(draw_case(random.Random(seed)), [ISAS[seed % 2]])
    for case in (zero_shift_case(), zero_words_case(), *recurrences(), *gated_cases()):
        assert_engine_equals_golden(case, ISAS)
    planned = {*OPERATION, *FORMS} - {"rows_tiles", "rows_short", "finish_rows"}
    wanted = set(product(planned, (16, 1)))
    # With 16 lanes rows lie as they are; with one lane 16 rows take their place.
    never = {("pairs", 1), ("taps", 16), ("interleaved", 16)}
    assert wanted - elsewhere.reached == never


def test_plain_c_equals_golden_there(elsewhere):
    """What runs plans there is not at fault where NEON's kernels are."""
    for seed in range(8):
        assert_engine_equals_golden(draw_case(random.Random(seed)), ["plain"])


@pytest.mark.parametrize("name", LAYERS)
def test_lanes_with_formats_of_their_own_equal_golden(name, elsewhere):
    jobs = lane_jobs(LAYERS[name], steps=6)
    for isa in ISAS:
        for job, found in zip(jobs, run_together(jobs, isa=isa), strict=True):
            assert_same_run(golden.run(job.network, job.parameters, job.batch), found)


@pytest.mark.parametrize("kind", BYTE_WEIGHTS)
def test_bytes_at_their_extremes(kind, elsewhere):
    """What is planned for sums of 16 bits, too."""
    for state in (Q(4, 3), Q(0, 8, signed=False)):
        case = byte_case(kind, state)
        wanted = golden.run(case.network, case.parameters, case.batch)
        for lanes, bits, isa in product((16, 1), (16, 32), ISAS):
            planned = ByteProducts(bits)
            plan = plan_network(case.network, case.parameters, lanes, byte_products=planned)
            assert_same_run(wanted, execute(plan, case.batch, isa))


@pytest.mark.parametrize(("lower", "upper"), [(1, 1), (0, 3), (5, 2)])
def test_bands_of_bytes(lower, upper, elsewhere):
    """They are not planned there by themselves: how fast they are is not measured."""
    planned = ByteProducts(32, short=True)
    for seed, units in enumerate((13, 70)):
        case = band_case(Banded(lower, upper), units, Q(0, 7), seed=seed)
        wanted = golden.run(case.network, case.parameters, case.batch)
        for lanes, isa in product((16, 1), ISAS):
            elsewhere.reached.clear()
            plan = plan_network(case.network, case.parameters, lanes, byte_products=planned)
            assert_same_run(wanted, execute(plan, case.batch, isa))
            assert {("rows_short", lanes), ("finish_rows", lanes)} <= elsewhere.reached


@pytest.mark.parametrize("isa", ISAS)
def test_lane_blocks_side_by_side(isa, elsewhere):
    case = byte_case("extreme", Q(4, 3), 67)
    wanted = golden.run(case.network, case.parameters, case.batch, case.traces)
    order = np.arange(61) * 5 % 18
    initial = {name: value[order] for name, value in case.batch.initial.items()}
    batch = Batch(case.batch.inputs[order], case.batch.lengths[order], initial)
    elsewhere.beside.clear()
    found = run(case.network, case.parameters, batch, case.traces, isa=isa, threads=1)
    assert elsewhere.beside == {4}
    np.testing.assert_array_equal(found.outputs, wanted.outputs[order])
    for name, trace in wanted.traces.items():
        np.testing.assert_array_equal(found.traces[name], trace[order])
    for name, value in wanted.final.items():
        np.testing.assert_array_equal(found.final[name], value[order])


@pytest.mark.parametrize("wide", [False, True], ids=["32-bit", "64-bit"])
def test_every_golden_cast(wide, elsewhere):
    for key, source, to, expected in golden_casts():
        raw = np.arange(source.min, source.max + 1)
        values, events = compiled_cast(raw, source, to, "neon", wide)
        np.testing.assert_array_equal(values, expected, err_msg=key)
        assert events == cast_array(raw, source.fraction, to)[1], key


def test_dot_products_are_taken_where_the_processor_has_them(built, monkeypatch):
    program, launcher = built
    if not launcher:
        pytest.skip("needs a processor of the kind")
    for processor, has in (("cortex-a53", False), ("max", True)):
        process = Elsewhere([*launcher[:-1], processor, program])
        take(process, monkeypatch)
        assert available_isas() == {"plain": True, "neon": True, "dotprod": has}
        case = byte_case("extreme", Q(4, 3))
        chosen = run(case.network, case.parameters, case.batch).isa
        assert chosen == ("dotprod" if has else "neon")
        if not has:
            with pytest.raises(UsageError, match="this processor has no dotprod"):
                run(case.network, case.parameters, case.batch, isa="dotprod")
        assert process.close() == 0


def test_the_program_needs_no_other(built):
    """It holds all that it runs, and takes nothing but plans."""
    program, launcher = built
    done = subprocess.run(
        [*launcher, program], stdin=subprocess.DEVNULL, capture_output=True, check=True
    )
    assert done.stdout.startswith(b"plain 1 32 0 0 1 0 1\nneon 1 32 128 0 0 0 1\n")
