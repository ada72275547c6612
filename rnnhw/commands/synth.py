"""A design synthesised: what yosys and nextpnr make of its Verilog, beside the estimate."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rnnhw.commands.emit import emission_of, lanes_by_layer, machine_of
from rnnhw.cost import estimate
from rnnhw.cost.fpga.logic import calibration
from rnnhw.design.design import Design
from rnnhw.errors import UsageError
from rnnhw.profiles import Fpga, load_profile
from rnnhw.rtl.bundle import Emission
from rnnhw.rtl.project import sources, write_project
from rnnhw.rtl.tools.yosys import FAMILIES, Cells, Family, Placed, place, required, synthesise

__all__ = ["Resource", "Synthesis", "synth"]

_DEVICES: Mapping[str, tuple[str, ...]] = {
    "iCE40UP5K": ("--up5k", "--package", "sg48"),
    "LFE5U-25": ("--25k", "--package", "CABGA381"),
    "LFE5U-45": ("--45k", "--package", "CABGA381"),
    "LFE5U-85": ("--85k", "--package", "CABGA381"),
}
"""nextpnr's options by what a profile's part starts with."""


@dataclass(frozen=True)
class Resource:
    """One resource: the estimate of ``rnnhw report``, None where it is not known, and the count."""

    name: str
    unit: str
    estimated: int | None
    measured: int
    capacity: int

    @property
    def difference_percent(self) -> float | None:
        """By how much the estimate is too high."""
        if self.estimated is None:
            return None
        if self.measured == 0:
            return 0.0 if self.estimated == 0 else None
        return 100 * (self.estimated / self.measured - 1)


@dataclass(frozen=True, eq=False)
class Synthesis:
    """What :func:`synth` found; ``clocks`` has an entry for every seed, ``tools`` the
    programs with their versions and the synthesis command, ``notes`` what to know beside it."""

    design: Design
    profile: Fpga
    lanes: Mapping[str, int]
    resources: tuple[Resource, ...]
    clocks: tuple[Placed, ...]
    tools: tuple[str, ...]
    notes: tuple[str, ...] = ()


def synth(
    design: Design,
    profile: str | None = None,
    *,
    lanes: int | Mapping[str, int] | Literal["auto"] | None = None,
    seeds: int = 1,
    placed: bool = True,
) -> Synthesis:
    """Synthesise ``design`` for ``profile``, and place and route it with seeds 1 to ``seeds``.

    Args:
        profile: an FPGA's name or file; by default the design's target.
        lanes: as for :func:`rnnhw.estimate`.
        placed: whether to place and route, where nextpnr has the family.

    Raises:
        UsageError: a tool is missing, no profile is named, or yosys has no such family.
        DesignError: the design cannot be emitted.
        RnnhwError: a tool refuses the Verilog, or it does not fit the device.
    """
    if seeds < 1:
        raise UsageError(f"{seeds} seeds", "give a whole number, at least 1")
    device = _device(design, profile)
    family = _family(device)
    machine = machine_of(design, lanes, device)
    own = lanes_by_layer(machine)
    yosys = required("yosys")
    options = next((o for part, o in _DEVICES.items() if device.part.startswith(part)), None)
    routed = placed and family.router is not None and options is not None
    router = required(family.router) if routed and family.router else None
    emission = emission_of(design, machine)
    clocks: list[Placed] = []
    with tempfile.TemporaryDirectory(prefix="rnnhw-") as folder:
        place_ = Path(folder)
        write_project(emission, place_)
        cells = synthesise(place_, sources(emission), emission.name, family, yosys)
        if router is not None and options is not None:
            top = f"{emission.name}_pins"
            (place_ / f"{top}.v").write_text(_pins(emission, top))
            verilog = [*sources(emission), f"{top}.v"]
            synthesise(place_, verilog, top, family, yosys)
            clocks = [
                place(place_, top, family, options, seed, router) for seed in range(1, seeds + 1)
            ]
    tools = [f"{yosys.version}, {family.command}"]
    if router is not None:
        tools.append(router.version)
    notes = []
    if placed and not routed:
        notes.append(f"nextpnr has no {device.title}: not placed")
    known = calibration(family.name)
    if known is not None and known.release != yosys.release:
        notes.append(f"LUTs are estimated for yosys {known.release}; this is {yosys.release}")
    return Synthesis(
        design,
        device,
        own,
        _resources(design, device, own, cells),
        tuple(clocks),
        tuple(tools),
        tuple(notes),
    )


def _device(design: Design, profile: str | None) -> Fpga:
    name = profile or (design.target.profile if design.target else None)
    if name is None:
        raise UsageError("no profile", "name an FPGA with --profile; `rnnhw profiles` lists them")
    found = load_profile(name)
    if not isinstance(found, Fpga):
        raise UsageError(f"{found.name} is no FPGA", "`rnnhw profiles` lists them by kind")
    return found


def _family(device: Fpga) -> Family:
    plain = device.family.lower()
    if "7 series" in plain:
        return FAMILIES["xc7"]
    for name, family in FAMILIES.items():
        if plain.startswith(name):
            return family
    raise UsageError(
        f"{device.name}: synthesis for {device.family} is not supported",
        "use a profile of an iCE40, an ECP5 or a 7 series device",
    )


def _resources(
    design: Design, device: Fpga, lanes: Mapping[str, int], cells: Cells
) -> tuple[Resource, ...]:
    totals = estimate(design, device, lanes=lanes).totals
    rows = [
        ("LUT", device.lut.unit, totals.luts, cells.lut, device.lut.value),
        ("FF", device.ff.unit, totals.flip_flops, cells.ff, device.ff.value),
        ("block RAM", device.block_ram.name, totals.block_rams, cells.block_ram,
         device.block_ram.count.value),
    ]  # fmt: skip
    if device.dsp is not None:
        row = ("DSP", device.dsp.name, totals.dsp_blocks, cells.dsp, device.dsp.count.value)
        rows.insert(2, row)
    return tuple(
        Resource(
            name,
            unit,
            int(figure.value) if isinstance(figure.value, int) else None,
            count,
            int(capacity),
        )
        for name, unit, figure, count, capacity in rows
    )


def _pins(emission: Emission, top: str) -> str:
    """A module around the network with four pins: shift registers bring its inputs and take its
    outputs, so that a package with few pins does not matter to the clock."""
    x, y = emission.input_format.width, emission.output_format.width
    return f"""module {top} (input wire clk, rst, in, output reg out);
  reg [{x + 3}:0] drive;
  reg [{y + 3}:0] seen;
  wire [{y + 3}:0] result;
  always @(posedge clk) begin
    drive <= {{drive[{x + 2}:0], in}};
    seen <= in ? result : {{seen[{y + 2}:0], 1'b0}};
    out <= seen[{y + 3}];
  end
  {emission.name} network (.clk(clk), .rst(rst), .x_valid(drive[0]), .x_first(drive[1]),
    .x_last(drive[2]), .y_ready(drive[3]), .x_data(drive[{x + 3}:4]), .x_ready(result[0]),
    .y_valid(result[1]), .y_first(result[2]), .y_last(result[3]), .y_data(result[{y + 3}:4]));
endmodule
"""
