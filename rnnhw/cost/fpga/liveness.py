"""Bits that nothing reads: synthesis removes the registers in which they would lie."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from rnnhw.rtl.modules import MODULES
from rnnhw.rtl.verilog_text import Instance, Module

__all__ = ["ALL_BITS", "BitsRead", "bits_read"]

ALL_BITS = range(1 << 16)
"""What is read of a net that something else than an operation reads: more than any has."""

_WIRED = re.compile(r"^wire (?:signed )?(?:\[\d+:0\] )?(\w+) = (.*);$")
_NET = re.compile(r"^(?:\$signed\()?([A-Za-z_]\w*)(?:\[(\d+):(\d+)\])?\)?$")
_FIRST_OR = re.compile(r"^\w+ \? (\w+|\d+'b0) : (\w+)$")


@dataclass(frozen=True)
class _Reader:
    """What reads the bits ``span`` of a net: the bits of them that it ``need``s for some of its
    ``result``; all without a rule."""

    need: Callable[[range], range] | None
    result: str
    span: range


@dataclass(frozen=True)
class BitsRead:
    """The bits that are read of nets, by their names: ``span`` from the lowest to the highest,
    ``gaps`` those between them that nothing reads."""

    span: Mapping[str, range]
    gaps: Mapping[str, frozenset[int]]


def bits_read(module: Module) -> BitsRead:
    """The bits that are read of each net of results.

    What drops fraction bits leaves those unread of its operand: a cast all that it drops, but for
    the one that it rounds by; what wraps leaves the highest ones unread
    (:attr:`rnnhw.rtl.modules.StaticModule.lowest_bit_read` and ``bits_needed``).
    """
    readers: dict[str, list[_Reader]] = {}
    for instance in module.instances:
        for net, reader in _readers_of(instance):
            readers.setdefault(net, []).append(reader)
    for line in module.lines:
        for net, reader in _readers_in(line):
            readers.setdefault(net, []).append(reader)
    found: dict[str, range] = {}
    gaps: dict[str, frozenset[int]] = {}

    def find(net: str) -> range:
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
        if result := instance.ports.get(MODULES[instance.module].result, ""):
            find(result)
    return BitsRead(found, gaps)


def _readers_of(instance: Instance) -> Iterator[tuple[str, _Reader]]:
    """The nets that an instance reads."""
    facts = MODULES[instance.module]
    result = instance.ports.get(facts.result, "")
    for port, text in instance.ports.items():
        if port in facts.outputs:
            continue
        need = partial(_needed, instance, port) if result else None
        if facts.lowest_bit_read is None and facts.bits_needed is None:
            need = None
        for net, span in _nets(text):
            yield net, _Reader(need, result, span)


def _needed(instance: Instance, port: str, read: range) -> range:
    """The bits of an operand that the bits ``read`` of the result depend on."""
    facts = MODULES[instance.module]
    low = facts.lowest_bit_read(instance, port, read.start) if facts.lowest_bit_read else 0
    high = facts.bits_needed(instance, port, read.stop) if facts.bits_needed else ALL_BITS.stop
    return range(low, max(high, low))


def _readers_in(line: str) -> Iterator[tuple[str, _Reader]]:
    """The nets that a line reads: one that only names them, or chooses among them, reads of them
    what is read of its own."""
    wired = _WIRED.match(line)
    if wired:
        choice = _FIRST_OR.match(wired[2])
        texts = choice.groups() if choice else [wired[2]]
        matches = [match for text in texts if (match := _NET.match(text))]
        if matches:
            for match in matches:
                yield match[1], _Reader(lambda read: read, wired[1], _span(match))
            return
    if line.startswith(("assign ", "always ", "wire ")) and "wire unused" not in line:
        for net in re.findall(r"[A-Za-z_]\w*", line.partition("=")[2]):
            yield net, _Reader(None, "", ALL_BITS)


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


def _nets(text: str) -> Iterator[tuple[str, range]]:
    """The net of an operand with the bits that it takes."""
    match = _NET.match(text)
    if match:
        yield match[1], _span(match)
    else:
        for name in re.findall(r"[A-Za-z_]\w*", text):
            yield name, ALL_BITS


def _span(match: re.Match[str]) -> range:
    return range(int(match[3]), int(match[2]) + 1) if match[2] else ALL_BITS
