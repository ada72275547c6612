"""Phases: rows on lanes, columns in order, and the cycles that they take.

    R = rows;  G = ceil(R/P);  REM = R - (G-1) P;  U = P / gates
    CX = max(input columns, U with a window, P with a snapshot);  C = CX + later columns
    PER = max(C, P)
    T = (G-1) PER + C + 7 + (REM-1) + D

P lanes add P rows column by column (output stationary). While the next group runs, the P
accumulators pass the post-processor of depth D, one a cycle. A transform runs before the columns,
and phases follow one another. The formulas equal the Verilog of every layer that
:mod:`rnnhw.rtl` emits to the cycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from rnnhw.accelerator.mapping.postprocessor import PostProcessorSchedule, cast_latency
from rnnhw.accelerator.mapping.rows import LayerRows
from rnnhw.accelerator.mapping.transform_chains import Chain, chains_of
from rnnhw.accelerator.mapping.vector_feed import Feed, Segment, segments_of, word_width
from rnnhw.graph.nodes import Matvec, Node
from rnnhw.layers.structures import FastWalshHadamard

__all__ = ["NEURON_CYCLES", "PIPELINE_CYCLES", "SUM_CYCLES", "Phase", "Transform", "phases_of"]

PIPELINE_CYCLES = 7
"""From the last column's read to the first biased accumulator, and the start of a step."""

NEURON_CYCLES = 6
"""LB: from reading a pair to writing what a butterfly stage makes of it, without a bias."""

SUM_CYCLES = 3
"""From reading a pair to writing its sum; its difference follows a cycle later."""


@dataclass(frozen=True)
class Transform:
    """Passes of the lanes' feed over a vector before the columns.

    ``width`` elements a word (F), ``words`` words (Gf), ``stages`` passes; ``tail`` is the depth of
    what follows a sum in the transform's chain: the casts between stages, a cycle for biases. Sums
    and differences take max(Gf, Gf/2 + 3 + tail) cycles a stage. 2-input neurons with weights take
    max(2 Gf, Gf + 6 + tail): two MAC cycles an output on the lanes' multipliers. The last stage
    before ``readers`` (transforms of another kind or chain over the result) may take others.
    """

    node: Matvec
    width: int
    words: int
    stages: int
    tail: int
    readers: tuple[Transform, ...] = ()

    @property
    def weighted(self) -> bool:
        """Whether the stages have weights."""
        return self.node.weights is not None

    @property
    def latency(self) -> int:
        """Cycles from reading a pair to writing the first word of its results."""
        return (NEURON_CYCLES if self.weighted else SUM_CYCLES) + self.tail

    @property
    def stage_cycles(self) -> int:
        """Cycles of a stage: until the next one, which reads in order, finds every word."""
        if self.weighted:
            return max(2 * self.words, self.words + self.latency)
        return max(self.words, self.words // 2 + self.latency)

    @cached_property
    def last_cycles(self) -> int:
        """Cycles of the last stage, until its readers find every word; columns may wait on."""
        if not self.readers:
            return self.stage_cycles
        return max(self.reads(self.words), *map(self._until, self.readers))

    def _until(self, reader: Transform) -> int:
        """Cycles until ``reader`` finds every word, and writes none before the last one of this
        transform is written."""
        ends = self.readable(self.words - 1) - reader.latency
        return max(ends, *(self.readable(w) - reader.reads(w) for w in range(self.words)))

    @property
    def cycles(self) -> int:
        """Cycles of all stages."""
        return (self.stages - 1) * self.stage_cycles + self.last_cycles

    @property
    def weight_words(self) -> int:
        """Words of F weights that a pass reads."""
        return 2 * self.words if self.weighted else 0

    @property
    def pass_words(self) -> int:
        """Words that all stages read, and that they write."""
        return self.stages * self.words

    def reads(self, word: int) -> int:
        """The cycle of a stage in which it reads a ``word``."""
        return 4 * (word // 2) + word % 2 if self.weighted else word

    def readable(self, word: int) -> int:
        """The cycle of the last stage from which a ``word`` of its result can be read."""
        half = self.words // 2
        pair, second = word % half, word >= half
        apart, behind = (4, 2) if self.weighted else (2, 1)
        return apart * pair + self.latency + second * behind + 1


@dataclass(frozen=True)
class Phase:
    """Rows on lanes. ``lanes`` is 0 where a phase only works element by element."""

    rows: int
    gates: int
    lanes: int
    segments: tuple[Segment, ...]
    transforms: tuple[Transform, ...]
    snapshot: bool
    depth: int

    @property
    def groups(self) -> int:
        """G: how often the lanes start on new rows."""
        return -(-self.rows // max(self.lanes, 1))

    @property
    def last_rows(self) -> int:
        """REM: rows of the last group."""
        return self.rows - (self.groups - 1) * max(self.lanes, 1)

    @property
    def window_units(self) -> int:
        """U: units whose rows are on the lanes together."""
        return max(-(-self.lanes // self.gates), 1) if self.gates else 1

    @property
    def weight_columns(self) -> int:
        """Columns that read a weight word."""
        return sum(segment.weight_words for segment in self.segments)

    def words(self, segment: Segment) -> int:
        """Words of its vector that a segment reads in all groups."""
        return self.groups * segment.reads(self.window_units)

    @property
    def starts(self) -> tuple[int, ...]:
        """The first column of each segment, in order."""
        return self._laid_out[0]

    @property
    def early_columns(self) -> int:
        """Columns until the snapshot, with the idle ones that it waits for."""
        return self._laid_out[1]

    @property
    def columns(self) -> int:
        """C: cycles a group of rows, with the idle ones that fill a window, a register or a
        snapshot; at least one, in which a phase without products adds nothing."""
        return max(self._laid_out[2], 1)

    @cached_property
    def _laid_out(self) -> tuple[tuple[int, ...], int, int]:
        """The first column of each segment, where the early ones end, and where all end."""
        starts: list[int] = []
        cursor = early_end = 0
        for early in (True, False):
            for segment in (each for each in self.segments if each.early is early):
                if segment.window is not None or segment.feed is Feed.DIAGONALS:
                    # Every such segment fills another register from the start of the group.
                    cursor = max(cursor, self.window_units)
                elif segment.feed is Feed.PAIRS:
                    # The words of a group's pairs are read one a cycle, the last in its column.
                    cursor = max(cursor, segment.pair_words(self.window_units) - 1)
                starts.append(cursor)
                cursor += segment.columns
            if early:
                # The rows of the snapshot before this one have to leave first.
                cursor = early_end = max(cursor, self.lanes) if self.snapshot else cursor
        return tuple(starts), early_end, cursor

    @property
    def group_interval(self) -> int:
        """PER: cycles from one group of rows to the next."""
        return max(self.columns, self.lanes)

    @property
    def transform_cycles(self) -> int:
        """Cycles of the feed before the first column."""
        return sum(transform.cycles for transform in self.transforms) + self.settling_cycles

    @cached_property
    def settling_cycles(self) -> int:
        """Cycles that columns wait for words that the last stage is still writing, and for the
        lanes."""
        wait = left = 0
        for transform in reversed(self.transforms):
            # Words of the last stage are there some cycles behind the start of the columns.
            behind = left + transform.last_cycles
            for start, segment in zip(self.starts, self.segments, strict=True):
                if segment.made_by(transform.node):
                    first, each = self._reads(start, segment, transform.width)
                    late = (
                        transform.readable(word) - behind - first - int(word * each)
                        for word in range(transform.words)
                    )
                    wait = max(wait, *late)
            left += transform.cycles
        if self.transforms and self.transforms[-1].weighted:
            # The lanes get the last column of a stage one cycle behind its reading.
            last = self.transforms[-1]
            wait = max(wait, 2 * last.words + 1 - last.last_cycles - min(self.starts, default=0))
        return wait

    def _reads(self, start: int, segment: Segment, width: int) -> tuple[int, int]:
        """The column in which a segment first reads, and columns from word to word of ``width``
        elements; 0 where it reads in another order than that of the words."""
        match segment.feed:
            case Feed.BROADCAST | Feed.BLOCK | Feed.BLOCKS:
                return start, width
            case Feed.WINDOW:
                return start - self.window_units + 1, width
            case Feed.CYCLIC:
                return start - self.window_units + 1, 0
            case Feed.PAIRS:
                return start - segment.pair_words(self.window_units) + 1, 1
            case _:
                return 0, 0

    @property
    def row_cycles(self) -> int:
        """Cycles in which the lanes take columns, or wait for the post-processor."""
        return (self.groups - 1) * self.group_interval + self.columns

    @property
    def latency_cycles(self) -> int:
        """Cycles from the last column to the last result."""
        return PIPELINE_CYCLES + self.last_rows - 1 + self.depth

    @property
    def cycles(self) -> int:
        """Cycles of the phase."""
        return self.transform_cycles + self.row_cycles + self.latency_cycles

    @property
    def bound_by(self) -> Mapping[str, int]:
        """The cycles by what they wait for."""
        drains = self.group_interval > self.columns
        rows = "post-processor" if drains or not self.lanes else "MAC lanes"
        return {
            rows: self.row_cycles,
            "transform": self.transform_cycles,
            "pipeline latency": self.latency_cycles,
        }


def _transforms(layer: LayerRows, phase: int, lanes: int) -> tuple[Transform, ...]:
    chains = [
        chain
        for chain in chains_of(layer)
        if layer.vector_phase(chain.transforms[0].vector) == phase
    ]
    transforms: list[Transform] = []
    heads: dict[Node, list[Transform]] = {}
    # From the last one on, since how long one takes follows from what reads it.
    for chain in reversed(chains):
        readers = tuple(heads.get(chain.vectors[-1], ()))
        for position in reversed(range(len(chain.transforms))):
            made = _transform(chain, position, lanes, readers)
            transforms.insert(0, made)
            readers = (made,)
        heads.setdefault(chain.origin, []).extend(readers)
    return tuple(transforms)


def _transform(
    chain: Chain, position: int, lanes: int, readers: tuple[Transform, ...]
) -> Transform:
    """One of a chain; those of a kind take equally long."""
    node = chain.transforms[position]
    weighted = node.weights is not None
    casts = max(
        sum(cast_latency(cast, folded=False) for cast in behind)
        for each, behind in zip(chain.transforms, chain.casts, strict=True)
        if (each.weights is not None) == weighted
    )
    n = node.vector.units
    width = word_width(lanes, n)
    return Transform(
        node=node,
        width=width,
        words=n // width,
        stages=n.bit_length() - 1 if isinstance(node.structure, FastWalshHadamard) else 1,
        tail=casts + (weighted and chain.started),
        readers=readers,
    )


def phases_of(layer: LayerRows, schedule: PostProcessorSchedule, lanes: int) -> tuple[Phase, ...]:
    """The phases of a step on ``lanes`` lanes, in order."""
    phases = []
    for phase in range(layer.last_phase + 1):
        rows = sum(rows.units for rows in layer.phase_rows(phase))
        width = layer.widths[phase]
        phases.append(
            Phase(
                rows=rows or width,
                gates=layer.phase_gates(phase),
                lanes=min(lanes, rows),
                segments=segments_of(layer, phase, lanes),
                transforms=_transforms(layer, phase, lanes),
                snapshot=any(rows.snapshot for rows in layer.phase_rows(phase)),
                depth=schedule.depth(phase),
            )
        )
    return tuple(phases)
