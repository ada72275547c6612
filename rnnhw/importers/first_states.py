"""Where a recurrent layer's first state comes from: stored numbers, or an input of the network."""

from __future__ import annotations

import numpy as np

from rnnhw.errors import DesignError
from rnnhw.importers.network import FloatArray, checked_tensor
from rnnhw.importers.tracing import Source, Traced

__all__ = ["note_first_state"]


def note_first_state(
    label: str,
    given: object,
    key: str,
    place: int,
    units: int,
    tensors: dict[str, FloatArray],
    fed: dict[str, str],
    *,
    batch_first: bool = False,
) -> None:
    """Put a first state into ``tensors``, or the input that it is read from into ``fed``.

    ``given`` is [directions, batch, units], or [batch, directions, units] with ``batch_first``;
    ``place`` is the direction (of a stack: the layer and direction).

    Raises:
        DesignError: the network computes it, or it is stored and differs from sequence to
            sequence.
    """
    if given is None:
        return
    if isinstance(given, np.ndarray):
        values = checked_tensor(f"input {label}", given.astype(np.float64))
        ways = values.shape[batch_first] if values.ndim == 3 else 0
        if values.ndim != 3 or values.shape[2] != units or place >= ways:
            raise DesignError(f"input {label} has shape {list(values.shape)}", "export it again")
        rows = values[:, place] if batch_first else values[place]
        if (rows != rows[:1]).any():
            raise DesignError(
                f"input {label} holds another first state for each sequence",
                "make it an input of the network, and give the data of rnnhw the first states",
            )
        tensors[key] = rows[0]
        return
    if isinstance(given, Traced) and isinstance(given.flow, Source):
        fed[key] = f"{given.flow.name}{given.flow.part}"
        return
    raise DesignError(
        f"input {label} is computed by the network",
        "rnnhw starts a layer from zero, from stored numbers or from data; cut the network with "
        "--from behind what computes it",
    )
