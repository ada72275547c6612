"""The accelerator: a network on multiply-accumulate lanes, in cycles, memories and multipliers.

P lanes a layer, output stationary, sequential weight words, one serial post-processor, vectors
read while the next ones are written. Nothing here knows a cell: phases, rows, columns and the
depth of the post-processor follow from the step graph.
"""

from rnnhw.accelerator.mapping.layer import Basis, LayerMachine
from rnnhw.accelerator.mapping.mapped_layer import MappedLayer, legal_lanes
from rnnhw.accelerator.mapping.memory import Memory, MemoryKind, MemoryRole
from rnnhw.accelerator.mapping.multipliers import Multiplier
from rnnhw.accelerator.mapping.phases import Phase, Transform
from rnnhw.accelerator.mapping.traffic import Traffic, arriving_bits, traffic_of
from rnnhw.accelerator.mapping.vector_feed import Feed, Segment
from rnnhw.accelerator.schedule.accelerator import Accelerator, Span, first_result_cycles
from rnnhw.accelerator.schedule.bubbles import lane_cycles
from rnnhw.accelerator.schedule.build import LaneOptions, accelerator, lane_options, stack_of
from rnnhw.accelerator.schedule.interleave import busy_of, saturation
from rnnhw.accelerator.schedule.layer_timing import Sequential
from rnnhw.accelerator.schedule.legality import Bandwidth, Stack, arrange, can_stream, equipped
from rnnhw.accelerator.schedule.output_cycles import output_cycles
from rnnhw.accelerator.schedule.overlap import overlapped_phase
from rnnhw.accelerator.schedule.weight_stream import Streamed, streamed_bits

__all__ = [
    "Accelerator",
    "Bandwidth",
    "Basis",
    "Feed",
    "LaneOptions",
    "LayerMachine",
    "MappedLayer",
    "Memory",
    "MemoryKind",
    "MemoryRole",
    "Multiplier",
    "Phase",
    "Segment",
    "Sequential",
    "Span",
    "Stack",
    "Streamed",
    "Traffic",
    "Transform",
    "accelerator",
    "arrange",
    "arriving_bits",
    "busy_of",
    "can_stream",
    "equipped",
    "first_result_cycles",
    "lane_cycles",
    "lane_options",
    "legal_lanes",
    "output_cycles",
    "overlapped_phase",
    "saturation",
    "stack_of",
    "streamed_bits",
    "traffic_of",
]
