"""The compiled boundary (ext/_engine.pyx)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rnnhw.execution.compiler import NetworkPlan, ScanPlan
from rnnhw.graph.network import Scan as ScanNode

IntArray = NDArray[np.int64]

def built_isas() -> list[tuple[str, bool]]: ...
def byte_sums(level: int) -> int: ...
def prefers_tiles(level: int) -> bool: ...
def has_tiles(level: int) -> bool: ...
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
    def prepare_symbols(self, symbols: IntArray) -> None: ...
    def run(
        self,
        inputs: IntArray,
        lengths: IntArray,
        order: IntArray,
        initial: dict[str, IntArray],
        outputs: Mapping[str, tuple[NDArray[np.signedinteger], IntArray]],
        final: dict[str, IntArray],
        traces: dict[str, IntArray],
    ) -> None: ...

Packing = tuple[int, int, IntArray, IntArray, int, int]
Subject = tuple[Program, IntArray, list[Packing], list[tuple[str, int, int]], list[tuple[int, int]]]

def most_threads() -> int: ...

class Search:
    workers: int

    def __init__(
        self,
        words: int,
        next: IntArray,
        expected: IntArray,
        by_class: bool,
        subjects: int,
        threads: int,
    ) -> None: ...
    def add_worker(self, subjects: list[Subject]) -> None: ...
    @property
    def counts(self) -> IntArray: ...
    @property
    def total(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    def plan(
        self,
        state: int,
        first: int,
        last: int,
        rounds: int,
        threads: int,
        max_total: int,
        max_bytes: int,
    ) -> None: ...
    def work(self, thread: int) -> None: ...
    def abandon(self) -> None: ...
    @property
    def outcome(self) -> tuple[int, int, int]: ...
    def trace(
        self, state: int, first: int, last: int, target: int, index: int
    ) -> tuple[int, int]: ...
    def put(self, state: int, keys: NDArray[np.uint64], max_bytes: int) -> int: ...
    def keys(self, state: int, first: int, last: int) -> NDArray[np.uint64]: ...
