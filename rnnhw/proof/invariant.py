"""An invariant that a model checker found, as a question to any SAT solver.

A model checker that says "proved" can give its reason: cubes of latches that no reachable state
meets (ABC: ``pdr -d -I FILE``). The reason is checked without trusting the checker: the cubes hold
for ever and forbid every wrong answer if this formula, in DIMACS, has no solution:

    no cube holds now, and a cube holds after the step or the step's answer is wrong

together with the first state, all latches 0, meeting no cube, which is looked at here.

The cubes must speak of the very circuit: after ``dc2`` or ``scorr`` the checker's latches are not
the file's any more, and an invariant of few or no cubes certifies nothing about the design.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rnnhw.errors import DesignError

__all__ = ["invariant_check"]


@dataclass(frozen=True)
class _File:
    """The literals of a binary AIGER file, and its gates: number, operand, operand."""

    inputs: int
    following: tuple[int, ...]
    outputs: tuple[int, ...]
    gates: tuple[tuple[int, int, int], ...]

    @property
    def variables(self) -> int:
        return self.inputs + len(self.following) + len(self.gates)


def invariant_check(circuit: bytes, invariant: str) -> str:
    """The formula in DIMACS, unsatisfiable if the invariant proves that no answer is wrong.

    Args:
        circuit: a binary AIGER file with one output, as :func:`rnnhw.proof.aiger.aiger` writes it.
        invariant: a PLA over latches ``loN``, as ABC's pdr writes it.

    Raises:
        DesignError: one of them is not that, they do not belong together, or the first state
            meets a cube.
    """
    file = _read(circuit)
    cubes = list(_cubes(invariant, len(file.following)))
    for number, cube in enumerate(cubes):
        if not any(value for _, value in cube):
            raise DesignError(
                f"invariant: the first state, all latches 0, meets cube {number}",
                "it is no invariant of this circuit",
            )
    clauses = [[-1]]  # variable 1 is AIGER's variable 0, false
    for gate, a, b in file.gates:
        own, x, y = _variable(2 * gate), _variable(a), _variable(b)
        clauses += [[-own, x], [-own, y], [own, -x, -y]]
    first = 1 + file.inputs
    for cube in cubes:  # not all bits as in the cube
        clauses.append([_variable(2 * (first + latch) ^ value) for latch, value in cube])
    violated = [_variable(file.outputs[0])]
    for number, cube in enumerate(cubes):
        own = file.variables + 2 + number
        clauses += [[-own, _variable(file.following[k] ^ 1 ^ value)] for k, value in cube]
        violated.append(own)
    clauses.append(violated)
    head = f"p cnf {file.variables + 1 + len(cubes)} {len(clauses)}"
    return "\n".join([head, *(" ".join(map(str, [*clause, 0])) for clause in clauses)]) + "\n"


def _variable(literal: int) -> int:
    """The DIMACS literal of an AIGER literal."""
    variable = literal // 2 + 1
    return -variable if literal & 1 else variable


def _cubes(text: str, latches: int) -> Iterator[list[tuple[int, int]]]:
    """Pairs of a latch and its value, cube by cube."""
    names: list[int] = []
    for line in text.splitlines():
        if line.startswith(".ilb"):
            found = [re.fullmatch(r"lo(\d+)", word) for word in line.split()[1:]]
            if not all(found):
                raise DesignError(
                    f"invariant: {line!r} names no latches", "write it with pdr -d -I"
                )
            names = [int(each[1]) for each in found if each]
            if any(name >= latches for name in names):
                raise DesignError(
                    f"invariant: latch {max(names)} of a circuit that has {latches}",
                    "take it from this very circuit, before any simplification",
                )
        elif line[:1] in ("0", "1", "-"):
            bits = line.split()[0]
            if len(bits) != len(names) or set(bits) - set("01-"):
                raise DesignError(f"invariant: {line!r} is no cube of {len(names)} latches", "")
            yield [(name, int(bit)) for name, bit in zip(names, bits, strict=True) if bit != "-"]


def _read(data: bytes) -> _File:
    try:
        return _parsed(data)
    except (ValueError, IndexError):
        raise DesignError(
            "circuit: no binary AIGER file with one output", "write it with --format aiger"
        ) from None


def _parsed(data: bytes) -> _File:
    head, rest = data.split(b"\n", 1)
    kind, *counts = head.split()
    total, inputs, latches, outputs, ands = map(int, counts)
    if kind != b"aig" or total != inputs + latches + ands or outputs != 1:
        raise ValueError
    lines = rest.split(b"\n", latches + outputs)
    literals = [int(line) for line in lines[: latches + outputs]]
    deltas = _deltas(lines[-1])
    gates = []
    for number in range(total - ands + 1, total + 1):
        first = 2 * number - next(deltas)
        gates.append((number, first, first - next(deltas)))
    return _File(inputs, tuple(literals[:latches]), tuple(literals[latches:]), tuple(gates))


def _deltas(body: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in body:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0
    raise ValueError
