"""Per-channel power-of-two scales in Verilog: every output, every cycle, one shifter for all gates
where their sums are cast alone."""

import random
from dataclasses import replace

import pytest
from helpers.rtl_cases import Case, draw_batch
from helpers.scaled import EXPONENT, FORMATS, MULTIPLIED, scaled
from helpers.tools import simulated
from helpers.verilog import assert_equal_in_verilog

from rnnhw import GRU, LSTM, Elman, estimate
from rnnhw.accelerator import accelerator
from rnnhw.commands.synth import synthesis_flow
from rnnhw.layers.structures import BlockDiagonal
from rnnhw.profiles.device_families import device_families
from rnnhw.rtl.network import emit_network
from rnnhw.rtl.project import static_module
from rnnhw.rtl.tools.yosys import required, synthesise

OWN = replace(FORMATS, recurrent_scale_exponent=EXPONENT)
CASES = {
    "elman": (Elman(5, name="rnn"), FORMATS, 2),
    "lstm": (LSTM(5, name="rnn"), FORMATS, 4),
    "peephole": (LSTM(4, peephole=True, name="rnn"), FORMATS, 3),
    "own exponents": (LSTM(4, recurrent=BlockDiagonal(2), name="rnn"), OWN, 4),
    "gru": (GRU(5, name="rnn"), FORMATS, 4),
    "multipliers": (LSTM(4, name="rnn"), MULTIPLIED, 4),
    "gru with own": (GRU(4, recurrent_bias=True, name="rnn"), OWN, 1),
}


def modules(design):
    """The text of every module of a design, by name."""
    machine = accelerator(design.network, design.target.lanes)
    emission = emit_network("net", design.network, machine, design.parameters)
    return {name: text for name, text in emission.files.items() if name.endswith(".v")}


@simulated
@pytest.mark.parametrize("name", CASES)
def test_emitted_layers_equal_golden(name, tmp_path):
    layer, formats, lanes = CASES[name]
    design = scaled(layer, formats, lanes=lanes)
    batch = draw_batch(random.Random(name), design.network, steps=4)
    assert_equal_in_verilog(Case(design.network, lanes, design.parameters, batch), tmp_path)


@pytest.mark.parametrize(
    ("name", "shifters", "memories"), [("lstm", 1, 1), ("peephole", 1, 1), ("gru", 3, 2)]
)
def test_gates_share_one_shifter_and_one_memory_of_exponents(name, shifters, memories):
    layer, formats, lanes = CASES[name]
    design = scaled(layer, formats, lanes=lanes)
    (text,) = (text for file, text in modules(design).items() if file.endswith("_rnn.v"))
    assert text.count("rnnhw_shift #(") == shifters
    machine = accelerator(design.network, lanes)
    mapping = next(each.mapping for each in machine.layers if each.name == "rnn")
    assert sum(mapping.shifters.values()) == shifters
    notes = estimate(design).notes
    assert any(
        note.startswith("rnn: shifters of scaled rows: ") and "by up to 3" in note for note in notes
    )
    (found,) = (each for each in accelerator(design.network, lanes).layers if each.name == "rnn")
    exponents = [memory for memory in found.memories if "exponent" in memory.name]
    assert sum(memory.copies for memory in exponents) == memories
    rows = 4 * 5 if name == "lstm" else 0
    assert not rows or [(m.depth, m.width, m.stored_bits) for m in exponents] == [(20, 2, 40)]
    assert sum(m.stored_bits for m in exponents) == design.parameters.raw["rnn.W.exponent"].size * 2


@pytest.mark.tools("yosys")
@pytest.mark.parametrize(("bits", "most"), [(1, 30), (2, 90), (3, 110)])
def test_a_shifter_of_22_bits_takes_at_most_110_luts(bits, most, tmp_path):
    (tmp_path / "rnnhw_shift.v").write_text(static_module("rnnhw_shift"))
    width = 22 + (1 << bits) - 1
    (tmp_path / "top.v").write_text(
        f"module top(input clk, en, input signed [21:0] a, input [{bits - 1}:0] by, "
        f"output signed [{width - 1}:0] y); rnnhw_shift #(.A_WIDTH(22), .BY_WIDTH({bits + 1}), "
        f".WIDTH({width})) s (.clk(clk), .en(en), .a(a), .by({{1'b0, by}}), .y(y)); endmodule\n"
    )
    flow = synthesis_flow(device_families()["ecp5"])
    sources = ["rnnhw_shift.v", "top.v"]
    found = synthesise(tmp_path, sources, "top", flow, required("yosys"))
    assert found.lut <= most
