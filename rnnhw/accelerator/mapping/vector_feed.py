"""How a vector reaches the lanes: the columns that a structure's rows take, one a cycle.

| structure | feed | columns |
|---|---|---|
| dense | broadcast | n |
| banded, diagonal | window | lower + upper + 1 |
| cyclic band | window, its index modulo n | lower + upper + 1 |
| blocks of k | broadcast from the block's base where the rows on the lanes lie in one block | k |
| | else a window of half-width k - 1 with zeros | 2k - 1 |
| blocks of k x m | broadcast of the blocks in which the rows on the lanes lie | m each |
| interleaved blocks of k | words of neighbours, one of every n/k elements on | k |
| Toeplitz, circulant | broadcast, weights from a shift register | n |
| N:M sparse | every lane selects from a word of M elements | n N/M |
| butterfly stage | words of neighbouring pairs | 2 |

Interleaved blocks read their words from a vector that lies in the order of its units, as the inner
factor of a Monarch matrix leaves it. Where they read a vector block by block instead, they are
dense columns with zeros; so is every structure whose rows the post-processor takes apart into
several gates, so that neighbouring rows are not neighbours on the lanes.

What :mod:`rnnhw.accelerator.mapping.emittability` names among them is not emitted as Verilog: it
follows the rules of the others and says what it adds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

from rnnhw.accelerator.mapping.memory import places
from rnnhw.accelerator.mapping.rows import LayerRows
from rnnhw.errors import DesignError
from rnnhw.graph.nodes import Cast, Matvec, Node, Reinterpret, unwired
from rnnhw.layers.structures import (
    Banded,
    BlockDiagonal,
    ButterflyStage,
    Circulant,
    CyclicBand,
    Dense,
    Diagonal,
    InterleavedBlocks,
    Sparse,
    Toeplitz,
)

__all__ = [
    "Feed",
    "Segment",
    "lanes_fit",
    "products_of",
    "segments_of",
    "stride_word",
    "word_width",
]


class Feed(Enum):
    """Which element of a vector a lane gets in a cycle."""

    BROADCAST = "broadcast"
    WINDOW = "window"
    CYCLIC = "cyclic window"
    BLOCK = "block"
    BLOCKS = "blocks"
    DIAGONALS = "diagonals"
    SELECTION = "selection"
    PAIRS = "pairs"
    STRIDE = "stride"

    @property
    def whole_units(self) -> bool:
        """Whether all rows of a unit must be on the lanes together: something moves past them
        unit by unit."""
        return self in (Feed.WINDOW, Feed.CYCLIC, Feed.DIAGONALS, Feed.PAIRS)


@dataclass(frozen=True)
class Segment:
    """Columns that all rows of a phase add in turn.

    A *broadcast* gives every lane the same element. A *block* gives every lane the same element of
    the block in which the rows on the lanes lie, *blocks* those of a run of such blocks; a block
    has ``block`` outputs and as many inputs. With *diagonals* the weights move past the lanes, one
    stored diagonal a cycle. A *window* slides the vector past the lanes, so that row i
    reads elements i-lower .. i+upper; a *stride* gives row i element i modulo n / columns of every
    n / columns elements in turn. The memory gives ``word`` elements at once; ``note`` says
    how a feed differs from those of dense and banded matrices.
    """

    vector: Node
    early: bool
    columns: int
    window: tuple[int, int] | None = None
    feed: Feed = Feed.BROADCAST
    word: int = 1
    note: str = ""
    block: tuple[int, int] | None = None

    @property
    def weight_words(self) -> int:
        """Columns that read a word with a weight for every lane."""
        return 0 if self.feed is Feed.DIAGONALS else self.columns

    def reads(self, units: int) -> int:
        """Words of the vector that one group of ``units`` units on the lanes reads."""
        match self.feed:
            case Feed.WINDOW | Feed.CYCLIC:
                return self.columns + units - 1
            case Feed.PAIRS:
                return self.pair_words(units)
            case Feed.SELECTION:
                return self.vector.units // self.word
            case _:
                return self.columns

    def pair_words(self, units: int) -> int:
        """The most words that hold the pairs of ``units`` units in order."""
        offset = self.word - math.gcd(2 * units, self.word)
        return -(-(offset + 2 * units) // self.word)

    def made_by(self, transform: Matvec) -> bool:
        """Whether ``transform`` makes the vector, perhaps with casts behind it."""
        node = self.vector
        while isinstance(node, Cast | Reinterpret):
            node = node.a
        return node is transform


def word_width(lanes: int, units: int) -> int:
    """F: elements of a word that feeds pairs to the lanes, a power of two."""
    return 1 << (max(min(lanes, units // 2), 1).bit_length() - 1)


# --- blocks ------------------------------------------------------------------------------------
def _has_several_blocks(product: Matvec) -> bool:
    """Whether a block structure has more than one block, of more than one unit."""
    assert isinstance(product.structure, BlockDiagonal)
    return 1 < product.structure.block < product.units


def _is_interleaved(product: Matvec) -> bool:
    return isinstance(product.structure, InterleavedBlocks) and _has_several_blocks(product)


def _rotated_source(product: Matvec) -> Node | None:
    """The vector whose units interleaved blocks read in order, where the product's vector is that
    one, rotated so that the elements of each block are neighbours; else None."""
    assert isinstance(product.structure, BlockDiagonal)
    elements, size = places(product.vector), product.structure.block
    count = product.units // size
    (source, _), *_ = elements
    whole = source.units == product.units
    turned = tuple((source, p * count + r) for r in range(count) for p in range(size))
    return source if whole and elements == turned else None


def stride_word(units: int, span: int) -> int:
    """W: elements of the word that holds those of ``span`` units on the lanes: one for every such
    unit, or, where ``span`` does not divide ``units``, one for every unit."""
    return span if units % span == 0 else units


def _aligned(block: int, gates: int, lanes: int) -> bool:
    """Whether no group of ``lanes`` rows lies in two blocks."""
    return block * gates % max(lanes, 1) == 0


def lanes_fit(layer: LayerRows, phase: int, most: int) -> list[bool]:
    """Whether a phase can run on 1, 2 ... ``most`` lanes (entries 0, 1 ...)."""
    rows = sum(rows.units for rows in layer.phase_rows(phase))
    gates = layer.phase_gates(phase)
    segments = [segment for segment, _ in _segments(layer, phase, 1, aligned=True)]
    whole = any(segment.feed.whole_units for segment in segments)
    strided = any(segment.feed is Feed.STRIDE for segment in segments)
    # Square blocks move past the lanes in a window where a group's rows lie in several of them.
    blocks = {s.columns for s in segments if s.feed is Feed.BLOCK and s.block is None}
    fits = []
    for lanes in range(1, most + 1):
        used = min(lanes, rows)
        needed = whole or not all(_aligned(block, gates, used) for block in blocks)
        needed = needed or (strided and gates % used > 0)
        fits.append(not needed or used % gates == 0 or used == rows)
    return fits


# --- segments ----------------------------------------------------------------------------------
def _segment(layer: LayerRows, phase: int, product: Matvec, lanes: int, aligned: bool) -> Segment:
    """The columns of one product by itself."""
    vector, early = unwired(product.vector), layer.is_early(product)
    n = vector.units

    def window(lower: int, upper: int, feed: Feed = Feed.WINDOW, note: str = "") -> Segment:
        return Segment(vector, early, lower + upper + 1, (lower, upper), feed, 1, note)

    match product.structure:
        case Dense():
            return Segment(vector, early, n)
        case Banded() | Diagonal() | CyclicBand() | BlockDiagonal() if (
            product.units != layer.widths[phase]
        ):
            note = f"{product.structure.name} rows of several gates as dense columns with zeros"
            return Segment(vector, early, n, note=note)
        case Banded(lower=lower, upper=upper):
            return window(lower, upper)
        case Diagonal():
            return window(0, 0)
        case CyclicBand(lower=lower, upper=upper):
            return window(lower, upper, Feed.CYCLIC, "a window whose index wraps around")
        case InterleavedBlocks(block=block) if _is_interleaved(product):
            source = _rotated_source(product)
            if source is None:
                note = "interleaved blocks as dense columns with zeros"
                return Segment(vector, early, n, note=note)
            gates = max(layer.phase_gates(phase), 1)
            rows = sum(rows.units for rows in layer.phase_rows(phase))
            span = -(-min(lanes, rows) // gates)
            note = "interleaved blocks as columns out of words of neighbours"
            return Segment(
                source, early, block, None, Feed.STRIDE, stride_word(n // block, span), note
            )
        case BlockDiagonal(block=block):
            if block == product.units:
                return Segment(vector, early, n)
            if product.units != n:
                return _rectangular(layer, phase, product, lanes, early)
            if not _has_several_blocks(product):
                return window(0, 0)
            rows = sum(rows.units for rows in layer.phase_rows(phase))
            if aligned or _aligned(block, layer.phase_gates(phase), min(lanes, rows)):
                note = "columns broadcast from the base of the rows' block"
                return Segment(vector, early, block, feed=Feed.BLOCK, note=note)
            return window(block - 1, block - 1, note="blocks in a window with zeros")
        case Toeplitz() | Circulant():
            note = "one weight a diagonal, in a shift register along the lanes"
            return Segment(vector, early, n, feed=Feed.DIAGONALS, note=note)
        case Sparse(kept=kept, of=of):
            note = f"lanes that select from a word of {of} elements by the index beside each weight"
            return Segment(vector, early, n // of * kept, None, Feed.SELECTION, of, note)
        case ButterflyStage():
            note = "a butterfly stage as two columns, out of words of neighbouring pairs"
            return Segment(vector, early, 2, None, Feed.PAIRS, word_width(lanes, n), note)
    raise DesignError(
        f"the accelerator has no feed for {product.structure!r}",
        "use structures of rnnhw.layers.structures, or report on a microcontroller",
    )


def _rectangular(layer: LayerRows, phase: int, product: Matvec, lanes: int, early: bool) -> Segment:
    """The columns of blocks that have more or fewer inputs than outputs."""
    assert isinstance(product.structure, BlockDiagonal)
    vector, n, outputs = unwired(product.vector), product.vector.units, product.structure.block
    inputs = product.structure.inputs(product.units, n)
    gates = max(layer.phase_gates(phase), 1)
    rows = sum(rows.units for rows in layer.phase_rows(phase))
    used = max(min(lanes, rows), 1)
    if _aligned(outputs, gates, used):
        note = "columns broadcast from the base of the rows' block"
        return Segment(vector, early, inputs, None, Feed.BLOCK, 1, note, (outputs, inputs))
    # A group starts at most this many rows behind the start of a block.
    block_rows = outputs * gates
    behind = block_rows - math.gcd(used, block_rows)
    columns = inputs * -(-(behind + used) // block_rows)
    if columns >= n:
        return Segment(vector, early, n)
    note = "columns broadcast from the base of the rows' blocks"
    return Segment(vector, early, columns, None, Feed.BLOCKS, 1, note, (outputs, inputs))


def _segments(
    layer: LayerRows, phase: int, lanes: int, aligned: bool
) -> list[tuple[Segment, tuple[Matvec, ...]]]:
    segments: dict[tuple[object, ...], tuple[Segment, tuple[Matvec, ...]]] = {}
    for rows in layer.phase_rows(phase):
        times: dict[tuple[object, ...], int] = {}
        for product in rows.products:
            new = _segment(layer, phase, product, lanes, aligned)
            # What moves past the lanes serves the widest; other columns are of one size.
            size = (
                None
                if new.feed in (Feed.WINDOW, Feed.CYCLIC)
                else (new.columns, new.word, new.block)
            )
            kind = new.vector, new.feed, size
            times[kind] = times.get(kind, 0) + 1
            key = *kind, times[kind]
            if key in segments:
                segment, products = segments[key]
                segments[key] = _merge_segments(segment, new), (*products, product)
            else:
                segments[key] = new, (product,)
    return sorted(segments.values(), key=lambda pair: not pair[0].early)


def _merge_segments(a: Segment, b: Segment) -> Segment:
    """One segment for two products of different rows over one vector: the wider window."""
    note = a.note or b.note
    if a.window is None or b.window is None:
        return replace(a, note=note)
    lower, upper = (max(ends) for ends in zip(a.window, b.window, strict=True))
    return Segment(a.vector, a.early, lower + upper + 1, (lower, upper), a.feed, 1, note)


def segments_of(layer: LayerRows, phase: int, lanes: int) -> tuple[Segment, ...]:
    """The columns of a phase on ``lanes`` lanes, those of the inputs first.

    Rows share columns over one vector and feed: a row without a column has zero weights there.
    Two products of one row over one vector have their columns one after the other.

    Raises:
        DesignError: a structure has no feed.
    """
    return tuple(segment for segment, _ in _segments(layer, phase, lanes, aligned=False))


def products_of(layer: LayerRows, phase: int, lanes: int) -> tuple[tuple[Matvec, ...], ...]:
    """The products whose terms a segment holds, in the order of :func:`segments_of`."""
    return tuple(products for _, products in _segments(layer, phase, lanes, aligned=False))
