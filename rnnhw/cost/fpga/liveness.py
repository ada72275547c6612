"""Bits that nothing reads: synthesis removes the registers in which they would lie."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from rnnhw.rtl.modules import MODULES
from rnnhw.rtl.verilog_text import Module

__all__ = ["lowest_bits"]

_ALIAS = re.compile(r"^wire (?:signed )?(?:\[\d+:0\] )?(\w+) = (.*);$")
_NET = re.compile(r"^(?:\$signed\()?([A-Za-z_]\w*)(?:\[(\d+):(\d+)\])?\)?$")


@dataclass(frozen=True)
class _Reader:
    """What reads a net from bit ``low`` on: the bit that it ``need``s for those of its ``result``
    from one on; all bits without a rule."""

    need: Callable[[int], int] | None
    result: str
    low: int


def lowest_bits(module: Module) -> dict[str, int]:
    """The lowest bit that is read of each net of results, by its name; of nets that something
    else than an operation reads, it is 0.

    What drops fraction bits leaves those bits unread of its operand: a cast all that it drops, but
    for the one that it rounds by (:attr:`rnnhw.rtl.modules.StaticModule.lowest_bit_read`).
    """
    readers: dict[str, list[_Reader]] = {}
    for instance in module.instances:
        facts = MODULES[instance.module]
        result = instance.ports.get(facts.result, "")
        rule = facts.lowest_bit_read if result else None
        for port, text in instance.ports.items():
            if port in facts.outputs:
                continue
            for net, low in _nets(text):
                need = None if rule is None else partial(rule, instance, port)
                readers.setdefault(net, []).append(_Reader(need, result if rule else "", low))
    for line in module.lines:
        alias = _ALIAS.match(line)
        if alias and (source := _NET.match(alias[2])):
            reader = _Reader(lambda result: result, alias[1], int(source[3] or 0))
            readers.setdefault(source[1], []).append(reader)
        elif line.startswith(("assign ", "always ", "wire ")) and "wire unused" not in line:
            for net in re.findall(r"[A-Za-z_]\w*", line.partition("=")[2]):
                readers.setdefault(net, []).append(_Reader(None, "", 0))
    lowest: dict[str, int] = {}

    def find(net: str) -> int:
        if net not in lowest:
            lowest[net] = 0  # against a circle, which post-processors do not have
            bits = [
                0 if reader.need is None else reader.low + reader.need(find(reader.result))
                for reader in readers.get(net, [])
            ]
            lowest[net] = min(bits, default=0)
        return lowest[net]

    for instance in module.instances:
        if result := instance.ports.get(MODULES[instance.module].result, ""):
            find(result)
    return lowest


def _nets(text: str) -> Iterator[tuple[str, int]]:
    """The net of an operand with the lowest bit that it takes."""
    match = _NET.match(text)
    if match:
        yield match[1], int(match[3] or 0)
    else:
        for name in re.findall(r"[A-Za-z_]\w*", text):
            yield name, 0
