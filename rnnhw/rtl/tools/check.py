"""An emitted network in a Verilog simulator, against the engine's outputs and the machine's cycles.

The bench (:mod:`rnnhw.rtl.bench`) compares every element; here its lines become differences with
a sequence, a step and a unit.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rnnhw.errors import RnnhwError
from rnnhw.files import scratch_folder
from rnnhw.numerics.cast import Q
from rnnhw.rtl.bench import Due, Stimulus, bench_name
from rnnhw.rtl.bundle import Emission, OutputPort
from rnnhw.rtl.project import sources
from rnnhw.rtl.tools.simulators import Simulator

__all__ = ["STALLS_SEED", "BenchRun", "bench_run", "check", "reset_cycle"]

Step = Callable[[str], None]
"""Is told what begins."""

STALLS_SEED = 1
"""The seed of the random gaps and stalls."""

_SECONDS = 600.0
_RESET_VECTOR, _RESET_CYCLES = 5, 7


@dataclass(frozen=True)
class BenchRun:
    """What one run of the test bench found.

    ``simulator`` names the tool and its version; with ``stalls`` elements came with gaps, outputs
    had to wait and there was a reset on the way, and cycles were not compared. ``differences``
    elements differed, ``late`` vectors came in another cycle, and there were ``faults`` of the
    protocol: an X, a vector without room for it, one too many, or none in time. ``first`` tells
    the first of all.
    """

    simulator: str
    stalls: bool
    outputs: int
    vectors: int
    cycles: int
    differences: int
    late: int
    faults: int
    first: str | None

    @property
    def passed(self) -> bool:
        """Whether nothing differed."""
        return not (self.differences or self.late or self.faults)


def check(
    emission: Emission,
    stimulus: Stimulus,
    directory: Path,
    simulator: Simulator,
    *,
    waves: Path | None = None,
    seconds: float = _SECONDS,
    step: Step | None = None,
) -> list[BenchRun]:
    """Run the test bench of a written project: in the cycles of the model, then with stalls and
    with a reset while it works.

    Args:
        directory: where :func:`rnnhw.rtl.project.write_project` wrote the same stimulus.
        waves: record the signals of the first run, as FST where the suffix is ``.fst``, else VCD.
        seconds: the time limit of a run.
        step: called with each step of the work as it begins.

    Raises:
        RnnhwError: the simulator refuses the files, fails or takes too long.
    """
    simulator.require()
    top = bench_name(emission)
    folder = directory.resolve()
    recorded = None if waves is None else waves.resolve()
    with scratch_folder() as place:
        verilog = [*sources(emission), f"{top}.v"]
        _begin(step, f"{simulator.command}: building the test bench")
        command = simulator.build(folder, verilog, top, place, recorded)
        version = simulator.version()
        runs = []
        for stalls in (False, True):
            options = [f"+waves={recorded}"] if recorded is not None else []
            if stalls:
                options = [f"+stalls={STALLS_SEED}", f"+reset={reset_cycle(stimulus)}"]
            gaps = " with gaps, stalls and a reset" if stalls else ""
            _begin(step, f"{simulator.command}: running the test bench{gaps}")
            said = simulator.run([*command, *options], folder, seconds)
            runs.append(bench_run(version, stalls, said, emission, stimulus))
    return runs


def _begin(step: Step | None, what: str) -> None:
    if step is not None:
        step(what)


def reset_cycle(stimulus: Stimulus) -> int:
    """A cycle in which work is under way: soon behind one of the first outputs."""
    cycles = min((due.cycles for due in stimulus.due if due.cycles), key=lambda each: each[0])
    return cycles[min(len(cycles), _RESET_VECTOR) - 1] + _RESET_CYCLES


_RESULT = re.compile(
    r"^(PASS|FAIL) outputs=(\d+) vectors=(\d+) cycles=(-?\d+) differences=(\d+) late=(\d+) "
    r"faults=(\d+)$",
    re.MULTILINE,
)
_DIFFERENCES = {
    "difference": r"vector=(\d+) unit=(\d+) expected=([01]+) got=([01xzXZ]+)",
    "cycle": r"vector=(\d+) expected=(\d+) got=(-?\d+)",
    "unknown": r"cycle=(-?\d+) x_ready=(.) y_valid=(.)",
    "surplus": r"cycle=(-?\d+)",
    "uninvited": r"cycle=(-?\d+) vector=(\d+)",
    "timeout": r"cycle=(-?\d+) vector=(\d+) unit=(\d+) x_ready=(.)",
}


def bench_run(
    version: str, stalls: bool, said: str, emission: Emission, stimulus: Stimulus
) -> BenchRun:
    """What a bench's lines say.

    Raises:
        RnnhwError: it printed no result.
    """
    result = _RESULT.search(said)
    if result is None:
        lines = [line for line in said.splitlines() if line.strip()]
        raise RnnhwError(
            f"{version} gave no result: {lines[-1] if lines else 'it printed nothing'}"
        )
    outputs, vectors, cycles, differences, late, faults = map(int, result.groups()[1:])
    told = (_told(line, emission, stimulus) for line in said.splitlines())
    first = next((text for text in told if text is not None), None)
    return BenchRun(version, stalls, outputs, vectors, cycles, differences, late, faults, first)


def _told(line: str, emission: Emission, stimulus: Stimulus) -> str | None:
    """A line of the bench about a difference, in the terms of the design."""
    kind, _, rest = line.partition(" ")
    which, port = 0, re.match(r"y(\d+) ", rest)
    if port is not None:
        which, rest = int(port[1]), rest[port.end() :]
    match = re.fullmatch(_DIFFERENCES.get(kind, "(?!)"), rest.strip())
    if match is None or which >= len(stimulus.due):
        return None
    output = emission.output_ports[which]
    said = _of_output(kind, match.groups(), output, stimulus.due[which])
    return f"output {output.name}: {said}" if output.name else said


def _of_output(kind: str, parts: tuple[str, ...], output: OutputPort, due: Due) -> str:
    """The message for a line of the bench about one output."""
    match kind:
        case "difference":
            place = f"{_place(due, int(parts[0]))}, unit {parts[1]}"
            flags = parts[2][:2] != parts[3][:2]
            wanted, got = (_element(bits, output.format, flags) for bits in parts[2:])
            return f"{place}: expected {wanted}, got {got}"
        case "cycle":
            place = _place(due, int(parts[0]))
            return f"{place}: expected in cycle {parts[1]}, came in cycle {parts[2]}"
        case "unknown":
            return f"cycle {parts[0]}: x_ready is {parts[1]}, y_valid is {parts[2]}"
        case "surplus":
            return f"cycle {parts[0]}: an output after the last one"
        case "uninvited":
            place = _place(due, int(parts[1]))
            return f"cycle {parts[0]}: {place} came while y_ready had been low"
        case _:
            where = int(parts[1])
            if where >= len(due.vectors):
                return f"cycle {parts[0]}: not all inputs were taken; x_ready is {parts[3]}"
            place = _place(due, where)
            return f"cycle {parts[0]}: {place}, unit {parts[2]} has not come; x_ready is {parts[3]}"


def _place(due: Due, vector: int) -> str:
    sequence, step = due.places[vector]
    return f"sequence {sequence}, step {step}"


def _element(bits: str, format: Q, flags: bool) -> str:
    """The bits last, first and number of one output element; the flags where they are asked for."""
    number = bits[2:]
    if set(number) - {"0", "1"}:
        text = number
    else:
        value = int(number, 2)
        negative = format.signed and number[0] == "1"
        text = str(value - (1 << len(number)) if negative else value)
    return f"{text} (y_first={bits[1]}, y_last={bits[0]})" if flags else text
