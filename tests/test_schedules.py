"""Schedules: every formula against hardware that moves cycle by cycle; by hand; bad input."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hardware import Layer, Machine, Part
from machines import FORMATS, band

from rnnhw import (
    GRU,
    LSTM,
    Dense,
    Design,
    Diagonal,
    Elman,
    Hadamard,
    Linear,
    LowRank,
)
from rnnhw.arrangement import Arrangement
from rnnhw.machine import Accelerator, Bandwidth, LayerMachine, accelerator


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
            share = RATE if machine.engine else RATE * words(layer) / total
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


RATE = Fraction(0)
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
    from rnnhw.machine import layer_choices

    return {
        choices.name: draw.choice(list(choices.lanes)[:16])
        for choices in layer_choices(design.network)
        if choices.lanes[-1] > 0
    }


def build(design: Design, lanes: Any, rate: Fraction | None = None, **options: Any) -> Accelerator:
    global RATE
    RATE = rate or Fraction(0)
    bandwidth = Bandwidth("memory", RATE) if rate else None
    return accelerator(design.network, lanes, Arrangement(**options), bandwidth)


# --- formulas against the simulation -------------------------------------------------------------
STACKS = range(12)


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
