"""PyTorch's recurrent and linear layers as weights by rnnhw's keys and shapes.

torch itself is not imported: a module is anything with ``named_parameters`` of torch's names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnhw.errors import DesignError

__all__ = ["weights"]


class _Module(Protocol):
    def named_parameters(self) -> Iterable[tuple[str, Any]]:
        """Names and tensors."""
        ...


_KEYS = {
    "weight_ih": "W",
    "weight_hh": "U",
    "bias_ih": "b",
    "bias_hh": "b2",
    "weight_hr": "P",
    "weight": "W",
    "bias": "b",
}

_BACKWARD = "_reverse"


def weights(module: _Module, *names: str) -> dict[str, NDArray[np.float64]]:
    """The parameters of an ``nn.LSTM``, ``nn.GRU``, ``nn.RNN`` or ``nn.Linear`` by rnnhw's keys.

    ``names`` are those of rnnhw's layers, one for each of the module's ``num_layers``. Gates keep
    their order (LSTM i, f, g, o; GRU r, z, n). An LSTM or GRU with ``bias=True`` has two bias
    vectors, ``b`` and ``b2``: give its layer ``recurrent_bias=True``. The two of an ``nn.RNN``
    are added, for an Elman layer has one. ``nn.RNN`` is tanh's unless it says otherwise. The
    layers of a bidirectional module are :class:`rnnhw.Bidirectional`, whose names are given: the
    keys are ``NAME.forward.W``, ``NAME.backward.W``...

    Raises:
        DesignError: the module has other parameters or another number of layers than named.
    """
    arrays: dict[str, NDArray[np.float64]] = {}
    layers = set()
    parameters = list(module.named_parameters())
    two_ways = any(full.endswith(_BACKWARD) for full, _ in parameters)
    for full, tensor in parameters:
        stem, _, layer = full.removesuffix(_BACKWARD).partition("_l")
        if not layer.isdigit() and (layer or stem not in _KEYS):
            raise DesignError(
                f"{type(module).__name__}: parameter {full} is unknown",
                "known: LSTM, GRU, RNN and Linear",
            )
        layers.add(int(layer or 0))
        if stem not in _KEYS or int(layer or 0) >= len(names):
            continue
        name = names[int(layer or 0)]
        if two_ways:
            name += ".backward" if full.endswith(_BACKWARD) else ".forward"
        arrays[f"{name}.{_KEYS[stem]}"] = tensor.detach().cpu().numpy().astype(np.float64)
    if layers != set(range(len(names))):
        raise DesignError(
            f"{type(module).__name__} has {len(layers)} layers, {len(names)} are named",
            "give one name for each",
        )
    if getattr(module, "mode", "").startswith("RNN"):
        for key in [key for key in arrays if key.endswith(".b2")]:
            arrays[key.removesuffix("2")] += arrays.pop(key)
    return arrays
