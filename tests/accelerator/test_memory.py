"""Memories have roles: what each one is, for every decision about it; names are for display."""

import ast
import random
from collections import Counter

import pytest
from helpers.machines import BYTE, FORMATS, scanned
from helpers.paths import DESIGNS, ROOT
from helpers.rtl_cases import draw_case, draw_woven

from rnnhw.accelerator import (
    Bandwidth,
    Memory,
    MemoryKind,
    MemoryRole,
    accelerator,
    lane_options,
)
from rnnhw.design.design import Design, load
from rnnhw.design.schedule import Arrangement
from rnnhw.errors import DesignError
from rnnhw.graph.network import NetworkBuilder
from rnnhw.layers.cells import Elman, LeakyElman, Linear, Mean, Window
from rnnhw.layers.structures import Banded, Butterfly, Dense, Hadamard, Sparse, Sum, Toeplitz

AT_MOST_ONE = {
    MemoryRole.WEIGHTS,
    MemoryRole.WEIGHT_BUFFER,
    MemoryRole.STAGE_WEIGHTS,
    MemoryRole.BIASES,
    MemoryRole.INPUT_BIASES,
    MemoryRole.STAGE_BIASES,
    MemoryRole.TOTAL,
}
BY_POSITION = {MemoryRole.INPUT, MemoryRole.INPUT_ARRIVAL, MemoryRole.WINDOW_BUFFER}


def structured(structure, *before):
    """One product with ``structure`` on 8 inputs, or on 4 behind ``Window(2)``."""
    net = NetworkBuilder(4 if before else 8, BYTE, FORMATS, {}, None)
    source = net.source
    for layer in before:
        source = layer.build(net, source, "window")

    def step(g, x):
        b = g.constant("b", 8, "bias")
        return g.cast(g.linear(structure, "W", x, 8, b), "sum", "y")

    net.scan("layer", [source], step, FORMATS)
    return net.build()


def structures():
    several = Sum(Hadamard(before=False), Hadamard(before=False, after=False))
    for structure in (Toeplitz(), Butterfly(bias=True), Sum(Dense(), Sparse(1, 2)), several):
        yield structured(structure)
        yield structured(structure, Window(2))


def repeated():
    """A state of which an element is in several places of a vector."""

    def step(g, x):
        h = g.state(4)
        woven = g.gather([h], [0, 1, 2, 2], "woven")
        wx = g.linear(Dense(), "W", x, 4, name="Wx")
        return g.update(h, g.cast(g.add(wx, woven), "state"))

    return scanned(step)


def networks():
    for path in sorted(DESIGNS.glob("*.py")):
        yield load(path).network
    yield from structures()
    for layers in (
        [LeakyElman(1, leak=None)],  # its leak is wired
        [Elman(2), Mean(divide=False), Linear(1)],  # and here a bias
    ):
        yield Design(layers, FORMATS, inputs=2, max_steps=3).network
    yield repeated()
    for seed in range(60):
        try:
            yield (draw_woven if seed % 2 else draw_case)(random.Random(seed)).network
        except DesignError:
            continue


def machines():
    """Every layer of the networks, on the fewest lanes and on the most."""
    for network in networks():
        for choice in lane_options(network):
            yield choice.machine(choice.lanes[0])
            if len(choice.lanes) > 1:
                yield choice.machine(choice.lanes[-1])


def stack(schedule):
    layers = [Elman(8, name="a"), Elman(8, Banded(1, 1), name="b"), Mean(), Linear(2, name="c")]
    network = Design(layers=layers, formats=FORMATS, inputs=8, max_steps=4).network
    external = Bandwidth("board", 64) if "weights" in schedule else None
    return accelerator(network, 2, Arrangement(**schedule), external)


SCHEDULES = [{}, {"engines": "shared"}, {"weights": "streamed"}]
SCHEDULES += [{"engines": "shared", "weights": "streamed"}]


def test_roles_of_a_layer_agree_with_what_it_has():
    seen = Counter()
    for machine in machines():
        roles = Counter(memory.role for memory in machine.memories)
        assert all(roles[role] <= 1 for role in AT_MOST_ONE), machine.memories
        windows = {m.input_position for m in machine.memories if m.role is MemoryRole.WINDOW_BUFFER}
        joined = set(machine.mapping.windows) if machine.mapping else set()
        assert windows <= joined
        for memory in machine.memories:
            assert memory.kind is memory.role.kind
            assert (memory.input_position is not None) is (memory.role in BY_POSITION), memory
            if memory.role is MemoryRole.INPUT:
                assert memory.input_position not in windows
            if memory.rewritten:
                assert memory.role.name.endswith("_BY_UNIT")
        names = [memory.name for memory in machine.memories]
        assert len(set(names)) == len(names)
        seen += roles
    for schedule in SCHEDULES:
        seen.update(memory.role for _, memory in stack(schedule).memories)
    assert set(seen) == set(MemoryRole)


def test_every_kind_has_its_roles():
    assert {role.kind for role in MemoryRole} == set(MemoryKind)
    assert len({role.holds for role in MemoryRole}) == len(MemoryRole)


def test_all_memories_of_a_windowed_input_hold_its_steps_and_one_more():
    network = structured(Sum(Dense(), Sparse(1, 2)), Window(2))
    machine = lane_options(network)[0].machine(2)
    shapes = [m.depth * m.width for m in machine.memories if m.role is MemoryRole.WINDOW_BUFFER]
    assert shapes == [3 * 4 * 8] * 2


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_nothing_depends_on_the_name_of_a_memory(schedule, monkeypatch):
    """With one name for all memories every figure is as before."""

    def figures():
        found = stack(schedule)
        layers = [*found.layers, *(accelerator(network, 8).layers[0] for network in structures())]
        engine = found.engine or found.layers[0]
        memories = [*engine.memories, *(memory for layer in layers for memory in layer.memories)]
        shapes = [(m.role, m.depth, m.width, m.stored_bits, m.copies) for m in memories]
        return shapes, engine.multipliers, [each.traffic for each in layers], found.step_interval

    before = figures()
    build = Memory.__init__

    def nameless(memory, *values, **named):
        build(memory, *values, **named)
        object.__setattr__(memory, "name", "memory")

    monkeypatch.setattr(Memory, "__init__", nameless)
    assert {memory.name.split()[0] for _, memory in stack(schedule).memories} == {"memory"}
    assert figures() == before


def names_that_decide(tree):
    """Expressions that compare, search or look up the ``name`` of a memory."""

    def of_memory(node):
        return (
            isinstance(node, ast.Attribute)
            and node.attr == "name"
            and ast.unparse(node.value).split(".")[-1] in {"m", "memory", "buffer"}
        )

    for node in ast.walk(tree):
        match node:
            case ast.Compare(left, _, others) if any(map(of_memory, [left, *others])):
                yield ast.unparse(node)
            case ast.Attribute(value, _) | ast.DictComp(value) if of_memory(value):
                yield ast.unparse(node)
            case ast.Subscript(_, key) if of_memory(key):
                yield ast.unparse(node)
            case _:
                pass


def test_no_module_decides_on_the_name_of_a_memory():
    for folder in ("accelerator", "rtl", "cost"):
        for path in sorted((ROOT / "rnnhw" / folder).rglob("*.py")):
            assert not list(names_that_decide(ast.parse(path.read_text()))), path
    wrong = ("memory.name == 'a'", "'a' in m.name", "memory.name.startswith('x')", "d[m.name]")
    for text in (*wrong, "{m.name: m.width for m in memories}"):
        assert list(names_that_decide(ast.parse(text))), text
