"""The accelerator: a network on multiply-accumulate lanes, in cycles, memories and multipliers.

P lanes a layer, output stationary, sequential weight words, one serial post-processor, vectors
read while the next ones are written. Nothing here knows a cell: phases, rows, columns and the
depth of the post-processor follow from the step graph.
"""

from rnnhw.machine.accelerator import LayerChoices, accelerator, layer_choices, stack_of
from rnnhw.machine.arranging import Bandwidth, Stack, arrange, can_stream, equipped
from rnnhw.machine.bubbles import lane_cycles
from rnnhw.machine.built import Accelerator, Span, first_result_cycles
from rnnhw.machine.feeds import Feed, Segment
from rnnhw.machine.interleaving import busy_of, saturation
from rnnhw.machine.layers import Basis, LayerMachine, Multiplier, legal_lanes
from rnnhw.machine.memory import Memory, MemoryKind
from rnnhw.machine.overlapping import overlapped_phase
from rnnhw.machine.pace import Sequential
from rnnhw.machine.phases import Phase, Transform
from rnnhw.machine.stream import output_cycles
from rnnhw.machine.streaming import Streamed, streamed_bits
from rnnhw.machine.traffic import Traffic

__all__ = [
    "Accelerator",
    "Bandwidth",
    "Basis",
    "Feed",
    "LayerChoices",
    "LayerMachine",
    "Memory",
    "MemoryKind",
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
    "busy_of",
    "can_stream",
    "equipped",
    "first_result_cycles",
    "lane_cycles",
    "layer_choices",
    "legal_lanes",
    "output_cycles",
    "overlapped_phase",
    "saturation",
    "stack_of",
    "streamed_bits",
]
