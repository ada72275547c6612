"""Netlists of yosys in the test bench of the emitted files."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnhw import LSTM, Design, Formats, HardSigmoid, HardTanh, Q, emit
from rnnhw.rtl.tools.yosys import find_tool


def models_of(family):
    """The simulation models of a family's cells, which come with yosys."""
    program = shutil.which("yosys")
    models = Path(program or "").resolve().parents[1] / "share" / "yosys" / family / "cells_sim.v"
    if not models.is_file():
        pytest.skip(f"{models} is not there")
    return models


@pytest.mark.tools("yosys", "iverilog")
def test_products_behind_wider_casts_are_right_in_multiplier_blocks(tmp_path):
    """Hard gates are cast to more fraction bits, in words that have more integer bits than they
    fill: ``synth_ice40 -dsp`` of yosys 0.23 leaves copies of a product's sign undriven."""
    models, random = models_of("ice40"), np.random.default_rng(0)
    design = Design(
        [LSTM(2, activation=HardTanh(), gate_activation=HardSigmoid(), name="rnn")],
        Formats(
            input=Q(1, 4), weight=Q(1, 4), state=Q(2, 13), cell=Q(2, 13), gate=Q(2, 13), sum=Q(1, 4)
        ),
        inputs=2,
    )
    shapes = {tensor.key: tensor.shape for tensor in design.network.tensors}
    design = replace(design, weights={k: random.normal(size=shape) for k, shape in shapes.items()})
    np.savez(tmp_path / "data.npz", x=random.normal(size=(2, 4, 2)))
    folder = tmp_path / "out"
    emit(design, folder, data=tmp_path / "data.npz")
    (listed,) = folder.glob("*.f")
    top = listed.stem
    files = [line for line in listed.read_text().split() if line.endswith(".v")]
    verilog = (folder / f"{top}_rnn.v").read_text()
    assert re.search(r"rnnhw_multiply #", verilog)
    script = f"read_verilog {' '.join(files)}; synth_ice40 -dsp -top {top}; write_verilog gates.v"
    find_tool("yosys").run(["-q", "-p", script], folder)
    assert "SB_MAC16" in (folder / "gates.v").read_text()
    command = ["iverilog", "-g2012", "-DNO_ICE40_DEFAULT_ASSIGNMENTS", "-s", f"{top}_tb", "-o",
               "gates.vvp", f"{top}_tb.v", "gates.v", str(models)]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    run = ["vvp", "-n", "gates.vvp"]
    said = subprocess.run(run, cwd=folder, check=True, capture_output=True, text=True, timeout=100)
    (result,) = re.findall(r"^(?:PASS|FAIL) .*$", said.stdout, re.M)
    assert result.startswith("PASS outputs=16 ") and "differences=0" in result
