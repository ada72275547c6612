"""A layer is mapped once on a number of lanes, whoever reads the mapping."""

from collections import Counter

import pytest
from helpers.paths import ROOT

from rnnhw.accelerator import accelerator, lane_options
from rnnhw.accelerator.mapping import LayerRows, MappedLayer, PostProcessorSchedule
from rnnhw.commands.emit import emission_of, lanes_by_layer, machine_of
from rnnhw.cost.estimation import estimate
from rnnhw.design.design import load
from rnnhw.profiles import load_profile

DESIGNS = ["adder_tridiagonal", "deep_stack_head", "recall_window", "adder_butterfly"]


@pytest.fixture
def constructions(monkeypatch):
    """How often rows, post-processor schedule and mapping of each step graph were made."""
    counts = Counter()

    def count(cls, key):
        construct = cls.__init__

        def counted(self, *arguments, **named):
            counts[cls.__name__, *key(*arguments, **named)] += 1
            construct(self, *arguments, **named)

        monkeypatch.setattr(cls, "__init__", counted)

    count(LayerRows, lambda graph: (graph,))
    count(PostProcessorSchedule, lambda layer: (layer.given,))
    count(MappedLayer, lambda step, lanes, phases: (step.graph, lanes))
    return counts


def emit(design, lanes=None):
    """The lanes of every layer, after its Verilog is written."""
    machine = machine_of(design, lanes)
    assert emission_of(design, machine).files
    return lanes_by_layer(machine)


def mapped(constructions, network):
    """The lanes that each layer was mapped on, each once; and that nothing was made twice."""
    assert set(constructions.values()) == {1}
    lanes = {scan.name: [] for scan in network.scans}
    for scan in network.scans:
        assert constructions["LayerRows", scan.graph] == 1
        assert constructions["PostProcessorSchedule", scan.graph] == 1
        lanes[scan.name] = [
            key[2] for key in constructions if key[:2] == ("MappedLayer", scan.graph)
        ]
    assert len(constructions) == sum(2 + len(found) for found in lanes.values())
    return lanes


@pytest.mark.parametrize("name", DESIGNS)
def test_to_emit_on_given_lanes_is_to_map_each_layer_once(name, constructions):
    design = load(ROOT / "designs" / f"{name}.py")
    lanes = emit(design)
    mappings = mapped(constructions, design.network)
    assert {layer: [count] for layer, count in lanes.items()} == mappings


@pytest.mark.parametrize("name", DESIGNS)
def test_to_emit_on_chosen_lanes_maps_no_layer_twice_on_the_same(name, constructions):
    design = load(ROOT / "designs" / f"{name}.py")
    lanes = emit(design, "auto")
    mappings = mapped(constructions, design.network)
    assert all(count in mappings[layer] for layer, count in lanes.items())
    assert any(len(tried) > 1 for tried in mappings.values())


def test_to_emit_makes_no_cost_report(monkeypatch):
    def report(*arguments, **named):
        raise AssertionError("a report was made")

    for kind in ("fpga_report", "asic_report", "microcontroller_report"):
        monkeypatch.setattr(f"rnnhw.cost.estimation.{kind}", report)
    design = load(ROOT / "designs" / "adder_tridiagonal.py")
    with pytest.raises(AssertionError, match="a report was made"):
        estimate(design)
    assert emit(design, "auto")


@pytest.mark.parametrize("profile", ["ecp5-85", "ice40up5k", "asic-45nm"])
@pytest.mark.parametrize("name", DESIGNS)
def test_an_estimate_maps_no_layer_twice_on_the_same_lanes(name, profile, constructions):
    design = load(ROOT / "designs" / f"{name}.py")
    estimate(design, profile, clock_mhz=20, lanes=4)
    # Fewer lanes than were asked for are tried for the note that more of them are slower.
    assert all(0 < max(lanes) <= 4 for lanes in mapped(constructions, design.network).values())


@pytest.mark.parametrize("name", DESIGNS)
def test_an_estimate_on_chosen_lanes_maps_no_layer_twice_on_the_same(name, constructions):
    design = load(ROOT / "designs" / f"{name}.py")
    estimate(design, load_profile("ecp5-85"), clock_mhz=20, lanes="auto")
    assert any(len(lanes) > 1 for lanes in mapped(constructions, design.network).values())


def test_the_machine_carries_the_mapping_of_its_lanes():
    network = load(ROOT / "designs" / "deep_stack_head.py").network
    options = lane_options(network)
    machine = accelerator(network, 2, options=options)
    scans = {scan.name: scan for scan in network.scans}
    for layer, option in zip(machine.layers, options, strict=True):
        if layer.name not in scans:  # a sum over time
            assert layer.mapping is None
            continue
        assert layer.mapping is option.mapping(layer.lanes)
        assert layer.mapping.graph is scans[layer.name].graph
        assert layer.cycles == layer.mapping.cycles == sum(p.cycles for p in layer.phases)
