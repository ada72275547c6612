"""Emitted files in tools as they come, without an option; and refusals that say what to write."""

import random
import subprocess
from pathlib import Path

import pytest
from helpers.rtl_cases import Case, draw_batch, draw_parameters
from helpers.tools import linted

from rnnhw.accelerator import accelerator
from rnnhw.design.design import Design
from rnnhw.errors import DesignError
from rnnhw.graph.builder import Formats
from rnnhw.layers.cells import GRU, LSTM, Linear
from rnnhw.layers.structures import BlockDiagonal, Dense, LowRank, Sparse, Toeplitz
from rnnhw.numerics.cast import Q
from rnnhw.rtl.modules import MODULES
from rnnhw.rtl.network import emit_network
from rnnhw.rtl.project import sources, write_project
from rnnhw.rtl.tools.yosys import find_tool

FORMATS = Formats(
    input=Q(2, 5), weight=Q(1, 6), state=Q(0, 7), sum=Q(3, 4), cell=Q(2, 7), output=Q(2, 5)
)
STATIC = Path(__file__).parents[2] / "rnnhw" / "rtl" / "verilog"


def emitted(folder):
    """A network with tables, first states, blocks and low ranks; its files without the bench."""
    layers = [
        LSTM(6, inputs=BlockDiagonal(2), initial=True, name="a"),
        GRU(6, inputs=LowRank(2), name="b"),
        Linear(4, structure=BlockDiagonal(2), name="c"),
    ]
    r = random.Random(0)
    network = Design(layers, FORMATS, inputs=9).network
    case = Case(network, 5, draw_parameters(r, network), draw_batch(r, network))
    emission = emit_network("net", network, accelerator(network, case.lanes), case.parameters)
    write_project(emission, folder, None)
    return list(sources(emission))


@pytest.mark.tools("yosys")
def test_yosys_reads_an_emitted_network_without_options(tmp_path) -> None:
    files = emitted(tmp_path)
    script = f"read_verilog {' '.join(files)}; hierarchy -check -top net; proc; check -assert"
    find_tool("yosys").run(["-q", "-p", script], tmp_path)


@pytest.mark.tools("yosys")
def test_yosys_reads_every_static_module_by_itself(tmp_path) -> None:
    paths = [str(STATIC / f"{name}.v") for name in MODULES]
    find_tool("yosys").run(["-q", "-p", f"read_verilog {' '.join(paths)}"], tmp_path)


@linted
def test_verilator_reads_an_emitted_network_without_options(tmp_path) -> None:
    files = emitted(tmp_path)
    command = ["verilator", "--lint-only", "-Wall", "--top-module", "net", *files]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("layer", "formats", "where", "cure"),
    [
        (GRU(4, recurrent=(Dense(), Dense(), Toeplitz()), name="a"), {}, r"a\.Uh\.n", "use Dense"),
        (Linear(4, structure=Sparse(1, 2), name="a"), {}, r"a\.Wx", "use Dense"),
        (Linear(4, name="a"), {"product": Q(1, 4)}, r"a\.Wx", r"leave out Formats\(product"),
        (Linear(4, name="a"), {"accumulator": Q(1, 4)}, r"a\.Wx", "overflow=WRAP"),
    ],
    ids=repr,
)
def test_a_refusal_names_the_gate_and_what_to_write(layer, formats, where, cure) -> None:
    given = {role: getattr(FORMATS, role) for role in FORMATS.__dataclass_fields__}
    network = Design([layer], Formats(**(given | formats)), inputs=4).network
    parameters = draw_parameters(random.Random(0), network)
    with pytest.raises(DesignError, match=f"^{where}: .* cannot be emitted as Verilog") as caught:
        emit_network("net", network, accelerator(network, 3), parameters)
    assert cure.replace("\\", "") in caught.value.hint
