"""rnnhw: a hardware-oriented simulator for fixed-point recurrent accelerators.

One Python design file describes a network; rnnhw runs it in integers with operation and memory
counters, verifies it against a float reference, and reports throughput and storage on hardware.
"""

from typing import TYPE_CHECKING, Any

from rnnhw.design.design import Design, Target, load
from rnnhw.design.schedule import Arrangement
from rnnhw.design.tasks import BinaryAddition, Classification, Narma10, Recall, Regression
from rnnhw.errors import DesignError, RnnhwError, UsageError
from rnnhw.graph.builder import Formats
from rnnhw.layers.activations import HardTanh, Identity, ReLU, Sigmoid, Tanh
from rnnhw.layers.cells import (
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
from rnnhw.layers.structures import (
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
from rnnhw.numerics.cast import Overflow, Q, Rounding
from rnnhw.version import __version__ as __version__

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

if TYPE_CHECKING:
    from rnnhw.commands.emit import emit
    from rnnhw.conversion.jordan import jordan_form
    from rnnhw.cost import estimate
    from rnnhw.execution.simulate import simulate
    from rnnhw.execution.verify import verify
    from rnnhw.report.comparison.model import compare_reports
    from rnnhw.study.compare import compare_costs
    from rnnhw.study.scores import compare

_LATER = {
    "compare": "study.scores",
    "compare_costs": "study.compare",
    "compare_reports": "report.comparison.model",
    "emit": "commands.emit",
    "estimate": "cost",
    "jordan_form": "conversion.jordan",
    "simulate": "execution.simulate",
    "verify": "execution.verify",
}
"""What is imported when it is used: the compiled engine, and what only cost reports need."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(f"rnnhw.{_LATER[name]}"), name)
    raise AttributeError(f"module 'rnnhw' has no attribute {name!r}")
