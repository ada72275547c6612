"""A network's Verilog held against its golden run in a simulator."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from helpers.rtl_cases import Case

from rnnhw.accelerator import accelerator, output_cycles
from rnnhw.execution import golden
from rnnhw.rtl.bench import Stimulus, bench_name, stimulus_of
from rnnhw.rtl.bundle import Emission
from rnnhw.rtl.network import emit_network
from rnnhw.rtl.project import project_files, sources
from rnnhw.rtl.tools.check import STALLS_SEED, bench_run, check, reset_cycle
from rnnhw.rtl.tools.simulators import SIMULATORS

__all__ = [
    "ICARUS",
    "VERILATOR",
    "assert_all_equal_in_verilog",
    "assert_equal_in_verilog",
    "stimulus_for",
    "without_sinks",
    "write_without_sinks",
]

ICARUS, VERILATOR = (SIMULATORS[name] for name in ("iverilog", "verilator"))


@dataclass(frozen=True)
class _Bench:
    """A case as Verilog, and what its test bench sends and expects."""

    case: Case
    emission: Emission
    stimulus: Stimulus
    expected: int

    def check(self, found) -> None:
        assert found.passed, (found, self.case.lanes)
        assert found.outputs == self.stimulus.elements == self.expected


def _bench_of(name: str, case: Case, run) -> _Bench:
    machine = accelerator(case.network, case.lanes)
    emission = emit_network(name, case.network, machine, case.parameters)
    result = run(case.network, case.parameters, case.batch)
    elements = sum(
        given.lengths.sum() * given.values.shape[2] for given in result.by_output.values()
    )
    return _Bench(case, emission, stimulus_for(case, machine, result), elements)


def assert_equal_in_verilog(case: Case, folder: Path, simulator=ICARUS, run=golden.run) -> None:
    bench = _bench_of("net", case, run)
    write_without_sinks(bench.emission, folder, bench.stimulus)
    for found in check(bench.emission, bench.stimulus, folder, simulator):
        bench.check(found)


def assert_all_equal_in_verilog(cases: Sequence[Case], folder: Path, edit=None) -> None:
    """The same for many small cases, whose benches run side by side: starting the compiler and the
    simulator, and reading the static modules, takes as long as such a bench.

    ``edit`` changes files of the folder.
    """
    benches = [_bench_of(f"net{k}", case, golden.run) for k, case in enumerate(cases)]
    for bench in benches:
        write_without_sinks(bench.emission, folder, bench.stimulus)
        path = folder / f"{bench_name(bench.emission)}.v"
        path.write_text(_beside_others(path.read_text(), bench.emission.name))
    tops = [bench_name(bench.emission) for bench in benches]
    instances = "".join(f"  {top} of_{top} ();\n" for top in tops)
    (folder / "all_tb.v").write_text(f"module all_tb;\n{instances}endmodule\n")
    if edit is not None:
        edit(folder)
    files = {file for bench in benches for file in sources(bench.emission)}
    verilog = [*sorted(files), *(f"{top}.v" for top in tops), "all_tb.v"]
    with tempfile.TemporaryDirectory() as place:
        command = ICARUS.build(folder, verilog, "all_tb", Path(place), None)
        resets = [f"+{b.emission.name}_reset={reset_cycle(b.stimulus)}" for b in benches]
        for options in ([], [f"+stalls={STALLS_SEED}", *resets]):
            said = ICARUS.run([*command, *options], folder, 600)
            lines = [line.partition(": ") for line in said.splitlines()]
            for bench in benches:
                mine = "\n".join(what for name, _, what in lines if name == bench.emission.name)
                stimulus = bench.stimulus
                bench.check(bench_run("iverilog", bool(options), mine, bench.emission, stimulus))


def _beside_others(bench: str, name: str) -> str:
    """A test bench that says its name in front of every line, has its own reset, and stands still
    at its end, so that the simulation is over when all benches are."""
    edits = [
        (r'\$display\("', f'$display("{name}: '),
        (r'"reset=%d"', f'"{name}_reset=%d"'),
        (r"\$finish;", "ended = 1;"),
        (
            r"always #5 clk = ~clk;",
            "reg ended = 0;\n  always #5 if (!ended) clk = ~clk; else wait (!ended);",
        ),
    ]
    for pattern, text in edits:
        bench, count = re.subn(pattern, text, bench)
        assert count, pattern
    return bench


def write_without_sinks(emission, folder: Path, stimulus) -> None:
    """The files of a project for a simulator alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in project_files(emission, stimulus).items():
        (folder / name).write_text(without_sinks(text) if name.endswith(".v") else text)


@lru_cache
def without_sinks(text: str) -> str:
    """A Verilog file without the wires that only read what nothing else does.

    They keep linters quiet, and take the simulator a tenth of its time. What does not read them
    can not tell; what did would no longer compile, as no file has nets without a declaration.
    """
    return re.sub(r"^ *wire unused\w* = &\{1'b0, [^;]*\};", "", text, flags=re.MULTILINE)


def stimulus_for(case: Case, machine, result):
    """What the bench sends, and expects of every output and in which cycles."""
    due = []
    for node in case.network.outputs:
        given = result.by_output[node.name]
        cycles = output_cycles(case.network, machine, case.batch.lengths.tolist(), node)
        due.append((given.values, given.lengths, tuple(cycles)))
    return stimulus_of(case.batch.inputs, case.batch.lengths, *due[0], further=due[1:])
