"""What a network stores and the memories that hold it: by one definition, equal tables once."""

from __future__ import annotations

import random

import pytest
from helpers.machines import FORMATS
from helpers.rtl_cases import draw_lanes, draw_stack

from rnnhw import LSTM, Design, Elman, Formats, HardTanh, LeakyElman, Linear, Mean, Q, Sigmoid, Tanh
from rnnhw.analysis.storage import stored_bits
from rnnhw.cost.estimation import estimate
from rnnhw.cost.figure_table import memory_rows
from rnnhw.cost.model import Report, memories_of
from rnnhw.design.schedule import Arrangement
from rnnhw.errors import DesignError

SHARED = Arrangement(engines="shared")


def bits(report: Report, holds: str, kept: str) -> int:
    """The bits of one kind that are stored, or those of the memory."""
    row = memory_rows(kept)[holds]  # type: ignore[arg-type,index]
    value = getattr(report.totals, row.key).value
    assert isinstance(value, int)
    return value


def with_tables(layers: int) -> Design:
    """Layers with the same sigmoid table of 16,384 words, whose 16 bits never need the sign."""
    formats = Formats(input=Q(0, 7), weight=Q(0, 7), sum=Q(4, 9), state=Q(0, 15))
    stack = [Elman(4, activation=Sigmoid(), name=f"l{number}") for number in range(layers)]
    return Design(layers=stack, formats=formats, inputs=4)


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_equal_tables_are_one_in_flash(layers: int) -> None:
    report = estimate(with_tables(layers), "cortex-m4")
    assert bits(report, "tables", "stored") == 16384 * 15
    assert bits(report, "tables", "as memory") == 16384 * 16
    assert report.totals.flash_bytes.value == 32768 + layers * (16 + 16 + 4)


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_equal_tables_are_one_in_a_shared_engine_and_a_rom_in_each_layer(layers: int) -> None:
    design = with_tables(layers)
    shared = estimate(design, "ecp5-25", lanes=2, arrangement=SHARED)
    tables = [memory for _, memory in memories_of(shared) if memory.holds == "tables"]
    assert [(table.depth_words, table.width_bits, table.copies) for table in tables] == [
        (16384, 15, 1)
    ]
    assert bits(shared, "tables", "stored") == 16384 * 15
    assert shared.totals.block_rams.value == 14 + 2  # and one each for weights and biases
    assert not shared.over_capacity
    own = estimate(design, "ecp5-25", lanes=2)
    assert bits(own, "tables", "stored") == bits(own, "tables", "as memory") == layers * 16384 * 15
    assert own.totals.block_rams.value == layers * (14 + 2)


def test_tables_that_differ_are_as_many_in_a_shared_engine() -> None:
    layers = [
        Elman(4, activation=activation, name=f"l{number}")
        for number, activation in enumerate((Sigmoid(), Tanh(), Sigmoid()))
    ]
    report = estimate(
        Design(layers=layers, formats=FORMATS, inputs=4), "ecp5-25", arrangement=SHARED
    )
    tables = [memory for _, memory in memories_of(report) if memory.holds == "tables"]
    assert len(tables) == 2
    assert bits(report, "tables", "stored") == 256 * 7 + 256 * 8  # a sigmoid has no sign


def test_a_shared_engine_has_the_tables_that_one_layer_reads_at_once() -> None:
    design = Design(layers=[LSTM(3, name="a"), LSTM(3, name="b")], formats=FORMATS, inputs=4)
    one = estimate(Design(layers=design.layers[:1], formats=FORMATS, inputs=4), "ecp5-25")
    both = estimate(design, "ecp5-25", arrangement=SHARED)
    assert bits(both, "tables", "as memory") == bits(one, "tables", "as memory")


def test_a_bias_behind_an_undivided_mean_is_a_bias() -> None:
    head = Linear(3, name="head")
    design = Design(
        layers=[Elman(4, activation=HardTanh(), name="rnn"), Mean(), head],
        formats=FORMATS,
        inputs=2,
        max_steps=20,
    )
    wanted = stored_bits(design.network)
    for profile in ("ecp5-25", "cortex-m4"):
        report = estimate(design, profile)
        for kind in ("weights", "biases"):
            assert bits(report, kind, "stored") == wanted[kind], (profile, kind)


def test_a_constant_of_one_unit_is_stored() -> None:
    """It is wired, and so it takes no memory block; the network has it all the same."""
    design = Design(layers=[LeakyElman(1, activation=HardTanh())], formats=FORMATS, inputs=1)
    report = estimate(design, "ecp5-25")
    assert bits(report, "weights", "stored") == stored_bits(design.network)["weights"]
    assert "constants" in {memory.placement for memory in report.layers[0].memories}


@pytest.mark.parametrize("block", range(6))
def test_a_memory_is_never_smaller_than_what_it_stores(block: int) -> None:
    for seed in range(12 * block, 12 * block + 12):
        r = random.Random(seed)
        try:
            design = draw_stack(r, 8)
            network = design.network
        except DesignError:
            continue  # the formats make no network
        wanted = stored_bits(network)
        lanes = draw_lanes(r, network)
        for profile, arrangement in (
            ("ecp5-25", Arrangement()),
            ("asic-45nm", SHARED),
            ("cortex-m4", None),
        ):
            report = estimate(design, profile, lanes=lanes, arrangement=arrangement)
            for holds in memory_rows("stored"):
                stored = bits(report, holds, "stored")
                assert bits(report, holds, "as memory") >= stored, (seed, profile, holds)
                if holds in ("weights", "state") and profile != "asic-45nm":
                    assert stored == wanted[holds], (seed, profile, holds)
                if holds == "tables" and profile == "ecp5-25":
                    assert stored == wanted[holds], (seed, profile, holds)
                if holds == "biases":
                    # A word that stands for two has the bits that it has.
                    exact = profile == "cortex-m4"
                    assert stored == wanted[holds] if exact else stored <= wanted[holds], seed
            for _, memory in memories_of(report):
                assert memory.padded_bits >= memory.stored_bits, (seed, profile, memory.name)
