"""A network's Verilog held against its golden run in a simulator."""

from pathlib import Path

from helpers.rtl_cases import Case

from rnnhw.accelerator import accelerator, output_cycles
from rnnhw.execution import golden
from rnnhw.rtl.bench import stimulus_of
from rnnhw.rtl.network import emit_network
from rnnhw.rtl.project import write_project
from rnnhw.rtl.tools.check import check
from rnnhw.rtl.tools.simulators import SIMULATORS

__all__ = ["ICARUS", "VERILATOR", "assert_equal_in_verilog", "stimulus_for"]

ICARUS, VERILATOR = (SIMULATORS[name] for name in ("iverilog", "verilator"))


def assert_equal_in_verilog(
    case: Case, folder: Path, simulator=ICARUS, run=golden.run, edit=None
) -> None:
    machine = accelerator(case.network, case.lanes)
    emission = emit_network("net", case.network, machine, case.parameters)
    result = run(case.network, case.parameters, case.batch)
    stimulus = stimulus_for(case, machine, result)
    write_project(emission, folder, stimulus)
    if edit is not None:
        edit(folder)
    for found in check(emission, stimulus, folder, simulator):
        assert found.passed, (found, case.lanes)
        assert found.outputs == stimulus.elements
        assert found.outputs == sum(
            given.lengths.sum() * given.values.shape[2] for given in result.by_output.values()
        )


def stimulus_for(case: Case, machine, result):
    """What the bench sends, and expects of every output and in which cycles."""
    due = []
    for node in case.network.outputs:
        given = result.by_output[node.name]
        cycles = output_cycles(case.network, machine, case.batch.lengths.tolist(), node)
        due.append((given.values, given.lengths, tuple(cycles)))
    return stimulus_of(case.batch.inputs, case.batch.lengths, *due[0], further=due[1:])
