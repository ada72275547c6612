"""The accelerator: a network on multiply-accumulate lanes, in cycles, memories and multipliers.

P lanes a layer, output stationary, sequential weight words, one serial post-processor, vectors
read while the next ones are written. Nothing here knows a cell: phases, rows, columns and the
depth of the post-processor follow from the step graph.
"""

from rnnhw.machine.accelerator import Accelerator, Span, accelerator
from rnnhw.machine.layers import Basis, LayerMachine, Multiplier, Traffic, legal_lanes
from rnnhw.machine.memories import Memory, MemoryKind
from rnnhw.machine.phases import Phase, Segment, Transform

__all__ = [
    "Accelerator",
    "Basis",
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
    "legal_lanes",
]
