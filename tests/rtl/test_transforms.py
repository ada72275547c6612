"""Transforms in front of the columns, pairs and written-back vectors in a Verilog simulator: every
value and every cycle, with edge-first weights and inputs."""

import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.rtl_cases import Case, draw_batch, draw_parameters
from helpers.tools import linted, simulated
from helpers.verilog import assert_all_equal_in_verilog, assert_equal_in_verilog

from rnnhw.accelerator import Basis, MemoryRole, accelerator, legal_lanes
from rnnhw.accelerator.mapping.rows import LayerRows
from rnnhw.accelerator.mapping.transform_chains import chains_of
from rnnhw.cost.fpga.primitives import memories
from rnnhw.design.design import Design
from rnnhw.errors import DesignError
from rnnhw.graph.builder import Formats, StepBuilder
from rnnhw.graph.network import NetworkBuilder, TimeNode
from rnnhw.graph.nodes import Node
from rnnhw.layers.activations import HardTanh, ReLU, Sigmoid, Tanh
from rnnhw.layers.cells import GRU, LSTM, Elman, Window
from rnnhw.layers.structures import (
    Banded,
    Butterfly,
    CyclicBand,
    Dense,
    Diagonal,
    Hadamard,
    Permutation,
    Product,
    Structure,
    Sum,
)
from rnnhw.layers.structures.transforms import FastWalshHadamard
from rnnhw.numerics.cast import Overflow, Q, Rounding
from rnnhw.rtl.layer import emit_layer, outline_layer
from rnnhw.rtl.network import emit_network
from rnnhw.rtl.project import write_project

NARROW = Formats(
    input=Q(0, 3),
    weight=Q(0, 3),
    bias=Q(0, 5),
    sum=Q(1, 3),
    recurrent_sum=Q(2, 3),
    gate=Q(0, 4, False),
    cell=Q(1, 4),
    state=Q(0, 4, False),
)
BYTES = Formats(
    input=Q(1, 6),
    weight=Q(1, 6),
    bias=Q(-1, 12),
    sum=Q(2, 5),
    gate=Q(0, 7),
    cell=Q(2, 8),
    state=Q(0, 7),
)
WIDE = Formats(
    input=Q(1, 12),
    weight=Q(2, 12),
    bias=Q(2, 12),
    sum=Q(2, 5),
    gate=Q(0, 8, False),
    cell=Q(2, 12),
    state=Q(0, 8, False),
)
UNSIGNED = Q(4, 18, False, Rounding.TRN, Overflow.WRAP)
STAGES = {
    "exact": None,
    "half up": Q(3, 5),
    "cut off": Q(3, 4, True, Rounding.TRN, Overflow.WRAP),
    "to even": Q(1, 6, True, Rounding.RND_CONV, Overflow.SAT_SYM),
    "unsigned": Q(2, 4, False),
}
STRUCTURES: list[Structure] = [
    Hadamard(),
    Hadamard(before=False),
    Hadamard(after=False),
    Butterfly(),
    Butterfly(bias=True),
    Butterfly(Tanh(), bias=True),
    Sum(Diagonal(), Hadamard()),
    Sum(Butterfly(), Butterfly(ReLU())),
    Product(Butterfly(), Hadamard(before=False)),
    Product(CyclicBand(1, 1), Hadamard(before=False, after=False)),
    Product(Hadamard(), Banded(1, 1)),
    # Stages with and without weights in one chain.
    Product(Butterfly(), FastWalshHadamard()),
    Product(Dense(), FastWalshHadamard(), Butterfly(bias=True)),
    # One transform for several readers: columns, post-processors, other chains.
    Sum(Hadamard(before=False), Hadamard(before=False, after=False)),
    Product(Sum(FastWalshHadamard(), Butterfly()), Hadamard(before=False, after=False)),
    # With an operation between two.
    Product(Hadamard(after=False), FastWalshHadamard()),
]


@dataclass(frozen=True)
class Structured:
    """``y = W x + b`` with any structure of W."""

    units: int
    structure: Structure
    name: str
    formats: Formats = Formats()

    def step(self, g: StepBuilder, x: Node) -> Node:
        b = g.constant("b", self.units, "bias")
        return g.cast(g.linear(self.structure, "W", x, self.units, b, name="Wx"), "sum", "y")

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        return net.scan(name, [source], self.step, self.formats)


def layer_of(cell: str, n: int, structure: Structure, r: random.Random):
    match cell:
        case "linear":
            return Structured(n, structure, name="layer")
        case "elman":
            activation = r.choice([Tanh(), Sigmoid(), HardTanh()])
            initial = r.random() < 0.5
            return Elman(n, structure, activation=activation, initial=initial, name="layer")
        case "lstm":
            return LSTM(n, recurrent=structure, name="layer")
    return GRU(n, recurrent=structure, reset=cell, name="layer")


def drawn(
    structure: Structure,
    cell: str,
    n: int,
    lanes: int,
    formats: Formats,
    stage: str,
    window: int = 0,
) -> Case | None:
    """A case on at most ``lanes`` lanes; None where a word would be too wide."""
    r = random.Random(f"{structure} {cell} {n} {lanes} {stage}")
    formats = Formats(**{**_fields(formats), "stage": STAGES[stage]})
    try:
        layer = layer_of(cell, n, structure, r)
        inputs = n // max(window, 1) if cell == "linear" else r.randint(1, 5)
        layers = [Window(window), layer] if window else [layer]
        network = Design(layers=layers, formats=formats, inputs=inputs).network
    except DesignError:
        return None
    every = legal_lanes(network.scans[0].graph) or [0]
    chosen = max([k for k in every if k <= lanes], default=every[0])
    batch = draw_batch(r, network, steps=3, sequences=2)
    chosen_lanes = {"layer": chosen} if chosen else {}
    return Case(network, chosen_lanes, draw_parameters(r, network), batch)


def _fields(formats: Formats) -> dict[str, Q | None]:
    return {name: getattr(formats, name) for name in formats.__dataclass_fields__}


SIZES = [(2, 1), (4, 3), (8, 1), (8, 5), (16, 16), (32, 4)]
WORDS = [NARROW, BYTES, WIDE]


def cases_of(structure: Structure):
    """Sizes, lanes, words, casts and cells in turn."""
    for index, (n, lanes) in enumerate(SIZES):
        others = ("linear", ("lstm", "after", "before")[index % 3])
        for cell in ("elman", *others)[: 2 if n > 8 else 3]:
            stage = list(STAGES)[(index + len(cell)) % len(STAGES)]
            yield cell, n, lanes, WORDS[index % 3], stage


@simulated
@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
def test_transforms_are_equal_in_every_value_and_cycle(
    structure: Structure, tmp_path: Path
) -> None:
    cases = []
    for cell, n, lanes, formats, stage in cases_of(structure):
        if isinstance(structure, Product | Sum) and n < 4:
            continue
        case = drawn(structure, cell, n, lanes, formats, stage)
        if case is None:
            continue
        (machine,) = accelerator(case.network, case.lanes).layers
        if machine.basis is Basis.REALISED:
            cases.append(case)
    assert len(cases) >= 8
    assert_all_equal_in_verilog(cases, tmp_path)


@simulated
@pytest.mark.parametrize(
    ("structure", "n", "steps", "lanes", "refused"),
    [
        (FastWalshHadamard(), 16, 4, 1, ""),
        (Butterfly(), 8, 2, 3, ""),
        (Butterfly(), 16, 4, 5, ""),
        (Butterfly(), 16, 2, 16, ""),
        (Butterfly(), 8, 4, 8, "words of 4 elements out of a window of shorter steps"),
        (Hadamard(), 8, 2, 1, "a window over time that is read by unit"),
    ],
    ids=repr,
)
def test_transforms_of_a_window_over_time(
    structure: Structure, n: int, steps: int, lanes: int, refused: str, tmp_path: Path
) -> None:
    """Words out of a ring of steps."""
    case = drawn(structure, "linear", n, lanes, BYTES, "half up", window=steps)
    assert case is not None
    machine = accelerator(case.network, case.lanes)
    if refused:
        with pytest.raises(DesignError, match=refused):
            emit_network("net", case.network, machine, case.parameters)
        return
    assert_equal_in_verilog(case, tmp_path)
    module = outline_layer(machine.layers[0].mapping)
    emitted = sorted((depth, width) for depth, width, _ in memories(module))
    assert emitted == sorted((m.depth, m.width) for m in machine.layers[0].memories)


@simulated
@pytest.mark.parametrize("structure", [Hadamard(), Butterfly()], ids=repr)
def test_the_longest_transforms(structure: Structure, tmp_path: Path) -> None:
    case = drawn(structure, "elman", 256, 24, BYTES, "half up")
    assert case is not None
    assert_equal_in_verilog(case, tmp_path)


def test_gates_read_one_transform_in_one_segment() -> None:
    case = drawn(Hadamard(before=False), "lstm", 16, 16, BYTES, "half up")
    assert case is not None
    (phase,) = accelerator(case.network, case.lanes).layers[0].phases
    assert len(phase.transforms) == 4  # the stages of one transform
    assert len(phase.segments) == 2


def test_a_vector_made_of_a_state_starts_from_what_the_first_state_makes_of_it() -> None:
    """Zero where all is zero whatever the weights are; else an image."""
    zero = LayerRows(_graph(Hadamard(), initial=False))
    trained = LayerRows(_graph(Hadamard(), initial=True))
    for plan, initial in ((zero, False), (trained, True)):
        ((kept, what),) = plan.kept.items()
        assert (kept.name, what.vector.name) == ("U.scaled.previous", "U.scaled")
        assert (kept.initial is not None) is initial
        assert [state.name for state, _ in plan.graph.updates] == [kept.name]  # h itself is gone


def _graph(structure: Structure, *, initial: bool):
    layer = Elman(8, structure, initial=initial, name="layer")
    return Design(layers=[layer], formats=BYTES, inputs=3).network.scans[0].graph


@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
def test_memories_are_those_of_the_machine(structure: Structure) -> None:
    compared = 0
    for cell, n, lanes, formats, stage in cases_of(structure):
        case = drawn(structure, cell, n, lanes, formats, stage) if n > 2 else None
        if case is None or cell != "elman":
            continue
        (machine,) = accelerator(case.network, case.lanes).layers
        if machine.basis is not Basis.REALISED:
            continue
        module = emit_layer("layer", machine.mapping, case.parameters)
        emitted = sorted((depth, width) for depth, width, _ in memories(module))
        listed = [(m.depth, m.width) for m in machine.memories for _ in range(m.copies)]
        assert emitted == sorted(listed), machine.memories
        outline = outline_layer(machine.mapping)
        assert [(i.module, i.parameters) for i in outline.instances] == [
            (i.module, i.parameters) for i in module.instances
        ]
        compared += 1
    assert compared >= 3


@linted
@pytest.mark.parametrize("structure", [*STRUCTURES[:9], *STRUCTURES[11:]], ids=repr)
def test_transforms_are_lint_clean(structure: Structure, tmp_path: Path) -> None:
    case = drawn(structure, "elman", 16, 3, BYTES, "half up")
    assert case is not None
    machine = accelerator(case.network, case.lanes)
    emission = emit_network("net", case.network, machine, case.parameters)
    write_project(emission, tmp_path)
    command = ["verilator", "--lint-only", "-Wall", "--top-module", "net", "-f", "net.f"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_one_transform_has_a_copy_of_its_result_for_every_reader_but_one() -> None:
    both = drawn(STRUCTURES[13], "elman", 8, 2, BYTES, "exact")
    assert both is not None
    (machine,) = accelerator(both.network, both.lanes).layers
    assert machine.basis is Basis.REALISED
    (results,) = [m for m in machine.memories if m.role is MemoryRole.TRANSFORM_RESULT]
    assert (results.depth, results.copies) == (4, 1)


def test_a_whole_transform_has_room_for_what_lies_between_its_stages() -> None:
    """Its cast is narrower than the sums in front of it."""
    case = drawn(Product(Diagonal(), FastWalshHadamard()), "linear", 16, 2, BYTES, "cut off")
    assert case is not None
    plan = LayerRows(case.network.scans[0].graph)
    (chain,) = chains_of(plan)
    (node,) = chain.transforms
    assert chain.vectors[-1].format.width < chain.element_bits == node.format.width - 1


def test_what_arrives_waits_in_words_of_its_own() -> None:
    case = drawn(Butterfly(), "linear", 8, 2, BYTES, "exact")
    assert case is not None
    (machine,) = accelerator(case.network, case.lanes).layers
    (words,) = [m for m in machine.memories if m.role is MemoryRole.INPUT_ARRIVAL]
    assert (words.depth, words.width, words.stored_bits) == (2 * 4, 2 * 8, 8 * 8)


def test_rows_of_an_unsigned_accumulator_are_a_clear_error() -> None:
    formats = Formats(**{**_fields(BYTES), "accumulator": UNSIGNED})
    for structure, emitted in ((Butterfly(), False), (Product(Hadamard(), Butterfly()), False)):
        case = drawn(structure, "linear", 8, 2, formats, "half up")
        assert case is not None
        machine = accelerator(case.network, case.lanes)
        assert (machine.layers[0].basis is Basis.REALISED) is emitted
        with pytest.raises(DesignError, match="an unsigned accumulator of rows"):
            emit_network("net", case.network, machine, case.parameters)


@simulated
def test_transforms_of_a_permuted_vector_read_a_copy(tmp_path: Path) -> None:
    turned = Product(Butterfly(), Permutation((1, 0, 3, 2)))
    case = drawn(turned, "elman", 4, 2, BYTES, "exact")
    assert case is not None
    assert_equal_in_verilog(case, tmp_path)
