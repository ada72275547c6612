"""Energy of a network on an ASIC node: operations and memory accesses, by cited figures alone.

    operations:  amount of each operation x its energy at the width of its operands
    accesses:    bits through the ports of the accelerator's memories x the energy of a bit

The operations are those of :class:`rnnhw.analysis.counts.Counts`, with their widths; the bits are
the accelerator's :class:`rnnhw.accelerator.Traffic`. Wires, control, clock tree, registers and
leakage are not in it, nor operations that the node has no figure for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rnnhw.accelerator import Accelerator, LayerMachine, Memory, MemoryKind, arriving_bits
from rnnhw.analysis.work import Kind, Work, work_of
from rnnhw.graph.network import Network, Scan, TimeNode, Total
from rnnhw.profiles import Asic, Energy

__all__ = ["EnergyPart", "LayerEnergy", "energy", "layer_operations"]


@dataclass(frozen=True)
class EnergyPart:
    """``amount`` operations, or bits, at ``each`` pJ; ``each`` is None where it is not known."""

    name: str
    unit: str
    amount: int
    each: float | None
    note: str = ""

    @property
    def pj(self) -> float | None:
        """Picojoules in all."""
        return None if self.each is None else self.amount * self.each


@dataclass(frozen=True)
class LayerEnergy:
    """One layer, a step or, where it runs once a sequence, a run.

    ``arrivals`` are accesses of every step in front of a layer that runs once a sequence: its
    window over time takes in what arrives. ``uncounted`` are operations that no figure is for.
    ``bounded`` tells that no memory took the figure of a larger one, so that what is counted is a
    lower bound of what is built.
    """

    name: str
    once: bool
    operations: tuple[EnergyPart, ...]
    accesses: tuple[EnergyPart, ...]
    arrivals: tuple[EnergyPart, ...]
    uncounted: tuple[Work, ...]
    bounded: bool

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the parts."""
        alike: dict[str, list[str]] = {}
        for part in (*self.accesses, *self.arrivals):
            alike.setdefault(part.note, []).append(part.name)
        notes = [f"energy of {', '.join(names)}: {note}" for note, names in alike.items() if note]
        if self.uncounted:
            listed = ", ".join(f"{each.amount} {each.kind}" for each in self.uncounted)
            notes.append(f"energy not counted, for want of a figure: {listed}")
        return tuple(notes)


# --- operations ----------------------------------------------------------------------------------
def layer_operations(node: TimeNode) -> tuple[Work, ...]:
    """The operations of one step of a layer, every kind and width once.

    Shifts that align operands are wires; those by a constant a unit are not. A lookup is an access
    of its table.
    """
    works: Iterable[Work] = ()
    if isinstance(node, Scan):
        works = [work for step in node.graph.nodes for work in work_of(step)]
    elif isinstance(node, Total):
        works = [Work("adds", node.units, (node.format.width,))]
    amounts: dict[tuple[Kind, tuple[int, ...]], int] = {}
    for work in works:
        if work.kind != "lookups" and not work.wired:
            key = work.kind, tuple(sorted(work.widths))
            amounts[key] = amounts.get(key, 0) + work.amount
    ordered = sorted(amounts.items(), key=lambda item: (-len(item[0][1]), item[0]))
    return tuple(Work(kind, amount, widths) for (kind, widths), amount in ordered)


# --- prices --------------------------------------------------------------------------------------
def _operation_part(node: Asic, work: Work) -> EnergyPart:
    price = node.multiply(*work.widths) if len(work.widths) == 2 else node.add(*work.widths)
    verb = "multiply" if len(work.widths) == 2 else "add"
    name = f"{verb} {' x '.join(map(str, work.widths))} bits"
    return _part(name, "operations", work.amount, price)


def _part(name: str, unit: str, amount: int, price: Energy | None) -> EnergyPart:
    if price is None:
        return EnergyPart(name, unit, amount, None, "no figure")
    return EnergyPart(name, unit, amount, price.pj, price.note)


def _accesses(
    node: Asic, layer: LayerMachine, shared: Sequence[Memory]
) -> tuple[tuple[EnergyPart, ...], tuple[EnergyPart, ...], bool]:
    """The parts of a run, those of a step before it, and whether every memory is as large as the
    smallest that has a figure."""
    memories = (*layer.memories, *shared)
    traffic = layer.traffic
    arriving = arriving_bits(layer.memories) if layer.once else 0
    kept = (MemoryKind.STATE, MemoryKind.VECTORS)
    arrival = "vectors written at every step"
    ports = (
        ("weights read", traffic.weight_read_bits, (MemoryKind.WEIGHTS,)),
        ("biases read", traffic.bias_read_bits, (MemoryKind.BIASES,)),
        ("tables read", traffic.table_read_bits, (MemoryKind.TABLES,)),
        ("vectors read", traffic.vector_read_bits, kept),
        ("vectors written", traffic.vector_write_bits, kept),
        (arrival, arriving, kept),
    )
    smallest = min((a.capacity_bytes for a in node.accesses if a.capacity_bytes), default=0)
    parts, bounded = [], True
    for name, bits, kinds in ports:
        if bits:
            capacity = sum(m.padded_bits for m in memories if m.kind in kinds)
            parts.append(_part(name, "bits", bits, node.access(1, capacity)))
            bounded &= capacity >= 8 * smallest
    every_step = tuple(part for part in parts if part.name == arrival)
    return tuple(part for part in parts if part not in every_step), every_step, bounded


def _without(works: Iterable[Work], layer: LayerMachine) -> list[Work]:
    """The operations but for the products and sums of columns that are skipped."""
    spared: dict[tuple[str, tuple[int, ...]], int] = {}
    for product, macs in layer.skipped:
        assert product.weights is not None
        widths = sorted((product.weights.format.width, product.vector.format.width))
        for key in (("multiplies", tuple(widths)), ("adds", (product.format.width,))):
            spared[key] = spared.get(key, 0) + macs
    return [
        replace(work, amount=max(work.amount - spared.get((work.kind, work.widths), 0), 0))
        for work in works
    ]


def energy(network: Network, machine: Accelerator, node: Asic) -> tuple[LayerEnergy, ...]:
    """Every layer of ``machine`` on ``node``, in the machine's order."""
    nodes = {each.name: each for each in network.nodes}
    shared = machine.engine.memories if machine.engine else ()
    figures = []
    for layer in machine.layers:
        works = _without(layer_operations(nodes[layer.name]), layer)
        accesses, arrivals, bounded = _accesses(node, layer, shared)
        figures.append(
            LayerEnergy(
                name=layer.name,
                once=layer.once,
                operations=tuple(_operation_part(node, work) for work in works if work.widths),
                accesses=accesses,
                arrivals=arrivals,
                uncounted=tuple(work for work in works if not work.widths),
                bounded=bounded,
            )
        )
    return tuple(figures)
