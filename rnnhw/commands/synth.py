"""A design synthesised: what yosys and nextpnr make of its Verilog, beside the estimate."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Literal

from rnnhw.commands.emit import emission_of, lanes_by_layer, machine_of
from rnnhw.commands.given import design_of
from rnnhw.cost.estimation import estimate
from rnnhw.cost.fpga.logic import calibration
from rnnhw.design.design import Design
from rnnhw.errors import DesignError, RnnhwError, UsageError
from rnnhw.files import scratch_folder
from rnnhw.profiles import Fpga, load_profile
from rnnhw.profiles.device_families import (
    DeviceFamily,
    RouterDevice,
    device_families,
    family_of,
)
from rnnhw.report.synthesis import Resource, SynthesisResult
from rnnhw.rtl.bundle import Emission
from rnnhw.rtl.project import sources, write_project
from rnnhw.rtl.tools.yosys import Cells, SeedClock, SynthesisFlow, place, required, synthesise

__all__ = ["Synthesis", "synth", "synthesis_flow"]


class Synthesis(SynthesisResult):
    """The result of :func:`synth`."""


def synth(
    design: Design | str | os.PathLike[str],
    profile: str | None = None,
    *,
    lanes: int | Mapping[str, int] | Literal["auto"] | None = None,
    seeds: int = 1,
    placed: bool = True,
    step: Callable[[str], None] | None = None,
) -> Synthesis:
    """Synthesise ``design`` for ``profile``, and place and route it with seeds 1 to ``seeds``.

    Args:
        profile: an FPGA's name or file; by default the design's target.
        lanes: as for :func:`rnnhw.estimate`.
        placed: whether to place and route, where nextpnr has the family.
        step: called with each step of the work as it begins.

    Raises:
        UsageError: a tool is missing, no profile is named, or yosys has no such family.
        DesignError: the design cannot be emitted.
        RnnhwError: a tool refuses the Verilog, or it does not fit the device.
    """
    design = design_of(design)
    if seeds < 1:
        raise UsageError(f"{seeds} seeds", "give a whole number, at least 1")
    device = _device(design, profile)
    family = _family(device)
    flow = synthesis_flow(family)
    machine = machine_of(design, lanes, device)
    lane_counts = lanes_by_layer(machine)
    yosys = required("yosys")
    target = _router_device(family, device.part) if placed else None
    router = required(flow.router) if flow.router and target is not None else None
    emission = emission_of(design, machine)
    clocks: list[SeedClock] = []
    begin = step or (lambda _: None)
    with scratch_folder() as folder:
        write_project(emission, folder)
        begin(f"yosys: synthesising for {device.title}")
        cells = synthesise(folder, sources(emission), emission.name, flow, yosys)
        if router is not None and target is not None:
            top = f"{emission.name}_pins"
            (folder / f"{top}.v").write_text(_pins(emission, top))
            verilog = [*sources(emission), f"{top}.v"]
            begin("yosys: synthesising with registers at the pins")
            synthesise(folder, verilog, top, flow, yosys)
            for seed in range(1, seeds + 1):
                begin(f"{flow.router}: placing and routing, seed {seed} of {seeds}")
                clocks.append(place(folder, top, flow, target.options, seed, router))
    tools = [f"{yosys.version}, {flow.command}"]
    if router is not None:
        tools.append(router.version)
    notes = []
    if placed and target is None:
        notes.append(f"nextpnr has no {device.title}: not placed")
    fit = calibration(family.name)
    if fit is not None and fit.release != yosys.release:
        notes.append(f"LUTs are estimated for yosys {fit.release}; this is {yosys.release}")
    return Synthesis(
        design,
        device,
        lane_counts,
        _resources(design, device, lane_counts, cells),
        tuple(clocks),
        tuple(tools),
        tuple(notes),
    )


def _device(design: Design, profile: str | None) -> Fpga:
    name = profile or (design.target.profile if design.target else None)
    if name is None:
        raise UsageError("no profile", "name an FPGA with profile=; `rnnhw profiles` lists them")
    try:
        found = load_profile(name)
    except RnnhwError as error:
        if profile is not None:
            raise
        raise DesignError(f"{design.place}: target: {error.message}", error.hint) from None
    if not isinstance(found, Fpga):
        raise UsageError(f"{found.name} is no FPGA", "`rnnhw profiles` lists them by kind")
    return found


def _family(device: Fpga) -> DeviceFamily:
    family = family_of(device.family)
    if family is not None and family.synthesis is not None:
        return family
    titles = [known.title for known in device_families().values() if known.synthesis is not None]
    raise UsageError(
        f"{device.name}: synthesis for {device.family} is not supported",
        f"use a profile of one of these families: {', '.join(titles)}",
    )


def synthesis_flow(family: DeviceFamily) -> SynthesisFlow:
    """How the tools synthesise for a family that has a synthesis.

    Raises:
        ValueError: it has none.
    """
    synthesis = family.synthesis
    if synthesis is None:
        raise ValueError(f"{family.title} has no synthesis")
    router = synthesis.place_and_route
    return SynthesisFlow(
        family.name,
        synthesis.command,
        synthesis.luts,
        synthesis.flip_flops,
        synthesis.multipliers,
        synthesis.block_rams,
        synthesis.before,
        router.tool if router else None,
        router.options if router else (),
    )


def _router_device(family: DeviceFamily, part: str) -> RouterDevice | None:
    """The device that a part is to the family's router; None where there is none."""
    router = family.synthesis.place_and_route if family.synthesis else None
    return router.device(part) if router else None


def _resources(
    design: Design, device: Fpga, lanes: Mapping[str, int], cells: Cells
) -> tuple[Resource, ...]:
    totals = estimate(design, device, lanes=lanes, tries_lanes=False).totals
    rows = [
        ("LUT", device.lut.unit, "luts", cells.lut, device.lut.value),
        ("FF", device.ff.unit, "flip_flops", cells.ff, device.ff.value),
        ("block RAM", device.block_ram.name, "block_rams", cells.block_ram,
         device.block_ram.count.value),
    ]  # fmt: skip
    if device.dsp is not None:
        row = ("DSP", device.dsp.name, "dsp_blocks", cells.dsp, device.dsp.count.value)
        rows.insert(2, row)
    found = []
    for name, unit, key, count, capacity in rows:
        value = getattr(totals, key).value
        estimated = value if isinstance(value, int) else None
        found.append(Resource(name, unit, estimated, count, int(capacity), key))
    return tuple(found)


def _pins(emission: Emission, top: str) -> str:
    """A module around the network with four pins: shift registers bring its inputs and take its
    outputs, so that a package with few pins does not matter to the clock."""
    x, y = emission.input_format.width, emission.output_format.width
    more, connections = 0, ""
    for port in emission.further:
        width, start = port.format.width, y + 4 + more
        connections += (
            f",\n    .{port.port}_ready(drive[3]), .{port.port}_valid(result[{start}]), "
            f".{port.port}_first(result[{start + 1}]),\n    .{port.port}_last("
            f"result[{start + 2}]), .{port.port}_data(result[{start + width + 2}:{start + 3}])"
        )
        more += width + 3
    top_bit = y + 3 + more
    return f"""module {top} (input wire clk, rst, in, output reg out);
  reg [{x + 3}:0] drive;
  reg [{top_bit}:0] seen;
  wire [{top_bit}:0] result;
  always @(posedge clk) begin
    drive <= {{drive[{x + 2}:0], in}};
    seen <= in ? result : {{seen[{top_bit - 1}:0], 1'b0}};
    out <= seen[{top_bit}];
  end
  {emission.name} network (.clk(clk), .rst(rst), .x_valid(drive[0]), .x_first(drive[1]),
    .x_last(drive[2]), .y_ready(drive[3]), .x_data(drive[{x + 3}:4]), .x_ready(result[0]),
    .y_valid(result[1]), .y_first(result[2]), .y_last(result[3]),
    .y_data(result[{y + 3}:4]){connections});
endmodule
"""
