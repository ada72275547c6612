"""Transforms in front of the columns, pairs and written-back vectors in a Verilog simulator: every
value and every cycle, with edge-first weights and inputs."""

import random
import subprocess
from pathlib import Path

import pytest
from rtl_cases import Case, draw_batch, draw_parameters
from test_rtl_layers import assert_equal_in_verilog, linted, simulated

from rnnhw.activations import HardTanh, ReLU, Sigmoid, Tanh
from rnnhw.cells import GRU, LSTM, Elman
from rnnhw.dataflow import Formats
from rnnhw.design import Design
from rnnhw.errors import DesignError
from rnnhw.machine import Basis, accelerator, legal_lanes
from rnnhw.machine.plan import Plan
from rnnhw.numerics import Overflow, Q, Rounding
from rnnhw.rtl.layer import emit_layer, outline_layer
from rnnhw.rtl.network import emit_network
from rnnhw.rtl.parts import memories
from rnnhw.rtl.project import write_project
from rnnhw.structures import (
    Banded,
    Butterfly,
    CyclicBand,
    Dense,
    Diagonal,
    Hadamard,
    Product,
    Structure,
    Sum,
)

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
]


def layer_of(cell: str, n: int, structure: Structure, r: random.Random):
    match cell:
        case "elman":
            activation = r.choice([Tanh(), Sigmoid(), HardTanh()])
            initial = r.random() < 0.5
            return Elman(n, structure, activation=activation, initial=initial, name="layer")
        case "lstm":
            return LSTM(n, recurrent=structure, name="layer")
    return GRU(n, recurrent=structure, reset=cell, name="layer")


def drawn(
    structure: Structure, cell: str, n: int, lanes: int, formats: Formats, stage: str
) -> Case | None:
    """A case on at most ``lanes`` lanes; None where a word would be too wide."""
    r = random.Random(f"{structure} {cell} {n} {lanes} {stage}")
    formats = Formats(**{**_fields(formats), "stage": STAGES[stage]})
    try:
        layer = layer_of(cell, n, structure, r)
        network = Design(layers=[layer], formats=formats, inputs=r.randint(1, 5)).network
    except DesignError:
        return None
    every = legal_lanes(network.scans[0].graph)
    chosen = max([k for k in every if k <= lanes], default=every[0])
    batch = draw_batch(r, network, steps=3, sequences=2)
    return Case(network, {"layer": chosen}, draw_parameters(r, network), batch)


def _fields(formats: Formats) -> dict[str, Q | None]:
    return {name: getattr(formats, name) for name in formats.__dataclass_fields__}


SIZES = [(2, 1), (4, 3), (8, 1), (8, 5), (16, 16), (32, 4)]
WORDS = [NARROW, BYTES, WIDE]


def cases_of(structure: Structure):
    """Sizes, lanes, words, casts and cells in turn."""
    for index, (n, lanes) in enumerate(SIZES):
        for cell in ("elman", ("lstm", "after", "before")[index % 3])[: 1 if n > 8 else 2]:
            stage = list(STAGES)[(index + len(cell)) % len(STAGES)]
            yield cell, n, lanes, WORDS[index % 3], stage


@simulated
@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
def test_transforms_are_equal_in_every_value_and_cycle(
    structure: Structure, tmp_path: Path
) -> None:
    ran = 0
    for number, (cell, n, lanes, formats, stage) in enumerate(cases_of(structure)):
        if isinstance(structure, Product | Sum) and n < 4:
            continue
        case = drawn(structure, cell, n, lanes, formats, stage)
        if case is None:
            continue
        (machine,) = accelerator(case.network, case.lanes).layers
        if machine.basis is Basis.REALISED:
            assert_equal_in_verilog(case, tmp_path / str(number))
            ran += 1
    assert ran >= 6


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
    zero = Plan(_graph(Hadamard(), initial=False))
    trained = Plan(_graph(Hadamard(), initial=True))
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
        (scan,) = case.network.scans
        module = emit_layer("layer", scan.graph, machine.lanes, case.parameters)
        emitted = sorted((depth, width) for depth, width, _ in memories(module))
        listed = [(m.depth, m.width) for m in machine.memories for _ in range(m.copies)]
        assert emitted == sorted(listed), machine.memories
        outline = outline_layer(scan.graph, machine.lanes)
        assert [(i.module, i.parameters) for i in outline.instances] == [
            (i.module, i.parameters) for i in module.instances
        ]
        compared += 1
    assert compared >= 3


@linted
@pytest.mark.parametrize("structure", STRUCTURES[:9], ids=repr)
def test_transforms_are_lint_clean(structure: Structure, tmp_path: Path) -> None:
    case = drawn(structure, "elman", 16, 3, BYTES, "half up")
    assert case is not None
    machine = accelerator(case.network, case.lanes)
    emission = emit_network("net", case.network, machine, case.parameters)
    write_project(emission, tmp_path)
    command = ["verilator", "--lint-only", "-Wall", "--top-module", "net", "-f", "net.f"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("structure", "why"),
    [
        (Sum(Hadamard(before=False), Hadamard(before=False, after=False)), "read in several ways"),
        (
            Product(Butterfly(), Hadamard(before=False, after=False)),
            "stages with and without weights",
        ),
        (Product(Dense(), Diagonal(), Hadamard(before=False)), None),
    ],
)
def test_what_has_no_buffers_is_a_clear_error(structure: Structure, why: str | None) -> None:
    case = drawn(structure, "elman", 8, 2, BYTES, "exact")
    assert case is not None
    machine = accelerator(case.network, case.lanes)
    if why is None:
        assert machine.layers[0].basis is Basis.REALISED
        return
    with pytest.raises(DesignError, match=why):
        emit_network("net", case.network, machine, case.parameters)
