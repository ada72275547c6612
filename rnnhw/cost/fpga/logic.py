"""LUTs and flip-flops of a layer, estimated from the modules that it is emitted as.

Flip-flops are counted (:mod:`rnnhw.cost.fpga.flip_flops`); LUTs are amounts of logic
(:mod:`rnnhw.cost.fpga.luts`) times what one of each takes, calibrated against synthesis
(``benchmarks/calibrate.py`` writes ``calibration.toml``).
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from typing import Any

import msgspec

from rnnhw.accelerator import Basis, LayerMachine, MemoryKind
from rnnhw.accelerator.mapping import address_bits
from rnnhw.cost.fpga.context import context_of
from rnnhw.cost.fpga.flip_flops import flip_flops
from rnnhw.cost.fpga.luts import lut_amounts
from rnnhw.cost.fpga.technology import TechnologyMapping, technology_of
from rnnhw.graph.nodes import Input
from rnnhw.profiles import Fpga
from rnnhw.rtl.layer import outline_layer
from rnnhw.rtl.verilog_text import Module, Outline

__all__ = ["Calibration", "Logic", "amounts_of", "calibration", "layer_logic"]


@dataclass(frozen=True)
class Calibration:
    """What one of each kind of logic takes in a family, and how well that was met.

    ``luts`` by the kinds of :data:`rnnhw.cost.fpga.luts.KINDS`, fitted to syntheses with ``tool``.
    ``lut_error`` and ``ff_error`` are the largest errors, in percent, of ``held_out`` other
    syntheses; ``unseen`` are the kinds that no fitted design had. The file holds more, for its
    reader: date, number of fitted syntheses, means of the errors.
    """

    tool: str
    held_out: int
    lut_error: float
    ff_error: float
    unseen: list[str]
    luts: dict[str, float]

    @property
    def release(self) -> str:
        """``0.23`` of ``yosys 0.23, synth_ecp5``."""
        return self.tool.partition(",")[0].split()[-1]


@dataclass(frozen=True)
class Logic:
    """LUTs and flip-flops of a layer, with how far to believe each."""

    lut: int
    ff: int
    lut_note: str
    ff_note: str


@cache
def calibration(family: str) -> Calibration | None:
    """The calibration of a family by its name; None before there is one."""
    text = (files(__package__) / "calibration.toml").read_text()
    data: dict[str, Any] = tomllib.loads(text)
    return msgspec.convert(data[family], Calibration) if family in data else None


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
    basis = f"{fit.held_out} syntheses ({fit.tool})"
    beyond = [kind for kind in fit.unseen if amounts.get(kind)]
    far = f"; extrapolated, no such design was synthesised: {', '.join(beyond)}" if beyond else ""
    return Logic(
        round(lut),
        registers,
        f"estimated from the Verilog's structure, within {fit.lut_error:g} % on {basis}{far}",
        f"counted from the Verilog's structure, within {fit.ff_error:g} % on {basis}{far}",
    )


def amounts_of(
    layer: LayerMachine, profile: Fpga, mapping: TechnologyMapping
) -> tuple[dict[str, float], int] | None:
    """The amounts of logic of a layer and its flip-flops; None where it has no Verilog."""
    module = _outline(layer)
    if module is None:
        return None
    gates = max((phase.gates for phase in layer.phases), default=1)
    context = context_of(module, mapping, partial(mapping.layout, profile), max(gates, 1))
    amounts = lut_amounts(module, context)
    registers = flip_flops(module, context)
    if not layer.phases:
        amounts["layer"] = 0
    return amounts, registers


def _outline(layer: LayerMachine) -> Module | None:
    if layer.basis is not Basis.REALISED:
        return None
    mapping = layer.mapping
    if mapping is None:
        return _total(layer)
    module = outline_layer(mapping)
    inputs = {n.position: n for n in mapping.graph.nodes if isinstance(n, Input)}
    for at, units in layer.counted.items():
        _count_steps(module, units, inputs[at].format.signed_width)
    return module


def _count_steps(module: Module, units: int, width: int) -> None:
    """The count of a sequence's steps that is an input, as the top module instantiates it."""
    parameters = {"UNITS": units, "WIDTH": width, "INDEX_BITS": address_bits(units)}
    module.instance("rnnhw_steps", "steps", parameters, {})


def _total(layer: LayerMachine) -> Module:
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
