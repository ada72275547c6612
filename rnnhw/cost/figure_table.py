"""The table of a report's figures: their names, their units, and where they are shown.

A row is an annotation of the field that holds the figure, so that no figure lacks one, and rows
stand in the order of the fields. Text, Markdown, HTML, CSV, charts and comparisons read the table:
a new figure is a field here, and the module that computes it.

The views at the end are what is shown first, in the order in which an engineer asks for it. A
figure in none of them stands in JSON, in ``--min`` and ``--max``, and below the others in a
comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated, Literal, get_args, get_type_hints

import msgspec

from rnnhw.cost.figure import Figure, not_used

__all__ = [
    "COMPARED",
    "ENERGY",
    "LAYER_COLUMNS",
    "ROWS",
    "SPEED",
    "STEP_CYCLES",
    "STEP_WORK",
    "TILES",
    "Better",
    "Holds",
    "Line",
    "OperatingPoint",
    "Part",
    "Row",
    "Section",
    "Totals",
    "figures_of",
    "memory_rows",
    "resource_rows",
    "totals_of",
]

Section = Literal["speed", "work", "storage", "resources", "energy"]
"""The subject of a figure."""

Better = Literal["more", "less"]

Holds = Literal["weights", "biases", "tables", "state", "vectors"]
"""The contents of a memory."""

_OF_DEVICE = "% of device"


@dataclass(frozen=True)
class Row:
    """The description of a figure.

    ``name`` is in words, without the unit; ``in_report`` is the text of its line in a report where
    that is not the heading. ``better`` is the direction that an engineer wants, None where neither
    is: objectives of a sweep read it. ``resource`` is what it uses of the device. Bits of what the
    network stores or of the memory that has it say what it ``holds`` and in which of the two they
    are ``kept``.
    """

    name: str
    unit: str = ""
    section: Section = "speed"
    better: Better | None = None
    shows: Literal["number", "percentage"] = "number"
    in_report: str = ""
    resource: str = ""
    holds: Holds | None = None
    kept: Literal["stored", "as memory"] | None = None
    key: str = ""
    """The field's name: the one that ``--min`` and ``--max`` take."""

    @property
    def heading(self) -> str:
        """The name and the unit, where neither the name nor the cell says it."""
        if self.unit in self.name or self.shows == "percentage":
            return self.name
        return f"{self.name}, {self.unit}"

    @property
    def is_share(self) -> bool:
        """Whether the figure is in hundredths of something."""
        return self.unit in ("%", _OF_DEVICE)

    @property
    def line(self) -> str:
        """The text of the figure's line in a report."""
        return self.in_report or self.heading

    @property
    def column(self) -> str:
        """The key, with the unit where it is not in it."""
        return f"{self.key}_fraction" if self.unit == "fraction" else self.key


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of all parts of a report."""


class OperatingPoint(Part, frozen=True, kw_only=True):
    """Speed at one clock.

    ``steps_per_second`` are those of all interleaved sequences together, ``_of_one_sequence`` of
    each; ``sequences_per_second`` follow one another without a pause. ``duty_cycle_percent`` is
    the share of the time in which the accelerator works where it just meets the deadline.
    """

    clock_mhz: Annotated[Figure, Row("clock", "MHz")]
    steps_per_second: Annotated[Figure, Row("steps a second", "steps a second", better="more")]
    step_latency_us: Annotated[Figure, Row("step latency", "us", better="less")]
    sequence_time_us: Annotated[
        Figure,
        Row(
            "sequence",
            "us",
            better="less",
            in_report="sequence of {steps_per_sequence} steps, us",
        ),
    ]
    deadline_slack_percent: Annotated[Figure, Row("deadline slack", "%", better="more")]
    steps_per_second_of_one_sequence: Annotated[
        Figure,
        Row("steps a second of one sequence", "steps a second", better="more"),
    ] = not_used()
    sequences_per_second: Annotated[
        Figure,
        Row("sequences a second", "sequences a second", better="more"),
    ] = not_used()
    duty_cycle_percent: Annotated[Figure, Row("duty cycle", "%", better="less")] = not_used()


class Totals(Part, frozen=True, kw_only=True):
    """The whole network.

    ``cycles_per_step`` is the step interval, of any sequence where several are interleaved: that of
    the slowest layer, or the sum on a shared engine. ``step_latency_cycles`` is from a step's first
    input element to its last result, ``first_result_latency_cycles`` to its first;
    ``cycles_after_last_step`` are those of layers that run once a sequence, after which the next
    sequence follows ``cycles_between_sequences`` behind this one (the average of those that are
    interleaved). ``streamed_bits_per_step`` are weights from external memory. ``utilisation`` is
    useful MACs over lanes times cycles. ``weight_bits`` to ``vector_bits`` are what the network
    stores, the ``_memory_bits`` what the memories that hold it have. Energies are of operations and
    of memory accesses alone, and used on ASIC nodes only (see :mod:`rnnhw.cost.energy`).
    """

    lanes: Annotated[Figure, Row("lanes")]
    cycles_per_step: Annotated[Figure, Row("cycles a step", "cycles", better="less")]
    instructions_per_step: Annotated[
        Figure, Row("instructions a step", "instructions", better="less")
    ]
    step_latency_cycles: Annotated[Figure, Row("step latency", "cycles", better="less")]
    cycles_after_last_step: Annotated[
        Figure, Row("cycles after the last step", "cycles", better="less")
    ]
    cycles_per_sequence: Annotated[Figure, Row("cycles a sequence", "cycles", better="less")]
    steps_per_sequence: Annotated[Figure, Row("steps a sequence", "steps")]
    required_steps_per_second: Annotated[Figure, Row("deadline", "steps a second")]
    lowest_clock_mhz: Annotated[
        Figure,
        Row(
            "lowest clock",
            "MHz",
            better="less",
            in_report="lowest clock that meets it, MHz",
        ),
    ]
    macs_per_step: Annotated[Figure, Row("MACs a step", "MACs", "work", better="less")]
    macs_after_last_step: Annotated[
        Figure, Row("MACs after the last step", "MACs", "work", better="less")
    ]
    utilisation: Annotated[
        Figure, Row("utilisation", "fraction", better="more", shows="percentage")
    ]
    bound_by: Annotated[Figure, Row("bound by")]
    weight_bits: Annotated[
        Figure, Row("weights", "bits", "storage", "less", holds="weights", kept="stored")
    ]
    bias_bits: Annotated[
        Figure, Row("biases", "bits", "storage", "less", holds="biases", kept="stored")
    ]
    table_bits: Annotated[
        Figure, Row("tables", "bits", "storage", "less", holds="tables", kept="stored")
    ]
    state_bits: Annotated[
        Figure, Row("state", "bits", "storage", "less", holds="state", kept="stored")
    ]
    vector_bits: Annotated[
        Figure, Row("vectors", "bits", "storage", "less", holds="vectors", kept="stored")
    ]
    weight_memory_bits: Annotated[
        Figure,
        Row("memory of weights", "bits", "storage", "less", holds="weights", kept="as memory"),
    ]
    bias_memory_bits: Annotated[
        Figure,
        Row("memory of biases", "bits", "storage", "less", holds="biases", kept="as memory"),
    ]
    table_memory_bits: Annotated[
        Figure,
        Row("memory of tables", "bits", "storage", "less", holds="tables", kept="as memory"),
    ]
    state_memory_bits: Annotated[
        Figure, Row("memory of states", "bits", "storage", "less", holds="state", kept="as memory")
    ]
    vector_memory_bits: Annotated[
        Figure,
        Row("memory of vectors", "bits", "storage", "less", holds="vectors", kept="as memory"),
    ]
    block_rams: Annotated[
        Figure, Row("block RAM", section="resources", better="less", resource="block_ram")
    ]
    dsp_blocks: Annotated[Figure, Row("DSP", section="resources", better="less", resource="dsp")]
    luts: Annotated[Figure, Row("LUT", section="resources", better="less", resource="lut")]
    flip_flops: Annotated[Figure, Row("FF", section="resources", better="less", resource="ff")]
    flash_bytes: Annotated[Figure, Row("flash", "bytes", "resources", "less", resource="flash")]
    ram_bytes: Annotated[
        Figure, Row("RAM", "bytes", "resources", "less", resource="ram", in_report="ram, bytes")
    ]
    first_result_latency_cycles: Annotated[
        Figure, Row("first result after", "cycles", better="less")
    ] = not_used()
    cycles_between_sequences: Annotated[
        Figure, Row("sequence to sequence", "cycles", better="less")
    ] = not_used()
    streamed_bits_per_step: Annotated[
        Figure, Row("weight bits streamed a step", "bits", "work", better="less")
    ] = not_used()
    operation_energy_per_step_pj: Annotated[
        Figure, Row("of operations", "pJ", "energy", "less", in_report="operations a step")
    ] = not_used()
    access_energy_per_step_pj: Annotated[
        Figure,
        Row("of memory accesses", "pJ", "energy", "less", in_report="memory accesses a step"),
    ] = not_used()
    energy_per_step_pj: Annotated[
        Figure, Row("energy a step", "pJ", "energy", "less", in_report="a step")
    ] = not_used()
    energy_after_last_step_pj: Annotated[
        Figure,
        Row("energy after the last step", "pJ", "energy", "less", in_report="after the last step"),
    ] = not_used()


def totals_of(**figures: Figure) -> Totals:
    """The totals of a target on which all other figures do not exist."""
    absent = {name: not_used() for name in Totals.__struct_fields__ if name not in figures}
    return Totals(**figures, **absent)


def figures_of(part: Totals | OperatingPoint) -> Iterator[tuple[str, Figure]]:
    """Every figure by the name of its field, in order."""
    for name in part.__struct_fields__:
        yield name, getattr(part, name)


def _rows(part: type[Part]) -> Iterator[Row]:
    for key, hint in get_type_hints(part, include_extras=True).items():
        _, row = get_args(hint)
        yield replace(row, key=key)


_FURTHER = (
    Row("fits", key="fits"),
    Row("cycles are", key="cycles_basis"),
    Row("first result", "cycles", better="less", key="first_result_cycles"),
    Row("saturating sequences", "sequences", key="saturating_sequences"),
)
"""Figures that a comparison shows and no field holds, and figures that only layers have."""


def _device_row(used: Row) -> Row:
    """The row of what the amount of ``used`` is of the device's."""
    key = f"{used.resource}_percent"
    return Row(used.name, _OF_DEVICE, "resources", "less", key=key)


def _all_rows() -> Iterator[Row]:
    for part in (OperatingPoint, Totals):
        for row in _rows(part):
            yield row
            if row.resource:
                yield _device_row(row)
    yield from _FURTHER


ROWS: Mapping[str, Row] = MappingProxyType({row.key: row for row in _all_rows()})
"""The table: every row by its key."""


def resource_rows() -> dict[str, Row]:
    """The amounts that are used of a device's resources, by resource."""
    return {row.resource: row for row in ROWS.values() if row.resource}


def memory_rows(kept: Literal["stored", "as memory"]) -> dict[Holds, Row]:
    """The bits of what the network stores or of its memories, by what they hold."""
    return {row.holds: row for row in ROWS.values() if row.holds and row.kept == kept}


# --- views -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Line:
    """A figure in a table of the report or on a tile of its page, and when it stands there.

    ``shown``: always, or where the figure is used on the target, is known, or is known and not
    zero. ``given`` names one of the totals that must be known, ``instead_of`` one that must not be
    used. Where the figure is not known, ``explained`` has its note behind it.
    """

    key: str
    shown: Literal["always", "used", "known", "not zero"] = "always"
    given: str = ""
    instead_of: str = ""
    explained: bool = False

    @property
    def row(self) -> Row:
        """The description of the figure."""
        return ROWS[self.key]

    def stands(self, figure: Figure, totals: Totals) -> bool:
        """Whether the line of ``figure`` stands in a report with these totals."""
        if self.given and getattr(totals, self.given).value is None:
            return False
        if self.instead_of and getattr(totals, self.instead_of).status != "not used":
            return False
        match self.shown:
            case "always":
                return True
            case "used":
                return figure.status != "not used"
            case "known":
                return figure.value is not None
            case "not zero":
                return bool(figure.value)


SPEED = (
    Line("steps_per_second"),
    Line("steps_per_second_of_one_sequence", shown="known"),
    Line("step_latency_us"),
    Line("sequence_time_us", given="steps_per_sequence"),
    Line("sequences_per_second", given="steps_per_sequence"),
    Line("deadline_slack_percent", given="required_steps_per_second"),
    Line("duty_cycle_percent", given="required_steps_per_second"),
)
"""Figures at one clock."""

STEP_CYCLES = (
    Line("instructions_per_step", shown="used"),
    Line("cycles_per_step", explained=True),
    Line("step_latency_cycles", instead_of="instructions_per_step"),
    Line("first_result_latency_cycles", shown="used"),
    Line("cycles_after_last_step", shown="not zero", instead_of="instructions_per_step"),
    Line("cycles_between_sequences", shown="known"),
)
"""Figures of one step, in front of the schedule."""

STEP_WORK = (
    Line("streamed_bits_per_step", shown="known"),
    Line("macs_per_step"),
    Line("macs_after_last_step", shown="not zero"),
    Line("required_steps_per_second", shown="known"),
    Line("lowest_clock_mhz", given="required_steps_per_second"),
    Line("lanes"),
    Line("utilisation"),
    Line("bound_by"),
)
"""Figures of one step, behind the schedule."""

ENERGY = (
    Line("operation_energy_per_step_pj", shown="used"),
    Line("access_energy_per_step_pj", shown="used"),
    Line("energy_per_step_pj", shown="used"),
    Line("energy_after_last_step_pj", shown="used"),
)

TILES = (
    Line("steps_per_second"),
    Line("step_latency_us"),
    Line("deadline_slack_percent", given="required_steps_per_second"),
    Line("instructions_per_step", shown="used"),
    Line("cycles_per_step", instead_of="instructions_per_step"),
    Line("macs_per_step"),
    Line("utilisation", shown="used"),
    Line("weight_bits"),
    Line("state_bits"),
)
"""The figures that are asked for first."""

LAYER_COLUMNS = (
    "lanes",
    "cycles_per_step",
    "step_latency_cycles",
    "first_result_cycles",
    "instructions_per_step",
    "utilisation",
    "dsp_blocks",
    "block_rams",
    "luts",
    "flip_flops",
)
"""A layer's figures in CSV."""

COMPARED = (
    "fits",
    "clock_mhz",
    "steps_per_second",
    "cycles_per_step",
    "instructions_per_step",
    "step_latency_us",
    "step_latency_cycles",
    "sequence_time_us",
    "deadline_slack_percent",
    "lowest_clock_mhz",
    "utilisation",
    "lanes",
    "bound_by",
    "cycles_basis",
    "macs_per_step",
    "macs_after_last_step",
    "weight_bits",
    "state_bits",
    "dsp_blocks",
    "dsp_percent",
    "block_rams",
    "block_ram_percent",
    "luts",
    "lut_percent",
    "flip_flops",
    "ff_percent",
    "flash_bytes",
    "flash_percent",
    "ram_bytes",
    "ram_percent",
    "energy_per_step_pj",
    "operation_energy_per_step_pj",
    "access_energy_per_step_pj",
    "energy_after_last_step_pj",
)
"""The rows of a comparison, by section; all other figures come after them."""
