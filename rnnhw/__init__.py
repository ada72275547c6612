"""rnnhw: a hardware-oriented simulator for fixed-point recurrent accelerators.

One Python design file describes a network; rnnhw runs it in integers with operation and memory
counters, verifies it against a float reference, and reports throughput and storage on hardware.
"""

from typing import TYPE_CHECKING, Any

from rnnhw.activations import HardTanh, Identity, ReLU, Sigmoid, Tanh
from rnnhw.arrangement import Arrangement
from rnnhw.cells import (
    GRU,
    LSTM,
    Bidirectional,
    Elman,
    JordanNetwork,
    Last,
    LeakyElman,
    Linear,
    Mean,
    MinGRU,
    Residual,
    Window,
)
from rnnhw.dataflow import Formats
from rnnhw.design import Design, Target, load
from rnnhw.errors import DesignError, RnnhwError, UsageError
from rnnhw.numerics import Overflow, Q, Rounding
from rnnhw.structures import (
    Banded,
    BlockDiagonal,
    Butterfly,
    Circulant,
    CyclicBand,
    Dense,
    Diagonal,
    Hadamard,
    LowRank,
    Monarch,
    Permutation,
    Product,
    Sparse,
    Sum,
    Toeplitz,
    UnitWeights,
)
from rnnhw.tasks import BinaryAddition, Classification, Narma10, Recall, Regression

__all__ = [
    "GRU",
    "LSTM",
    "Arrangement",
    "Banded",
    "Bidirectional",
    "BinaryAddition",
    "BlockDiagonal",
    "Butterfly",
    "Circulant",
    "Classification",
    "CyclicBand",
    "Dense",
    "Design",
    "DesignError",
    "Diagonal",
    "Elman",
    "Formats",
    "Hadamard",
    "HardTanh",
    "Identity",
    "JordanNetwork",
    "Last",
    "LeakyElman",
    "Linear",
    "LowRank",
    "Mean",
    "MinGRU",
    "Monarch",
    "Narma10",
    "Overflow",
    "Permutation",
    "Product",
    "Q",
    "ReLU",
    "Recall",
    "Regression",
    "Residual",
    "RnnhwError",
    "Rounding",
    "Sigmoid",
    "Sparse",
    "Sum",
    "Tanh",
    "Target",
    "Toeplitz",
    "UnitWeights",
    "UsageError",
    "Window",
    "compare",
    "compare_costs",
    "compare_reports",
    "emit",
    "estimate",
    "jordan_form",
    "load",
    "simulate",
    "verify",
]
__version__ = "0.1.0"

if TYPE_CHECKING:
    from rnnhw.comparison import compare
    from rnnhw.cost import estimate
    from rnnhw.costcomparison import compare_reports
    from rnnhw.emitter import emit
    from rnnhw.jordan import jordan_form
    from rnnhw.sidebyside import compare_costs
    from rnnhw.simulation import simulate
    from rnnhw.verification import verify

_LATER = {
    "compare": "comparison",
    "compare_costs": "sidebyside",
    "compare_reports": "costcomparison",
    "emit": "emitter",
    "estimate": "cost",
    "jordan_form": "jordan",
    "simulate": "simulation",
    "verify": "verification",
}
"""What is imported when it is used: the compiled engine, and what only cost reports need."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(f"rnnhw.{_LATER[name]}"), name)
    raise AttributeError(f"module 'rnnhw' has no attribute {name!r}")
