"""The engine that applies rules to step graphs."""

from dataclasses import replace

import pytest

from rnnhw.graph.nodes import Add, Clamp, Input, State, StepGraph
from rnnhw.graph.rewrite import ancestors, ends, live, rebuilt, rewrite
from rnnhw.numerics.cast import Q

WORD = {"units": 4, "format": Q(3, 4), "interval": (-128, 127)}
X = Input(name="x", position=0, **WORD)
LOW = Clamp(name="low", a=X, low=0, high=None, **WORD)
TWICE = Add(name="twice", a=LOW, b=LOW, **WORD)
OTHER = Clamp(name="other", a=TWICE, low=None, high=9, **WORD)
GRAPH = StepGraph("layer", (X, LOW, TWICE, OTHER), (), OTHER)


def test_readers_are_listed_once_for_every_operand() -> None:
    assert GRAPH.readers == {X: [LOW], LOW: [TWICE, TWICE], TWICE: [OTHER]}


def test_ancestors_come_operands_first_and_once() -> None:
    assert ancestors(OTHER) == [X, LOW, TWICE, OTHER]
    assert ancestors(X) == [X]


def test_a_node_whose_operands_stay_is_itself() -> None:
    assert rebuilt(TWICE, {LOW: LOW}) is TWICE
    assert rewrite(GRAPH, lambda node, new: [node]).nodes == GRAPH.nodes


def test_several_nodes_take_the_place_of_one_and_the_last_is_read() -> None:
    copy = replace(LOW, name="copy")
    graph = rewrite(GRAPH, lambda node, new: [node, copy] if node is LOW else [node])
    assert [node.name for node in graph.nodes] == ["x", "low", "copy", "twice", "other"]
    assert graph.nodes[3].operands == (copy, copy)
    assert graph.output is graph.nodes[-1]


def test_a_node_of_the_new_graph_is_read_instead() -> None:
    graph = rewrite(GRAPH, lambda node, new: new[X] if node is LOW else [node])
    assert [node.name for node in graph.nodes] == ["x", "twice", "other"]
    assert graph.nodes[1].operands == (X, X)


def test_what_nothing_reads_can_be_dropped() -> None:
    graph = replace(GRAPH, output=TWICE)
    shorter = rewrite(graph, lambda node, new: [] if node is OTHER else [node])
    assert shorter.nodes == (X, LOW, TWICE)
    with pytest.raises(KeyError):
        rewrite(GRAPH, lambda node, new: [] if node is LOW else [node])


def test_what_is_live_leads_to_the_output_or_a_state() -> None:
    graph = replace(GRAPH, output=TWICE)
    assert ends(graph) == {TWICE}
    assert live(graph).nodes == (X, LOW, TWICE)
    assert live(replace(GRAPH, output=X)).nodes == (X,)
    state = State(name="s.previous", initial=None, **WORD)
    kept = StepGraph("layer", (X, state, LOW, OTHER), ((state, LOW),), X)
    assert live(kept).nodes == (X, state, LOW)
