"""The accelerator: the formulas against cycle counts of the Verilog prototype, and edges."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from helpers.machines import (
    FORMATS,
    band,
    elman,
    gru,
    hard_elman,
    head,
    lstm,
    lstm_cast_in_one,
    lstm_in_one,
    scanned,
)
from helpers.paths import ROOT

from rnnhw import (
    Banded,
    Dense,
    Design,
    DesignError,
    Diagonal,
    Elman,
    Formats,
    Hadamard,
    Last,
    LayerNorm,
    Linear,
    Mean,
    Q,
    Rounding,
    Tanh,
    Window,
)
from rnnhw.accelerator import (
    Accelerator,
    Basis,
    LayerMachine,
    Memory,
    MemoryKind,
    MemoryRole,
    accelerator,
    legal_lanes,
)
from rnnhw.cost.fpga.placement import dsp_blocks, place
from rnnhw.graph.builder import StepBuilder
from rnnhw.graph.network import Network
from rnnhw.graph.nodes import Node
from rnnhw.profiles import Fpga, load_profile

MEASURED = [  # network, lanes, T, depth, UP5K DSP, UP5K block RAM, ECP5 block RAM
    pytest.param(elman(32).network, 1, 1289, 2, 1, 7, 3, id="elman dense 32/1"),
    pytest.param(elman(32).network, 4, 332, 2, 4, 8, 3, id="elman dense 32/4"),
    pytest.param(elman(30).network, 4, 314, 2, 4, 8, 3, id="elman dense 30/4"),
    pytest.param(elman(32, band(3)).network, 4, 132, 2, 4, 6, 3, id="elman band 3 32/4"),
    pytest.param(elman(32, band(9)).network, 4, 228, 2, 4, 6, 3, id="elman band 9 32/4"),
    pytest.param(scanned(lstm(32)), 4, 1302, 12, 7, 16, 6, id="lstm 32/4"),
    pytest.param(scanned(lstm(32, band(3))), 4, 502, 12, 7, 10, 4, id="lstm band 3 32/4"),
    pytest.param(scanned(gru(32)), 4, 983, 13, 8, 15, 6, id="gru 32/4"),
    pytest.param(head(32, 10).network, 2, 169, 1, 2, 3, 2, id="head 32 to 10 on 2"),
]


def fpga(name: str) -> Fpga:
    profile = load_profile(name)
    assert isinstance(profile, Fpga)
    return profile


def layer(network: Network, lanes: int) -> LayerMachine:
    (only,) = accelerator(network, lanes).layers
    return only


@pytest.mark.parametrize(("network", "lanes", "cycles", "depth", "dsp", "up5k", "ecp5"), MEASURED)
def test_equals_the_prototype(
    *, network: Network, lanes: int, cycles: int, depth: int, dsp: int, up5k: int, ecp5: int
) -> None:
    machine = layer(network, lanes)
    assert machine.cycles == cycles
    assert [phase.depth for phase in machine.phases] == [depth]
    assert machine.basis is Basis.REALISED, machine.assumptions
    ice40 = fpga("ice40up5k")
    assert dsp_blocks(machine, ice40) == dsp
    for profile, blocks in ((ice40, up5k), (fpga("ecp5-25"), ecp5)):
        placed = [place(memory, profile).blocks for memory in machine.memories]
        assert sum(placed) == blocks


@pytest.mark.parametrize("step", [lstm_in_one, lstm_cast_in_one])
def test_the_way_of_writing_does_not_matter(step) -> None:  # type: ignore[no-untyped-def]
    together, apart = layer(scanned(step(32)), 4), layer(scanned(lstm(32)), 4)
    assert (together.cycles, together.macs) == (apart.cycles, apart.macs)
    assert together.phases[0].gates == 4
    assert together.basis is Basis.REALISED


def test_a_wider_cell_costs_its_cast() -> None:
    wide = replace(FORMATS, cell=Q(3, 12))
    assert layer(scanned(lstm(32), formats=wide), 4).phases[0].depth == 14
    hidden = replace(FORMATS, recurrent_sum=Q(3, 8))
    assert layer(scanned(gru(32, Q(3, 8)), formats=hidden), 4).phases[0].depth == 15


def test_a_hard_activation_is_a_cast_a_clamp_and_a_cast() -> None:
    # The clamp's upper limit of 1 is no value of Q(0, 7): the cast behind it saturates there.
    assert layer(hard_elman(32).network, 4).phases[0].depth == 3


@pytest.mark.parametrize(
    ("rounding", "depth"),
    [
        (Rounding.TRN, 2),  # nothing to add
        (Rounding.RND_MIN_INF, 2),  # the bias holds the constant
        (Rounding.RND, 2),
        (Rounding.RND_CONV, 3),  # the constant depends on the sum
    ],
)
def test_rounding_folds_into_the_bias_only_where_it_is_a_constant(
    rounding: Rounding, depth: int
) -> None:
    formats = replace(FORMATS, sum=replace(FORMATS.sum, rounding=rounding))  # type: ignore[type-var]
    network = Design(layers=[Elman(8, name="rnn")], formats=formats, inputs=8).network
    assert layer(network, 4).phases[0].depth == depth


@pytest.mark.parametrize(("lanes", "cycles"), [(1, 969), (4, 252), (8, 136)])
def test_the_transform_feed_of_the_first_prototype(lanes: int, cycles: int) -> None:
    machine = layer(elman(64, Hadamard(before=False)).network, lanes)
    assert machine.cycles == cycles
    assert machine.basis is Basis.REALISED


def test_a_stage_format_costs_its_cast_in_every_short_stage() -> None:
    exact = layer(elman(16, Hadamard(before=False)).network, 8)
    staged = Design(
        layers=[Elman(16, recurrent=Hadamard(before=False), name="rnn")],
        formats=replace(FORMATS, stage=Q(3, 7)),
        inputs=8,
    )
    # Gf = 2 words: max(2, 1 + 3) cycles a stage, one more for a cast that drops no bits; all
    # stages of a chain wait alike.
    assert exact.phases[0].transform_cycles == 4 * 4
    assert layer(staged.network, 8).phases[0].transform_cycles == 4 * 5


def test_a_diagonal_before_the_transform_lengthens_the_write_back() -> None:
    plain = layer(elman(16, Hadamard(before=False)).network, 4)
    scaled = layer(elman(16, Hadamard()).network, 4)
    assert scaled.phases[0].depth == plain.phases[0].depth + 2  # one multiplication
    assert len(scaled.multipliers) == len(plain.multipliers) + 1


def test_a_transform_that_gates_share_runs_once() -> None:
    shared = layer(scanned(lstm(16, Hadamard(before=False))), 16)
    own = layer(scanned(lstm(16, Hadamard())), 16)
    assert len(shared.phases[0].transforms) == 1
    assert len(own.phases[0].transforms) == 4


def reset_before(units: int):  # type: ignore[no-untyped-def]
    """A second product reads a result of the same step."""

    def step(g: StepBuilder, x: Node) -> Node:
        h = g.state(units)
        r = g.cast(g.linear(Dense(), "Ur", h, units, g.linear(Dense(), "Wr", x, units)), "sum")
        gated = g.cast(g.multiply(r, h), "state", "gated")
        n = g.linear(Dense(), "Un", gated, units, g.linear(Dense(), "Wn", x, units))
        return g.update(h, g.cast(n, "state"))

    return step


def test_a_product_of_the_same_step_is_a_new_phase() -> None:
    machine = layer(scanned(reset_before(16)), 4)
    first, second = machine.phases
    assert (first.rows, second.rows) == (16, 16)
    assert (first.columns, second.columns) == (24, 24)
    assert machine.cycles == first.cycles + second.cycles
    assert first.cycles == 3 * 24 + 24 + 7 + 3 + first.depth
    assert first.depth == 1 + 2 + 2  # cast, multiply, cast
    assert machine.basis is Basis.REALISED, machine.assumptions


# --- edges of lanes ----------------------------------------------------------------------------
def test_one_unit_on_one_lane() -> None:
    machine = layer(elman(1).network, 1)
    assert machine.cycles == 9 + 7 + 2  # one group: C + 7 + D
    assert 2 * machine.macs == machine.lanes * machine.cycles


def test_as_many_lanes_as_rows() -> None:
    assert layer(elman(32).network, 32).cycles == 40 + 7 + 31 + 2


def test_a_short_row_waits_for_the_post_processor() -> None:
    machine = layer(elman(32, Diagonal()).network, 16)
    assert machine.phases[0].group_interval == 17  # a window of 16 units, then one column
    assert layer(head(2, 64).network, 16).bound_by == "post-processor"


def test_more_lanes_than_rows_are_not_used() -> None:
    assert layer(elman(8).network, 64).lanes == 8


def test_lanes_by_name_are_exact() -> None:
    network = elman(8).network
    assert accelerator(network, {"rnn": 8}).layers[0].lanes == 8
    with pytest.raises(DesignError) as refused:
        accelerator(network, {"rnn": 9})
    assert "8 rows" in refused.value.message
    assert "from 1 to 8" in refused.value.hint


def test_a_window_takes_whole_units() -> None:
    network = scanned(lstm(32, band(3)))
    assert legal_lanes(network.scans[0].graph) == range(4, 129, 4)
    with pytest.raises(DesignError) as refused:
        accelerator(network, 6)
    assert "multiples of 4 from 4 to 128" in refused.value.hint


@pytest.mark.parametrize("lanes", [0, -1, True, 1.5])
def test_lanes_are_whole_and_positive(lanes: object) -> None:
    with pytest.raises(DesignError, match="lanes are not possible"):
        accelerator(elman(8).network, {"rnn": lanes})  # type: ignore[dict-item]


def test_an_unknown_layer_lists_the_known() -> None:
    with pytest.raises(DesignError) as refused:
        accelerator(elman(8).network, {"rnnn": 2})
    assert "did you mean 'rnn'" in refused.value.hint


# --- memories ----------------------------------------------------------------------------------
def sizes(machine: LayerMachine) -> dict[str, tuple[int, int]]:
    return {memory.name: (memory.depth, memory.width) for memory in machine.memories}


def test_memories_of_a_dense_layer() -> None:
    assert sizes(layer(elman(30).network, 4)) == {
        "weights": (8 * 38, 32),
        "biases": (30, 15),
        "state table": (256, 8),
        "x": (16, 8),
        "state": (64, 8),
    }


def test_rounding_alone_needs_no_memory_of_biases() -> None:
    unbiased = Elman(30, bias=False, activation=Tanh(), name="rnn")
    plain = Design(layers=[unbiased], formats=FORMATS, inputs=8)
    stored = sizes(layer(elman(30).network, 4))
    del stored["biases"]
    assert sizes(layer(plain.network, 4)) == stored
    # Two gates whose casts round at different places start from different numbers.
    assert sizes(layer(scanned(unlike_gates), 4))["biases"][0] == 2 * 30


def unlike_gates(g: StepBuilder, x: Node) -> Node:
    """Two rows a unit without biases, cast to 4 and to 7 bits behind the point."""
    a = g.cast(g.linear(Dense(), "A", x, 30), "sum")
    b = g.cast(g.linear(Dense(), "B", x, 30), "gate")
    return g.add(a, b)


def test_stored_and_padded_bits_differ() -> None:
    machine = layer(elman(30, Banded(1, 1)).network, 4)
    weights = machine.memories[0]
    assert weights.stored_bits == 8 * (30 * 8 + 3 * 30 - 2)  # without the band's corners
    assert weights.padded_bits == 8 * 4 * 8 * (8 + 3)  # 8 groups of 4 lanes
    state = next(memory for memory in machine.memories if memory.kind is MemoryKind.STATE)
    assert (state.stored_bits, state.padded_bits) == (240, 512)


@pytest.mark.parametrize(
    ("network", "lanes", "cycles"),
    [
        (elman(32).network, 4, {"MAC lanes": 320, "transform": 0, "pipeline latency": 12}),
        # 60 rows leave the lanes one a cycle: longer than 4 columns.
        (head(4, 61).network, 60, {"post-processor": 64, "transform": 0, "pipeline latency": 8}),
    ],
)
def test_cycles_are_told_by_what_they_wait_for(
    network: Network, lanes: int, cycles: dict[str, int]
) -> None:
    (phase,) = layer(network, lanes).phases
    assert phase.bound_by == cycles
    assert sum(cycles.values()) == phase.cycles


def test_one_gate_of_several_with_a_snapshot_waits_for_the_lanes() -> None:
    """The candidate's snapshot leaves the lanes one accumulator a cycle, behind 8 input columns."""
    for lanes, early in ((4, 8), (24, 24)):
        (phase,) = layer(scanned(gru(32)), lanes).phases
        assert (phase.snapshot, phase.early_columns, phase.columns) == (True, early, early + 32)


def test_a_state_read_twice_is_stored_once() -> None:
    machine = layer(scanned(gru(32)), 4)
    states = [memory for memory in machine.memories if memory.kind is MemoryKind.STATE]
    assert [(m.depth, m.width) for m in states] == [(64, 8), (32, 8)]
    assert sum(memory.stored_bits for memory in states) == 32 * 8


def test_gates_share_a_rom() -> None:
    assert sizes(layer(scanned(lstm(32)), 4))["gate tables sigmoid+tanh"] == (512, 8)


@pytest.mark.parametrize(
    ("units", "where"), [(4, "registers"), (5, "block RAM")]
)  # 2 x 4 x 8 = 64 bits is the most that is made of registers
def test_small_vectors_are_registers(units: int, where: str) -> None:
    machine = layer(elman(units).network, 1)
    state = next(memory for memory in machine.memories if memory.kind is MemoryKind.STATE)
    assert place(state, fpga("ice40up5k")).where == where


@pytest.mark.parametrize(  # what yosys 0.70 made of a memory without an attribute
    ("depth", "width", "ice40", "ecp5"),
    [
        (8, 8, "registers", "LUT RAM"),
        (64, 1, "registers", "LUT RAM"),
        (16, 5, "block RAM", "LUT RAM"),
        (4, 20, "registers", "LUT RAM"),  # two blocks
        (4, 32, "registers", "LUT RAM"),
        (8, 12, "block RAM", "LUT RAM"),
        (64, 16, "block RAM", "LUT RAM"),
        (128, 8, "block RAM", "LUT RAM"),
        (256, 8, "block RAM", "block RAM"),
    ],
)
def test_vectors_lie_where_synthesis_puts_them(
    *, depth: int, width: int, ice40: str, ecp5: str
) -> None:
    vector = Memory("v", MemoryRole.INPUT, depth, width, 0)
    assert place(vector, fpga("ice40up5k")).where == ice40
    assert place(vector, fpga("ecp5-25")).where == ecp5
    table = Memory("t", MemoryRole.TABLE, depth, width, 0)
    assert place(table, fpga("ecp5-25")).where == "block RAM"


# --- over time ---------------------------------------------------------------------------------
def stack(*layers: object, **more: object) -> Accelerator:
    design = Design(layers=layers, formats=FORMATS, inputs=8, **more)  # type: ignore[arg-type]
    return accelerator(design.network, 4)


def test_a_single_layer_over_time() -> None:
    machine = accelerator(elman(32).network, 4)
    assert machine.step_interval == 332
    assert machine.step_latency == 8 + 332
    for steps in (1, 2, 100):
        assert machine.sequence_cycles(steps) == 8 + steps * 332


@pytest.mark.parametrize(("first", "second"), [(32, 8), (8, 32), (16, 16)])
def test_a_stack_runs_at_its_slowest_layer(first: int, second: int) -> None:
    machine = stack(Elman(first, name="a"), Elman(second, name="b"))
    slow = max(layer.cycles for layer in machine.layers)
    both = sum(layer.cycles for layer in machine.layers)
    assert machine.step_interval == slow
    assert machine.step_latency == 8 + both
    for steps in (1, 2, 50):
        assert machine.sequence_cycles(steps) == 8 + both + (steps - 1) * slow


def test_a_layer_behind_the_last_step_runs_once() -> None:
    machine = stack(Elman(32, name="rnn"), Last(), Linear(10, name="head"))
    rnn, out = machine.layers
    assert (rnn.once, out.once) == (False, True)
    assert machine.step_interval == rnn.cycles
    assert machine.tail == out.cycles
    assert machine.sequence_cycles(5) == 8 + 5 * rnn.cycles + out.cycles
    assert machine.macs == rnn.macs


def test_a_total_passes_one_cycle_behind_its_source() -> None:
    machine = stack(Elman(32, name="rnn"), Mean(name="mean"), Linear(10, name="head"), max_steps=9)
    rnn, total, out = machine.layers
    assert total.cycles == 1
    assert total.lanes == 0 and total.macs == 0
    assert (rnn.once, total.once, out.once) == (False, False, True)
    assert machine.sequence_cycles(2) == 8 + 2 * rnn.cycles + total.cycles + out.cycles


def test_a_divided_mean_has_no_lanes() -> None:
    machine = stack(
        Elman(32, name="rnn"),
        Mean(divide=True, name="mean"),
        Linear(10, name="head"),
        max_steps=9,
    )
    mean = machine.layers[2]
    assert mean.lanes == 0
    # One column, rows after the first, pipeline, table to cast.
    assert mean.cycles == 1 + 31 + 7 + 2 + 2 + 1


def test_a_window_is_a_shift_buffer() -> None:
    machine = stack(Window(5), Elman(16, name="rnn"))
    (rnn,) = machine.layers
    assert rnn.phases[0].columns == 40 + 16
    assert sizes(rnn)["x"] == (6 * 8, 8)  # five steps, and the one that arrives
    assert machine.step_latency == 8 + rnn.cycles


def test_no_layer_at_all_is_refused_before() -> None:
    with pytest.raises(DesignError, match="no layers"):
        _ = Design(layers=[], formats=FORMATS, inputs=8).network


@pytest.mark.parametrize("units", [2, 3, 4, 5, 8])
def test_sums_of_a_vector_and_what_waits_for_them_come_in_phases_of_their_own(units: int) -> None:
    """Vectors of one length that wait for those of another, which wait for some of the first: they
    put each other off without end once."""
    formats = Formats(
        input=Q(2, 2), weight=Q(5, 4), sum=Q(0, 8), state=Q(1, 4), output=Q(0, 7), stage=Q(2, 3)
    )
    network = Design([LayerNorm(name="n")], formats, inputs=units).network
    machine = layer(network, 1)
    assert machine.cycles > 3 * units


# --- traffic -----------------------------------------------------------------------------------
def test_traffic_is_after_reuse_by_the_lanes() -> None:
    traffic = layer(elman(32).network, 4).traffic
    assert traffic.weight_reads == 8 * 40
    assert traffic.weight_read_bits == 32 * 40 * 8
    assert traffic.vector_reads == 8 * 40  # one element for all lanes
    assert (traffic.bias_reads, traffic.table_reads) == (32, 32)
    assert traffic.vector_writes == 8 + 32


def test_a_window_reads_its_ends_too() -> None:
    assert layer(elman(32, band(3)).network, 4).traffic.vector_reads == 8 * (8 + 7 + 3)


# --- the rule of the house -----------------------------------------------------------------------
def test_the_machine_knows_no_cell() -> None:
    root = ROOT / "rnnhw"
    modules = [
        path for room in ("accelerator", "cost") for path in sorted((root / room).rglob("*.py"))
    ]
    assert len(modules) > 5
    for module in modules:
        found = re.findall(
            r"elman|lstm|gru|linear|from rnnhw.layers.cells", module.read_text(), re.I
        )
        assert not found, (module.name, found)
