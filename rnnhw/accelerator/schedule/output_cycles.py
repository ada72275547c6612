"""When results leave the accelerator while sequences stream through it back to back."""

from __future__ import annotations

from collections.abc import Sequence

from rnnhw.accelerator.schedule.accelerator import Accelerator
from rnnhw.accelerator.schedule.time_operations import output_reads
from rnnhw.errors import DesignError
from rnnhw.graph.network import Network, Reverse, TimeNode

__all__ = ["output_cycles"]


def output_cycles(
    network: Network,
    accelerator: Accelerator,
    lengths: Sequence[int],
    output: TimeNode | None = None,
) -> list[int]:
    """The cycle of the last element of every vector of ``output``, the first one if left out, for
    sequences of ``lengths`` steps.

    Cycle 0 brings the first input element; a vector is sent as soon as there is room for it, its
    elements without a gap, and the outputs are taken at once. The layers take one step after the
    other.

    Raises:
        DesignError: the network needs a whole sequence before it goes on.
    """
    for node in network.nodes:
        if isinstance(node, Reverse):
            raise DesignError(
                f"{node.name}: {type(node).__name__} over time does not stream",
                "rnnhw report gives the cycles of one sequence",
            )
    return [end - 1 for end in accelerator.stream(output_reads(network, output), lengths)]
