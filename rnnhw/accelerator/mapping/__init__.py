"""Which lane computes what, and which memory holds it: a :class:`MappedLayer`."""

from rnnhw.accelerator.mapping.input_window import InputWindow
from rnnhw.accelerator.mapping.mapped_layer import MappedLayer, StepMapping, map_layer
from rnnhw.accelerator.mapping.memory import address_bits, places
from rnnhw.accelerator.mapping.multiplier_widths import weight_fraction
from rnnhw.accelerator.mapping.phases import NEURON_CYCLES, Phase, Transform
from rnnhw.accelerator.mapping.postprocessor import (
    PostProcessorSchedule,
    Shifter,
    cast_latency,
    uniform,
    word_of,
)
from rnnhw.accelerator.mapping.row_fusion import tensor_values
from rnnhw.accelerator.mapping.rows import LayerRows, Part, Rows, Value
from rnnhw.accelerator.mapping.transform_chains import Chain
from rnnhw.accelerator.mapping.unit_reads import phase_of
from rnnhw.accelerator.mapping.vector_feed import Feed, Segment
from rnnhw.accelerator.mapping.vector_layout import Source, select_rom, sources_of

__all__ = [
    "NEURON_CYCLES",
    "Chain",
    "Feed",
    "InputWindow",
    "LayerRows",
    "MappedLayer",
    "Part",
    "Phase",
    "PostProcessorSchedule",
    "Rows",
    "Segment",
    "Shifter",
    "Source",
    "StepMapping",
    "Transform",
    "Value",
    "address_bits",
    "cast_latency",
    "map_layer",
    "phase_of",
    "places",
    "select_rom",
    "sources_of",
    "tensor_values",
    "uniform",
    "weight_fraction",
    "word_of",
]
