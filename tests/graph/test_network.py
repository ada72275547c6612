"""The network over time: lengths, words of sums, and what the builder refuses."""

import pytest
from helpers.graphs import cases
from hypothesis import given

from rnnhw import DesignError, Formats
from rnnhw.graph.network import TIME_OPERATIONS, NetworkBuilder, Steps, Total, time_table
from rnnhw.numerics.cast import Q

BYTE = Q(7, 0)


def builder(max_steps=10, format=BYTE):
    return NetworkBuilder(3, format, Formats(), {}, max_steps)


def test_a_time_table_with_a_hole_or_too_much_fails():
    whole = dict.fromkeys(TIME_OPERATIONS, 0)
    assert time_table(whole) is whole
    for node in TIME_OPERATIONS:
        with pytest.raises(TypeError, match=node.__name__):
            time_table({op: 0 for op in TIME_OPERATIONS if op is not node})
    with pytest.raises(TypeError, match="int"):
        time_table(whole | {int: 0})


@given(cases())
def test_sources_come_first_and_names_are_unique(case):
    places = {node: place for place, node in enumerate(case.network.nodes)}
    assert all(places[s] < places[node] for node in places for s in node.sources)
    assert len({node.name for node in places}) == len(places)
    signals = case.network.signals()
    assert len(signals) == sum(len(scan.graph.nodes) for scan in case.network.scans)
    assert set(case.network.states()) <= {name.removesuffix(".previous") for name in signals}


def test_lengths_follow_the_operations():
    net = builder()
    window = net.window(net.source, "w", 4)
    total = net.total(net.reverse(window, "r"), "t")
    assert [window.steps_for(steps) for steps in (3, 4, 6)] == [0, 1, 3]
    assert [total.steps_for(steps) for steps in (4, 6)] == [1, 1]
    assert window.units == 12


@pytest.mark.parametrize(
    ("format", "expected"),
    [
        (Q(7, 0), Q(11, 0)),  # -1280..1270
        (Q(3, 4), Q(7, 4)),
        (Q(1, 0, signed=False), Q(4, 0, signed=False)),  # 0..10
    ],
)
def test_the_word_of_a_total_holds_its_longest_sum(format, expected):
    net = builder(10, format)
    total = net.total(net.source, "t")
    assert total.format == expected
    assert total.interval == (10 * format.min, 10 * format.max)
    assert net.steps(net.source, "n").format == Q(4, 0, signed=False)


def test_the_shortest_word_limits_the_network():
    net = builder(10)
    assert net.build().max_steps is None
    net.total(net.source, "t")
    network = net.build()
    assert network.max_steps == 10
    assert isinstance(network.output, Total)
    net.steps(net.source, "n")
    assert isinstance(net.build().output, Steps)


@pytest.mark.parametrize("write", ["total", "steps"])
def test_a_sum_over_time_needs_the_greatest_number_of_steps(write):
    net = builder(None)
    with pytest.raises(DesignError, match="greatest number of steps") as caught:
        getattr(net, write)(net.source, "t")
    assert "max_steps" in caught.value.hint


def test_a_total_wider_than_64_bits_is_refused():
    net = builder(10, Q(62, 0))
    with pytest.raises(DesignError, match="67 bits"):
        net.total(net.source, "t")


def test_two_layers_of_one_name_are_refused():
    net = builder()
    net.last(net.source, "twin")
    with pytest.raises(DesignError, match="two layers are named 'twin'") as caught:
        net.last(net.source, "twin")
    assert "name=" in caught.value.hint


@pytest.mark.parametrize("width", [0, -1])
def test_an_empty_window_is_refused(width):
    net = builder()
    with pytest.raises(DesignError, match=f"a window of {width} steps"):
        net.window(net.source, "w", width)


def test_an_unknown_signal_is_refused_with_the_nearest():
    net = builder()
    net.scan("l", [net.source], lambda g, x: g.add(x, x, "twice"), Formats())
    network = net.build()
    assert network.signal("l.twice") is network.scans[0].graph.output
    with pytest.raises(DesignError, match=r"unknown signal 'l\.twic'") as caught:
        network.signal("l.twic")
    assert caught.value.hint.startswith("did you mean 'l.twice'?")


def test_sources_of_different_lengths_cannot_run_side_by_side():
    net = NetworkBuilder(2, Q(3, 4), Formats(), {}, None)
    last = net.last(net.source, "end")
    with pytest.raises(DesignError, match="'input', 'end' do not have equally many steps"):
        net.scan("l", [net.source, last], lambda g, x, y: g.add(x, y), Formats())
