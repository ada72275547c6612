"""Writes Walsh-Hadamard transforms and butterfly stages, which run before the columns of a phase.

A chain of transforms (:mod:`rnnhw.accelerator.mapping.transform_chains`) has ping-pong buffers. A
pass reads every word of one buffer and writes its results into the other:

    buffer -> pairs of words -> adders of the chain, or the lanes and the biases -> casts -> buffer

Stages without weights use the adders, stages with weights the lanes. One sequencer counts through
the passes of all chains. A result arrives a fixed number of cycles after its words were read, which
depends on the pass; that is why conditions on the pass are delayed by as many cycles.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rnnhw.accelerator.mapping import (
    NEURON_CYCLES,
    Chain,
    Transform,
    address_bits,
    cast_latency,
)
from rnnhw.graph.nodes import Cast, Matvec, Node, State, unwired
from rnnhw.numerics.cast import OVERFLOW_NUMBER, ROUNDING_NUMBER, Q
from rnnhw.rtl.column_feeds import Column, Columns
from rnnhw.rtl.layer_context import LayerContext
from rnnhw.rtl.netlist import (
    FALSE,
    FIRST_STEP,
    TRUE,
    UNWIRED,
    Bits,
    Concat,
    Constant,
    Expression,
    Net,
    Operation,
    Parameter,
    Slice,
    aligned,
    any_of,
    choice,
    concat,
    zeros,
)
from rnnhw.rtl.verilog_text import Wiring, wired

__all__ = ["Transforms"]


@dataclass(frozen=True)
class _Pass:
    """One stage of a transform over all words of a vector."""

    chain: int
    transform: Transform
    final: bool  # the last stage of its transform: the casts of the transform follow
    position: int  # of the transform in its chain


@dataclass(frozen=True)
class _Word:
    """A net with ``elements`` elements of ``width`` bits."""

    net: Bits
    elements: int
    width: int


class Transforms:
    """Writes the chains of a layer and hands out the nets of their results.

    ``read_by_unit`` lists the nets of results that the post-processor reads unit by unit; it may
    leave some of their bits unread.
    """

    def __init__(self, context: LayerContext, columns: Columns) -> None:
        self._context = context
        self._columns = columns
        self._chains = context.mapping.chains
        self._shapes = {t.node: t for phase in context.phases for t in phase.transforms}
        self._delayed = 0
        self._run_delayed = 0
        self.read_by_unit: list[Net] = []
        self._readers: list[list[tuple[Net, Net]]] = [[] for _ in self._chains]
        self._passes: list[_Pass] = []
        self._periods: list[int] = []
        self._lasts: list[int] = []
        for phase in context.phases:
            for transform in phase.transforms:
                number = next(
                    k for k, c in enumerate(self._chains) if transform.node in c.transforms
                )
                position = self._chains[number].transforms.index(transform.node)
                for stage in range(transform.stages):
                    final = stage == transform.stages - 1
                    self._passes.append(_Pass(number, transform, final, position))
                    cycles = transform.last_cycles if final else transform.stage_cycles
                    self._periods.append(cycles)
                    self._lasts.append(0)
            if phase.transforms:
                self._periods[-1] += phase.settling_cycles
                self._lasts[-1] = 1

    @property
    def _weighted(self) -> list[int]:
        """The numbers of the chains that have stages with weights."""
        return [k for k, chain in enumerate(self._chains) if chain.weighted]

    # --- the whole -------------------------------------------------------------------------------
    def write(self) -> list[Column]:
        """Write everything before the lanes; returns the columns of stages that they multiply."""
        if not self._chains:
            return []
        self._sequencer()
        for number in range(len(self._chains)):
            self._control(number)
        for number, chain in enumerate(self._chains):
            if len(chain.weighted) < len(chain.transforms):
                self._adders(number)
        return [self._neurons(number) for number in self._weighted]

    @property
    def neurons(self) -> list[str]:
        """The prefixes of the nets of chains that have stages with weights."""
        return [f"transform{number}" for number in self._weighted]

    def finish(self) -> None:
        """Write the lanes' sums to the transform buffers, and delay the pass number to match."""
        if not self._chains:
            return
        module = self._context.module
        self._write_results()
        for number in range(len(self._chains)):
            self._first_source(number)
        for number in range(len(self._chains)):
            self._buffers(number)
        for k in range(1, self._delayed + 1):
            module.delayed(self._pass(k), self._pass(k - 1))
        for k in range(1, self._run_delayed + 1):
            module.delayed(self._passing(k), self._passing(k - 1))

    # --- passes ----------------------------------------------------------------------------------
    @property
    def _pass_bits(self) -> int:
        return max((len(self._passes) - 1).bit_length(), 1)

    def _pass(self, delay: int) -> Net:
        """The net of the pass counter, ``delay`` cycles later."""
        return Net(f"pass_{delay}" if delay else "pass", self._pass_bits)

    def _passing(self, delay: int) -> Net:
        """The net that is high in passes, ``delay`` cycles later."""
        return Net(f"passing_{delay}" if delay else "passing")

    @property
    def _cycle_bits(self) -> int:
        return max(max(self._periods).bit_length(), 3)

    def _sequencer(self) -> None:
        """Write the counter of passes and of the cycles of a pass."""
        module, context = self._context.module, self._context
        module.comment("passes in front of the columns")
        module.declare("passing")
        module.declare("pass", self._pass_bits)
        module.declare("pass_cycle", self._cycle_bits)
        with_passes = (
            context.in_phase(number) for number, p in enumerate(context.phases) if p.transforms
        )
        begins: Expression = module.nets["begins"]
        if not context.alone:
            begins &= any_of(*with_passes).grouped
        lasts = sum(last << position for position, last in enumerate(self._lasts))
        module.instance(
            "rnnhw_passes",
            "passes",
            {
                "PASSES": len(self._passes),
                "PASS_BITS": self._pass_bits,
                "CYCLE_BITS": self._cycle_bits,
                "PERIOD": Concat(tuple(Constant(n, 32) for n in reversed(self._periods))),
                "LAST": Constant(lasts, len(self._lasts), "b"),
            },
            {
                **wired("clk rst"),
                "begins": begins,
                "run": "passing",
                "pass": "pass",
                "cycle": "pass_cycle",
            },
        )

    def _in_pass(self, passes: Sequence[int], delay: int = 0) -> Expression:
        """Verilog condition: the pass counter was at one of ``passes``, ``delay`` cycles ago."""
        if len(passes) == len(self._passes):
            return TRUE
        self._delayed = max(self._delayed, delay)
        at = self._pass(delay)
        return any_of(*(at.equals(k).grouped for k in passes)).grouped

    def _was_running(self, passes: Sequence[int], delay: int) -> Expression:
        """Verilog condition: one of ``passes`` was running, ``delay`` cycles ago. The pass counter
        alone does not say so: between passes it has the number of the next one."""
        self._run_delayed = max(self._run_delayed, delay)
        return self._passing(delay) & self._in_pass(passes, delay)

    def _by_pass(
        self, alternatives: Sequence[tuple[list[int], Expression]], delay: int
    ) -> Expression:
        """Verilog choice: the net whose passes the counter was at, ``delay`` cycles ago."""
        *others, (_, last) = alternatives
        cases = ((self._in_pass(passes, delay), net) for passes, net in others)
        return choice(*cases, otherwise=last)

    def _passes_of(self, number: int, *, weighted: bool | None = None) -> list[int]:
        """The passes of a chain: all, those with weights, or those without."""
        return [
            k
            for k, stage in enumerate(self._passes)
            if stage.chain == number and weighted in (None, stage.transform.weighted)
        ]

    # --- buffers ---------------------------------------------------------------------------------
    def _shape(self, number: int) -> Transform:
        """The transform of a chain that sizes its words; all of the chain's agree."""
        return self._shapes[self._chains[number].transforms[0]]

    def _bits(self, number: int) -> dict[str, int]:
        """The parameters that size a chain's words and elements."""
        shape = self._shape(number)
        return {
            "WORD_BITS": (shape.words - 1).bit_length(),
            "ELEMENTS": shape.width,
            "ELEMENT_BITS": (shape.width - 1).bit_length(),
        }

    def _control(self, number: int) -> None:
        """Declare the nets of a chain's buffers, and the conditions when they read and swap."""
        module, chain, shape = self._context.module, self._chains[number], self._shape(number)
        passes, name, width = self._passes_of(number), f"transform{number}", chain.element_bits
        vector = chain.origin
        module.comment(f"transforms of {vector.vector_name}")
        running = self._passing(0) & self._in_pass(passes)
        active = module.wire(f"{name}_active", 0, running, signed=False)
        first = self._in_pass(passes[:1])
        begins = Operation((module.nets["pass_cycle"], Constant(0)), "==")
        module.wire(f"{name}_turns", 0, active & ~first & begins, signed=False)
        steps = active if chain.elsewhere else active & FIRST_STEP
        module.wire(f"{name}_first", 0, steps & first, signed=False)
        if chain.weighted:
            weighted = self._in_pass(self._passes_of(number, weighted=True))
            module.wire(f"{name}_weighs", 0, active & weighted, signed=False)
        bits = self._bits(number)["WORD_BITS"]
        module.declare(f"{name}_next", bits)
        module.declare(f"{name}_q", shape.width * width)
        module.declare(f"{name}_result", shape.width * width)
        if not chain.elsewhere:
            self._columns.written.setdefault(vector, []).append(name)
            module.declare(f"{name}_we")
            module.declare(f"{name}_write_index", address_bits(vector.units))
            module.declare(f"{name}_d", vector.format.signed_width, signed=True)

    def _buffers(self, number: int) -> None:
        """Write the ping-pong buffers of a chain."""
        module, chain, shape = self._context.module, self._chains[number], self._shape(number)
        name, width, readers = f"transform{number}", chain.element_bits, self._readers[number]
        bits = self._bits(number)
        transforms = [self._shapes[node] for node in chain.transforms]
        by_kind = {transform.weighted: transform for transform in transforms}
        slowest = by_kind.get(True, shape)
        index = bits["WORD_BITS"] + bits["ELEMENT_BITS"]
        written: dict[str, Wiring] = {"we": FALSE, "write_index": zeros(index), "d": zeros(width)}
        if not chain.elsewhere:
            written = wired("we write_index", f"{name}_")
            written["d"] = aligned(module.nets[f"{name}_d"], width)
        module.instance(
            "rnnhw_transform",
            f"{name}_buffers",
            {
                "WORDS": shape.words,
                **bits,
                "WIDTH": width,
                "CYCLE_BITS": self._cycle_bits,
                "SPACING": 4 if chain.weighted else 2,
                "LATENCY": slowest.latency,
                "SECOND": 2 if chain.weighted else 1,
                "SUMS": by_kind[False].latency if chain.mixed else 0,
                "READERS": len(readers),
                **self._first_value(chain, shape.width, width),
            },
            {
                **wired("clk rst"),
                **wired("active turns first", f"{name}_"),
                "neurons": f"{name}_weighs" if chain.mixed else FALSE,
                "cycle": "pass_cycle",
                **wired("result", f"{name}_"),
                **written,
                "word": concat(*(word for word, _ in reversed(readers))),
                **wired("next", f"{name}_"),
                "given": f"{name}_given" if chain.elsewhere else zeros(shape.width * width),
                "q": concat(*(q for _, q in reversed(readers))),
            },
        )

    def _first_value(self, chain: Chain, elements: int, width: int) -> dict[str, Parameter]:
        """The parameters for what a chain transforms in the first step of a sequence."""
        if chain.elsewhere:
            return {"FIRST_VALUE": 3}
        if not isinstance(chain.origin, State):
            return {"FIRST_VALUE": 0}
        return self._context.first_words(chain.origin, elements, width)

    def _first_source(self, number: int) -> None:
        """Write the words that the first pass of a chain reads when its vector is stored outside of
        the chain: the result of another chain, or a vector of the columns."""
        chain, shape, name = self._chains[number], self._shape(number), f"transform{number}"
        if not chain.elsewhere:
            return
        module, vector = self._context.module, chain.origin
        following = module.nets[f"{name}_next"]
        if chain.made:
            source = self._of_vector(vector)
            net = self._reader(source, following)
            words = _Word(net, shape.width, self._chains[source].element_bits)
        else:
            net = self._columns.words(f"{name}_arrival", vector, self._bits(number), following)
            words = _Word(net, shape.width, vector.format.width)
        unsigned = not chain.made and not vector.format.signed
        width = shape.width * chain.element_bits
        word = self._resized(f"{name}_words", words, chain.element_bits, unsigned=unsigned)
        module.wire(f"{name}_given", width, word.net, signed=False)

    def _reader(self, number: int, word: Net) -> Net:
        """Add a read port to a chain's result; returns the net that has the word at ``word`` one
        cycle later."""
        name, readers = f"transform{number}", self._readers[number]
        module = self._context.module
        q = module.nets[f"{name}_q"]
        if readers:
            q = module.declare(f"{name}_q{len(readers)}", q.width)
        readers.append((word, q))
        return q

    def _adders(self, number: int) -> None:
        """Write the adders for stages without weights."""
        chain, shape, name = self._chains[number], self._shape(number), f"transform{number}"
        module, width = self._context.module, chain.element_bits
        module.wire(f"{name}_sums", shape.width * (width + 1), signed=False)
        module.instance(
            "rnnhw_sums",
            f"{name}_adders",
            {"ELEMENTS": shape.width, "WIDTH": width},
            {
                "clk": "clk",
                "second": module.nets["pass_cycle"].bit(0),
                "q": f"{name}_q",
                "y": f"{name}_sums",
            },
        )

    # --- from sums to the words that are written back ---------------------------------------------
    def _results(self, number: int, sums: Callable[[Matvec], _Word]) -> None:
        """Cast the sums of every pass of a chain, and select the word that is written back."""
        chain, shape, name = self._chains[number], self._shape(number), f"transform{number}"
        paths: dict[tuple[object, ...], tuple[int, list[int], Bits]] = {}
        for k in self._passes_of(number):
            stage = self._passes[k]
            node, latency = stage.transform.node, stage.transform.latency
            casts = chain.casts[stage.position] if stage.final else ()
            format = node.format if casts or stage.transform.weighted else None
            key = latency, sums(node), format, *(cast.format for cast in casts)
            if key not in paths:
                net = self._path(f"{name}_path{len(paths)}", sums(node), node, casts, chain)
                left = stage.transform.tail - (chain.started and stage.transform.weighted)
                left -= sum(cast_latency(cast, folded=False) for cast in casts)
                paths[key] = latency, [], self._later(net, shape.width * chain.element_bits, left)
            paths[key][1].append(k)
        # When a pass with a short latency writes, the passes before it have written everything,
        # those with a longer latency too.
        *others, (_, _, last) = sorted(paths.values(), key=lambda path: path[0])
        condition = self._was_running if chain.mixed else self._in_pass
        cases = ((condition(passes, delay), net) for delay, passes, net in others)
        self._context.module.assign(f"{name}_result", choice(*cases, otherwise=last))

    def _path(
        self, name: str, sums: _Word, node: Matvec, casts: Sequence[Cast], chain: Chain
    ) -> Bits:
        """Write the casts behind ``sums``; returns the net of elements of the chain's width."""
        word = sums
        if casts or node.weights is not None:
            unsigned = not node.format.signed
            if unsigned:
                word = self._resized(f"{name}_bits", word, node.format.width)
            word = self._resized(f"{name}_sums", word, node.format.signed_width, unsigned=unsigned)
        for index, cast in enumerate(casts):
            word = self._cast(f"{name}_cast{index}", word, cast)
        return self._resized(name, word, chain.element_bits).net

    def _resized(
        self, name: str, word: _Word, width: int, shift: int = 0, *, unsigned: bool = False
    ) -> _Word:
        """``word`` with elements of ``width`` bits, multiplied by ``2**shift``."""
        if word.width == width and not shift:
            return word
        module = self._context.module
        net = module.wire(name, word.elements * width, signed=False)
        module.instance(
            "rnnhw_resize_word",
            f"{name}_resize",
            {
                "ELEMENTS": word.elements,
                "A_WIDTH": word.width,
                "SHIFT": shift,
                "UNSIGNED": int(unsigned),
                "WIDTH": width,
            },
            {"a": word.net, "y": net},
        )
        return _Word(net, word.elements, width)

    def _cast(self, name: str, word: _Word, cast: Cast) -> _Word:
        """The elements of ``word`` after ``cast``."""
        module, width = self._context.module, cast.format.signed_width
        net = module.wire(name, word.elements * width, signed=False)
        module.instance(
            "rnnhw_cast_word",
            f"{name}_unit",
            {
                "ELEMENTS": word.elements,
                "A_WIDTH": word.width,
                "DROP": cast.a.format.fraction - cast.format.fraction,
                "ROUNDING": ROUNDING_NUMBER[cast.format.rounding],
                "OVERFLOW": OVERFLOW_NUMBER[cast.format.overflow],
                "WIDTH": cast.format.width,
                "UNSIGNED": int(not cast.format.signed),
                "LATENCY": cast_latency(cast, folded=False),
            },
            {"clk": "clk", "a": word.net, "y": net},
        )
        return _Word(net, word.elements, width)

    def _later(self, word: Bits, width: int, cycles: int) -> Bits:
        """The word, delayed by ``cycles``."""
        if not cycles:
            return word
        module = self._context.module
        name = word.net.name if isinstance(word, Slice) else word.name
        later = module.wire(f"{name}_later", width, signed=False)
        module.instance(
            "rnnhw_delay_word",
            f"{later.name}_delay",
            {"WIDTH": width, "CYCLES": cycles},
            {"clk": "clk", "a": word, "y": later},
        )
        return later

    # --- stages with weights ---------------------------------------------------------------------
    @property
    def elements(self) -> int:
        """Elements of the widest word that a chain puts on the lanes."""
        return max(self._shape(number).width for number in self._weighted)

    def _neurons(self, number: int) -> Column:
        """Write the feed of a chain's stages with weights; returns the column for the lanes."""
        chain, shape, name = self._chains[number], self._shape(number), f"transform{number}"
        module, width = self._context.module, chain.element_bits
        issue, *_ = (
            module.wire(f"{name}_{flag}", 0, signed=False) for flag in ("issue", "starts", "ends")
        )
        window = module.wire(f"{name}_window", shape.width * width, signed=False)
        module.instance(
            "rnnhw_neurons",
            f"{name}_neurons",
            {
                "WORDS": shape.words,
                "ELEMENTS": shape.width,
                "WIDTH": width,
                "CYCLE_BITS": self._cycle_bits,
            },
            {
                **wired("clk rst"),
                "active": f"{name}_weighs",
                "cycle": "pass_cycle",
                **wired("q issue starts ends", f"{name}_"),
                "operands": window,
            },
        )
        operand, bits = self._columns.operand_width, chain.operand_bits
        word = self.resized(f"{name}_operand_window", window, shape.width, width, bits)
        lanes = [aligned(word.element(k, bits), operand) for k in range(shape.width)]
        idle = [zeros(operand)] * (self._context.lanes - shape.width)
        return Column(issue, (*lanes, *idle))

    def weights(self, width: int) -> Net:
        """Write the memory of the stages' weights; returns the net with its current word, whose
        elements have ``width`` bits."""
        module, numbers = self._context.module, self._context.numbers
        weight = self._context.mapping.stage_weight_bits
        words = [
            word
            for stage in self._passes
            if stage.transform.weighted
            for word in numbers.stage_weights(stage.transform, weight)
        ]
        bits = self.elements * weight
        file = module.image("stage_weights", words, bits)
        net = module.wire("stage_weights", bits, signed=False)
        issues = (module.nets[f"{name}_issue"] for name in self.neurons)
        module.wire("stage_issue", 0, any_of(*issues), signed=False)
        module.instance(
            "rnnhw_weights",
            "stage_weight_memory",
            {
                "WIDTH": bits,
                "DEPTH": len(words),
                "ADDRESS_BITS": address_bits(len(words)),
                "FILE": file,
            },
            {"clk": "clk", "rewind": "take", "next": "stage_issue", "q": net},
        )
        return self.resized("weights_of_stage", net, self.elements, weight, width)

    def resized(self, name: str, net: Net, elements: int, width: int, to: int) -> Net:
        """The net of a word whose elements of ``width`` bits are extended ``to`` more."""
        word = self._resized(name, _Word(net, elements, width), to).net
        assert isinstance(word, Net)
        return word

    def _write_results(self) -> None:
        """Write the way from the sums, of the chains' adders and of the lanes, to the buffers."""
        module = self._context.module
        biased = lane_sums = _Word(UNWIRED, 0, self._context.accumulator_width)
        if self._weighted:
            module.comment("the lanes' sums of stages with weights")
            bits = self.elements * lane_sums.width
            low = module.nets["sums"].slice(bits - 1, 0)
            net = module.wire("stage_sums", bits, low, signed=False)
            lane_sums = _Word(net, self.elements, lane_sums.width)
            if any(self._chains[number].started for number in self._weighted):
                biased = self._biased(lane_sums)
        for number, chain in enumerate(self._chains):
            name, width = f"transform{number}", self._shape(number).width

            def sums(
                node: Matvec, name: str = name, width: int = width, chain: Chain = chain
            ) -> _Word:
                if node.weights is None:
                    return _Word(module.nets[f"{name}_sums"], width, chain.element_bits + 1)
                if chain.started:
                    return _low(biased, width)
                shift = node.format.fraction - node.product_format[0]
                return self._shifted(_low(lane_sums, width), shift)

            self._results(number, sums)

    def _shifted(self, word: _Word, shift: int) -> _Word:
        """The lanes' sums, multiplied by ``2**shift``; written once a shift and width."""
        name = f"stage_sums_by{shift}_of{word.elements}"
        if known := self._context.module.nets.get(name):
            return _Word(known, word.elements, word.width)
        return self._resized(name, word, word.width, shift)

    def _biased(self, sums: _Word) -> _Word:
        """The lanes' sums after the stages' biases are added, one cycle later. Stages without a
        bias pass their sums on."""
        module, numbers = self._context.module, self._context.numbers
        weighted = [k for k, stage in enumerate(self._passes) if stage.transform.weighted]
        started = [k for k in weighted if self._passes[k].transform.node.start is not None]
        shifts: dict[int, list[int]] = {}
        for k in weighted:
            node = self._passes[k].transform.node
            shifts.setdefault(node.format.fraction - node.product_format[0], []).append(k)
        alternatives = [(k, self._shifted(sums, shift).net) for shift, k in shifts.items()]
        rows = [numbers.stage_biases(self._passes[k].transform) for k in started]
        bits = max(self._context.mapping.stage_bias_bits, 2)
        mask = (1 << bits) - 1
        words = [
            sum((value & mask) << (place * bits) for place, value in enumerate(word))
            for row in rows
            for word in row
        ]
        file = module.image("stage_biases", words, sums.elements * bits)
        behind = Net("stage_ends_behind", 3, lowest=1)
        ends = any_of(*(module.nets[f"{name}_ends"] for name in self.neurons))
        module.delayed(behind, concat(behind.slice(2, 1), ends))
        biased = module.wire("stage_biased", sums.elements * sums.width, signed=False)
        module.instance(
            "rnnhw_bias_word",
            "stage_bias_memory",
            {
                "ELEMENTS": sums.elements,
                "WIDTH": sums.width,
                "BIAS_WIDTH": bits,
                "DEPTH": len(words),
                "ADDRESS_BITS": address_bits(len(words)),
                "FILE": file,
            },
            {
                "clk": "clk",
                "rewind": "take",
                "next": behind.bit(3) & self._in_pass(started, NEURON_CYCLES - 1),
                "biased": self._in_pass(started, NEURON_CYCLES),
                "a": self._by_pass(alternatives, NEURON_CYCLES),
                "y": biased,
            },
        )
        return _Word(biased, sums.elements, sums.width)

    # --- results ---------------------------------------------------------------------------------
    def _of_vector(self, vector: Node) -> int:
        """The number of the chain whose result ``vector`` is."""
        return next(k for k, chain in enumerate(self._chains) if chain.vectors[-1] is vector)

    def words(self, vector: Node, word: Net) -> tuple[Net, int]:
        """The net that has the word at ``word`` of a chain's result one cycle later, and the bits
        of an element."""
        number = self._of_vector(unwired(vector))
        return self._reader(number, word), self._chains[number].element_bits

    def element(self, vector: Node, index: Net, element: Net) -> None:
        """Drive the net ``element`` with the element at ``index`` of a chain's result, one cycle
        later."""
        self._element(self._of_vector(unwired(vector)), vector.format, index, element)

    def by_unit(self, node: Node, advance: Expression) -> Net:
        """The net with the current unit's element of a chain's result; ``advance`` selects the next
        unit."""
        module, bits = self._context.module, address_bits(node.units)
        element = module.wire(f"{node.name}_by_unit", node.format.signed_width)
        self.read_by_unit.append(element)
        index = module.wire(f"{element.name}_index", bits, signed=False)
        module.instance(
            "rnnhw_unit_index",
            f"{element.name}_unit",
            {"UNITS": node.units, "INDEX_BITS": bits},
            {**wired("clk rst"), "next": advance, "index": index},
        )
        self._element(self._of_vector(node), node.format, index, element)
        return element

    def _element(self, number: int, format: Q, index: Net, element: Net) -> None:
        """Drive ``element`` with the element at ``index`` of the chain's result."""
        bits = self._bits(number)
        word = self._context.module.wire(f"{element.name}_word", bits["WORD_BITS"], signed=False)
        self._context.module.instance(
            "rnnhw_element",
            f"{element.name}_choice",
            {
                **bits,
                "A_WIDTH": self._chains[number].element_bits,
                "WIDTH": format.signed_width,
            },
            {
                "clk": "clk",
                "index": index,
                "word": word,
                "words": self._reader(number, word),
                "q": element,
            },
        )


def _low(word: _Word, elements: int) -> _Word:
    """The first elements of a word."""
    if elements == word.elements:
        return word
    assert isinstance(word.net, Net)
    return _Word(word.net.slice(elements * word.width - 1, 0), elements, word.width)
