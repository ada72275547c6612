"""Bits that nothing reads: synthesis removes the registers in which they would lie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from rnnhw.rtl.modules import MODULES
from rnnhw.rtl.netlist import (
    UNWIRED,
    Assign,
    Choice,
    Clocked,
    Constant,
    Declaration,
    Expression,
    Instance,
    Net,
    Signed,
    Slice,
    Statement,
    nets,
)
from rnnhw.rtl.verilog_text import Module

__all__ = ["ALL_BITS", "BitsRead", "bits_read"]

ALL_BITS = range(1 << 16)
"""The bits read of a net that something else than an operation reads: more than any net has."""


@dataclass(frozen=True)
class _Reader:
    """A reader of the bits ``span`` of a net: ``need`` maps the bits read of ``result`` to those
    it reads of the net; without ``need`` it reads all."""

    need: Callable[[range], range] | None
    result: Expression
    span: range


@dataclass(frozen=True)
class BitsRead:
    """The bits that are read of nets: ``span`` from the lowest to the highest, ``gaps`` those
    between them that nothing reads."""

    span: Mapping[Expression, range]
    gaps: Mapping[Expression, frozenset[int]]


def bits_read(module: Module) -> BitsRead:
    """The bits that are read of each net of results.

    A cast leaves the fraction bits unread that it drops, but for the one that it rounds by; an
    operation that wraps leaves the highest bits unread
    """
    readers: dict[Expression, list[_Reader]] = {}
    for statement in module.statements:
        for net, reader in _readers_in(statement):
            readers.setdefault(net, []).append(reader)
    found: dict[Expression, range] = {}
    gaps: dict[Expression, frozenset[int]] = {}

    def find(net: Expression) -> range:
        if net not in found:
            found[net] = ALL_BITS  # against a circle, which post-processors do not have
            spans = [
                reader.span if reader.need is None else _within(reader.span, reader.need(find(r)))
                for reader in readers.get(net, [])
                for r in [reader.result]
            ]
            found[net] = _hull(spans) if spans else ALL_BITS
            gaps[net] = _gaps(spans)
        return found[net]

    for instance in module.instances:
        if result := instance.ports.get(MODULES[instance.module].result):
            find(result)
    return BitsRead(found, gaps)


def _readers_in(statement: Statement) -> Iterator[tuple[Net, _Reader]]:
    """The nets that a statement reads."""
    match statement:
        case Instance():
            yield from _readers_of(statement)
        case Declaration(net, Choice((Net(), Net() | Constant() as first, Net() as second))):
            yield from _passed_on(net, first, second)
        case Declaration(net, Net() | Slice() | Signed() as value):
            yield from _passed_on(net, value)
        case Declaration(value=Expression() as value) | Assign(value=value) | Clocked(value=value):
            yield from ((net, _Reader(None, UNWIRED, ALL_BITS)) for net in nets(value))


def _passed_on(wire: Net, *values: Expression) -> Iterator[tuple[Net, _Reader]]:
    """The nets that a wire is, or is chosen among, with the wire as reader: the bits that are read
    of the wire are read of the nets."""
    for value in values:
        for net, span in _spans(value):
            yield net, _Reader(_same, wire, span)


def _same(read: range) -> range:
    return read


def _readers_of(instance: Instance) -> Iterator[tuple[Net, _Reader]]:
    """The nets that an instance reads."""
    facts = MODULES[instance.module]
    result = instance.port(facts.result)
    for port, value in instance.ports.items():
        if port in facts.outputs:
            continue
        need = partial(_needed, instance, port) if result != UNWIRED else None
        if facts.lowest_bit_read is None and facts.bits_needed is None:
            need = None
        for net, span in _spans(value):
            yield net, _Reader(need, result, span)


def _needed(instance: Instance, port: str, read: range) -> range:
    """The bits of an operand that the bits ``read`` of the result depend on."""
    facts = MODULES[instance.module]
    low = facts.lowest_bit_read(instance, port, read.start) if facts.lowest_bit_read else 0
    high = facts.bits_needed(instance, port, read.stop) if facts.bits_needed else ALL_BITS.stop
    return range(low, max(high, low))


def _within(span: range, read: range) -> range:
    """The bits ``read`` of a slice, as bits of the whole."""
    stop = min(span.stop, span.start + read.stop)
    return range(min(span.start + read.start, stop), stop)


def _hull(spans: list[range]) -> range:
    return range(min(s.start for s in spans), max(s.stop for s in spans))


def _gaps(spans: list[range]) -> frozenset[int]:
    """The bits between spans that none of them has."""
    missing: set[int] = set()
    end = None
    for span in sorted((span for span in spans if span), key=lambda span: span.start):
        if end is not None:
            missing.update(range(end, span.start))
        end = max(end or 0, span.stop)
    return frozenset(missing)


def _spans(value: Expression) -> Iterator[tuple[Net, range]]:
    """The nets of an operand with the bits that it takes: of a net or a slice those alone."""
    match value:
        case Slice(net, high, low) | Signed(Slice(net, high, low)):
            yield net, range(low, high + 1)
        case _:
            yield from ((net, ALL_BITS) for net in nets(value))
