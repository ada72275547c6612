"""And-inverter graphs, integers on them, and the AIGER file (Biere, Heljanko & Wieringa 2011,
"AIGER 1.9 and beyond"; the binary form).

A *literal* is twice the number of a variable, plus one if inverted; 0 is false and 1 is true. A
:class:`Word` is an integer as literals of its two's complement bits, with bounds that keep it
narrow: a result has as many bits as its bounds ask for, and a word of one value has constant bits,
which vanish in whatever reads them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from rnnhw.numerics.cast import Overflow, Q, Rounding, rounded

__all__ = ["FALSE", "TRUE", "Circuit", "Latch", "Word"]

FALSE, TRUE = 0, 1


@dataclass(frozen=True)
class Word:
    """Literals of an integer, least significant first, the last one its sign; ``low`` and ``high``
    bound it."""

    bits: tuple[int, ...]
    low: int
    high: int

    @property
    def sign(self) -> int:
        """The literal that is true for negative integers."""
        return self.bits[-1]

    def bit(self, place: int) -> int:
        """A bit of the integer, which the sign goes on for ever."""
        return self.bits[min(place, len(self.bits) - 1)]


def width_of(low: int, high: int) -> int:
    """Bits of two's complement that hold both."""
    return max(max(high, 0).bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1


@dataclass
class Latch:
    """One bit kept from step to step: what it is at first, its variable, and what follows."""

    variable: int
    initial: int
    following: int = FALSE

    @property
    def literal(self) -> int:
        """The bit. AIGER starts all latches at 0: one that starts at 1 is kept inverted."""
        return self.variable ^ self.initial


@dataclass
class Circuit:
    """Inputs, latches and gates; equal gates are one."""

    inputs: list[int] = field(default_factory=list)
    latches: list[Latch] = field(default_factory=list)
    _gates: dict[tuple[int, int], int] = field(default_factory=dict)
    _variables: int = 0

    # --- bits ----------------------------------------------------------------------------------
    def _variable(self) -> int:
        self._variables += 1
        return 2 * self._variables

    def input(self) -> int:
        """A new input bit."""
        self.inputs.append(self._variable())
        return self.inputs[-1]

    def latch(self, initial: int) -> Latch:
        """A new latch, whose ``following`` is still to be given."""
        self.latches.append(Latch(self._variable(), initial))
        return self.latches[-1]

    def both(self, a: int, b: int) -> int:
        """``a and b``."""
        if a > b:
            a, b = b, a
        if a == FALSE or a == b ^ 1:
            return FALSE
        if a in (TRUE, b):
            return b
        if (a, b) not in self._gates:
            self._gates[a, b] = self._variable()
        return self._gates[a, b]

    def either(self, a: int, b: int) -> int:
        """``a or b``."""
        return self.both(a ^ 1, b ^ 1) ^ 1

    def any(self, literals: Iterable[int]) -> int:
        """Whether one of them is true."""
        found = FALSE
        for literal in literals:
            found = self.either(found, literal)
        return found

    def xor(self, a: int, b: int) -> int:
        """``a != b``."""
        return self.both(self.both(a, b) ^ 1, self.both(a ^ 1, b ^ 1) ^ 1)

    def mux(self, s: int, a: int, b: int) -> int:
        """``a`` where ``s``, else ``b``."""
        if a == b:
            return a
        if s in (FALSE, TRUE):
            return a if s else b
        if a == b ^ 1:
            return self.xor(s, b)
        return self.either(self.both(s, a), self.both(s ^ 1, b))

    def _full_adder(self, a: int, b: int, c: int) -> tuple[int, int]:
        half = self.xor(a, b)
        return self.xor(half, c), self.either(self.both(a, b), self.both(half, c))

    # --- integers ------------------------------------------------------------------------------
    def word(self, bits: Iterable[int], low: int, high: int) -> Word:
        """A word that is known to be within bounds; bits beyond what these need are dropped."""
        if low == high:
            return self.constant(low)
        return Word(tuple(bits)[: width_of(low, high)], low, high)

    def constant(self, value: int) -> Word:
        """One integer."""
        bits = tuple(value >> place & 1 for place in range(width_of(value, value)))
        return Word(bits, value, value)

    def sum(self, constant: int, terms: Iterable[tuple[int, Word]]) -> Word:
        """``constant`` plus each word times its whole factor: shifts of the factor's canonical
        signed digits, added column by column."""
        listed = [(factor, word) for factor, word in terms if factor]
        constant += sum(factor * word.low for factor, word in listed if word.low == word.high)
        listed = [(factor, word) for factor, word in listed if word.low != word.high]
        ends = [sorted((factor * word.low, factor * word.high)) for factor, word in listed]
        low = constant + sum(end[0] for end in ends)
        high = constant + sum(end[1] for end in ends)
        width = width_of(low, high)
        columns: list[list[int]] = [[] for _ in range(width)]
        for factor, word in listed:
            for place, digit in _signed_digits(factor):
                # -b is (not b) - 1; a sign bit weighs negatively, so it is inverted likewise.
                for index, literal in enumerate(word.bits):
                    negative = (digit < 0) != (index == len(word.bits) - 1)
                    if negative:
                        constant -= 1 << (index + place)
                    if index + place < width:
                        columns[index + place].append(literal ^ negative)
        for place in range(width):
            if constant >> place & 1:
                columns[place].append(TRUE)
        return self.word(self._added(columns), low, high)

    def _added(self, columns: list[list[int]]) -> list[int]:
        """One bit a column, modulo their number."""
        bits = []
        for place, column in enumerate(columns):
            waiting = [literal for literal in column if literal != FALSE]
            first = 0
            while len(waiting) - first > 1:
                a, b = waiting[first : first + 2]
                c = waiting[first + 2] if len(waiting) - first > 2 else FALSE
                first += 3 if len(waiting) - first > 2 else 2
                total, carry = self._full_adder(a, b, c)
                if total != FALSE:
                    waiting.append(total)
                if carry != FALSE and place + 1 < len(columns):
                    columns[place + 1].append(carry)
            bits.append(waiting[first] if first < len(waiting) else FALSE)
        return bits

    def multiply(self, a: Word, b: Word) -> Word:
        """The product."""
        if b.low == b.high:
            return self.sum(0, [(b.low, a)])
        if a.low == a.high:
            return self.sum(0, [(a.low, b)])
        if len(b.bits) > len(a.bits):
            a, b = b, a
        rows = []
        for place, literal in enumerate(b.bits):
            weight = -(1 << place) if place == len(b.bits) - 1 else 1 << place
            masked = (self.both(literal, bit) for bit in a.bits)
            rows.append((weight, self.word(masked, min(a.low, 0), max(a.high, 0))))
        corners = [p * q for p in (a.low, a.high) for q in (b.low, b.high)]
        total = self.sum(0, rows)
        width = width_of(min(corners), max(corners))
        return self.word((total.bit(place) for place in range(width)), min(corners), max(corners))

    def choose(self, s: int, a: Word, b: Word) -> Word:
        """``a`` where ``s``, else ``b``."""
        low, high = min(a.low, b.low), max(a.high, b.high)
        bits = [self.mux(s, a.bit(i), b.bit(i)) for i in range(width_of(low, high))]
        return self.word(bits, low, high)

    def less(self, a: Word, limit: int) -> int:
        """``a < limit``."""
        if a.low >= limit:
            return FALSE
        if a.high < limit:
            return TRUE
        width = max(len(a.bits), width_of(limit, limit))
        result = FALSE
        for place in range(width):
            literal, wanted = a.bit(place), limit >> place & 1
            if place == width - 1:  # the sign weighs negatively
                literal, wanted = literal ^ 1, wanted ^ 1
            either = self.either(literal ^ 1, result)
            result = either if wanted else self.both(literal ^ 1, result)
        return result

    def clamp(self, a: Word, low: int, high: int) -> Word:
        """``a`` within two limits."""
        if a.low >= high or low >= high:
            return self.constant(high)
        if a.high <= low:
            return self.constant(low)
        if a.high > high:
            a = self._limited(a, self.less(a, high + 1) ^ 1, high, a.low, high)
        if a.low < low:
            a = self._limited(a, self.less(a, low), low, low, a.high)
        return a

    def _limited(self, a: Word, out: int, limit: int, low: int, high: int) -> Word:
        bits = [self.mux(out, limit >> i & 1, a.bit(i)) for i in range(width_of(low, high))]
        return self.word(bits, low, high)

    def lookup(self, address: Sequence[int], entries: Sequence[int]) -> Word:
        """Entry ``address`` (bits, least significant first) of 2**bits: for each bit of the result
        a decision tree from the top address bit down, whose equal branches are one."""
        low, high = min(entries), max(entries)
        bits = []
        for place in range(width_of(low, high)):
            known: dict[tuple[int, ...], int] = {}
            column = tuple(entry >> place & 1 for entry in entries)
            bits.append(self._branch(address, column, known))
        return self.word(bits, low, high)

    def _branch(
        self, address: Sequence[int], column: tuple[int, ...], known: dict[tuple[int, ...], int]
    ) -> int:
        if column.count(column[0]) == len(column):
            return column[0]
        if column not in known:
            half, place = len(column) // 2, len(column).bit_length() - 2
            above = self._branch(address, column[half:], known)
            below = self._branch(address, column[:half], known)
            known[column] = self.mux(address[place], above, below)
        return known[column]

    # --- the cast ------------------------------------------------------------------------------
    def clips(self, a: Word, fraction: int, to: Q) -> int:
        """Whether a cast to ``to`` meets a value that does not fit."""
        value = self.rounded(a, fraction - to.fraction, to.rounding)
        return self.outside(value, to.lowest, to.max)

    def cast(self, a: Word, fraction: int, to: Q) -> Word:
        """:func:`rnnhw.numerics.cast.cast`: round, then fit into the word."""
        drop = fraction - to.fraction
        value = self.rounded(a, drop, to.rounding)
        if to.lowest <= value.low and value.high <= to.max:
            return value
        match to.overflow:
            case Overflow.SAT | Overflow.SAT_SYM:
                return self.clamp(value, to.lowest, to.max)
            case Overflow.SAT_ZERO:
                out = self.outside(value, to.lowest, to.max)
                kept = self.clamp(value, to.lowest, to.max)
                return self.choose(out, self.constant(0), kept)
            case Overflow.WRAP:
                return self._wrapped(value, to)
            case Overflow.WRAP_SM:
                return self._sign_magnitude(a, value, drop, to)

    def rounded(self, a: Word, drop: int, mode: Rounding) -> Word:
        """:func:`rnnhw.numerics.cast.rounded`."""
        if drop <= 0:
            return self.sum(0, [(1 << -drop, a)])
        floor = self.word(a.bits[drop:] or a.bits[-1:], a.low >> drop, a.high >> drop)
        half = a.bit(drop - 1)
        lower = self.any(a.bit(place) for place in range(min(drop - 1, len(a.bits))))
        match mode:
            case Rounding.TRN:
                up = FALSE
            case Rounding.TRN_ZERO:
                up = self.both(a.sign, self.either(half, lower))
            case Rounding.RND:
                up = half
            case Rounding.RND_MIN_INF:
                up = self.both(half, lower)
            case Rounding.RND_ZERO:
                up = self.both(half, self.either(lower, a.sign))
            case Rounding.RND_INF:
                up = self.both(half, self.either(lower, a.sign ^ 1))
            case Rounding.RND_CONV:
                up = self.both(half, self.either(lower, floor.bit(0)))
            case Rounding.RND_CONV_ODD:
                up = self.both(half, self.either(lower, floor.bit(0) ^ 1))
        total = self.sum(0, [(1, floor), (1, self.word((up, FALSE), 0, 1))])
        # Rounding keeps the order, so the bounds round to the bounds.
        low, high = rounded(a.low, drop, mode), rounded(a.high, drop, mode)
        return self.word((total.bit(i) for i in range(width_of(low, high))), low, high)

    def outside(self, a: Word, low: int, high: int) -> int:
        """Whether ``a`` is below ``low`` or above ``high``."""
        return self.either(self.less(a, low), self.less(a, high + 1) ^ 1)

    def _wrapped(self, value: Word, to: Q) -> Word:
        bits = [value.bit(place) for place in range(to.width)]
        return Word((*bits, *([] if to.signed else [FALSE])), to.min, to.max)

    def _sign_magnitude(self, a: Word, value: Word, drop: int, to: Q) -> Word:
        wrapped = self._wrapped(value, to)
        place = to.width + drop
        deleted = a.bit(place) if place >= 0 else FALSE
        flips = self.both(self.outside(value, to.lowest, to.max), self.xor(deleted, wrapped.sign))
        flipped = [bit ^ 1 for bit in wrapped.bits[:-1]]
        bits = [self.mux(flips, x, y) for x, y in zip(flipped, wrapped.bits, strict=False)]
        return Word((*bits, self.mux(flips, deleted, wrapped.sign)), to.min, to.max)

    # --- the file ------------------------------------------------------------------------------
    def aiger(self, outputs: Sequence[int], comment: str = "") -> bytes:
        """The circuit as binary AIGER; gates that no output and no latch reads are left out."""
        gates = {literal: pair for pair, literal in self._gates.items()}
        live: set[int] = set()
        waiting = [*outputs, *(latch.following ^ latch.initial for latch in self.latches)]
        while waiting:
            literal = waiting.pop() & ~1
            if literal in gates and literal not in live:
                live.add(literal)
                waiting += gates[literal]
        kept = [literal for literal in gates if literal in live]  # operands come first
        number = {0: 0}
        for literal in [*self.inputs, *(latch.variable for latch in self.latches), *kept]:
            number[literal] = 2 * len(number)

        def renumbered(literal: int) -> int:
            return number[literal & ~1] | (literal & 1)

        sizes = len(self.inputs), len(self.latches), len(outputs), len(kept)
        total = len(self.inputs) + len(self.latches) + len(kept)
        lines = [f"aig {total} {sizes[0]} {sizes[1]} {sizes[2]} {sizes[3]}"]
        lines += [str(renumbered(each.following ^ each.initial)) for each in self.latches]
        lines += [str(renumbered(output)) for output in outputs]
        body = bytearray(("\n".join(lines) + "\n").encode())
        for literal in kept:
            x, y = sorted((renumbered(each) for each in gates[literal]), reverse=True)
            body += _varying(number[literal] - x) + _varying(x - y)
        return bytes(body) + (f"c\n{comment}\n".encode() if comment else b"")


def _varying(value: int) -> bytes:
    """Seven bits a byte, least significant first; the top bit says that more follow."""
    found = bytearray()
    while value & ~0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _signed_digits(value: int) -> Iterator[tuple[int, int]]:
    """(place, +1 or -1) of the canonical signed digits (Reitwiesner 1960)."""
    place = 0
    while value:
        if value & 1:
            digit = 2 - (value & 3)
            yield place, digit
            value -= digit
        value >>= 1
        place += 1
