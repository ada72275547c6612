"""Passes over vectors in front of the columns: Walsh-Hadamard transforms and butterfly stages.

A chain of transforms (:mod:`rnnhw.accelerator.mapping.transform_chains`) has two buffers of words
and what is between reading a pair of words and writing what is made of it: adders of its own, for
stages with weights the lanes and the biases, and the casts. One sequencer runs through the passes
of all chains.
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
from rnnhw.numerics.cast import Q
from rnnhw.rtl.column_feeds import Column, Columns, aligned
from rnnhw.rtl.layer_context import LayerContext
from rnnhw.rtl.modes import OVERFLOW, ROUNDING

__all__ = ["Transforms"]


@dataclass(frozen=True)
class _Pass:
    """One stage: ``final`` where it is the last of its transform, which casts follow."""

    chain: int
    transform: Transform
    final: bool
    position: int  # of the transform in its chain


@dataclass(frozen=True)
class _Word:
    """A net with ``elements`` elements of ``width`` bits."""

    net: str
    elements: int
    width: int


class Transforms:
    """Writes the chains of a layer, and gives their results to who reads them.

    ``read_by_unit`` are the nets of results unit by unit, of which not all bits need be read.
    """

    def __init__(self, context: LayerContext, columns: Columns) -> None:
        self._context = context
        self._columns = columns
        self._chains = context.mapping.chains
        self._shapes = {t.node: t for phase in context.phases for t in phase.transforms}
        self._delayed = 0
        self._run_delayed = 0
        self.read_by_unit: list[str] = []
        self._readers: list[list[tuple[str, str]]] = [[] for _ in self._chains]
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
        return [k for k, chain in enumerate(self._chains) if chain.weighted]

    # --- the whole -------------------------------------------------------------------------------
    def write(self) -> list[Column]:
        """Write everything but the lanes; returns the columns of stages that these multiply."""
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
        """The prefixes of the nets of the chains that the lanes multiply."""
        return [f"transform{number}" for number in self._weighted]

    def finish(self) -> None:
        """Write the lanes' sums to the transform buffers, and delay the pass number to match."""
        if not self._chains:
            return
        module = self._context.module
        self._make()
        for number in range(len(self._chains)):
            self._given(number)
        for number in range(len(self._chains)):
            self._buffers(number)
        for k in range(1, self._delayed + 1):
            before = f"pass_{k - 1}" if k > 1 else "pass"
            module.declarations.append(f"reg [{self._pass_bits - 1}:0] pass_{k};")
            module.add(f"always @(posedge clk) pass_{k} <= {before};")
        for k in range(1, self._run_delayed + 1):
            before = f"passing_{k - 1}" if k > 1 else "passing"
            module.declarations.append(f"reg passing_{k};")
            module.add(f"always @(posedge clk) passing_{k} <= {before};")

    # --- passes ----------------------------------------------------------------------------------
    @property
    def _pass_bits(self) -> int:
        return max((len(self._passes) - 1).bit_length(), 1)

    @property
    def _cycle_bits(self) -> int:
        return max(max(self._periods).bit_length(), 3)

    def _sequencer(self) -> None:
        module, context = self._context.module, self._context
        module.comment("passes in front of the columns")
        module.declare("passing")
        module.declare("pass", self._pass_bits)
        module.declare("pass_cycle", self._cycle_bits)
        begins = " | ".join(
            context.in_phase(number) for number, p in enumerate(context.phases) if p.transforms
        )
        lasts = "".join(str(last) for last in reversed(self._lasts))
        fields = ", ".join(f"32'd{period}" for period in reversed(self._periods))
        module.instance(
            "rnnhw_passes",
            "passes",
            {
                "PASSES": len(self._passes),
                "PASS_BITS": self._pass_bits,
                "CYCLE_BITS": self._cycle_bits,
                "PERIOD": f"{{{fields}}}",
                "LAST": f"{len(lasts)}'b{lasts}",
            },
            {
                "clk": "clk",
                "rst": "rst",
                "begins": "begins" if context.alone else f"begins & ({begins})",
                "run": "passing",
                "pass": "pass",
                "cycle": "pass_cycle",
            },
        )

    def _in_pass(self, which: Sequence[int], ago: int = 0) -> str:
        """Verilog condition: any of the passes ``which`` is active, ``ago`` cycles before."""
        if len(which) == len(self._passes):
            return "1'b1"
        self._delayed = max(self._delayed, ago)
        net = f"pass_{ago}" if ago else "pass"
        return "(" + " | ".join(f"({net} == {self._pass_bits}'d{k})" for k in which) + ")"

    def _at_work(self, which: Sequence[int], ago: int) -> str:
        """Verilog condition: any of the passes ``which`` was active ``ago`` cycles before. While no
        pass is, the net of the pass has the number of the next one."""
        self._run_delayed = max(self._run_delayed, ago)
        return f"passing_{ago} & {self._in_pass(which, ago)}"

    def _by_pass(self, alternatives: Sequence[tuple[list[int], str]], ago: int) -> str:
        """Verilog choice among nets: the one of the pass that was active ``ago`` cycles before."""
        *others, (_, last) = alternatives
        return "".join(f"{self._in_pass(k, ago)} ? {net} : " for k, net in others) + last

    def _own(self, number: int, *, weighted: bool | None = None) -> list[int]:
        """The passes of a chain: all, those with weights, or the others."""
        return [
            k
            for k, each in enumerate(self._passes)
            if each.chain == number and weighted in (None, each.transform.weighted)
        ]

    # --- buffers ---------------------------------------------------------------------------------
    def _shape(self, number: int) -> Transform:
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
        """Declare the ping-pong buffers of a chain and the conditions under which they work."""
        module, chain, shape = self._context.module, self._chains[number], self._shape(number)
        own, name, width = self._own(number), f"transform{number}", chain.element_bits
        vector = chain.origin
        module.comment(f"transforms of {vector.name.removesuffix('.previous')}")
        active = f"passing & {self._in_pass(own)}"
        module.wire(f"{name}_active", 0, active, signed=False)
        turns = f"{name}_active & ~{self._in_pass(own[:1])} & (pass_cycle == 0)"
        module.wire(f"{name}_turns", 0, turns, signed=False)
        step = "" if chain.elsewhere else " & first_step"
        first = f"{name}_active{step} & {self._in_pass(own[:1])}"
        module.wire(f"{name}_first", 0, first, signed=False)
        if chain.weighted:
            neurons = f"{name}_active & {self._in_pass(self._own(number, weighted=True))}"
            module.wire(f"{name}_weighs", 0, neurons, signed=False)
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
        module, chain, shape = self._context.module, self._chains[number], self._shape(number)
        name, width, readers = f"transform{number}", chain.element_bits, self._readers[number]
        vector, bits = chain.origin, self._bits(number)
        given = vector.format.signed_width
        kinds = {each.weighted: each for each in map(self._shapes.__getitem__, chain.transforms)}
        slowest = kinds.get(True, shape)
        index = bits["WORD_BITS"] + bits["ELEMENT_BITS"]
        written = {"we": "1'b0", "write_index": f"{index}'b0", "d": f"{width}'b0"}
        if not chain.elsewhere:
            written = {
                "we": f"{name}_we",
                "write_index": f"{name}_write_index",
                "d": aligned(f"{name}_d", given, 0, 0, width),
            }
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
                "SUMS": kinds[False].latency if chain.mixed else 0,
                "READERS": len(readers),
                **self._first_value(chain, shape.width, width),
            },
            {
                "clk": "clk",
                "rst": "rst",
                "active": f"{name}_active",
                "turns": f"{name}_turns",
                "first": f"{name}_first",
                "neurons": f"{name}_weighs" if chain.mixed else "1'b0",
                "cycle": "pass_cycle",
                "result": f"{name}_result",
                **written,
                "word": _joined([word for word, _ in readers]),
                "next": f"{name}_next",
                "given": f"{name}_given" if chain.elsewhere else f"{shape.width * width}'b0",
                "q": _joined([q for _, q in readers]),
            },
        )

    def _first_value(self, chain: Chain, elements: int, width: int) -> dict[str, int | str]:
        if chain.elsewhere:
            return {"FIRST_VALUE": 3}
        if not isinstance(chain.origin, State):
            return {"FIRST_VALUE": 0}
        return self._context.first_words(chain.origin, elements, width)

    def _given(self, number: int) -> None:
        """The words of a vector that lies elsewhere, as the first pass reads them."""
        chain, shape, name = self._chains[number], self._shape(number), f"transform{number}"
        if not chain.elsewhere:
            return
        module, vector = self._context.module, chain.origin
        if chain.made:
            source = self._of_vector(vector)
            net = self._reader(source, f"{name}_next")
            words = _Word(net, shape.width, self._chains[source].element_bits)
        else:
            net = self._columns.words(f"{name}_arrival", vector, self._bits(number), f"{name}_next")
            words = _Word(net, shape.width, vector.format.width)
        unsigned = not chain.made and not vector.format.signed
        width = shape.width * chain.element_bits
        given = self._resized(f"{name}_words", words, chain.element_bits, unsigned=unsigned)
        module.wire(f"{name}_given", width, given.net, signed=False)

    def _reader(self, number: int, word: str) -> str:
        """The net with the ``word`` of a chain's result, one cycle later; each has its own port."""
        name, readers = f"transform{number}", self._readers[number]
        q = f"{name}_q"
        if readers:
            q = self._context.module.declare(
                f"{name}_q{len(readers)}",
                self._shape(number).width * self._chains[number].element_bits,
            )
        readers.append((word, q))
        return q

    def _adders(self, number: int) -> None:
        chain, shape, name = self._chains[number], self._shape(number), f"transform{number}"
        module, width = self._context.module, chain.element_bits
        module.wire(f"{name}_sums", shape.width * (width + 1), signed=False)
        module.instance(
            "rnnhw_sums",
            f"{name}_adders",
            {"ELEMENTS": shape.width, "WIDTH": width},
            {"clk": "clk", "second": "pass_cycle[0]", "q": f"{name}_q", "y": f"{name}_sums"},
        )

    # --- from sums to what is written ------------------------------------------------------------
    def _results(self, number: int, sums: Callable[[Matvec], _Word]) -> None:
        """Cast the sums of every pass of a chain, and select those that are written."""
        chain, shape, name = self._chains[number], self._shape(number), f"transform{number}"
        paths: dict[tuple[object, ...], tuple[int, list[int], str]] = {}
        for k in self._own(number):
            each = self._passes[k]
            node, latency = each.transform.node, each.transform.latency
            casts = chain.casts[each.position] if each.final else ()
            format = node.format if casts or each.transform.weighted else None
            key = latency, sums(node), format, *(cast.format for cast in casts)
            if key not in paths:
                net = self._path(f"{name}_path{len(paths)}", sums(node), node, casts, chain)
                left = each.transform.tail - (chain.started and each.transform.weighted)
                left -= sum(cast_latency(cast, folded=False) for cast in casts)
                paths[key] = latency, [], self._later(net, shape.width * chain.element_bits, left)
            paths[key][1].append(k)
        # Where a pass writes behind a short way, one of before has nothing left on a long one.
        *others, (_, _, last) = sorted(paths.values(), key=lambda path: path[0])
        chosen = "".join(
            f"{self._at_work(k, ago) if chain.mixed else self._in_pass(k, ago)} ? {net} : "
            for ago, k, net in others
        )
        chosen += last
        self._context.module.add(f"assign {name}_result = {chosen};")

    def _path(
        self, name: str, sums: _Word, node: Matvec, casts: Sequence[Cast], chain: Chain
    ) -> str:
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
        if word.width == width and not shift:
            return word
        module = self._context.module
        module.wire(name, word.elements * width, signed=False)
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
            {"a": word.net, "y": name},
        )
        return _Word(name, word.elements, width)

    def _cast(self, name: str, word: _Word, cast: Cast) -> _Word:
        module, width = self._context.module, cast.format.signed_width
        module.wire(name, word.elements * width, signed=False)
        module.instance(
            "rnnhw_cast_word",
            f"{name}_unit",
            {
                "ELEMENTS": word.elements,
                "A_WIDTH": word.width,
                "DROP": cast.a.format.fraction - cast.format.fraction,
                "ROUNDING": ROUNDING[cast.format.rounding],
                "OVERFLOW": OVERFLOW[cast.format.overflow],
                "WIDTH": cast.format.width,
                "UNSIGNED": int(not cast.format.signed),
                "LATENCY": cast_latency(cast, folded=False),
            },
            {"clk": "clk", "a": word.net, "y": name},
        )
        return _Word(name, word.elements, width)

    def _later(self, net: str, width: int, cycles: int) -> str:
        if not cycles:
            return net
        module = self._context.module
        name = module.wire(f"{net}_later", width, signed=False)
        module.instance(
            "rnnhw_delay_word",
            f"{name}_delay",
            {"WIDTH": width, "CYCLES": cycles},
            {"clk": "clk", "a": net, "y": name},
        )
        return name

    # --- stages with weights ---------------------------------------------------------------------
    @property
    def elements(self) -> int:
        """Elements of the widest words on the lanes."""
        return max(self._shape(number).width for number in self._weighted)

    def _neurons(self, number: int) -> Column:
        chain, shape, name = self._chains[number], self._shape(number), f"transform{number}"
        module, width = self._context.module, chain.element_bits
        for flag in ("issue", "starts", "ends"):
            module.wire(f"{name}_{flag}", 0, signed=False)
        module.wire(f"{name}_window", shape.width * width, signed=False)
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
                "clk": "clk",
                "rst": "rst",
                "active": f"{name}_weighs",
                "cycle": "pass_cycle",
                "q": f"{name}_q",
                "issue": f"{name}_issue",
                "starts": f"{name}_starts",
                "ends": f"{name}_ends",
                "operands": f"{name}_window",
            },
        )
        operand, own = self._columns.operand_width, chain.operand_bits
        word = self._resized(
            f"{name}_operand_window", _Word(f"{name}_window", shape.width, width), own
        )
        lanes = [aligned(word.net, own, k * own, 0, operand) for k in range(shape.width)]
        idle = [f"{operand}'b0"] * (self._context.lanes - shape.width)
        return Column(f"{name}_issue", (*lanes, *idle))

    def weights(self, width: int) -> str:
        """The net with a word of the weights of stages, of ``width`` bits each."""
        module, numbers = self._context.module, self._context.numbers
        weight = self._context.mapping.stage_weight_bits
        words = [
            word
            for each in self._passes
            if each.transform.weighted
            for word in numbers.stage_weights(each.transform, weight)
        ]
        bits = self.elements * weight
        file = module.image("stage_weights", words, bits)
        module.wire("stage_weights", bits, signed=False)
        module.wire("stage_issue", 0, " | ".join(f"{n}_issue" for n in self.neurons), signed=False)
        module.instance(
            "rnnhw_weights",
            "stage_weight_memory",
            {
                "WIDTH": bits,
                "DEPTH": len(words),
                "ADDRESS_BITS": address_bits(len(words)),
                "FILE": f'"{file}"',
            },
            {"clk": "clk", "rewind": "take", "next": "stage_issue", "q": "stage_weights"},
        )
        return self.resized("weights_of_stage", "stage_weights", self.elements, weight, width)

    def resized(self, name: str, net: str, elements: int, width: int, to: int) -> str:
        """The net with a word's elements of ``width`` bits extended ``to`` others."""
        return self._resized(name, _Word(net, elements, width), to).net

    def _make(self) -> None:
        """Select, for each pass, which part of the sums is written back."""
        biased = found = _Word("stage_sums", 0, self._context.accumulator_width)
        if self._weighted:
            found = _Word(found.net, self.elements, found.width)
            self._context.module.comment("what stages make of the lanes' sums")
            bits = found.elements * found.width
            self._context.module.wire(found.net, bits, f"sums[{bits - 1}:0]", signed=False)
            if any(self._chains[number].started for number in self._weighted):
                biased = self._biased(found)
        for number, chain in enumerate(self._chains):
            name, here = f"transform{number}", self._shape(number).width
            own = _Word(f"{name}_sums", here, chain.element_bits + 1)

            def sums(
                node: Matvec, own: _Word = own, here: int = here, chain: Chain = chain
            ) -> _Word:
                if node.weights is None:
                    return own
                if chain.started:
                    return _low(biased, here)
                shift = node.format.fraction - node.product_format[0]
                return self._shifted(_low(found, here), shift)

            self._results(number, sums)

    def _shifted(self, word: _Word, shift: int) -> _Word:
        name = f"stage_sums_by{shift}_of{word.elements}"
        if not shift or name in self._context.module.names:
            return _Word(name, word.elements, word.width) if shift else word
        return self._resized(name, word, word.width, shift)

    def _biased(self, found: _Word) -> _Word:
        """The sums with the biases of the stages that have some, a cycle later."""
        module, numbers = self._context.module, self._context.numbers
        weighted = [k for k, each in enumerate(self._passes) if each.transform.weighted]
        started = [k for k in weighted if self._passes[k].transform.node.start is not None]
        shifts: dict[int, list[int]] = {}
        for k in weighted:
            node = self._passes[k].transform.node
            shifts.setdefault(node.format.fraction - node.product_format[0], []).append(k)
        alternatives = [(own, self._shifted(found, shift).net) for shift, own in shifts.items()]
        rows = [numbers.stage_biases(self._passes[k].transform) for k in started]
        bits = max(self._context.mapping.stage_bias_bits, 2)
        mask = (1 << bits) - 1
        words = [
            sum((value & mask) << (place * bits) for place, value in enumerate(word))
            for row in rows
            for word in row
        ]
        file = module.image("stage_biases", words, found.elements * bits)
        module.declarations.append("reg [3:1] stage_ends_behind;")
        ends = " | ".join(f"{name}_ends" for name in self.neurons)
        module.add(
            f"always @(posedge clk) stage_ends_behind <= {{stage_ends_behind[2:1], {ends}}};"
        )
        module.wire("stage_biased", found.elements * found.width, signed=False)
        module.instance(
            "rnnhw_bias_word",
            "stage_bias_memory",
            {
                "ELEMENTS": found.elements,
                "WIDTH": found.width,
                "BIAS_WIDTH": bits,
                "DEPTH": len(words),
                "ADDRESS_BITS": address_bits(len(words)),
                "FILE": f'"{file}"',
            },
            {
                "clk": "clk",
                "rewind": "take",
                "next": f"stage_ends_behind[3] & {self._in_pass(started, NEURON_CYCLES - 1)}",
                "biased": self._in_pass(started, NEURON_CYCLES),
                "a": self._by_pass(alternatives, NEURON_CYCLES),
                "y": "stage_biased",
            },
        )
        return _Word("stage_biased", found.elements, found.width)

    # --- results ---------------------------------------------------------------------------------
    def _of_vector(self, vector: Node) -> int:
        return next(k for k, chain in enumerate(self._chains) if chain.vectors[-1] is vector)

    def words(self, vector: Node, word: str) -> tuple[str, int]:
        """The net with the ``word`` of what a chain makes, one cycle later, and the bits of an
        element."""
        number = self._of_vector(unwired(vector))
        return self._reader(number, word), self._chains[number].element_bits

    def element(self, vector: Node, index: str, element: str) -> None:
        """Let ``element`` be the one at ``index`` of what a chain makes, one cycle later."""
        self._element(self._of_vector(unwired(vector)), vector.format, index, element)

    def by_unit(self, node: Node, advance: str) -> str:
        """The net with the current unit's element of what a chain makes, which ``advance`` moves
        on."""
        module, bits = self._context.module, address_bits(node.units)
        name = module.wire(f"{node.name}_by_unit", node.format.signed_width)
        self.read_by_unit.append(name)
        index = module.wire(f"{name}_index", bits, signed=False)
        module.instance(
            "rnnhw_unit_index",
            f"{name}_unit",
            {"UNITS": node.units, "INDEX_BITS": bits},
            {"clk": "clk", "rst": "rst", "next": advance, "index": index},
        )
        self._element(self._of_vector(node), node.format, index, name)
        return name

    def _element(self, number: int, format: Q, index: str, element: str) -> None:
        bits = self._bits(number)
        word = self._context.module.wire(f"{element}_word", bits["WORD_BITS"], signed=False)
        self._context.module.instance(
            "rnnhw_element",
            f"{element}_choice",
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


def _joined(nets: Sequence[str]) -> str:
    """Nets side by side, the first one lowest."""
    return nets[0] if len(nets) == 1 else f"{{{', '.join(reversed(nets))}}}"


def _low(word: _Word, elements: int) -> _Word:
    """The first elements of a word."""
    if elements == word.elements:
        return word
    return _Word(f"{word.net}[{elements * word.width - 1}:0]", elements, word.width)
