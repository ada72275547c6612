"""Estimates against synthesis: the machine's memories are those emitted, cells as yosys counts."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.paths import ROOT
from helpers.rtl_cases import draw_case, draw_woven
from helpers.scaled import FORMATS as SCALED
from helpers.scaled import scaled
from helpers.tools import simulated

from rnnhw import LSTM, Q
from rnnhw.accelerator import Basis, accelerator
from rnnhw.accelerator.mapping.memory import MemoryRole
from rnnhw.commands.synth import synthesis_flow
from rnnhw.cost.fpga.logic import amounts_of, layer_logic
from rnnhw.cost.fpga.luts import KINDS
from rnnhw.cost.fpga.merge import distinct
from rnnhw.cost.fpga.multiplexers import OperandBits, alternatives, has_partial_reset, operands_of
from rnnhw.cost.fpga.placement import dsp_blocks, place
from rnnhw.cost.fpga.primitives import memories, multipliers
from rnnhw.cost.fpga.technology import technology_mapping
from rnnhw.cost.fpga.wide_luts import saturation_luts, zero_luts
from rnnhw.design.design import load
from rnnhw.errors import DesignError
from rnnhw.graph.network import Scan
from rnnhw.profiles import load_profile
from rnnhw.profiles.device_families import device_families
from rnnhw.rtl.layer import emit_layer, outline_layer
from rnnhw.rtl.modules import MODULES
from rnnhw.rtl.netlist import Net, Slice, aligned, choice, concat, zeros
from rnnhw.rtl.network import emit_network
from rnnhw.rtl.project import write_project
from rnnhw.rtl.tools.yosys import find_tool, synthesise

sys.path.insert(0, str(ROOT / "benchmarks"))

from calibrate import FAMILIES, rows
from resource_points import GRID, PROFILES, drawn, drawn_others, parameters

MAPPINGS = {name: technology_mapping(device_families()[name]) for name in PROFILES}
DESIGNS = sorted((ROOT / "designs").glob("*.py"))
YOSYS = find_tool("yosys")
needs_yosys = pytest.mark.tools("yosys")


def realised(network, lanes):
    """Every layer that is emitted: its node and its machine."""
    machines = {layer.name: layer for layer in accelerator(network, lanes).layers}
    for node in network.nodes:
        if isinstance(node, Scan) and machines[node.name].basis is Basis.REALISED:
            yield node, machines[node.name]


def outlined(machine):
    """The module of a layer as it is estimated."""
    return outline_layer(machine.mapping)


def networks():
    for path in DESIGNS:
        design = load(path)
        lanes = design.target.lanes if design.target else 1
        yield design.network, 1 if lanes == "auto" else lanes
    for point in GRID:
        yield point.design().network, point.lanes
    for seed in range(120):
        draw = draw_woven if seed % 2 else draw_case
        try:
            case = draw(random.Random(seed))
        except DesignError:
            continue
        yield case.network, case.lanes


def test_memories_and_multipliers_are_those_of_the_verilog():
    layers = 0
    for network, lanes in networks():
        for node, machine in realised(network, lanes):
            module = outlined(machine)
            own = Counter()
            for memory in machine.memories:
                if memory.role not in (MemoryRole.WIRED, MemoryRole.WIRED_BIAS):
                    own[memory.depth, memory.width, memory.kind.rom] += memory.copies
            assert Counter(memories(module)) == own, node.name
            for instance in module.instances:
                facts = MODULES[instance.module]
                assert set(instance.ports) <= {*facts.inputs, *facts.outputs}, node.name
            products = Counter()
            for each in machine.multipliers:
                products[tuple(sorted((each.a_bits, each.b_bits)))] += each.count
            assert Counter(tuple(sorted(p)) for p in multipliers(module)) == products, node.name
            layers += 1
    assert layers > 150


def test_the_outline_of_a_layer_is_what_is_emitted_with_numbers():
    for point in GRID:
        network = point.design().network
        for _, machine in realised(network, point.lanes):
            outline = outline_layer(machine.mapping)
            numbers = parameters(network)
            layer = emit_layer("layer", machine.mapping, numbers)
            assert outline.instances == layer.instances
            assert outline.registers == layer.registers


def synthesised(point, family, folder):
    network = point.design().network
    machine = accelerator(network, point.lanes)
    emission = emit_network("net", network, machine, parameters(network))
    write_project(emission, folder)
    sources = [name for name in (folder / "net.f").read_text().split() if name.endswith(".v")]
    flow = synthesis_flow(device_families()[family])
    return machine, emission, synthesise(folder, sources, "net", flow, YOSYS)


@needs_yosys
@pytest.mark.parametrize(
    ("index", "family"), [(1, "ice40"), (1, "ecp5"), (6, "ice40"), (12, "ecp5"), (16, "ice40"),
     (30, "ice40"), (31, "ecp5"), (34, "ecp5"), (0, "gw1n"), (1, "gw1n"), (1, "xc7"),
     (1, "xcup")],
)  # fmt: skip
def test_estimates_are_what_yosys_counts(tmp_path, index, family):
    machine, _, cells = synthesised(GRID[index], family, tmp_path)
    profile = load_profile(FAMILIES[family])
    assert sum(dsp_blocks(layer, profile) for layer in machine.layers) == cells.dsp
    blocks = sum(place(memory, profile).blocks for _, memory in machine.memories)
    assert blocks == cells.block_ram
    logic = [layer_logic(layer, profile) for layer in machine.layers]
    assert sum(each.ff for each in logic) == pytest.approx(cells.ff, rel=0.05)
    if YOSYS.version.startswith("yosys 0.23"):
        # The fits of the other families are of few designs, and so is that of butterflies.
        few = family not in PROFILES or GRID[index].structure == "butterfly"
        near = 0.2 if few else 0.1
        assert sum(each.lut for each in logic) == pytest.approx(cells.lut, rel=near)


def test_the_committed_grid_is_that_of_the_estimates():
    data = json.loads((ROOT / "benchmarks" / "resources.json").read_text())
    assert len(data["points"]) == 72
    exact = sum(
        all(point["estimated"][name] == point["measured"][name] for name in ("dsp", "block_ram"))
        for point in data["points"]
    )
    assert exact >= 69
    near = sum(
        point["estimated"]["lut"] == pytest.approx(point["measured"]["lut"], rel=0.1)
        for point in data["points"]
    )
    assert near >= 69
    by_name = {(p["family"], p["design"], p["lanes"]): p for p in data["points"]}
    for family, profile_name in PROFILES.items():
        profile = load_profile(profile_name)
        for point in GRID:
            saved = by_name[family, point.name, point.lanes]["estimated"]
            layers = accelerator(point.design().network, point.lanes).layers
            logic = [layer_logic(layer, profile) for layer in layers]
            assert sum(each.ff for each in logic) == saved["ff"]
            assert sum(each.lut for each in logic) == pytest.approx(saved["lut"], abs=3)
            counted = by_name[family, point.name, point.lanes]["measured"]
            assert saved["ff"] == pytest.approx(counted["ff"], rel=0.05)


def test_whatever_is_emitted_has_an_estimate():
    seen = {family: set() for family in FAMILIES}
    points = [*drawn_others(48, 7), *drawn(10, 7), *GRID]
    networks = [(point.design().network, point.lanes) for point in points]
    for path in DESIGNS:
        design = load(path)
        lanes = design.target.lanes if design.target else 1
        networks.append((design.network, 1 if lanes == "auto" else lanes))
    formats = replace(SCALED, scale_exponent=Q(3, 0, signed=False))
    networks.append((scaled(LSTM(4, name="rnn"), formats).network, 2))
    layers = [each for network, lanes in networks for each in accelerator(network, lanes).layers]
    emitted = [layer for layer in layers if layer.basis is Basis.REALISED]
    for family, name in FAMILIES.items():
        mapping = technology_mapping(device_families()[family])
        for layer in emitted:
            found = amounts_of(layer, load_profile(name), mapping)
            assert found is not None, layer.name
            assert found[1] > 0
            assert set(found[0]) <= set(KINDS)
            seen[family] |= {kind for kind, amount in found[0].items() if amount}
    # What a family has no cells for: LUT RAM there, accumulators and registers inside blocks here.
    rare = {"tie", "joint", "symmetric saturation", "sign-magnitude wrap"}
    without = {kind for kind in KINDS if "LUT RAM" in kind} | {"shallow choice ahead"}
    by_levels = {"wide saturation", "wide limit", "joint addition", "product by a bit"}
    assert without | by_levels <= set(KINDS) - seen["ice40"]
    assert set(KINDS) - seen["ice40"] <= without | by_levels | rare
    inside = {"collision", "register choice", "register word", "difference"}
    by_kind = {"saturation", "saturation of 7 inputs", "saturation of two levels", "excess",
               "shallow excess", "comparator", "product", "ring"}  # fmt: skip
    inside |= by_kind | {"LUT RAM choice behind"}
    assert set(KINDS) - seen["ecp5"] <= inside | rare | by_levels
    assert {"wide saturation", "wide limit"} <= seen["ecp5"]


def test_transforms_of_one_vector_share_what_is_alike():
    (network, lanes), *_ = [
        (point.design().network, point.lanes)
        for point in drawn_others(48, 7)
        if point.cell == "gru" and point.structure == "biased butterfly"
    ]
    ((_, machine),) = realised(network, lanes)
    module = outlined(machine)
    instances, names = distinct(module)
    casts = [i for i in module.instances if i.module == "rnnhw_cast_word"]
    kept = [i for i in instances if i.module == "rnnhw_cast_word"]
    assert len(casts) == 3 * len(kept)
    assert len({names.of(i.ports["y"]) for i in casts}) == len(kept)


def test_bits_that_are_cleared_apart():
    x, h, g = (Net(name, 8) for name in "xhg")
    conditions = Net("a"), Net("b")

    def apart(*values, known=()):
        *chosen, last = values
        operand = choice(*zip(conditions, chosen, strict=False), otherwise=last)
        return has_partial_reset(operand, range(8), dict.fromkeys(known, 1))

    def shifted(net, low):
        return concat(Slice(net, 7 - low, 0), zeros(low))

    assert not apart(x)
    assert not apart(x, h)
    assert apart(shifted(x, 2), h)
    assert apart(x, shifted(h, 1))
    assert not apart(shifted(x, 2), shifted(h, 2))
    assert not apart(x, shifted(h, 1), g)  # the choice of h becomes no reset
    assert apart(x, shifted(h, 1), shifted(g, 1))
    assert apart(x, h, known=[h])
    assert not apart(zeros(8), h)


def test_bits_in_front_of_an_operand_are_its_sign_or_zero():
    """Zero beside one value takes no LUT, a copy of a sign beside another value takes one."""
    cycle, element, window = Net("c"), Net("x", 4), Net("w", 8)

    def choices(*, unsigned):
        other = aligned(window.element(0, 4), 6, unsigned=unsigned)
        operand = choice((cycle, aligned(element, 6, 1)), otherwise=other)
        return OperandBits([operand], {}).choices({}, wide=False)

    assert (choices(unsigned=False), choices(unsigned=True)) == (4, 3)


def test_operands_are_told_apart_by_what_they_are_chosen_among():
    point = next(p for p in GRID if p.structure == "butterfly")
    ((_, machine),) = realised(point.design().network, point.lanes)
    found = operands_of(outlined(machine))
    assert len(found) == point.lanes
    assert all(len(alternatives(operand)) == 3 for operand in found)


def test_the_count_of_steps_is_estimated_with_the_layer_that_reads_it():
    point = next(p for p in GRID if "mean" in p.cell)
    *_, head = accelerator(point.design().network, point.lanes).layers
    assert head.counted == {1: point.units}
    profile, mapping = load_profile("ecp5-25"), MAPPINGS["ecp5"]
    amounts, _ = amounts_of(head, profile, mapping)
    assert amounts["steps"] > 0


@pytest.mark.parametrize("file", ["docs/measurements.md", "benchmarks/README.md"])
def test_tables_show_the_committed_grid(file):
    data = json.loads((ROOT / "benchmarks" / "resources.json").read_text())
    expected = rows(data["points"])
    assert len(expected) == len(GRID)
    assert set(expected) <= set((ROOT / file).read_text().splitlines())


def test_rules_of_adders():
    """Cells of arith_map.v: of iCE40 one LUT a bit that is read, of ECP5 two LUTs for two bits."""
    ice40, ecp5 = MAPPINGS["ice40"], MAPPINGS["ecp5"]
    assert [bits for bits in range(8) if not ice40.is_chained(bits)] == [0, 1, 2]
    assert [bits for bits in range(8) if not ecp5.is_chained(bits)] == [0, 1, 2, 3, 4]
    assert [ice40.carry_luts(19), ice40.carry_luts(19, 9)] == [19, 10]
    assert [ecp5.carry_luts(19), ecp5.carry_luts(19, 9)] == [20, 20]


def test_pieces_above_the_wanted_bits_of_a_product_are_left_out():
    ice40 = MAPPINGS["ice40"]
    assert ice40.joins(30, 24) == [38]
    assert ice40.joins(30, 24, 39) == [23]  # as netlists have it
    small = (range(32, 34), range(16, 21))
    assert small in ice40.block_spans(34, 21, blocks=False)
    assert small not in ice40.block_spans(34, 21, 42, blocks=False)


def test_rules_of_multipliers():
    ice40, ecp5 = MAPPINGS["ice40"], MAPPINGS["ecp5"]
    widths = [(5, 5), (5, 6), (8, 17), (8, 20), (18, 18)]
    assert [ice40.blocks(*each) for each in widths] == [0, 1, 1, 2, 3]
    widths = [(1, 8), (2, 8), (8, 19), (8, 20), (20, 20)]
    assert [ecp5.blocks(*each) for each in widths] == [0, 1, 1, 2, 4]


@pytest.mark.parametrize("family", FAMILIES)
def test_pieces_of_an_operand_cover_its_bits_once(family):
    mapping = technology_mapping(device_families()[family])
    port = mapping.rules.multiplier_port
    for bits in [*range(2, 4 * port + 4), 16 * 7 + 1]:
        for wide in (False, True):
            spans = mapping.spans(bits, wide=wide)
            assert [bit for span in spans for bit in span] == list(range(bits))
            most = mapping.rules.multiplier_wide_port if wide else port
            assert all(0 < len(span) <= max(most, port) for span in spans)


def test_blocks_of_wide_products():
    """Counts of yosys 0.23 for a product of two registers into a third one."""
    ice40, ecp5 = MAPPINGS["ice40"], MAPPINGS["ecp5"]
    pairs = [(8, 17), (8, 20), (17, 17), (20, 18), (24, 24), (20, 33), (32, 32), (12, 40)]
    assert [ice40.blocks(*pair) for pair in pairs] == [1, 2, 1, 3, 4, 4, 4, 3]
    assert [ecp5.blocks(*pair) for pair in pairs] == [1, 2, 1, 2, 4, 4, 4, 3]
    xc7, xcup = (technology_mapping(device_families()[name]) for name in ("xc7", "xcup"))
    assert [xc7.blocks(*pair) for pair in ((18, 25), (18, 26), (19, 19), (28, 26))] == [1, 2, 2, 4]
    assert [xcup.blocks(*pair) for pair in ((18, 27), (18, 28), (19, 27))] == [1, 2, 2]


def test_adders_of_joined_products():
    """Carry cells of yosys 0.23 for such products: twice 18 of 20 x 33 bits on ECP5, and so on."""
    ice40, ecp5 = MAPPINGS["ice40"], MAPPINGS["ecp5"]
    cells = {(8, 20): 5, (8, 33): 12, (20, 18): 10, (24, 24): 33, (20, 33): 37, (32, 32): 53}
    for pair, count in cells.items():
        assert sum(-(-bits // 2) for bits in ecp5.joins(*pair)) == count
    assert [sum(ice40.joins(*pair)) for pair in ((8, 20), (24, 24), (32, 32))] == [0, 32, 48]


def test_partial_products_that_yosys_adds_at_once():
    """Carry chains and further LUTs of one lane in netlists of yosys 0.23 (synth_ecp5): all pieces
    of 38 x 15 and of 22 x 19 bits are added at once, those of 35 x 19 in turn."""
    ecp5 = MAPPINGS["ecp5"]
    assert ecp5.joint_sums(38, 15, 50) == ([50], 63)
    assert ecp5.joint_sums(22, 19, 35) == ([35], 33)
    assert ecp5.joint_sums(30, 29, 46) == ([10, 46], 55)
    assert ecp5.joint_sums(35, 19, 44) == ([19, 8, 26], 0)
    assert ecp5.joint_sums(15, 14, 31) == ([], 0)
    # 44 bits are wanted before it shows that 38 are read.
    assert ecp5.joint_sums(26, 24, 38, 44) == ([20, 2, 20], 0)


def test_luts_that_fit_a_word_depend_on_the_levels_that_are_left():
    """LUTs of casts in netlists of yosys 0.23 (synth_ecp5), by the bits of the word and those that
    tell of an overflow: a LUT of 6 inputs a bit in two levels, of 3 in three."""
    two = {(7, 2): 7, (12, 4): 13, (9, 5): 11, (9, 6): 38, (8, 8): 36, (15, 11): 75, (4, 12): 34}
    for (bits, top), luts in two.items():
        assert saturation_luts(bits, top, 1, deep=False) == luts
    for (bits, top), luts in {(9, 3): 9, (10, 5): 12, (10, 6): 13, (21, 7): 26}.items():
        assert saturation_luts(bits, top, 1, deep=True) == luts
    assert zero_luts(9, 6, deep=False) == 20
    assert [saturation_luts(*word, 3, deep=False) for word in ((15, 4), (4, 8))] == [121, 33]
    assert [saturation_luts(*word, 4, deep=False) for word in ((9, 6), (5, 8))] == [18, 27]


def test_a_product_of_few_bits_is_no_block():
    ice40 = MAPPINGS["ice40"]
    assert [ice40.blocks(6, 5, result) for result in (None, 11, 10)] == [1, 1, 0]
    # As yosys 0.23 maps rnnhw_multiply of which nothing reads the other bits.
    assert [ice40.blocks(20, 8, result) for result in (10, 17, None)] == [0, 2, 2]
    assert [MAPPINGS["ecp5"].blocks(20, 8, result) for result in (10, 17, None)] == [1, 1, 2]


def test_a_missing_tool_is_named_with_its_package(tmp_path):
    path = str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "rnnhw", "synth", str(ROOT / "designs" / "adder_tridiagonal.py"),
         "--profile", "ice40up5k"],
        capture_output=True, text=True, check=False, cwd=ROOT, env={"PATH": path},
    )  # fmt: skip
    assert done.returncode == 2
    assert "yosys is not installed" in done.stderr and "apt install yosys" in done.stderr


PLAIN = '''"""A layer without a task."""
from rnnhw import *


def design():
    return Design(
        inputs=2,
        layers=[Elman(2, bias=False, name="rnn")],
        formats=Formats(input=Q(0, 7), weight=Q(1, 6), state=Q(0, 7), sum=Q(2, 5)),
        weights={"rnn.W": [[0.3, 0.5], [-1, 0.25]], "rnn.U": [[0.5, 0.25], [0, -0.75]]},
    )
'''


def synth(folder, *arguments):
    """What ``rnnhw synth`` prints of PLAIN."""
    path = folder / "plain.py"
    path.write_text(PLAIN)
    done = subprocess.run(
        [sys.executable, "-m", "rnnhw", "synth", str(path), *arguments],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_yosys
@pytest.mark.skipif(find_tool("nextpnr-ice40") is None, reason="nextpnr-ice40 is not installed")
def test_the_command_shows_the_estimate_beside_cells_and_clocks(tmp_path):
    out = synth(tmp_path, "--profile", "ice40up5k", "--seeds", "2", "--format", "json")
    data = json.loads(out)
    by_name = {resource["name"]: resource for resource in data["resources"]}
    assert list(by_name) == ["LUT", "FF", "DSP", "block RAM"]
    for name in ("DSP", "block RAM"):
        assert by_name[name]["estimated"] == by_name[name]["measured"] > 0
    assert by_name["LUT"]["measured"] > 50 and by_name["FF"]["measured"] > 50
    clocks = data["clocks_mhz"]
    assert list(clocks) == ["1", "2"] and all(10 < clock < 300 for clock in clocks.values())
    assert data["tools"][0].endswith("synth_ice40 -dsp") and "nextpnr" in data["tools"][1]


@needs_yosys
def test_the_command_says_that_estimates_were_made_for_another_tool(tmp_path, monkeypatch):
    other = tmp_path / "bin" / "yosys"
    other.parent.mkdir()
    other.write_text(
        '#!/bin/sh\n[ "$1" = --version ] && echo "Yosys 9.87 (git sha1 x)" && exit\n'
        f'exec {shutil.which(YOSYS.command)} "$@"\n'
    )
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}{os.pathsep}{os.environ['PATH']}")
    out = synth(tmp_path, "--profile", "ecp5-25", "--no-place")
    assert "LUTs are estimated for yosys 0.23; this is 9.87\n" in out
    assert "tools: yosys 9.87, synth_ecp5" in out and "MHz" not in out


@needs_yosys
def test_the_command_says_what_it_cannot_place(tmp_path):
    out = synth(tmp_path, "--profile", "gw1nr-9")  # the family that yosys has done first
    assert "nextpnr has no" in out and "not placed" in out and "MHz" not in out


@needs_yosys
@simulated
def test_a_netlist_of_gates_computes_what_golden_computes(tmp_path):
    import numpy as np

    from rnnhw.accelerator import output_cycles
    from rnnhw.execution import golden
    from rnnhw.execution.batch import Batch
    from rnnhw.rtl.bench import stimulus_of
    from rnnhw.rtl.project import sources

    network = GRID[1].design().network
    machine = accelerator(network, GRID[1].lanes)
    numbers = parameters(network)
    emission = emit_network("net", network, machine, numbers)
    lengths = np.array([3, 1, 2])
    source = network.source
    rng = np.random.default_rng(3)
    shape = (3, 3, source.units)
    inputs = rng.integers(source.format.lowest, source.format.max + 1, shape)
    run = golden.run(network, numbers, Batch(inputs=inputs, lengths=lengths, initial={}))
    cycles = tuple(output_cycles(network, machine, lengths.tolist()))
    stimulus = stimulus_of(inputs, lengths, run.outputs, run.lengths, cycles)
    write_project(emission, tmp_path, stimulus)
    script = (
        f"read_verilog -defer {' '.join(sources(emission))}; synth_ice40 -dsp -top net; "
        "write_verilog -noattr gates.v"
    )
    YOSYS.run(["-q", "-p", script], tmp_path)
    library = Path("/usr/share/yosys/ice40/cells_sim.v")
    if not library.exists():
        pytest.skip("the simulation models of yosys are not where Debian has them")
    built = subprocess.run(
        ["iverilog", "-g2012", "-DNO_ICE40_DEFAULT_ASSIGNMENTS", "-s", "net_tb", "-o", "gates.vvp",
         "net_tb.v", "gates.v", str(library)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[:500]
    done = subprocess.run(
        ["vvp", "-n", "gates.vvp"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    results = [line for line in done.stdout.splitlines() if line.startswith(("PASS", "FAIL"))]
    assert len(results) == 1, done.stdout[-500:]
    assert results[0].startswith(f"PASS outputs={stimulus.outputs.size} "), results
    assert results[0].endswith(" differences=0 late=0 faults=0"), results


@needs_yosys
@simulated
@pytest.mark.parametrize("width", [2, 3, 4, 5])
def test_a_netlist_limits_numbers_of_few_bits_as_the_module_does(tmp_path, width):
    """yosys 0.23 compares such a number with a negative constant as if neither had a sign."""
    from rnnhw.rtl.project import static_module

    library = Path("/usr/share/yosys/ice40/cells_sim.v")
    if not library.exists():
        pytest.skip("the simulation models of yosys are not where Debian has them")
    least, numbers = -(1 << (width - 1)), range(-(1 << (width - 1)), 1 << (width - 1))
    limits = [(least, -least - 1), (least // 2, -least // 2 - 1), (least + 1, 0), (0, -least - 1)]
    ports = "".join(f", output signed [{width - 1}:0] y{k}" for k in range(len(limits)))
    units = "".join(
        f"  rnnhw_clamp #(.A_WIDTH({width}), .LOW({_literal(low, width)}), "
        f".HIGH({_literal(high, width)}), .WIDTH({width})) u{k} (clk, 1'b1, a, y{k});\n"
        for k, (low, high) in enumerate(limits)
    )
    top = f"module top(input clk, input signed [{width - 1}:0] a{ports});\n{units}endmodule\n"
    nets = "".join(f"wire signed [{width - 1}:0] y{k}; " for k in range(len(limits)))
    names = "".join(f", y{k}" for k in range(len(limits)))
    bench = f"""module bench;
  reg clk = 0; reg signed [{width - 1}:0] a; integer i; {nets}
  top top(clk, a{names});
  initial for (i = {least}; i < {-least}; i = i + 1) begin
    a = i; #5 clk = 1; #5 clk = 0; $display("{" ".join(["%0d"] * len(limits))}"{names});
  end
endmodule
"""
    (tmp_path / "rnnhw_clamp.v").write_text(static_module("rnnhw_clamp"))
    (tmp_path / "top.v").write_text(top)
    (tmp_path / "bench.v").write_text(bench)
    script = "read_verilog -defer rnnhw_clamp.v top.v; synth_ice40 -top top; write_verilog gates.v"
    YOSYS.run(["-q", "-p", script], tmp_path)
    command = ["iverilog", "-g2012", "-DNO_ICE40_DEFAULT_ASSIGNMENTS", "-s", "bench", "-o", "x.vvp"]
    subprocess.run([*command, "bench.v", "gates.v", str(library)], cwd=tmp_path, check=True)
    done = subprocess.run(
        ["vvp", "-n", "x.vvp"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = [[int(number) for number in line.split()] for line in done.stdout.splitlines()]
    assert found == [[min(max(n, low), high) for low, high in limits] for n in numbers]


def _literal(number: int, width: int) -> str:
    return f"$signed({width}'h{number % (1 << width):x})"
