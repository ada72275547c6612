"""A network's Verilog held against its golden run in a simulator."""

import re
from functools import lru_cache
from pathlib import Path

from helpers.rtl_cases import Case

from rnnhw.accelerator import accelerator, output_cycles
from rnnhw.execution import golden
from rnnhw.rtl.bench import stimulus_of
from rnnhw.rtl.network import emit_network
from rnnhw.rtl.project import project_files
from rnnhw.rtl.tools.check import check
from rnnhw.rtl.tools.simulators import SIMULATORS

__all__ = [
    "ICARUS",
    "VERILATOR",
    "assert_equal_in_verilog",
    "stimulus_for",
    "without_sinks",
    "write_without_sinks",
]

ICARUS, VERILATOR = (SIMULATORS[name] for name in ("iverilog", "verilator"))


def assert_equal_in_verilog(
    case: Case, folder: Path, simulator=ICARUS, run=golden.run, edit=None
) -> None:
    machine = accelerator(case.network, case.lanes)
    emission = emit_network("net", case.network, machine, case.parameters)
    result = run(case.network, case.parameters, case.batch)
    stimulus = stimulus_for(case, machine, result)
    write_without_sinks(emission, folder, stimulus)
    if edit is not None:
        edit(folder)
    for found in check(emission, stimulus, folder, simulator):
        assert found.passed, (found, case.lanes)
        assert found.outputs == stimulus.elements
        assert found.outputs == sum(
            given.lengths.sum() * given.values.shape[2] for given in result.by_output.values()
        )


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
