"""A design as Verilog in a folder, and held against the engine and the machine in a simulator."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from rnnhw.accelerator import Accelerator, accelerator, output_cycles
from rnnhw.commands.given import design_of, path_of
from rnnhw.cost.accelerator import machine_at
from rnnhw.cost.request import request_of
from rnnhw.cost.search.schedules import choose_lanes
from rnnhw.design.design import Design
from rnnhw.design.schedule import Arrangement
from rnnhw.design.tasks import Samples
from rnnhw.errors import DesignError, RnnhwError, UsageError
from rnnhw.execution.simulate import chosen_samples, simulate
from rnnhw.files import check_output, check_writable
from rnnhw.graph.network import Network
from rnnhw.profiles import Profile
from rnnhw.report.emission import Bench, EmissionResult, Port
from rnnhw.rtl.bench import Stimulus, stimulus_of
from rnnhw.rtl.bundle import Emission
from rnnhw.rtl.network import emit_network
from rnnhw.rtl.project import static_modules, write_project
from rnnhw.rtl.tools.check import BenchRun, check
from rnnhw.rtl.tools.simulators import simulators

__all__ = ["DEFAULT_CYCLES", "Emitted", "emission_of", "emit", "lanes_by_layer", "machine_of"]

DEFAULT_CYCLES = 50_000
"""The test bench holds as many of the first sequences as fit these cycles, at least one."""

_MOST_SEQUENCES = 1000  # that are tried for fitting


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Emitted(EmissionResult):
    """The result of :func:`emit`: with the Verilog, and what the test bench sends."""

    emission: Emission
    stimulus: Stimulus | None
    runs: tuple[BenchRun, ...]


def emit(
    design: Design | str | os.PathLike[str],
    directory: Path | str,
    *,
    data: str | os.PathLike[str] | None = None,
    lanes: int | Mapping[str, int] | Literal["auto"] | None = None,
    sequences: int | None = None,
    check: bool = False,
    simulator: str | None = None,
    waves: Path | str | None = None,
    step: Callable[[str], None] | None = None,
) -> Emitted:
    """Write ``design`` as Verilog-2005 into ``directory``, with a test bench on its real inputs.

    Args:
        design: a design with weights, or the path of its file.
        data: an ``.npz`` as for :func:`rnnhw.simulate`, instead of the task's samples.
        lanes: for every layer, or by layer name, or "auto" to have them chosen; by default the
            target's, else 1.
        sequences: the test bench holds the first so many; by default as many as fit
            :data:`DEFAULT_CYCLES` cycles.
        check: run the test bench.
        simulator: ``iverilog`` (the default), ``verilator`` or ``all``.
        waves: record the signals of the first run in this file, ``.fst`` or ``.vcd``.
        step: called with each step of a check as it begins.

    Raises:
        UsageError: arguments contradict one another, a simulator is missing, or the folder cannot
            be written.
        DesignError: the design cannot be emitted, or it has no inputs to check it on.
        RnnhwError: a simulator fails.
    """
    design, data = design_of(design), path_of("data", data)
    folder = path_of("directory", directory)
    if folder is None:
        raise UsageError("directory=None", "give the path of a folder")
    if not check and (simulator is not None or waves is not None):
        argument = "simulator=" if simulator is not None else "waves="
        raise UsageError(f"{argument} is for a check", "add check=")
    if sequences is not None and sequences < 1:
        raise UsageError(f"{sequences} sequences", "give a whole number, at least 1")
    chosen = simulators(simulator) if check else []
    recorded = None if waves is None else Path(waves)
    if recorded is not None:
        if len(chosen) > 1:
            raise UsageError("one file cannot hold the waves of two simulators", "choose one")
        if recorded.suffix.lower() not in (".vcd", ".fst"):
            raise UsageError(f"{recorded}: waves are recorded as .vcd or .fst", "name it so")
        check_writable(recorded)
        check_output(recorded, [*design.files, *([] if data is None else [data])])
    machine = machine_of(design, lanes)
    emission = emission_of(design, machine)
    stimulus = None
    if check or data is not None or design.task is not None:
        stimulus = _stimulus(design, machine, data, sequences)
    inputs = [*design.files, *([] if data is None else [data])]
    files = write_project(emission, folder, stimulus, inputs=inputs)
    runs: list[BenchRun] = []
    for each in chosen:
        assert stimulus is not None
        runs += _check(emission, stimulus, folder, each, waves=recorded, step=step)
    bench = f"{emission.name}_tb.v"
    generated = [name for name in emission.files if name.endswith(".v")]
    return Emitted(
        design=design,
        directory=folder,
        top=emission.name,
        files=files,
        generated=(*generated, *([bench] if stimulus else [])),
        static=static_modules(emission),
        lanes=lanes_by_layer(machine),
        ports=(
            Port("x_data", emission.inputs, emission.input_format),
            *(
                Port(f"{port.port}_data", port.units, port.format, port.name)
                for port in emission.output_ports
            ),
        ),
        bench=None if stimulus is None else _bench(stimulus),
        runs=tuple(runs),
        emission=emission,
        stimulus=stimulus,
    )


def _bench(stimulus: Stimulus) -> Bench:
    return Bench(stimulus.sequences, len(stimulus.inputs), stimulus.elements)


_check: Callable[..., list[BenchRun]] = check  # the function, which an argument of emit hides


def machine_of(
    design: Design,
    lanes: int | Mapping[str, int] | Literal["auto"] | None,
    profile: Profile | None = None,
) -> Accelerator:
    """The machine that is emitted of ``design``: on ``lanes``, in the only schedule that is.

    Lanes that are "auto" are chosen for ``profile``, by default the design's target.

    Raises:
        DesignError: the target asks for another schedule, or a layer cannot have its lanes.
        UsageError: no choice of lanes meets the deadline.
    """
    asked = design.target.arrangement if design.target else Arrangement()
    sequences = 1 if asked.interleave == "auto" else asked.interleave
    _refuse(design, replace(asked, overlap=asked.overlap is True, interleave=sequences).special)
    if lanes is None:
        lanes = design.target.lanes if design.target else 1
    if isinstance(lanes, str):
        machine = _chosen_machine(design, profile)
    else:
        try:
            machine = accelerator(design.network, lanes, Arrangement(overlap=asked.overlap))
        except RnnhwError as error:
            raise error.at(design.place) from None
    taken = {"overlap": any(machine.overlapped), "interleave": machine.sequences > 1}
    _refuse(design, [name for name, is_taken in taken.items() if is_taken])
    return machine


def _refuse(design: Design, schedules: Sequence[str]) -> None:
    """Refuse ``schedules`` that the target asks for, or that were chosen as it leaves them open."""
    if schedules:
        raise DesignError(
            f"{design.place}: a target with {', '.join(schedules)} cannot be emitted yet: only an "
            "engine for every layer, one step of one sequence at a time, weights on chip",
            "leave them out of the design's Target; `rnnhw report` takes them as options",
        )


def lanes_by_layer(machine: Accelerator) -> dict[str, int]:
    """The lanes of every layer that has any."""
    return {layer.name: layer.lanes for layer in machine.layers if layer.lanes}


def _chosen_machine(design: Design, profile: Profile | None) -> Accelerator:
    """The machine on the lanes and in the schedule that the search chooses for ``profile``."""
    target = design.target
    arrangement = None if target is None else target.arrangement.computed
    request = request_of(design, profile, lanes="auto", arrangement=arrangement)
    choice = choose_lanes(request)
    plan = choice.plan
    if not plan.met:
        raise UsageError(
            f"{design.place}: lanes auto: {'; '.join(plan.missing)}", "give lanes= as a number"
        )
    if plan.streamed:
        raise UsageError(
            f"{design.place}: lanes auto: weights do not fit on chip, and streamed ones cannot "
            "be emitted yet",
            "name a larger device in the design's Target, or give lanes= as a number",
        )
    return machine_at(replace(request, arrangement=choice.arrangement), plan.lanes)


def emission_of(design: Design, machine: Accelerator) -> Emission:
    """The Verilog of ``design`` on ``machine``; the top module is named after the design's file.

    Raises:
        DesignError: something cannot be emitted, or the weights are wrong.
    """
    name, parameters = design.path.stem if design.path else "network", design.parameters
    try:
        return emit_network(name, design.network, machine, parameters)
    except RnnhwError as error:
        raise error.at(design.place) from None


def _stimulus(
    design: Design, machine: Accelerator, data: Path | None, sequences: int | None
) -> Stimulus:
    samples = chosen_samples(design, data)
    network = design.network
    if samples.first:
        raise UsageError(
            f"{data}: the accelerator starts from the design's own first states, not from "
            f"{', '.join(samples.first)}",
            "leave them out of the data, or make them weights (initial=True)",
        )
    count = sequences or _fitting(network, machine, samples)
    first = Samples(samples.x[:count], samples.lengths[:count])
    result = simulate(design, samples=first)
    due = []
    for node in network.outputs:
        given = result.run.by_output[node.name]
        cycles = output_cycles(network, machine, first.lengths.tolist(), node)
        due.append((given.values, given.lengths, tuple(cycles)))
    return stimulus_of(result.batch.inputs, result.batch.lengths, *due[0], further=due[1:])


def _fitting(network: Network, machine: Accelerator, samples: Samples) -> int:
    """How many of the first sequences fit the cycles that a test bench has by default."""
    lengths: Sequence[int] = samples.lengths[:_MOST_SEQUENCES].tolist()
    vectors = np.cumsum([max(network.output.steps_for(length), 0) for length in lengths])
    cycles = np.array([0, *output_cycles(network, machine, lengths)])
    return max(int((cycles[vectors] < DEFAULT_CYCLES).sum()), 1)
