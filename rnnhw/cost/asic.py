"""The report of a design on an ASIC node: the energy of operations and memory accesses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rnnhw.accelerator import Memory
from rnnhw.cost.accelerator import (
    accelerator_report,
    machine_at,
    machine_totals,
    modelled_notes,
    shared_memories,
)
from rnnhw.cost.energy import EnergyPart, LayerEnergy, energy
from rnnhw.cost.figure import Figure, Status, not_known, not_used
from rnnhw.cost.layers import algorithmic_counts, machine_layer
from rnnhw.cost.model import (
    EnergyReport,
    Files,
    Report,
    TargetReport,
    revised,
)
from rnnhw.cost.request import Request
from rnnhw.profiles import Asic

__all__ = ["asic_report"]

_ALONE = "without wires, control, clock tree, registers and leakage"


def asic_report(
    request: Request, profile: Asic, files: Files, lanes: int | Mapping[str, int]
) -> Report:
    """The report of a design on an ASIC node.

    Raises:
        DesignError: a layer cannot have its lanes, or a schedule is not possible.
    """
    network, machine = request.design.network, machine_at(request, lanes)
    counts = algorithmic_counts(network)
    spent = energy(network, machine, profile)
    layers = tuple(
        revised(
            machine_layer(machine, index, counts[layer.name], _in_sram),
            assumptions=(*layer.assumptions, *each.notes),
            energy=tuple(map(_energy_part, (*each.operations, *each.accesses, *each.arrivals))),
        )
        for index, (layer, each) in enumerate(zip(machine.layers, spent, strict=True))
    )
    totals = revised(machine_totals(request, machine, layers), **_energy_totals(profile, spent))
    notes = [*request.notes, *modelled_notes(machine)]
    notes.append(f"energy is that of operations and memory accesses, {_ALONE}")
    notes.append("energies at other widths and capacities than the cited are interpolated")
    notes.append("weights, biases and tables are kept in SRAM, each kind of a layer in one")
    sources = dict.fromkeys(each.source for each in (*profile.operations, *profile.accesses))
    notes += [f"energies from: {source}" for source in sources]
    target = TargetReport(profile=profile.name, title=profile.title, kind="asic")
    common = shared_memories(machine, _in_sram)
    return accelerator_report(request, machine, lanes, files, target, totals, layers, notes, common)


def _in_sram(memory: Memory) -> tuple[str, int]:
    return "SRAM", 0


def _energy_part(part: EnergyPart) -> EnergyReport:
    return EnergyReport(
        what=part.name,
        unit="operations" if part.unit == "operations" else "bits",
        amount=part.amount,
        each_pj=part.each,
        energy_pj=part.pj,
        note=part.note,
    )


def _energy_totals(profile: Asic, layers: Sequence[LayerEnergy]) -> dict[str, Figure]:
    cited = (*profile.operations, *profile.accesses)
    status: Status = "second-hand" if any(c.status == "second-hand" for c in cited) else "derived"

    def total(parts: Iterable[EnergyPart], *, bounded: bool) -> Figure:
        energies = [part.pj for part in parts]
        if any(pj is None for pj in energies):
            return not_known("the node has no figure for a part of it")
        picojoules = sum(pj for pj in energies if pj is not None)
        if bounded:
            return Figure(picojoules, status, _ALONE, "at least")
        return Figure(picojoules, status, f"small memories at a larger one's figure, {_ALONE}")

    def of_layers(once: bool, *, operations: bool, accesses: bool) -> Figure:
        chosen = [layer for layer in layers if layer.once is once]
        parts = [part for layer in chosen for part in layer.operations if operations]
        parts += [part for layer in chosen for part in layer.accesses if accesses]
        if accesses and not once:
            parts += [part for layer in layers for part in layer.arrivals]
            chosen += [layer for layer in layers if layer.arrivals]
        bounded = not accesses or all(layer.bounded for layer in chosen)
        return total(parts, bounded=bounded)

    after = any(layer.once for layer in layers)
    return {
        "operation_energy_per_step_pj": of_layers(False, operations=True, accesses=False),
        "access_energy_per_step_pj": of_layers(False, operations=False, accesses=True),
        "energy_per_step_pj": of_layers(False, operations=True, accesses=True),
        "energy_after_last_step_pj": of_layers(True, operations=True, accesses=True)
        if after
        else not_used("no layer runs once a sequence"),
    }
