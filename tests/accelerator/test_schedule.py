"""Schedules: every formula against hardware that moves cycle by cycle; by hand; bad input."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from helpers.hardware import Layer, Machine, Part
from helpers.machines import FORMATS, band, elman, gru, head, lstm, same_machine, scanned
from helpers.paths import DESIGNS
from helpers.schemas import valid

from rnnhw import (
    GRU,
    LSTM,
    Arrangement,
    Bidirectional,
    Dense,
    Design,
    DesignError,
    Diagonal,
    Elman,
    Hadamard,
    Last,
    Linear,
    LowRank,
    Mean,
    Residual,
    Tanh,
    Target,
    UsageError,
    Window,
    load,
)
from rnnhw.accelerator import (
    Accelerator,
    Bandwidth,
    Basis,
    LayerMachine,
    MemoryKind,
    accelerator,
    lane_cycles,
    lane_options,
    output_cycles,
    saturation,
)
from rnnhw.accelerator.mapping.multipliers import Multiplier
from rnnhw.accelerator.schedule.shared_engine import common_multipliers
from rnnhw.accelerator.schedule.weight_stream import Group, Streamed, slots_for
from rnnhw.cli import main
from rnnhw.commands.emit import emit, lanes_by_layer, machine_of
from rnnhw.commands.synth import synth
from rnnhw.cost.estimation import estimate
from rnnhw.cost.model import report_fields
from rnnhw.graph.builder import StepBuilder
from rnnhw.graph.nodes import Node
from rnnhw.profiles import load_profile
from rnnhw.report import report_schema, to_csv, to_html, to_json, to_markdown, to_text


# --- the accelerator as the hardware of the tests ------------------------------------------------
def described(machine: Accelerator) -> list[Layer]:
    """What the simulation needs to know of a machine of one stage: no cycles."""
    total = sum(
        words(layer) for layer, s in zip(machine.layers, machine.streamed, strict=True) if s
    )
    found = []
    for index, layer in enumerate(machine.layers):
        parts = []
        for phase in layer.phases:
            parts.append(
                Part(
                    phase.rows,
                    phase.lanes,
                    phase.columns,
                    phase.depth,
                    phase.transform_cycles,
                    width(layer) if machine.streamed[index] else 0,
                    phase.weight_columns,
                )
            )
        share = None
        if machine.streamed[index]:
            share = RATE[0] if machine.engine else RATE[0] * words(layer) / total
        slots = machine.paces[index].slots if machine.streamed[index] else 2  # type: ignore[attr-defined]
        together = machine.steps[index]
        found.append(
            Layer(
                parts,
                layer.inputs,
                list(machine.sources[index]),
                first_recurrent(layer) if machine.overlapped[index] else None,
                share,
                slots,
                together,
            )
        )
    return found


RATE = [Fraction(0)]
"""Bits a cycle of the external memory of the machine at hand."""


def width(layer: LayerMachine) -> int:
    """Bits of a weight word; every weight has 8."""
    return 8 * max(phase.lanes for phase in layer.phases)


def words(layer: LayerMachine) -> int:
    return width(layer) * sum(p.groups * p.weight_columns for p in layer.phases if p.lanes)


def first_recurrent(layer: LayerMachine) -> int:
    """SC as the prototype's generator has it, for one input and at most one recurrent matrix."""
    (phase,) = layer.phases
    late = [segment for segment in phase.segments if not segment.early]
    if not late:
        return phase.columns - 1
    (segment,) = late
    first = phase.columns - segment.columns
    return first if segment.window is None else first - (phase.window_units - 1)


def check(machine: Accelerator, steps: int) -> Machine:
    """Every start and end of every layer, and the interval once it is steady."""
    shared = machine.engine.stages[0].slots if machine.engine else 2
    run = Machine(
        described(machine),
        steps,
        machine.sequences,
        shared=machine.engine is not None,
        shared_slots=shared,
    )
    run.run()
    for span in machine.spans(steps):
        vector = span.step * machine.sequences + span.sequence
        mine = run.takes[span.index][vector], run.ends[span.index][vector]
        assert (span.start, span.end) == mine, (machine.layers[span.index].name, span)
    return run


def steady(machine: Accelerator, run: Machine, steps: int) -> None:
    """The interval over a whole number of rounds at the end of a long run."""
    last = len(machine.layers) - 1
    ends = [run.ends[last][step * machine.sequences] for step in range(steps)]
    window = 12 * math.lcm(*machine.steps)
    assert steps > 2 * window
    found = Fraction(ends[-1] - ends[-1 - window], window * machine.sequences)
    assert found == machine.step_interval, machine.bound_by


def random_stack(draw: random.Random, *, single: bool = False) -> Design:
    """Layers in a chain, of all kinds that work in one phase, or of several if not ``single``."""
    layers: list[Any] = []
    inputs = draw.randint(1, 9)
    for position in range(draw.randint(1, 3)):
        units = draw.choice([1, 2, 3, 4, 5, 7, 8, 12])
        name = f"l{position}"
        kind = draw.choice(["dense", "band", "diagonal", "head", "head", "lstm", "gru", "other"])
        match kind:
            case "dense":
                layers.append(Elman(units, name=name))
            case "band":
                layers.append(Elman(units, band(draw.randint(0, min(3, units - 1))), name=name))
            case "diagonal":
                layers.append(Elman(units, Diagonal(), name=name))
            case "head":
                layers.append(Linear(units, name=name))
            case "lstm":
                recurrent = draw.choice([Dense(), band(1 if units > 1 else 0)])
                layers.append(LSTM(units, recurrent=recurrent, name=name))
            case "gru":
                layers.append(GRU(units, name=name))
            case _ if single:
                layers.append(Linear(units, name=name))
            case _:
                structure = draw.choice([LowRank(1), Hadamard(before=False)])
                units = 8 if isinstance(structure, Hadamard) else units
                layers.append(Elman(units, structure, name=name))
    return Design(layers=layers, formats=FORMATS, inputs=inputs)


def random_lanes(draw: random.Random, design: Design) -> dict[str, int]:
    return {
        choices.name: draw.choice(list(choices.lanes)[:16])
        for choices in lane_options(design.network)
        if choices.lanes[-1] > 0
    }


def build(design: Design, lanes: Any, rate: Fraction | None = None, **options: Any) -> Accelerator:
    RATE[0] = rate or Fraction(0)
    bandwidth = Bandwidth("memory", rate) if rate else None
    return accelerator(design.network, lanes, Arrangement(**options), bandwidth)


# --- formulas against the simulation -------------------------------------------------------------
STACKS = range(12)


def one_layer(layer: Any, inputs: int = 4) -> Any:
    """A network of one layer."""
    return Design(layers=[layer], formats=FORMATS, inputs=inputs).network


@pytest.mark.parametrize("seed", STACKS)
def test_a_wavefront_is_that_of_the_simulation(seed: int) -> None:
    draw = random.Random(seed)
    design = random_stack(draw)
    machine = build(design, random_lanes(draw, design))
    steady(machine, check(machine, 25), 25)


@pytest.mark.parametrize("seed", STACKS)
def test_overlap_is_that_of_the_simulation(seed: int) -> None:
    draw = random.Random(seed)
    design = random_stack(draw, single=True)
    machine = build(design, random_lanes(draw, design), overlap=draw.choice([True, True, "auto"]))
    steady(machine, check(machine, 25), 25)


@pytest.mark.parametrize("seed", STACKS)
def test_interleaving_is_that_of_the_simulation(seed: int) -> None:
    draw = random.Random(seed)
    design = random_stack(draw, single=True)
    machine = build(design, random_lanes(draw, design), interleave=draw.randint(2, 6))
    steady(machine, check(machine, 30), 30)


@pytest.mark.parametrize("seed", STACKS)
def test_a_shared_engine_is_that_of_the_simulation(seed: int) -> None:
    draw = random.Random(seed)
    design = random_stack(draw)
    machine = build(design, random_lanes(draw, design), engines="shared")
    steady(machine, check(machine, 25), 25)


@pytest.mark.parametrize("seed", STACKS)
def test_steps_in_parallel_are_those_of_the_simulation(seed: int) -> None:
    draw = random.Random(seed)
    design = random_stack(draw, single=True)
    design = replace(design, layers=[*design.layers, Linear(draw.randint(1, 6), name="out")])
    steps = draw.choice([2, 3, 4])
    options = {} if draw.random() < 0.5 else {"overlap": "auto"}
    machine = build(design, random_lanes(draw, design), steps_in_parallel=steps, **options)
    assert max(machine.steps) == steps
    steady(machine, check(machine, 26 * steps), 26 * steps)
    check(machine, 5)  # the last pass is not full


@pytest.mark.parametrize("seed", STACKS)
def test_streamed_weights_are_those_of_the_simulation(seed: int) -> None:
    draw = random.Random(seed)
    design = random_stack(draw)
    rate = Fraction(draw.choice([1, 3, 8, 20, 50, 100, 300]), draw.choice([1, 3]))
    machine = build(design, random_lanes(draw, design), rate, weights="streamed")
    assert any(machine.streamed)
    steady(machine, check(machine, 40), 40)


@pytest.mark.parametrize("seed", STACKS)
def test_streamed_weights_of_interleaved_sequences_are_those_of_the_simulation(seed: int) -> None:
    draw = random.Random(seed)
    design = random_stack(draw, single=True)
    rate = Fraction(draw.choice([1, 3, 8, 20, 50, 100, 300]), draw.choice([1, 3]))
    k = draw.randint(2, 5)
    machine = build(design, random_lanes(draw, design), rate, weights="streamed", interleave=k)
    steady(machine, check(machine, 40), 40)


@pytest.mark.parametrize("seed", STACKS)
def test_a_shared_engine_with_streamed_weights_is_that_of_the_simulation(seed: int) -> None:
    draw = random.Random(seed)
    design = random_stack(draw)
    rate = Fraction(draw.choice([1, 3, 8, 20, 50, 100, 300]), draw.choice([1, 3]))
    machine = build(design, random_lanes(draw, design), rate, weights="streamed", engines="shared")
    steady(machine, check(machine, 40), 40)


# --- by hand -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("network", "lanes", "wait", "interval"),
    [  # G PER + 1 or T - 1 - SC, T as the Verilog prototype has it
        (elman(32).network, 4, 8, max(8 * 40 + 1, 332 - 1 - 8)),
        (elman(32, band(3)).network, 4, 8 - 3, max(8 * 15 + 1, 132 - 1 - 5)),
        # Both windows fill from the start of a group; the state's reads from column 7 - 3 on.
        (one_layer(Elman(8, band(1), inputs=band(1)), 8), 4, 4, max(2 * 10 + 1, 32 - 1 - 4)),
        (elman(8).network, 8, 8, max(16 + 1, 32 - 1 - 8)),
        (head(32, 10).network, 2, 31, max(5 * 32 + 1, 169 - 1 - 31)),
        (head(4, 2).network, 2, 3, max(4 + 1, 13 - 1 - 3)),
        (scanned(lstm(32)), 4, 8, max(32 * 40 + 1, 1302 - 1 - 8)),
        (scanned(gru(32)), 4, 8, max(24 * 40 + 1, 983 - 1 - 8)),
    ],
)
def test_overlap_by_hand(network: Any, lanes: int, wait: int, interval: int) -> None:
    machine = accelerator(network, lanes, Arrangement(overlap=True))
    (pace,) = machine.paces
    assert (pace.wait, machine.step_interval) == (wait, interval)  # type: ignore[attr-defined]
    (layer,), (plain,) = machine.layers, accelerator(network, lanes).layers
    assert layer.basis is Basis.MODELLED and layer.assumptions
    assert same_machine(replace(layer, basis=plain.basis, assumptions=plain.assumptions), plain)


def test_interleaving_by_hand() -> None:
    plain, twice = (accelerator(elman(32).network, 4, Arrangement(interleave=k)) for k in (1, 2))
    assert (plain.step_interval, twice.step_interval) == (332, Fraction(2 * 320, 2))
    small = [accelerator(elman(8).network, 8, Arrangement(interleave=k)) for k in (1, 2, 3)]
    assert [m.step_interval for m in small] == [32, 16, 16]  # T = 32, 16 columns: 2 saturate
    assert saturation(small[0].layers[0]) == 2
    before, after = ({memory.name: memory for _, memory in m.memories} for m in (plain, twice))
    for name, memory in before.items():
        banks = 2 if name in ("x", "state") else 1
        assert after[name].depth == banks * memory.depth
        assert after[name].stored_bits == banks * memory.stored_bits


@pytest.mark.parametrize(
    ("bits", "interval", "slots"),
    [  # at 31 bits two slots give 52 + 40 + 6 x 42 = 344 cycles: the loader stops in the drain
        (40, 332, 2),
        (32, 332, 2),
        (31, 8 * 42, 3),
        (16, 640, 2),
        (8, 1280, 2),
        (1, 10240, 2),
    ],
)
def test_streaming_by_hand(bits: int, interval: int, slots: int) -> None:
    """8 groups of 40 words of 32 bits."""
    memory = Bandwidth("DDR", Fraction(bits))
    machine = accelerator(elman(32).network, 4, Arrangement(weights="streamed"), memory)
    assert machine.step_interval == interval
    assert ("external memory" in machine.bound_by) == (interval > 332)
    buffer = machine.layers[0].memories[0]
    assert (buffer.name, buffer.depth, buffer.width) == ("weight buffer", slots * 40, 32)
    assert buffer.stored_bits == 32 * 40 * 8


def test_two_layers_share_the_external_memory() -> None:
    layers = [Elman(32, name="a"), Elman(16, name="b")]
    design = Design(layers=layers, formats=FORMATS, inputs=8)
    memory = Bandwidth("DDR", Fraction(8))
    machine = accelerator(design.network, 4, Arrangement(weights="streamed"), memory)
    bits = 8 * 40 * 32 + 4 * 48 * 32
    # Each group's load is a whole number of cycles.
    assert bits / 8 <= machine.step_interval <= bits / 8 + 8
    only = accelerator(design.network, 4, Arrangement(weights={"a": "streamed"}), memory)
    assert only.step_interval == 1280
    assert only.layers[1].memories[0].name == "weights"


def test_a_double_buffer_is_enough_unless_the_drain_is_long() -> None:
    assert slots_for([Group(40, 40, 40)] * 8) == 2
    # 100 cycles without columns, in which ten loads of 10 must not stop.
    assert slots_for([Group(10, 10, 11)] * 19 + [Group(10, 100, 11)]) > 2


def streams_at_full_pace(groups: list[Group], slots: int) -> bool:
    """Whether steps follow each other as fast as the lanes or the loader alone."""
    pace = Streamed(200, tuple(groups), slots, 0)
    course = pace.course()
    runs = [course.run([0], 0)[0] for _ in range(60)]
    return Fraction(runs[-1].take - runs[-31].take, 30) == pace.round_cycles


@pytest.mark.parametrize("slots", range(2, 12))
def test_fewer_slots_than_enough_are_slower(slots: int) -> None:
    groups = [Group(10, 10, 20)] * 9 + [Group(10, 110, 20)]
    assert streams_at_full_pace(groups, slots) == (slots >= slots_for(groups))


def test_the_slots_that_are_enough_are_the_least_that_cost_no_cycle() -> None:
    """Seeded groups, walked until the pace is steady: with a slot less the lanes wait."""
    for seed in range(300):
        draw = random.Random(seed)
        groups = []
        for _ in range(draw.randint(2, 7)):
            columns = draw.randint(1, 12)
            drain = draw.choice([0, 0, draw.randint(0, 40)])
            groups.append(Group(columns, columns + drain, draw.randint(1, 30)))
        enough = slots_for(groups)
        assert streams_at_full_pace(groups, enough), (seed, groups)
        assert enough == 2 or not streams_at_full_pace(groups, enough - 1), (seed, groups)


def test_a_shared_engine_by_hand() -> None:
    layers = [Elman(32, name="a"), Linear(10, name="b")]
    design = Design(layers=layers, formats=FORMATS, inputs=8)
    apart = accelerator(design.network, 4)
    shared = accelerator(design.network, 4, Arrangement(engines="shared"))
    a, b = (layer.cycles for layer in apart.layers)
    assert shared.step_interval == a + b
    assert shared.sequence_cycles(7) == 8 + 7 * (a + b)
    assert shared.lanes == 4 and apart.lanes == 8
    assert shared.engine is not None
    weights, biases, table = shared.engine.memories
    assert (table.kind, table.depth, table.width) == (MemoryKind.TABLES, 256, 8)
    assert (weights.depth, weights.width) == (8 * 40 + 3 * 32, 32)
    assert weights.stored_bits == 8 * (32 * 40 + 10 * 32)
    assert (biases.depth, biases.stored_bits) == (42, 42 * 14)
    assert sum(each.count for each in shared.engine.multipliers) == 4
    kinds = {m.kind for layer in shared.layers for m in layer.memories}
    assert MemoryKind.WEIGHTS not in kinds and MemoryKind.STATE in kinds


def test_a_shared_post_processor_is_the_largest() -> None:
    layers = [LSTM(8, name="a"), LSTM(4, name="b")]
    design = Design(layers=layers, formats=FORMATS, inputs=8)
    engine = accelerator(design.network, 4, Arrangement(engines="shared")).engine
    assert engine is not None
    assert sum(each.count for each in engine.multipliers) == 4 + 3


def test_shared_lanes_have_the_widest_operands_of_all_layers() -> None:
    (layer,) = accelerator(elman(32).network, 4).layers
    narrow, wide = 8, 12
    one, other = (
        replace(layer, multipliers=(multiplier,))
        for multiplier in (Multiplier(4, wide, narrow), Multiplier(2, narrow, wide))
    )
    for layers in ([one, other], [other, one]):
        assert common_multipliers(layers) == (Multiplier(4, wide, wide),)


def test_lanes_that_add_without_weights_share_no_multiplier() -> None:
    """All multipliers of such a layer are its post-processor's."""
    (weighted,) = accelerator(elman(32).network, 4).layers
    (gated,) = accelerator(scanned(lstm(8)), 4).layers
    behind = gated.multipliers[1:]
    memories = tuple(m for m in gated.memories if m.kind is not MemoryKind.WEIGHTS)
    adding = replace(gated, memories=memories, multipliers=behind)
    assert common_multipliers([weighted, adding]) == (weighted.multipliers[0], *behind)


def test_steps_in_parallel_by_hand() -> None:
    plain, four = (
        accelerator(head(32, 10).network, 2, Arrangement(steps_in_parallel=r)) for r in (1, 4)
    )
    assert (plain.step_interval, four.step_interval) == (169, Fraction(169, 4))
    assert (plain.lanes, four.lanes) == (2, 8)
    assert four.step_latency == 4 * 32 + 169  # waits for four vectors
    assert four.layers[0].traffic.weight_reads == plain.layers[0].traffic.weight_reads // 4
    names = {memory.name: memory.copies for _, memory in four.memories}
    assert names["weights"] == names["biases"] == 1 and names["x"] == 4
    assert [sum(m.count for m in each.layers[0].multipliers) for each in (plain, four)] == [2, 8]


def test_steps_in_parallel_copy_tables_and_have_vectors_of_their_own() -> None:
    layers = [Linear(10, Tanh(), name="a")]
    network = Design(layers=layers, formats=FORMATS, inputs=8).network
    plain, four = (
        {
            m.name: m
            for m in accelerator(network, 2, Arrangement(steps_in_parallel=r)).layers[0].memories
        }
        for r in (1, 4)
    )
    table = next(name for name, memory in plain.items() if memory.kind is MemoryKind.TABLES)
    stored = {name: memory.stored_bits / plain[name].stored_bits for name, memory in four.items()}
    assert stored == {"weights": 1, "biases": 1, "x": 4, table: 1}


@pytest.mark.parametrize(
    ("network", "lanes"),
    [
        (elman(32).network, 4),
        (head(4, 61).network, 60),  # one row of the last group leaves sooner than 60 of the first
        (elman(8, LowRank(2)).network, 2),
        (one_layer(GRU(8, recurrent=Hadamard(), reset="before")), 2),  # transforms in both phases
    ],
)
def test_weights_that_come_soon_enough_cost_nothing(network: Any, lanes: int) -> None:
    streamed, memory = Arrangement(weights="streamed"), Bandwidth("memory", Fraction(10**6))
    plain = accelerator(network, lanes)
    machine = accelerator(network, lanes, streamed, memory)
    assert machine.step_interval == plain.step_interval
    assert machine.step_latency == plain.step_latency


def test_a_sum_takes_the_steps_of_a_pass_one_by_one() -> None:
    layers = [Linear(12, name="a"), Mean(name="m"), Linear(2, name="b")]
    design = Design(layers=layers, formats=FORMATS, inputs=4, max_steps=8)
    plain, four = (
        accelerator(design.network, 12, Arrangement(steps_in_parallel=r)) for r in (1, 4)
    )
    assert four.layers[1].cycles == plain.layers[1].cycles + 12
    assert four.step_interval == plain.layers[1].cycles + 12  # T / 4 would be less
    assert four.bound_by.startswith("m:")


def test_the_input_port_bounds_many_steps_in_parallel() -> None:
    machine = accelerator(head(32, 10).network, 10, Arrangement(steps_in_parallel=8))
    assert machine.step_interval == 32
    assert machine.bound_by.startswith("the input")


@pytest.mark.parametrize("sequences", [1, 3])
def test_a_branch_that_is_joined_again_waits_for_its_longest_way(sequences: int) -> None:
    layers = [Elman(8, name="a"), Residual([Elman(8, name="b")]), Linear(3, name="o")]
    design = Design(layers=layers, formats=FORMATS, inputs=4)
    machine = build(design, 2, interleave=sequences)
    a, b = (layer.cycles for layer in machine.layers[:2])
    slow = max(Fraction(a + b, sequences), machine.interval_of(0), machine.interval_of(1))
    assert machine.step_interval == slow
    steady(machine, check(machine, 40), 40)
    assert sequences > 1 or "branch" in machine.bound_by


def test_what_runs_once_a_sequence_works_beside_the_next_one() -> None:
    layers = [Elman(32, name="rnn"), Last(), Linear(10, name="out")]
    design = Design(layers=layers, formats=FORMATS, inputs=8)
    machine, shared = (build(design, 4, engines=e) for e in ("per-layer", "shared"))
    out = machine.layers[1].cycles
    assert machine.sequence_interval(10) == 10 * 332
    assert shared.sequence_interval(10) == 10 * 332 + out
    layers = [Elman(1, name="rnn"), Last(), Linear(30, name="out")]
    slow = accelerator(replace(design, layers=layers).network, 1)
    assert slow.sequence_interval(1) == slow.layers[1].cycles > slow.layers[0].cycles
    assert slow.sequence_interval(0) == 0


def test_sequences_through_a_reversal_do_not_overlap() -> None:
    design = Design(
        layers=[Bidirectional(Elman(8, name="rnn"), name="two"), Linear(4, name="head")],
        formats=FORMATS,
        inputs=3,
    )
    machine = build(design, 2)
    if len(machine.stages) > 1:
        assert machine.sequence_interval(9) == machine.sequence_cycles(9)


# --- bubbles -------------------------------------------------------------------------------------
OPTIONS: list[dict[str, Any]] = [
    {},
    {"overlap": "auto"},
    {"interleave": 3},
    {"engines": "shared"},
    {"weights": "streamed"},
    {"weights": "streamed", "engines": "shared"},
    {"weights": "streamed", "interleave": 2},
    {"steps_in_parallel": 3},
]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_bubbles_and_columns_fill_the_interval(options: dict[str, Any], seed: int) -> None:
    draw = random.Random(seed)
    design = random_stack(draw, single=True)
    design = replace(design, layers=[*design.layers, Linear(3, name="out")])
    rate = Fraction(draw.choice([5, 60])) if "weights" in options else None
    machine = build(design, random_lanes(draw, design), rate, **options)
    for index in machine.timed:
        cycles = lane_cycles(machine, index)
        assert all(count >= 0 for count in cycles.values()), cycles
        assert sum(cycles.values()) == machine.step_interval * machine.paces[index].steps
        assert cycles["columns"] > 0
        assert ("drain" in cycles) <= (not machine.recurrent[index])


def test_bubbles_by_hand() -> None:
    machine = accelerator(elman(30).network, 4)  # 8 groups of 38 columns; the last has 2 rows
    assert lane_cycles(machine, 0) == {"columns": 8 * 38, "recurrence latency": 7 + 1 + 2}
    machine = accelerator(head(2, 64).network, 16)  # 4 groups of 2 columns, 16 rows leave
    assert lane_cycles(machine, 0) == {
        "columns": 8,
        "post-processor": 3 * 14,
        "drain": 7 + 15 + 1,
    }


def test_lanes_that_do_not_run_at_every_step_have_no_bubbles() -> None:
    layers = [Elman(8, name="a"), Mean(name="m"), Linear(2, name="out")]
    design = Design(layers=layers, formats=FORMATS, inputs=4, max_steps=9)
    machine = accelerator(design.network, 2)
    assert [bool(lane_cycles(machine, index)) for index in range(3)] == [True, False, False]
    measured = replace(machine.layers[0], measured=True)
    given = replace(machine, layers=(measured, *machine.layers[1:]))
    assert lane_cycles(given, 0) == {}


def test_transforms_are_bubbles_of_their_cycles() -> None:
    """8 units on 2 lanes: 4 groups of 5 columns behind a transform in words of 2."""
    machine = accelerator(one_layer(Elman(8, Hadamard(before=False), name="a")), 2)
    (phase,) = machine.layers[0].phases
    lanes = lane_cycles(machine, 0)
    assert lanes["transform"] == phase.transform_cycles > 0
    assert lanes["recurrence latency"] == phase.latency_cycles
    assert sum(lanes.values()) == machine.step_interval == phase.cycles


def test_the_first_result_leaves_before_the_last() -> None:
    machine = accelerator(elman(32).network, 4)
    assert machine.step_latency == 8 + 332
    # 40 columns, 7 of the pipeline, 2 of the post-processor; the other 31 rows come later.
    assert machine.first_result_latency == 8 + 40 + 7 + 2
    gated = accelerator(scanned(lstm(32)), 4)
    assert gated.first_result_latency == 8 + 40 + 7 + 3 + 12  # after four rows
    alone = accelerator(scanned(lstm(32)), 1)
    assert alone.first_result_latency == 8 + 4 * 40 + 7 + 12  # in four groups


# --- bad input -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("option", "value", "legal"),
    [
        ("engines", "one", "'per-layer' or 'shared'"),
        ("overlap", "yes", "True, False or 'auto'"),
        ("overlap", 1, "True, False or 'auto'"),
        ("interleave", 0, "1 or more sequences"),
        ("interleave", True, "1 or more sequences"),
        ("interleave", 2.5, "1 or more sequences"),
        ("weights", "flash", "'on-chip', 'streamed' or 'auto'"),
        ("weights", {"rnn": "auto"}, "'on-chip' or 'streamed' for a layer"),
        ("steps_in_parallel", 0, "1 or more"),
        ("steps_in_parallel", "4", "1 or more"),
        ("steps_in_parallel", {"rnn": -1}, "1 or more steps"),
    ],
)
def test_a_target_refuses_what_is_no_schedule(option: str, value: Any, legal: str) -> None:
    for kind in (lambda **o: Target("ecp5-25", **o), Arrangement):
        with pytest.raises(DesignError) as refused:
            kind(**{option: value})
        assert option in refused.value.message
        assert legal in refused.value.hint


DEEP = Design(
    layers=[
        Elman(8, name="rnn"),
        Elman(8, Hadamard(), name="fast"),
        Linear(4, name="dense"),
        Last(),
        Linear(2, name="out"),
    ],
    formats=FORMATS,
    inputs=4,
)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"overlap": True}, "layer fast can not: it transforms", "layers that can: rnn, dense"),
        ({"overlap": True, "interleave": 2}, "overlap=True with interleave=2", "one of the two"),
        ({"engines": "shared", "overlap": True}, "with overlap=True", "'per-layer'"),
        ({"engines": "shared", "interleave": 2}, "with interleave=2", "'per-layer'"),
        ({"engines": "shared", "steps_in_parallel": 2}, "steps_in_parallel=2", "'per-layer'"),
        ({"steps_in_parallel": {"rnn": 2}}, "layer rnn has a state", "together: dense"),
        ({"steps_in_parallel": {"out": 2}}, "layer out runs once", "together: dense"),
        ({"steps_in_parallel": {"dens": 2}}, "unknown layer 'dens'", "did you mean 'dense'"),
        ({"steps_in_parallel": 2, "interleave": 2}, "with interleave=2", "one of the two"),
        ({"weights": {"out": "streamed"}}, "layer out runs once", "streamed: rnn, fast, dense"),
        ({"weights": {"rn": "streamed"}}, "unknown layer 'rn'", "did you mean 'rnn'"),
        ({"weights": "streamed"}, "without the bandwidth", "a profile that has one"),
        ({"weights": "auto"}, "without lanes='auto'", "lanes='auto'"),
        ({"interleave": "auto"}, "without lanes='auto'", "lanes='auto'"),
    ],
)
def test_what_is_not_possible_lists_what_is(
    options: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(DesignError) as refused:
        accelerator(DEEP.network, 2, Arrangement(**options))
    assert message in refused.value.message
    assert hint in refused.value.hint


def test_a_layer_of_two_phases_neither_interleaves_nor_overlaps() -> None:
    network = elman(8, LowRank(2)).network
    with pytest.raises(DesignError, match="can not take turns: it works in 2 phases"):
        accelerator(network, 2, Arrangement(interleave=2))
    with pytest.raises(DesignError, match="can not: it works in 2 phases"):
        accelerator(network, 2, Arrangement(overlap=True))
    assert accelerator(network, 2, Arrangement(overlap="auto")).overlapped == (False,)


def test_a_layer_that_reads_its_input_again_does_not_overlap() -> None:
    """The columns give the buffer back, and the post-processor would read the next vector."""

    def step(g: StepBuilder, x: Node) -> Node:
        h = g.state(8)
        wx = g.linear(Dense(), "W", x, 8, g.constant("b", 8, "bias"))
        a = g.cast(g.linear(Dense(), "U", h, 8, wx), "sum", "a")
        return g.update(h, g.cast(g.add(a, x), "state"))

    with pytest.raises(DesignError, match="can not: its post-processor reads the input again"):
        accelerator(scanned(step), 2, Arrangement(overlap=True))
    assert accelerator(scanned(step), 2, Arrangement(overlap="auto")).overlapped == (False,)


def test_no_layer_can_take_steps_together() -> None:
    with pytest.raises(DesignError, match="no layer without state"):
        accelerator(elman(8).network, 2, Arrangement(steps_in_parallel=2))


def test_a_branch_takes_one_step_at_a_time() -> None:
    layers = [Linear(8, name="in"), Residual([Linear(8, name="side")]), Linear(3, name="o")]
    network = Design(layers=layers, formats=FORMATS, inputs=4).network
    for options in ({"steps_in_parallel": {"side": 2}}, {"weights": {"side": "streamed"}}):
        with pytest.raises(DesignError, match="branch that is joined again"):
            accelerator(network, 2, Arrangement(**options))  # type: ignore[arg-type]


# --- reports -------------------------------------------------------------------------------------
def test_streaming_needs_a_board_with_a_memory_and_a_clock() -> None:
    streamed = Arrangement(weights="streamed")
    with pytest.raises(UsageError) as refused:
        estimate(elman(32), "ecp5-25", arrangement=streamed, clock_mhz=50)
    assert "ecp5-25 has no external memory" in refused.value.message
    assert "alveo-u250" in refused.value.hint and "tang-nano-20k" in refused.value.hint
    assert "icebreaker" not in refused.value.hint  # its bandwidth is not known
    with pytest.raises(UsageError, match="no external memory"):
        estimate(elman(32), "asic-45nm", arrangement=streamed, clock_mhz=50)
    with pytest.raises(UsageError, match="a clock that is not known"):
        estimate(elman(32), "arty-a7-35", arrangement=streamed)


def test_a_streamed_report_says_what_bounds_it() -> None:
    design = Design(layers=[Elman(64, name="rnn")], formats=FORMATS, inputs=8)
    report = estimate(
        design, "ulx3s-85", lanes=16, arrangement=Arrangement(weights="streamed"), clock_mhz=100
    )
    # 100 MB/s at 100 MHz are 8 bits a cycle: a weight each.
    assert report.schedule is not None and report.schedule.external_memory is not None
    assert report.schedule.external_bits_per_cycle.value == 8
    assert report.totals.cycles_per_step.value == 64 * 72
    assert report.totals.bound_by.value == "rnn: external memory"
    assert report.totals.streamed_bits_per_step.value == 64 * 72 * 8
    (layer,) = report.layers
    assert layer.weights == "streamed" and layer.lane_cycles["external memory"] > 0
    assert any(r.name == "external_memory" and r.used.value == 64 * 72 for r in report.resources)
    text = to_text(report)
    assert "external memory" in text and "bits a cycle" in text


def test_more_clock_does_not_help_an_external_memory() -> None:
    design = Design(layers=[Elman(64, name="rnn")], formats=FORMATS, inputs=8)
    rates = [
        estimate(
            design, "ulx3s-85", lanes=16, arrangement=Arrangement(weights="streamed"), clock_mhz=mhz
        )
        .operating_points[0]
        .steps_per_second.value
        for mhz in (50, 100)
    ]
    assert rates[0] == pytest.approx(rates[1])


@pytest.mark.parametrize("options", OPTIONS[:4] + OPTIONS[7:], ids=str)
def test_every_format_shows_every_schedule(options: dict[str, Any]) -> None:
    design = Design(
        layers=[Elman(8, name="rnn"), Linear(4, name="dense"), Mean(), Linear(2, name="out")],
        formats=FORMATS,
        inputs=4,
        max_steps=12,
        steps_per_second=1000,
    )
    report = estimate(design, "ecp5-25", lanes=2, clock_mhz=60, arrangement=Arrangement(**options))
    valid(json.loads(to_json(report)), report_schema)
    for render in (to_text, to_markdown, to_csv, to_html):
        assert render(report)
    fields = report_fields(report)
    assert fields["first_result_latency_cycles"] < fields["step_latency_cycles"]
    assert fields["sequences_per_second"] > 0
    if "interleave" in options:
        assert fields["steps_per_second_of_one_sequence"] * 3 == pytest.approx(
            fields["steps_per_second"]
        )
    duty, slack = fields["duty_cycle_percent"], fields["deadline_slack_percent"]
    assert duty + slack == pytest.approx(100)
    if options.get("engines") == "shared":
        assert report.schedule is not None
        assert sum(m.block_rams for m in report.schedule.shared_memories) > 0
        own = sum(m.block_rams for layer in report.layers for m in layer.memories)
        shared = sum(m.block_rams for m in report.schedule.shared_memories)
        assert report.totals.block_rams.value == own + shared


@pytest.mark.parametrize(
    "arguments",
    [
        ["--engines", "both"],
        ["--overlap", "maybe"],
        ["--interleave", "none"],
        ["--interleave", "0"],
        ["--weights", "rom"],
        ["--steps-in-parallel", "x"],
    ],
)
def test_the_command_line_refuses_them_too(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(DESIGNS / "adder_dense.py"), *arguments]) == 2
    assert f"Invalid value for '{arguments[0]}'" in capsys.readouterr().err


def test_options_win_over_the_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(DESIGNS / "adder_dense.py"), "--overlap", "on"]) == 0
    assert "overlap" in capsys.readouterr().out


# --- sequence after sequence ---------------------------------------------------------------------
BACK_TO_BACK: list[list[Any]] = [
    [Elman(6, name="a"), Linear(9, name="b")],
    [Elman(6, name="a"), Last(), Linear(40, name="b")],
    [Elman(6, name="a"), Mean(name="m"), Linear(3, name="b")],
    [Last(), Linear(9, name="a")],
    [Window(3), Last(), Linear(9, name="a")],
    [Window(4), Linear(2, name="a")],
    [Window(3), Elman(6, name="a")],
    [Elman(4, name="a"), Window(3), Elman(6, name="b")],
    [Elman(14, name="a"), Window(3), Linear(2, name="b")],
    [Elman(8, name="a"), Residual([Elman(8, name="b")]), Linear(3, name="o")],
    [Residual([Elman(3, name="a")]), Linear(3, name="o")],
    [Elman(8, name="a"), Window(3), Last(), Linear(9, name="o")],
    [Window(2), Last(), Residual([Linear(6, name="a")]), Linear(30, name="o")],
    [Elman(4, name="a"), Mean(divide=True), Linear(30, name="o")],
]


@pytest.mark.parametrize("layers", BACK_TO_BACK, ids=str)
@pytest.mark.parametrize("steps", [6, 11, 40])
def test_sequences_follow_as_they_stream(layers: list[Any], steps: int) -> None:
    """The interval of sequences against the recurrence of a stream of them."""
    design = Design(layers=layers, formats=FORMATS, inputs=3, max_steps=40)
    machine = accelerator(design.network, 2)
    cycles = output_cycles(design.network, machine, [steps] * 10)
    each = len(cycles) // 10
    gains = {cycles[k * each - 1] - cycles[(k - 1) * each - 1] for k in range(4, 11)}
    assert gains == {machine.sequence_interval(steps)}
    assert cycles[each - 1] + 1 == machine.sequence_cycles(steps)


def test_no_layer_runs_on_steps_that_fill_no_window() -> None:
    layers = [Elman(4, name="a"), Window(3), Elman(6, name="b"), Last(), Linear(2, name="o")]
    machine = accelerator(Design(layers=layers, formats=FORMATS, inputs=3).network, 1)
    a, b, out = (layer.cycles for layer in machine.layers)
    assert b > a > 3
    # The input, three steps of a, and ten windows of twelve steps.
    assert machine.sequence_cycles(12) == 3 + 3 * a + 10 * b + out
    assert [span.step for span in machine.spans(12) if span.index == 1] == list(range(2, 12))
    assert machine.sequence_cycles(2) == 3 + 2 * a
    # At rest before, with a window that was full.
    assert machine.step_latency == 3 + a + b


def test_the_last_window_waits_for_the_last_step_alone() -> None:
    layers = [Window(5), Last(), Linear(6, name="a"), Linear(2, name="o")]
    machine = accelerator(Design(layers=layers, formats=FORMATS, inputs=3).network, 1)
    cycles = sum(layer.cycles for layer in machine.layers)
    assert machine.sequence_cycles(9) == 9 * 3 + cycles
    assert machine.step_latency == 3 + cycles


def test_an_input_that_is_read_again_waits_for_the_layer_between() -> None:
    """The next vector has no room beside the one that the sum still waits to add."""
    design = Design(
        layers=[Residual([Elman(8, name="a")]), Linear(3, name="o")], formats=FORMATS, inputs=8
    )
    machine = accelerator(design.network, 1)
    a = machine.layers[0].cycles
    assert machine.step_interval == 8 + a
    assert "branch" in machine.bound_by
    cycles = output_cycles(design.network, machine, [40])
    assert {after - before for before, after in pairwise(cycles[20:])} == {8 + a}
    with pytest.raises(DesignError, match="stands beside a branch"):
        build(design, 1, steps_in_parallel={"o": 2})


def test_the_sequences_of_a_stream_need_not_be_equally_long() -> None:
    layers = [Elman(4, name="a"), Mean(divide=False), Linear(30, name="o")]
    design = Design(layers=layers, formats=FORMATS, inputs=3, max_steps=9)
    machine = accelerator(design.network, 1)
    a, total, out = (layer.cycles for layer in machine.layers)
    assert out > 2 * a
    # One step, then three while the head works on it; two more wait until it has taken the others.
    # Behind a sequence there is a cycle until it is known whether its sum has room.
    first = 3 + a + total + out
    second = max(first, 3 + (a + 1) + 3 * a + total) + out
    third = max(second, 3 + (a + 1) + (3 * a + 1) + 2 * a + total) + out
    assert output_cycles(design.network, machine, [1, 3, 2]) == [first - 1, second - 1, third - 1]


def test_a_network_of_wires_is_refused() -> None:
    design = Design(layers=[Last()], formats=FORMATS, inputs=3)
    with pytest.raises(DesignError, match="no layer computes"):
        accelerator(design.network)


# --- Verilog -------------------------------------------------------------------------------------
def test_a_schedule_that_is_not_emitted_is_refused(tmp_path: Path) -> None:
    deep = DESIGNS / "deep_stack_head.py"
    parallel = load(deep, {"parallel": 2})
    with pytest.raises(DesignError) as refused:
        emit(parallel, tmp_path)
    assert "steps_in_parallel cannot be emitted yet" in refused.value.message
    with pytest.raises(DesignError) as alike:
        synth(parallel, "ecp5-25")
    assert (alike.value.message, alike.value.hint) == (refused.value.message, refused.value.hint)
    assert not load(deep).target.arrangement.special  # type: ignore[union-attr]
    options = {"engines": "shared", "overlap": "auto", "interleave": 2, "weights": "streamed"}
    assert Arrangement(**options).special == tuple(options)  # type: ignore[arg-type]


def test_lanes_are_chosen_for_the_device_that_is_synthesised_for() -> None:
    design, larger = load(DESIGNS / "adder_dense.py"), load_profile("zynq-7020")
    plan = estimate(design, larger, lanes="auto").plan
    assert plan is not None
    assert lanes_by_layer(machine_of(design, "auto", larger)) == plan.lanes
    assert lanes_by_layer(machine_of(design, "auto")) != plan.lanes
