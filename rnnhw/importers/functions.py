"""Functions that several tools have, as activations."""

from __future__ import annotations

from rnnhw.errors import DesignError
from rnnhw.layers.activations import ELU, Activation, Clipped, HardTanh, Identity, ReLU

__all__ = ["SELU", "clip_function"]

SELU = ELU(1.6732632423543772, 1.0507009873554805)
"""Klambauer et al. 2017, arXiv:1706.02515, equation 2."""


def clip_function(low: float | None, high: float | None) -> Activation:
    """The activation that limits to ``low..high``; None: no limit on that side.

    Raises:
        DesignError: rnnhw has no such activation.
    """
    match low, high:
        case (None, None):
            return Identity()
        case (0, None):
            return ReLU()
        case (-1, 1):
            return HardTanh()
        case (0, limit) if limit is not None and limit > 0:
            return Clipped(ReLU(), float(limit))
        case (lower, limit) if lower is not None and limit is not None and lower == -limit < 0:
            return Clipped(Identity(), float(limit))
    raise DesignError(
        f"values are limited to {low}..{high}", "rnnhw limits to -a..a, to 0..a, or from 0"
    )
