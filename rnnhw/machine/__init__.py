"""The accelerator: a network on multiply-accumulate lanes, in cycles, memories and multipliers.

P lanes a layer, output stationary, sequential weight words, one serial post-processor, vectors
read while the next ones are written. Nothing here knows a cell: phases, rows, columns and the
depth of the post-processor follow from the step graph.
"""

from rnnhw.machine.accelerator import LayerChoices, accelerator, layer_choices, stack_of
from rnnhw.machine.arranging import Bandwidth, can_stream
from rnnhw.machine.built import Accelerator, Span
from rnnhw.machine.feeds import Feed, Segment
from rnnhw.machine.layers import Basis, LayerMachine, Multiplier, legal_lanes
from rnnhw.machine.memory import Memory, MemoryKind
from rnnhw.machine.phases import Phase, Transform
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
    "Span",
    "Traffic",
    "Transform",
    "accelerator",
    "can_stream",
    "layer_choices",
    "legal_lanes",
    "stack_of",
]
