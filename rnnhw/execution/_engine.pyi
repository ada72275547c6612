"""The compiled boundary (ext/_engine.pyx)."""

import numpy as np
from numpy.typing import NDArray

from rnnhw.execution.compiler import NetworkPlan, ScanPlan
from rnnhw.graph.network import Scan as ScanNode

IntArray = NDArray[np.int64]

def built_isas() -> list[tuple[str, bool]]: ...
def instruction_bytes() -> int: ...

class Scan:
    plan: ScanPlan
    units_done: IntArray
    terms_done: IntArray
    events: IntArray

class Program:
    plan: NetworkPlan
    scans: list[tuple[Scan, ScanNode]]
    total_adds: IntArray

    def __init__(self, plan: NetworkPlan, level: int) -> None: ...
    def reserve(self, steps: int) -> None: ...
    def run(
        self,
        inputs: IntArray,
        lengths: IntArray,
        order: IntArray,
        initial: dict[str, IntArray],
        outputs: IntArray,
        output_lengths: IntArray,
        final: dict[str, IntArray],
        traces: dict[str, IntArray],
    ) -> None: ...
