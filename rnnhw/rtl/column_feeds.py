"""Columns: the feeds that bring elements of vectors to the lanes, with the memories behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from rnnhw.accelerator.mapping import Feed, Phase, Segment, address_bits
from rnnhw.graph.nodes import Input, Node, State
from rnnhw.rtl.layer_context import LayerContext
from rnnhw.rtl.netlist import FALSE, FIRST_STEP, Expression, Net, Parameter, aligned
from rnnhw.rtl.vector_memories import Vectors
from rnnhw.rtl.verilog_text import Wiring, wired

__all__ = ["Column", "Columns", "TransformResults"]


_BY_WORD = (Feed.PAIRS, Feed.STRIDE)
"""Feeds that read words of several elements."""


@dataclass(frozen=True)
class Column:
    """The columns of one segment: the net that is high in them, and each lane's operand, one cycle
    later."""

    active: Net
    operands: tuple[Expression, ...]


class TransformResults(Protocol):
    """Gives vectors that chains of transforms make, one cycle behind what is asked for."""

    def words(self, vector: Node, word: Net) -> tuple[Net, int]:
        """The net with a word, and the bits of an element."""

    def element(self, vector: Node, index: Net, element: Net) -> None:
        """Drive the net ``element``."""


class Columns:
    """Writes the feeds of a layer."""

    def __init__(self, context: LayerContext, vectors: Vectors) -> None:
        self._context = context
        self._vectors = vectors
        self._chains: TransformResults

    @property
    def written(self) -> dict[Node, list[str]]:
        """The memories that post-processors write (:class:`rnnhw.rtl.vector_memories.Vectors`)."""
        return self._vectors.written

    def write(self, chains: TransformResults) -> list[Column]:
        """The feeds of every phase; ``chains`` give the vectors that are transformed."""
        self._chains = chains
        feeds = []
        width = self.operand_width
        for number, phase in enumerate(self._context.phases):
            for position, segment in enumerate(phase.segments):
                feeds.append(self._feed(number, phase, position, segment, width))
        return feeds

    @property
    def operand_width(self) -> int:
        """Bits of the widest operand, moved to meet the accumulators."""
        fed = [chain.operand_bits for chain in self._context.mapping.chains]
        return max(self._context.numbers.operand_width(), *fed, 1)

    def _feed(
        self, number: int, phase: Phase, position: int, segment: Segment, width: int
    ) -> Column:
        module, vector = self._context.module, segment.vector
        name = f"{self._context.prefix(number)}feed{position}"
        bits, element_bits = address_bits(vector.units), vector.format.signed_width
        what = f"{vector.vector_name} by {segment.feed.value}"
        module.comment(f"columns {phase.starts[position]} on: {what}")
        active = module.wire(f"{name}_active", 0, signed=False)
        if segment.feed not in _BY_WORD:
            index = module.wire(f"{name}_index", bits, signed=False)
            element = module.wire(f"{name}_element", element_bits)
        common = {"FIRST": phase.starts[position], "COLUMN_BITS": self._context.column_bits}
        run, alone = module.nets["run"], self._context.alone
        ports: dict[str, Wiring] = {
            "run": run if alone else run & self._context.in_phase(number),
            "column": "column",
            "active": active,
        }
        moving = wired("clk begins group_ends")
        span = phase.window_units
        match segment.feed:
            case Feed.PAIRS:
                window = self._pairs(name, phase, segment, {**moving, **ports}, common)
            case Feed.STRIDE:
                window = self._stride(name, phase, segment, {**moving, **ports}, common)
            case Feed.BROADCAST:
                module.instance(
                    "rnnhw_broadcast",
                    name,
                    {"COLUMNS": segment.columns, **common, "INDEX_BITS": bits},
                    {**ports, "index": index},
                )
            case Feed.BLOCK:
                outputs = segment.block[0] if segment.block else segment.columns
                groups = outputs * phase.gates // phase.lanes
                module.instance(
                    "rnnhw_block",
                    name,
                    {
                        "COLUMNS": segment.columns,
                        **common,
                        "GROUPS": groups,
                        "GROUP_BITS": max((groups - 1).bit_length(), 1),
                        "INDEX_BITS": bits,
                    },
                    {**moving, **ports, "index": index},
                )
            case Feed.BLOCKS:
                assert segment.block is not None
                outputs, inputs = segment.block
                rows = outputs * phase.gates
                module.instance(
                    "rnnhw_blocks",
                    name,
                    {
                        "UNITS": vector.units,
                        "COLUMNS": segment.columns,
                        "INPUTS": inputs,
                        "ROWS": rows,
                        "ROW_BITS": address_bits(rows),
                        "LANES": phase.lanes,
                        **common,
                        "INDEX_BITS": bits,
                    },
                    {**moving, **ports, "index": index},
                )
            case _:
                assert segment.window is not None
                reach = vector.units + span * (phase.groups + 1) + sum(segment.window) + 1
                window = module.wire(f"{name}_window", span * element_bits, signed=False)
                module.instance(
                    "rnnhw_window",
                    name,
                    {
                        "UNITS": vector.units,
                        "LOWER": segment.window[0],
                        "COLUMNS": segment.columns,
                        "SPAN": span,
                        **common,
                        "CYCLIC": int(segment.feed is Feed.CYCLIC),
                        "WIDTH": element_bits,
                        "INDEX_BITS": bits,
                        "POSITION_BITS": reach.bit_length() + 1,
                    },
                    {
                        **moving,
                        **ports,
                        "element": element,
                        "index": index,
                        "window": window,
                    },
                )
        if segment.feed not in _BY_WORD:
            self._vector(name, vector, index, element)
        shift = self._context.numbers.shift(number, position)
        if segment.window is None and segment.feed not in _BY_WORD:
            operand = aligned(element, width, shift)
            return Column(active, (operand,) * self._context.lanes)
        rows = max(phase.gates, 1)
        bits = self._window_width(segment)
        units = [
            aligned(window.element(unit, bits), width, shift, unsigned=bits < element_bits)
            for unit in range(span)
        ]
        operands = tuple(units[min(lane // rows, span - 1)] for lane in range(self._context.lanes))
        return Column(active, operands)

    def _pairs(
        self,
        name: str,
        phase: Phase,
        segment: Segment,
        ports: dict[str, Wiring],
        common: dict[str, int],
    ) -> Net:
        """The feed of a butterfly stage, with the memory of words behind it; returns the net of
        its window."""
        module, vector, span = self._context.module, segment.vector, phase.window_units
        element_bits, elements = self._window_width(segment), segment.word
        counted = {
            "WORD_BITS": (vector.units // elements - 1).bit_length(),
            "ELEMENTS": elements,
            "ELEMENT_BITS": (elements - 1).bit_length(),
        }
        word = module.wire(f"{name}_word", counted["WORD_BITS"], signed=False)
        if self._context.rows.in_feed(vector):
            words, width = self._chains.words(vector, word)
        else:
            words, width = self.words(name, vector, counted, word), element_bits
        wide = "window" if width == element_bits else "wide"
        window = module.wire(f"{name}_{wide}", span * width, signed=False)
        module.instance(
            "rnnhw_pairs",
            name,
            {
                "SPAN": span,
                "FIRST": common["FIRST"],
                "HELD": segment.pair_words(span),
                **counted,
                "OFFSETS": int(2 * span % elements != 0),
                "WIDTH": width,
                "COLUMN_BITS": common["COLUMN_BITS"],
            },
            {**ports, "q": words, "word": word, "window": window},
        )
        if width == element_bits:
            return window
        resized = module.wire(f"{name}_window", span * element_bits, signed=False)
        module.instance(
            "rnnhw_resize_word",
            f"{name}_resize",
            {
                "ELEMENTS": span,
                "A_WIDTH": width,
                "SHIFT": 0,
                "UNSIGNED": 0,
                "WIDTH": element_bits,
            },
            {"a": window, "y": resized},
        )
        return resized

    def _stride(
        self,
        name: str,
        phase: Phase,
        segment: Segment,
        ports: dict[str, Wiring],
        common: dict[str, int],
    ) -> Net:
        """The feed of interleaved blocks, with the memory of words behind it; returns the net of
        its window."""
        module, vector, span = self._context.module, segment.vector, phase.window_units
        units, elements, width = vector.units // segment.columns, segment.word, vector.format.width
        words = vector.units // elements
        bits = address_bits(words)
        word = module.wire(f"{name}_word", bits, signed=False)
        q = module.wire(f"{name}_words", elements * width, signed=False)
        parameters: dict[str, Parameter] = {
            "WORDS": words,
            "WORD_BITS": bits,
            "ELEMENTS": elements,
            "ELEMENT_BITS": address_bits(elements),
            "WIDTH": width,
            "UNSIGNED": int(not vector.format.signed),
            "BANKS": 2 if isinstance(vector, Input | State) else 1,
        }
        memory = wired("clk rst") | {"first": FALSE}
        if isinstance(vector, State):
            parameters |= self._context.first_words(vector, elements, width)
            memory["first"] = FIRST_STEP
        written = self._vectors.written_by(name, vector)
        del written["write_index"]
        module.instance(
            "rnnhw_row",
            f"{name}_vector",
            parameters,
            {**memory, **written, "word": word, "q": q},
        )
        groups = max(phase.gates // phase.lanes, 1)
        window = module.wire(f"{name}_window", span * width, signed=False)
        module.instance(
            "rnnhw_stride",
            name,
            {
                "COLUMNS": segment.columns,
                **common,
                "UNITS": units,
                "SPAN": span,
                "ELEMENTS": elements,
                "WORD_BITS": bits,
                "OFFSETS": int(elements == units and span % units != 0 and phase.groups > 1),
                "OFFSET_BITS": address_bits(units),
                "GROUPS": groups,
                "GROUP_BITS": address_bits(groups),
                "WIDTH": width,
            },
            {**ports, "q": q, "word": word, "window": window},
        )
        return window

    def words(self, feed: str, vector: Node, counted: dict[str, int], word: Net) -> Net:
        """The memory of words behind a feed that asks for ``word``; gives the net of what is
        read."""
        if isinstance(vector, Input) and vector.position in self._context.windows:
            steps = self._context.windows[vector.position].steps
            return self._ring_words(feed, vector, steps, counted, word)
        module, width = self._context.module, vector.format.width
        first: dict[str, Parameter] = {"FIRST_VALUE": 0}
        if isinstance(vector, State):
            first = self._context.first_words(vector, counted["ELEMENTS"], width)
        written = self._vectors.written_by(feed, vector)
        name = module.wire(f"{feed}_words", counted["ELEMENTS"] * width, signed=False)
        module.instance(
            "rnnhw_words",
            f"{feed}_vector",
            {
                "WORDS": vector.units // counted["ELEMENTS"],
                **counted,
                "WIDTH": width,
                "UNSIGNED": int(not vector.format.signed),
                "BANKS": 2 if isinstance(vector, Input | State) else 1,
                **first,
            },
            {
                "clk": "clk",
                "first": FIRST_STEP if isinstance(vector, State) else FALSE,
                **written,
                "word": word,
                "q": name,
            },
        )
        return name

    def _window_width(self, segment: Segment) -> int:
        """Bits of an element in the window of a segment: those of the memory."""
        format = segment.vector.format
        plain = segment.feed in _BY_WORD and not self._context.rows.in_feed(segment.vector)
        return format.width if plain else format.signed_width

    def _vector(self, feed: str, vector: Node, index: Net, element: Net) -> None:
        """The memory behind a feed."""
        if self._context.rows.in_feed(vector):
            self._chains.element(vector, index, element)
        else:
            self._vectors.read(feed, vector, index, element)

    def _ring_words(
        self, feed: str, vector: Input, steps: int, counted: dict[str, int], word: Net
    ) -> Net:
        """The memory of the last steps of an input, by words; gives the net of what is read."""
        module, x, width = self._context.module, vector.name, vector.format.width
        depth = vector.units // steps * (steps + 1)
        name = module.wire(f"{feed}_words", counted["ELEMENTS"] * width, signed=False)
        module.instance(
            "rnnhw_ring_words",
            f"{feed}_vector",
            {
                "WORDS": depth // counted["ELEMENTS"],
                **counted,
                "WIDTH": width,
                "UNSIGNED": int(not vector.format.signed),
                "ADDRESS_BITS": address_bits(depth),
            },
            {
                "clk": "clk",
                "we": f"{x}_valid",
                "write_address": f"{x}_address",
                "d": f"{x}_data",
                "base": f"{x}_base",
                "word": word,
                "q": name,
            },
        )
        return name
