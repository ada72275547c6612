"""The compiled quantiser (ext/_quantise.pyx)."""

import numpy as np
from numpy.typing import NDArray

def quantise(
    values: NDArray[np.float64],
    scale: float,
    width: int,
    rounding: int,
    overflow: int,
    lowest: int,
    highest: int,
) -> tuple[NDArray[np.int64], tuple[int, int, int]] | None: ...
def underflows(values: NDArray[np.float64], raw: NDArray[np.int64], step: float) -> int: ...
def portably(only: bool) -> None: ...
