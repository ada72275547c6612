"""The project folder and the test bench, on a hand-written network that is right or wrong."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from helpers.tools import simulated

import rnnhw
from rnnhw.errors import RnnhwError, UsageError
from rnnhw.numerics.cast import Q
from rnnhw.rtl.bench import bench_files, stimulus_of
from rnnhw.rtl.bundle import Emission
from rnnhw.rtl.project import project_files, write_project
from rnnhw.rtl.tools.check import check
from rnnhw.rtl.tools.simulators import SIMULATORS, Icarus, simulators

SIMULATED = [
    pytest.param(name, marks=pytest.mark.tools(name)) for name in ("iverilog", "verilator")
]

# A vector of two elements, held until there is room; its sum and the sum of the sequence go out.
TINY = """
module tiny (
  input wire clk, input wire rst,
  input wire x_valid, input wire x_first, input wire x_last, input wire signed [7:0] x_data,
  output wire x_ready,
  output wire y_valid, output wire y_first, output wire y_last, output wire signed [11:0] y_data,
  input wire y_ready
);
  reg signed [11:0] sum;
  reg signed [11:0] total;
  reg second, full, first, last, out;
  wire take = full & y_ready & ~out;
  wire signed [11:0] grown;
  rnnhw_add #(.A_WIDTH(8), .B_WIDTH(12), .WIDTH(12)) add (
    .clk(clk), .en(x_valid), .a(x_data), .b(second ? sum : 12'sd0), .y(grown));
  always @* sum = grown;
  always @(posedge clk) begin
    if (rst) begin second <= 0; full <= 0; out <= 0; end
    else begin
      if (x_valid) second <= ~second;
      full <= (x_valid & second) | (full & ~take);
      out <= take;
    end
    if (x_valid) begin first <= x_first; last <= x_last; end
    if (take) total <= (first ? 12'sd0 : total) + sum;
    else if (out) total <= total;
  end
  assign x_ready = ~full & ~out;
  assign y_valid = take | out;
  assign y_data = out ? total : sum;
  assign y_first = first;
  assign y_last = last;
endmodule
"""


def emission(text=TINY):
    return Emission(
        name="tiny",
        files={"tiny.v": text, "tiny_unused.hex": "0f\n"},
        modules=("rnnhw_add",),
        inputs=2,
        input_format=Q(7, 0),
        outputs=2,
        output_format=Q(7, 4),
    )


def stimulus():
    """Sequences of 3, 1, 4 and 2 steps."""
    rng = np.random.default_rng(7)
    lengths = np.array([3, 1, 4, 2])
    inputs = rng.integers(-128, 128, (4, 4, 2))
    sums = inputs.sum(axis=2)
    outputs = np.stack([sums, sums.cumsum(axis=1)], axis=2)
    # Two cycles bring a vector, two take its results out.
    cycles = tuple(4 * k + 3 for k in range(int(lengths.sum())))
    return stimulus_of(inputs, lengths, outputs, lengths, cycles)


def checked(tmp_path, text=TINY, simulator="iverilog", **options):
    write_project(emission(text), tmp_path, stimulus())
    return check(emission(text), stimulus(), tmp_path, SIMULATORS[simulator], **options)


def wrong(old, new):
    assert old in TINY
    return TINY.replace(old, new)


# --- the bench -----------------------------------------------------------------------------------
@pytest.mark.parametrize("simulator", SIMULATED)
def test_a_right_network_passes_in_its_cycles_and_with_stalls(tmp_path, simulator):
    plain, stalled = checked(tmp_path, simulator=simulator)
    assert plain.passed and stalled.passed and plain.first is None
    assert (plain.outputs, plain.vectors, plain.cycles) == (20, 10, 40)
    assert (stalled.outputs, stalled.vectors) == (20, 10) and stalled.cycles > 60
    assert (plain.stalls, stalled.stalls) == (False, True)
    assert re.fullmatch(rf"{simulator} \d+\.\d+", plain.simulator)


FAULTS = {
    "a wrong sum": (
        wrong("+ sum;", f"+ sum + (sum == {int(stimulus().outputs[9, 0])});"),
        "differences", None,
    ),
    "a sequence that does not start anew": (
        wrong("first ? 12'sd0 : total", "total"),
        "differences", "sequence 0, step 0, unit 1: expected",
    ),
    "a wrong flag": (
        wrong("y_last = last", "y_last = first"),
        "differences", "sequence 0, step 0, unit 0: expected",
    ),
    "an output that is never driven": (
        wrong("y_data = out ? total : sum", "y_data = out ? {total[11:1], 1'bz} : sum"),
        "differences", "got ",
    ),
    "no reset": (
        wrong("if (rst) begin second <= 0; full <= 0; out <= 0; end\n    else", ""),
        "faults", "x_ready is x",
    ),
    "a reset that does not clear what was used": (
        wrong("second <= 0; full", "second <= used; full").replace(
            "reg second,",
            "reg used = 0; always @(posedge clk) if (x_valid) used <= 1;\n  reg second,",
        ),
        "differences", None,
    ),
    "an output that does not wait": (
        wrong("full & y_ready & ~out", "full & ~out"),
        "faults", "came while y_ready had been low",
    ),
    "a network that hangs": (
        wrong("full & y_ready & ~out", "1'b0"),
        "faults", "sequence 0, step 0, unit 0 has not come; x_ready is 0",
    ),
    "an input that counts cycles, not elements": (
        wrong("if (x_valid) second", "if (x_valid | second) second"),
        None, None,
    ),
    "data that is read without valid": (
        wrong("if (x_valid) begin first", "begin first"),
        "differences", None,
    ),
}  # fmt: skip


@simulated
@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_network_fails(tmp_path, fault):
    text, field, said = FAULTS[fault]
    runs = checked(tmp_path, text)
    failed = [run for run in runs if not run.passed]
    assert failed
    if field:
        assert any(getattr(run, field) for run in failed)
    assert all(run.first for run in failed)
    assert said is None or any(said in run.first for run in failed), [run.first for run in failed]


@simulated
def test_a_reset_on_the_way_belongs_to_the_second_run(tmp_path):
    plain, stalled = checked(tmp_path, FAULTS["a reset that does not clear what was used"][0])
    assert plain.passed and not stalled.passed


@simulated
def test_the_first_difference_names_sequence_step_unit_and_values(tmp_path):
    text = wrong("y_data = out ? total : sum", "y_data = out ? total + 12'sd1 : sum")
    plain, stalled = checked(tmp_path, text)
    value = int(stimulus().outputs[0, 1])
    expected = f"sequence 0, step 0, unit 1: expected {value}, got {value + 1}"
    assert plain.first == stalled.first == expected
    assert plain.differences == 10 and stalled.differences == 13 and plain.late == 0


@simulated
def test_a_cycle_too_many_is_a_failure_that_stalls_hide(tmp_path):
    late = wrong("x_ready = ~full & ~out", "x_ready = ~full & ~out & ~rested").replace(
        "reg second", "reg rested; always @(posedge clk) rested <= out;\n  reg second"
    )
    plain, stalled = checked(tmp_path, late)
    assert (plain.late, plain.differences, plain.faults) == (9, 0, 0)
    assert plain.first == "sequence 0, step 1: expected in cycle 7, came in cycle 8"
    assert stalled.passed


@simulated
def test_an_output_behind_the_last_one_is_a_failure(tmp_path):
    given = stimulus()
    fewer = stimulus_of(*(np.array(part)[:3] for part in sequences()), given.cycles[:8])
    write_project(emission(), tmp_path, given)
    texts = bench_files(emission(), fewer)
    for name in ("tiny_tb.v", "tiny_tb_y.hex", "tiny_tb_cycles.hex"):
        (tmp_path / name).write_text(texts[name])
    bench = tmp_path / "tiny_tb.v"
    bench.write_text(bench.read_text().replace("SENT = 8;", "SENT = 10;"))
    plain, stalled = check(emission(), fewer, tmp_path, SIMULATORS["iverilog"])
    assert plain.faults == stalled.faults == 4
    assert plain.first == "cycle 34: an output after the last one"


def sequences():
    """The padded arrays behind the stimulus."""
    rng = np.random.default_rng(7)
    inputs = rng.integers(-128, 128, (4, 4, 2))
    sums = inputs.sum(axis=2)
    lengths = np.array([3, 1, 4, 2])
    return inputs, lengths, np.stack([sums, sums.cumsum(axis=1)], axis=2), lengths


def test_a_stimulus_needs_a_cycle_for_every_output():
    with pytest.raises(ValueError, match="9 cycles for 10 output vectors"):
        stimulus_of(*sequences(), tuple(range(9)))


@pytest.mark.parametrize("simulator", SIMULATED)
@pytest.mark.parametrize("suffix", [".vcd", ".fst"])
def test_waves_hold_the_signals_by_name(tmp_path, simulator, suffix):
    waves = tmp_path / f"waves{suffix}"
    (run, _) = checked(tmp_path, simulator=simulator, waves=waves)
    assert run.passed and waves.stat().st_size > 500
    if suffix == ".vcd":
        assert re.search(r"\$var \w+ +12 \S+ total ", waves.read_text())


# --- the simulators ------------------------------------------------------------------------------
@simulated
def test_a_simulator_that_refuses_the_files_is_an_error_with_its_words(tmp_path):
    with pytest.raises(RnnhwError, match=r"iverilog failed: tiny\.v:\d+: syntax error"):
        checked(tmp_path, wrong("wire take =", "wire take = = "))


@simulated
def test_a_run_that_takes_too_long_is_an_error(tmp_path):
    endless = wrong("assign x_ready", "initial while (1) sum = 0;\n  assign x_ready")
    with pytest.raises(RnnhwError, match=r"not done after 0\.5 seconds"):
        checked(tmp_path, endless, seconds=0.5)


@simulated
def test_a_bench_without_a_result_is_an_error(tmp_path):
    early = wrong("assign x_ready", 'initial begin $display("bye"); $finish; end\n  assign x_ready')
    with pytest.raises(RnnhwError, match="gave no result: bye"):
        checked(tmp_path, early)


def test_a_simulator_that_is_missing_names_its_package():
    missing = Icarus("rnnhw-no-such-tool", "iverilog")
    assert not missing.installed
    with pytest.raises(UsageError, match="not installed") as caught:
        missing.require()
    assert "apt install iverilog" in caught.value.hint


def test_an_unknown_simulator_is_an_error():
    with pytest.raises(UsageError, match="unknown simulator 'modelsim'"):
        simulators("modelsim")


# --- the folder ----------------------------------------------------------------------------------
def test_the_folder_holds_all_that_is_needed(tmp_path):
    names = write_project(emission(), tmp_path / "deep" / "folder", stimulus())
    folder = tmp_path / "deep" / "folder"
    assert sorted(path.name for path in folder.iterdir()) == list(names)
    assert set(names) == {
        "tiny.v", "tiny_unused.hex", "rnnhw_add.v", "tiny.f", "tiny.core", "tiny.h",
        "tiny_tb.v", "tiny_tb_x.hex", "tiny_tb_y.hex", "tiny_tb_cycles.hex",
    }  # fmt: skip
    for name in names:
        head = (folder / name).read_text().splitlines()[:3]
        assert any("SPDX-License-Identifier: MIT" in line for line in head), name
    assert "tiny_tb.v" not in write_project(emission(), tmp_path / "without")


def test_the_file_list_names_the_sources():
    lines = project_files(emission(), stimulus())["tiny.f"].splitlines()
    assert [line for line in lines if not line.startswith("//")] == ["tiny.v", "rnnhw_add.v"]


@simulated
def test_the_folder_works_without_rnnhw(tmp_path):
    write_project(emission(), tmp_path, stimulus())
    subprocess.run(
        ["iverilog", "-g2005", "-Wall", "-o", "tb.vvp", "-f", "tiny.f", "tiny_tb.v"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    ran = subprocess.run(
        ["vvp", "tb.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert ran.stdout.splitlines()[-1].startswith("PASS outputs=20 vectors=10 cycles=40 ")


def test_the_core_file_is_capi2():
    text = project_files(emission(), stimulus())["tiny.core"]
    assert text.startswith("CAPI=2:\n")
    assert re.search(rf"^name: ::tiny:{re.escape(rnnhw.__version__)}$", text, re.M)
    assert "      - tiny_unused.hex: {file_type: user, copyto: tiny_unused.hex}\n" in text
    assert "    toplevel: tiny_tb\n" in text and "    toplevel: tiny\n" in text
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    core = yaml.safe_load(text.partition("\n")[2])
    listed = [
        each if isinstance(each, str) else next(iter(each))
        for fileset in core["filesets"].values()
        for each in fileset["files"]
    ]
    others = {"tiny.f", "tiny.core", "tiny.h"}
    assert sorted(listed) == sorted(set(project_files(emission(), stimulus())) - others)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler is installed")
def test_the_header_gives_the_formats(tmp_path):
    write_project(emission(), tmp_path)
    (tmp_path / "main.c").write_text(
        '#include <stdio.h>\n#include "tiny.h"\n#include "tiny.h"\n'
        'int main(void) { printf("%d %d %d %d %d %d %d %d", TINY_INPUT_UNITS, TINY_INPUT_WIDTH,'
        " TINY_INPUT_FRACTION, TINY_INPUT_SIGNED, TINY_OUTPUT_UNITS, TINY_OUTPUT_WIDTH,"
        " TINY_OUTPUT_FRACTION, TINY_OUTPUT_SIGNED); }\n"
    )
    subprocess.run(["cc", "-Wall", "-Werror", "-o", "main", "main.c"], cwd=tmp_path, check=True)
    ran = subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True)
    assert ran.stdout == "2 8 0 1 2 12 4 1"


def test_files_of_others_stay_and_those_in_the_way_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    first = write_project(emission(), tmp_path, stimulus())
    before = {name: (tmp_path / name).read_text() for name in first}
    assert write_project(emission(), tmp_path, stimulus()) == first
    assert before == {name: (tmp_path / name).read_text() for name in first}
    assert (tmp_path / "notes.txt").read_text() == "mine"
    for name in ("tiny.h", "tiny.v", "rnnhw_add.v"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(UsageError, match=rf"{re.escape(name)} is there and was not written"):
            write_project(emission(TINY + "\n"), tmp_path, stimulus())
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).write_text(before[name])
    assert before == {name: (tmp_path / name).read_text() for name in first}


def test_a_file_where_the_folder_should_be_is_an_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file", tmp_path / "file" / "inner"):
        with pytest.raises(UsageError, match="cannot write into"):
            write_project(emission(), place)
    assert (tmp_path / "file").read_text() == "mine"


def test_the_same_network_gives_the_same_bytes():
    assert project_files(emission(), stimulus()) == project_files(emission(), stimulus())
