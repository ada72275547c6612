"""Bits that nothing reads: synthesis removes the registers in which they would lie."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from rnnhw.rtl.text import Instance, Module

__all__ = ["lowest_bits"]

_RESULTS = ("y", "q", "value")
_NET = re.compile(r"^(?:\$signed\()?([A-Za-z_]\w*)(?:\[(\d+):(\d+)\])?\)?$")


def lowest_bits(module: Module) -> dict[str, int]:
    """The lowest bit that is read of each net of results, by its name; of nets that something
    else than an operation reads, it is 0.

    What drops fraction bits leaves those bits unread of its operand: a cast all that it drops, but
    for the one that it rounds by.
    """
    drivers = {
        port: instance
        for instance in module.instances
        for name, port in instance.ports.items()
        if name in _RESULTS
    }
    lowest: dict[str, int] = {}
    for net in drivers:
        lowest[net] = -1  # not known yet
    operands = {
        net: [
            (instance, port, low)
            for instance in module.instances
            for port, text in instance.ports.items()
            if port not in _RESULTS
            for found, low in _nets(text)
            if found == net
        ]
        for net in drivers
    }
    elsewhere = _read_elsewhere(module, drivers)

    def find(net: str) -> int:
        if lowest[net] >= 0:
            return lowest[net]
        lowest[net] = 0  # against a circle, which post-processors do not have
        if net in elsewhere or not operands[net]:
            return 0
        needs = []
        for instance, port, low in operands[net]:
            rule = _NEEDS.get(instance.module)
            if rule is None:
                return 0
            results = [name for port_, name in instance.ports.items() if port_ in _RESULTS]
            needs.append(low + rule(instance, port, find(results[0])))
        lowest[net] = min(needs)
        return lowest[net]

    return {net: find(net) for net in drivers}


def _nets(text: str) -> Iterator[tuple[str, int]]:
    """The net of an operand with the lowest bit that it takes."""
    match = _NET.match(text)
    if match:
        yield match[1], int(match[3] or 0)
    else:
        for name in re.findall(r"[A-Za-z_]\w*", text):
            yield name, 0


def _read_elsewhere(module: Module, drivers: Mapping[str, Instance]) -> set[str]:
    words = {
        word for line in module.lines if "assign" in line or "<=" in line or "=" in line
        for word in re.findall(r"[A-Za-z_]\w*", _assigned(line))
    }  # fmt: skip
    return words & set(drivers)


def _assigned(line: str) -> str:
    """What a line assigns; nothing for instances, whose ports are told apart."""
    if line.lstrip().startswith(("rnnhw_", "//")) or re.match(r"\s+\w+ \(\.", line):
        return ""
    return line.partition("=")[2]


def _add(instance: Instance, port: str, result: int) -> int:
    own, other = ("A_SHIFT", "B_SHIFT") if port == "a" else ("B_SHIFT", "A_SHIFT")
    # No carry comes from below the higher shift.
    needed = min(result, max(instance[own], instance[other]))
    return max(needed - instance[own], 0)


def _cast(instance: Instance, port: str, result: int) -> int:
    drop = max(instance["DROP"], 0)
    truncates, half_up = 0, 2
    if instance["FOLDED"] or instance["ROUNDING"] == truncates:
        return drop
    return max(drop - 1, 0) if instance["ROUNDING"] == half_up else 0


def _select(instance: Instance, port: str, result: int) -> int:
    if port == "s":
        return instance["S_WIDTH"] - 1
    return max(result - instance["A_SHIFT" if port == "a" else "B_SHIFT"], 0)


_NEEDS: Mapping[str, Callable[[Instance, str, int], int]] = {
    "rnnhw_add": _add,
    "rnnhw_cast": _cast,
    "rnnhw_register": lambda instance, port, result: result,
    "rnnhw_select": _select,
}
"""The lowest bit of an operand that a module reads for the bits of its result from one on."""
