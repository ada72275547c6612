"""Bits that nothing reads: synthesis removes the registers in which they would lie."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from rnnhw.rtl.verilog_text import Instance, Module

__all__ = ["lowest_bits"]

_RESULTS = ("y", "q", "value")
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
    for the one that it rounds by.
    """
    readers: dict[str, list[_Reader]] = {}
    for instance in module.instances:
        results = [text for port, text in instance.ports.items() if port in _RESULTS]
        rule = _NEEDS.get(instance.module) if results else None
        for port, text in instance.ports.items():
            if port in _RESULTS:
                continue
            for net, low in _nets(text):
                need = None if rule is None else partial(rule, instance, port)
                readers.setdefault(net, []).append(_Reader(need, results[0] if rule else "", low))
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
            found = [
                0 if reader.need is None else reader.low + reader.need(find(reader.result))
                for reader in readers.get(net, [])
            ]
            lowest[net] = min(found, default=0)
        return lowest[net]

    for instance in module.instances:
        for port, text in instance.ports.items():
            if port in _RESULTS:
                find(text)
    return lowest


def _nets(text: str) -> Iterator[tuple[str, int]]:
    """The net of an operand with the lowest bit that it takes."""
    match = _NET.match(text)
    if match:
        yield match[1], int(match[3] or 0)
    else:
        for name in re.findall(r"[A-Za-z_]\w*", text):
            yield name, 0


def _add(instance: Instance, port: str, result: int) -> int:
    own, other = ("A_SHIFT", "B_SHIFT") if port == "a" else ("B_SHIFT", "A_SHIFT")
    # No carry comes from below the higher shift.
    needed = min(result, max(instance[own], instance[other]))
    return max(needed - instance[own], 0)


def _cast(instance: Instance, port: str, result: int) -> int:
    drop = max(instance["DROP"], 0)
    truncates, half_up = 0, 2
    if instance.parameters.get("FOLDED") or instance["ROUNDING"] == truncates:
        return drop
    return max(drop - 1, 0) if instance["ROUNDING"] == half_up else 0


def _select(instance: Instance, port: str, result: int) -> int:
    if port == "s":
        return instance["S_WIDTH"] - 1
    return max(result - instance["A_SHIFT" if port == "a" else "B_SHIFT"], 0)


_NEEDS: Mapping[str, Callable[[Instance, str, int], int]] = {
    "rnnhw_add": _add,
    "rnnhw_cast": _cast,
    "rnnhw_cast_word": _cast,
    "rnnhw_bias_word": lambda instance, port, result: result,
    "rnnhw_register": lambda instance, port, result: result,
    "rnnhw_resize_word": lambda instance, port, result: max(result - instance["SHIFT"], 0),
    "rnnhw_select": _select,
    "rnnhw_unit_ram": lambda instance, port, result: result if port == "d" else 0,
}
"""The lowest bit of an operand that a module reads for the bits of its result from one on."""
