"""Emitted layers and stacks in a Verilog simulator: every output and every cycle.

Outputs equal the golden definition (the bench compares every bit; an X is a failure), cycles equal
:func:`rnnhw.accelerator.output_cycles`. Cases are drawn with edge-first weights and inputs; formats
saturate and wrap in every mode.
"""

import random
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from helpers.machines import FORMATS
from helpers.paths import DESIGNS
from helpers.rtl_cases import Case, draw_batch, draw_case, draw_formats, draw_parameters, draw_woven
from helpers.tools import linted, simulated
from helpers.verilog import VERILATOR, assert_all_equal_in_verilog, assert_equal_in_verilog

from rnnhw.accelerator import Basis, accelerator, legal_lanes
from rnnhw.design.design import Design, load
from rnnhw.errors import DesignError
from rnnhw.execution import engine
from rnnhw.graph.builder import Formats, StepBuilder
from rnnhw.graph.network import NetworkBuilder, Scan, TimeNode
from rnnhw.graph.nodes import Gather, Node
from rnnhw.layers.activations import HardTanh, Sigmoid, Tanh
from rnnhw.layers.cells import GRU, LSTM, Elman, Last, Linear, Mean, Residual, Window
from rnnhw.layers.structures import (
    Banded,
    BlockDiagonal,
    Butterfly,
    CyclicBand,
    Dense,
    Diagonal,
    Monarch,
    Permutation,
    Product,
    Structure,
)
from rnnhw.numerics.cast import Q
from rnnhw.rtl.network import emit_network
from rnnhw.rtl.project import write_project


def on_target(design):
    """The design's machine on its own lanes."""
    lanes = design.target.lanes if design.target else 1
    return accelerator(design.network, 1 if lanes == "auto" else lanes)


def drawn(seed: int, draw=draw_case) -> Case | None:
    """A random case; None where the formats do not make a network."""
    try:
        return draw(random.Random(seed))
    except DesignError:
        return None


_WRITTEN = re.compile(
    r"if \((?P<when>[^;()]+)\) (?P<memory>\w+)\[(?P<into>.+)\] <= (?P<data>[^;]+);\s+"
    r"(?P<q>\w+) <= (?P=memory)\[(?P<of>.+)\];"
)


def _unknown_in_collisions(folder: Path) -> None:
    """Let memories marked ``no_rw_check`` give X for a word that is being written."""
    for path in folder.glob("rnnhw_*.v"):
        text = path.read_text()
        if "(* no_rw_check *)" not in text:
            continue
        if path.stem == "rnnhw_total":
            read = "x_valid && index == next ? 'bx : sums[next];"
            edited, count = re.subn(r"sums\[next\];", read, text)
        else:
            edited, count = _WRITTEN.subn(
                r"if (\g<when>) \g<memory>[\g<into>] <= \g<data>; \g<q> <= (\g<when>) && "
                r"(\g<into>) == (\g<of>) ? 'bx : \g<memory>[\g<of>];",
                text,
            )
        assert count >= text.count("(* no_rw_check *)"), path
        path.write_text(edited)


@simulated
@pytest.mark.parametrize("draw", [draw_case, draw_woven])
def test_no_word_is_read_for_use_while_it_is_written(draw, tmp_path: Path) -> None:
    cases = [
        case
        for case in (drawn(seed, draw) for seed in range(3000, 3020))
        if case and accelerator(case.network, case.lanes).basis is Basis.REALISED
    ]
    assert len(cases) >= 10
    assert_all_equal_in_verilog(cases, tmp_path, edit=_unknown_in_collisions)


@simulated
@pytest.mark.parametrize("block", range(10))
def test_random_stacks_are_equal_in_every_value_and_cycle(block: int, tmp_path: Path) -> None:
    cases = [
        case
        for case in map(drawn, range(100 * block, 100 * block + 8))
        if case and accelerator(case.network, case.lanes).basis is Basis.REALISED
    ]
    assert_all_equal_in_verilog(cases, tmp_path)


def _flip_a_bit(folder: Path) -> None:
    """Of the last element that the bench of the second of several cases expects."""
    path = folder / "net1_tb_y.hex"
    *others, last = path.read_text().splitlines()
    path.write_text("\n".join([*others, f"{int(last, 16) ^ 1:x}"]) + "\n")


@simulated
def test_a_difference_in_one_bench_beside_others_is_found(tmp_path: Path) -> None:
    cases = [case for case in map(drawn, (0, 1, 2)) if case is not None]
    assert len(cases) == 3
    assert_all_equal_in_verilog(cases, tmp_path / "right")
    with pytest.raises(AssertionError, match=r"differences=1, .* first=.sequence"):
        assert_all_equal_in_verilog(cases, tmp_path / "wrong", edit=_flip_a_bit)


def test_random_stacks_are_mostly_emitted() -> None:
    bases = Counter(
        accelerator(c.network, c.lanes).basis is Basis.REALISED
        for c in map(drawn, range(200))
        if c is not None
    )
    assert bases[True] > 5 * bases[False] > 0


@pytest.mark.parametrize("seed", range(300))
def test_what_is_modelled_is_not_emitted_and_all_else_is(seed: int) -> None:
    case = drawn(seed)
    if case is None:
        pytest.skip("no network")
    machine = accelerator(case.network, case.lanes)
    if machine.basis is not Basis.REALISED:
        with pytest.raises(DesignError, match="cannot be emitted as Verilog"):
            emit_network("net", case.network, machine, case.parameters)
    else:
        emission = emit_network("net", case.network, machine, case.parameters)
        assert emission.outputs == case.network.output.units


@dataclass(frozen=True)
class Free:
    """``y = W x`` with any square structure, perhaps with ``x`` read again unit by unit, perhaps
    from the last step to the first."""

    units: int
    structure: Structure
    by_unit: bool
    backwards: bool = False
    formats: Formats = Formats()
    name: str = ""

    def build(self, net: NetworkBuilder, source: TimeNode, name: str) -> TimeNode:
        if self.backwards:
            source = net.reverse(source, f"{name}.backwards")
        return net.scan(name, [source], self.step, self.formats)

    def step(self, g: StepBuilder, x: Node) -> Node:
        y = g.linear(self.structure, "W", x, self.units, name="Wx")
        return g.cast(g.add(y, x, "both") if self.by_unit else y, "sum")


OVER_TIME = {
    "read by a layer": ([Window(2), Free(2, Dense(), by_unit=False)], ""),
    "its last place": ([Window(2), Last(), Free(2, Dense(), by_unit=False)], ""),
    "stages": ([Window(2), Free(2, Butterfly(), by_unit=False)], ""),
    "last stages": ([Window(2), Last(), Free(2, Butterfly(), by_unit=False)], ""),
    "by unit": ([Window(2), Free(2, Dense(), by_unit=True)], "a window over time that is read"),
    "its own output": ([Elman(2), Window(2)], "a window over time that no layer reads"),
    "windows of windows": (
        [Window(2), Window(2), Free(4, Dense(), by_unit=False)],
        "a window over time that no layer reads",
    ),
    "backwards": ([Free(1, Dense(), by_unit=False, backwards=True)], "Reverse over time"),
}


@pytest.mark.parametrize("name", OVER_TIME)
def test_machine_and_emitter_ask_one_function_about_time(name: str) -> None:
    layers, obstacle = OVER_TIME[name]
    network = Design(layers=layers, formats=draw_formats(random.Random(1)), inputs=1).network
    machine, parameters = accelerator(network, 1), draw_parameters(random.Random(2), network)
    told = [what for layer in machine.layers for what in layer.assumptions]
    told += [what for _, what in machine.obstacles]
    if not obstacle:
        assert (machine.basis, told) == (Basis.REALISED, [])
        assert emit_network("net", network, machine, parameters).outputs == network.output.units
        return
    assert machine.basis is Basis.MODELLED
    assert told[0].startswith(obstacle)
    with pytest.raises(DesignError, match=f"{re.escape(told[0])} cannot be emitted as Verilog"):
        emit_network("net", network, machine, parameters)


SHORT = [
    [Linear(1, name="a"), Mean(divide=False), Linear(20, name="o")],
    [Elman(2, name="a"), Mean(divide=True), Linear(20, name="o")],
    [Linear(1, name="a"), Last(), Linear(20, name="o")],
    [Mean(divide=False), Linear(9, name="o")],
    [Residual([Linear(2, name="a")]), Window(2), Last(), Linear(20, name="o")],
]


@simulated
@pytest.mark.parametrize(
    "layers", SHORT, ids=lambda layers: " ".join(type(layer).__name__ for layer in layers)
)
def test_short_sequences_wait_for_what_runs_once(layers, tmp_path: Path) -> None:
    """A result that is a cycle behind its source needs room that the reader has not told yet."""
    r = random.Random(3)
    formats = draw_formats(r)
    network = Design(layers=layers, formats=formats, inputs=2, max_steps=9).network
    batch = draw_batch(r, network, steps=2, sequences=9)
    assert_equal_in_verilog(Case(network, {}, draw_parameters(r, network), batch), tmp_path)


@simulated
@pytest.mark.parametrize("block", range(8))
def test_permuted_joined_and_late_vectors_are_equal(block: int, tmp_path: Path) -> None:
    cases = []
    for seed in range(100 * block, 100 * block + 8):
        case = drawn(seed, draw_woven)
        machine = case and accelerator(case.network, case.lanes)
        if case and all(layer.basis is Basis.REALISED for layer in machine.layers):
            cases.append(case)
    assert len(cases) >= 6
    assert_all_equal_in_verilog(cases, tmp_path)


@simulated
def test_the_first_elements_of_an_input_are_read_by_unit(tmp_path: Path) -> None:
    case = drawn(80058, draw_woven)
    (layer,) = [node for node in case.network.nodes if isinstance(node, Scan)]
    (part,) = [n for n in layer.graph.nodes if isinstance(n, Gather) and n.name == "joined"]
    assert part.units < case.network.source.units
    assert_equal_in_verilog(case, tmp_path)


@simulated
@pytest.mark.parametrize("lanes", [1, 2, 3, 4, 5, 6, 8, 12, 24])
@pytest.mark.parametrize(("units", "block"), [(12, 3), (12, 4), (24, 6), (16, 8)])
def test_monarch_on_any_lanes(units: int, block: int, lanes: int, tmp_path: Path) -> None:
    r = random.Random(100 * units + lanes)
    layer = Elman(units, recurrent=Monarch(block), initial=lanes % 2 == 0, name="layer")
    network = Design(layers=[layer], formats=draw_formats(r), inputs=3).network
    parameters = draw_parameters(r, network)
    case = Case(network, {"layer": min(lanes, units)}, parameters, draw_batch(r, network))
    assert_equal_in_verilog(case, tmp_path)


# --- a matrix of structures, cells, sizes and lanes ----------------------------------------------
MATRIX = [
    (structure, cell, n, lanes)
    for structure in (
        Dense(),
        Banded(1, 1),
        Banded(3, 0),
        Diagonal(),
        CyclicBand(2, 1),
        BlockDiagonal(1),
        Monarch(1),
    )
    for cell in ("elman", "lstm", "gru", "before")
    for n, lanes in ((1, 1), (5, 1), (7, 3), (12, 4), (16, 24), (33, 12))
]


def one_layer(structure, cell, n: int, lanes: int, r: random.Random) -> Case | None:
    if isinstance(structure, BlockDiagonal | Monarch):
        structure = replace(structure, block=next(k for k in (3, 4, 7, 11, 1) if n % k == 0))
    if isinstance(structure, Banded | CyclicBand) and n <= structure.lower + structure.upper:
        structure = Dense()
    formats = draw_formats(r)
    activation = r.choice([Tanh(), Sigmoid(), HardTanh()])
    match cell:
        case "elman":
            layer = Elman(n, recurrent=structure, activation=activation, name="layer")
        case "lstm":
            layer = LSTM(n, recurrent=structure, name="layer")
        case "gru":
            layer = GRU(n, recurrent=structure, name="layer")
        case _:
            layer = GRU(n, recurrent=structure, reset="before", name="layer")
    try:
        network = Design(layers=[layer], formats=formats, inputs=r.randint(1, 9)).network
    except DesignError:
        return None
    legal = [k for k in legal_lanes(network.scans[0].graph) if k <= lanes]
    chosen = {"layer": legal[-1] if legal else legal_lanes(network.scans[0].graph)[0]}
    return Case(network, chosen, draw_parameters(r, network), draw_batch(r, network))


@simulated
@pytest.mark.parametrize(("structure", "cell"), sorted({m[:2] for m in MATRIX}, key=repr))
def test_every_structure_in_every_cell(structure, cell: str, tmp_path: Path) -> None:
    cases = []
    for index, (_, _, n, lanes) in enumerate(m for m in MATRIX if m[:2] == (structure, cell)):
        for attempt in range(20):
            case = one_layer(structure, cell, n, lanes, random.Random(1000 * index + attempt))
            machine = case and accelerator(case.network, case.lanes)
            if case is not None and machine.layers[0].basis is Basis.REALISED:
                cases.append(case)
                break
    assert len(cases) >= 5
    assert_all_equal_in_verilog(cases, tmp_path)


@simulated
def test_the_widest_layer_and_the_most_lanes(tmp_path: Path) -> None:
    r = random.Random(1)
    for name, layer in (("wide", Elman(256, name="rnn")), ("band", Elman(256, Banded(1, 1)))):
        network = Design(layers=[layer, Linear(3)], formats=draw_formats(r), inputs=4).network
        parameters = draw_parameters(r, network)
        case = Case(network, 24, parameters, draw_batch(r, network, steps=2, sequences=2))
        assert_equal_in_verilog(case, tmp_path / name)


# --- lint and the designs ------------------------------------------------------------------------
def lint(folder: Path, top: str) -> tuple[int, str]:
    """The exit code of verilator as a linter, and what it says."""
    done = subprocess.run(
        [shutil.which("verilator"), "--lint-only", "-Wall", "--top-module", top, "-f", f"{top}.f"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr


@linted
@pytest.mark.parametrize("name", [path.stem for path in sorted(DESIGNS.glob("*.py"))])
def test_emitted_designs_are_lint_clean(name: str, tmp_path: Path) -> None:
    design = load(DESIGNS / f"{name}.py")
    machine = on_target(design)
    if machine.basis is not Basis.REALISED:
        with pytest.raises(DesignError):
            emit_network(name, design.network, machine, design.parameters)
        return
    emission = emit_network(name, design.network, machine, design.parameters)
    write_project(emission, tmp_path)
    assert lint(tmp_path, name) == (0, "")


@linted
@pytest.mark.parametrize("lanes", [1, 3, 4, 16])
@pytest.mark.parametrize(
    "structure",
    [
        Monarch(8),
        Product(Banded(1, 1), Permutation(range(15, -1, -1))),
        Permutation([*range(1, 16), 0]),
    ],
    ids=["monarch", "banded", "permutation"],
)
def test_vectors_in_another_order_are_lint_clean(structure, lanes: int, tmp_path: Path) -> None:
    layer = Elman(16, recurrent=structure, initial=True, name="layer")
    formats = replace(FORMATS, recurrent_weight=Q(0, 7), stage=Q(3, 4))
    network = Design(layers=[layer], formats=formats, inputs=5).network
    machine = accelerator(network, {"layer": lanes})
    parameters = draw_parameters(random.Random(lanes), network)
    write_project(emit_network("net", network, machine, parameters), tmp_path)
    assert lint(tmp_path, "net") == (0, "")


@linted
@pytest.mark.parametrize(
    ("name", "sequences", "lanes"),
    [
        ("adder_tridiagonal", 42, 4),
        ("speaker_gru", 32, 24),  # half as long to simulate as on the 4 lanes of the design
    ],
    ids=["adder_tridiagonal", "speaker_gru"],
)
def test_long_random_runs_in_verilator(
    name: str, sequences: int, lanes: int, tmp_path: Path
) -> None:
    """As many sequences of up to 600 steps as have ten thousand together."""
    design, r = load(DESIGNS / f"{name}.py"), random.Random(name)
    batch = draw_batch(r, design.network, steps=600, sequences=sequences)
    assert batch.lengths.sum() >= 10_000
    case = Case(design.network, lanes, draw_parameters(r, design.network), batch)
    assert_equal_in_verilog(case, tmp_path, VERILATOR, run=engine.run)
