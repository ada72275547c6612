"""First values of states that come with the data, in real numbers and in integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rnnhw.design.tasks import Samples
from rnnhw.errors import DesignError, unknown_name
from rnnhw.graph.network import Network
from rnnhw.numerics.cast import Events, quantise, underflows

__all__ = ["FirstStates", "first_states"]


@dataclass(frozen=True, eq=False)
class FirstStates:
    """By state name the first values [sequences, units], real and raw; by key what became of them
    at quantisation."""

    real: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    raw: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    events: Mapping[str, Events] = field(default_factory=dict)
    underflows: Mapping[str, int] = field(default_factory=dict)

    @property
    def clips(self) -> int:
        """How many values lie outside their format."""
        return sum(events.total for events in self.events.values())


def first_states(network: Network, samples: Samples) -> FirstStates:
    """The first values that ``samples`` give to the states of ``network``.

    Raises:
        DesignError: a key belongs to no state, or a shape is wrong.
    """
    known = network.first_states()
    real, raw, events, lost = {}, {}, {}, {}
    for key, values in samples.first.items():
        if key not in known:
            answers = [f"y.{node.name}" for node in network.outputs[1:]]
            what = "answers" if answers and key.startswith("y.") else "first state"
            raise DesignError(*unknown_name(what, key, [*known, *answers]))
        name, state = known[key]
        if values.shape != (len(samples.lengths), state.units):
            raise DesignError(
                f"{key} has shape {values.shape}",
                f"it must be [{len(samples.lengths)} sequences, {state.units} units]",
            )
        real[name] = np.asarray(values, np.float64)
        raw[name], events[key] = quantise(real[name], state.format)
        lost[key] = underflows(real[name], raw[name], state.format)
    return FirstStates(real, raw, events, lost)
