"""rnnhw: a hardware-oriented simulator for fixed-point recurrent accelerators.

One Python design file describes a network; rnnhw runs it in integers with operation and memory
counters, verifies it against a float reference, and reports throughput and storage on hardware.
"""

from rnnhw.activations import HardTanh, Identity, ReLU, Sigmoid, Tanh
from rnnhw.cells import Elman, Last, Linear, Mean, Window
from rnnhw.dataflow import Formats
from rnnhw.design import Design, Target, load
from rnnhw.errors import DesignError, RnnhwError, UsageError
from rnnhw.numerics import Overflow, Q, Rounding
from rnnhw.structures import Banded, Dense, Diagonal, Hadamard
from rnnhw.tasks import BinaryAddition, Classification

__all__ = [
    "Banded",
    "BinaryAddition",
    "Classification",
    "Dense",
    "Design",
    "DesignError",
    "Diagonal",
    "Elman",
    "Formats",
    "Hadamard",
    "HardTanh",
    "Identity",
    "Last",
    "Linear",
    "Mean",
    "Overflow",
    "Q",
    "ReLU",
    "RnnhwError",
    "Rounding",
    "Sigmoid",
    "Tanh",
    "Target",
    "UsageError",
    "Window",
    "load",
]
__version__ = "0.1.0"
