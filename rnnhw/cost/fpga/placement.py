"""A layer of the accelerator in an FPGA: block RAM, DSP blocks, and LUTs where a fit is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rnnhw.accelerator import Feed, LayerMachine, Memory, Multiplier
from rnnhw.cost.fpga.logic import layer_blocks, layer_logic
from rnnhw.cost.fpga.technology import technology_of
from rnnhw.profiles import Fpga, ResourceFit
from rnnhw.profiles.device_families import family_of

__all__ = [
    "Estimate",
    "Placement",
    "dsp_blocks",
    "fit_note",
    "layer_fit",
    "logic",
    "multiplier_blocks",
    "place",
]

_REGISTER_BITS = 64
_LUT_RAM_BITS = 1024


@dataclass(frozen=True)
class Placement:
    """Where one memory lies: ``blocks`` block RAMs, 0 if it is made of registers or LUTs."""

    where: Literal["block RAM", "LUT RAM", "registers", "constants"]
    blocks: int


def place(memory: Memory, profile: Fpga) -> Placement:
    """ROMs (weights, biases, tables) are block RAM by attribute; vectors go where they are small.

    The blocks are the fewest over the modes of ceil(depth/D) ceil(width/W), or by
    :class:`rnnhw.cost.fpga.technology.TechnologyMapping` in the families that were measured.
    Without an attribute yosys makes a small memory of registers, or of LUT RAM where the family has
    it, by the same class; in the families that were not measured, LUT RAM is assumed to hold up to
    1024 bits, and registers up to 64, for each block that the memory would fill.
    """
    mapping = technology_of(profile)
    if mapping is not None:
        copy_blocks, _ = mapping.layout(profile, memory.depth, memory.width)
    else:
        copy_blocks = profile.memory_blocks(memory.depth, memory.width)
    blocks = memory.copies * copy_blocks
    if memory.kind.rom:
        # One word never changes: it is wired.
        return Placement("block RAM", blocks) if memory.depth > 1 else Placement("constants", 0)
    if mapping is not None:
        where = mapping.place(memory.depth, memory.width, copy_blocks, rewritten=memory.rewritten)
        return Placement(where, blocks if where == "block RAM" else 0)
    family = family_of(profile.family)
    lut_ram = family is not None and family.lut_ram is not None
    if memory.padded_bits > blocks * (_LUT_RAM_BITS if lut_ram else _REGISTER_BITS):
        return Placement("block RAM", blocks)
    return Placement("LUT RAM" if lut_ram else "registers", 0)


def dsp_blocks(layer: LayerMachine, profile: Fpga) -> int | None:
    """One multiplier a lane and one a multiply operation; None without DSP blocks.

    In the families that were measured, products that yosys puts into LUTs take none.
    """
    if profile.dsp is not None and (found := layer_blocks(layer, profile)) is not None:
        return found
    return multiplier_blocks(layer.multipliers, profile)


def multiplier_blocks(multipliers: Iterable[Multiplier], profile: Fpga) -> int | None:
    """The DSP blocks of a layer's multipliers; None without DSP blocks."""
    if profile.dsp is None:
        return None
    mapping = technology_of(profile)
    if mapping is not None:
        return sum(
            multiplier.count * mapping.blocks(multiplier.a_bits, multiplier.b_bits)
            for multiplier in multipliers
        )
    return sum(
        multiplier.count * profile.dsp_blocks_per_multiply(multiplier.a_bits, multiplier.b_bits)
        for multiplier in multipliers
    )


def _structure(layer: LayerMachine) -> str | None:
    """The name of the recurrent matrix in the fits; None for layers without a fit, such as
    those with another feed than a dense, banded or Walsh-Hadamard one."""
    simple = len(layer.phases) == 1 and layer.phases[0].gates == 1 and len(layer.multipliers) == 1
    if not simple:
        return None
    phase = layer.phases[0]
    if any(segment.note for segment in phase.segments):
        return None
    if phase.transforms:
        return None if any(transform.weight_words for transform in phase.transforms) else "hadamard"
    late = [segment for segment in phase.segments if not segment.early]
    if len(late) != 1:
        return None
    return "dense" if late[0].feed is Feed.BROADCAST else "banded"


def layer_fit(
    layer: LayerMachine, profile: Fpga, resource: Literal["lut", "ff"]
) -> ResourceFit | None:
    """The fit of ``resource`` that was made on layers of this kind: one row a unit, one state."""
    structure = _structure(layer)
    for fit in profile.fits:
        if (fit.resource, fit.structure) == (resource, structure):
            return fit
    return None


@dataclass(frozen=True)
class Estimate:
    """A count, and how far to believe it."""

    count: int
    note: str


def logic(layer: LayerMachine, profile: Fpga) -> tuple[Estimate | None, Estimate | None]:
    """LUTs and flip-flops of a layer; None: not known.

    From the layer's Verilog where it can be emitted and the family was measured, else by a fit
    that was made on layers of its kind.
    """
    estimate = layer_logic(layer, profile)
    if estimate is not None:
        return Estimate(estimate.lut, estimate.lut_note), Estimate(estimate.ff, estimate.ff_note)
    lut, ff = layer_fit(layer, profile, "lut"), layer_fit(layer, profile, "ff")
    return _estimate_of_fit(layer, lut), _estimate_of_fit(layer, ff)


def _estimate_of_fit(layer: LayerMachine, fit: ResourceFit | None) -> Estimate | None:
    if fit is None:
        return None
    return Estimate(fit.estimate(lanes=layer.lanes, units=layer.units), fit_note(layer, fit))


def _windows(layer: LayerMachine) -> list[tuple[int, int]]:
    segments = [segment for phase in layer.phases for segment in phase.segments]
    return [segment.window for segment in segments if segment.window is not None]


def fit_note(layer: LayerMachine, fit: ResourceFit) -> str:
    """The layers that the fit was measured on, and where this layer differs from them."""
    multiplier = layer.multipliers[0]
    unmet = fit.conditions.unmet(
        weight_bits=multiplier.a_bits,
        activation_bits=multiplier.b_bits,
        accumulator_bits=layer.accumulator_bits,
        inputs=layer.inputs,
        lanes=layer.lanes,
        units=layer.units,
        groups=layer.phases[0].groups,
        half_width=max((max(window) for window in _windows(layer)), default=0),
    )
    conditions = [
        f"{name} {low}" if low == high else f"{name} {low} to {high}"
        for name, (low, high) in (
            (name.replace("_", " "), getattr(fit.conditions, name))
            for name in fit.conditions.__struct_fields__
            if getattr(fit.conditions, name) is not None
        )
    ]
    made_on = f"fit within {fit.error_percent:g} % ({fit.tool}) at {', '.join(conditions)}"
    if not unmet:
        return made_on
    return f"extrapolated ({', '.join(name.replace('_', ' ') for name in unmet)}) from a {made_on}"
