"""What networks have in common whose float references are one."""

from dataclasses import dataclass

import numpy as np
import pytest

from rnnhw import Dense, Diagonal, Q
from rnnhw.design.weights import Parameters
from rnnhw.execution.reference import run_reference
from rnnhw.execution.reference_contents import array_contents, reference_contents
from rnnhw.graph.network import (
    TIME_OPERATIONS,
    Last,
    Network,
    Reverse,
    Scan,
    Source,
    Steps,
    TimeNode,
    Total,
    Window,
)
from rnnhw.graph.nodes import (
    OPERATIONS,
    Add,
    Approximation,
    Cast,
    Clamp,
    Constant,
    Gather,
    Input,
    Lookup,
    Matvec,
    Multiply,
    Node,
    Reinterpret,
    Select,
    Shift,
    State,
    StepGraph,
    Subtract,
    Tensor,
)
from rnnhw.numerics.tables import SIGMOID, TANH, Table

UNITS, STEPS = 2, 4
REAL = Q(3, 4)  # where a format is part of the real numbers
ANY = (-128, 127)
X = np.random.default_rng(0).normal(0, 1, (4, STEPS, UNITS))
LENGTHS = np.array([4, 4, 3, 2])
WEIGHTS = {"l.W": np.array([[0.5, -0.25], [1.0, 0.125]]), "l.h0": np.array([0.5, -1.0])}


def table(function, word=8):
    return Table(function, Q(3, word), Q(0, word), np.zeros(1 << (4 + word), np.int64))


def step_graph(word, change, function, output):
    """A step of every operation in formats of ``word`` fraction bits; ``change`` gives other kinds
    and fields of nodes by their names, operands by name too."""
    nodes = {}

    def node(kind, name, **fields):
        given = {"kind": kind, "units": UNITS, "format": Q(3, word), "interval": ANY}
        given |= fields | change.get(name, {})
        for key in ("a", "b", "s", "by", "vector", "start"):
            given |= {key: nodes.get(given[key])} if key in given else {}
        if "parts" in given:
            given["parts"] = tuple(nodes[part] for part in given["parts"])
        nodes[name] = given.pop("kind")(name=name, **given)

    weights, first = (
        Tensor(key, values.shape, "weight", Q(1, word)) for key, values in WEIGHTS.items()
    )
    node(Input, "x", position=0, format=REAL)
    node(State, "h.previous", initial=first)
    node(Constant, "two", tensor=None, values=(8, 24), format=REAL)
    node(Constant, "one", tensor=None, values=(1, 0), format=Q(1, 0))
    node(Matvec, "product", structure=Dense(), weights=weights, vector="h.previous", start="x",
         product=None, accumulator=None)  # fmt: skip
    node(Add, "summed", a="product", b="two")
    node(Subtract, "less", a="summed", b="x")
    node(Multiply, "scaled", a="less", b="two")
    node(Select, "chosen", s="x", a="scaled", b="less")
    node(Shift, "shifted", a="chosen", by="one")
    node(Cast, "rounded", a="shifted", format=REAL)
    node(Clamp, "clamped", a="rounded", low=-40, high=48, format=REAL)
    node(Gather, "wired", parts=("clamped", "less"), indices=(0, 2))
    node(Reinterpret, "moved", a="rounded", format=Q(2, 5))
    node(Lookup, "looked", a="wired", table=table(SIGMOID, word))
    node(Cast, "inside", a="moved")
    node(Add, "near", a="inside", b="inside")
    node(Add, "h", a="looked", b="near")
    near = Approximation(function, nodes["moved"], nodes["near"])
    updates = ((nodes["h.previous"], nodes["h"]),)
    return StepGraph("l", tuple(nodes.values()), updates, nodes[output], (near,))


def network(word=8, change=None, function=np.tanh, output="h", time=(), outputs=()):
    """A scan, and operations over time one behind the other."""
    nodes = [Source(name="in", units=UNITS, format=REAL, interval=ANY, sources=())]
    graph = step_graph(word, change or {}, function, output)
    for kind in (Scan, *time):
        more = {
            Scan: {"graph": graph}, Window: {"width": 2}, Total: {"max_steps": STEPS << word},
            Steps: {"max_steps": STEPS << word},
        }.get(kind, {})  # fmt: skip
        units = 1 if kind is Steps else nodes[-1].units * (2 if kind is Window else 1)
        source, name = nodes[-1], f"{kind.__name__}{len(nodes)}"
        nodes.append(
            kind(name=name, units=units, format=REAL, interval=ANY, sources=(source,), **more)
        )
    return Network(tuple(nodes), tuple(nodes[place] for place in outputs))


def parameters(**changes):
    return Parameters(WEIGHTS | {f"l.{key}": value for key, value in changes.items()}, {}, {})


def contents_and_outputs(given=None, **changes):
    net, given = network(**changes), given or parameters()
    return reference_contents(net, given), run_reference(net, given, X, LENGTHS).outputs


TIMES = [(), (Reverse,), (Window,), (Last,), (Total,), (Steps,), (Reverse, Last), (Window, Total)]


def test_every_operation_takes_part():
    assert {type(node) for node in network().nodes[1].graph.nodes} == set(OPERATIONS)
    assert {Source, Scan, *(kind for time in TIMES for kind in time)} == set(TIME_OPERATIONS)


@pytest.mark.parametrize("time", TIMES, ids=str)
def test_word_lengths_are_no_part_of_it(time):
    contents, outputs = contents_and_outputs(time=time)
    for word in (2, 5, 12):
        others, result = contents_and_outputs(word=word, time=time)
        assert others == contents and hash(others) == hash(contents)
        np.testing.assert_array_equal(result, outputs)


def test_the_inside_of_an_approximation_is_no_part_of_it():
    contents, outputs = contents_and_outputs()
    others, result = contents_and_outputs(change={"near": {"kind": Multiply}})
    assert others == contents
    np.testing.assert_array_equal(result, outputs)


@pytest.mark.parametrize(
    "changes",
    [
        {"change": {"two": {"values": (8, 25)}}},
        {"change": {"two": {"format": Q(2, 5)}}},
        {"change": {"one": {"values": (0, 0)}}},
        {"change": {"h.previous": {"initial": None}}},
        {"change": {"product": {"start": None}}},
        {"change": {"summed": {"kind": Subtract}}},
        {"change": {"less": {"a": "x", "b": "summed"}}},
        {"change": {"chosen": {"s": "two"}}},
        {"change": {"clamped": {"low": 20}}},
        {"change": {"clamped": {"high": 10}}},
        {"change": {"rounded": {"format": Q(2, 5)}}},  # the limits and what it is read as follow
        {"change": {"wired": {"indices": (3, 0)}}},
        {"change": {"moved": {"format": Q(3, 4)}}},
        {"change": {"looked": {"table": table(TANH)}}},
        {"change": {"inside": {"a": "wired"}, "h": {"b": "inside"}}},
        {"function": np.sin},
        {"output": "looked"},
        {"time": (Reverse,)},
        {"given": parameters(W=WEIGHTS["l.W"] + [[0, 0], [0, 2.0**-50]])},
        {"given": parameters(h0=np.array([0.5, -1.5]))},
        {
            "given": parameters(W=np.array([0.5, 0.125])),
            "change": {"product": {"structure": Diagonal()}},
        },
    ],
    ids=str,
)
def test_what_changes_the_outputs_is_part_of_it(changes):
    contents, outputs = contents_and_outputs()
    others, result = contents_and_outputs(**changes)
    assert not np.array_equal(result, outputs)
    assert others != contents


def test_times_and_their_outputs_are_part_of_it():
    assert len({contents_and_outputs(time=time)[0] for time in TIMES}) == len(TIMES)
    first, second = (network(time=(Last, Reverse), outputs=(place, 3 - place)) for place in (1, 2))
    assert reference_contents(first, parameters()) != reference_contents(second, parameters())


def test_an_unknown_operation_is_equal_to_itself_alone():
    @dataclass(frozen=True, eq=False, kw_only=True)
    class New(Node):
        a: Node
        b: Node

    class Later(TimeNode):
        pass

    for changes in ({"change": {"h": {"kind": New}}}, {"time": (Later,)}):
        net, same = network(**changes), network(**changes)
        contents = reference_contents(net, parameters())
        assert contents == reference_contents(net, parameters())
        assert contents != reference_contents(same, parameters())


def test_the_position_of_an_input_is_part_of_it():
    assert reference_contents(network(), parameters()) != reference_contents(
        network(change={"x": {"position": 1}}), parameters()
    )


def test_arrays_are_equal_in_shape_type_and_bits():
    zeros = np.zeros((2, 3))
    assert array_contents(zeros) == array_contents(np.zeros((3, 2)).T) == array_contents(zeros[:])
    for other in (zeros.T, -zeros, zeros.astype(np.float32), zeros.view(np.int64)):
        assert array_contents(other) != array_contents(zeros)
