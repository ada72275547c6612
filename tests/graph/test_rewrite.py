"""The engine that applies rules to step graphs."""

from dataclasses import replace

import numpy as np
import pytest

from rnnhw.graph.nodes import Add, Approximation, Clamp, Input, RowScale, State, StepGraph
from rnnhw.graph.rewrite import ancestors, apply_rules, ends, live, read_instead, rebuilt, rewrite
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


def test_approximations_and_row_scales_follow_the_nodes() -> None:
    scale = RowScale("W", "e", np.arange(2), np.zeros(2, np.int64), chosen_by=True)
    near = Approximation(np.tanh, LOW, OTHER)
    graph = replace(GRAPH, approximations=(near,), scales=(scale,))
    copy = replace(X, name="copy")
    changed = apply_rules(
        graph,
        [
            lambda graph: (
                (lambda node, new: [copy if node is X else node]) if X in graph.nodes else None
            )
        ],
    )
    (kept,) = changed.approximations
    assert kept.function is np.tanh and changed.scales == (scale,)
    assert (kept.argument, kept.node) == (changed.nodes[1], changed.output)
    assert kept.argument is not LOW and kept.argument.operands == (copy,)
    assert live(replace(graph, output=LOW)).approximations == ()


def test_the_argument_of_an_approximation_that_is_read_stays() -> None:
    graph = replace(GRAPH, output=X, approximations=(Approximation(np.tanh, TWICE, X),))
    assert live(graph).nodes == (X, LOW, TWICE)


def test_a_rule_is_applied_until_it_finds_nothing() -> None:
    def shorten(graph: StepGraph):  # type: ignore[no-untyped-def]
        clamps = [node for node in graph.nodes if isinstance(node, Clamp)]
        return read_instead({node: node.a for node in clamps[:1]})

    assert [node.name for node in apply_rules(GRAPH, [shorten]).nodes] == ["x", "twice"]
    assert read_instead({}) is None


def test_states_that_only_their_next_values_read_are_dropped_on_request() -> None:
    first, second = (State(name=name, initial=None, **WORD) for name in ("first", "second"))
    step, after = (
        Clamp(name=f"next {s.name}", a=s, low=0, high=None, **WORD) for s in (first, second)
    )
    seen = Add(name="seen", a=X, b=first, **WORD)
    updates = ((first, step), (second, after))
    graph = StepGraph("layer", (X, first, second, step, after, seen), updates, seen)
    assert live(graph).nodes == graph.nodes
    assert live(graph).updates == updates
    assert live(graph, unread_states=False).updates == ((first, step),)
    assert live(graph, unread_states=False).nodes == (X, first, step, seen)


def test_ancestors_of_long_chains() -> None:
    chain = [X]
    for index in range(5000):
        chain.append(Clamp(name=f"c{index}", a=chain[-1], low=0, high=None, **WORD))
    assert ancestors(chain[-1], chain[1]) == chain
