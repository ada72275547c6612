"""Designs as PyTorch modules, trained through the integers that the hardware computes."""

try:
    import torch as _torch  # noqa: F401
except ImportError:
    raise ImportError("rnnhw.torch needs PyTorch: pip install 'rnnhw[train]'") from None

from rnnhw.conversion.torch import weights as weights
from rnnhw.torch.network import QuantizedNetwork as QuantizedNetwork
