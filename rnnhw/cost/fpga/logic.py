"""LUTs and flip-flops of a layer, estimated from the modules that it is emitted as.

Flip-flops are counted (:mod:`rnnhw.cost.fpga.flip_flops`); LUTs are amounts of logic
(:mod:`rnnhw.cost.fpga.luts`) times what one of each takes, calibrated against synthesis
(``benchmarks/calibrate.py`` writes ``calibration.toml``). How near they are to designs that came
after the fit stands in ``drawn_designs.toml`` (``benchmarks/drawn_resources.py`` writes it).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from importlib.resources import files
from typing import Any, Literal, TypeAlias
from weakref import WeakKeyDictionary

import msgspec

from rnnhw.accelerator import Basis, LayerMachine, MemoryKind
from rnnhw.accelerator.mapping import MappedLayer, StepMapping, address_bits
from rnnhw.cost.fpga.context import Context, context_of
from rnnhw.cost.fpga.flip_flops import flip_flops
from rnnhw.cost.fpga.luts import has_three_levels, lut_amounts, multiplier_blocks
from rnnhw.cost.fpga.technology import TechnologyMapping, technology_of
from rnnhw.graph.nodes import Input
from rnnhw.profiles import Fpga
from rnnhw.profiles.fpga import MemoryMode
from rnnhw.rtl.layer import outline_layer
from rnnhw.rtl.verilog_text import Module, Outline

__all__ = [
    "Calibration",
    "DrawnDesigns",
    "Logic",
    "amounts_of",
    "calibration",
    "has_constant_bits",
    "layer_blocks",
    "layer_logic",
    "layer_parameters",
]


@dataclass(frozen=True)
class DrawnDesigns:
    """How near the estimates are to syntheses that they were not fitted to.

    Of ``designs`` that were drawn by the hash of the commit that froze the calibration, the
    estimates of LUTs are within ``lut_percent`` in ``lut`` designs, those of flip-flops within
    ``ff_percent`` in ``ff``.
    """

    designs: int
    lut: int
    lut_percent: float
    ff: int
    ff_percent: float


@dataclass(frozen=True)
class Calibration:
    """LUTs per unit of every kind of logic in a family, and how well the fit met them.

    ``luts`` by the kinds of :data:`rnnhw.cost.fpga.luts.KINDS`, fitted to ``points`` syntheses with
    ``tool``. ``lut_error`` and ``ff_error`` are the errors, in percent, that 95 of 100 of them do
    not exceed, each left out of the fit; ``unseen`` are the kinds that none of them had, ``range``
    the lowest and highest of their :func:`layer_parameters`. ``drawn`` tells of designs that came
    after the fit; None where none were drawn. The file holds more, for its reader: the date and
    the means of the errors.
    """

    tool: str
    points: int
    lut_error: float
    ff_error: float
    unseen: list[str]
    range: dict[str, tuple[int, int]]
    luts: dict[str, float]
    drawn: DrawnDesigns | None = None

    @property
    def release(self) -> str:
        """``0.23`` of ``yosys 0.23, synth_ecp5``."""
        return self.tool.partition(",")[0].split()[-1]

    def note(self, resource: Literal["lut", "ff"]) -> str:
        """How near the estimate of a resource is: to designs that it was not fitted to, or else to
        those that it was."""
        drawn = self.drawn
        if drawn is None:
            error = self.lut_error if resource == "lut" else self.ff_error
            return f"within {error:g} % in 95 of 100 of {self.points} syntheses ({self.tool})"
        near, limit = {
            "lut": (drawn.lut, drawn.lut_percent),
            "ff": (drawn.ff, drawn.ff_percent),
        }[resource]
        return (
            f"within {limit:g} % in {near} of {drawn.designs} designs drawn at random ({self.tool})"
        )


@dataclass(frozen=True)
class Logic:
    """LUTs and flip-flops of a layer, with the confidence in both."""

    lut: int
    ff: int
    lut_note: str
    ff_note: str


@cache
def calibration(family: str) -> Calibration | None:
    """The calibration of a family by its name; None before there is one."""
    fits, drawn = _tables("calibration.toml"), _tables("drawn_designs.toml")
    if family not in fits:
        return None
    return msgspec.convert(fits[family] | {"drawn": drawn.get(family)}, Calibration)


def _tables(file: str) -> dict[str, Any]:
    return tomllib.loads((files(__package__) / file).read_text())


def layer_logic(layer: LayerMachine, profile: Fpga) -> Logic | None:
    """LUTs and flip-flops of a layer; None where the layer has no Verilog, or its family no
    calibration."""
    mapping = technology_of(profile)
    fit = calibration(mapping.name) if mapping is not None else None
    # Without multiplier blocks products are made of LUTs, which were not calibrated.
    if mapping is None or fit is None or profile.dsp is None:
        return None
    totals = amounts_of(layer, profile, mapping)
    if totals is None:
        return None
    amounts, registers = totals
    lut = sum(amount * fit.luts.get(kind, 0) for kind, amount in amounts.items())
    beyond = _beyond(layer, fit, amounts)
    return Logic(
        round(lut),
        registers,
        f"estimated from the Verilog's structure, {fit.note('lut')}{beyond}",
        f"counted from the Verilog's structure, {fit.note('ff')}{beyond}",
    )


def _beyond(layer: LayerMachine, fit: Calibration, amounts: Mapping[str, float]) -> str:
    """The traits of a layer that no synthesised design had, as the end of a note."""
    unseen = [kind for kind in fit.unseen if amounts.get(kind)]
    outside = [
        f"{name} {value} ({low} to {high})"
        for name, value in layer_parameters(layer).items()
        for low, high in [fit.range.get(name, (value, value))]
        if not low <= value <= high
    ]
    note = ""
    if unseen or outside:
        note = f"; extrapolated, no such design was synthesised: {', '.join([*outside, *unseen])}"
    if has_constant_bits(layer):
        note += "; less, as synthesis leaves out the bits that are the same in all words of a table"
    return note


def amounts_of(
    layer: LayerMachine, profile: Fpga, mapping: TechnologyMapping
) -> tuple[dict[str, float], int] | None:
    """The amounts of logic of a layer and its flip-flops; None where it has no Verilog."""
    mapped = _mapped_outline(layer, profile, mapping)
    if mapped is None:
        return None
    amounts = dict(mapped.amounts)
    if not layer.phases:
        amounts["layer"] = 0
    return amounts, mapped.registers


def layer_parameters(layer: LayerMachine) -> dict[str, int]:
    """The parameters that state the range of a calibration, by the words of a note."""
    found = {"units": layer.units, "inputs": layer.inputs}
    if layer.lanes:
        found |= {"lanes": layer.lanes, "accumulator bits": layer.accumulator_bits}
    widths = [width for each in layer.multipliers for width in (each.a_bits, each.b_bits)]
    if widths:
        found |= {"bits of a product's operand": max(widths)}
    return found


def layer_blocks(layer: LayerMachine, profile: Fpga) -> int | None:
    """The multiplier blocks of a layer; None where it has no Verilog, or its family was not
    measured."""
    mapping = technology_of(profile)
    mapped = mapping and _mapped_outline(layer, profile, mapping)
    return mapped.blocks if mapped else None


def has_constant_bits(layer: LayerMachine) -> bool:
    """Whether a bit is the same in all words of a table, so that synthesis leaves it out with what
    hangs on it."""
    outlined = _outlined(layer)
    return outlined is not None and outlined.outline.constant_bits > 0


@dataclass(frozen=True, eq=False)
class _MappedOutline:
    """The cells of an outline in a family after synthesis; a count is computed when first read."""

    outline: Outline
    context: Context

    @cached_property
    def amounts(self) -> Mapping[str, float]:
        """The amounts of logic by their kinds."""
        return lut_amounts(self.outline, self.context)

    @cached_property
    def registers(self) -> int:
        """The flip-flops."""
        return flip_flops(self.outline, self.context)

    @cached_property
    def blocks(self) -> int:
        """The multiplier blocks."""
        return multiplier_blocks(self.outline, self.context)


_Technology: TypeAlias = tuple[TechnologyMapping, tuple[MemoryMode, ...], int]
"""All that a context depends on beside the outline: the mapping, the shapes of a block RAM, of
which layouts are chosen, and the rows of a unit."""


@dataclass(frozen=True, eq=False)
class _Outlined:
    """A layer's Verilog without its numbers, and what became of it in each technology."""

    outline: Outline
    mapped: dict[_Technology, _MappedOutline] = field(default_factory=dict)


def _mapped_outline(
    layer: LayerMachine, profile: Fpga, mapping: TechnologyMapping
) -> _MappedOutline | None:
    """The layer's outline in a technology; None where it has none. Profiles of one family, plans
    and deadlines ask for the same ones again and again."""
    outlined = _outlined(layer)
    if outlined is None:
        return None
    gates = max((phase.gates for phase in layer.phases), default=1)
    technology = mapping, profile.block_ram.modes.shapes, max(gates, 1)
    if technology not in outlined.mapped:
        layout = partial(mapping.layout, profile)
        deep = has_three_levels(outlined.outline, mapping)
        context = context_of(outlined.outline, mapping, layout, max(gates, 1), deep=deep)
        outlined.mapped[technology] = _MappedOutline(outlined.outline, context)
    return outlined.mapped[technology]


_OUTLINES: WeakKeyDictionary[
    StepMapping, dict[tuple[int, tuple[tuple[int, int], ...]], _Outlined]
] = WeakKeyDictionary()
"""By the step of a layer; then by its lanes and by the inputs that are counts of steps."""


def _outlined(layer: LayerMachine) -> _Outlined | None:
    """The layer's Verilog without its numbers; None where it has none.

    It is written once for all machines that run the same step on as many lanes: reports ask for it
    several times, and a search of lanes by as many machines as it tries schedules.
    """
    if layer.basis is not Basis.REALISED:
        return None
    mapping = layer.mapping
    if mapping is None:
        return _Outlined(_total(layer))
    outlines = _OUTLINES.setdefault(mapping.step, {})
    key = mapping.lanes, tuple(layer.counted.items())
    if key not in outlines:
        outlines[key] = _Outlined(_written(layer, mapping))
    return outlines[key]


def _written(layer: LayerMachine, mapping: MappedLayer) -> Outline:
    module = outline_layer(mapping)
    inputs = {n.position: n for n in mapping.graph.nodes if isinstance(n, Input)}
    for at, units in layer.counted.items():
        _count_steps(module, units, inputs[at].format.signed_width)
    return module


def _count_steps(module: Module, units: int, width: int) -> None:
    """The count of a sequence's steps that is an input, as the top module instantiates it."""
    parameters = {"UNITS": units, "WIDTH": width, "INDEX_BITS": address_bits(units)}
    module.instance("rnnhw_steps", "steps", parameters, {})


def _total(layer: LayerMachine) -> Outline:
    """A sum over time, as the top module instantiates it."""
    module = Outline("total")
    width = max((m.width for m in layer.memories if m.kind is MemoryKind.STATE), default=1)
    parameters = {
        "UNITS": layer.units,
        "INPUT_WIDTH": width,
        "WIDTH": width,
        "INDEX_BITS": address_bits(layer.units),
    }
    module.instance("rnnhw_total", "sum", parameters, {})
    return module
