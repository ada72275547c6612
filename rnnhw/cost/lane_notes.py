"""Notes on the lanes that were asked for: those that have no row, those that slow the design."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rnnhw.accelerator import Accelerator, LaneOptions, overlapped_phase
from rnnhw.cost.request import Request

__all__ = ["lane_notes"]

_MOST_TRIED = 512
"""How many numbers of lanes are compared with a layer's: one takes a third of a millisecond."""


def lane_notes(
    request: Request, machine: Accelerator, lanes: int | Mapping[str, int]
) -> Iterator[str]:
    """Notes on ``lanes``, as they were asked for, of ``machine``."""
    if isinstance(lanes, int):
        limited = [
            f"{layer.name} {layer.lanes}" for layer in machine.layers if 0 < layer.lanes < lanes
        ]
        if limited:
            yield (f"of {lanes:,} lanes a layer has no more than it has rows: {', '.join(limited)}")
    if machine.sequences > 1 or not request.tries_lanes:
        return
    for index, layer in enumerate(machine.layers):
        if not layer.lanes or machine.steps[index] > 1 or machine.streamed[index]:
            continue
        if layer.computed is not None:  # the cycles are not those of its lanes alone
            continue
        options, overlap = request.options[index], machine.overlapped[index]
        cycles = _cycles(options, layer.lanes, overlap=overlap)
        fewer = [count for count in options.lanes if count < layer.lanes][-_MOST_TRIED:]
        tried = ((_cycles(options, count, overlap=overlap), count) for count in fewer)
        fastest, count = min(tried, default=(cycles, layer.lanes))
        if fastest < cycles:
            yield (
                f"{layer.name}: more lanes are slower here: {cycles:,} cycles on {layer.lanes:,} "
                f"lanes, {fastest:,} on {count:,}"
            )


def _cycles(options: LaneOptions, lanes: int, *, overlap: bool) -> int:
    """Cycles between two steps of a layer of one sequence, with weights on chip."""
    cycles, _ = options.outline(lanes)
    if not overlap:
        return cycles
    return min(cycles, overlapped_phase(options.phases(lanes)[0]).round_cycles)
