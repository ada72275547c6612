"""The roofline: what lanes and weight memories allow a layer, and what it reaches.

    bound = min(lanes, MACs a weight bit x weight bits a cycle)        MACs a cycle

The model is Williams, Waterman and Patterson's ("Roofline: an insightful visual performance model
for multicore architectures", CACM 52(4), 2009), in the accelerator's own units. A layer reads one
of its weight memories at a time, a word a cycle: its bandwidth is that of the widest.
"""

from __future__ import annotations

from dataclasses import dataclass

from rnnhw.cost.model import LayerReport, Report

__all__ = ["RooflinePoint", "roofline", "streamed_bits"]


@dataclass(frozen=True)
class RooflinePoint:
    """One layer; ``number`` counts from 1. ``port_bits`` is the weights' width, bits a cycle."""

    number: int
    layer: str
    macs_per_bit: float
    macs_per_cycle: float
    lanes: int
    port_bits: int

    @property
    def bound(self) -> float:
        """MACs a cycle that lanes and memory allow."""
        return min(float(self.lanes), self.macs_per_bit * self.port_bits)


def _point(number: int, layer: LayerReport) -> RooflinePoint | None:
    lanes, cycles = layer.lanes.value, layer.cycles_per_step.value
    read = layer.traffic.get("weight_read_bits", 0)
    widths = [memory.width_bits for memory in layer.memories if memory.holds == "weights"]
    port = max(widths, default=0)
    if not (isinstance(lanes, int) and isinstance(cycles, int) and read and port and cycles):
        return None
    macs = layer.macs_per_step
    return RooflinePoint(number, layer.name, macs / read, macs / cycles, lanes, port)


def roofline(report: Report) -> tuple[RooflinePoint, ...]:
    """Every layer that reads weights into lanes; none where the target has no lanes."""
    points: list[RooflinePoint] = []
    for layer in report.layers:
        point = _point(len(points) + 1, layer)
        if point is not None:
            points.append(point)
    return tuple(points)


def streamed_bits(report: Report) -> dict[str, float]:
    """Bits a cycle that each memory beside the device could bring, at the lowest clock."""
    clocks = [point.clock_mhz.value for point in report.operating_points]
    bits = {}
    for memory in report.external_memories:
        peak = memory.peak_mb_per_second.value
        if clocks and isinstance(clocks[0], int | float) and isinstance(peak, int | float):
            bits[memory.name] = 8 * peak / clocks[0]
    return bits
