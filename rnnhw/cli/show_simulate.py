"""The text of ``rnnhw simulate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rnnhw.analysis.counts import Counts
from rnnhw.cli.blocks import Block, Text, group
from rnnhw.cli.show import aligned, heading, number, title
from rnnhw.cli.show_figures import all_zero_lines, check_lines, events_table, score_text, unit_names
from rnnhw.design.demands import Check
from rnnhw.execution.simulate import Simulation

__all__ = ["simulation_text"]


def simulation_text(simulation: Simulation, checks: Sequence[Check]) -> Block:
    """The text of ``rnnhw simulate``."""
    run, network = simulation.run, simulation.design.network
    steps = int(simulation.batch.lengths.sum())
    parts: list[Block] = [
        title(simulation.design),
        Text(
            f"\n{number(simulation.batch.sequences, 'sequence')}, {number(steps, 'step')}, "
            f"kernels: {run.isa}"
        ),
    ]
    for node in network.outputs:
        values, lengths = simulation.output(node.name), run.by_output[node.name].lengths
        valid = np.arange(values.shape[1]) < lengths[:, None]
        name = f"{node.name}: " if len(network.outputs) > 1 else ""
        parts += [
            Text(f"{name}{valid.sum():,} outputs of {number(node.units, 'unit')}, {node.format}"),
            _outputs_table(values, valid),
        ]
    if simulation.score is not None:
        name = simulation.score.names[0]
        parts.append(Text(f"\n{name}  {score_text(simulation.score)}"))
    for output, score in simulation.further.items():
        parts.append(Text(f"{output}: {score.names[0]}  {score_text(score)}"))
    parts += [heading("events"), events_table(simulation.events, simulation.underflows)]
    parts += all_zero_lines(simulation.all_zero, ())
    for name, units in simulation.zero_units.items():
        if units:
            called = name if len(network.outputs) > 1 else "output"
            parts.append(Text(f"{called}: zero at every step in {unit_names(units)}"))
    parts += [heading("counts"), _counts_table(run.counts, simulation.counts)]
    if checks:
        parts += [Text(""), *check_lines(checks)]
    return group(*parts)


_SHOWN_OUTPUTS = 20


def _outputs_table(outputs: NDArray[np.float64], valid: NDArray[np.bool_]) -> Block:
    """The range of each output unit."""
    columns, units = ("min", "mean", "max"), outputs.shape[2]
    rows = []
    for unit in range(min(units, _SHOWN_OUTPUTS)):
        values = outputs[:, :, unit][valid]
        figures = (values.min(), values.mean(), values.max())
        rows.append((str(unit), *(f"{figure:.6g}" for figure in figures)))
    table = aligned(("unit", *columns), rows, columns)
    if units == len(rows):
        return table
    return group(table, Text(f"and {units - len(rows):,} more; --output RUN.npz holds all"))


def _counts_table(layers: Mapping[str, Counts], total: Counts) -> Block:
    names = [name for name, value in total.flat() if value]
    if len(layers) == 1:
        layers = {}
    columns = [dict(counts.flat()) for counts in (*layers.values(), total)]
    rows = [(_count_name(name), *(f"{column[name]:,}" for column in columns)) for name in names]
    return aligned(("count", *layers, "total"), rows, (*layers, "total"))


def _count_name(name: str) -> str:
    """``weights.reads`` counts words, ``weights.read_bits`` bits."""
    memory, dot, access = name.partition(".")
    if not dot:
        return memory
    return f"{memory} {access[:-5]}, bits" if access.endswith("_bits") else f"{memory} {access}"
