"""Structures of a matrix: what is stored, which terms each row adds, what that costs.

An :class:`Elementary` structure is one matrix-vector product of the step graph: it knows its
stored parameters, its terms row by row and, separately, closed formulas for their number. Other
structures write several operations; their counts and storage compose. ``a + b`` and
``a @ b`` make sums and products of any two.

A structure stands for a real matrix of (rows, columns) that maps ``columns`` inputs to ``rows``
outputs. Its docstring gives the shapes of what is stored, under the key ``U`` and those that begin
with it, for whatever tensor of a layer it is used. Wrong arguments and sizes raise
:class:`~rnnhw.errors.DesignError` with a cure.
"""

from rnnhw.layers.structures.base import Elementary, Product, Projection, Row, Structure, Sum
from rnnhw.layers.structures.compositions import LowRank, Monarch, Permutation, UnitWeights
from rnnhw.layers.structures.matrices import (
    Banded,
    BlockDiagonal,
    Circulant,
    CyclicBand,
    Dense,
    Diagonal,
    InterleavedBlocks,
    Sparse,
    Toeplitz,
)
from rnnhw.layers.structures.transforms import (
    Butterfly,
    ButterflyStage,
    FastWalshHadamard,
    Hadamard,
    WalshHadamardStage,
)

__all__ = [
    "Banded",
    "BlockDiagonal",
    "Butterfly",
    "ButterflyStage",
    "Circulant",
    "CyclicBand",
    "Dense",
    "Diagonal",
    "Elementary",
    "FastWalshHadamard",
    "Hadamard",
    "InterleavedBlocks",
    "LowRank",
    "Monarch",
    "Permutation",
    "Product",
    "Projection",
    "Row",
    "Sparse",
    "Structure",
    "Sum",
    "Toeplitz",
    "UnitWeights",
    "WalshHadamardStage",
]
